"""Tests that are loaded once. Each run of some of them is a fork of their process, in which functions have other code.

This file is a plugin of pytest that answers requests instead of running the tests, and the client of it (`Client`).
What an import made of a function before the fork stays, such as a cache or the parameters of a test. So a test that
fails here has noticed the mistake, and one that passes has to run in a process of its own.
"""

import contextlib
import gc
import inspect
import json
import os
import select
import signal
import socket
import sys
import tempfile
from collections.abc import Collection, Sequence
from pathlib import Path
from types import CodeType, FunctionType
from typing import NamedTuple

import pytest

DESCRIPTOR = "PROSCRIBE_MUTATION_SOCKET"  # the environment variable that names the descriptor of the socket
CODE_FIELDS = (
    *("co_code", "co_names", "co_varnames", "co_freevars", "co_cellvars", "co_argcount", "co_kwonlyargcount"),
    *("co_posonlyargcount", "co_flags", "co_exceptiontable"),
)


class Mistake(NamedTuple):
    """A file, as a path below the directory, with another text."""

    file: str
    before: str
    after: str


class Request(NamedTuple):
    """The tests to run, and those to leave out, by their node ids or files."""

    mistakes: Sequence[Mistake]
    tests: Sequence[str]
    without: Collection[str]
    home: str  # where they may write
    seconds: float  # for all of them


class Answer(NamedTuple):
    """The end of a run: impossible where a test is not loaded, or where code differs that only an import runs."""

    possible: bool
    code: int | None  # pytest's: 0 or 1; None if the tests hang, or end without a word
    failed: str  # the first test that fails


NOT_POSSIBLE = Answer(False, None, "")
Changes = list[tuple[CodeType, CodeType]]


class Client:
    """The end of the socket that asks."""

    def __init__(self, own):
        self._stream = own.makefile("rw", encoding="utf-8")

    def run(self, request):
        """Run tests with mistakes."""
        reply = ""
        with contextlib.suppress(OSError):  # the process has ended
            print(json.dumps(request), file=self._stream, flush=True)
            reply = self._stream.readline()
        return Answer(*json.loads(reply)) if reply else NOT_POSSIBLE


class Server:
    """The loaded tests, and all functions of this process."""

    def __init__(self, session):
        self.session = session
        self.tests = {}  # by their node ids, and by their files
        for item in session.items:
            for word in {item.nodeid, item.nodeid.partition("::")[0]}:
                self.tests.setdefault(word, []).append(item)
        self.functions = {}  # by their files and names
        for function in gc.get_objects():
            if isinstance(function, FunctionType):
                file = os.path.relpath(function.__code__.co_filename, Path.cwd())
                self.functions.setdefault((file, function.__code__.co_name), []).append(function)

    def answer(self, request):
        """Run tests in a fork."""
        changes = {mistake.file: compare_texts(mistake) for mistake in request.mistakes}
        if None in changes.values() or not all(word in self.tests for word in request.tests):
            return NOT_POSSIBLE
        reading, writing = os.pipe()
        child = os.fork()
        if not child:
            try:
                os.setsid()
                os.write(writing, json.dumps(self._run(request, changes)).encode())
            finally:
                os._exit(0)
        os.close(writing)
        ready, _, _ = select.select([reading], [], [], request.seconds)
        reply = os.read(reading, 1 << 16) if ready else b""
        os.close(reading)
        with contextlib.suppress(ProcessLookupError):
            os.killpg(child, signal.SIGKILL)
        os.waitpid(child, 0)
        return Answer(*json.loads(reply)) if reply else Answer(True, None, "")

    def _run(self, request, changes):
        os.environ |= {"HOME": request.home, "TMPDIR": request.home, "ANSIBLE_REMOTE_TEMP": f"{request.home}/remote"}
        tempfile.tempdir = None
        if not all(self._exchange(file, before, after) for file in changes for before, after in changes[file] or ()):
            return NOT_POSSIBLE
        items = dict.fromkeys(item for word in request.tests for item in self.tests[word])
        self.session.items[:] = [item for item in items if item.nodeid not in request.without]
        for item, following in zip(self.session.items, [*self.session.items[1:], None], strict=True):
            item.config.hook.pytest_runtest_protocol(item=item, nextitem=following)
            if _failed:
                return Answer(True, 1, _failed[0])
        return Answer(True, 0, "")

    def _exchange(self, file, before, after):
        """Give functions other code. Return False if one of them cannot have it."""
        for function in self.functions.get((file, before.co_name), ()):
            code = function.__code__
            if code.co_firstlineno == before.co_firstlineno and list_changes(code, before) == []:
                try:
                    function.__code__ = after
                except ValueError:  # it closes over other names
                    return False
        return True


_failed = []


def pytest_runtest_logreport(report):
    if report.failed:
        _failed.append(report.nodeid)


@pytest.hookimpl(tryfirst=True)
def pytest_runtestloop(session):
    server = Server(session)
    gc.freeze()
    with socket.socket(fileno=int(os.environ.pop(DESCRIPTOR))) as own, own.makefile("rw", encoding="utf-8") as stream:
        own.set_inheritable(False)
        for line in iter(stream.readline, ""):
            mistakes, *rest = json.loads(line)
            answer = server.answer(Request([Mistake(*mistake) for mistake in mistakes], *rest))
            print(json.dumps(answer), file=stream, flush=True)
    return True


def compare_texts(mistake):
    """Return the functions that differ between the texts of a mistake."""
    before, after = (compile(text, mistake.file, "exec", dont_inherit=True) for text in mistake[1:])
    return list_changes(before, after)


def list_changes(before, after):
    """List the functions that differ, with those around them. Return None if code outside of functions differs."""
    inside, inside_after = list(_list_nested(before)), list(_list_nested(after))
    is_same = _read_fields(before) == _read_fields(after)
    is_function = bool(before.co_flags & inspect.CO_OPTIMIZED)
    if not is_function and not is_same:
        return None
    changes = []
    for code, other in zip(inside, inside_after, strict=False) if len(inside) == len(inside_after) else ():
        nested = list_changes(code, other)
        if nested is None:
            return [(before, after)] if is_function else None
        changes += nested
    return [(before, after), *changes] if is_function and (changes or not is_same) else changes


def _read_fields(code):
    constants = [(type(value), value) for value in code.co_consts if not isinstance(value, CodeType)]
    if not code.co_flags & inspect.CO_OPTIMIZED and code.co_name != "<module>":
        constants = [value for value in constants if value != (int, code.co_firstlineno)]  # of a class of Python 3.13
    return constants, len(list(_list_nested(code))), code.co_name, *(getattr(code, name, 0) for name in CODE_FIELDS)


def _list_nested(code):
    return (value for value in code.co_consts if isinstance(value, CodeType))


if __name__ == "__main__":
    sys.exit(pytest.main(plugins=[sys.modules[__name__]]))
