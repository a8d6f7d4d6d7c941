"""The files of the checkout that a collection contains, and their paths in the collection."""

from __future__ import annotations

import os
import shutil
import stat
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

from .. import CommandError

# The directories of a checkout, and their paths in a collection.
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
# A collection cannot build a collection, so it does not contain that code. Galaxy refuses a module named `__main__`.
EXCLUDED_PATHS = (
    "module_utils/proscribe/controller/cli/collection/",
    "module_utils/proscribe/controller/cli/__main__.py",
)
IGNORED_DIRECTORIES = ("__pycache__", ".git")  # only used without git, which lists the files of a git checkout
MAX_FILE_BYTES = 16 * 1024 * 1024  # per file

SourceFiles = Mapping[str, bytes]  # the content of files by their path in the checkout, such as `docs/waivers.md`


def find_collection_path(path: str) -> str:
    """Return the path that a file of the checkout has in the collection; "" for a file that is left out."""
    directory, _, relative_path = path.partition("/")
    if path in TOP_LEVEL_FILES:
        return path
    if directory not in DIRECTORIES or not relative_path or path.startswith(EXCLUDED_PATHS):
        return ""
    return f"{DIRECTORIES[directory]}/{relative_path}"


def read_source_files(root: Path) -> SourceFiles:
    """Return the content of the checkout's files that a collection is made of, by path in the checkout.

    These are the files that git tracks; without git, all files in the directories of a collection. A link to one of
    these directories is left out: it only leads Ansible to the plugins of a checkout. Raises CommandError for another
    link, and for anything but a plain file.
    """
    candidate_paths = sorted(_list_tracked_files(root) or _list_shipped_files(root))
    paths = [path for path in candidate_paths if find_collection_path(path) and not _is_plugin_link(root, path)]
    return {path: _read_content(root, path) for path in paths}


def _list_tracked_files(root: Path) -> list[str]:
    """Return the paths that git tracks below the directory `root`; [] if the directory is no git checkout.

    Raises CommandError if git is missing or fails.
    """
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
    """Yield the paths of all files that a collection can contain, and of links to directories.

    The directory `root` is no git checkout, so git cannot list its files.
    """
    yield from (name for name in TOP_LEVEL_FILES if (root / name).exists())
    for directory in DIRECTORIES:
        for folder, directory_names, names in os.walk(root / directory):
            directory_names[:] = [name for name in directory_names if name not in IGNORED_DIRECTORIES]
            relative_folder = Path(folder).relative_to(root)
            links = [name for name in directory_names if Path(folder, name).is_symlink()]
            yield from ((relative_folder / name).as_posix() for name in (*names, *links))


def _is_plugin_link(root: Path, path: str) -> bool:
    """Return whether a path of the checkout is a link to one of the directories in DIRECTORIES."""
    link = root / path
    return link.is_symlink() and link.resolve() in {(root / directory).resolve() for directory in DIRECTORIES}


def _read_content(root: Path, path: str) -> bytes:
    """Return the content of a file of the checkout, of at most MAX_FILE_BYTES.

    Raises CommandError for anything but a plain file, such as a link, and for an unreadable or too large file.
    """
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
    """Decode the UTF-8 content of a file. Raises CommandError for other bytes, with the file's path in its message."""
    try:
        return content.decode()
    except UnicodeDecodeError:
        raise CommandError(f"{path}: found bytes that are no UTF-8, expected text") from None


def get_python_command() -> list[str]:
    """Return the first words of a command line that starts this process's Python, as isolated as this process.

    With `-I`, or with `-EP`, Python ignores its environment variables and the working directory.
    """
    return [sys.executable, "-I" if sys.flags.isolated else "-EP"]
