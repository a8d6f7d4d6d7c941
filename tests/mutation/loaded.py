"""Tests that are loaded once: each run of some of them is a fork of their process, in which functions have other code.

This is a plugin of pytest, which answers requests instead of running the tests, and the other end of it (`Answers`).
What was made of a function before the fork stays as it was (a cache that an import filled, a table of a test's
parameters): a test that fails here has noticed the mistake, but one that passes has to run in a process of its own yet.
"""

from __future__ import annotations

import contextlib
import gc
import inspect
import json
import os
import select
import signal
import sys
import tempfile
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from types import CodeType, FunctionType
from typing import NamedTuple

import pytest

REQUESTS, REPLIES = "PROSCRIBE_MUTATION_REQUESTS", "PROSCRIBE_MUTATION_REPLIES"
OWN = (
    "co_code", "co_names", "co_varnames", "co_freevars", "co_cellvars", "co_argcount", "co_kwonlyargcount",
    "co_posonlyargcount", "co_flags", "co_exceptiontable",
)  # fmt: skip


class Mistake(NamedTuple):
    """A file, as a path below the directory, with another text."""

    file: str
    before: str
    after: str


class Request(NamedTuple):
    """Tests to run, by their node ids or files, and those of them to leave out; where they may write, and how long all
    of them may take.
    """

    mistakes: Sequence[Mistake]
    tests: Sequence[str]
    without: Collection[str]
    home: str
    seconds: float


class Answer(NamedTuple):
    """How tests ended. It is not possible to run them where one is not loaded, or where the texts differ in what only
    an import runs.
    """

    possible: bool
    code: int | None  # pytest's: 0 or 1; None where they hang, or end without a word
    failed: str  # the first test that fails


NOT_POSSIBLE = Answer(False, None, "")


class Answers:
    """The end that asks, of two pipes."""

    def __init__(self, requests: int, replies: int) -> None:
        self._requests = os.fdopen(requests, "w", encoding="utf-8")
        self._replies = os.fdopen(replies, encoding="utf-8")

    def run(self, request: Request) -> Answer:
        """Run tests with mistakes."""
        try:
            print(json.dumps(request), file=self._requests, flush=True)
            reply = self._replies.readline()
        except BrokenPipeError:  # the process has ended
            return NOT_POSSIBLE
        return Answer(*json.loads(reply)) if reply else NOT_POSSIBLE

    def end(self) -> None:
        """Ask nothing any more, so that the process ends."""
        self._requests.close()
        self._replies.close()


Functions = Mapping[tuple[str, str], Sequence[FunctionType]]
Tests = Mapping[str, Sequence[pytest.Item]]

_failed: list[str] = []


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    if report.failed:
        _failed.append(report.nodeid)


@pytest.hookimpl(tryfirst=True)
def pytest_runtestloop(session: pytest.Session) -> bool:
    """Answer requests instead of running the tests."""
    requests, replies = int(os.environ.pop(REQUESTS)), int(os.environ.pop(REPLIES))
    for descriptor in (requests, replies):
        os.set_inheritable(descriptor, False)
    functions, tests = _functions(), _by_word(session.items)
    gc.freeze()
    with os.fdopen(requests, encoding="utf-8") as incoming, os.fdopen(replies, "w", encoding="utf-8") as answers:
        for line in incoming:
            mistakes, *rest = json.loads(line)
            request = Request([Mistake(*mistake) for mistake in mistakes], *rest)
            print(json.dumps(_answer(session, functions, tests, request)), file=answers, flush=True)
    return True


def _answer(session: pytest.Session, functions: Functions, tests: Tests, request: Request) -> Answer:
    changes = [_changes(mistake) for mistake in request.mistakes]
    if None in changes or not all(word in tests for word in request.tests):
        return NOT_POSSIBLE
    reading, writing = os.pipe()
    child = os.fork()
    if not child:
        os.setsid()
        _at_home(request.home)
        answer = NOT_POSSIBLE
        if all(_exchange(functions, file, change or ()) for (file, *_), change in zip(request.mistakes, changes)):
            items = dict.fromkeys(item for word in request.tests for item in tests[word])
            failed = _first_failing(session, [item for item in items if item.nodeid not in request.without])
            answer = Answer(True, 1 if failed else 0, failed)
        os.write(writing, json.dumps(answer).encode())
        os._exit(0)
    os.close(writing)
    ready, _, _ = select.select([reading], [], [], request.seconds)
    said = os.read(reading, 1 << 16) if ready else b""
    os.close(reading)
    with contextlib.suppress(ProcessLookupError):
        os.killpg(child, signal.SIGKILL)
    os.waitpid(child, 0)
    return Answer(*json.loads(said)) if said else Answer(True, None, "")


