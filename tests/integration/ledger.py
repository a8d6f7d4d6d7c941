"""The changes of tests to the machine itself, written to PROSCRIBE_TESTS_LEDGER before they are made, to be undone.

Each line is a JSON object: {"sysctl": NAME, "value": BEFORE}, or {"cgroup": NAME}, a directory below /sys/fs/cgroup.
"""

import json
import os


def add(**entry):
    """Write a line, if somebody reads it."""
    if path := os.environ.get("PROSCRIBE_TESTS_LEDGER"):
        with open(path, "a") as file:
            file.write(json.dumps(entry) + "\n")
