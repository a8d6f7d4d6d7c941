"""What a Windows host printed, from bytes to typed parts: its version, its programs that run, its registry.

The bytes are in UTF-8 where the console could be switched to it. Else they are in a code page of the host's language,
which is named by its number, or in UTF-16. What cannot be decoded is replaced, and then nobody compares names with it.
"""

from __future__ import annotations

import codecs
import csv
import re
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from ...wire.replies.shapes import UnusableAnswer, read_name
from .command import ARCHITECTURE, BEGIN, CODE_PAGE, CODE_PAGES, DONE, END, FAILED, LIST, SERVICE, TASKS, TREE, USERS
from .registry import Registry, folded

MOST_LINES = 1_000_000
MOST_TASKS = 50_000
UTF_8 = 65001
# Code pages by number, where Python's name of the codec is another than cp<number>.
CODECS = {54936: "gb18030", 20866: "koi8-r", 28591: "latin-1"}
_NUMBER = re.compile(r"\d{3,5}")
_VERSION = re.compile(r"\d{1,3}\.\d{1,3}\.\d{1,6}(?:\.\d{1,6})?")
OF_USERS = folded(f"{USERS}\\x").removesuffix("x")
HOSTS_SERVICES = "svchost.exe"  # the image of the processes in which Windows' own services run
REPLACED = "\N{REPLACEMENT CHARACTER}"


class Task(NamedTuple):
    """A program that runs."""

    image: str
    pid: int


class Answer(NamedTuple):
    """What a host said."""

    version: str  # of Windows, "" where it does not say
    architecture: str
    narrow: bool  # whether a program of 32 bits answered on a host of 64, which sees the registry of the former
    exact: bool  # whether names of every script come through, so that one can be compared
    tasks: Sequence[Task] | None  # None: they could not be listed
    registry: Registry
    applier: bool | None = None  # whether the service runs that applies AppLocker's rules; None: it does not say


class _Part(NamedTuple):
    kind: str
    argument: str
    lines: list[str]
    ended: bool  # well


def read(printed: bytes, mark: str) -> Answer:
    """What a host printed, whose parts begin with a token. Raises Unusable for what is no whole answer."""
    text, exact = _text(printed, mark)
    parts = list(_parts(text, mark))
    if not parts or parts[0].kind != BEGIN or parts[-1].kind != END:
        raise UnusableAnswer("it is no whole answer of a Windows command line")
    registry = Registry()
    tasks: list[Task] | None = None
    applier: bool | None = None
    for part in parts:
        if part.kind in (LIST, TREE) and part.ended:
            _take(registry, part)
        elif part.kind == TASKS and part.ended:
            tasks = _tasks(part.lines) or None  # what prints the list runs itself
        elif part.kind == SERVICE and part.ended:
            processes = {task.image.casefold() for task in _tasks(part.lines)}
            applier = bool(processes) if processes <= {HOSTS_SERVICES} else None  # a list of all is none of a service
    version = _VERSION.search(" ".join(parts[0].lines)[:1000])
    said = dict(line.partition("=")[::2] for part in parts if part.kind == ARCHITECTURE for line in part.lines)
    wider = said.get("PROCESSOR_ARCHITEW6432", "")
    architecture = read_name(wider or said.get("PROCESSOR_ARCHITECTURE", ""), "architecture", 40)
    return Answer(version[0] if version else "", architecture, bool(wider), exact, tasks, registry, applier)


def _take(registry: Registry, part: _Part) -> None:
    """Take in a part of the registry. What is too much is unknown where a user wrote it, and else no answer at all."""
    try:
        registry.take(part.argument, part.lines, part.kind == TREE)
    except UnusableAnswer:
        if not folded(part.argument).startswith(OF_USERS):
            raise


def _parts(text: str, mark: str) -> Iterator[_Part]:
    kind, argument, lines, ended = "", "", [], False
    for count, line in enumerate(text.split("\n")):
        if count > MOST_LINES:
            raise UnusableAnswer(f"it has more than {MOST_LINES:,} lines")
        line = line.rstrip("\r")
        if not line.startswith(f"{mark} "):
            lines.append(line)
            continue
        word, _, rest = line[len(mark) + 1 :].partition(" ")
        if word.strip() in (DONE, FAILED):
            ended = word.strip() == DONE
            continue
        if kind:
            yield _Part(kind, argument, lines, ended)
        kind, argument, lines, ended = word, rest.strip(), [], False
    if kind:
        yield _Part(kind, argument, lines, ended)


def _text(printed: bytes, mark: str) -> tuple[str, bool]:
    """The text, and whether names of every script came through."""
    if mark.encode("utf-16-le") in printed:
        start = printed.find(mark.encode("utf-16-le"))
        return _decoded(printed[start:], "utf-16-le")
    start = max(printed.find(mark.encode()), 0)
    printed = printed[start:]
    number = _code_page(printed, mark)
    try:
        # Letters beyond ASCII that are no UTF-8 by chance only; without them nobody knows what a `?` stands for.
        return printed.decode("utf-8"), number == UTF_8 or not printed.isascii()
    except UnicodeDecodeError:
        text, _ = _decoded(printed, _codec(number))
        return text, False  # a code page has the letters of some scripts, and `?` for all others


def _decoded(printed: bytes, codec: str) -> tuple[str, bool]:
    text = printed.decode(codec, "replace")
    return text, REPLACED not in text


def _codec(number: int) -> str:
    codec = CODECS.get(number, f"cp{number}")
    try:
        codecs.lookup(codec)
    except LookupError:
        return "ascii"
    return codec


def _code_page(printed: bytes, mark: str) -> int:
    """The number of the code page in which the host printed; 0 where it does not say. `chcp` prints a translated text
    with the number in it; where there is no console, it is that of the system, which the registry has.
    """
    text = printed.decode("ascii", "replace")
    _, there, rest = text.partition(f"{mark} {CODE_PAGE}")
    numbers = _NUMBER.findall(rest[:2000].partition(f"{mark} ")[0]) if there else []
    if numbers:
        return int(numbers[-1])
    _, there, rest = text.partition(f"{mark} {LIST} {CODE_PAGES}")
    oem = re.search(r" {4}OEMCP {4}REG_SZ {4}(\d{3,5})\b", rest[:20_000]) if there else None
    return int(oem[1]) if oem else 0


def _tasks(lines: Sequence[str]) -> list[Task]:
    """The programs of `tasklist /fo csv /nh`: image and number come first; what follows is in the host's language."""
    found = []
    try:
        for row in csv.reader(line for line in lines if line):
            if len(row) >= 2 and row[1].isascii() and row[1].isdigit() and len(row[1]) < 12:
                found.append(Task(read_name(row[0], "an image name", 260), int(row[1])))
            if len(found) > MOST_TASKS:
                raise UnusableAnswer(f"more than {MOST_TASKS:,} programs run")
    except csv.Error as wrong:
        raise UnusableAnswer(f"its list of programs cannot be read: {wrong}") from None
    return found
