"""The files of a run, and the first of them that others can change. Standard library only, on the controller and on
hosts.

Whoever can change a file that root runs at night is root. So what a run starts, and reads to know what to do, has to
belong to root or to the account of the run. That goes for every directory on the way to it, too.
"""

from __future__ import annotations

import itertools
import os
from typing import Collection, Iterable, Iterator

from .ownership import ExposedFile, find_exposed_below

ENVIRONMENT_MARK = "pyvenv.cfg"  # stands at the top of a virtual environment


class UnreadableRunFile(Exception):
    """The files of a run could not be checked, in words."""


def find_exposed_file(paths: Iterable[str], trusted_uids: Collection[int]) -> ExposedFile | None:
    """Return the first file among these, below them, and among those that run them, which others than root and the
    accounts `trusted_uids` can change. Raise Unreadable for one that cannot be checked.

    A path that does not exist belongs to nobody, unless others could create it.
    """
    # A program is opened only after its own check. Otherwise others could have root open whatever they put there.
    for path in itertools.chain.from_iterable(map(_list_interpreter_paths, paths)):
        try:
            exposed_file = find_exposed_below(path, trusted_uids)
        except OSError as error:
            raise UnreadableRunFile(f"it cannot be seen who can change {path}: {error}") from None
        if exposed_file:
            return exposed_file
    return None


def _list_interpreter_paths(path: str) -> Iterator[str]:
    """Yield a path; for a program also its virtual environment, and the interpreter that its first line names."""
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
