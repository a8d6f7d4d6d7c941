"""Revocations in the commits of the git repository that contains a folder of waivers.

The repository may be untrusted. Only plumbing commands run, which start no program of its configuration. All commits
are searched, also behind merges: a merge that undoes a revocation would hide its commit from an ordinary log.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from ....base.duration import format_moment
from ...git import run_git
from ...policy_errors import PolicyError
from ..reading.yaml_file import MAX_FILE_BYTES, parse_yaml
from .document import SUFFIXES, read_revocation
from .waiver_notes import SeenRevocation

GIT_TIMEOUT_SECONDS = 30
MAX_COMMITS = 20_000
MAX_VERSIONS = 20_000  # versions of files


class CommittedRevocations(NamedTuple):
    """The revocations of waivers in the git commits of a folder."""

    folder: Path
    head: str  # the newest commit that was read; "" for none
    revocations: tuple[SeenRevocation, ...] = ()
    problem: str = ""  # why git did not read the commits; "" if it did


def read_committed(folder: Path, since: str) -> CommittedRevocations:
    """Return the revocations in the git commits of a folder of waivers.

    `since` is the newest commit that an earlier run has read, so older commits are left out. All commits are read if
    `since` is "" or no longer exists. A folder outside of git has none. Raises OSError, subprocess.SubprocessError, and
    ValueError if git fails.
    """
    if not any((parent / ".git").exists() for parent in folder.absolute().parents):
        return CommittedRevocations(folder, "")
    head = _query_git(folder, "rev-parse", "--verify", "--quiet", "HEAD^{commit}", empty_code=1).decode().strip()
    if not head or head == since:  # a repository without commits, or nothing new
        return CommittedRevocations(folder, head)
    try:
        blobs = _list_changed_versions(folder, (head, f"^{since}") if since else (head,))
    except ValueError:
        if not since:
            raise
        blobs = _list_changed_versions(folder, (head,))  # the history was rewritten
    return CommittedRevocations(folder, head, tuple(_read_revocations(folder, blobs)))


def _list_changed_versions(folder: Path, range_: Sequence[str]) -> list[str]:
    """Return the git digests of all versions of waiver files that some commits have added or removed.

    `range_` selects the commits, in the words of git. Raises ValueError for too many commits or versions.
    """
    commits = _query_git(folder, "rev-list", "--full-history", f"--max-count={MAX_COMMITS + 1}", *range_, "--", ".")
    if commits.count(b"\n") > MAX_COMMITS:
        raise ValueError(f"more than {MAX_COMMITS} commits")
    options = ("-r", "-m", "--root", "--raw", "--no-abbrev", "--no-renames", "--no-commit-id", "-z")
    fields = _query_git(folder, "diff-tree", "--stdin", *options, "--", ".", content=commits).split(b"\0")
    digests: dict[str, None] = {}
    # A change (": old-mode new-mode old-digest new-digest kind") and its path follow each other. A digest of zeros
    # means that there is no such version.
    for change, path in zip(fields, fields[1:]):
        if change.startswith(b":") and path.endswith(tuple(suffix.encode() for suffix in SUFFIXES)):
            _, _, old, new, _ = change.decode("ascii").split(" ")
            digests.update(dict.fromkeys(digest for digest in (old, new) if digest.strip("0")))
    if len(digests) > MAX_VERSIONS:
        raise ValueError(f"more than {MAX_VERSIONS} versions of files")
    return list(digests)


def _read_revocations(folder: Path, digests: Sequence[str]) -> Iterator[SeenRevocation]:
    """Yield the revocations in the versions of files that git has under these digests.

    Large versions are left out.
    """
    sizes = _query_git(folder, "cat-file", "--batch-check", content="\n".join(digests).encode() + b"\n").splitlines()
    small_digests = []
    for line in sizes:
        digest, kind, *size = line.decode("ascii", "replace").split(" ")
        if kind == "blob" and int(size[0]) <= MAX_FILE_BYTES:
            small_digests.append(digest)
    content = (
        _query_git(folder, "cat-file", "--batch", content="\n".join(small_digests).encode() + b"\n")
        if small_digests
        else b""
    )
    while content:
        # git prints for each version: "<digest> blob <length>", a line break, the bytes, a line break
        header, _, rest = content.partition(b"\n")
        length = int(header.rpartition(b" ")[2])
        version, content = rest[:length], rest[length + 1 :]
        if b"revoked" in version and (revocation := _parse_revocation(folder, version)):
            yield revocation


def _parse_revocation(folder: Path, version: bytes) -> SeenRevocation | None:
    """Return the revocation in a version of a file; None if the version is no waiver, or is not revoked."""
    try:
        id_and_revocation = read_revocation(parse_yaml(version, folder / "committed.yml"))
    except PolicyError:  # the file is no waiver
        return None
    return (
        SeenRevocation(
            id_and_revocation[0],
            id_and_revocation[1].by,
            format_moment(id_and_revocation[1].on),
            id_and_revocation[1].why,
        )
        if id_and_revocation
        else None
    )


def _query_git(folder: Path, *words: str, content: bytes = b"", empty_code: int = 0) -> bytes:
    """Return the output of git; b"" if it fails with exit code `empty_code`.

    Raises OSError, subprocess.SubprocessError, and ValueError.
    """
    process = run_git(folder, *words, timeout_seconds=GIT_TIMEOUT_SECONDS, input_bytes=content)
    if process.returncode and process.returncode != empty_code:
        raise ValueError(process.stderr.decode("utf-8", "replace").strip()[-300:] or f"git {words[0]} failed")
    return process.stdout if not process.returncode else b""
