"""The version of this code: the release that a tag names, else the coming release with the time of the commit.

`version` in pyproject.toml is the release that was made last, or that comes next. Its tag is `v` and that version. A
commit without it is a pre-release, of the time of the commit in UTC: ansible-galaxy replaces an older one, and puts all
of them before the release. What follows the plus sign names the commit, and counts in no order.
"""

from __future__ import annotations

import datetime
import functools
import json
import re
import subprocess
from pathlib import Path
from typing import NamedTuple

from ..wire import installation
from .git import git

UNKNOWN = "unknown"
PATIENCE = 20  # seconds for one call of git
LARGEST = 1 << 20  # bytes of a file that says a version
DECLARED = re.compile(r'^version = "(?P<version>[^"\n]{1,100})"$', re.MULTILINE)
HEADING = re.compile(r"^## \[(?P<version>[^]\n]{1,100})\] - (?P<date>[^\n]{1,100})$", re.MULTILINE)
LOGGED = re.compile(r"(?P<names>[^|\n]*)\|(?P<commit>[0-9a-f]{8,64})\|(?P<time>\d{1,18})")
TAG = re.compile(r"tag: (?P<tag>v\d[\w.+-]{0,98})")
RELEASE = re.compile(r"(?P<front>\d{1,9}\.\d{1,9}\.)(?P<patch>\d{1,9})(?P<pre>-[\w.]+)?")
# These commits and no others: to look for the nearest tag, git would read the whole history.
NAMED = ("--no-walk=unsorted", "--ignore-missing", "--decorate-refs=HEAD", "--decorate-refs=refs/tags/v[0-9]*")
ANSWER = ("--no-show-signature", "--abbrev=8", "--format=%D|%h|%ct")
# A fleet's own inventory is no part of the code, wherever it is in the checkout.
CODE = (".", ":(exclude)inventory")


class Commit(NamedTuple):
    """What git says of a checkout."""

    name: str  # eight digits or more
    time: datetime.datetime
    tag: str  # its own that names a release, "" for none
    released: bool  # whether the version of pyproject.toml has a tag, of this commit or of another
    changed: bool  # whether files of the code differ from it


def version_of(declared: str, commit: Commit) -> str:
    """The version of a commit. `declared` is that of pyproject.toml."""
    name = f"g{commit.name}{'.changed' if commit.changed else ''}"
    if commit.tag:
        release = commit.tag.removeprefix("v")
        return f"{release}+{name}" if commit.changed else release
    coming = _next(declared) if commit.released else declared
    return f"{coming}-dev.{commit.time:%Y%m%d%H%M%S}+{name}"


def _next(release: str) -> str:
    """What comes after a release, where nobody has said what will."""
    parts = RELEASE.fullmatch(release)
    if parts is None:
        return release
    return f"{parts['front']}{parts['patch']}" if parts["pre"] else f"{parts['front']}{int(parts['patch']) + 1}"


def version(root: Path) -> str:
    """The version of a checkout, or of what was unpacked from an archive: there the changelog says whether the declared
    version is released. Where git cannot be asked, it is not.
    """
    declared = declared_in(root)
    if (root / ".git").exists():
        commit = commit_of(root, declared)
        return version_of(declared, commit) if commit else f"{declared}-dev"
    released = dict(HEADING.findall(_text(root / "CHANGELOG.md"))).get(declared, UNKNOWN)
    return declared if re.fullmatch(r"\d{4}-\d\d-\d\d", released) else f"{declared}-dev"


def declared_in(root: Path) -> str:
    """What pyproject.toml says."""
    found = DECLARED.search(_text(root / "pyproject.toml"))
    return found["version"] if found else UNKNOWN


def commit_of(root: Path, declared: str) -> Commit | None:
    """What git says of a checkout; None where it cannot be asked. `declared` is the version of pyproject.toml."""
    tag = f"v{declared}"
    try:
        head, *others = map(LOGGED.fullmatch, _said(root, "log", *NAMED, *ANSWER, "HEAD", f"refs/tags/{tag}"))
        changed = _said(root, "status", "--porcelain", "--untracked-files=no", "--", *CODE)
        names = head["names"].split(", ") if head else []
        if head is None or not any(name.partition(" -> ")[0] == "HEAD" for name in names):
            return None  # a branch that has no commit yet
        moment = datetime.datetime.fromtimestamp(int(head["time"]), datetime.timezone.utc)
    except (OSError, subprocess.SubprocessError, ValueError, OverflowError):
        return None
    tags = [found["tag"] for name in names if (found := TAG.fullmatch(name))]
    own_tag = tag if tag in tags else next(iter(tags), "")
    return Commit(head["commit"], moment, own_tag, tag in tags or bool(others), bool(changed))


def _said(root: Path, *words: str) -> list[str]:
    done = git(root, *words, patience=PATIENCE)
    done.check_returncode()
    return done.stdout.decode().splitlines()


def _text(path: Path) -> str:
    """The text of a file, "" where there is none: a part of a checkout runs, too."""
    try:
        with path.open(encoding="utf-8", errors="replace") as file:
            return file.read(LARGEST)
    except OSError:
        return ""


@functools.cache
def own() -> str:
    """The version of the code that runs this; `unknown` where nothing says it."""
    try:
        if installation.COLLECTION:
            return str(
                json.loads(_text(installation.PROJECT_DIRECTORY / "MANIFEST.json"))["collection_info"]["version"]
            )[:100]
        return version(installation.PROJECT_DIRECTORY)
    except (ValueError, KeyError, TypeError):
        return UNKNOWN


if __name__ == "__main__":
    print("proscribe", own())
