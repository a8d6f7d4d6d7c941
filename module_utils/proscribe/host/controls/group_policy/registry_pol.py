"""Registry.pol, the file in which a Group Policy object has what it sets in the registry: bytes to entries and back.

The format is Microsoft's [MS-GPREG] 2.2.1: a signature and a version, then `[key;value;type;size;data]` without end.
Brackets, semicolons and texts are UTF-16LE, both names end with NUL, and type and size are 32 bits each. What is read
may be anybody's: reading is linear and limited, and names the byte at which something is wrong. What is accepted is
written back byte for byte.
"""

from __future__ import annotations

from typing import Iterable, Sequence

from ....base.tuples import NamedTuple

NONE, SZ, EXPAND_SZ, BINARY, DWORD, DWORD_BIG_ENDIAN, LINK, MULTI_SZ = range(8)
QWORD = 11
TYPES = (NONE, SZ, EXPAND_SZ, BINARY, DWORD, DWORD_BIG_ENDIAN, LINK, MULTI_SZ, QWORD)
HEADER = b"PReg\x01\x00\x00\x00"
MOST_BYTES = 16 << 20  # of a file; 4,000 entries are a megabyte
MOST_ENTRIES = 100_000
MOST_DATA = 0xFFFF  # bytes of one value, as the format has it
MOST_KEY, MOST_VALUE = 4096, 259  # characters of the names
# The name by which an entry empties its key before those that follow. It is what Microsoft's editor writes before a
# list, so that nothing is left of a longer one.
EMPTY_KEY = "**delvals."


class Entry(NamedTuple):
    """One value of the registry. `key` is the path below HKEY_LOCAL_MACHINE (or that of the user)."""

    key: str
    value: str
    type: int  # one of TYPES
    data: bytes  # as the registry has it: texts in UTF-16LE with their NUL, numbers little-endian


def text(key: str, value: str, said: str) -> Entry:
    """An entry with a text (REG_SZ). Raises ValueError for what no such text can be."""
    return Entry(key, value, SZ, _encoded(said, f"{key}\\{value}"))


def number(key: str, value: str, said: int) -> Entry:
    """An entry with a number of 32 bits, or with a boolean, which is 0 or 1 (REG_DWORD)."""
    if not 0 <= said <= 0xFFFFFFFF:
        raise ValueError(f"{key}\\{value}: {said} is no number of 32 bits")
    return Entry(key, value, DWORD, int(said).to_bytes(4, "little"))


def emptied(key: str) -> Entry:
    """The entry that deletes all values of a key before those after it are set."""
    return text(key, EMPTY_KEY, " ")


def said_by(entry: Entry) -> str | int | bytes:
    """What an entry says: the text of REG_SZ, the number of REG_DWORD, else its bytes. Raises ValueError if its data
    are not of its type.
    """
    if entry.type == DWORD:
        if len(entry.data) != 4:
            raise ValueError(f"{entry.key}\\{entry.value}: a number of {len(entry.data)} bytes, expected 4")
        return int.from_bytes(entry.data, "little")
    if entry.type == SZ:
        said = _decoded(entry.data, f"{entry.key}\\{entry.value}")
        if said[-1:] != "\0" or "\0" in said[:-1]:
            raise ValueError(f"{entry.key}\\{entry.value}: a text has one NUL, at its end")
        return said[:-1]
    return entry.data


def render(entries: Iterable[Entry]) -> bytes:
    """The file. Raises ValueError for what `parse` would refuse."""
    parts = [HEADER]
    for count, entry in enumerate(entries, 1):
        where = f"entry {count} ({ascii(entry.key)})"
        _check(entry, where)
        if count > MOST_ENTRIES:
            raise ValueError(f"{where}: at most {MOST_ENTRIES} entries are allowed")
        for mark, part in (
            ("[", _encoded(entry.key, where)),
            (";", _encoded(entry.value, where)),
            (";", entry.type.to_bytes(4, "little")),
            (";", len(entry.data).to_bytes(4, "little")),
            (";", entry.data),
        ):
            parts += [mark.encode("utf-16-le"), part]
        parts.append("]".encode("utf-16-le"))
    content = b"".join(parts)
    if len(content) > MOST_BYTES:
        raise ValueError(f"{len(content)} bytes, at most {MOST_BYTES} are allowed")
    return content


def parse(content: bytes) -> list[Entry]:
    """The entries of a file, in their order. Raises ValueError, with the place, for what is no such file."""
    if len(content) > MOST_BYTES:
        raise ValueError(f"{len(content)} bytes, at most {MOST_BYTES} are allowed")
    if content[: len(HEADER)] != HEADER:
        raise ValueError("byte 0: no Registry.pol of version 1")
    found: list[Entry] = []
    place = len(HEADER)
    while place < len(content):
        if len(found) == MOST_ENTRIES:
            raise ValueError(f"byte {place}: more than {MOST_ENTRIES} entries")
        start = place
        key, place = _name(content, _after(content, place, "["), MOST_KEY)
        value, place = _name(content, _after(content, place, ";"), MOST_VALUE)
        kind, place = _number(content, _after(content, place, ";"))
        size, place = _number(content, _after(content, place, ";"))
        place = _after(content, place, ";")
        if place + size > len(content):
            raise ValueError(f"byte {place}: {size} bytes of data, but only {len(content) - place} are left")
        entry = Entry(key, value, kind, content[place : place + size])
        _check(entry, f"byte {start}")
        place = _after(content, place + size, "]")
        found.append(entry)
    return found


def _check(entry: Entry, where: str) -> None:
    for what, name, least, most in (("key", entry.key, 1, MOST_KEY), ("value", entry.value, 0, MOST_VALUE)):
        if not least <= len(name) <= most:
            raise ValueError(f"{where}: {len(name)} characters in the name of a {what}, expected {least} to {most}")
        if any(character < " " or character == "\x7f" for character in name):
            raise ValueError(f"{where}: a control character in the name of a {what}")
    if entry.type not in TYPES:
        raise ValueError(f"{where}: there is no type {entry.type}")
    if len(entry.data) > MOST_DATA:
        raise ValueError(f"{where}: {len(entry.data)} bytes of data, at most {MOST_DATA} are allowed")


def _after(content: bytes, place: int, mark: str) -> int:
    end = place + 2
    if content[place:end] != mark.encode("utf-16-le"):
        raise ValueError(f"byte {place}: expected {mark!r}")
    return end


def _number(content: bytes, place: int) -> Sequence[int]:
    end = place + 4
    if end > len(content):
        raise ValueError(f"byte {place}: the file ends within a number")
    return int.from_bytes(content[place:end], "little"), end


def _name(content: bytes, place: int, most: int) -> tuple[str, int]:
    """A text up to its NUL, and the place after it."""
    limit = place + 2 * (most + 1)
    end = content.find(b"\0\0", place, limit)
    while end != -1 and (end - place) % 2:  # the halves of two characters
        end = content.find(b"\0\0", end + 1, limit)
    if end == -1:
        raise ValueError(f"byte {place}: a name without its end within {most} characters")
    return _decoded(content[place:end], f"byte {place}"), end + 2


def _encoded(said: str, where: str) -> bytes:
    if "\0" in said:
        raise ValueError(f"{where}: NUL within a text")
    try:
        return said.encode("utf-16-le") + b"\0\0"
    except UnicodeEncodeError:
        raise ValueError(f"{where}: half of a character in a text") from None


def _decoded(data: bytes, where: str) -> str:
    try:
        return data.decode("utf-16-le")
    except UnicodeDecodeError:
        raise ValueError(f"{where}: no text in UTF-16LE") from None
