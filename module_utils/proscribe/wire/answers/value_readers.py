"""The readers of single values in a host's answer, each with its type and limits.

The parameter `label` of a reader names the value in errors. A value of another type makes the whole answer unusable. So
does a list that is too long. A text that is only too long is cut, because the users of an honest host can cause that.
For the same reason some lists are cut (model/types), which users can fill.
"""

from __future__ import annotations

import datetime
import re
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any, TypeVar

from ...host.system.types import escape_text
from ...model.types.annotations import MAX_LINE_LENGTH as MAX_LINE_LENGTH
from ...model.types.annotations import MAX_LIST_ITEMS as MAX_LIST_ITEMS
from ...model.types.annotations import MAX_NAME_LENGTH as MAX_NAME_LENGTH
from ...model.types.annotations import MAX_TOKEN_LENGTH as MAX_TOKEN_LENGTH

Value = TypeVar("Value")

MAX_COUNT = 2**53  # every JSON reader represents integers up to this one exactly, and databases accept them
MOMENT_PATTERN = re.compile("[0-9]{4}-[0-9]{2}-[0-9]{2}T(?:[01][0-9]|2[0-3]):[0-9]{2}:[0-9]{2}Z")


class UnusableAnswer(ValueError):
    """The error that an answer has a fault, so that Proscribe's code on a host cannot have sent it."""


def truncate_text(text: str, max_length: int) -> str:
    """Cut a text to `max_length` characters, with `...` for the rest."""
    return text if len(text) <= max_length else f"{text[: max_length - 3]}..."


def read_line(content: object, label: str, max_length: int = MAX_LINE_LENGTH) -> str:
    """Read a message as a printable line.

    If the text has unprintable characters, white space becomes a single space, and the others become escapes.
    """
    text = _read_text(content, label, max_length)
    return text if text.isprintable() else truncate_text(escape_text(" ".join(text.split())), max_length)


def read_name(content: object, label: str, max_length: int = MAX_NAME_LENGTH) -> str:
    """Read the name of a path, package or user, with escapes for characters that are not printable."""
    text = _read_text(content, label, max_length)
    return text if text.isprintable() else truncate_text(escape_text(text), max_length)


def read_lines(content: object, label: str, max_length: int) -> str:
    """Read the content of a file, with escapes for characters that are neither printable nor line ends or tabs."""
    text = _read_text(content, label, max_length)
    if text.isprintable():
        return text
    return truncate_text(
        "\n".join("\t".join(map(escape_text, line.split("\t"))) for line in text.split("\n")), max_length
    )


def read_flag(content: object, label: str) -> bool:
    """Read true or false; a missing value is false."""
    if content is None:
        return False
    if not isinstance(content, bool):
        raise UnusableAnswer(f"{label} is neither true nor false")
    return bool(content)


def read_count(content: object, label: str, max_count: int = MAX_COUNT) -> int:
    """Read a number from 0 to `max_count`."""
    if not isinstance(content, int) or isinstance(content, bool) or content < 0:
        raise UnusableAnswer(f"{label} is no count")
    if content > max_count:
        raise UnusableAnswer(f"{label} is more than {max_count:,}")
    return int(content)


def read_choice(content: object, allowed: Collection[str], label: str) -> str:
    """Read a text that must be in `allowed`."""
    if not isinstance(content, str) or content not in allowed:
        raise UnusableAnswer(f"{quote_content(content)} is no {label}")
    return str(content)


def require_mapping(content: object, label: str, max_keys: int = MAX_LIST_ITEMS) -> Mapping[Any, Any]:
    """Return a mapping of at most `max_keys` keys; raise UnusableAnswer for anything else."""
    if not isinstance(content, (dict, Mapping)):  # a check for dict costs less
        raise UnusableAnswer(f"{label} is no mapping")
    if len(content) > max_keys:
        raise UnusableAnswer(f"{label} has {len(content):,} keys, {max_keys:,} are the most")
    return content


def read_list(
    read: Callable[[Any], Value], content: object, label: str, max_items: int = MAX_LIST_ITEMS
) -> list[Value]:
    """Read a list of at most `max_items` items, each with `read`."""
    return [read(entry) for entry in require_list(content, label, max_items)]


def require_list(content: object, label: str, max_items: int = MAX_LIST_ITEMS) -> Sequence[Any]:
    """Return a list of at most `max_items` items; raise UnusableAnswer for anything else."""
    if not isinstance(content, (list, tuple)):
        raise UnusableAnswer(f"{label} is no list")
    if len(content) > max_items:
        raise UnusableAnswer(f"{label} has {len(content):,} items, {max_items:,} are the most")
    return content


def read_moment(content: object, label: str) -> str:
    """Return a UTC time such as `2026-11-25T08:00:00Z`.

    Raises UnusableAnswer for any other form. The history can sort texts of this form as times.
    """
    try:
        if isinstance(content, str) and MOMENT_PATTERN.fullmatch(content):
            datetime.datetime.fromisoformat(content)  # costs a tenth of strptime
            return str(content)
    except ValueError:
        pass
    raise UnusableAnswer(
        f"{label} is {truncate_text(quote_content(content), MAX_TOKEN_LENGTH)}, no UTC time such as "
        f"2026-11-25T08:00:00Z"
    )


def quote_content(content: object) -> str:
    """Quote a value for a message if it is a text, else name its type.

    Other values are not quoted, because they may have any size and depth.
    """
    return (
        repr(truncate_text(escape_text(content[:MAX_TOKEN_LENGTH]), 40))
        if isinstance(content, str)
        else f"a {type(content).__name__}"
    )


def _read_text(content: object, label: str, max_length: int) -> str:
    """Return a text, cut to `max_length` characters; raise UnusableAnswer for any other value."""
    if not isinstance(content, str):
        raise UnusableAnswer(f"{label} is no text")
    return truncate_text(str(content), max_length)
