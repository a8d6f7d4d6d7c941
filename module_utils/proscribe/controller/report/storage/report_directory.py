"""A run's report on disk: `<id>.partial/` during the run, `<id>/` when it is complete, and links beside them.

`newest` points to the last complete report, `latest` to the last report over the whole (latest_link.py). A run that is
killed leaves both links as they were, and its `.partial` directory with its journal. The next run closes it from the
journal (journal.py).

Reports contain names of users and of their installed packages. So only the owner and the group of the controller's
account may read them: directories 0750, files 0640, whatever the umask.
"""

from __future__ import annotations

import contextlib
import errno
import json
import os
import stat
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import TextIO

from ....model.types.record import HostRecord
from ....model.types.report import FleetReport
from ...files import replace_file, sync_directory

DIRECTORY_MODE = 0o750
FILE_MODE = 0o640

PARTIAL_SUFFIX = ".partial"
JOURNAL_FILE = "journal.jsonl"  # events of the run so far: journal.py


class ReportDirectory:
    """The directory of a run's report. Its path ends in `.partial` until the report is complete.

    `is_abandoned` is true for a run that was killed, whose report a later run completes now. Only then the directory
    exists already. Raises OSError.
    """

    def __init__(self, path: str | os.PathLike[str], is_abandoned: bool = False) -> None:
        self.partial = Path(path)
        if self.partial.suffix != PARTIAL_SUFFIX:
            raise ValueError(f"{path} is no name of a report in the making: it ends in {PARTIAL_SUFFIX}")
        self.complete = self.partial.with_suffix("")
        self._is_abandoned = is_abandoned
        if not is_abandoned:
            self.partial.parent.mkdir(mode=DIRECTORY_MODE, parents=True, exist_ok=True)
            self.partial.mkdir()
            self.partial.chmod(DIRECTORY_MODE)

    def write_report(
        self,
        records: Iterable[HostRecord],
        report: FleetReport,
        page: Iterable[str],
        host_lists: Mapping[str, Iterable[str]] | None = None,
        write_exports: Callable[[Path], None] | None = None,
        is_latest: bool = True,
    ) -> Path:
        """Write all files of the report, rename its directory to the final name, and return the directory.

        `host_lists` has lists of hosts by file name. `newest`, and with `is_latest` also `latest`, then point to this
        report. `write_exports` writes more files into a directory. It is called first, so that the report can have its
        warnings.
        """
        if write_exports:
            write_exports(self.partial)
        for name, hosts in (host_lists or {}).items():
            _write_file(self.partial / name, (f"{host}\n" for host in hosts))
        _write_file(self.partial / "hosts.jsonl", map(_format_record, records))
        _write_file(self.partial / "report.json", [json.dumps(report, indent=2), "\n"])
        _write_file(self.partial / "report.html", page)
        sync_directory(self.partial)
        self.partial.rename(self.complete)
        (self.complete / JOURNAL_FILE).unlink(missing_ok=True)
        # a report that is completed later must not replace a newer report as the target
        for name in ("newest", "latest") if is_latest else ("newest",):
            if not (self._is_abandoned and self._is_newer(name)):
                self._replace_link(name)
        return self.complete

    def _is_newer(self, name: str) -> bool:
        """Return whether the link `name` points to a run that began later than this run.

        Names of runs begin with their start time.
        """
        with contextlib.suppress(OSError):
            return os.readlink(self.complete.with_name(name)) > self.complete.name
        return False

    def _replace_link(self, name: str) -> None:
        """Point the link `name` to this report, in one step."""
        # A symbolic link can only be replaced, so make a new link and rename it. Its target is relative, so that the
        # directory of all reports can be moved.
        temporary_path = self.complete.with_name(f".{name}.{os.getpid()}")
        with contextlib.suppress(FileNotFoundError):
            temporary_path.unlink()
        temporary_path.symlink_to(self.complete.name)
        try:
            temporary_path.rename(self.complete.with_name(name))
        except OSError:
            temporary_path.unlink()
            raise
        sync_directory(self.complete.parent)


def rewrite_page(directory: Path, page: Iterable[str], host_lists: Mapping[str, Iterable[str]]) -> None:
    """Replace the page and the lists of hosts of a complete report, each file in one step. Raises OSError.

    `host_lists` has lists of hosts by file name.
    """
    for name, hosts in host_lists.items():
        _write_file(directory / name, (f"{host}\n" for host in hosts))
    _write_file(directory / "report.html", page)


def _format_record(record: HostRecord) -> str:
    return json.dumps(record, separators=(",", ":")) + "\n"


def open_report_file(path: Path, access_flags: int = os.O_RDONLY, errors: str = "strict") -> TextIO:
    """Open a file of a report. Raises OSError for anything but a regular file.

    A symbolic link is not followed, and a named pipe cannot block the reader.
    """
    descriptor = os.open(path, access_flags | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise OSError(errno.EINVAL, "it is no regular file", str(path))
    return os.fdopen(descriptor, encoding="utf-8", errors=errors)


def _write_file(path: Path, pieces: Iterable[str]) -> None:
    with replace_file(path, FILE_MODE) as stream:
        stream.writelines(pieces)
