"""JSON as hosts print it, and where it stands in what they print.

Nothing here follows a depth that it does not know: the parser of the standard library ends with an error where a text
is nested deeper than its stack. The readers of what it returns only read known keys. What a text would become is
counted before it is made: of three bytes (`[],`) Python makes sixty.
"""

from __future__ import annotations

import json
import re
from typing import Any, AnyStr

from .shapes import Unusable, line

# Values of one answer: a record with as much as it may have (finding.py) has half of it. A full quarantine's list has
# nearly as many.
MOST_VALUES = 250_000
BEFORE_VALUES = ",[{"  # each has a value behind it, or none
# A text, whole or cut off, or what is between two of them. Never tried twice at one place.
PIECE = re.compile(r'"[^"\\]*+(?:\\.[^"\\]*+)*+(?:"|\\?\Z)|[^"]++', re.DOTALL)


def parsed(text: str, most: int = MOST_VALUES) -> Any:
    """What a JSON text of at most so many values says. Raises Unusable; NaN and Infinity are no JSON, and a number has
    4,300 digits at most.
    """
    _require_few_values(text, most)
    try:
        return json.loads(text, parse_constant=_refused)
    except (ValueError, RecursionError) as error:
        why = "it is nested too deeply" if isinstance(error, RecursionError) else line(str(error), "an error", 100)
        raise Unusable(f"it is no JSON: {why}") from None


def last_line(output: str | bytes, begin: str) -> str | None:
    """What follows in the last line of an output that begins so, without its end; None for none. A shell may print what
    it likes around it.
    """
    if isinstance(output, str):
        first, last = _last_line(output, begin, "\n", "\r")
        return output[first + len(begin) : last] if last else None
    first, last = _last_line(output, begin.encode(), b"\n", b"\r")
    # Of bytes no copy is made.
    return str(memoryview(output)[first + len(begin) : last], "utf-8", "surrogateescape") if last else None


def _last_line(output: AnyStr, begin: AnyStr, end: AnyStr, of_terminals: AnyStr) -> tuple[int, int]:
    """Where that line begins and ends; (0, 0) for none."""
    place = output.rfind(end + begin) + 1
    if not output.startswith(begin, place):
        return 0, 0
    ends = [found for one in (end, of_terminals) if (found := output.find(one, place)) >= 0]
    return place, min(ends, default=len(output))


def last_object(output: str) -> Any:
    """What the last line of an output that looks like a JSON object says. Raises Unusable where there is none."""
    first, last = _last_line(output, "{", "\n", "\r")
    if not last:
        raise Unusable("it is no JSON")
    return parsed(output[first:last].rstrip())


def _require_few_values(text: str, most: int) -> None:
    """Refuse a text that has too many values."""
    if _count(text) <= most:  # with those that stand in texts
        return
    values = 0
    for piece in PIECE.finditer(text):
        if text[piece.start()] != '"':
            values += _count(piece[0])
            if values > most:
                raise Unusable(f"it has more than {most:,} values")


def _count(text: str) -> int:
    return sum(map(text.count, BEFORE_VALUES))


def _refused(constant: str) -> None:
    raise ValueError(f"{constant} is no number")
