"""Texts and lists of events, cut so that a line has room for them."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple, TypeVar

from ....model.finding import Finding
from ....model.types.event import RuleState, Texts
from ..text.wording import clean
from .record_lines import Line

# Of a line, in bytes. rsyslog cuts a message at 8 KiB with its header; a datagram has to take it whole.
LONGEST = 7_680
NAME_MOST, TEXT_MOST, SHORT_MOST, LISTED_MOST = 600, 1_000, 300, 4_000
WIDEST = 12  # bytes of one character at most

Item = TypeVar("Item")
Made = TypeVar("Made")

encoded = json.JSONEncoder(separators=(",", ":")).encode


def cut(value: object, most: int) -> str:
    """A printable text that takes at most so many bytes as JSON; where it is cut, it ends with `...`."""
    text = clean(str(value)[: most + 1])  # each character takes a byte or more
    if WIDEST * len(text) + 2 <= most:
        return text
    shown, length = text, len(encoded(text))
    while length > most:
        text = text[: max(0, len(text) * most // length - 4)]
        shown = f"{text}..."
        length = len(encoded(shown))
    return shown


def cut_or_none(value: object, most: int) -> str | None:
    """The same of a text that may be missing."""
    return None if value is None else cut(value, most)


class Seen(NamedTuple):
    """What the events of one host share. The run and its gate are of no host."""

    host: str
    time: str
    plan: str | None = None

    @classmethod
    def of(cls, host: str, time: str, plan: str | None = None) -> Seen:
        return cls(host, cut(time, SHORT_MOST), cut_or_none(plan, SHORT_MOST))


def names(found: Sequence[str]) -> tuple[list[str], int]:
    """Names for which there is room, and how many were left out."""
    return _listed(found, cut, SHORT_MOST, SHORT_MOST)


def items(found: Sequence[Mapping[str, object]], keys: Sequence[str]) -> tuple[list[Texts], int]:
    """Items with these keys for which there is room, and how many were left out."""

    def item(one: Mapping[str, object], most: int) -> Texts:
        return {key: cut_or_none(one.get(key) or None, most) for key in keys}

    return _listed(found, item, LISTED_MOST, LISTED_MOST // len(keys) - 20)


def state_of(line: Line) -> RuleState:
    """What hosts with the same findings share."""
    findings, left_out = items(line.findings, Finding._fields)
    return {
        "rule": cut(line.rule, NAME_MOST),
        "control_mode": line.mode or None,
        "state": line.state,
        "waiver": cut_or_none(line.waiver or None, SHORT_MOST),
        "reason": cut_or_none(line.reason or None, TEXT_MOST),
        "findings": findings,
        "findings_left_out": left_out,
    }


def _listed(found: Sequence[Item], make: Callable[[Item, int], Made], most: int, least: int) -> tuple[list[Made], int]:
    """What fits into a list of LISTED_MOST bytes, with texts of at most `most` bytes, and how many were left out.

    The first one is always in it: where it does not fit, its texts have at most `least` bytes.
    """
    shown: list[Made] = []
    left = LISTED_MOST - 2
    for one in found:
        made = make(one, most)
        size = len(encoded(made))
        if not shown and size >= left:
            made = make(one, least)
            size = len(encoded(made))
        left -= size + 1
        if left < 0:
            break
        shown.append(made)
    return shown, len(found) - len(shown)
