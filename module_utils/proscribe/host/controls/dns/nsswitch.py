"""The line `hosts` of /etc/nsswitch.conf. It decides where the C library (and Go's) looks up a name first.

If the first source is not the hosts file, Proscribe's block in the hosts file has no effect. Then Proscribe puts its
own line `hosts` at the beginning of the file, and turns the organisation's lines `hosts` into comments. `lift` restores
these lines byte for byte.
"""

from __future__ import annotations

from typing import Iterator

from ....base.named_tuple import NamedTuple
from ...system import SIGNATURE, WRITTEN_BY
from .hosts_block import BEGIN_MARKER, END_MARKER, NEW_FILE_NOTE

NSSWITCH_PATH = "/etc/nsswitch.conf"
_COMMENTED_PREFIX = b"#proscribe# "
_NOTE_LINE = b"# " + SIGNATURE.encode()
_DEFAULT_SERVICE = "dns"  # used if the organisation's file has no line `hosts`


class NsswitchParts(NamedTuple):
    """The file, split into Proscribe's lines (`own_lines`) and the organisation's lines (`foreign_lines`).

    The organisation's lines are as they were before Proscribe turned them into comments.
    """

    own_lines: bytes
    foreign_lines: bytes
    is_new_file: bool = False  # Proscribe created the file


def split_nsswitch(content: bytes) -> NsswitchParts:
    """Split the file into Proscribe's lines and the organisation's lines.

    Only lines at the beginning that have the form of Proscribe's are Proscribe's. If the end marker is lost, the
    following lines are the organisation's.
    """
    lines = content.splitlines(keepends=True)
    is_new_file = content.startswith(BEGIN_MARKER + NEW_FILE_NOTE)
    own_line_count = 0
    if content.startswith(BEGIN_MARKER):
        # the expected lines after the begin marker; a missing line is skipped
        line_tests = (
            lambda line: line.startswith(_NOTE_LINE),
            _is_hosts_line,
            lambda line: line.rstrip() == END_MARKER,
        )
        own_line_count = 1
        for is_expected_line in line_tests:
            own_line_count += own_line_count < len(lines) and is_expected_line(lines[own_line_count])
    foreign_lines = (
        line[len(_COMMENTED_PREFIX) :] if line.startswith(_COMMENTED_PREFIX) else line
        for line in lines[own_line_count:]
    )
    return NsswitchParts(b"".join(lines[:own_line_count]), b"".join(foreign_lines), is_new_file)


def insert_files_first(foreign_lines: bytes, is_new_file: bool) -> bytes:
    """Return the file with Proscribe's line `hosts` added.

    In that line, the hosts file comes before the organisation's sources. `is_new_file` adds the note that there was no
    file before.
    """
    # sources and their actions, from the last of the organisation's lines `hosts`
    name_services = [
        name_service for line in _list_hosts_lines(foreign_lines)[-1:] for name_service in _parse_services(line)
    ] or [(_DEFAULT_SERVICE, "")]
    other_services = " ".join(f"{name} {actions}".rstrip() for name, actions in name_services if name != "files")
    own_lines = [
        BEGIN_MARKER + NEW_FILE_NOTE * is_new_file,
        f"# {WRITTEN_BY}".encode(),
        f"hosts: files {other_services}".rstrip().encode(),
        END_MARKER,
        b"",
    ]
    lines = (
        _COMMENTED_PREFIX + line if _is_hosts_line(line) else line for line in foreign_lines.splitlines(keepends=True)
    )
    return b"\n".join(own_lines) + b"".join(lines)


def find_order_defect(content: bytes) -> str:
    """Return why a line `hosts` keeps the hosts file from being the first source; "" if no line does.

    Without any line `hosts`, the result is "": the C library then has its own default order. All lines are checked:
    of several lines, some C libraries use the first, others the last.
    """
    return next(filter(None, map(_find_line_defect, _list_hosts_lines(content))), "")


def has_files_first(content: bytes) -> bool:
    """Return whether there is a single line `hosts`, and its first source is `files` without an action in brackets."""
    return [_parse_services(line)[:1] for line in _list_hosts_lines(content)] == [[("files", "")]]


def _find_line_defect(line: bytes) -> str:
    """Return why a line `hosts` keeps the hosts file from being the first source; "" if it does not."""
    name_services = _parse_services(line)
    names = [name for name, _ in name_services]
    if "files" not in names:
        return "has no `files` in its line `hosts`"
    files_index = names.index("files")
    if "dns" in names[:files_index]:
        return "has `dns` before `files` in its line `hosts`"
    actions = name_services[files_index][1]
    return "" if _is_ended_by_success(actions) else f"goes on after `files` ({actions}) in its line `hosts`"


def _list_hosts_lines(content: bytes) -> list[bytes]:
    return [line for line in content.splitlines() if _is_hosts_line(line)]


def _parse_services(line: bytes) -> list[tuple[str, str]]:
    """Return the sources in a line `hosts`, each with the actions behind it: "[NOTFOUND=return]", or ""."""
    text = line.decode("utf-8", "replace").partition("#")[0].strip()[len("hosts") :]
    name_services: list[tuple[str, str]] = []
    for word in _split_words(text.lstrip(": \t")):
        if not word.startswith("["):
            name_services.append((word, ""))
        elif name_services:
            name_services[-1] = name_services[-1][0], f"{name_services[-1][1]} {word}".lstrip()
    return name_services


def _split_words(text: str) -> Iterator[str]:
    """Yield the words of a text. The text from "[" to "]" is one word."""
    for part in text.replace("[", "\n[").replace("]", "]\n").split("\n"):
        if part.startswith("["):
            yield part
        else:
            yield from part.split()


def _is_hosts_line(line: bytes) -> bool:
    words = line.replace(b":", b" ", 1).split()
    return words[:1] == [b"hosts"]


def _is_ended_by_success(actions: str) -> bool:
    """Return whether the lookup ends as soon as a source has an answer (nsswitch.conf(5)).

    `actions` are the actions behind the source in the line. Without actions, the lookup ends. `[SUCCESS=continue]` lets
    it go on.
    """
    is_ending = True
    for word in actions.strip("[] ").lower().replace("]", " ").replace("[", " ").split():
        status, _, action = word.partition("=")
        # "!notfound" means every status but notfound, so success too
        if (status == "success") or (status.startswith("!") and status != "!success"):
            is_ending = action == "return"
    return is_ending
