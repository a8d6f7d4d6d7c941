"""The kinds of value that restrictions have: each is read by a function that returns it, or raises Expected."""

from __future__ import annotations

import contextlib
import datetime
import ipaddress
from collections.abc import Callable, Collection, Iterable
from typing import TypeVar

from ....base.duration import DURATION_GRAMMAR, format_duration, parse_duration
from ...policy_errors import Expected, close_to
from .networks import packed

Value = TypeVar("Value")

LONGEST_LINE = 200  # characters
LONGEST_PATH = 1000  # characters
LONGEST_NAME = 255  # bytes, of each part of a path: what file systems take


class Choice:
    """A reader of one word out of `allowed`."""

    def __init__(self, allowed: Iterable[str]) -> None:
        self.allowed = tuple(allowed)

    def __call__(self, value: object) -> str:
        value = "off" if value is False and "off" in self.allowed else value  # YAML 1.1 reads an unquoted off as false
        return str(one_of(value, self.allowed))


def choice(*allowed: str) -> Choice:
    """A reader of one word out of these."""
    return Choice(allowed)


def one_of(value: object, allowed: Collection[str], what: str = "") -> object:
    """The value, if it is one of these."""
    if value not in tuple(allowed):
        raise Expected("", value, f"{what}one of {', '.join(allowed)}{close_to(str(value), allowed)}")
    return value


class Names:
    """A reader of a list of words, out of `allowed` if there are some."""

    def __init__(self, allowed: Iterable[str], what: str) -> None:
        self.allowed, self.what = tuple(allowed), what

    def __call__(self, value: object) -> tuple[str, ...]:
        if not isinstance(value, list | tuple):
            raise Expected("", value, f"a list of {self.what}")
        for index, item in enumerate(value):
            if not isinstance(item, str) or not item:
                raise Expected(f"[{index}]", item, self.what)
            if self.allowed:
                within(f"[{index}]", one_of, item, self.allowed)
        return tuple(str(item) for item in dict.fromkeys(value))


def list_of_names(allowed: Iterable[str] | None, what: str) -> Names:
    """A reader of a list of words, out of `allowed` if that is given."""
    return Names(allowed or (), what)


def within(key: str, read: Callable[..., Value], *arguments: object) -> Value:
    """What `read` makes of a part of a value; the part's key goes before what it says is wrong."""
    try:
        return read(*arguments)
    except Expected as wrong:
        raise Expected(key + wrong.key, wrong.value, wrong.expected) from None


def whole_number(least: int, most: int, unit: str) -> Callable[[object], int]:
    """A reader of a number in these bounds."""

    def read(value: object) -> int:
        if not isinstance(value, int) or isinstance(value, bool) or not least <= value <= most:
            raise Expected("", value, f"a whole number of {unit}, {least} to {most}")
        return int(value)

    return read


def flag(value: object) -> bool:
    """True or false."""
    value = {"true": True, "false": False}.get(value, value) if isinstance(value, str) else value  # as -e gives it
    if not isinstance(value, bool):
        raise Expected("", value, "true or false")
    return bool(value)


def line(value: object) -> str:
    """One line for people."""
    if not isinstance(value, str) or len(value) > LONGEST_LINE or not value.isprintable():
        raise Expected("", value, f"one line of at most {LONGEST_LINE} printable characters")
    return str(value)


def directory(value: object) -> str:
    """The path of a directory, absolute or not; "" where nothing (null) is set."""
    if value is None:
        return ""
    if not isinstance(value, str) or not value.strip() or not value.isprintable() or len(value) > LONGEST_PATH:
        raise Expected("", value, f"a directory's path of at most {LONGEST_PATH} printable characters")
    if any(len(name.encode()) > LONGEST_NAME for name in value.split("/")):
        raise Expected("", value, f"a directory's path, each name in it of at most {LONGEST_NAME} bytes")
    return str(value)


def pattern(value: object) -> str:
    """A pattern of hosts; whether it fits any is the inventory's to say."""
    text = line(value).strip()
    if not text:
        raise Expected("", value, "a pattern of hosts such as all:!switches")
    return text


def day(value: object) -> datetime.date:
    """A day; YAML reads an unquoted 2024-10-31 as one already."""
    if isinstance(value, datetime.date) and not isinstance(value, datetime.datetime):
        return datetime.date(value.year, value.month, value.day)
    if isinstance(value, str):
        with contextlib.suppress(ValueError):
            return datetime.date.fromisoformat(str(value))
    raise Expected("", value, "a day such as 2024-10-31")


def length(value: object) -> int:
    """A length of time, in seconds."""
    if isinstance(value, str):
        with contextlib.suppress(ValueError):
            return parse_duration(value)
    raise Expected("", value, DURATION_GRAMMAR)


def length_of(least: int, most: int) -> Callable[[object], int]:
    """A reader of a length of time, in seconds, with bounds in minutes."""

    def read(value: object) -> int:
        with contextlib.suppress(Expected):
            seconds = length(value)
            if least * 60 <= seconds <= most * 60:
                return seconds
        raise Expected(
            "", value, f"{DURATION_GRAMMAR}, from {format_duration(least * 60)} to {format_duration(most * 60)}"
        )

    return read


def length_or_forever(value: object) -> int:
    """A length of time in seconds; 0 is forever."""
    if value == "forever":
        return 0
    try:
        return length(value)
    except Expected as wrong:
        raise Expected(wrong.key, wrong.value, f"{wrong.expected}, or forever") from None


def networks(value: object) -> tuple[str, ...]:
    """Addresses and networks, as networks."""
    read = list_of_names(None, "addresses or networks")(value)
    for index, item in enumerate(read):
        if packed(item) is None:
            raise Expected(f"[{index}]", item, "an address or a network such as 10.20.0.0/24")
    return tuple(str(ipaddress.ip_network(item)) for item in read)


def name_servers(value: object) -> tuple[str, ...]:
    """Addresses of name servers."""
    read = list_of_names(None, "addresses of name servers")(value)
    for index, item in enumerate(read):
        try:
            usable = not ipaddress.ip_address(item).is_multicast and "%" not in item
        except ValueError:
            usable = False
        if not usable:
            raise Expected(f"[{index}]", item, "the address of a name server such as 10.20.0.53")
    return tuple(str(ipaddress.ip_address(item)) for item in read)
