"""Tests that are loaded once: they notice mistakes in functions, and report where they cannot."""

import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest

PROJECT = Path(__file__).resolve().parents[5]
sys.path.append(str(PROJECT / "tests/mutation"))

from loaded import DESCRIPTOR, NOT_POSSIBLE, Answer, Client, Mistake, Request  # noqa: E402

MODULE = """
import functools
LIMIT = 3
def small(number):
    return number < LIMIT
class Sum:
    @functools.cached_property
    def of(self):
        return sum(map(lambda one: one + 1, self.parts))
    def __init__(self, *parts):
        self.parts = parts
def times(factor):
    def by(number):
        return number * factor
    return by
double = times(2)
"""
TESTS = """
import os, signal
from module import Sum, double, small
def test_small(tmp_path):
    (tmp_path / "file").touch()
    assert small(2) and not small(3)
def test_sum():
    assert Sum(1, 2).of == 5
def test_double():
    assert double(4) == 8
def test_not_alone():
    assert os.environ["HOME"].endswith("broken")
"""
SMALL, SUM, DOUBLE, BROKEN = (f"test_it.py::test_{name}" for name in ("small", "sum", "double", "not_alone"))


@pytest.fixture(scope="module")
def client(tmp_path_factory):
    place = tmp_path_factory.mktemp("loaded")
    (place / "module.py").write_text(MODULE)
    (place / "test_it.py").write_text(TESTS)
    (place / "pytest.ini").write_text("[pytest]\n")  # for an ordinary user, the directory is below the checkout
    own, other = socket.socketpair()
    with other:
        process = subprocess.Popen(
            [sys.executable, str(PROJECT / "tests/mutation/loaded.py"), "-p", "no:cacheprovider", "test_it.py"],
            cwd=place,
            env={**os.environ, DESCRIPTOR: str(other.fileno())},
            pass_fds=[other.fileno()],
            stdin=subprocess.DEVNULL,
        )
    yield Client(own)
    own.shutdown(socket.SHUT_RDWR)
    assert process.wait(60) == 0


PASSED = Answer(True, 0, "")


@pytest.mark.parametrize(
    ("before", "after", "tests", "answer"),
    [
        ("", "", [SMALL, SUM, DOUBLE], PASSED),
        ("< LIMIT", "<= LIMIT", [SUM, SMALL], Answer(True, 1, SMALL)),
        ("< LIMIT", "<= LIMIT", ["test_it.py"], Answer(True, 1, SMALL)),
        ("one + 1", "one - 1", ["test_it.py"], Answer(True, 1, SUM)),  # inside a function, and behind a decorator
        ("number * factor", "(\n\n number + factor)", ["test_it.py"], Answer(True, 1, DOUBLE)),  # made by an import
        ("return number <", "import os; os._exit(0)\n    return number <", [SMALL], Answer(True, None, "")),
        ("return by", "return lambda number: 0", [DOUBLE], PASSED),  # what was made before the fork stays
        ("LIMIT = 3", "LIMIT = 4", [SMALL], NOT_POSSIBLE),
        ("return number * factor", "return number", [DOUBLE], NOT_POSSIBLE),  # it closes over nothing any more
        ("< LIMIT", "<= LIMIT", ["test_other.py"], NOT_POSSIBLE),
    ],
)
def test_loaded_tests_notice_mistakes_in_functions(client, tmp_path, before, after, tests, answer):
    mistake = Mistake("module.py", MODULE, MODULE.replace(before, after) if before else MODULE)
    assert client.run(Request([mistake], tests, [BROKEN], str(tmp_path), 60)) == answer
    assert client.run(Request([], tests[:1], [BROKEN], str(tmp_path), 60)).code != 1  # no mistake stays


def test_test_that_fails_without_a_mistake_is_named(client, tmp_path):
    assert client.run(Request([], ["test_it.py"], [], str(tmp_path), 60)) == Answer(True, 1, BROKEN)
    (tmp_path / "broken").mkdir()
    assert client.run(Request([], ["test_it.py"], [], str(tmp_path / "broken"), 60)) == PASSED


@pytest.mark.slow
def test_run_that_hangs_is_ended(client, tmp_path):
    mistake = Mistake("module.py", MODULE, MODULE.replace("return number <", "while True: pass\n    return number <"))
    assert client.run(Request([mistake], [SMALL], [], str(tmp_path), 0.5)) == Answer(True, None, "")
    assert client.run(Request([], [SMALL], [], str(tmp_path), 60)) == PASSED
