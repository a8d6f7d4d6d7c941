"""A cache of loaded catalogues in the plan store.

Parsing and checking about three hundred files takes longer than the rest of compiling. The result stays valid as long
as no byte of these files and of the code that reads them changes. Each run hashes both again. Only a load without a
mistake is cached, so a mistake always has its message with file and line.

The store decides whose file may be read (plan_store.py). An entry of the cache is JSON. A forged entry can make a wrong
catalogue, but it can run no code.
"""

from __future__ import annotations

import contextlib
import glob
import hashlib
import json
import os
import stat
import sys
from collections.abc import Iterator, Sequence
from dataclasses import fields
from pathlib import Path
from typing import Any

import yaml

from ....wire.plan_store import PlanStore
from ....wire.stream import hash_files, hash_sources
from ... import policy_errors
from .catalogue_loader import Browser, Catalogue, Service, build_objects, read_catalogue
from .entry_files import is_ignored_name
from .feeds import Feed
from .release import CatalogueRelease

CACHE_NAME = "catalogue"  # in the plan store, followed by a number
MAX_CATALOGUES = 16  # most cached catalogues: Proscribe's, and those of departments that add to Proscribe's
MAX_FILE_BYTES = 64 * 1024 * 1024  # bytes of a file that is hashed

_READ_FLAGS = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC


class CatalogueCache:
    """A loader of catalogues.

    A catalogue with a valid cache entry comes from the plan store, others from their files.
    """

    def __init__(self, store: PlanStore) -> None:
        self._store = store
        self._new_entries: list[tuple[str, bytes]] = []
        # key: id() of a loaded catalogue; value: the catalogue and its hash
        self._state_hashes: dict[int, tuple[Catalogue, bytes]] = {}

    def get_state_hash(self, catalogue: Catalogue) -> bytes:
        """Return the hash of the files and code that a loaded catalogue and its plans depend on.

        The result is b"" if no hash is known for the catalogue.
        """
        return self._state_hashes.get(id(catalogue), (catalogue, b""))[1]

    def load_catalogue(self, directories: Sequence[Path]) -> Catalogue:
        """Load the catalogue of these directories. Raises PolicyErrors, as read_catalogue does."""
        state_hash = hash_state(directories)
        name = _make_cache_name(directories)
        if state_hash and (cached := _parse_cached_catalogue(self._store.read_note(name), state_hash)):
            self._state_hashes[id(cached)] = cached, state_hash
            return cached
        catalogue = read_catalogue(directories)
        if state_hash and state_hash == hash_state(directories):  # the files did not change during the load
            self._new_entries.append((name, _serialise_catalogue(catalogue, state_hash)))
            self._state_hashes[id(catalogue)] = catalogue, state_hash
        return catalogue

    def save_new_entries(self) -> None:
        """Write the catalogues that this run loaded from files to the plan store."""
        for name, content in self._new_entries:
            self._store.write_note(name, content)


def hash_state(directories: Sequence[Path]) -> bytes:
    """Return the SHA-256 of everything that the load of these directories depends on, as hexadecimal digits.

    The result is b"" if a path cannot be read, or is neither a file nor a directory. A symbolic link also gives b"",
    because its target may change.
    """
    hasher = hashlib.sha256(repr((sys.version, yaml.__version__, list(map(str, directories)))).encode())
    try:
        hasher.update(hash_sources() + hash_files(list_code_files()))
        for directory in directories:
            for content in _iterate_contents(str(directory)):
                hasher.update(content)
    except OSError:
        return b""
    return hasher.hexdigest().encode()


def list_code_files() -> list[str]:
    """Return the code files on which a loaded catalogue or a plan may depend, except the code for hosts."""
    compile_files = glob.iglob(os.path.join(os.path.dirname(os.path.dirname(__file__)), "**", "*.py"), recursive=True)
    return [*sorted(compile_files), policy_errors.__file__]


def _iterate_contents(directory: str, depth: int = 0) -> Iterator[bytes]:
    """Yield all names in and below a directory of the catalogue, and the contents of the files that a load reads.

    A load ignores hidden files, Markdown and backups of editors.
    """
    with os.scandir(directory) as scanner:
        entries = sorted(scanner, key=lambda entry: entry.name)
    for entry in entries:
        is_folder = entry.is_dir(follow_symlinks=False)
        yield repr((depth, entry.name, is_folder)).encode()
        if is_ignored_name(entry.name):
            continue
        if not is_folder:
            content = _read_file(entry.path)
            yield b"%d\n" % len(content)
            yield content
        elif not depth:  # a deeper folder is a mistake
            yield from _iterate_contents(entry.path, depth + 1)


def _read_file(path: str) -> bytes:
    """Return the content of a plain file.

    Raises OSError for a link, a pipe or a large file, too.
    """
    descriptor = os.open(path, _READ_FLAGS)
    try:
        file_status = os.fstat(descriptor)
        if not stat.S_ISREG(file_status.st_mode) or file_status.st_size > MAX_FILE_BYTES:
            raise OSError(f"{path} is no file, or too large")
        return os.read(descriptor, file_status.st_size + 1)
    finally:
        os.close(descriptor)


def _make_cache_name(directories: Sequence[Path]) -> str:
    """Return the name of the cache entry for these directories.

    The number of names is limited, so new entries replace old entries over time. Some of the old ones would never be
    loaded again.
    """
    number = int(hashlib.sha256(repr(list(map(str, directories))).encode()).hexdigest(), 16)
    return f"{CACHE_NAME}-{number % MAX_CATALOGUES}"


def _serialise_catalogue(catalogue: Catalogue, state_hash: bytes) -> bytes:
    """Return a cache entry of three lines: the hash of the state, the digest of the content, and the content.

    The state is the files and the code on which the catalogue depends.
    """
    content = json.dumps(
        {
            "services": [_list_field_values(entry) for entry in catalogue.services.values()],
            "browsers": [_list_field_values(entry) for entry in catalogue.browsers.values()],
            "feeds": list(catalogue.feeds.values()),
            "version": catalogue.version,
            "release": catalogue.release,
            "retired": catalogue.retired,
        }
    ).encode()
    return b"\n".join([state_hash, _hash_content(content), content])


def _parse_cached_catalogue(cached: bytes, state_hash: bytes) -> Catalogue | None:
    """Return the catalogue of a cache entry; None if the entry is missing or damaged, or if its state is another one.

    The state is the files and the code on which the catalogue depends.
    """
    cached_hash, _, rest = cached.partition(b"\n")
    digest, _, content = rest.partition(b"\n")
    if cached_hash != state_hash or digest != _hash_content(content):
        return None
    with contextlib.suppress(ValueError, TypeError, LookupError, RecursionError):
        data = json.loads(content)
        services, browsers = build_objects(Service, data["services"]), build_objects(Browser, data["browsers"])
        feeds = [
            Feed(id_, service, kind, checked, tuple(values), file, agreement, tuple(compared), accepted)
            for id_, service, kind, checked, values, file, agreement, compared, accepted in data["feeds"]
        ]
        return Catalogue(
            services={entry.id: entry for entry in services},
            browsers={entry.id: entry for entry in browsers},
            feeds={entry.id: entry for entry in feeds},
            version=data["version"],
            release=CatalogueRelease(*data["release"]),
            retired=tuple(data["retired"]),
        )
    return None


def _hash_content(content: bytes) -> bytes:
    return hashlib.sha256(content).hexdigest().encode()


def _list_field_values(entry: Service | Browser) -> list[Any]:
    return [getattr(entry, field.name) for field in fields(entry)]
