"""Parser for the answer of a Windows host.

From bytes it makes the version, the running programs and the registry. The bytes are UTF-8 if the console could be
switched to it. Otherwise they are UTF-16, or in a code page of the host's language; the answer has the code page's
number. Bytes that cannot be decoded are replaced. A letter that the code page lacks arrives as `?`.
"""

from __future__ import annotations

import codecs
import csv
import re
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from ...wire.answers.value_readers import UnusableAnswer, read_name
from .command_line import (
    ARCHITECTURE_PART,
    BEGIN_PART,
    CODE_PAGE_PART,
    CODE_PAGES_KEY,
    DONE_MARK,
    END_PART,
    FAILED_MARK,
    LIST_PART,
    SERVICE_PART,
    TASKS_PART,
    TREE_PART,
    USERS_HIVE,
)
from .registry import WindowsRegistry, normalise_key

MAX_LINES = 1_000_000
MAX_TASKS = 50_000
# Key: number of a code page. Value: Python's codec for it, if the codec is not named cp<number>.
CODECS_BY_CODE_PAGE = {54936: "gb18030", 20866: "koi8-r", 28591: "latin-1"}
_NUMBER_PATTERN = re.compile(r"\d{3,5}")
_VERSION_PATTERN = re.compile(r"\d{1,3}\.\d{1,3}\.\d{1,6}(?:\.\d{1,6})?")
USERS_PREFIX = normalise_key(f"{USERS_HIVE}\\x").removesuffix("x")
SERVICES_IMAGE = "svchost.exe"  # image name (file name of the program) of processes that run Windows services


class WindowsTask(NamedTuple):
    """A running program: its image name (the file name of the program) and its process id."""

    image: str
    pid: int


class WindowsAnswer(NamedTuple):
    """The parsed answer of a Windows host."""

    version: str  # of Windows; "" if unknown
    architecture: str
    is_narrow: bool  # a 32-bit shell answered on a 64-bit host, so only the 32-bit view of the registry is known
    tasks: Sequence[WindowsTask] | None  # running programs; None if they could not be listed
    registry: WindowsRegistry
    is_applier_running: bool | None = None  # whether the service runs that applies AppLocker's rules; None if unknown


class _AnswerPart(NamedTuple):
    """A part of the answer: the output of one command on the host, from one line with the token to the next."""

    kind: str  # LIST_PART, TASKS_PART or another constant of command_line.py
    argument: str  # the registry key of LIST_PART and TREE_PART; else ""
    lines: list[str]
    is_complete: bool  # the host's command for this part succeeded


def parse_answer(output: bytes, token: str) -> WindowsAnswer:
    """Parse the output of a Windows host.

    A line that begins with `token` starts each part of the output. Raises UnusableAnswer if the output is no complete
    answer, or too large.
    """
    text = _decode_output(output, token)
    parts = list(_split_parts(text, token))
    if not parts or parts[0].kind != BEGIN_PART or parts[-1].kind != END_PART:
        raise UnusableAnswer("it is no whole answer of a Windows command line")
    registry = WindowsRegistry()
    tasks: list[WindowsTask] | None = None
    is_applier_running: bool | None = None
    for part in parts:
        if part.kind in (LIST_PART, TREE_PART) and part.is_complete:
            _read_registry_part(registry, part)
        elif part.kind == TASKS_PART and part.is_complete:
            # an empty list is invalid, because at least the listing program itself runs
            tasks = _parse_tasks(part.lines) or None
        elif part.kind == SERVICE_PART and part.is_complete:
            processes = {task.image.casefold() for task in _parse_tasks(part.lines)}
            # If other images are listed, the filter for the service had no effect, and the result is unknown.
            is_applier_running = bool(processes) if processes <= {SERVICES_IMAGE} else None
    version = _VERSION_PATTERN.search(" ".join(parts[0].lines)[:1000])
    settings = dict(line.partition("=")[::2] for part in parts if part.kind == ARCHITECTURE_PART for line in part.lines)
    host_architecture = settings.get("PROCESSOR_ARCHITEW6432", "")
    architecture = read_name(host_architecture or settings.get("PROCESSOR_ARCHITECTURE", ""), "architecture", 40)
    return WindowsAnswer(
        version[0] if version else "",
        architecture,
        bool(host_architecture),
        tasks,
        registry,
        is_applier_running,
    )


