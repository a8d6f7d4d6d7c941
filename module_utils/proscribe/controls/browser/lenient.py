"""JSON as Chromium reads it: with comments, commas before a closing bracket, and a byte order mark."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ...json_text import from_json
from ...patterns import DOTALL, pattern

if TYPE_CHECKING:
    from typing import Match

# A string is matched first, so that what looks like a comment inside it is none.
_STRING = r'"(?:[^"\\]|\\.)*"'
_COMMENT = pattern(_STRING + r"|//[^\n]*|/\*.*?\*/", DOTALL)
_COMMA = pattern(_STRING + r"|,(?=\s*[\]}])", DOTALL)


def parse(content: bytes) -> Any:
    """The value of a policy file. Raises ValueError where Chromium, too, would take nothing from it."""
    try:
        text = content.decode("utf-8-sig")
        try:
            return from_json(text)
        except ValueError:
            without_comments = _COMMENT.sub(_strings_only, text)
            return from_json(_COMMA.sub(_strings_only, without_comments))
    except RecursionError:
        raise ValueError("nested too deeply") from None


def _strings_only(found: Match[str]) -> str:
    return found[0] if found[0].startswith('"') else " "
