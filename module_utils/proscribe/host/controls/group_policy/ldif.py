"""LDIF (RFC 2849), the text in which the tools of Samba's directory answer and are given changes."""

from __future__ import annotations

import binascii
from typing import Iterable, Mapping, Sequence

from ....base.tuples import NamedTuple


class Entry(NamedTuple):
    """An object of the directory. `values` are by the name of the attribute, in lower case."""

    dn: str
    values: Mapping[str, Sequence[str]]

    def one(self, name: str) -> str:
        """The value of an attribute that has one; "" where it is not set."""
        return next(iter(self.values.get(name.lower(), ())), "")


def parse(text: str) -> list[Entry]:
    """The objects of an answer; of what else is in it, nothing. What is no text has U+FFFD for it."""
    found: list[Entry] = []
    for block in text.replace("\n ", "").split("\n\n"):
        values: dict[str, list[str]] = {}
        for line in block.split("\n"):
            name, colon, value = line.partition(":")
            if colon and name and not name.startswith("#"):
                values.setdefault(name.lower(), []).append(_value(value))
        if "dn" in values:
            found.append(Entry(values.pop("dn")[0], values))
    return found


def _value(text: str) -> str:
    if not text.startswith(":"):
        return text.removeprefix(" ")
    try:
        return binascii.a2b_base64(text[1:].strip()).decode("utf-8", "replace")
    except (binascii.Error, ValueError):
        return ""


def line(name: str, value: str) -> str:
    """A line that gives an attribute a value, whatever the value is."""
    plain = value.isascii() and value.isprintable() and value[:1] not in (" ", ":", "<", "") and value[-1:] != " "
    if plain:
        return f"{name}: {value}"
    return f"{name}:: {binascii.b2a_base64(value.encode(), newline=False).decode()}"


def added(dn: str, values: Iterable[tuple[str, str]]) -> str:
    """The record that adds an object."""
    return _record(dn, "add", [line(name, value) for name, value in values])


def modified(dn: str, parts: Iterable[Sequence[str]]) -> str:
    """The record that changes an object, by what `replaced` and `exchanged` give."""
    return _record(dn, "modify", [text for part in parts for text in (*part, "-")])


def replaced(name: str, value: str) -> list[str]:
    """The part of a change that gives an attribute one value, or none where that is ""."""
    return [f"replace: {name}", *([line(name, value)] if value else [])]


def exchanged(name: str, before: str, after: str) -> list[str]:
    """The part of a change that only succeeds where an attribute still has the value that it had; "" for none."""
    gone = [f"delete: {name}", line(name, before)] if before else []
    new = [f"add: {name}", line(name, after)] if after else []
    return [*gone, *(["-"] if gone and new else []), *new]


def _record(dn: str, kind: str, lines: Sequence[str]) -> str:
    return "\n".join([line("dn", dn), f"changetype: {kind}", *lines, "", ""])
