"""A git commit on a new branch, without hooks, and without a change of the working tree or the index.

The filters and attributes of the repository are not applied: each file is stored byte for byte. An existing branch is
never moved, so commits that a user added to a branch stay.
"""

from __future__ import annotations

import subprocess
import tempfile
from collections.abc import Mapping
from pathlib import Path

from ...git import run_git
from ...report.text.wording import clean_text
from .. import CommandError

GIT_TIMEOUT_SECONDS = 120  # per call of git
MAX_BRANCHES = 20  # most branches with the same name and different numbers
_IDENTITY = {
    f"GIT_{role}_{field}": identity
    for role in ("AUTHOR", "COMMITTER")
    for field, identity in (("NAME", "Proscribe"), ("EMAIL", "proscribe@localhost"))
}


def create_commit(top: Path, base_commit: str, files: Mapping[str, bytes], message: str, branch: str) -> str:
    """Commit files on top of `base_commit`, on a new branch, and return the name of the branch.

    `top` is the top directory of the repository. `files` has the new content by path in the repository. If the branch
    exists, its name gets a number (`branch-2`). Raises CommandError if git fails, or after MAX_BRANCHES names.
    """
    with tempfile.TemporaryDirectory(prefix="proscribe-") as temporary_directory:
        index = {"GIT_INDEX_FILE": f"{temporary_directory}/index"}
        _run_git(top, "read-tree", base_commit, environment=index)
        for path, content in sorted(files.items()):
            blob = _run_git(top, "hash-object", "-w", "--no-filters", "--stdin", content=content)
            _run_git(top, "update-index", "--add", "--cacheinfo", f"100644,{blob},{path}", environment=index)
        tree = _run_git(top, "write-tree", environment=index)
    commit_id = _run_git(top, "commit-tree", "--no-gpg-sign", "-p", base_commit, tree, content=message.encode())
    for number in range(1, MAX_BRANCHES + 1):
        name = branch if number == 1 else f"{branch}-{number}"
        if not _has_branch(top, name):
            _run_git(top, "update-ref", f"refs/heads/{name}", commit_id, "0" * len(commit_id))
            return name
    raise CommandError(f"{top} has {MAX_BRANCHES} branches {branch} already: merge or delete them")


def find_head_commit(top: Path) -> str:
    """Return the id of the commit that is checked out in the repository `top`. Raises CommandError."""
    return _run_git(top, "rev-parse", "--verify", "HEAD^{commit}")


def _has_branch(top: Path, branch: str) -> bool:
    return not _run_git_process(top, "show-ref", "--verify", "--quiet", f"refs/heads/{branch}").returncode


def _run_git(top: Path, *arguments: str, environment: Mapping[str, str] | None = None, content: bytes = b"") -> str:
    """Run git in the repository `top`, and return its output without surrounding blanks.

    `content` is the standard input. Raises CommandError if git fails.
    """
    result = _run_git_process(top, *arguments, environment=environment, content=content)
    if result.returncode:
        error_text = clean_text(" ".join(result.stderr.decode(errors="replace").split())[-300:])
        raise CommandError(f"git {arguments[0]} in {top}: {error_text}")
    return result.stdout.decode("ascii", errors="replace").strip()


def _run_git_process(
    top: Path, *arguments: str, environment: Mapping[str, str] | None = None, content: bytes = b""
) -> subprocess.CompletedProcess[bytes]:
    """Run git in the repository `top`, and return the process, also if git failed.

    Commits get the identity of Proscribe. Raises CommandError if git does not start or does not end in time.
    """
    try:
        return run_git(
            top,
            *arguments,
            timeout_seconds=GIT_TIMEOUT_SECONDS,
            input_bytes=content,
            extra_environment={**_IDENTITY, **(environment or {})},
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise CommandError(f"git {arguments[0]} in {top}: {error}") from None
