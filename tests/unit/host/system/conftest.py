"""The check that no test of a host's system leaves a file open."""

import gc
import os

import pytest


@pytest.fixture(scope="module", autouse=True)
def no_garbage():
    """Close what tests of other modules have opened and dropped."""
    gc.collect()


@pytest.fixture(autouse=True)
def no_descriptor_stays():
    """A run and the watch make thousands of these calls, and a process may have some hundred files open."""
    before = len(os.listdir("/proc/self/fd"))
    yield
    if len(os.listdir("/proc/self/fd")) > before:
        gc.collect()  # what a test itself has opened and dropped
    assert len(os.listdir("/proc/self/fd")) <= before
