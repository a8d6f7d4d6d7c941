"""An earlier state of a git repository, in a directory of its own. The working tree is never touched.

The repository may be anybody's, and its own configuration names programs that git would run (filters, archivers,
hooks, transports). So it is only asked for names of commits, with no transport permitted. A store of ours brings back
the files: it borrows the objects, and knows none of the configuration.
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
from ...git import git
from ...report.text.command import Command
from ...report.text.wording import clean
from .. import Refused

PATIENCE = 300  # seconds for one call of git
# What the files of a commit are without what a repository's attributes make of them: some left out, some changed.
ATTRIBUTES = "* !export-ignore !export-subst !filter !ident !working-tree-encoding\n"
SUBMODULE = b"160000 "
DAY = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}(T.+)?")
LENGTH = re.compile(r"[0-9]{1,3}[wdhm]")  # four digits and a letter are a commit's beginning


class Extracted(NamedTuple):
    """What was brought back: the paths that there were, and the links in it that lead out of the repository."""

    there: Sequence[Path]
    leads_out: Sequence[tuple[Path, str]]  # the link, inside the repository, and what it says


class Repository(NamedTuple):
    """The git repository that a directory lies in."""

    top: Path

    def revision(self, name: str) -> str:
        """The commit that a name stands for, or the newest one of HEAD's main line before a time (`before`), as 40
        hexadecimal digits or more. Raises Refused.
        """
        time = before(name)
        if time is not None:
            words = ["rev-list", "--max-count=1", "--first-parent", f"--before={time.isoformat()}", "HEAD", "--"]
        else:
            words = ["rev-parse", "--verify", "--quiet", "--end-of-options", f"{name}^{{commit}}"]
        done = _git(self.top, *words)
        commit = done.stdout.decode(errors="replace").strip()
        if not done.returncode and commit:
            return commit
        cut = _git(self.top, "rev-parse", "--is-shallow-repository").stdout.strip() == b"true"
        fetch = Command(("git", "-C", str(self.top), "fetch", "--unshallow")).line()
        short = f"; its history is cut off (a shallow clone). This brings the rest:\n  {fetch}" if cut else ""
        if time is not None:
            raise Refused(f"{self.top} has no commit before {time.isoformat()}{short}")
        raise Refused(f"{clean(name)!r} is no revision of {self.top}, and no complete report of a run{short}")

    def extract(self, commit: str, paths: Sequence[Path], into: Path) -> Extracted:
        """Write those files and folders of the repository as they were in a commit below `into`. Raises Refused."""
        with _Store(self, into) as store:
            there = [path for path in paths if not store.git("cat-file", "-e", f"{commit}:{_inside(path)}").returncode]
            if not there:
                return Extracted((), ())
            names = [f":(literal){_inside(path)}" for path in there if path != Path()]
            listed = store.git(
                "ls-tree", "-r", "-z", commit, "--", *(name.removeprefix(":(literal)") for name in names)
            )
            for entry in listed.stdout.split(b"\0"):
                if entry.startswith(SUBMODULE):
                    where = os.fsdecode(entry.partition(b"\t")[2])
                    raise Refused(f"{self.top / where} is a submodule, whose earlier state is not available here")
            if not listed.stdout:  # a repository without any file, of which git makes an archive that nobody reads
                return Extracted(there, ())
            archive = into / "revision.tar"
            done = store.git("archive", "--format=tar", f"--output={archive}", commit, "--", *names)
            if done.returncode:
                raise Refused(f"git cannot bring back {commit[:12]} of {self.top}: {_said(done)}")
        return Extracted(there, _unpacked(archive, into, commit))


def before(name: str) -> datetime.datetime | None:
    """The time that a text stands for: a day (its beginning, in the zone of this machine), a time, or a length of time
    back from now. None for the name of a revision. Raises Refused for a day that no calendar has.
    """
    if LENGTH.fullmatch(name):
        now = datetime.datetime.now(datetime.timezone.utc).replace(microsecond=0)
        return now - datetime.timedelta(seconds=parse_duration(name))
    if not DAY.fullmatch(name):
        return None
    try:
        return datetime.datetime.fromisoformat(name).astimezone()
    except ValueError:
        raise Refused(f"{clean(name)!r} is no day such as 2026-11-01, and no time") from None


def repository_of(directory: Path) -> Repository | None:
    """The repository that a directory lies in; None where it lies in none. Raises Refused where git cannot be asked."""
    if shutil.which("git") is None:
        raise Refused("git is not installed, and without it there is no earlier state to compare with")
    done = _git(directory, "rev-parse", "--show-toplevel")
    if done.returncode:
        message = _said(done)
        if "dubious ownership" in message:
            raise Refused(message.splitlines()[0] + ": git leaves it alone; run this as its owner")
        return None
    return Repository(Path(os.fsdecode(done.stdout.rstrip(b"\n"))))


class _Store:
    """A repository of ours for one question, which borrows another's objects."""

    def __init__(self, of: Repository, beside: Path) -> None:
        self.of = of
        self.directory = beside / "revision.git"

    def __enter__(self) -> _Store:
        said = _git(self.of.top, "rev-parse", "--show-object-format", "--git-path", "objects")
        form, _, objects = os.fsdecode(said.stdout.rstrip(b"\n")).partition("\n")
        if said.returncode or not objects or "\n" in objects:
            raise Refused(f"git does not say where the objects of {self.of.top} are: {_said(said)}")
        argv = ("init", "--quiet", "--bare", "--template=", f"--object-format={form}", str(self.directory))
        made = _git(self.directory.parent, *argv, alone=True)
        if made.returncode:
            raise Refused(f"git cannot make a repository in {self.directory.parent}: {_said(made)}")
        for name, content in (
            ("objects/info/alternates", f"{(self.of.top / objects).resolve()}\n"),
            ("info/attributes", ATTRIBUTES),
        ):
            path = self.directory / name
            path.parent.mkdir(exist_ok=True)
            path.write_text(content, encoding="utf-8", errors="surrogateescape")
        return self

    def __exit__(self, *_: object) -> None:
        shutil.rmtree(self.directory)

    def git(self, *words: str) -> subprocess.CompletedProcess[bytes]:
        return _git(self.directory, f"--git-dir={self.directory}", *words, alone=True)


