"""The answer of a Windows host, from bytes to typed parts: its version, its running programs, its registry.

The bytes are UTF-8 if the console could be switched to it. Otherwise they are UTF-16 or in a code page of the host's
language, which the answer gives by number. Bytes that cannot be decoded are replaced; then names in other scripts are
not compared.
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
UTF_8_CODE_PAGE = 65001
# Code pages by number for which Python's codec is not called cp<number>.
CODECS_BY_CODE_PAGE = {54936: "gb18030", 20866: "koi8-r", 28591: "latin-1"}
_NUMBER_PATTERN = re.compile(r"\d{3,5}")
_VERSION_PATTERN = re.compile(r"\d{1,3}\.\d{1,3}\.\d{1,6}(?:\.\d{1,6})?")
USERS_PREFIX = normalise_key(f"{USERS_HIVE}\\x").removesuffix("x")
SERVICES_IMAGE = "svchost.exe"  # the image of processes that run services of Windows
REPLACEMENT_CHARACTER = "\N{REPLACEMENT CHARACTER}"


class WindowsTask(NamedTuple):
    """A running program."""

    image: str
    pid: int


class WindowsAnswer(NamedTuple):
    """The answer of a host."""

    version: str  # version of Windows; "" if unknown
    architecture: str
    is_narrow: bool  # a 32-bit program answered on a 64-bit host, so the answer has the 32-bit view of the registry
    is_exact: bool  # names in every script arrive intact, so they can be compared
    tasks: Sequence[WindowsTask] | None  # None if they could not be listed
    registry: WindowsRegistry
    is_applier_running: bool | None = None  # the service that applies AppLocker's rules runs; None if unknown


class _AnswerPart(NamedTuple):
    kind: str
    argument: str
    lines: list[str]
    is_complete: bool  # its command succeeded


def parse_answer(output: bytes, token: str) -> WindowsAnswer:
    """Parse the output of a host, in which a line with `token` begins each part.

    Raises UnusableAnswer for output that is no complete answer.
    """
    text, is_exact = _decode_output(output, token)
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
            tasks = _parse_tasks(part.lines) or None  # an empty list is invalid: the listing program itself runs
        elif part.kind == SERVICE_PART and part.is_complete:
            processes = {task.image.casefold() for task in _parse_tasks(part.lines)}
            # Other images: the filter for the service had no effect.
            is_applier_running = bool(processes) if processes <= {SERVICES_IMAGE} else None
    version = _VERSION_PATTERN.search(" ".join(parts[0].lines)[:1000])
    settings = dict(line.partition("=")[::2] for part in parts if part.kind == ARCHITECTURE_PART for line in part.lines)
    host_architecture = settings.get("PROCESSOR_ARCHITEW6432", "")
    architecture = read_name(host_architecture or settings.get("PROCESSOR_ARCHITECTURE", ""), "architecture", 40)
    return WindowsAnswer(
        version[0] if version else "",
        architecture,
        bool(host_architecture),
        is_exact,
        tasks,
        registry,
        is_applier_running,
    )


def _read_registry_part(registry: WindowsRegistry, part: _AnswerPart) -> None:
    """Add a part of the registry. An unusable part of a user's keys is unknown; other unusable parts raise.

    So a user's excessive data cannot make the whole answer unusable.
    """
    try:
        registry.read_query(part.argument, part.lines, part.kind == TREE_PART)
    except UnusableAnswer:
        if not normalise_key(part.argument).startswith(USERS_PREFIX):
            raise


def _split_parts(text: str, token: str) -> Iterator[_AnswerPart]:
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


def _decode_output(output: bytes, token: str) -> tuple[str, bool]:
    """Return the text, and True if names in every script arrived intact."""
    if token.encode("utf-16-le") in output:
        start = output.find(token.encode("utf-16-le"))
        return _decode_with_codec(output[start:], "utf-16-le")
    start = max(output.find(token.encode()), 0)
    output = output[start:]
    code_page = _find_code_page(output, token)
    try:
        # Non-ASCII text is valid UTF-8 only by intention. In pure ASCII a `?` may stand for any letter.
        return output.decode("utf-8"), code_page == UTF_8_CODE_PAGE or not output.isascii()
    except UnicodeDecodeError:
        text, _ = _decode_with_codec(output, _find_codec(code_page))
        return text, False  # a code page has the letters of some scripts, and prints `?` for others


def _decode_with_codec(output: bytes, codec: str) -> tuple[str, bool]:
    text = output.decode(codec, "replace")
    return text, REPLACEMENT_CHARACTER not in text


def _find_codec(code_page: int) -> str:
    codec = CODECS_BY_CODE_PAGE.get(code_page, f"cp{code_page}")
    try:
        codecs.lookup(codec)
    except LookupError:
        return "ascii"
    return codec


def _find_code_page(output: bytes, token: str) -> int:
    """Return the number of the host's code page; 0 if it is unknown.

    `chcp` prints a translated text that contains the number. Without a console the system's code page is used, which is
    in the registry.
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
    """Parse the programs of `tasklist /fo csv /nh`: image and pid. Later columns are in the host's language."""
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
