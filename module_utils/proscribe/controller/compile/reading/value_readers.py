"""Readers for the kinds of values in restrictions: each returns the value, or raises UnexpectedValue."""

from __future__ import annotations

import contextlib
import datetime
import ipaddress
import math
import re
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

from ....base.duration import DURATION_GRAMMAR, format_duration, parse_duration
from ....base.lazy_patterns import compile_pattern
from ...policy_errors import UnexpectedValue, describe_known_key, propose_similar_names
from .networks import parse_rule_network

Value = TypeVar("Value")

MAX_LINE_LENGTH = 200  # characters
MAX_PATH_LENGTH = 1000  # characters
MAX_NAME_BYTES = 255  # bytes in each part of a path: the limit of file systems


class ChoiceReader:
    """A reader for a word out of `allowed_values`."""

    def __init__(self, allowed_values: Iterable[str]) -> None:
        self.allowed_values = tuple(allowed_values)

    def __call__(self, setting: object) -> str:
        # YAML 1.1 reads an unquoted off as false
        setting = "off" if setting is False and "off" in self.allowed_values else setting
        return str(require_one_of(setting, self.allowed_values))


def make_choice_reader(*allowed_values: str) -> ChoiceReader:
    """Return a reader for a word out of `allowed_values`."""
    return ChoiceReader(allowed_values)


def require_one_of(setting: object, allowed_values: Collection[str]) -> object:
    """Return the value. Raises UnexpectedValue unless it is in `allowed_values`."""
    if setting not in tuple(allowed_values):
        hint = propose_similar_names(str(setting), allowed_values)
        raise UnexpectedValue("", setting, f"one of {', '.join(allowed_values)}{hint}")
    return setting


@dataclass(frozen=True)
class NamesReader:
    """A reader for a list of at least `minimum` (0 or 1) words, each as `read_name` returns it, without duplicates.

    If `allowed_values` is not empty, each word has to be in it. `description` is the noun for the words in errors, such
    as `ids of feeds`.
    """

    allowed_values: Collection[str]
    description: str
    read_name: Callable[[object], str] = str
    minimum: int = 0

    def __call__(self, setting: object) -> tuple[str, ...]:
        expected = f"a list of {self.description}{', one at least' if self.minimum else ''}"
        return tuple(dict.fromkeys(read_items(setting, self._read_word, expected, self.minimum)))

    def _read_word(self, setting: object) -> str:
        if not isinstance(setting, str) or not setting:
            raise UnexpectedValue("", setting, self.description)
        return self.read_name(require_one_of(setting, self.allowed_values) if self.allowed_values else setting)


def read_part(key: str, read_setting: Callable[..., Value], *arguments: object) -> Value:
    """Return the result of `read_setting(*arguments)` for a part of a value, such as an item of a list.

    `key` is the place of the part in the value: `[2]` or `.apps`. It is put before the key of each error.
    """
    try:
        return read_setting(*arguments)
    except UnexpectedValue as error:
        raise UnexpectedValue(key + error.key, error.found_value, error.expected) from None


def read_items(
    setting: object,
    read_item: Callable[[object], Value],
    expected: str,
    minimum: int = 0,
    maximum: float = math.inf,
) -> tuple[Value, ...]:
    """Return the items of a list, each as `read_item` returns it.

    Raises UnexpectedValue, with the description `expected` for a value that is no list or has a wrong length.
    """
    if not isinstance(setting, list | tuple) or not minimum <= len(setting) <= maximum:
        raise UnexpectedValue("", setting, expected)
    return tuple(read_part(f"[{index}]", read_item, item) for index, item in enumerate(setting))


def read_mapping(
    setting: object, readers: Mapping[str, Callable[[object], Any]], expected: str = "", required: Collection[str] = ()
) -> dict[str, Any]:
    """Return the values of a mapping's keys, each as the reader of its key returns it; a missing key stays out.

    Raises UnexpectedValue for an unknown key, and with the description `expected` for a value that is no mapping. The
    reader of a missing key in `required` gets None.
    """
    if not isinstance(setting, Mapping):
        raise UnexpectedValue("", setting, expected or f"a mapping with keys out of {', '.join(readers)}")
    for key in setting:
        if key not in readers:
            raise UnexpectedValue(f".{key}", key, describe_known_key(key, readers))
    keys = (key for key in readers if key in setting or key in required)
    return {key: read_part(f".{key}", readers[key], setting.get(key)) for key in keys}


def make_text_reader(expression: str | re.Pattern[str], expected: str) -> Callable[[object], str]:
    """Return a reader for texts that match a regular expression."""
    pattern = compile_pattern(expression) if isinstance(expression, str) else expression

    def read_text(setting: object) -> str:
        if not isinstance(setting, str) or not pattern.fullmatch(setting):
            raise UnexpectedValue("", setting, expected)
        return str(setting)

    return read_text


