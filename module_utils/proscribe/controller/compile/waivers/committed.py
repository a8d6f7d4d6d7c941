"""Revocations in the commits of the git repository that a folder of waivers lies in.

The repository may be anybody's. Only plumbing commands run, which start no program of its configuration. Merges hide
nothing: a merge that undoes a revocation would leave its commit out of an ordinary log.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from ....base.duration import format_moment
from ...git import git
from ...policy_errors import PolicyError
from ..reading.yaml_file import LARGEST, parse_yaml
from .document import SUFFIXES, read_revocation
from .seen_notes import Revoked

PATIENCE = 30  # seconds for each question
MOST_COMMITS = 20_000
MOST_VERSIONS = 20_000  # of files
DIGESTS = (40, 64)  # characters


class Committed(NamedTuple):
    """What the commits of a folder have."""

    folder: Path
    head: str  # the newest commit that was read, "" for none
    revoked: tuple[Revoked, ...] = ()
    problem: str = ""


def read_committed(folder: Path, since: str) -> Committed:
    """Return the revocations in the commits that are not of `since` or before it ("" for all commits). Raises OSError,
    subprocess.SubprocessError, and ValueError where git fails.
    """
    if not any((parent / ".git").exists() for parent in folder.absolute().parents):
        return Committed(folder, "")
    head = _ask(folder, "rev-parse", "--verify", "--quiet", "HEAD^{commit}", none=1).decode().strip()
    if not head or head == since:  # a repository without commits, or nothing new
        return Committed(folder, head)
    try:
        blobs = _changed_versions(folder, (head, f"^{since}") if since else (head,))
    except ValueError:
        if not since:
            raise
        blobs = _changed_versions(folder, (head,))  # the history was rewritten
    return Committed(folder, head, tuple(_revocations(folder, blobs)))


def _changed_versions(folder: Path, range_: Sequence[str]) -> list[str]:
    """Return the digests of all versions of waivers' files that commits have added or taken away."""
    listed = _ask(folder, "rev-list", "--full-history", f"--max-count={MOST_COMMITS + 1}", *range_, "--", ".")
    if listed.count(b"\n") > MOST_COMMITS:
        raise ValueError(f"more than {MOST_COMMITS} commits")
    form = ("-r", "-m", "--root", "--raw", "--no-abbrev", "--no-renames", "--no-commit-id", "-z")
    fields = _ask(folder, "diff-tree", "--stdin", *form, "--", ".", content=listed).split(b"\0")
    found: dict[str, None] = {}
    for change, path in zip(fields, fields[1:]):
        if change.startswith(b":") and path.endswith(tuple(suffix.encode() for suffix in SUFFIXES)):
            _, _, old, new, _ = change.decode("ascii").split(" ")
            found.update(dict.fromkeys(digest for digest in (old, new) if digest.strip("0")))
    if len(found) > MOST_VERSIONS:
        raise ValueError(f"more than {MOST_VERSIONS} versions of files")
    return list(found)


def _revocations(folder: Path, digests: Sequence[str]) -> Iterator[Revoked]:
    """Read versions of files, and return the revocations in them."""
    sizes = _ask(folder, "cat-file", "--batch-check", content="\n".join(digests).encode() + b"\n").splitlines()
    small = []
    for line in sizes:
        digest, kind, *size = line.decode("ascii", "replace").split(" ")
        if kind == "blob" and int(size[0]) <= LARGEST:
            small.append(digest)
    content = _ask(folder, "cat-file", "--batch", content="\n".join(small).encode() + b"\n") if small else b""
    while content:
        header, _, rest = content.partition(b"\n")
        length = int(header.rpartition(b" ")[2])
        version, content = rest[:length], rest[length + 1 :]
        if b"revoked" in version and (revoked := _revocation(folder, version)):
            yield revoked


def _revocation(folder: Path, version: bytes) -> Revoked | None:
    try:
        found = read_revocation(parse_yaml(version, folder / "committed.yml"))
    except PolicyError:  # no waiver
        return None
    return Revoked(found[0], found[1].by, format_moment(found[1].on), found[1].why) if found else None


def _ask(folder: Path, *words: str, content: bytes = b"", none: int = 0) -> bytes:
    """Ask git; b"" where it ends with the code `none`. Raises OSError, subprocess.SubprocessError, ValueError."""
    done = git(folder, *words, patience=PATIENCE, content=content)
    if done.returncode and done.returncode != none:
        raise ValueError(done.stderr.decode("utf-8", "replace").strip()[-300:] or f"git {words[0]} failed")
    return done.stdout if not done.returncode else b""
