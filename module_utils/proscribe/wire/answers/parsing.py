"""Parsing of the JSON in the output of hosts, which is untrusted.

No code here recurses to an unknown depth. The parser of the standard library raises an error for a text nested deeper
than its stack. The readers of its result read only known keys. Values are counted before Python creates them, because
three bytes (`[],`) become sixty bytes of memory.
"""

from __future__ import annotations

import json
import re
from typing import Any, AnyStr

from .value_readers import UnusableAnswer, read_line

# Most values of an answer. The largest record (finding.py) has half as many. The list of a full quarantine has nearly
# as many.
MAX_VALUES = 250_000
VALUE_SEPARATORS = ",[{"  # at most one value follows each of these characters
# A JSON string, whole or cut off, or the text between two strings. The quantifiers are possessive, so no backtracking.
PIECE_PATTERN = re.compile(r'"[^"\\]*+(?:\\.[^"\\]*+)*+(?:"|\\?\Z)|[^"]++', re.DOTALL)


def parse_answer_json(text: str, max_values: int = MAX_VALUES) -> Any:
    """Parse a JSON text of at most `max_values` values.

    NaN and Infinity are not JSON. A number may have 4,300 digits. Raises UnusableAnswer.
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
    """Return the last line that begins with `prefix`; None if there is no such line.

    The result has neither the prefix nor the line end. A shell on the host may print any text before and after the
    line.
    """
    if isinstance(output, str):
        first, last = _locate_last_line(output, prefix, "\n", "\r")
        return output[first + len(prefix) : last] if last else None
    first, last = _locate_last_line(output, prefix.encode(), b"\n", b"\r")
    # The view avoids a copy of the bytes.
    return str(memoryview(output)[first + len(prefix) : last], "utf-8", "surrogateescape") if last else None


def _locate_last_line(output: AnyStr, prefix: AnyStr, end: AnyStr, terminal_end: AnyStr) -> tuple[int, int]:
    """Return the beginning and the end of the last line that begins with `prefix`; (0, 0) if there is no such line."""
    start = output.rfind(end + prefix) + 1
    if not output.startswith(prefix, start):
        return 0, 0
    ends = [position for ending in (end, terminal_end) if (position := output.find(ending, start)) >= 0]
    return start, min(ends, default=len(output))


def parse_last_object(output: str) -> Any:
    """Parse the last line of an output that begins as a JSON object does.

    Raises UnusableAnswer if there is none.
    """
    first, last = _locate_last_line(output, "{", "\n", "\r")
    if not last:
        raise UnusableAnswer("it is no JSON")
    return parse_answer_json(output[first:last].rstrip())


def _require_few_values(text: str, max_values: int) -> None:
    """Raise UnusableAnswer if a JSON text has more than `max_values` values."""
    if _count_separators(text) <= max_values:  # a fast upper bound: separators inside strings count, too
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
