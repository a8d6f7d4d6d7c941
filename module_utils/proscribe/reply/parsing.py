"""JSON as hosts print it. Nothing here follows a depth that it does not know: the parser of the standard library ends
with an error where a text is nested deeper than its stack, and the readers of what it returns only look at known keys.
"""

from __future__ import annotations

import json
from typing import Any

from .shapes import Unusable, line


def parsed(text: str) -> Any:
    """What a JSON text says. Raises Unusable; NaN and Infinity are no JSON, and a number has 4,300 digits at most."""
    try:
        return json.loads(text, parse_constant=_refused)
    except (ValueError, RecursionError) as error:
        why = "it is nested too deeply" if isinstance(error, RecursionError) else line(str(error), "an error", 100)
        raise Unusable(f"it is no JSON: {why}") from None


def last_object(output: str) -> Any:
    """What the last line of an output that looks like a JSON object says; a shell may print what it likes around it.

    Raises Unusable where there is none.
    """
    for text in reversed(output.splitlines()):
        if text.startswith("{"):
            return parsed(text.rstrip())
    raise Unusable("it is no JSON")


def _refused(constant: str) -> None:
    raise ValueError(f"{constant} is no number")
