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
_STRING_EXPRESSION = r'"(?:[^"\\]|\\.)*"'
_COMMENT_PATTERN = compile_pattern(_STRING_EXPRESSION + r"|//[^\n]*|/\*.*?\*/", DOTALL)
_ESCAPE_PATTERN = compile_pattern(r"\\(?:x([0-9A-Fa-f]{2})|.)", DOTALL)
_COMMA_PATTERN = compile_pattern(_STRING_EXPRESSION + r"|,(?=\s*[\]}])", DOTALL)


def parse_chromium_json(content: bytes) -> object:
    """The value of a policy file. Raises ValueError where Chromium, too, would take nothing from it."""
    try:
        text = content.decode("utf-8-sig")
        try:
            return parse_json(text)
        except ValueError:
            without_comments = _COMMENT_PATTERN.sub(_keep_strings, text)
            strict_text = _COMMA_PATTERN.sub(_keep_strings, without_comments)
            return parse_json(_ESCAPE_PATTERN.sub(_convert_escape, strict_text), strict=False)
    except RecursionError:
        raise ValueError("nested too deeply") from None


def _keep_strings(match: Match[str]) -> str:
    return match[0] if match[0].startswith('"') else " "


def _convert_escape(match: Match[str]) -> str:
    return f"\\u00{match[1]}" if match[1] else "\\u000b" if match[0] == "\\v" else match[0]
