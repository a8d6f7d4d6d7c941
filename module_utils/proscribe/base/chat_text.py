"""Text in a chat: no service obeys anything in it, whichever it is.

Slack and Google Chat obey `<...>`, Mattermost and Discord `@name` and Markdown, Teams Markdown and some HTML. Each
makes a link of an address, and shows what it leads to. A character that begins any of this is shown as its wide form.
"""

from __future__ import annotations

import re
from typing import Iterable, Mapping

HOSTS_HEADING = "Hosts and their users report:"
OUTPUT_HEADING = "The run printed, also names of others:"
MAX_LINE_LENGTH = 400  # characters of a line in a block
_MARKUP_PATTERN = re.compile(r"[<>`]|&(?=[#\w])|@(?=\w)|\](?=[(\[:])|:(?=//)|(?<=\*)\*|(?<=~)~|(?<=\|)\|")
_WEB_NAME_PATTERN = re.compile(
    r"(?<=\b[wW]{3})\."
)  # of which a chat makes a link, and hosts and restricted sites have some
_WIDE_OFFSET = 0xFEE0  # from an ASCII character to its wide form


def escape_chat_text(text: str) -> str:
    """Return a text in which a chat obeys nothing."""
    return _WEB_NAME_PATTERN.sub(_widen_character, _MARKUP_PATTERN.sub(_widen_character, text))


def make_quoted_block(heading: str, lines: Iterable[str]) -> str:
    """Return lines of others as a block of their own, below a heading that says whose they are."""
    return "\n".join([heading, "```", *(escape_chat_text(line[:MAX_LINE_LENGTH]) for line in lines), "```"])


def escape_json_texts(document: object) -> object:
    """Return a value of JSON for machines with each text in it escaped; names of hosts stay as they are."""
    if isinstance(document, str):
        return _MARKUP_PATTERN.sub(_widen_character, document)
    if isinstance(document, Mapping):
        return {escape_json_texts(key): escape_json_texts(part) for key, part in document.items()}
    if isinstance(document, (list, tuple)):
        return [escape_json_texts(part) for part in document]
    return document


def _widen_character(match: re.Match[str]) -> str:
    return chr(ord(match[0]) + _WIDE_OFFSET)
