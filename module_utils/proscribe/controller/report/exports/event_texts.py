"""Texts and lists of events, cut so that a line has room for them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple, TypedDict, TypeVar

from ....model.types.event import EventError, EventFinding
from ....model.types.record import FindingRecord, RecordError
from ..text.wording import clean
from .format import encoded
from .record_lines import Line

# Of a line, in bytes. rsyslog cuts a message at 8 KiB with its header; a datagram has to take it whole.
LONGEST = 7_680
NAME_MOST, TEXT_MOST, SHORT_MOST, LISTED_MOST = 600, 1_000, 300, 4_000
WIDEST = 12  # bytes of one character at most

Item = TypeVar("Item")
Made = TypeVar("Made")


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
    """The same of a text that may be missing or empty."""
    return cut(value, most) if value else None


class Seen(NamedTuple):
    """What the events of one host share. The run and its gate are of no host."""

    host: str
    time: str
    plan: str | None = None

    @classmethod
    def of(cls, host: str, time: str, plan: str | None = None) -> Seen:
        return cls(host, cut(time, SHORT_MOST), cut_or_none(plan, SHORT_MOST))


def names(found: Sequence[str], most: int = LISTED_MOST) -> tuple[list[str], int]:
    """Names for which there is room, in a list of at most so many bytes, and how many were left out."""
    return _listed(found, cut, SHORT_MOST, SHORT_MOST, most)


def errors_of(found: Sequence[RecordError]) -> tuple[list[EventError], int]:
    """Errors for which there is room, and how many were left out."""

    def error(one: RecordError, most: int) -> EventError:
        return {
            "control": cut_or_none(one["control"], most),
            "message": cut_or_none(one["message"], most),
            "refused": cut_or_none(one.get("refused"), most),
        }

    return _listed(found, error, LISTED_MOST, LISTED_MOST // 3 - 20)


class RuleState(TypedDict):
    """What hosts with the same findings share."""

    rule: str
    control_mode: str | None
    state: str
    waiver: str | None
    reason: str | None
    findings: list[EventFinding]
    findings_left_out: int


def state_of(line: Line) -> RuleState:
    """What an event says of a rule, whatever the host."""

    def finding(one: FindingRecord, most: int) -> EventFinding:
        return {
            "kind": cut_or_none(one["kind"], most),
            "id": cut_or_none(one["id"], most),
            "manager": cut_or_none(one["manager"], most),
            "version": cut_or_none(one["version"], most),
            "scope": cut_or_none(one["scope"], most),
            "path": cut_or_none(one["path"], most),
            "detail": cut_or_none(one["detail"], most),
        }

    findings, left_out = _listed(line.findings, finding, LISTED_MOST, LISTED_MOST // 7 - 20)
    return {
        "rule": cut(line.rule, NAME_MOST),
        "control_mode": line.mode or None,
        "state": line.state,
        "waiver": cut_or_none(line.waiver, SHORT_MOST),
        "reason": cut_or_none(line.reason, TEXT_MOST),
        "findings": findings,
        "findings_left_out": left_out,
    }


def _listed(
    found: Sequence[Item], make: Callable[[Item, int], Made], most: int, least: int, room: int = LISTED_MOST
) -> tuple[list[Made], int]:
    """What fits into a list of `room` bytes, with texts of at most `most` bytes, and how many were left out.

    The first one is always in it: where it does not fit, its texts have at most `least` bytes.
    """
    shown: list[Made] = []
    left = room - 2
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
