"""Requests that were refused: `refused.jsonl` in a directory of waivers, a line for each, written whole or not at all.

It is an organisation's decision as a waiver is, so it lies with the waivers and is under version control with them.
"""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from ...policy_errors import Described, PolicyError, PolicyErrors
from ...waiting import holder, locked
from .authority import disqualified
from .standing import Context

FILE = "refused.jsonl"
LARGEST = 16 * 1024 * 1024  # bytes
LONGEST = 300  # characters of a reason
PATIENCE = 60  # seconds that a writer waits for another one


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


class Disregarded(NamedTuple):
    """A refusal that does not count, and why."""

    refusal: Refusal
    why: str


def read_refusals(folders: Sequence[Path]) -> list[Refusal]:
    """The refusals of some directories of waivers, the oldest first. Raises PolicyErrors with every mistake."""
    errors: list[PolicyError] = []
    found = [refusal for folder in folders for refusal in _of_file(folder / FILE, errors)]
    if errors:
        raise PolicyErrors(errors)
    return sorted(found, key=lambda refusal: (refusal.on, refusal.key))


def in_force(refusals: Sequence[Refusal], context: Context) -> tuple[list[Refusal], list[Disregarded]]:
    """The refusals that count, one of each request, and those that do not, each with why. They are of hosts of the
    inventory, since another host has no request.
    """
    found: dict[tuple[str, str, str], Refusal] = {}
    disregarded: list[Disregarded] = []
    for refusal in refusals:
        if refusal.host not in context.groups.get("all", ()):
            continue
        if why := invalid(refusal, context):
            disregarded.append(Disregarded(refusal, why))
        else:  # the newest one, and never one that does not count in place of one that does
            found[refusal.key] = refusal
    return [*found.values()], [one for one in disregarded if one.refusal.key not in found]


def invalid(refusal: Refusal, context: Context) -> str:
    """Why a refusal does not count; "" for one that does. Who refuses has to be one who may approve."""
    hosts = frozenset({refusal.host})
    return disqualified(refusal.user, refusal.by, hosts, context.register, context.groups)[1]


def warning(disregarded: Sequence[Disregarded]) -> str:
    """What every run says of refusals that somebody may rely on in error."""
    refusal, why = disregarded[0]
    more = f" (and {len(disregarded) - 1} more)" if disregarded[1:] else ""
    return f"the refusal of request {refusal.id} on {refusal.host} counts for nothing{more}: {why} [{FILE}]"


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
    """The directory for one writer alone: two people may refuse at once. Raises OSError, also where another one has it
    for too long.
    """
    folder.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        if not locked(descriptor, PATIENCE):
            raise OSError(f"{holder(descriptor)} has had {folder} for {PATIENCE:g} s")
        yield
    finally:
        os.close(descriptor)


def with_one_more(path: Path, refusal: Refusal) -> bytes:
    """The content of the file with one more line; what is in it stays byte for byte. Raises OSError."""
    before = path.read_bytes() if path.exists() else b""
    if before and not before.endswith(b"\n"):
        before += b"\n"
    return before + json.dumps(refusal._asdict(), ensure_ascii=False).encode() + b"\n"
