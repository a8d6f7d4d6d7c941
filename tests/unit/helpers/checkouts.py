"""A copy of the checkout, for tests that add something to it."""

import shutil
import subprocess
import sys

# What `tests/tool python tests/derived` reads and writes.
FOR_DERIVED = (
    *("module_utils", "tests/derived", "docs", "playbooks", "catalog", "README.md", "proscribe", "library"),
    *("tests/public_lists.py", "tests/published_lists.py", "tests/catalog", "roles"),
)


def copied(project, copy, parts):
    """These files and directories of the checkout in another place, which is returned."""
    for part in parts:
        source, target = project / part, copy / part
        target.parent.mkdir(parents=True, exist_ok=True)
        if source.is_dir():
            shutil.copytree(source, target, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(source, target)
    return copy


def run(checkout, *arguments):
    """What this Python prints there; fails with all of it where the exit code is not 0."""
    ended = subprocess.run(
        [sys.executable, "-B", *arguments], cwd=checkout, capture_output=True, text=True, check=False
    )
    assert ended.returncode == 0, ended.stdout + ended.stderr
    return ended.stdout


def derived(checkout):
    """What is written anew; nothing is stale afterwards."""
    written = run(checkout, "tests/derived")
    run(checkout, "tests/derived", "--check")
    return written