def _changes(mistake: Mistake) -> list[tuple[CodeType, CodeType]] | None:
    before, after = (compile(text, mistake.file, "exec", dont_inherit=True) for text in mistake[1:])
    return differing(before, after)


def _at_home(home: str) -> None:
    """Let a run have its own directory for what tests write."""
    os.environ |= {"HOME": home, "TMPDIR": home, "ANSIBLE_REMOTE_TEMP": f"{home}/remote"}
    tempfile.tempdir = None


def _first_failing(session: pytest.Session, items: Sequence[pytest.Item]) -> str:
    """Run tests up to the first that fails, and name it."""
    session.items[:] = items
    for index, item in enumerate(items):
        following = items[index + 1] if index + 1 < len(items) else None
        item.config.hook.pytest_runtest_protocol(item=item, nextitem=following)
        if _failed:
            return _failed[0]
    return ""


def _by_word(items: Iterable[pytest.Item]) -> dict[str, list[pytest.Item]]:
    """The tests by their node ids, and by the files that they are in."""
    found: dict[str, list[pytest.Item]] = {}
    for item in items:
        found.setdefault(item.nodeid, []).append(item)
        found.setdefault(item.nodeid.partition("::")[0], []).append(item)
    return found


def _functions() -> dict[tuple[str, str], list[FunctionType]]:
    """All functions of this process, by their file below the directory and their name."""
    found: dict[tuple[str, str], list[FunctionType]] = {}
    for one in gc.get_objects():
        if isinstance(one, FunctionType):
            found.setdefault((_below(one.__code__.co_filename), one.__code__.co_name), []).append(one)
    return found


def _below(path: str) -> str:
    return os.path.relpath(path, Path.cwd()) if os.path.isabs(path) else path


def _exchange(functions: Functions, file: str, changes: Iterable[tuple[CodeType, CodeType]]) -> bool:
    """Give the functions of a file their other code; False where one cannot have it."""
    for before, after in changes:
        for one in functions.get((file, before.co_name), ()):
            if one.__code__.co_firstlineno == before.co_firstlineno and differing(one.__code__, before) == []:
                try:
                    one.__code__ = after
                except ValueError:  # it closes over other names
                    return False
    return True


def differing(before: CodeType, after: CodeType) -> list[tuple[CodeType, CodeType]] | None:
    """The functions that differ between two texts of a module, with those that contain them; None where what is
    outside functions differs.
    """
    inside, inside_after = list(_nested(before)), list(_nested(after))
    same = _own(before) == _own(after)
    is_function = bool(before.co_flags & inspect.CO_OPTIMIZED)
    if not is_function and not same:
        return None
    found: list[tuple[CodeType, CodeType]] = []
    for one, other in zip(inside, inside_after, strict=False) if len(inside) == len(inside_after) else ():
        changes = differing(one, other)
        if changes is None:
            return None if not is_function else [(before, after)]
        found += changes
    return [(before, after), *found] if is_function and (found or not same) else found


def _own(code: CodeType) -> tuple[object, ...]:
    constants = [(type(one), one) for one in code.co_consts if not isinstance(one, CodeType)]
    if not code.co_flags & inspect.CO_OPTIMIZED and code.co_name != "<module>":
        constants = [one for one in constants if one != (int, code.co_firstlineno)]  # Python 3.13 has a class keep it
    return (constants, len(list(_nested(code))), code.co_name, *(getattr(code, name, None) for name in OWN))


def _nested(code: CodeType) -> Iterator[CodeType]:
    return (one for one in code.co_consts if isinstance(one, CodeType))


if __name__ == "__main__":
    sys.exit(pytest.main(plugins=[sys.modules[__name__]]))
