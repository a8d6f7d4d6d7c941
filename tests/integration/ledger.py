"""What a test changes on the machine itself, where no namespace keeps it apart, is written down before it is changed.

Whoever runs the tests names a file in PROSCRIBE_TESTS_LEDGER, and undoes from it what a test that was killed could not.
Each line is a JSON object: {"sysctl": NAME, "value": BEFORE}, or {"cgroup": NAME}, a directory below /sys/fs/cgroup.
"""

import json
import os


def add(**entry: str) -> None:
    """Write a line, if somebody reads it."""
    if path := os.environ.get("PROSCRIBE_TESTS_LEDGER"):
        with open(path, "a") as file:
            file.write(json.dumps(entry) + "\n")
