"""An earlier state of a git repository, extracted to its own directory. The working tree stays untouched.

The repository may belong to anybody. Its configuration can name programs that git would run (filters, archivers, hooks,
transports). So git only resolves names of commits in it, with no transport permitted. A temporary repository extracts
the files: it borrows the objects and ignores the configuration.
"""

from __future__ import annotations

import datetime
import os
import re
import shutil
import subprocess
import tarfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

from ....base.duration import parse_duration
from ...git import run_git
from ...report.text.shell_commands import ShellCommand
from ...report.text.wording import clean_text
from .. import CommandError

GIT_TIMEOUT_SECONDS = 300  # per call of git
# The attributes of a repository can leave out or change files of an archive. This text disables them, so that the files
# are those of the commit.
ATTRIBUTES_TEXT = "* !export-ignore !export-subst !filter !ident !working-tree-encoding\n"
SUBMODULE_PREFIX = b"160000 "
DAY_PATTERN = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}(T.+)?")
LENGTH_PATTERN = re.compile(r"[0-9]{1,3}[wdhm]")  # four digits and a letter may begin the hash of a commit


class ExtractedFiles(NamedTuple):
    """The paths that were extracted from a commit, and their links that lead out of the repository."""

    paths: Sequence[Path]
    outside_links: Sequence[tuple[Path, str]]  # path of the link in the repository, and its target


class Repository(NamedTuple):
    """A git repository, by the top directory of its working tree."""

    top: Path

    def find_commit(self, name: str) -> str:
        """Return the commit of a revision or a time, as 40 or more hexadecimal digits.

        `name` is a revision, or a time that parse_revision_time understands. The commit of a time is the newest earlier
        one on the first-parent line of HEAD. Commits of merged branches do not count. Raises CommandError if there is
        none.
        """
        time = parse_revision_time(name)
        if time is not None:
            git_arguments = [
                "rev-list",
                "--max-count=1",
                "--first-parent",
                f"--before={time.isoformat()}",
                "HEAD",
                "--",
            ]
        else:
            git_arguments = ["rev-parse", "--verify", "--quiet", "--end-of-options", f"{name}^{{commit}}"]
        result = _run_git(self.top, *git_arguments)
        commit = result.stdout.decode(errors="replace").strip()
        if not result.returncode and commit:
            return commit
        is_shallow = _run_git(self.top, "rev-parse", "--is-shallow-repository").stdout.strip() == b"true"
        fetch_command = ShellCommand(("git", "-C", str(self.top), "fetch", "--unshallow")).line()
        shallow_note = (
            f"; its history is cut off (a shallow clone). This brings the rest:\n  {fetch_command}"
            if is_shallow
            else ""
        )
        if time is not None:
            raise CommandError(f"{self.top} has no commit before {time.isoformat()}{shallow_note}")
        raise CommandError(
            f"{clean_text(name)!r} is no revision of {self.top}, and no complete report of a run{shallow_note}"
        )

    def extract_files(self, commit: str, paths: Sequence[Path], target_directory: Path) -> ExtractedFiles:
        """Write files and directories of the repository, as in a commit, below a directory. Raises CommandError.

        `paths` are relative to the top directory. The result lists only those that the commit has.
        """
        with _BorrowingStore(self, target_directory) as store:
            existing_paths = [
                path
                for path in paths
                if not store.run_git("cat-file", "-e", f"{commit}:{_format_git_path(path)}").returncode
            ]
            if not existing_paths:
                return ExtractedFiles((), ())
            names = [f":(literal){_format_git_path(path)}" for path in existing_paths if path != Path()]
            listing = store.run_git(
                "ls-tree", "-r", "-z", commit, "--", *(name.removeprefix(":(literal)") for name in names)
            )
            for entry in listing.stdout.split(b"\0"):
                if entry.startswith(SUBMODULE_PREFIX):
                    submodule_path = os.fsdecode(entry.partition(b"\t")[2])
                    raise CommandError(
                        f"{self.top / submodule_path} is a submodule, whose earlier state is not available here"
                    )
            if not listing.stdout:  # an archive without files cannot be unpacked
                return ExtractedFiles(existing_paths, ())
            archive = target_directory / "revision.tar"
            result = store.run_git("archive", "--format=tar", f"--output={archive}", commit, "--", *names)
            if result.returncode:
                raise CommandError(f"git cannot bring back {commit[:12]} of {self.top}: {_format_git_error(result)}")
        return ExtractedFiles(existing_paths, _unpack_archive(archive, target_directory, commit))


def parse_revision_time(name: str) -> datetime.datetime | None:
    """Return the time of a text such as `2026-11-01` or `7d`; None for any other text, which may name a revision.

    The text is a day, a time, or a duration back from now. A day means its start in the time zone of this machine.
    Raises CommandError for an impossible day.
    """
    if LENGTH_PATTERN.fullmatch(name):
        now = datetime.datetime.now(datetime.timezone.utc).replace(microsecond=0)
        return now - datetime.timedelta(seconds=parse_duration(name))
    if not DAY_PATTERN.fullmatch(name):
        return None
    try:
        return datetime.datetime.fromisoformat(name).astimezone()
    except ValueError:
        raise CommandError(f"{clean_text(name)!r} is no day such as 2026-11-01, and no time") from None


