"""Check of the files that a run uses: accounts that are not trusted must not be able to change them.

An account that can change a file that root runs at night is root. So each program or file that a run uses must belong
to root or to the account of the run. The same applies to every directory on its path. Standard library only, on the
controller and on hosts.
"""

from __future__ import annotations

import itertools
import os
from typing import Collection, Iterable, Iterator

from .ownership import ExposedFile, find_exposed_below

ENVIRONMENT_MARK = "pyvenv.cfg"  # a file at the top of a virtual environment


class UnreadableRunFile(Exception):
    """The error that the files of a run cannot be checked, in words."""


def find_exposed_file(paths: Iterable[str], trusted_uids: Collection[int]) -> ExposedFile | None:
    """Return the first file of a run that accounts other than root and `trusted_uids` can change.

    The files are `paths`, all files below them, and the interpreters and environments that run them. A missing file is
    safe, unless others could create it. Raises UnreadableRunFile for a file that cannot be checked.
    """
    # A program is opened only after its own check. Otherwise others could have root open any file of theirs.
    for path in itertools.chain.from_iterable(map(_list_interpreter_paths, paths)):
        try:
            exposed_file = find_exposed_below(path, trusted_uids)
        except OSError as error:
            raise UnreadableRunFile(f"it cannot be seen who can change {path}: {error}") from None
        if exposed_file:
            return exposed_file
    return None


def _list_interpreter_paths(path: str) -> Iterator[str]:
    """Yield a path; for a program also its virtual environment and the interpreter of its first line."""
    yield path
    real = os.path.realpath(path)
    if not os.path.isfile(real):
        return
    environment = os.path.dirname(os.path.dirname(real))
    if os.path.exists(os.path.join(environment, ENVIRONMENT_MARK)):
        yield environment
    try:
        with open(real, "rb") as stream:
            first = stream.readline(1000)
    except OSError:
        return
    interpreter = first[2:].split()[:1] if first.startswith(b"#!") else []
    yield from (os.fsdecode(word) for word in interpreter if word.startswith(b"/"))
