"""The whole text of what changes, beside the reports: `reports/diffs/<run-id>/<host>.<module>.diff`.

They hold what stood in files of the hosts, so they are for the account alone (0700 and 0600), whatever the umask.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterable
from pathlib import Path

from .files import whole
from .pruning import DIFFS

PRIVATE_DIRECTORY, PRIVATE_FILE = 0o700, 0o600
OF_ONE = 16 * 1024 * 1024  # characters of one file
OF_ALL = 512 * 1024 * 1024  # of all files of a run
LONGEST = 120  # characters of a host's name in a file's
ODD = re.compile(r"[^A-Za-z0-9._-]", re.ASCII)


class TooMuch(OSError):
    """The run has written as much as it may."""


class DifferenceFiles:
    """The files of one run, whose folder is made when the first one is written."""

    def __init__(self, reports: Path, run: str) -> None:
        self.directory = reports / DIFFS / run
        self._left = OF_ALL
        self._written: dict[tuple[str, str], Path] = {}

    def write(self, host: str, module: str, digest: str, pieces: Iterable[str]) -> Path:
        """Write a text, whole or not at all; returns where it is. What is the same by its digest is written once for
        all hosts, under the name of the first. Raises OSError.
        """
        if (module, digest) not in self._written:
            self._written[module, digest] = self._write(host, module, pieces)
        return self._written[module, digest]

    def _write(self, host: str, module: str, pieces: Iterable[str]) -> Path:
        if self._left <= 0:
            raise TooMuch(f"this run has written {OF_ALL >> 20} MiB of them")
        for directory in (self.directory.parent, self.directory):
            directory.mkdir(mode=PRIVATE_DIRECTORY, exist_ok=True)
        path = self._free(ODD.sub("_", host)[:LONGEST], module)
        left = min(OF_ONE, self._left)
        with whole(path, PRIVATE_FILE) as stream:
            for piece in pieces:
                if len(piece) > left:
                    stream.write("... cut here: it is larger than is kept\n")
                    left = 0
                    break
                stream.write(piece)
                left -= len(piece)
        self._left -= min(OF_ONE, self._left) - left
        return path

    def _free(self, host: str, module: str) -> Path:
        """A path that no file has: a module may change a host twice, and two hosts' names may look alike."""
        for number in itertools.count(1):
            path = self.directory / f"{host}.{module}{f'.{number}' if number > 1 else ''}.diff"
            if not path.exists():
                return path
        raise AssertionError("unreachable")