def make_number_reader(minimum: int, maximum: int, unit: str) -> Callable[[object], int]:
    """Return a reader for a whole number from `minimum` to `maximum`.

    `unit` is a word for messages, such as days.
    """

    def read_number(setting: object) -> int:
        if not isinstance(setting, int) or isinstance(setting, bool) or not minimum <= setting <= maximum:
            raise UnexpectedValue("", setting, f"a whole number of {unit}, {minimum} to {maximum}")
        return int(setting)

    return read_number


def read_flag(setting: object) -> bool:
    """Return true or false. The texts `true` and `false` are accepted, too."""
    # The option -e gives texts.
    setting = {"true": True, "false": False}.get(setting, setting) if isinstance(setting, str) else setting
    if not isinstance(setting, bool):
        raise UnexpectedValue("", setting, "true or false")
    return bool(setting)


def read_line(setting: object) -> str:
    """Return a line of printable text."""
    if not isinstance(setting, str) or len(setting) > MAX_LINE_LENGTH or not setting.isprintable():
        raise UnexpectedValue("", setting, f"one line of at most {MAX_LINE_LENGTH} printable characters")
    return str(setting)


def read_directory_path(setting: object) -> str:
    """Return the path of a directory, absolute or relative; "" for null."""
    if setting is None:
        return ""
    if (
        not isinstance(setting, str)
        or not setting.strip()
        or not setting.isprintable()
        or len(setting) > MAX_PATH_LENGTH
    ):
        raise UnexpectedValue("", setting, f"a directory's path of at most {MAX_PATH_LENGTH} printable characters")
    if any(len(name.encode()) > MAX_NAME_BYTES for name in setting.split("/")):
        raise UnexpectedValue("", setting, f"a directory's path, each name in it of at most {MAX_NAME_BYTES} bytes")
    return str(setting)


def read_pattern(setting: object) -> str:
    """Return a pattern of hosts. The inventory decides later if a host matches."""
    text = read_line(setting).strip()
    if not text:
        raise UnexpectedValue("", setting, "a pattern of hosts such as all:!switches")
    return text


def read_day(setting: object) -> datetime.date:
    """Return a day. YAML already reads an unquoted 2024-10-31 as a date."""
    if isinstance(setting, datetime.date) and not isinstance(setting, datetime.datetime):
        return datetime.date(setting.year, setting.month, setting.day)
    if isinstance(setting, str):
        with contextlib.suppress(ValueError):
            return datetime.date.fromisoformat(str(setting))
    raise UnexpectedValue("", setting, "a day such as 2024-10-31")


def read_duration(setting: object) -> int:
    """Return the seconds of a duration."""
    if isinstance(setting, str):
        with contextlib.suppress(ValueError):
            return parse_duration(setting)
    raise UnexpectedValue("", setting, DURATION_GRAMMAR)


def make_duration_reader(minimum: int, maximum: int) -> Callable[[object], int]:
    """Return a reader for a duration.

    The reader returns seconds, but `minimum` and `maximum` are in minutes.
    """

    def read_bounded_duration(setting: object) -> int:
        with contextlib.suppress(UnexpectedValue):
            seconds = read_duration(setting)
            if minimum * 60 <= seconds <= maximum * 60:
                return seconds
        raise UnexpectedValue(
            "", setting, f"{DURATION_GRAMMAR}, from {format_duration(minimum * 60)} to {format_duration(maximum * 60)}"
        )

    return read_bounded_duration


def read_duration_or_forever(setting: object) -> int:
    """Return the seconds of a duration; 0 for `forever`."""
    if setting == "forever":
        return 0
    try:
        return read_duration(setting)
    except UnexpectedValue as error:
        raise UnexpectedValue(error.key, error.found_value, f"{error.expected}, or forever") from None


def read_network(setting: object) -> str:
    """Return an address or a network as the text of a network."""
    network = parse_rule_network(setting) if isinstance(setting, str) else None
    if network is None:
        raise UnexpectedValue("", setting, "an address or a network such as 10.20.0.0/24 or 2001:db8::/48")
    return str(network)


def _read_name_server(setting: object) -> str:
    with contextlib.suppress(ValueError):
        address = ipaddress.ip_address(str(setting))
        if not address.is_multicast and "%" not in str(setting):
            return str(address)
    raise UnexpectedValue("", setting, "the address of a name server such as 10.20.0.53")


read_networks = NamesReader((), "addresses or networks", read_network)  # as texts of networks
read_name_servers = NamesReader((), "addresses of name servers", _read_name_server)
