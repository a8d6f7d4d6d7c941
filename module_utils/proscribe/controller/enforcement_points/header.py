"""What every file of an export says of itself, in characters that neither end a comment nor begin anything."""

from __future__ import annotations

import json
import re

from ...base.duration import format_moment
from .declaration import BY_TENANT, Decision

_UNSAFE = re.compile(r"[^A-Za-z0-9 ._:+@/-]")
ABOUT = "about.txt"
LONGEST = 100  # characters of a text from outside


def safe(text: str) -> str:
    """A text from outside for a comment: letters, digits and a few marks; every other character is "?"."""
    return _UNSAFE.sub("?", text[:LONGEST])


def header(decision: Decision, format_: str) -> list[str]:
    """The lines that a file begins with, without the sign of a comment."""
    group = f"of group {safe(decision.group)}" if decision.group else "of the inventory"
    catalogue = f"catalogue {safe(decision.catalogue)}, " if decision.catalogue else ""
    until = f", valid until {format_moment(decision.valid_until)}" if decision.valid_until else ""
    tenants = sorted({one.rule.partition("/")[2] for one in decision.left_out if one.why == BY_TENANT})
    return [
        f"Written by Proscribe, export {format_}. The next export replaces this file, so changes to it are lost.",
        f"For {len(decision.hosts)} host(s) {group}, as of {format_moment(decision.at)}{until}",
        f"{catalogue}plan {safe(decision.digest)}",
        *([f"Open to all accounts, for the organisation's tenants: {' '.join(map(safe, tenants))}"] if tenants else []),
    ]


def comment(decision: Decision, format_: str, sign: str = "#") -> list[str]:
    """The header as lines of a comment."""
    return [f"{sign} {line}" for line in header(decision, format_)]


def about(decision: Decision, format_: str) -> dict[str, bytes]:
    """The header as a file of its own, for lists in which the vendor describes no comment."""
    return {ABOUT: text(header(decision, format_))}


def text(lines: list[str]) -> bytes:
    """Lines as a file. Raises UnicodeEncodeError for what is not ASCII, which no checked identifier has."""
    return "\n".join([*lines, ""]).encode("ascii")


def json_file(document: object, indent: int = 1, *, sort_keys: bool = False) -> bytes:
    """A document as a file of JSON. Whatever is not ASCII is escaped."""
    return (json.dumps(document, indent=indent, sort_keys=sort_keys) + "\n").encode("ascii")


def witness(decision: Decision) -> str:
    """What a resolver answers for EXPORT_WITNESS, as the text of a TXT record."""
    return f"plan={safe(decision.digest)} at={format_moment(decision.at)}"
