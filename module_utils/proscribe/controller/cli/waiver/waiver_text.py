"""The YAML text of a waiver's file: easy to read and edit, and unambiguous for every YAML reader."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping, Sequence

from ...compile.waivers.document import LIST_CHECKS, MOMENT_PATTERN

# The order of the keys in a file: scope, reason, persons, times.
KEY_ORDER = (
    "id",
    *(key for key in LIST_CHECKS if key != "compensating_controls"),
    *("reason", "risk", "compensating_controls", "ticket", "request"),
    *("requested_by", "requested_on", "approved_by", "approved_on", "valid_from", "expires", "review_by"),
)

_PLAIN_PATTERN = re.compile(r"[A-Za-z/](?:[A-Za-z0-9 ._@/+()-]*[A-Za-z0-9._@/+()-])?")
# YAML 1.1 reads these words as booleans or null, so they need quotes.
_YAML_WORDS = frozenset({"y", "n", "yes", "no", "on", "off", "true", "false", "null"})


def format_scalar(text: str) -> str:
    """Return a text as a YAML scalar: plain if that is unambiguous, else as a JSON string, which is valid YAML."""
    if MOMENT_PATTERN.fullmatch(text) or (_PLAIN_PATTERN.fullmatch(text) and text.lower() not in _YAML_WORDS):
        return text
    return json.dumps(text, ensure_ascii=False)


def format_flow_list(items: Iterable[str]) -> str:
    """Return texts as a YAML list on a single line: `[press01, press02]`."""
    return "[" + ", ".join(map(format_scalar, items)) + "]"


def format_waiver(values: Mapping[str, str | Sequence[str]]) -> str:
    """Return the YAML text of a waiver's file from its values by key. Keys with empty values are left out."""
    lines = ["---", "# An approved exception. docs/waivers.md of Proscribe says what each key means."]
    for key in KEY_ORDER:
        content = values.get(key)
        if content:
            lines.append(f"{key}: {format_scalar(content) if isinstance(content, str) else format_flow_list(content)}")
    return "\n".join([*lines, ""])


def format_revocation(revoked_on: str, revoked_by: str, reason: str) -> str:
    """Return the YAML lines that revoke a waiver, for the end of its file.

    `revoked_on` is a time with its zone.
    """
    return (
        f"revoked:\n  on: {format_scalar(revoked_on)}\n  by: {format_scalar(revoked_by)}\n  why: "
        f"{format_scalar(reason)}\n"
    )


def append_lines(content: bytes, lines: str) -> bytes:
    """Return the content of a file with `lines` added at its end, with the line breaks that the file uses."""
    line_break = b"\r\n" if b"\r\n" in content else b"\n"
    prefix = content if content.endswith(b"\n") else content + line_break
    return prefix + lines.encode().replace(b"\n", line_break)
