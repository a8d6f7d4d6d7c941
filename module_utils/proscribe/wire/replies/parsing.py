"""JSON as hosts print it, and where it stands in what they print.

Nothing here follows a depth that it does not know: the parser of the standard library ends with an error where a text
is nested deeper than its stack. The readers of what it returns only read known keys. What a text would become is
counted before it is made: of three bytes (`[],`) Python makes sixty.
"""

from __future__ import annotations

import json
import re
from typing import Any, AnyStr

from .shapes import UnusableAnswer, read_line

# Values of one answer: a record with as much as it may have (finding.py) has half of it. A full quarantine's list has
# nearly as many.
MAX_VALUES = 250_000
VALUE_SEPARATORS = ",[{"  # each has a value behind it, or none
# A text, whole or cut off, or what is between two of them. Never tried twice at one place.
PIECE_PATTERN = re.compile(r'"[^"\\]*+(?:\\.[^"\\]*+)*+(?:"|\\?\Z)|[^"]++', re.DOTALL)


def parse_answer_json(text: str, max_values: int = MAX_VALUES) -> Any:
    """What a JSON text of at most so many values says. Raises Unusable; NaN and Infinity are no JSON, and a number has
    4,300 digits at most.
    """
    _require_few_values(text, max_values)
    try:
        return json.loads(text, parse_constant=_refuse_constant)
    except (ValueError, RecursionError) as error:
        reason = (
            "it is nested too deeply" if isinstance(error, RecursionError) else read_line(str(error), "an error", 100)
        )
        raise UnusableAnswer(f"it is no JSON: {reason}") from None


def find_last_line(output: str | bytes, prefix: str) -> str | None:
    """What follows in the last line of an output that begins so, without its end; None for none. A shell may print what
    it likes around it.
    """
    if isinstance(output, str):
        first, last = _locate_last_line(output, prefix, "\n", "\r")
        return output[first + len(prefix) : last] if last else None
    first, last = _locate_last_line(output, prefix.encode(), b"\n", b"\r")
    # Of bytes no copy is made.
    return str(memoryview(output)[first + len(prefix) : last], "utf-8", "surrogateescape") if last else None


def _locate_last_line(output: AnyStr, prefix: AnyStr, end: AnyStr, terminal_end: AnyStr) -> tuple[int, int]:
    """Where that line begins and ends; (0, 0) for none."""
    start = output.rfind(end + prefix) + 1
    if not output.startswith(prefix, start):
        return 0, 0
    ends = [position for ending in (end, terminal_end) if (position := output.find(ending, start)) >= 0]
    return start, min(ends, default=len(output))


def parse_last_object(output: str) -> Any:
    """What the last line of an output that looks like a JSON object says. Raises Unusable where there is none."""
    first, last = _locate_last_line(output, "{", "\n", "\r")
    if not last:
        raise UnusableAnswer("it is no JSON")
    return parse_answer_json(output[first:last].rstrip())


def _require_few_values(text: str, max_values: int) -> None:
    """Refuse a text that has too many values."""
    if _count_separators(text) <= max_values:  # with those that stand in texts
        return
    values = 0
    for piece in PIECE_PATTERN.finditer(text):
        if text[piece.start()] != '"':
            values += _count_separators(piece[0])
            if values > max_values:
                raise UnusableAnswer(f"it has more than {max_values:,} values")


def _count_separators(text: str) -> int:
    return sum(map(text.count, VALUE_SEPARATORS))


def _refuse_constant(constant: str) -> None:
    raise ValueError(f"{constant} is no number")
