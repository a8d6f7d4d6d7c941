"""Errors of written files."""

import os

import pytest
from proscribe.controller.files import open_named


def test_error_of_a_full_disk_names_the_file():
    with pytest.raises(OSError) as error, open_named(os.open("/dev/full", os.O_WRONLY), "/r/hosts.jsonl") as stream:
        stream.write("x")
    assert error.value.filename == "/r/hosts.jsonl"
