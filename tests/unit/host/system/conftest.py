"""The check that no test of a host's system leaves a file open."""

import gc
import os

import pytest


def list_descriptors() -> list[str]:
    return sorted(os.listdir("/proc/self/fd"))


@pytest.fixture(autouse=True)
def no_descriptor_stays():
    """A run and the watch make thousands of these calls, and a process may have some hundred files open."""
    before = list_descriptors()
    yield
    if list_descriptors() != before:
        gc.collect()  # what a test itself has opened and dropped
    assert list_descriptors() == before
