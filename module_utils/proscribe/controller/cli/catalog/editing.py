"""An entry's file with one list and one date changed, and everything else as it was.

The files of a catalogue are written by people and have their own order and comments, so they are edited line by line.
What comes out is read again: where it says anything else than was meant, nothing is written.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

import yaml

_KEY = re.compile(r"[a-z_]+:")
FORM = "its form cannot be edited by a program; write the change by hand"


class NotEdited(Exception):
    """A file whose form does not let it be edited, and why."""


def with_list(text: str, key: str, values: Sequence[str], dates: dict[str, str]) -> str:
    """The text of an entry with the values of a key, and with some dates. Raises NotEdited."""
    before = _data(text)
    after = _with_block(text, key, [f"{key}:", *(f"  - {value}" for value in values)])
    for name, day in dates.items():
        after = _with_block(after, name, [f"{name}: {day}"])
    if _data(after) != {**before, key: list(values), **dates}:
        raise NotEdited(FORM)
    return after


def with_dates(text: str, dates: dict[str, str]) -> str:
    """The text of an entry with some dates. Raises NotEdited."""
    before, after = _data(text), text
    for name, day in dates.items():
        after = _with_block(after, name, [f"{name}: {day}"])
    if _data(after) != {**before, **dates}:
        raise NotEdited(FORM)
    return after


def _with_block(text: str, key: str, block: Sequence[str]) -> str:
    """The text with the lines of an outermost key replaced; before `notes` or `sources` where it has none."""
    lines = text.split("\n")
    starts = [number for number, line in enumerate(lines) if _KEY.match(line)]
    ends = [*starts[1:], len(lines) - 1]
    for start, end in zip(starts, ends, strict=True):
        if lines[start].startswith(f"{key}:"):
            return "\n".join([*lines[:start], *block, *lines[end:]])
    for start in starts:
        if lines[start].startswith(("notes:", "sources:")):
            return "\n".join([*lines[:start], *block, *lines[start:]])
    raise NotEdited("it has neither notes nor sources")


def _data(text: str) -> dict[str, object]:
    try:
        data = yaml.load(text, Loader=yaml.BaseLoader)
    except yaml.YAMLError:
        raise NotEdited(FORM) from None
    if not isinstance(data, dict):
        raise NotEdited("it is no mapping")
    return data
