"""A file of the catalogue with some keys changed, and everything else as it was.

The files of a catalogue are written by people and have their own order and comments, so they are edited line by line.
What comes out is read again: where it says anything else than was meant, nothing is written.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence

import yaml

_KEY = re.compile(r"[a-z_]+:")
_PLAIN = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:/+-]*(?<!:)")
_OTHER = re.compile(r"[0-9][0-9.]*(?:e[0-9]+)?|true|false|yes|no|on|off|y|n|null", re.IGNORECASE)  # no text for YAML
FORM = "its form cannot be edited by a program; write the change by hand"
# What a key gets: a text, a list of texts or mappings, or a mapping; an empty one takes the key away.
Value = str | Sequence[object] | Mapping[str, object]


class NotEdited(Exception):
    """A file whose form does not let it be edited, and why."""


def edited(text: str, changes: Mapping[str, Value]) -> str:
    """The text of a file with the values of some outermost keys. Raises NotEdited."""
    meant, after = data_of(text), text
    for key, value in changes.items():
        after = _with_block(after, key, list(_block(key, value, "")) if value else [])
        meant = {**meant, key: value} if value else {name: one for name, one in meant.items() if name != key}
    if data_of(after) != meant:
        raise NotEdited(FORM)
    return after


def _with_block(text: str, key: str, block: Sequence[str]) -> str:
    """The text with the lines of an outermost key replaced; before `notes` or `sources` where it has none."""
    lines = text.split("\n")
    starts = [number for number, line in enumerate(lines) if _KEY.match(line)]
    ends = [*starts[1:], len(lines) - 1]
    for start, end in zip(starts, ends, strict=True):
        if lines[start].startswith(f"{key}:"):
            while lines[end - 1].startswith("#"):
                end -= 1  # what stands before the next key is about that
            return "\n".join([*lines[:start], *_commented(lines[start:end], key, block), *lines[end:]])
    if not block:
        return text
    for start in starts:
        if lines[start].startswith(("notes:", "sources:")):
            return "\n".join([*lines[:start], *block, *lines[start:]])
    raise NotEdited("it has neither notes nor sources")


def _commented(before: Sequence[str], key: str, block: Sequence[str]) -> list[str]:
    """New lines, each with the comment that it had. Raises NotEdited for one on a line of its own."""
    commented = {line.partition(" #")[0].rstrip(): line for line in before if " #" in line}
    if any(line.lstrip().startswith("#") for line in before):
        raise NotEdited(f"a comment in its {key} would be lost; write the change by hand")
    return [commented.get(line, line) for line in block]


def _block(key: str, value: object, indent: str) -> Iterator[str]:
    """The lines of a key."""
    if isinstance(value, str):
        yield f"{indent}{key}: {_scalar(value)}"
        return
    yield f"{indent}{key}:"
    if isinstance(value, Mapping):
        for name, one in value.items():
            yield from _block(name, one, f"{indent}  ")
    elif isinstance(value, Sequence):
        for item in value:
            if isinstance(item, Mapping):
                first, *rest = [line for name, one in item.items() for line in _block(name, one, f"{indent}    ")]
                yield from (f"{indent}  - {first.lstrip()}", *rest)
            else:
                yield f"{indent}  - {_scalar(str(item))}"


def _scalar(text: str) -> str:
    plain = _PLAIN.fullmatch(text) and not _OTHER.fullmatch(text)
    return text if plain else "'" + text.replace("'", "''") + "'"


def data_of(text: str) -> dict[str, object]:
    """What a file says. Raises NotEdited."""
    try:
        data = yaml.load(text, Loader=yaml.BaseLoader)
    except yaml.YAMLError:
        raise NotEdited(FORM) from None
    if not isinstance(data, dict):
        raise NotEdited("it is no mapping")
    return data
