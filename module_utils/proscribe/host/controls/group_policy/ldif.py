"""LDIF (RFC 2849), the text format in which Samba's directory tools print entries and read changes."""

from __future__ import annotations

import binascii
from typing import Iterable, Mapping, Sequence

from ....base.named_tuple import NamedTuple


class LdifEntry(NamedTuple):
    """Entry of the directory: its distinguished name (`dn`) and its attributes.

    `values_by_name` has the names of attributes in lower case.
    """

    dn: str
    values_by_name: Mapping[str, Sequence[str]]

    def get_value(self, name: str) -> str:
        """Return the first value of an attribute; "" if it is not set."""
        return next(iter(self.values_by_name.get(name.lower(), ())), "")


def parse_ldif(text: str) -> list[LdifEntry]:
    """Parse the entries in the output of a tool. Comments and other text are ignored.

    Bytes that are not UTF-8 become U+FFFD.
    """
    entries: list[LdifEntry] = []
    # A line that begins with a space continues the line before. An empty line ends an entry.
    for block in text.replace("\n ", "").split("\n\n"):
        values: dict[str, list[str]] = {}
        for line in block.split("\n"):
            name, colon, attribute_value = line.partition(":")
            if colon and name and not name.startswith("#"):
                values.setdefault(name.lower(), []).append(_decode_value(attribute_value))
        if "dn" in values:
            entries.append(LdifEntry(values.pop("dn")[0], values))
    return entries


def _decode_value(text: str) -> str:
    """Return an attribute's value from the text after the first colon; "" for a damaged value.

    A second colon marks a value in Base64.
    """
    if not text.startswith(":"):
        return text.removeprefix(" ")
    try:
        return binascii.a2b_base64(text[1:].strip()).decode("utf-8", "replace")
    except (binascii.Error, ValueError):
        return ""


def format_line(name: str, attribute_value: str) -> str:
    """Return the line that gives an attribute a value.

    A value that LDIF does not allow as text is encoded in Base64.
    """
    is_plain = (
        attribute_value.isascii()
        and attribute_value.isprintable()
        and attribute_value[:1] not in (" ", ":", "<", "")
        and attribute_value[-1:] != " "
    )
    if is_plain:
        return f"{name}: {attribute_value}"
    return f"{name}:: {binascii.b2a_base64(attribute_value.encode(), newline=False).decode()}"


def make_add_record(dn: str, values: Iterable[tuple[str, str]]) -> str:
    """Return the record that adds an entry to the directory."""
    return _format_record(dn, "add", [format_line(name, attribute_value) for name, attribute_value in values])


def make_modify_record(dn: str, parts: Iterable[Sequence[str]]) -> str:
    """Return the record that changes an entry of the directory.

    Each of `parts` changes one attribute: a result of `make_replacement` or `make_guarded_exchange`.
    """
    return _format_record(dn, "modify", [text for part in parts for text in (*part, "-")])


def make_replacement(name: str, attribute_value: str) -> list[str]:
    """Return the part of a record that sets an attribute to one value. The value "" deletes the attribute."""
    return [f"replace: {name}", *([format_line(name, attribute_value)] if attribute_value else [])]


def make_guarded_exchange(name: str, old_value: str, new_value: str) -> list[str]:
    """Return the part of a record that changes an attribute only if the attribute still has its old value.

    The value "" means that the attribute is not set. If the old value differs, the directory rejects the whole record.
    """
    deletion = [f"delete: {name}", format_line(name, old_value)] if old_value else []
    addition = [f"add: {name}", format_line(name, new_value)] if new_value else []
    return [*deletion, *(["-"] if deletion and addition else []), *addition]


def _format_record(dn: str, change_type: str, lines: Sequence[str]) -> str:
    return "\n".join([format_line("dn", dn), f"changetype: {change_type}", *lines, "", ""])