def _read_registry_part(registry: WindowsRegistry, part: _AnswerPart) -> None:
    """Add a part of the answer to the registry.

    An invalid part with keys of the machine makes the answer unusable: raises UnusableAnswer. An invalid part with a
    user's keys is left out, so these keys stay unknown. Otherwise a user could make the answer unusable with excessive
    data.
    """
    try:
        registry.read_query(part.argument, part.lines, part.kind == TREE_PART)
    except UnusableAnswer:
        if not normalise_key(part.argument).startswith(USERS_PREFIX):
            raise


def _split_parts(text: str, token: str) -> Iterator[_AnswerPart]:
    """Yield the parts of the answer.

    A line with `token` begins a part, or has the result of its command (DONE_MARK, FAILED_MARK). Lines before the first
    part are dropped. Raises UnusableAnswer if there are too many lines.
    """
    kind, argument, lines, is_complete = "", "", [], False
    for count, line in enumerate(text.split("\n")):
        if count > MAX_LINES:
            raise UnusableAnswer(f"it has more than {MAX_LINES:,} lines")
        line = line.rstrip("\r")
        if not line.startswith(f"{token} "):
            lines.append(line)
            continue
        word, _, argument_text = line[len(token) + 1 :].partition(" ")
        if word.strip() in (DONE_MARK, FAILED_MARK):
            is_complete = word.strip() == DONE_MARK
            continue
        if kind:
            yield _AnswerPart(kind, argument, lines, is_complete)
        kind, argument, lines, is_complete = word, argument_text.strip(), [], False
    if kind:
        yield _AnswerPart(kind, argument, lines, is_complete)


def _decode_output(output: bytes, token: str) -> str:
    """Return the host's output as text, from the first `token`; bytes that cannot be decoded are replaced."""
    if token.encode("utf-16-le") in output:
        return output[output.find(token.encode("utf-16-le")) :].decode("utf-16-le", "replace")
    output = output[max(output.find(token.encode()), 0) :]
    try:
        return output.decode("utf-8")
    except UnicodeDecodeError:
        return output.decode(_find_codec(_find_code_page(output, token)), "replace")


def _find_codec(code_page: int) -> str:
    """Return Python's codec for a code page; `ascii` if Python has none."""
    codec = CODECS_BY_CODE_PAGE.get(code_page, f"cp{code_page}")
    try:
        codecs.lookup(codec)
    except LookupError:
        return "ascii"
    return codec


def _find_code_page(output: bytes, token: str) -> int:
    """Return the number of the host's code page; 0 if it is unknown.

    `chcp` prints a translated text that contains the number. Without a console, programs use the system's code page,
    whose number is in the registry.
    """
    text = output.decode("ascii", "replace")
    _, separator, following_text = text.partition(f"{token} {CODE_PAGE_PART}")
    numbers = _NUMBER_PATTERN.findall(following_text[:2000].partition(f"{token} ")[0]) if separator else []
    if numbers:
        return int(numbers[-1])
    _, separator, following_text = text.partition(f"{token} {LIST_PART} {CODE_PAGES_KEY}")
    match = re.search(r" {4}OEMCP {4}REG_SZ {4}(\d{3,5})\b", following_text[:20_000]) if separator else None
    return int(match[1]) if match else 0


def _parse_tasks(lines: Sequence[str]) -> list[WindowsTask]:
    """Parse the output of `tasklist /fo csv /nh`: image name and process id of each running program.

    The later columns are in the host's language and not needed.
    """
    tasks = []
    try:
        for row in csv.reader(line for line in lines if line):
            if len(row) >= 2 and row[1].isascii() and row[1].isdigit() and len(row[1]) < 12:
                tasks.append(WindowsTask(read_name(row[0], "an image name", 260), int(row[1])))
            if len(tasks) > MAX_TASKS:
                raise UnusableAnswer(f"more than {MAX_TASKS:,} programs run")
    except csv.Error as error:
        raise UnusableAnswer(f"its list of programs cannot be read: {error}") from None
    return tasks
