"""A run's report on disk: `<id>.partial/` while hosts come in, `<id>/` when it is complete, and links beside them.

`newest` points to the last complete report, `latest` to the last one that stands for the whole (latest.py). A run that
is killed leaves both links as they were, and its `.partial` directory with its journal. From that the next run closes
it (journal.py).

Reports hold names of users and of what they have installed, so they are for the owner and the group of the controller's
account only: directories 0750, files 0640, whatever the umask.
"""

from __future__ import annotations

import contextlib
import errno
import json
import os
import stat
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import TextIO

from ....model.types.record import HostRecord
from ....model.types.report import FleetReport
from ...files import name_file_in_errors, open_named_file

DIRECTORY_MODE = 0o750
FILE_MODE = 0o640

PARTIAL_SUFFIX = ".partial"
JOURNAL_FILE = "journal.jsonl"  # what the run has heard so far: journal.py


class ReportDirectory:
    """The directory of one run. `path` ends in `.partial`; it must not exist, unless it is a run's that was `left`.
    Raises OSError.
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
        """Write the reconciled records, the fleet report, the page and the lists of hosts (file name: hosts).

        This is the newest report then and, if `is_latest`, the one that stands for the whole. Returns its directory.
        `write_exports` writes more files into the directory that it is given. It goes first, so that the report can say what
        became of them.
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
        for name in ("newest", "latest") if is_latest else ("newest",):
            if not (self._is_abandoned and self._is_newer(name)):
                self._replace_link(name)
        return self.complete

    def _is_newer(self, name: str) -> bool:
        """Whether a link points to a run that began after this one; their names begin with when that was."""
        with contextlib.suppress(OSError):
            return os.readlink(self.complete.with_name(name)) > self.complete.name
        return False

    def _replace_link(self, name: str) -> None:
        # A link cannot be rewritten, only replaced; with a relative target the whole folder can be moved.
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
    """Write the page and the lists of a complete report anew; each is replaced whole. Raises OSError."""
    for name, hosts in host_lists.items():
        _write_file(directory / name, (f"{host}\n" for host in hosts))
    _write_file(directory / "report.html", page)


def _format_record(record: HostRecord) -> str:
    return json.dumps(record, separators=(",", ":")) + "\n"


def open_report_file(path: Path, access_flags: int = os.O_RDONLY, errors: str = "strict") -> TextIO:
    """A file that a run wrote, to be read: no link is followed, and no pipe in its place holds whoever reads. Raises
    OSError.
    """
    descriptor = os.open(path, access_flags | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise OSError(errno.EINVAL, "it is no regular file", str(path))
    return os.fdopen(descriptor, encoding="utf-8", errors=errors)


def _create_file(path: Path, mode: int = FILE_MODE) -> TextIO:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    os.fchmod(descriptor, mode)
    return open_named_file(descriptor, path)


@contextlib.contextmanager
def replace_file(path: Path, mode: int = FILE_MODE) -> Iterator[TextIO]:
    """A file that is there, complete, when the block ends well, and else not at all: made beside, synced, renamed."""
    temporary_path = path.with_name(f".{path.name}~")
    with contextlib.suppress(FileNotFoundError):
        temporary_path.unlink()
    try:
        with _create_file(temporary_path, mode) as stream:
            yield stream
            stream.flush()
            with name_file_in_errors(temporary_path):
                os.fsync(stream.fileno())
        temporary_path.rename(path)
    except BaseException:
        temporary_path.unlink(missing_ok=True)
        raise


def _write_file(path: Path, pieces: Iterable[str]) -> None:
    with replace_file(path) as stream:
        stream.writelines(pieces)


def sync_directory(directory: Path) -> None:
    """See to it that the names in a directory are on the disk."""
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    try:
        with name_file_in_errors(directory):
            os.fsync(descriptor)
    finally:
        os.close(descriptor)
