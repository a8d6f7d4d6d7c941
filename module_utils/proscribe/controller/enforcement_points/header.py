"""What every file of an export says of itself, in characters that neither end a comment nor begin anything."""

from __future__ import annotations

import json
import re

from ...base.duration import format_moment
from .declaration import BY_TENANT_REASON, ExportDecision

_UNSAFE_PATTERN = re.compile(r"[^A-Za-z0-9 ._:+@/-]")
ABOUT_FILE = "about.txt"
MAX_TEXT_LENGTH = 100  # characters of a text from outside


def sanitise_comment(text: str) -> str:
    """A text from outside for a comment: letters, digits and a few marks; every other character is "?"."""
    return _UNSAFE_PATTERN.sub("?", text[:MAX_TEXT_LENGTH])


def make_header(decision: ExportDecision, format_: str) -> list[str]:
    """The lines that a file begins with, without the sign of a comment."""
    group = f"of group {sanitise_comment(decision.group)}" if decision.group else "of the inventory"
    catalogue = f"catalogue {sanitise_comment(decision.catalogue)}, " if decision.catalogue else ""
    validity = f", valid until {format_moment(decision.valid_until)}" if decision.valid_until else ""
    tenants = sorted(
        {omission.rule.partition("/")[2] for omission in decision.left_out if omission.reason == BY_TENANT_REASON}
    )
    return [
        f"Written by Proscribe, export {format_}. The next export replaces this file, so changes to it are lost.",
        f"For {len(decision.hosts)} host(s) {group}, as of {format_moment(decision.compiled_at)}{validity}",
        f"{catalogue}plan {sanitise_comment(decision.digest)}",
        *(
            [f"Open to all accounts, for the organisation's tenants: {' '.join(map(sanitise_comment, tenants))}"]
            if tenants
            else []
        ),
    ]


def make_comment(decision: ExportDecision, format_: str, comment_mark: str = "#") -> list[str]:
    """The header as lines of a comment."""
    return [f"{comment_mark} {line}" for line in make_header(decision, format_)]


def make_about_file(decision: ExportDecision, format_: str) -> dict[str, bytes]:
    """The header as a file of its own, for lists in which the vendor describes no comment."""
    return {ABOUT_FILE: encode_lines(make_header(decision, format_))}


def encode_lines(lines: list[str]) -> bytes:
    """Lines as a file. Raises UnicodeEncodeError for what is not ASCII, which no checked identifier has."""
    return "\n".join([*lines, ""]).encode("ascii")


def encode_json(document: object, indent: int = 1, *, sort_keys: bool = False) -> bytes:
    """A document as a file of JSON. Whatever is not ASCII is escaped."""
    return (json.dumps(document, indent=indent, sort_keys=sort_keys) + "\n").encode("ascii")


def make_witness_text(decision: ExportDecision) -> str:
    """What a resolver answers for EXPORT_WITNESS_NAME, as the text of a TXT record."""
    return f"plan={sanitise_comment(decision.digest)} at={format_moment(decision.compiled_at)}"
