"""Which files of the checkout a collection has, and where it has them."""

from __future__ import annotations

import os
import shutil
import stat
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

from .. import Refused

# The directories of a checkout, and where a collection has them.
DIRECTORIES = {
    "library": "plugins/modules",
    "action_plugins": "plugins/action",
    "callback_plugins": "plugins/callback",
    "filter_plugins": "plugins/filter",
    "test_plugins": "plugins/test",
    "doc_fragments": "plugins/doc_fragments",
    "module_utils": "plugins/module_utils",
    "playbooks": "playbooks",
    "roles": "roles",
    "catalog": "catalog",
    "docs": "docs",
    "examples": "examples",
}
FILES = ("LICENSE", "CHANGELOG.md", "SECURITY.md")
# What builds a collection has no use in one, and Galaxy takes no module of that name.
LEFT_OUT = ("module_utils/proscribe/controller/cli/collection/", "module_utils/proscribe/controller/cli/__main__.py")
NEVER = ("__pycache__", ".git")  # of a directory that is no git checkout
LARGEST = 16 * 1024 * 1024  # bytes of one file

Source = Mapping[str, bytes]  # the content of files by their path in the checkout, with / between its parts


def place_of(path: str) -> str:
    """Where a collection has a file of the checkout; "" for a file that it does not have."""
    first, _, rest = path.partition("/")
    if path in FILES:
        return path
    if first not in DIRECTORIES or not rest or path.startswith(LEFT_OUT):
        return ""
    return f"{DIRECTORIES[first]}/{rest}"


def source_files(root: Path) -> Source:
    """The files of a checkout that a collection is made of: those that git tracks, or all that were shipped where there
    is no git. Raises Refused for a link, and for what is no plain file. A link to one of DIRECTORIES only says where
    Ansible finds that in a checkout, so a collection has none.
    """
    found = sorted(_tracked(root) or _shipped(root))
    paths = [path for path in found if place_of(path) and not _leads_to_plugins(root, path)]
    return {path: _content(root, path) for path in paths}


def _tracked(root: Path) -> list[str]:
    """The files that git tracks below a directory, as they are now; none where it is no checkout of git's."""
    if not (root / ".git").exists():
        return []
    git = shutil.which("git")
    if git is None:
        raise Refused(f"{root} is a checkout of git, which is not installed; expected git, or an unpacked archive")
    argv = [git, "-C", str(root), "ls-files", "-z"]
    done = subprocess.run(argv, stdin=subprocess.DEVNULL, capture_output=True, check=False)
    if done.returncode:
        raise Refused(f"git cannot list the files of {root}: {done.stderr.decode(errors='replace').strip()}")
    return [os.fsdecode(path) for path in done.stdout.split(b"\0") if path]


def _shipped(root: Path) -> Iterator[str]:
    yield from (name for name in FILES if (root / name).exists())
    for directory in DIRECTORIES:
        for place, below, names in os.walk(root / directory):
            below[:] = [name for name in below if name not in NEVER]
            inside = Path(place).relative_to(root)
            links = [name for name in below if Path(place, name).is_symlink()]
            yield from ((inside / name).as_posix() for name in (*names, *links))


def _leads_to_plugins(root: Path, path: str) -> bool:
    link = root / path
    return link.is_symlink() and link.resolve() in {(root / directory).resolve() for directory in DIRECTORIES}


def _content(root: Path, path: str) -> bytes:
    try:
        descriptor = os.open(root / path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    except OSError as error:
        what = "a link" if (root / path).is_symlink() else f"nothing that can be read ({error.strerror})"
        raise Refused(f"{path}: found {what}, expected a file") from None
    with os.fdopen(descriptor, "rb") as stream:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise Refused(f"{path}: found no plain file, expected one")
        content = stream.read(LARGEST + 1)
    if len(content) > LARGEST:
        raise Refused(f"{path}: found more than {LARGEST} bytes, expected less")
    return content


def text_of(path: str, content: bytes) -> str:
    """The text of a file. Raises Refused for one that is no UTF-8."""
    try:
        return content.decode()
    except UnicodeDecodeError:
        raise Refused(f"{path}: found bytes that are no UTF-8, expected text") from None


def python() -> list[str]:
    """The arguments that start the Python of this process, isolated as this is."""
    return [sys.executable, "-I" if sys.flags.isolated else "-EP"]
