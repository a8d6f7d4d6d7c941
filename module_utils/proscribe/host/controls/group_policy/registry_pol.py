"""Parser and renderer of Registry.pol, the file with the registry values of a Group Policy object.

The format is Microsoft's [MS-GPREG] 2.2.1: a signature and a version, then any number of `[key;value;type;size;data]`.
Brackets, semicolons and texts are UTF-16LE, both names end with NUL, and type and size have 32 bits each. The input is
untrusted. So the time to read it is linear and limited, and an error names the byte where it occurred. A file that is
accepted is rendered again byte for byte.
"""

from __future__ import annotations

from typing import Iterable, Sequence

from ....base.named_tuple import NamedTuple

NONE_TYPE, SZ_TYPE, EXPAND_SZ_TYPE, BINARY_TYPE, DWORD_TYPE, DWORD_BIG_ENDIAN_TYPE, LINK_TYPE, MULTI_SZ_TYPE = range(8)
QWORD_TYPE = 11
REGISTRY_TYPES = (
    NONE_TYPE,
    SZ_TYPE,
    EXPAND_SZ_TYPE,
    BINARY_TYPE,
    DWORD_TYPE,
    DWORD_BIG_ENDIAN_TYPE,
    LINK_TYPE,
    MULTI_SZ_TYPE,
    QWORD_TYPE,
)
FILE_HEADER = b"PReg\x01\x00\x00\x00"
MAX_FILE_BYTES = 16 << 20  # 4,000 entries are a megabyte
MAX_ENTRIES = 100_000
MAX_DATA_BYTES = 0xFFFF  # most bytes of a value in this format
MAX_KEY_LENGTH, MAX_VALUE_NAME_LENGTH = 4096, 259
# Name of an entry that deletes all values of its key. Microsoft's editor writes it before a list, so that no value of
# an earlier, longer list remains.
EMPTY_KEY_NAME = "**delvals."


class RegistryEntry(NamedTuple):
    """Registry value. `key` is the path below HKEY_LOCAL_MACHINE or below the user's key."""

    key: str
    value_name: str
    type: int  # one of REGISTRY_TYPES
    data: bytes  # in the registry's form: texts in UTF-16LE with their NUL, numbers little-endian


def make_text_entry(key: str, value_name: str, content: str) -> RegistryEntry:
    """Return an entry with a text (REG_SZ). Raises ValueError for a text that REG_SZ cannot have."""
    return RegistryEntry(key, value_name, SZ_TYPE, _encode_text(content, f"{key}\\{value_name}"))


def make_number_entry(key: str, value_name: str, number: int) -> RegistryEntry:
    """Return an entry with a number of 32 bits, or with a boolean as 0 or 1 (REG_DWORD)."""
    if not 0 <= number <= 0xFFFFFFFF:
        raise ValueError(f"{key}\\{value_name}: {number} is no number of 32 bits")
    return RegistryEntry(key, value_name, DWORD_TYPE, int(number).to_bytes(4, "little"))


def make_emptying_entry(key: str) -> RegistryEntry:
    """Return the entry that deletes all values of a key. The entries that follow it in the file set new values."""
    return make_text_entry(key, EMPTY_KEY_NAME, " ")


def decode_entry(entry: RegistryEntry) -> str | int | bytes:
    """Return an entry's data as text (REG_SZ), as number (REG_DWORD), or else as bytes.

    Raises ValueError if the data do not fit the type.
    """
    if entry.type == DWORD_TYPE:
        if len(entry.data) != 4:
            raise ValueError(f"{entry.key}\\{entry.value_name}: a number of {len(entry.data)} bytes, expected 4")
        return int.from_bytes(entry.data, "little")
    if entry.type == SZ_TYPE:
        content = _decode_text(entry.data, f"{entry.key}\\{entry.value_name}")
        if content[-1:] != "\0" or "\0" in content[:-1]:
            raise ValueError(f"{entry.key}\\{entry.value_name}: a text has one NUL, at its end")
        return content[:-1]
    return entry.data


def render_entries(entries: Iterable[RegistryEntry]) -> bytes:
    """Return the content of Registry.pol. Raises ValueError for entries that `parse_entries` would refuse."""
    parts = [FILE_HEADER]
    for count, entry in enumerate(entries, 1):
        position = f"entry {count} ({ascii(entry.key)})"
        _check_entry(entry, position)
        if count > MAX_ENTRIES:
            raise ValueError(f"{position}: at most {MAX_ENTRIES} entries are allowed")
        for mark, part in (
            ("[", _encode_text(entry.key, position)),
            (";", _encode_text(entry.value_name, position)),
            (";", entry.type.to_bytes(4, "little")),
            (";", len(entry.data).to_bytes(4, "little")),
            (";", entry.data),
        ):
            parts += [mark.encode("utf-16-le"), part]
        parts.append("]".encode("utf-16-le"))
    content = b"".join(parts)
    if len(content) > MAX_FILE_BYTES:
        raise ValueError(f"{len(content)} bytes, at most {MAX_FILE_BYTES} are allowed")
    return content


