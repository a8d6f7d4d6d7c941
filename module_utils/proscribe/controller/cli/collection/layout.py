"""Which files of the checkout a collection has, and where it has them."""

from __future__ import annotations

import os
import shutil
import stat
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

from .. import CommandError

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
TOP_LEVEL_FILES = ("LICENSE", "CHANGELOG.md", "SECURITY.md")
# What builds a collection has no use in one, and Galaxy takes no module of that name.
EXCLUDED_PATHS = (
    "module_utils/proscribe/controller/cli/collection/",
    "module_utils/proscribe/controller/cli/__main__.py",
)
IGNORED_DIRECTORIES = ("__pycache__", ".git")  # of a directory that is no git checkout
MAX_FILE_BYTES = 16 * 1024 * 1024  # bytes of one file

SourceFiles = Mapping[str, bytes]  # the content of files by their path in the checkout, with / between its parts


def find_collection_path(path: str) -> str:
    """Where a collection has a file of the checkout; "" for a file that it does not have."""
    directory, _, relative_path = path.partition("/")
    if path in TOP_LEVEL_FILES:
        return path
    if directory not in DIRECTORIES or not relative_path or path.startswith(EXCLUDED_PATHS):
        return ""
    return f"{DIRECTORIES[directory]}/{relative_path}"


def read_source_files(root: Path) -> SourceFiles:
    """The files of a checkout that a collection is made of: those that git tracks, or all that were shipped where there
    is no git. Raises Refused for a link, and for what is no plain file. A link to one of DIRECTORIES only says where
    Ansible finds that in a checkout, so a collection has none.
    """
    candidate_paths = sorted(_list_tracked_files(root) or _list_shipped_files(root))
    paths = [path for path in candidate_paths if find_collection_path(path) and not _is_plugin_link(root, path)]
    return {path: _read_content(root, path) for path in paths}


def _list_tracked_files(root: Path) -> list[str]:
    """The files that git tracks below a directory, as they are now; none where it is no checkout of git's."""
    if not (root / ".git").exists():
        return []
    git = shutil.which("git")
    if git is None:
        raise CommandError(f"{root} is a checkout of git, which is not installed; expected git, or an unpacked archive")
    command = [git, "-C", str(root), "ls-files", "-z"]
    result = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, check=False)
    if result.returncode:
        raise CommandError(f"git cannot list the files of {root}: {result.stderr.decode(errors='replace').strip()}")
    return [os.fsdecode(path) for path in result.stdout.split(b"\0") if path]


def _list_shipped_files(root: Path) -> Iterator[str]:
    yield from (name for name in TOP_LEVEL_FILES if (root / name).exists())
    for directory in DIRECTORIES:
        for folder, directory_names, names in os.walk(root / directory):
            directory_names[:] = [name for name in directory_names if name not in IGNORED_DIRECTORIES]
            relative_folder = Path(folder).relative_to(root)
            links = [name for name in directory_names if Path(folder, name).is_symlink()]
            yield from ((relative_folder / name).as_posix() for name in (*names, *links))


def _is_plugin_link(root: Path, path: str) -> bool:
    link = root / path
    return link.is_symlink() and link.resolve() in {(root / directory).resolve() for directory in DIRECTORIES}


def _read_content(root: Path, path: str) -> bytes:
    try:
        descriptor = os.open(root / path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    except OSError as error:
        description = "a link" if (root / path).is_symlink() else f"nothing that can be read ({error.strerror})"
        raise CommandError(f"{path}: found {description}, expected a file") from None
    with os.fdopen(descriptor, "rb") as stream:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise CommandError(f"{path}: found no plain file, expected one")
        content = stream.read(MAX_FILE_BYTES + 1)
    if len(content) > MAX_FILE_BYTES:
        raise CommandError(f"{path}: found more than {MAX_FILE_BYTES} bytes, expected less")
    return content


def decode_text(path: str, content: bytes) -> str:
    """The text of a file. Raises Refused for one that is no UTF-8."""
    try:
        return content.decode()
    except UnicodeDecodeError:
        raise CommandError(f"{path}: found bytes that are no UTF-8, expected text") from None


def get_python_command() -> list[str]:
    """The arguments that start the Python of this process, isolated as this is."""
    return [sys.executable, "-I" if sys.flags.isolated else "-EP"]