def find_repository(directory: Path) -> Repository | None:
    """Return the repository that contains a directory; None if there is none.

    Raises CommandError if git is missing, or refuses the repository because another user owns it.
    """
    if shutil.which("git") is None:
        raise CommandError("git is not installed, and without it there is no earlier state to compare with")
    result = _run_git(directory, "rev-parse", "--show-toplevel")
    if result.returncode:
        message = _format_git_error(result)
        if "dubious ownership" in message:
            raise CommandError(message.splitlines()[0] + ": git leaves it alone; run this as its owner")
        return None
    return Repository(Path(os.fsdecode(result.stdout.rstrip(b"\n"))))


class _BorrowingStore:
    """A temporary bare repository that borrows the objects of another repository and ignores its configuration."""

    def __init__(self, source: Repository, parent: Path) -> None:
        self.source = source
        self.directory = parent / "revision.git"

    def __enter__(self) -> _BorrowingStore:
        """Create the temporary repository, and return the store.

        Raises CommandError if git cannot create it, or does not report where the objects of the other repository are.
        """
        result = _run_git(self.source.top, "rev-parse", "--show-object-format", "--git-path", "objects")
        object_format, _, objects = os.fsdecode(result.stdout.rstrip(b"\n")).partition("\n")
        # In the list of borrowed objects, a path with a line break would be two paths.
        if result.returncode or not objects or "\n" in objects:
            raise CommandError(
                f"git does not say where the objects of {self.source.top} are: {_format_git_error(result)}"
            )
        init_arguments = (
            "init",
            "--quiet",
            "--bare",
            "--template=",
            f"--object-format={object_format}",
            str(self.directory),
        )
        init_result = _run_git(self.directory.parent, *init_arguments, is_isolated=True)
        if init_result.returncode:
            raise CommandError(
                f"git cannot make a repository in {self.directory.parent}: {_format_git_error(init_result)}"
            )
        for name, content in (
            ("objects/info/alternates", f"{(self.source.top / objects).resolve()}\n"),
            ("info/attributes", ATTRIBUTES_TEXT),
        ):
            path = self.directory / name
            path.parent.mkdir(exist_ok=True)
            path.write_text(content, encoding="utf-8", errors="surrogateescape")
        return self

    def __exit__(self, *_: object) -> None:
        shutil.rmtree(self.directory)

    def run_git(self, *arguments: str) -> subprocess.CompletedProcess[bytes]:
        return _run_git(self.directory, f"--git-dir={self.directory}", *arguments, is_isolated=True)


def _unpack_archive(archive: Path, target_directory: Path, commit: str) -> list[tuple[Path, str]]:
    """Unpack a tar archive of a commit into a directory, then delete the archive.

    Links that lead out of the directory are not unpacked. Returns the path and the target of each of these.
    """
    outside_links: list[tuple[Path, str]] = []
    # Python before 3.11.4, such as Debian 12's, has no filters. git packs only files, directories and links, with names
    # below the top directory. So it is enough to check the targets of the links.
    filter_options: dict[str, Any] = {"filter": "data"} if hasattr(tarfile, "data_filter") else {}
    try:
        with tarfile.open(archive) as tar:
            members = []
            for member in tar:
                if member.issym() and not _is_inside_link(member):
                    outside_links.append((Path(member.name), member.linkname))
                elif member.isreg() or member.isdir() or member.issym():
                    members.append(member)
            tar.extractall(target_directory, members, **filter_options)
    except (tarfile.TarError, OSError) as error:
        raise CommandError(f"{commit[:12]} cannot be unpacked: {error}") from None
    archive.unlink()
    return outside_links


def _is_inside_link(link: tarfile.TarInfo) -> bool:
    """Return whether the target of a symbolic link is inside the archive, by its path."""
    target = os.path.normpath(os.path.join(os.path.dirname(link.name), link.linkname))
    return not os.path.isabs(target) and target.split("/")[0] != os.pardir


def _format_git_path(path: Path) -> str:
    """Return a path inside the repository in git's notation. The top directory is the empty text."""
    return "" if path == Path() else path.as_posix()


def _format_git_error(result: subprocess.CompletedProcess[bytes]) -> str:
    """Return the last 300 characters of git's error output, as one line."""
    return clean_text(" ".join(result.stderr.decode(errors="replace").split())[-300:])


def _run_git(directory: Path, *arguments: str, is_isolated: bool = False) -> subprocess.CompletedProcess[bytes]:
    """Run git in a directory, for at most GIT_TIMEOUT_SECONDS.

    With `is_isolated`, git ignores the configuration of the user and the system. Raises CommandError after the timeout.
    """
    try:
        return run_git(directory, *arguments, without_configuration=is_isolated, timeout_seconds=GIT_TIMEOUT_SECONDS)
    except subprocess.TimeoutExpired:
        raise CommandError(f"git {arguments[0]} did not end within {GIT_TIMEOUT_SECONDS} s in {directory}") from None