def parse_entries(content: bytes) -> list[RegistryEntry]:
    """Return the entries of a Registry.pol, in their order.

    Raises ValueError, with the position in its message, if the content is invalid.
    """
    if len(content) > MAX_FILE_BYTES:
        raise ValueError(f"{len(content)} bytes, at most {MAX_FILE_BYTES} are allowed")
    if content[: len(FILE_HEADER)] != FILE_HEADER:
        raise ValueError("byte 0: no Registry.pol of version 1")
    entries: list[RegistryEntry] = []
    offset = len(FILE_HEADER)
    while offset < len(content):
        if len(entries) == MAX_ENTRIES:
            raise ValueError(f"byte {offset}: more than {MAX_ENTRIES} entries")
        start = offset
        key, offset = _read_name(content, _skip_mark(content, offset, "["), MAX_KEY_LENGTH)
        value_name, offset = _read_name(content, _skip_mark(content, offset, ";"), MAX_VALUE_NAME_LENGTH)
        type_number, offset = _read_number(content, _skip_mark(content, offset, ";"))
        size, offset = _read_number(content, _skip_mark(content, offset, ";"))
        offset = _skip_mark(content, offset, ";")
        if offset + size > len(content):
            raise ValueError(f"byte {offset}: {size} bytes of data, but only {len(content) - offset} are left")
        entry = RegistryEntry(key, value_name, type_number, content[offset : offset + size])
        _check_entry(entry, f"byte {start}")
        offset = _skip_mark(content, offset + size, "]")
        entries.append(entry)
    return entries


def _check_entry(entry: RegistryEntry, position: str) -> None:
    """Raise ValueError, with `position`, if an entry exceeds a limit or has an unknown type."""
    for label, name, min_length, max_length in (
        ("key", entry.key, 1, MAX_KEY_LENGTH),
        ("value", entry.value_name, 0, MAX_VALUE_NAME_LENGTH),
    ):
        if not min_length <= len(name) <= max_length:
            raise ValueError(
                f"{position}: {len(name)} characters in the name of a {label}, expected {min_length} to {max_length}"
            )
        if any(character < " " or character == "\x7f" for character in name):
            raise ValueError(f"{position}: a control character in the name of a {label}")
    if entry.type not in REGISTRY_TYPES:
        raise ValueError(f"{position}: there is no type {entry.type}")
    if len(entry.data) > MAX_DATA_BYTES:
        raise ValueError(f"{position}: {len(entry.data)} bytes of data, at most {MAX_DATA_BYTES} are allowed")


def _skip_mark(content: bytes, offset: int, mark: str) -> int:
    """Return the offset after a bracket or semicolon. Raises ValueError if another character is there."""
    end = offset + 2
    if content[offset:end] != mark.encode("utf-16-le"):
        raise ValueError(f"byte {offset}: expected {mark!r}")
    return end


def _read_number(content: bytes, offset: int) -> Sequence[int]:
    """Return the number of 32 bits at an offset, and the offset after it. Raises ValueError."""
    end = offset + 4
    if end > len(content):
        raise ValueError(f"byte {offset}: the file ends within a number")
    return int.from_bytes(content[offset:end], "little"), end


def _read_name(content: bytes, offset: int, max_length: int) -> tuple[str, int]:
    """Return the text from an offset up to its NUL, and the offset after the NUL. Raises ValueError.

    The text has at most `max_length` characters.
    """
    limit = offset + 2 * (max_length + 1)
    end = content.find(b"\0\0", offset, limit)
    while end != -1 and (end - offset) % 2:  # at an odd offset, the two zero bytes belong to two different characters
        end = content.find(b"\0\0", end + 1, limit)
    if end == -1:
        raise ValueError(f"byte {offset}: a name without its end within {max_length} characters")
    return _decode_text(content[offset:end], f"byte {offset}"), end + 2


def _encode_text(content: str, position: str) -> bytes:
    """Encode a text in UTF-16LE with a NUL at its end. `position` is for the message of a ValueError."""
    if "\0" in content:
        raise ValueError(f"{position}: NUL within a text")
    try:
        return content.encode("utf-16-le") + b"\0\0"
    except UnicodeEncodeError:
        raise ValueError(f"{position}: half of a character in a text") from None


def _decode_text(data: bytes, position: str) -> str:
    """Decode a text from UTF-16LE. `position` is for the message of a ValueError."""
    try:
        return data.decode("utf-16-le")
    except UnicodeDecodeError:
        raise ValueError(f"{position}: no text in UTF-16LE") from None
