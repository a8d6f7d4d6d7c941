"""The version of Proscribe's code: a release, or a pre-release with the time of the commit.

`version` in pyproject.toml is the latest release, or the next. The tag of a release is `v` and that version. A commit
without a tag is a pre-release of the next release, with the time of the commit in UTC. So ansible-galaxy replaces an
older pre-release, and sorts all pre-releases before the release. The part after the plus sign names the commit, and
does not affect the order.
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
from .git import run_git

UNKNOWN_VERSION = "unknown"
GIT_TIMEOUT_SECONDS = 20  # limit for a call of git
MAX_FILE_BYTES = 1 << 20  # most bytes that are read of pyproject.toml and other files with the version
DECLARED_VERSION = re.compile(r'^version = "(?P<version>[^"\n]{1,100})"$', re.MULTILINE)
CHANGELOG_HEADING = re.compile(r"^## \[(?P<version>[^]\n]{1,100})\] - (?P<date>[^\n]{1,100})$", re.MULTILINE)
LOG_LINE = re.compile(r"(?P<names>[^|\n]*)\|(?P<commit>[0-9a-f]{8,64})\|(?P<time>\d{1,18})")
TAG_PATTERN = re.compile(r"tag: (?P<tag>v\d[\w.+-]{0,98})")
RELEASE_PATTERN = re.compile(r"(?P<front>\d{1,9}\.\d{1,9}\.)(?P<patch>\d{1,9})(?P<pre>-[\w.]+)?")
# Options of `git log` that show only the named commits. A search for the nearest tag would read the whole history.
LOG_SELECTION = ("--no-walk=unsorted", "--ignore-missing", "--decorate-refs=HEAD", "--decorate-refs=refs/tags/v[0-9]*")
LOG_FORMAT = ("--no-show-signature", "--abbrev=8", "--format=%D|%h|%ct")
# Changes in the inventory do not count: it is the organisation's data, and no part of the code.
CODE_PATHS = (".", ":(exclude)inventory")


class CheckoutCommit(NamedTuple):
    """The commit of a checkout, from git."""

    commit_id: str  # abbreviated, with eight digits or more
    time: datetime.datetime
    tag: str  # a tag of this commit that names a release; "" for none
    is_released: bool  # the version in pyproject.toml has a tag, at this commit or another
    is_changed: bool  # files of the code were changed since the commit


def make_commit_version(declared_version: str, commit: CheckoutCommit) -> str:
    """Return the version for a commit: a release, or a pre-release of the next release.

    `declared_version` is the version in pyproject.toml.
    """
    name = f"g{commit.commit_id}{'.changed' if commit.is_changed else ''}"
    if commit.tag:
        release = commit.tag.removeprefix("v")
        return f"{release}+{name}" if commit.is_changed else release
    coming_release = _compute_next_release(declared_version) if commit.is_released else declared_version
    return f"{coming_release}-dev.{commit.time:%Y%m%d%H%M%S}+{name}"


def _compute_next_release(release: str) -> str:
    """Return the presumed next release: the release of a pre-release, else the next patch number."""
    parts = RELEASE_PATTERN.fullmatch(release)
    if parts is None:
        return release
    return f"{parts['front']}{parts['patch']}" if parts["pre"] else f"{parts['front']}{int(parts['patch']) + 1}"


def find_version(root: Path) -> str:
    """Return the version of a checkout, or of an unpacked archive, at `root`.

    In an archive, the changelog shows whether the version in pyproject.toml is released: then its heading has a date.
    If git fails in a checkout, the version counts as not released.
    """
    declared_version = read_declared_version(root)
    if (root / ".git").exists():
        commit = read_commit(root, declared_version)
        return make_commit_version(declared_version, commit) if commit else f"{declared_version}-dev"
    release_date = dict(CHANGELOG_HEADING.findall(_read_text(root / "CHANGELOG.md"))).get(
        declared_version, UNKNOWN_VERSION
    )
    return declared_version if re.fullmatch(r"\d{4}-\d\d-\d\d", release_date) else f"{declared_version}-dev"


def read_declared_version(root: Path) -> str:
    """Return the version in pyproject.toml; `unknown` if there is none."""
    match = DECLARED_VERSION.search(_read_text(root / "pyproject.toml"))
    return match["version"] if match else UNKNOWN_VERSION


def read_commit(root: Path, declared_version: str) -> CheckoutCommit | None:
    """Read the commit of a checkout from git; None if git fails, or if there is no commit.

    `declared_version` is the version in pyproject.toml.
    """
    tag = f"v{declared_version}"
    try:
        head_line, *tag_lines = map(
            LOG_LINE.fullmatch, _read_git_lines(root, "log", *LOG_SELECTION, *LOG_FORMAT, "HEAD", f"refs/tags/{tag}")
        )
        changed_files = _read_git_lines(root, "status", "--porcelain", "--untracked-files=no", "--", *CODE_PATHS)
        names = head_line["names"].split(", ") if head_line else []
        if head_line is None or not any(name.partition(" -> ")[0] == "HEAD" for name in names):
            return None  # HEAD is a branch without a commit
        moment = datetime.datetime.fromtimestamp(int(head_line["time"]), datetime.timezone.utc)
    except (OSError, subprocess.SubprocessError, ValueError, OverflowError):
        return None
    # If a commit has several tags of releases, the tag of the declared version counts.
    tags = [match["tag"] for name in names if (match := TAG_PATTERN.fullmatch(name))]
    own_tag = tag if tag in tags else next(iter(tags), "")
    return CheckoutCommit(head_line["commit"], moment, own_tag, tag in tags or bool(tag_lines), bool(changed_files))


def _read_git_lines(root: Path, *arguments: str) -> list[str]:
    """Run git in a checkout, and return the lines of its output.

    Raises OSError and subprocess.SubprocessError.
    """
    completed = run_git(root, *arguments, timeout_seconds=GIT_TIMEOUT_SECONDS)
    completed.check_returncode()
    return completed.stdout.decode().splitlines()


def _read_text(path: Path) -> str:
    """Return the text of a file; "" if it cannot be read.

    Proscribe must run from a partial checkout, too.
    """
    try:
        with path.open(encoding="utf-8", errors="replace") as file:
            return file.read(MAX_FILE_BYTES)
    except OSError:
        return ""


@functools.cache
def get_own_version() -> str:
    """Return the version of the running code; `unknown` if it cannot be determined."""
    try:
        if installation.COLLECTION:
            return str(
                json.loads(_read_text(installation.PROJECT_DIRECTORY / "MANIFEST.json"))["collection_info"]["version"]
            )[:100]
        return find_version(installation.PROJECT_DIRECTORY)
    except (ValueError, KeyError, TypeError):
        return UNKNOWN_VERSION


if __name__ == "__main__":
    print("proscribe", get_own_version())
