"""What a waiver's commands write, and ask for: times, texts of a file, questions at a terminal."""

from __future__ import annotations

import argparse
import datetime
import io
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml
from proscribe.controller.cli import Refused
from proscribe.controller.cli.waiver import text
from proscribe.controller.cli.waiver.asking import answer, ask_for
from proscribe.controller.cli.waiver.times import written
from proscribe.controller.compile.waivers.document import KEYS, LISTS
from proscribe.controller.policy_errors import PolicyError

NOW = datetime.datetime(2026, 11, 25, 12, 30, 5, 7, tzinfo=datetime.timezone.utc)


# -- times


@pytest.fixture
def in_hong_kong(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("TZ", "Asia/Hong_Kong")
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


@pytest.mark.usefixtures("in_hong_kong")
@pytest.mark.parametrize(
    ("given", "end", "in_file"),
    [
        ("now", False, "2026-11-25T20:30:05+08:00"),
        ("now", True, "2026-11-25T20:30:05+08:00"),
        ("2026-12-31T18:00:00Z", False, "2026-12-31T18:00:00Z"),
        ("2026-12-31T18:00:00+09:00", True, "2026-12-31T18:00:00+09:00"),
        ("2026-12-31", False, "2026-12-31T00:00:00+08:00"),
        ("2026-12-31", True, "2026-12-31T23:59:59+08:00"),
        ("1d", True, "2026-11-26T20:30:05+08:00"),
    ],
)
def test_a_time_as_it_stands_in_the_file(given: str, end: bool, in_file: str) -> None:
    assert written(given, "--on", NOW, end=end) == in_file


@pytest.mark.parametrize(
    ("given", "end", "expected"),
    [
        ("1d", False, "such as 2026-12-31T18:00:00+08:00"),
        ("soon", False, "such as 2026-12-31T18:00:00+08:00"),
        ("soon", True, "a length from now such as 90d"),
        ("2026-02-30", False, "a day of the calendar"),
        ("2026-02-30", True, "a day of the calendar"),
        ("x2026-02-03", False, "such as 2026-12-31T18:00:00+08:00"),
    ],
)
def test_what_is_no_time_is_named_with_its_option(given: str, end: bool, expected: str) -> None:
    with pytest.raises(PolicyError) as wrong:
        written(given, "--on", NOW, end=end)
    assert str(wrong.value).startswith(f"--on: found '{given}', expected ") and str(wrong.value).endswith(expected)


# -- texts


@pytest.mark.parametrize(
    ("value", "in_file"),
    [
        *((word, word) for word in ("parrot", "a b", "/usr/bin/x", "A-1+(b)@c._d", "2026-12-31T18:00:00Z", "none")),
        *((word, f'"{word}"') for word in ("y", "n", "yes", "No", "on", "OFF", "true", "False", "null")),
        *((word, f'"{word}"') for word in ("", " a", "a ", "1", "-a", "a: b", "a#", "Zürich", "~")),
        ('a "b"', '"a \\"b\\""'),
    ],
)
def test_a_text_stands_plain_where_every_reader_takes_it_for_one(value: str, in_file: str) -> None:
    assert text.scalar(value) == in_file
    assert text.in_flow([value, "x"]) == f"[{in_file}, x]"


def test_a_file_is_in_the_order_in_which_it_is_read() -> None:
    values = {"ticket": "", "reason": "no", "services": ["parrot", "y"], "id": "w1", "expires": "2026-12-31T18:00:00Z"}
    head, about, *lines = text.render(values).split("\n")
    assert (head, about[:2]) == ("---", "# ")
    assert lines == ["id: w1", 'services: [parrot, "y"]', 'reason: "no"', "expires: 2026-12-31T18:00:00Z", ""]


def test_every_key_stands_once() -> None:
    values = {key: ["a"] if key in LISTS else "a" for key in KEYS if key not in ("revoked", "reviewed_on")}
    assert sorted(line.partition(":")[0] for line in text.render(values).splitlines()[2:]) == sorted(values)


def test_a_revocation_reads_back() -> None:
    lines = text.revocation("2026-12-31T18:00:00Z", "no", "it: ended")
    assert yaml.load(lines, yaml.BaseLoader) == {
        "revoked": {"on": "2026-12-31T18:00:00Z", "by": "no", "why": "it: ended"}
    }


# -- questions


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_what_is_missing_is_asked_for_beside_the_output(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "stdin", Terminal("\n alice \nno\n"))
    arguments = argparse.Namespace(by=None, why="  over ", ticket="")
    answers = ask_for(arguments, {"by": "who\x1b[2J", "why": "why", "ticket": "which"})
    assert answers == {"by": "alice", "why": "over", "ticket": "no"}
    said = capsys.readouterr()
    assert said.out == "" and "\x1b" not in said.err
    assert [part.startswith("who") for part in said.err.split(": ")] == [True, True, False, False]
    with pytest.raises(Refused, match="nothing was written"):
        answer("more")
    assert capsys.readouterr() == ("", "more: \n")


def test_a_question_is_there_before_its_answer_is_read(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    class Read(Terminal):
        def readline(self, *_: object) -> str:
            return (tmp_path / "screen").read_text()

    monkeypatch.setattr(sys, "stdin", Read())
    with (tmp_path / "screen").open("w") as screen:
        monkeypatch.setattr(sys, "stderr", screen)
        assert answer("who") == "who:"


def test_all_options_that_are_missing_are_named_where_there_is_no_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", io.StringIO("alice\n"))
    arguments = argparse.Namespace(requested_by="", hosts=[], why="over")
    questions = dict.fromkeys(("requested_by", "hosts", "why"), "")
    for options, where in ((None, "--hosts"), ({"hosts": "--host or --group"}, "--host or --group")):
        with pytest.raises(Refused, match=f"^give --requested-by, {where}: "):
            ask_for(arguments, questions, options)
    assert ask_for(arguments, {"why": ""}) == {"why": "over"}
