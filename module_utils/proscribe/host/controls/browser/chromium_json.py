"""JSON as Chromium reads it: with comments, commas before a closing bracket, a byte order mark, and in texts with line
ends, `\\v` and `\\x41` (JSON_PARSE_CHROMIUM_EXTENSIONS). What it takes must not look like a file that it ignores.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ....base.json_text import parse_json
from ....base.patterns import DOTALL, compile_pattern

if TYPE_CHECKING:
    from typing import Match

# A string is matched first, so that what looks like a comment inside it is none.
_STRING = r'"(?:[^"\\]|\\.)*"'
_COMMENT = compile_pattern(_STRING + r"|//[^\n]*|/\*.*?\*/", DOTALL)
_ESCAPE = compile_pattern(r"\\(?:x([0-9A-Fa-f]{2})|.)", DOTALL)
_COMMA = compile_pattern(_STRING + r"|,(?=\s*[\]}])", DOTALL)


def parse(content: bytes) -> object:
    """The value of a policy file. Raises ValueError where Chromium, too, would take nothing from it."""
    try:
        text = content.decode("utf-8-sig")
        try:
            return parse_json(text)
        except ValueError:
            without_comments = _COMMENT.sub(_strings_only, text)
            plain = _COMMA.sub(_strings_only, without_comments)
            return parse_json(_ESCAPE.sub(_escaped, plain), strict=False)
    except RecursionError:
        raise ValueError("nested too deeply") from None


def _strings_only(found: Match[str]) -> str:
    return found[0] if found[0].startswith('"') else " "


def _escaped(found: Match[str]) -> str:
    return f"\\u00{found[1]}" if found[1] else "\\u000b" if found[0] == "\\v" else found[0]
