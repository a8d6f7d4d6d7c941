"""Header of every file of an export, in characters that can neither end a comment nor start anything."""

from __future__ import annotations

import json
import re

from ...base.duration import format_moment
from .format_declaration import BY_TENANT_REASON, ExportDecision

_UNSAFE_PATTERN = re.compile(r"[^A-Za-z0-9 ._:+@/-]")
ABOUT_FILE = "about.txt"
MAX_TEXT_LENGTH = 100  # most characters of an external text, such as a group's name


def sanitise_comment(text: str) -> str:
    """Return an external text for a comment: letters, digits and a few marks; any other character becomes "?"."""
    return _UNSAFE_PATTERN.sub("?", text[:MAX_TEXT_LENGTH])


def make_header(decision: ExportDecision, format_: str) -> list[str]:
    """Return the header of an export's file as lines without comment marks.

    The lines have the format, the hosts, the time, the plan's digest, and services that stay open to all accounts.
    """
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
    """Return the header of an export's file as comment lines."""
    return [f"{comment_mark} {line}" for line in make_header(decision, format_)]


def make_about_file(decision: ExportDecision, format_: str) -> dict[str, bytes]:
    """Return the header of an export as a separate file, because the vendor of the format documents no comments."""
    return {ABOUT_FILE: encode_lines(make_header(decision, format_))}


def encode_lines(lines: list[str]) -> bytes:
    """Return lines as the content of a file. Raises UnicodeEncodeError for other than ASCII.

    No checked identifier has other characters.
    """
    return "\n".join([*lines, ""]).encode("ascii")


def encode_json(document: object, indent: int = 1, *, sort_keys: bool = False) -> bytes:
    """Return a document as a JSON file. Characters other than ASCII are escaped."""
    return (json.dumps(document, indent=indent, sort_keys=sort_keys) + "\n").encode("ascii")


def make_witness_text(decision: ExportDecision) -> str:
    """Return the text of the TXT record for EXPORT_WITNESS_NAME, a name whose answer shows the plan in effect.

    A resolver with the export gives this answer.
    """
    return f"plan={sanitise_comment(decision.digest)} at={format_moment(decision.compiled_at)}"
