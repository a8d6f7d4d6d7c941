"""A commit on a branch of its own, in a repository whose checked-out files, index and hooks nobody touches.

What a repository's configuration would make of files (filters, attributes) is left out: each file is stored byte for
byte. A branch is created and never moved, so what somebody has put on one stays.
"""

from __future__ import annotations

import subprocess
import tempfile
from collections.abc import Mapping
from pathlib import Path

from ...git import git
from ...report.text.wording import clean
from .. import Refused

PATIENCE = 120  # seconds for one call of git
MOST = 20  # branches of one day
_IDENTITY = {
    f"GIT_{who}_{key}": value
    for who in ("AUTHOR", "COMMITTER")
    for key, value in (("NAME", "Proscribe"), ("EMAIL", "proscribe@localhost"))
}


def commit(top: Path, base: str, files: Mapping[str, bytes], message: str, branch: str) -> str:
    """Commit files (by path in the repository) on top of a commit; the name of the new branch. Raises Refused."""
    with tempfile.TemporaryDirectory(prefix="proscribe-") as place:
        index = {"GIT_INDEX_FILE": f"{place}/index"}
        _git(top, "read-tree", base, more=index)
        for path, content in sorted(files.items()):
            blob = _git(top, "hash-object", "-w", "--no-filters", "--stdin", content=content)
            _git(top, "update-index", "--add", "--cacheinfo", f"100644,{blob},{path}", more=index)
        tree = _git(top, "write-tree", more=index)
    made = _git(top, "commit-tree", "--no-gpg-sign", "-p", base, tree, content=message.encode())
    for number in range(1, MOST + 1):
        name = branch if number == 1 else f"{branch}-{number}"
        if not _there(top, name):
            _git(top, "update-ref", f"refs/heads/{name}", made, "0" * len(made))
            return name
    raise Refused(f"{top} has {MOST} branches {branch} already: merge or delete them")


def newest(top: Path) -> str:
    """The commit that is checked out. Raises Refused."""
    return _git(top, "rev-parse", "--verify", "HEAD^{commit}")


def _there(top: Path, branch: str) -> bool:
    return not _run(top, "show-ref", "--verify", "--quiet", f"refs/heads/{branch}").returncode


def _git(top: Path, *words: str, more: Mapping[str, str] | None = None, content: bytes = b"") -> str:
    done = _run(top, *words, more=more, content=content)
    if done.returncode:
        said = clean(" ".join(done.stderr.decode(errors="replace").split())[-300:])
        raise Refused(f"git {words[0]} in {top}: {said}")
    return done.stdout.decode("ascii", errors="replace").strip()


def _run(
    top: Path, *words: str, more: Mapping[str, str] | None = None, content: bytes = b""
) -> subprocess.CompletedProcess[bytes]:
    try:
        return git(top, *words, patience=PATIENCE, content=content, more={**_IDENTITY, **(more or {})})
    except (OSError, subprocess.TimeoutExpired) as error:
        raise Refused(f"git {words[0]} in {top}: {error}") from None
