"""The types that values in an answer have, each with its bounds. A value that has another type makes the whole answer
unusable. A text or a list that is only too long is cut, since the users of an honest host can make it so.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from typing import Any, TypeVar

from ...host.system.types import escape_text

Value = TypeVar("Value")

MAX_COUNT = 2**53  # of a count: what every reader of JSON has in full, and databases take
MAX_LINE_LENGTH = 2000  # characters of a message
MAX_NAME_LENGTH = 4096  # of a path or another name; PATH_MAX
MAX_TOKEN_LENGTH = 200  # of a name that is one of ours
MAX_LIST_ITEMS = 10_000  # items of a list


class UnusableAnswer(ValueError):
    """An answer that is none of ours, and why."""


def truncate_text(text: str, max_length: int) -> str:
    """A text of at most that many characters, with `...` where something was left out."""
    return text if len(text) <= max_length else f"{text[: max_length - 3]}..."


def read_line(content: object, label: str, max_length: int = MAX_LINE_LENGTH) -> str:
    """Text for people, as one printable line: any space is a blank, what does not print is an escape."""
    text = _read_text(content, label, max_length)
    return text if text.isprintable() else truncate_text(escape_text(" ".join(text.split())), max_length)


def read_name(content: object, label: str, max_length: int = MAX_NAME_LENGTH) -> str:
    """A path, a package, a user: printable, with escapes for what does not print."""
    text = _read_text(content, label, max_length)
    return text if text.isprintable() else truncate_text(escape_text(text), max_length)


def read_lines(content: object, label: str, max_length: int) -> str:
    """The content of a file: printable, but for the ends of its lines and tabs."""
    text = _read_text(content, label, max_length)
    if text.isprintable():
        return text
    return truncate_text(
        "\n".join("\t".join(map(escape_text, line.split("\t"))) for line in text.split("\n")), max_length
    )


def read_optional(read: Callable[[object, str], str], content: object, label: str) -> str | None:
    """A text, or none."""
    return None if content is None else read(content, label)


def read_flag(content: object, label: str) -> bool:
    """True or false; false where nothing is said."""
    if content is None:
        return False
    if not isinstance(content, bool):
        raise UnusableAnswer(f"{label} is neither true nor false")
    return bool(content)


def read_count(content: object, label: str, max_count: int = MAX_COUNT) -> int:
    """A number of things."""
    if not isinstance(content, int) or isinstance(content, bool) or content < 0:
        raise UnusableAnswer(f"{label} is no count")
    if content > max_count:
        raise UnusableAnswer(f"{label} is more than {max_count:,}")
    return int(content)


def read_choice(content: object, allowed: Collection[str], label: str) -> str:
    """A word out of a closed set."""
    if not isinstance(content, str) or content not in allowed:
        raise UnusableAnswer(f"{quote_content(content)} is no {label}")
    return str(content)


def require_mapping(content: object, label: str, max_keys: int = MAX_LIST_ITEMS) -> Mapping[Any, Any]:
    """A mapping of at most that many keys."""
    if not isinstance(content, Mapping):
        raise UnusableAnswer(f"{label} is no mapping")
    if len(content) > max_keys:
        raise UnusableAnswer(f"{label} has {len(content):,} keys, {max_keys:,} are the most")
    return content


def read_list(
    read: Callable[[Any], Value], content: object, label: str, max_items: int = MAX_LIST_ITEMS
) -> list[Value]:
    """A list of at most that many items, each as `read` makes it."""
    if not isinstance(content, (list, tuple)):
        raise UnusableAnswer(f"{label} is no list")
    if len(content) > max_items:
        raise UnusableAnswer(f"{label} has {len(content):,} items, {max_items:,} are the most")
    return [read(entry) for entry in content]


def quote_content(content: object) -> str:
    """A value in a message, if it is a text; a host's other values may be of any size and depth."""
    return (
        repr(truncate_text(escape_text(content[:MAX_TOKEN_LENGTH]), 40))
        if isinstance(content, str)
        else f"a {type(content).__name__}"
    )


def _read_text(content: object, label: str, max_length: int) -> str:
    if not isinstance(content, str):
        raise UnusableAnswer(f"{label} is no text")
    return truncate_text(str(content), max_length)
