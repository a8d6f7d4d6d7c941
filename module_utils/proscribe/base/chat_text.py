"""Escaping for chat messages: after it no chat service interprets any part of a text.

Slack and Google Chat interpret `<...>`. Mattermost and Discord interpret `@name` and Markdown. Teams interprets
Markdown and some HTML. Each of them makes a link of an address and shows a preview of its target. So each character
that begins such markup is replaced by its fullwidth form.
"""

from __future__ import annotations

import re
from typing import Iterable, Mapping

HOSTS_HEADING = "Hosts and their users report:"
OUTPUT_HEADING = "The run printed, also names of others:"
MAX_LINE_LENGTH = 400  # characters of a line in a quoted block
# Of a doubled mark (`**`, `~~`, `||`), the second character is replaced.
_MARKUP_PATTERN = re.compile(r"[<>`]|&(?=[#\w])|@(?=\w)|\](?=[(\[:])|:(?=//)|(?<=\*)\*|(?<=~)~|(?<=\|)\|")
# A chat makes a link of a name that begins with `www.`. Names of hosts and restricted sites may begin so.
_WEB_NAME_PATTERN = re.compile(r"(?<=\b[wW]{3})\.")
_WIDE_OFFSET = 0xFEE0  # from an ASCII character to its fullwidth form


def escape_chat_text(text: str) -> str:
    """Escape a text so that no chat service interprets any part of it."""
    return _WEB_NAME_PATTERN.sub(_widen_character, _MARKUP_PATTERN.sub(_widen_character, text))


def make_quoted_block(heading: str, lines: Iterable[str]) -> str:
    """Return a heading and below it the lines as a quoted block, for a chat message.

    The lines come from other people, so each line is escaped and cut. The heading names their source.
    """
    return "\n".join([heading, "```", *(escape_chat_text(line[:MAX_LINE_LENGTH]) for line in lines), "```"])


def escape_json_texts(document: object) -> object:
    """Return a JSON value with every text in it escaped, the keys included.

    A program reads the value, so names such as `www.example.org` stay as they are.
    """
    if isinstance(document, str):
        return _MARKUP_PATTERN.sub(_widen_character, document)
    if isinstance(document, Mapping):
        return {escape_json_texts(key): escape_json_texts(part) for key, part in document.items()}
    if isinstance(document, (list, tuple)):
        return [escape_json_texts(part) for part in document]
    return document


def _widen_character(match: re.Match[str]) -> str:
    """Return the fullwidth form of the matched ASCII character."""
    return chr(ord(match[0]) + _WIDE_OFFSET)