def _unpacked(archive: Path, into: Path, commit: str) -> list[tuple[Path, str]]:
    """Unpack an archive, and delete it; the links in it that lead out of `into` are left out and returned."""
    leads_out: list[tuple[Path, str]] = []
    # Python before 3.11.4 has no filters, among them Debian 12's. What git packs are files, directories and links, with
    # names below the top directory. So only the targets of the links are checked here.
    safe: dict[str, Any] = {"filter": "data"} if hasattr(tarfile, "data_filter") else {}
    try:
        with tarfile.open(archive) as tar:
            members = []
            for member in tar:
                if member.issym() and not _stays(member):
                    leads_out.append((Path(member.name), member.linkname))
                elif member.isreg() or member.isdir() or member.issym():
                    members.append(member)
            tar.extractall(into, members, **safe)
    except (tarfile.TarError, OSError) as error:
        raise Refused(f"{commit[:12]} cannot be unpacked: {error}") from None
    archive.unlink()
    return leads_out


def _stays(link: tarfile.TarInfo) -> bool:
    """Whether a link leads to somewhere below the tree that it is in."""
    target = os.path.normpath(os.path.join(os.path.dirname(link.name), link.linkname))
    return not os.path.isabs(target) and target.split("/")[0] != os.pardir


def _inside(path: Path) -> str:
    """A path inside the repository, as git wants it; its top is the empty text."""
    return "" if path == Path() else path.as_posix()


def _said(done: subprocess.CompletedProcess[bytes]) -> str:
    return clean(" ".join(done.stderr.decode(errors="replace").split())[-300:])


def _git(directory: Path, *words: str, alone: bool = False) -> subprocess.CompletedProcess[bytes]:
    try:
        return git(directory, *words, alone=alone, patience=PATIENCE)
    except subprocess.TimeoutExpired:
        raise Refused(f"git {words[0]} did not end within {PATIENCE} s in {directory}") from None
