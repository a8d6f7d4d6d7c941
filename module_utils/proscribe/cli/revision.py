"""An earlier state of a checkout, out of git, in a directory of its own. The working tree is never touched."""

from __future__ import annotations

import os
import shutil
import subprocess
import tarfile
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from . import Refused


class Repository(NamedTuple):
    """The git repository that a directory lies in."""

    top: Path

    def revision(self, name: str) -> str:
        """The commit that a name stands for, as 40 hexadecimal digits or more. Raises Refused."""
        done = _git(self.top, "rev-parse", "--verify", "--quiet", "--end-of-options", f"{name}^{{commit}}")
        if done.returncode:
            raise Refused(f"{name!r} is no revision of {self.top}, and no complete report of a run")
        return done.stdout.decode().strip()

    def extract(self, commit: str, paths: Sequence[Path], into: Path) -> list[Path]:
        """Write those files and folders of the repository as they were in a commit below `into`; returns the ones that
        were there. Raises Refused.
        """
        there = [path for path in paths if not _git(self.top, "cat-file", "-e", f"{commit}:{_inside(path)}").returncode]
        if not there:
            return []
        archive = into / "revision.tar"
        names = [f":(literal){_inside(path)}" for path in there if path != Path()]
        done = _git(self.top, "archive", "--format=tar", f"--output={archive}", commit, "--", *names)
        if done.returncode:
            raise Refused(f"git cannot bring back {commit[:12]}: {done.stderr.decode(errors='replace').strip()}")
        try:
            with tarfile.open(archive) as tar:
                tar.extractall(into, filter="data")  # no link in it leads out of `into`
        except tarfile.TarError as error:
            raise Refused(f"{commit[:12]} cannot be unpacked: {error}") from None
        archive.unlink()
        return there


def repository_of(directory: Path) -> Repository | None:
    """The repository that a directory lies in; None where it lies in none. Raises Refused where git cannot be asked."""
    if shutil.which("git") is None:
        raise Refused("git is not installed, and without it there is no earlier state of the checkout to compare with")
    done = _git(directory, "rev-parse", "--show-toplevel")
    if done.returncode:
        told = done.stderr.decode(errors="replace").strip()
        if "dubious ownership" in told:
            raise Refused(told.splitlines()[0] + ": git leaves it alone; run this as its owner")
        return None
    return Repository(Path(os.fsdecode(done.stdout.rstrip(b"\n"))))


def _inside(path: Path) -> str:
    """A path inside the repository, as git wants it; its top is the empty text."""
    return "" if path == Path() else path.as_posix()


def _git(directory: Path, *words: str) -> subprocess.CompletedProcess[bytes]:
    # What a surrounding git (a hook, say) has set would lead to another repository.
    kept = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}
    wanted = {**kept, "LC_ALL": "C", "GIT_TERMINAL_PROMPT": "0", "GIT_OPTIONAL_LOCKS": "0"}
    return subprocess.run(["git", *words], cwd=directory, env=wanted, stdin=subprocess.DEVNULL, capture_output=True)
