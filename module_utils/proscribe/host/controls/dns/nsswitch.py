"""The line `hosts` of /etc/nsswitch.conf, by which the C library (and Go's) chooses whom it asks for names first.

Where that is not the hosts file, our block in it has no effect. Then a line of ours stands at the beginning of the
file, and the organisation's are put into comments. `lift` takes them out again, byte for byte.
"""

from __future__ import annotations

from typing import Iterator

from ....base.tuples import NamedTuple
from ...system import SIGNATURE, WRITTEN_BY
from .block import BEGIN, END, NEW_FILE

PATH = "/etc/nsswitch.conf"
_ASIDE = b"#proscribe# "
_NOTE = b"# " + SIGNATURE.encode()
_USUAL = "dns"  # where the organisation names nothing


class Split(NamedTuple):
    """The file, taken apart."""

    ours: bytes
    foreign: bytes
    made: bool = False  # the file came with the line: there was none before


def split(content: bytes) -> Split:
    """Take the file apart. Only lines as we write them are ours: what follows on a lost end is the organisation's."""
    lines = content.splitlines(keepends=True)
    made = content.startswith(BEGIN + NEW_FILE)
    size = 0
    if content.startswith(BEGIN):
        forms = (lambda line: line.startswith(_NOTE), _is_hosts, lambda line: line.rstrip() == END)
        size = 1
        for fits in forms:
            size += size < len(lines) and fits(lines[size])
    foreign = (line[len(_ASIDE) :] if line.startswith(_ASIDE) else line for line in lines[size:])
    return Split(b"".join(lines[:size]), b"".join(foreign), made)


def with_files_first(foreign: bytes, made: bool) -> bytes:
    """The file with a line of ours, in which the hosts file comes first and the rest is as the organisation has it."""
    named = [one for line in _lines(foreign)[-1:] for one in _services(line)] or [(_USUAL, "")]
    rest = " ".join(f"{name} {actions}".rstrip() for name, actions in named if name != "files")
    head = [BEGIN + NEW_FILE * made, f"# {WRITTEN_BY}".encode(), f"hosts: files {rest}".rstrip().encode(), END, b""]
    lines = (_ASIDE + line if _is_hosts(line) else line for line in foreign.splitlines(keepends=True))
    return b"\n".join(head) + b"".join(lines)


def amiss(content: bytes) -> str:
    """What in the line keeps the hosts file from being asked first; "" for nothing, and for no line at all: what then
    counts, the C library has built in. Of several lines some C libraries take the first, others the last.
    """
    return next(filter(None, map(_amiss, _lines(content))), "")


def begins_with_files(content: bytes) -> bool:
    """Whether there is one line `hosts`, and its first source is `files`, without an action: nothing is to correct."""
    return [_services(line)[:1] for line in _lines(content)] == [[("files", "")]]


def _amiss(line: bytes) -> str:
    named = _services(line)
    names = [name for name, _ in named]
    if "files" not in names:
        return "has no `files` in its line `hosts`"
    first = names.index("files")
    if "dns" in names[:first]:
        return "has `dns` before `files` in its line `hosts`"
    actions = named[first][1]
    return "" if _ends_with_success(actions) else f"goes on after `files` ({actions}) in its line `hosts`"


def _lines(content: bytes) -> list[bytes]:
    return [line for line in content.splitlines() if _is_hosts(line)]


def _services(line: bytes) -> list[tuple[str, str]]:
    """What a line names, each with the actions behind it ("[NOTFOUND=return]")."""
    text = line.decode("utf-8", "replace").partition("#")[0].strip()[len("hosts") :]
    found: list[tuple[str, str]] = []
    for word in _words(text.lstrip(": \t")):
        if not word.startswith("["):
            found.append((word, ""))
        elif found:
            found[-1] = found[-1][0], f"{found[-1][1]} {word}".lstrip()
    return found


def _words(text: str) -> Iterator[str]:
    for part in text.replace("[", "\n[").replace("]", "]\n").split("\n"):
        if part.startswith("["):
            yield part
        else:
            yield from part.split()


def _is_hosts(line: bytes) -> bool:
    words = line.replace(b":", b" ", 1).split()
    return words[:1] == [b"hosts"]


def _ends_with_success(actions: str) -> bool:
    """Whether the search ends with what a module has found (nsswitch.conf(5))."""
    ends = True
    for word in actions.strip("[] ").lower().replace("]", " ").replace("[", " ").split():
        status, _, action = word.partition("=")
        if (status == "success") or (status.startswith("!") and status != "!success"):
            ends = action == "return"
    return ends
