"""Refused requests of users: `refused.jsonl` in a folder of waivers, with a line for each refusal.

The file never has a partial line. A refusal is a decision of the organisation, like a waiver. So the file lies with the
waivers and is under version control with them.
"""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from ...file_lock import describe_holder, lock_file
from ...policy_errors import DescribedValue, PolicyError, PolicyErrors
from .approvers import explain_disqualification
from .waiver_status import JudgementContext

REFUSALS_FILE = "refused.jsonl"
MAX_FILE_BYTES = 16 * 1024 * 1024  # bytes
MAX_REASON_LENGTH = 300  # characters of a reason
LOCK_TIMEOUT_SECONDS = 60


class RequestRefusal(NamedTuple):
    """The refusal of a user's request on a host: the person who refused, the time (UTC), and the reason."""

    id: str
    host: str
    user: str
    service: str
    why: str
    by: str
    on: str

    @property
    def key(self) -> tuple[str, str, str]:
        """The identity of the request: request ids differ only on a host and for a user."""
        return self.host, self.user, self.id


class DisregardedRefusal(NamedTuple):
    """A refusal that does not count, and the reason."""

    refusal: RequestRefusal
    why: str


def read_refusals(folders: Sequence[Path]) -> list[RequestRefusal]:
    """Return the refusals in some directories of waivers, the oldest first. Raises PolicyErrors with every mistake."""
    errors: list[PolicyError] = []
    refusals = [refusal for folder in folders for refusal in _read_refusals_file(folder / REFUSALS_FILE, errors)]
    if errors:
        raise PolicyErrors(errors)
    return sorted(refusals, key=lambda refusal: (refusal.on, refusal.key))


def select_valid_refusals(
    refusals: Sequence[RequestRefusal], context: JudgementContext
) -> tuple[list[RequestRefusal], list[DisregardedRefusal]]:
    """Return the valid refusals, one for each request, and the invalid refusals with the reasons.

    Refusals for hosts outside the inventory are left out, because such a host has no request. An invalid refusal is
    left out if its request also has a valid refusal.
    """
    valid_by_request: dict[tuple[str, str, str], RequestRefusal] = {}
    disregarded: list[DisregardedRefusal] = []
    for refusal in refusals:
        if refusal.host not in context.groups.get("all", ()):
            continue
        if reason := explain_invalid_refusal(refusal, context):
            disregarded.append(DisregardedRefusal(refusal, reason))
        else:  # the newest valid refusal counts; an invalid refusal never replaces a valid one
            valid_by_request[refusal.key] = refusal
    return [*valid_by_request.values()], [
        invalid for invalid in disregarded if invalid.refusal.key not in valid_by_request
    ]


def explain_invalid_refusal(refusal: RequestRefusal, context: JudgementContext) -> str:
    """Return the reason why a refusal does not count; "" if it does. Only a person who may approve may refuse."""
    hosts = frozenset({refusal.host})
    return explain_disqualification(refusal.user, refusal.by, hosts, context.register, context.groups)[1]


def warn_of_disregarded(disregarded: Sequence[DisregardedRefusal]) -> str:
    """Return the warning about refusals that do not count, because an operator may rely on them in error."""
    refusal, reason = disregarded[0]
    more = f" (and {len(disregarded) - 1} more)" if disregarded[1:] else ""
    return f"the refusal of request {refusal.id} on {refusal.host} counts for nothing{more}: {reason} [{REFUSALS_FILE}]"


def _read_refusals_file(path: Path, errors: list[PolicyError]) -> Iterator[RequestRefusal]:
    """Yield the refusals in a file; none if the file does not exist. Add the mistakes to `errors`."""
    try:
        if not path.exists():
            return
        if not path.is_file() or path.stat().st_size > MAX_FILE_BYTES:
            errors.append(PolicyError(str(path), "", DescribedValue("no plain file, or a large one"), "lines of JSON"))
            return
        content = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        errors.append(
            PolicyError(str(path), "", DescribedValue(type(error).__name__), "a file of UTF-8 that can be read")
        )
        return
    for number, line in enumerate(content.splitlines(), 1):
        try:
            entry = json.loads(line)
            texts = [entry[key] for key in RequestRefusal._fields]
            if all(isinstance(text, str) and text and text.isprintable() and len(text) <= 1000 for text in texts):
                yield RequestRefusal(*texts)
                continue
        except (ValueError, KeyError, TypeError, RecursionError):
            pass
        expected = f"a JSON object with the texts {', '.join(RequestRefusal._fields)}"
        errors.append(PolicyError(f"{path}:{number}", "", DescribedValue("something else"), expected))


@contextlib.contextmanager
def lock_folder(folder: Path) -> Iterator[None]:
    """Lock the directory for a single writer, because two persons may refuse requests at the same time.

    Raises OSError, also if another writer holds the lock for too long.
    """
    folder.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        if not lock_file(descriptor, LOCK_TIMEOUT_SECONDS):
            raise OSError(f"{describe_holder(descriptor)} has had {folder} for {LOCK_TIMEOUT_SECONDS:g} s")
        yield
    finally:
        os.close(descriptor)


def append_refusal(path: Path, refusal: RequestRefusal) -> bytes:
    """Return the new content of the refusals' file: the present content and a line for `refusal`. Raises OSError."""
    content = path.read_bytes() if path.exists() else b""
    if content and not content.endswith(b"\n"):
        content += b"\n"
    return content + json.dumps(refusal._asdict(), ensure_ascii=False).encode() + b"\n"
