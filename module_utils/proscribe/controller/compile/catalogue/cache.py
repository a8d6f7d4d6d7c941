"""The catalogue as an earlier run loaded it, in the plan store.

To parse and check some three hundred files takes longer than all the rest of compiling. What they come to is the same
as long as no byte of them, and none of the code that reads them, has changed: both are hashed anew each time. Only a
load without a mistake is noted, so a mistake has its message with file and line whether or not anything was noted.

The store says whose file may be read (store.py). The note is JSON: it can make a wrong catalogue, and runs nothing.
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

from ....wire.store import PlanStore
from ....wire.stream import hash_files, hash_sources
from ... import policy_errors
from .feeds import Feed
from .files import passed_over
from .loading import Browser, Catalogue, Service, load, objects
from .release import Release

NAME = "catalogue"  # in the plan store, with a number
MOST = 16  # catalogues that are noted: the project's own, and those of departments that add to it
LARGEST = 64 * 1024 * 1024  # bytes of a file that is hashed

_READ = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC


class Catalogues:
    """Loads catalogues, from the notes of the store where these fit."""

    def __init__(self, store: PlanStore) -> None:
        self._store = store
        self._new: list[tuple[str, bytes]] = []
        self._states: dict[int, tuple[Catalogue, bytes]] = {}  # of those that were loaded, by id

    def state(self, catalogue: Catalogue) -> bytes:
        """The hash of all that a catalogue of this run, and the plans that are made of it, depend on; b"" for none."""
        return self._states.get(id(catalogue), (catalogue, b""))[1]

    def load(self, directories: Sequence[Path]) -> Catalogue:
        """The catalogue of these directories. Raises PolicyErrors as catalogue.load does."""
        before = state(directories)
        name = _name(directories)
        if before and (noted := _read(self._store.read_note(name), before)):
            self._states[id(noted)] = noted, before
            return noted
        catalogue = load(directories)
        if before and before == state(directories):  # nobody wrote there meanwhile
            self._new.append((name, _written(catalogue, before)))
            self._states[id(catalogue)] = catalogue, before
        return catalogue

    def note_down(self) -> None:
        """Note what had to be loaded from its files."""
        for name, content in self._new:
            self._store.write_note(name, content)


def state(directories: Sequence[Path]) -> bytes:
    """The SHA-256 of all that the load of these directories depends on, as hexadecimal digits.

    b"" where that cannot be said: something is not readable, or neither a file nor a directory. A link is such a thing,
    for where it leads may change.
    """
    found = hashlib.sha256(repr((sys.version, yaml.__version__, list(map(str, directories)))).encode())
    try:
        found.update(hash_sources() + hash_files(code()))
        for directory in directories:
            for part in _contents(str(directory)):
                found.update(part)
    except OSError:
        return b""
    return found.hexdigest().encode()


def code() -> list[str]:
    """The files of the code on which a load may depend, and a plan, beside those of hosts."""
    compiling = glob.iglob(os.path.join(os.path.dirname(os.path.dirname(__file__)), "**", "*.py"), recursive=True)
    return [*sorted(compiling), policy_errors.__file__]


def _contents(directory: str, deep: int = 0) -> Iterator[bytes]:
    """All names in a directory of the catalogue and in those below, with the contents of the files that count."""
    with os.scandir(directory) as listed:
        entries = sorted(listed, key=lambda entry: entry.name)
    for entry in entries:
        is_folder = entry.is_dir(follow_symlinks=False)
        yield repr((deep, entry.name, is_folder)).encode()
        if passed_over(entry.name):
            continue
        if not is_folder:
            content = _content(entry.path)
            yield b"%d\n" % len(content)
            yield content
        elif not deep:  # one deeper is a mistake
            yield from _contents(entry.path, deep + 1)


def _content(path: str) -> bytes:
    descriptor = os.open(path, _READ)
    try:
        seen = os.fstat(descriptor)
        if not stat.S_ISREG(seen.st_mode) or seen.st_size > LARGEST:
            raise OSError(f"{path} is no file, or too large")
        return os.read(descriptor, seen.st_size + 1)
    finally:
        os.close(descriptor)


def _name(directories: Sequence[Path]) -> str:
    """The note of these directories. There are only so many, so what nobody loads any more is replaced some day."""
    number = int(hashlib.sha256(repr(list(map(str, directories))).encode()).hexdigest(), 16)
    return f"{NAME}-{number % MOST}"


def _written(catalogue: Catalogue, state: bytes) -> bytes:
    content = json.dumps(
        {
            "services": [_values(one) for one in catalogue.services.values()],
            "browsers": [_values(one) for one in catalogue.browsers.values()],
            "feeds": list(catalogue.feeds.values()),
            "version": catalogue.version,
            "release": catalogue.release,
            "retired": catalogue.retired,
        }
    ).encode()
    return b"\n".join([state, _digest(content), content])


def _read(noted: bytes, state: bytes) -> Catalogue | None:
    """What was noted; None for nothing, for another state, and for what is damaged."""
    head, _, rest = noted.partition(b"\n")
    digest, _, content = rest.partition(b"\n")
    if head != state or digest != _digest(content):
        return None
    with contextlib.suppress(ValueError, TypeError, LookupError, RecursionError):
        data = json.loads(content)
        services, browsers = objects(Service, data["services"]), objects(Browser, data["browsers"])
        listed = [
            Feed(id_, service, kind, checked, tuple(values), file, agreement, tuple(compared), accepted)
            for id_, service, kind, checked, values, file, agreement, compared, accepted in data["feeds"]
        ]
        return Catalogue(
            services={one.id: one for one in services},
            browsers={one.id: one for one in browsers},
            feeds={one.id: one for one in listed},
            version=data["version"],
            release=Release(*data["release"]),
            retired=tuple(data["retired"]),
        )
    return None


def _digest(content: bytes) -> bytes:
    return hashlib.sha256(content).hexdigest().encode()


def _values(one: Service | Browser) -> list[Any]:
    return [getattr(one, field.name) for field in fields(one)]
