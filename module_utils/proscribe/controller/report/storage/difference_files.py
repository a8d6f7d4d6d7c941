"""The whole text of file changes, beside the reports: `reports/diffs/<run-id>/<host>.<module>.diff`.

The texts contain parts of files of the hosts. So only the controller's account may read them (0700 and 0600), whatever
the umask.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterable
from pathlib import Path

from ...files import replace_file
from .pruning import DIFFERENCES_FOLDER

PRIVATE_DIRECTORY_MODE, PRIVATE_FILE_MODE = 0o700, 0o600
MAX_FILE_CHARACTERS = 16 * 1024 * 1024  # most characters of a file
MAX_RUN_CHARACTERS = 512 * 1024 * 1024  # most characters of all files of a run
MAX_HOST_NAME_LENGTH = 120  # most characters of a host's name in a file name
UNSAFE_CHARACTERS = re.compile(r"[^A-Za-z0-9._-]", re.ASCII)


class DifferenceLimitError(OSError):
    """An error: the run has written as much text of changes as is allowed."""


class DifferenceFiles:
    """The files with the whole text of the changes of a run. Their directory is made with the first file."""

    def __init__(self, reports: Path, run_id: str) -> None:
        self.directory = reports / DIFFERENCES_FOLDER / run_id
        self._characters_left = MAX_RUN_CHARACTERS
        self._paths: dict[tuple[str, str], Path] = {}

    def write_difference(self, host: str, module: str, digest: str, pieces: Iterable[str]) -> Path:
        """Write the text of a host's changes by a module, and return the path. Raises OSError.

        `digest` identifies the text, whose `pieces` follow each other. Texts of a module with equal digests are written
        once, under the name of the first host. The file appears whole or not at all.
        """
        if (module, digest) not in self._paths:
            self._paths[module, digest] = self._write_file(host, module, pieces)
        return self._paths[module, digest]

    def _write_file(self, host: str, module: str, pieces: Iterable[str]) -> Path:
        """Write a text to a new file, cut at the limit of a file or of the run.

        Raises DifferenceLimitError if the run's limit is used up already.
        """
        if self._characters_left <= 0:
            raise DifferenceLimitError(f"this run has written {MAX_RUN_CHARACTERS >> 20} MiB of them")
        for directory in (self.directory.parent, self.directory):
            directory.mkdir(mode=PRIVATE_DIRECTORY_MODE, exist_ok=True)
        path = self._find_free_path(UNSAFE_CHARACTERS.sub("_", host)[:MAX_HOST_NAME_LENGTH], module)
        characters_left = min(MAX_FILE_CHARACTERS, self._characters_left)
        with replace_file(path, PRIVATE_FILE_MODE) as stream:
            for piece in pieces:
                if len(piece) > characters_left:
                    stream.write("... cut here: it is larger than is kept\n")
                    characters_left = 0
                    break
                stream.write(piece)
                characters_left -= len(piece)
        self._characters_left -= min(MAX_FILE_CHARACTERS, self._characters_left) - characters_left
        return path

    def _find_free_path(self, host: str, module: str) -> Path:
        """Return a path at which no file exists yet.

        A module may change a host twice, and two host names may become the same file name.
        """
        for number in itertools.count(1):
            path = self.directory / f"{host}.{module}{f'.{number}' if number > 1 else ''}.diff"
            if not path.exists():
                return path
        raise AssertionError("unreachable")
