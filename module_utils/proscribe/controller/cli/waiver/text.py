"""A waiver's file as text that people read and edit, and every YAML reader understands in one way."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping, Sequence

from ...compile.waivers.document import LIST_FORMS, MOMENT_PATTERN

# In the order in which somebody reads an exception: what and where, why, who, how long.
ORDER = (
    "id",
    *(key for key in LIST_FORMS if key != "compensating_controls"),
    *("reason", "risk", "compensating_controls", "ticket", "request"),
    *("requested_by", "requested_on", "approved_by", "approved_on", "valid_from", "expires", "review_by"),
)

_PLAIN = re.compile(r"[A-Za-z/](?:[A-Za-z0-9 ._@/+()-]*[A-Za-z0-9._@/+()-])?")
# What YAML 1.1 does not read as the word that it is.
_WORDS = frozenset({"y", "n", "yes", "no", "on", "off", "true", "false", "null"})


def scalar(text: str) -> str:
    """A text as YAML: plain where it can stand so, else in double quotes (JSON's are YAML's)."""
    if MOMENT_PATTERN.fullmatch(text) or (_PLAIN.fullmatch(text) and text.lower() not in _WORDS):
        return text
    return json.dumps(text, ensure_ascii=False)


def in_flow(items: Iterable[str]) -> str:
    """A list on one line."""
    return "[" + ", ".join(map(scalar, items)) + "]"


def render(values: Mapping[str, str | Sequence[str]]) -> str:
    """A waiver's file; empty values are left out."""
    lines = ["---", "# An approved exception. docs/waivers.md of Proscribe says what each key means."]
    for key in ORDER:
        value = values.get(key)
        if value:
            lines.append(f"{key}: {scalar(value) if isinstance(value, str) else in_flow(value)}")
    return "\n".join([*lines, ""])


def revocation(on: str, by: str, why: str) -> str:
    """The lines that take a waiver back."""
    return f"revoked:\n  on: {scalar(on)}\n  by: {scalar(by)}\n  why: {scalar(why)}\n"


def append_lines(content: bytes, lines: str) -> bytes:
    """Return a file's content with lines at its end, in the line breaks that it has."""
    end = b"\r\n" if b"\r\n" in content else b"\n"
    start = content if content.endswith(b"\n") else content + end
    return start + lines.encode().replace(b"\n", end)
