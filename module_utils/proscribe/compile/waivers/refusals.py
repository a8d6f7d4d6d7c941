"""Requests that were refused: `refused.jsonl` in a directory of waivers, a line for each, written whole or not at all.

It is an organisation's decision as a waiver is, so it lies with the waivers and is under version control with them.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from ...policy_errors import Described, PolicyError, PolicyErrors

FILE = "refused.jsonl"
LARGEST = 16 * 1024 * 1024  # bytes
LONGEST = 300  # characters of a reason


class Refusal(NamedTuple):
    """A request of a user on a host, by whom it was refused, when (UTC), and why."""

    id: str
    host: str
    user: str
    service: str
    why: str
    by: str
    on: str

    @property
    def key(self) -> tuple[str, str, str]:
        """What names the request in a fleet."""
        return self.host, self.user, self.id


def read_refusals(folders: Sequence[Path]) -> list[Refusal]:
    """The refusals of some directories of waivers, the oldest first. Raises PolicyErrors with every mistake."""
    errors: list[PolicyError] = []
    found: dict[tuple[str, str, str], Refusal] = {}
    for folder in folders:
        for refusal in _of_file(folder / FILE, errors):
            found[refusal.key] = refusal
    if errors:
        raise PolicyErrors(errors)
    return sorted(found.values(), key=lambda refusal: (refusal.on, refusal.key))


def _of_file(path: Path, errors: list[PolicyError]) -> Iterator[Refusal]:
    try:
        if not path.exists():
            return
        if not path.is_file() or path.stat().st_size > LARGEST:
            errors.append(PolicyError(str(path), "", Described("no plain file, or a large one"), "lines of JSON"))
            return
        content = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        errors.append(PolicyError(str(path), "", Described(type(error).__name__), "a file of UTF-8 that can be read"))
        return
    for number, line in enumerate(content.splitlines(), 1):
        try:
            given = json.loads(line)
            texts = [given[key] for key in Refusal._fields]
            if all(isinstance(text, str) and text and text.isprintable() and len(text) <= 1000 for text in texts):
                yield Refusal(*texts)
                continue
        except (ValueError, KeyError, TypeError, RecursionError):
            pass
        expected = f"a JSON object with the texts {', '.join(Refusal._fields)}"
        errors.append(PolicyError(f"{path}:{number}", "", Described("something else"), expected))


@contextlib.contextmanager
def alone(folder: Path) -> Iterator[None]:
    """The directory for one writer alone: two people may refuse at once. Raises OSError."""
    folder.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def with_one_more(path: Path, refusal: Refusal) -> bytes:
    """The content of the file with one more line; what is in it stays byte for byte. Raises OSError."""
    before = path.read_bytes() if path.exists() else b""
    if before and not before.endswith(b"\n"):
        before += b"\n"
    return before + json.dumps(refusal._asdict(), ensure_ascii=False).encode() + b"\n"
