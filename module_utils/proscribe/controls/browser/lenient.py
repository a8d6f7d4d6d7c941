"""JSON as Chromium reads it: with comments, commas before a closing bracket, and a byte order mark."""

from __future__ import annotations

import json
import re
from typing import Any

from ...patterns import pattern

# A string is matched first, so that what looks like a comment inside it is none.
_STRING = r'"(?:[^"\\]|\\.)*"'
_COMMENT = pattern(_STRING + r"|//[^\n]*|/\*.*?\*/", re.DOTALL)
_COMMA = pattern(_STRING + r"|,(?=\s*[\]}])", re.DOTALL)


def parse(content: bytes) -> Any:
    """The value of a policy file. Raises ValueError where Chromium, too, would take nothing from it."""
    try:
        text = content.decode("utf-8-sig")
        try:
            return json.loads(text)
        except ValueError:
            without_comments = _COMMENT.sub(_strings_only, text)
            return json.loads(_COMMA.sub(_strings_only, without_comments))
    except RecursionError:
        raise ValueError("nested too deeply") from None


def _strings_only(found: re.Match[str]) -> str:
    return found[0] if found[0].startswith('"') else " "
