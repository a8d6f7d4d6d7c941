"""Entries as a file that Windows' registry editor imports, and the file that removes them again.

The text is UTF-16LE with its mark, as the editor of Windows 2000 and later writes it. A text with anything but plain
characters is written as its bytes, so nothing that it says can end it.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence

from ....host.controls.group_policy.registry_pol import EMPTY_KEY, Entry, said_by

FIRST_LINE = "Windows Registry Editor Version 5.00"
ROOT = "HKEY_LOCAL_MACHINE"
_NAME = re.compile(r"[A-Za-z0-9 _.-]+(?:\\[A-Za-z0-9 _.-]+)*", re.ASCII)
_PLAIN = re.compile(r"[ -~]*", re.ASCII)


def setting(entries: Sequence[Entry], comment: Iterable[str]) -> bytes:
    """The file that sets the entries. A list of theirs is deleted before it is set, as Registry.pol empties it."""
    lines: list[str] = []
    current = ""
    for entry in entries:
        key = _key(entry)
        if entry.value == EMPTY_KEY:
            lines += ["", f"[-{key}]", "", f"[{key}]"]
        elif key != current:
            lines += ["", f"[{key}]"]
        if entry.value != EMPTY_KEY:
            lines.append(f'"{_name(entry.value)}"={_data(entry)}')
        current = key
    return _file(comment, lines)


def removing(entries: Sequence[Entry], comment: Iterable[str]) -> bytes:
    """The file that removes what `setting` has set, and nothing else."""
    lists = dict.fromkeys(_key(entry) for entry in entries if entry.value == EMPTY_KEY)
    lines = [line for key in lists for line in ("", f"[-{key}]")]
    current = ""
    for entry in entries:
        key = _key(entry)
        if key in lists:
            continue
        if key != current:
            lines += ["", f"[{key}]"]
        lines.append(f'"{_name(entry.value)}"=-')
        current = key
    return _file(comment, lines)


def _file(comment: Iterable[str], lines: Iterable[str]) -> bytes:
    def all_lines() -> Iterator[str]:
        yield FIRST_LINE
        for line in comment:
            if not _PLAIN.fullmatch(line):
                raise ValueError(f"{line!r} is no comment of one line")
            yield f"; {line}"
        yield from lines
        yield ""

    return b"\xff\xfe" + "".join(f"{line}\r\n" for line in all_lines()).encode("utf-16-le")


def _key(entry: Entry) -> str:
    return f"{ROOT}\\{_name(entry.key)}"


def _name(name: str) -> str:
    if not _NAME.fullmatch(name):
        raise ValueError(f"{name!r} is no name for a file of the registry")
    return name


def _data(entry: Entry) -> str:
    said = said_by(entry)
    if isinstance(said, int):
        return f"dword:{said:08x}"
    if isinstance(said, str) and _PLAIN.fullmatch(said):
        escaped = said.replace("\\", "\\\\").replace('"', '\\"')
        return f'"{escaped}"'
    return f"hex({entry.type:x}):{entry.data.hex(',')}"
