"""Text in a chat: no service obeys anything in it, whichever it is.

Slack and Google Chat obey `<...>`, Mattermost and Discord `@name` and Markdown, Teams Markdown and some HTML. Each
makes a link of an address, and shows what it leads to. A character that begins any of this is shown as its wide form.
"""

from __future__ import annotations

import re
from typing import Iterable, Mapping

HOSTS = "Hosts and their users report:"
PRINTED = "The run printed, also names of others:"
LONGEST_LINE = 400  # characters of a line in a block
_ACTIVE = re.compile(r"[<>`]|&(?=[#\w])|@(?=\w)|\](?=[(\[:])|:(?=//)|(?<=\*)\*|(?<=~)~|(?<=\|)\|")
_WEB_NAME = re.compile(r"(?<=\b[wW]{3})\.")  # of which a chat makes a link, and hosts and restricted sites have some
_TO_WIDE = 0xFEE0  # from an ASCII character to its wide form


def escape_chat(text: str) -> str:
    """Return a text in which a chat obeys nothing."""
    return _WEB_NAME.sub(_make_wide, _ACTIVE.sub(_make_wide, text))


def make_block(heading: str, lines: Iterable[str]) -> str:
    """Return lines of others as a block of their own, below a heading that says whose they are."""
    return "\n".join([heading, "```", *(escape_chat(line[:LONGEST_LINE]) for line in lines), "```"])


def escape_facts(value: object) -> object:
    """Return a value of JSON for machines with each text in it escaped; names of hosts stay as they are."""
    if isinstance(value, str):
        return _ACTIVE.sub(_make_wide, value)
    if isinstance(value, Mapping):
        return {escape_facts(key): escape_facts(part) for key, part in value.items()}
    if isinstance(value, (list, tuple)):
        return [escape_facts(part) for part in value]
    return value


def _make_wide(match: re.Match[str]) -> str:
    return chr(ord(match[0]) + _TO_WIDE)
