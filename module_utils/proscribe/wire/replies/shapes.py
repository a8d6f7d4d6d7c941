"""The types that values in an answer have, each with its bounds. A value that has another type makes the whole answer
unusable. A text or a list that is only too long is cut, since the users of an honest host can make it so.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from typing import Any, TypeVar

from ...host.system.types import escaped

Value = TypeVar("Value")

GREATEST = 2**53  # of a count: what every reader of JSON has in full, and databases take
LINE = 2000  # characters of a message
NAME = 4096  # of a path or another name; PATH_MAX
TOKEN = 200  # of a name that is one of ours
MANY = 10_000  # items of a list


class Unusable(ValueError):
    """An answer that is none of ours, and why."""


def cut(text: str, most: int) -> str:
    """A text of at most that many characters, with `...` where something was left out."""
    return text if len(text) <= most else f"{text[: most - 3]}..."


def line(value: object, what: str, most: int = LINE) -> str:
    """Text for people, as one printable line: any space is a blank, what does not print is an escape."""
    text = _text(value, what, most)
    return text if text.isprintable() else cut(escaped(" ".join(text.split())), most)


def name(value: object, what: str, most: int = NAME) -> str:
    """A path, a package, a user: printable, with escapes for what does not print."""
    text = _text(value, what, most)
    return text if text.isprintable() else cut(escaped(text), most)


def lines(value: object, what: str, most: int) -> str:
    """The content of a file: printable, but for the ends of its lines and tabs."""
    text = _text(value, what, most)
    if text.isprintable():
        return text
    return cut("\n".join("\t".join(map(escaped, one.split("\t"))) for one in text.split("\n")), most)


def optional(read: Callable[[object, str], str], value: object, what: str) -> str | None:
    """A text, or none."""
    return None if value is None else read(value, what)


def flag(value: object, what: str) -> bool:
    """True or false; false where nothing is said."""
    if value is None:
        return False
    if not isinstance(value, bool):
        raise Unusable(f"{what} is neither true nor false")
    return bool(value)


def count(value: object, what: str, most: int = GREATEST) -> int:
    """A number of things."""
    if not isinstance(value, int) or isinstance(value, bool) or value < 0:
        raise Unusable(f"{what} is no count")
    if value > most:
        raise Unusable(f"{what} is more than {most:,}")
    return int(value)


def one_of(value: object, allowed: Collection[str], what: str) -> str:
    """A word out of a closed set."""
    if not isinstance(value, str) or value not in allowed:
        raise Unusable(f"{said(value)} is no {what}")
    return str(value)


def mapping(value: object, what: str, most: int = MANY) -> Mapping[Any, Any]:
    """A mapping of at most that many keys."""
    if not isinstance(value, Mapping):
        raise Unusable(f"{what} is no mapping")
    if len(value) > most:
        raise Unusable(f"{what} has {len(value):,} keys, {most:,} are the most")
    return value


def listed(read: Callable[[Any], Value], value: object, what: str, most: int = MANY) -> list[Value]:
    """A list of at most that many items, each as `read` makes it."""
    if not isinstance(value, (list, tuple)):
        raise Unusable(f"{what} is no list")
    if len(value) > most:
        raise Unusable(f"{what} has {len(value):,} items, {most:,} are the most")
    return [read(item) for item in value]


def said(value: object) -> str:
    """A value in a message, if it is a text; a host's other values may be of any size and depth."""
    return repr(cut(escaped(value[:TOKEN]), 40)) if isinstance(value, str) else f"a {type(value).__name__}"


def _text(value: object, what: str, most: int) -> str:
    if not isinstance(value, str):
        raise Unusable(f"{what} is no text")
    return cut(str(value), most)
