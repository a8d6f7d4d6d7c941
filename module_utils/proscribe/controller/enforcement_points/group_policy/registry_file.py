"""Registry entries as a file for Windows' registry editor, and a file that removes these entries again.

The text is UTF-16LE with a byte order mark, as written by the editor of Windows 2000 and later. A text with other than
plain characters is written as bytes, so that no content can end the text.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence

from ....host.controls.group_policy.registry_pol import EMPTY_KEY_NAME, RegistryEntry, decode_entry

FIRST_LINE = "Windows Registry Editor Version 5.00"
ROOT_KEY = "HKEY_LOCAL_MACHINE"
_NAME_PATTERN = re.compile(r"[A-Za-z0-9 _.-]+(?:\\[A-Za-z0-9 _.-]+)*", re.ASCII)
_PLAIN_PATTERN = re.compile(r"[ -~]*", re.ASCII)


def render_setting_file(entries: Sequence[RegistryEntry], comment: Iterable[str]) -> bytes:
    """Return the file that sets the registry entries.

    The registry key of a list is deleted before the list is set, so that earlier values do not stay. In `entries`, as
    in Registry.pol, an entry with the name EMPTY_KEY_NAME stands for this deletion.
    """
    lines: list[str] = []
    current_key = ""
    for entry in entries:
        key = _format_key(entry)
        if entry.value_name == EMPTY_KEY_NAME:
            lines += ["", f"[-{key}]", "", f"[{key}]"]
        elif key != current_key:
            lines += ["", f"[{key}]"]
        if entry.value_name != EMPTY_KEY_NAME:
            lines.append(f'"{_check_registry_name(entry.value_name)}"={_format_data(entry)}')
        current_key = key
    return _encode_registry_file(comment, lines)


def render_removing_file(entries: Sequence[RegistryEntry], comment: Iterable[str]) -> bytes:
    """Return the file that removes the entries of `render_setting_file`, and nothing else.

    The registry key of a list is removed as a whole, other values one by one.
    """
    list_keys = dict.fromkeys(_format_key(entry) for entry in entries if entry.value_name == EMPTY_KEY_NAME)
    lines = [line for key in list_keys for line in ("", f"[-{key}]")]
    current_key = ""
    for entry in entries:
        key = _format_key(entry)
        if key in list_keys:
            continue
        if key != current_key:
            lines += ["", f"[{key}]"]
        lines.append(f'"{_check_registry_name(entry.value_name)}"=-')
        current_key = key
    return _encode_registry_file(comment, lines)


def _encode_registry_file(comment: Iterable[str], lines: Iterable[str]) -> bytes:
    """Return the content of a file for the registry editor.

    Raises ValueError for a comment with unusual characters.
    """

    def iterate_lines() -> Iterator[str]:
        yield FIRST_LINE
        for line in comment:
            if not _PLAIN_PATTERN.fullmatch(line):
                raise ValueError(f"{line!r} is no comment of one line")
            yield f"; {line}"
        yield from lines
        yield ""

    return b"\xff\xfe" + "".join(f"{line}\r\n" for line in iterate_lines()).encode("utf-16-le")


def _format_key(entry: RegistryEntry) -> str:
    return f"{ROOT_KEY}\\{_check_registry_name(entry.key)}"


def _check_registry_name(name: str) -> str:
    """Return the name of a key or value.

    Raises ValueError for a name with characters that could end the text.
    """
    if not _NAME_PATTERN.fullmatch(name):
        raise ValueError(f"{name!r} is no name for a file of the registry")
    return name


def _format_data(entry: RegistryEntry) -> str:
    """Return the data of a registry value as the registry editor writes it: dword, text in quotes, or bytes."""
    content = decode_entry(entry)
    if isinstance(content, int):
        return f"dword:{content:08x}"
    if isinstance(content, str) and _PLAIN_PATTERN.fullmatch(content):
        escaped_text = content.replace("\\", "\\\\").replace('"', '\\"')
        return f'"{escaped_text}"'
    return f"hex({entry.type:x}):{entry.data.hex(',')}"
