"""JSON as Chromium reads it (JSON_PARSE_CHROMIUM_EXTENSIONS).

Chromium accepts comments, commas before a closing bracket and a byte order mark. In strings it accepts line ends,
`\\v` and `\\x41`. A strict parser would report such a file as ignored, although Chromium applies it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ....base.json_text import parse_json
from ....base.lazy_patterns import DOTALL, compile_pattern

if TYPE_CHECKING:
    from typing import Match

# The patterns match whole strings first. So a comment mark or a comma inside a string is not taken for one.
_STRING_EXPRESSION = r'"(?:[^"\\]|\\.)*"'
_COMMENT_PATTERN = compile_pattern(_STRING_EXPRESSION + r"|//[^\n]*|/\*.*?\*/", DOTALL)
_ESCAPE_PATTERN = compile_pattern(r"\\(?:x([0-9A-Fa-f]{2})|.)", DOTALL)
_COMMA_PATTERN = compile_pattern(_STRING_EXPRESSION + r"|,(?=\s*[\]}])", DOTALL)


def parse_chromium_json(content: bytes) -> object:
    """Return the value that a policy file has for Chromium. Raises ValueError for a file that Chromium ignores."""
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
    """Return the match if it is a string, and otherwise a space, which replaces a comment or a comma."""
    return match[0] if match[0].startswith('"') else " "


def _convert_escape(match: Match[str]) -> str:
    """Convert an escape sequence of Chromium's JSON (`\\x41`, `\\v`) to strict JSON. Other sequences stay unchanged."""
    return f"\\u00{match[1]}" if match[1] else "\\u000b" if match[0] == "\\v" else match[0]
