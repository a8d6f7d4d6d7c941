"""proscribe-request by itself: its words, what it says, what it takes for a request, and what it writes."""

from __future__ import annotations

import importlib
import json
import os
import runpy
import sys
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from proscribe.host.controls.apps.requests import answers, reading

program = importlib.import_module("proscribe.host.programs.request")
KNOWN = {
    "services": [{"id": "owl", "names": ["Owl", "Night Bird"]}, {"id": "elf", "names": ["Elf"]}],
    "request_url": "",
    "contact": "",
}
AT = "2026-11-27T03:00:00Z"
NAME = "0123456789abcdef.json"


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The home of whoever runs this, with what a host says."""
    for name in ("KNOWN", "ANSWERS"):
        monkeypatch.setattr(program, name, str(tmp_path / name))
    (tmp_path / "KNOWN").write_text(json.dumps(KNOWN))
    (tmp_path / "home").mkdir()
    entry = SimpleNamespace(pw_dir=str(tmp_path / "home"))
    monkeypatch.setattr(program, "pwd", SimpleNamespace(getpwuid=lambda uid: entry if uid == os.getuid() else None))
    return tmp_path / "home"


def place(home: Path) -> Path:
    found = home / ".local/state/proscribe/requests"
    found.mkdir(parents=True, exist_ok=True)
    return found


def has(home: Path, name: str = NAME, **change: Any) -> str:
    """A request of the user's; its id."""
    one = {"service": "owl", "reason": "x", "at": AT, **change}
    (place(home) / name).write_text(json.dumps(one))
    return str(program.number_of(name))


def refused(words: Any) -> str:
    with pytest.raises(program.Refused) as raised:
        words()
    return str(raised.value)


# -- what is typed


@pytest.mark.parametrize(
    ("words", "called", "code"),
    [
        (["--list"], ["listing"], 0),
        (["--withdraw", "x"], ["withdraw", "x"], 0),
        (["owl", "because", " of\x1b it "], ["request", "owl", "because of it"], 0),
        (["owl", ""], ["request", "owl", ""], 0),
        (["--help"], ["say"], 0),
        (["-h"], ["say"], 0),
        ([], ["say"], 2),
        (["owl"], ["say"], 2),
        (["--other", "x"], ["say"], 2),
        (["--withdraw"], ["say"], 2),
        (["--list", "x"], ["say"], 2),
    ],
)
def test_its_words(monkeypatch: pytest.MonkeyPatch, words: list[str], called: list[str], code: int) -> None:
    calls: list[list[str]] = []
    monkeypatch.setattr(program.os, "getuid", lambda: 1000)
    for name in ("listing", "withdraw", "request"):
        monkeypatch.setattr(program, name, lambda *given, name=name: calls.append([name, *given]))
    monkeypatch.setattr(program, "say", lambda text: calls.append(["say"] if text == program.USAGE else [text]))
    assert program.main(words) == code and calls == [called]


def test_the_services_that_are_restricted(
    home: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(program.os, "getuid", lambda: 1000)
    assert program.main(["--services"]) == 0
    assert capfd.readouterr() == ("elf  Elf\nowl  Owl, Night Bird\n", "")


@pytest.mark.parametrize(
    ("uid", "error", "said"),
    [
        (0, None, "Root cannot request anything. Run this as the user who needs the service, without sudo.\n"),
        (1000, program.Refused("not\x1bso"), "not?so\n"),
        (1000, OSError(28, "No space left on device"), "This did not work: No space left on device.\n"),
        (1000, OSError("odd"), "This did not work: odd.\n"),
    ],
)
def test_what_is_refused_is_said_on_the_other_stream(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str], uid: int, error: Exception | None, said: str
) -> None:
    def listing() -> None:
        if error:
            raise error

    monkeypatch.setattr(program.os, "getuid", lambda: uid)
    monkeypatch.setattr(program, "listing", listing)
    assert program.main(["--list"]) == 1
    assert capfd.readouterr() == ("", said)


def test_a_reader_that_is_gone_is_the_end(monkeypatch: pytest.MonkeyPatch) -> None:
    def gone(*_: object) -> None:
        raise BrokenPipeError

    monkeypatch.setattr(program.os, "write", gone)
    with pytest.raises(SystemExit) as ended:
        program.say("x")
    assert ended.value.code == 0


# -- which service


def test_what_is_none_is_said_with_what_is_near() -> None:
    assert refused(lambda: program.named("owll\x1b", KNOWN)) == (
        "owll is not restricted on this host. Did you mean: owl?"
    )
    services = "proscribe-request --services shows what is."
    assert refused(lambda: program.named("x" * 70, KNOWN)) == f"{'x' * 60} is not restricted on this host. {services}"
    assert refused(lambda: program.named(" ", KNOWN)) == f"That is not restricted on this host. {services}"


@pytest.mark.parametrize(
    ("content", "said"), [(None, "Nothing is restricted"), ("{", "is damaged"), ("\xff", "damaged")]
)
def test_a_host_that_says_nothing(home: Path, content: str | None, said: str) -> None:
    path = home.parent / "KNOWN"
    path.unlink() if content is None else path.write_bytes(content.encode("latin-1"))
    assert said in refused(program.known)


@pytest.mark.parametrize(("words", "reads"), [(["--services"], ["/etc/proscribe/requests.json"]), (["--help"], [])])
def test_as_a_program_it_reads_what_the_host_wrote_for_it(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str], words: list[str], reads: list[str]
) -> None:
    paths: list[str] = []

    def refuse(path: str, *_: object) -> None:
        paths.append(path)
        raise PermissionError(13, "not now", path)

    monkeypatch.setattr(sys, "argv", ["proscribe-request", *words])
    monkeypatch.setattr(os, "getuid", lambda: 1000)
    monkeypatch.setattr("builtins.open", refuse)
    with pytest.raises(SystemExit) as ended:
        runpy.run_path(program.__file__, run_name="__main__")
    said = capfd.readouterr()
    assert (ended.value.code, paths) == (len(reads), reads)
    assert (said.err == "This did not work: not now.\n") if reads else said.out.startswith("proscribe-request SERVICE")


def test_the_host_reads_where_it_writes_and_it_reads_where_the_host_writes() -> None:
    """A request that one takes and the other does not would never be answered."""
    one = (program.ANSWERS, "/".join(program.PLACE), program.SCHEMA, program.MOST, program.LARGEST, program.LONGEST)
    other = (answers.ANSWERS, reading.PLACE, reading.SCHEMA, reading.MOST, reading.LARGEST, reading.LONGEST)
    assert one == other


# -- a request


def test_what_is_written_and_said(home: Path, capfd: pytest.CaptureFixture[str]) -> None:
    program.request("Owl", "r" * 300)
    (path,) = place(home).iterdir()
    assert len(path.name) == 21 and path.stat().st_mode & 0o777 == 0o600
    one = json.loads(path.read_text())
    assert {**one, "at": AT} == {"schema": "proscribe/request/1", "service": "owl", "reason": "r" * 300, "at": AT}
    assert abs(time.time() - time.mktime(time.strptime(one["at"], "%Y-%m-%dT%H:%M:%SZ")) + time.timezone) < 100
    assert capfd.readouterr().out == (
        f"Your request for owl is written down: {program.number_of(path.name)}.\n"
        "It is read at the next check of this host. For its answer: proscribe-request --list\n"
    )
    for step in (home / ".local", home / ".local/state", path.parent):
        assert step.stat().st_mode & 0o777 == 0o700
    assert program.number_of(path.name) in refused(lambda: program.request("night bird", "again"))
    (home.parent / "KNOWN").write_text(json.dumps({**KNOWN, "request_url": "https://x", "contact": "it@x"}))
    program.request("elf", "y")
    assert capfd.readouterr().out.splitlines()[2:] == [
        "Your organisation has a page for requests, too: https://x",
        "Questions: it@x",
    ]


def test_reasons_that_are_none(home: Path) -> None:
    assert refused(lambda: program.request("owl", "")).startswith("Give the reason, in quotes: proscribe-request owl")
    assert refused(lambda: program.request("owl", "r" * 301)) == "The reason has 301 characters; 300 are the most."
    wide = "\N{PILE OF POO}" * 300
    program.request("owl", wide)
    assert json.loads(next(place(home).iterdir()).read_text())["reason"] == wide


def test_only_so_many_and_what_was_answered_long_ago_goes(home: Path) -> None:
    numbers = [has(home, f"{number:016x}.json", service="elf" if number else "owl") for number in range(20)]
    assert "not answered yet" in refused(lambda: program.request("owl", "x"))
    answered = [*numbers[:5], *numbers[6:]]
    (home.parent / "ANSWERS").write_text(json.dumps({"answers": {number: {} for number in answered}}))
    assert refused(lambda: program.request("owl", "x")).startswith("You have 20 requests, which are the most.")
    for number, days in ((3, 91), (4, 89), (5, 91)):
        then = time.time() - days * 86400
        os.utime(place(home) / f"{number:016x}.json", (then, then))
    program.request("owl", "x")
    names = {path.name for path in place(home).iterdir()}
    assert len(names) == 20 and f"{3:016x}.json" not in names
    assert {f"{4:016x}.json", f"{5:016x}.json"} <= names, "what is new, and what nobody has answered, stays"


# -- the list


def test_each_with_its_answer_the_newest_first(home: Path, capfd: pytest.CaptureFixture[str]) -> None:
    program.listing()
    assert capfd.readouterr().out == "You have no requests on this host.\n"
    assert list(home.iterdir()) == []
    given: list[tuple[dict[str, str] | None, str]] = [
        (None, "not answered yet"),
        ({"answer": "later"}, "not answered yet"),
        ({"answer": "refused", "on": AT, "why": "no"}, "refused on 2026-11-27: no"),
        ({"answer": "refused"}, "refused on : "),
        ({"answer": "ended", "on": AT}, "granted, and ended on 2026-11-27"),
        ({"answer": "ended"}, "granted, and ended on "),
        ({"answer": "granted", "until": AT}, "granted until 2026-11-27 03:00:00 UTC"),
        ({"answer": "granted", "until": AT, "limits": "a, b"}, "granted until 2026-11-27 03:00:00 UTC (a, b)"),
        ({"answer": "granted"}, "granted until "),
    ]
    numbers = [has(home, f"{n:016x}.json", at=f"2026-11-{n + 10}T03:00:00Z") for n in range(len(given))]
    answers = {number: answer for number, (answer, _) in zip(numbers, given) if answer}
    (home.parent / "ANSWERS").write_text(json.dumps({"answers": answers}))
    program.listing()
    lines = [f"{number}  2026-11-{n + 10}  owl: {given[n][1]}" for n, number in enumerate(numbers)]
    assert capfd.readouterr().out.splitlines() == lines[::-1]


def test_a_request_is_withdrawn_by_its_id(home: Path, capfd: pytest.CaptureFixture[str]) -> None:
    said = "proscribe-request --list shows those that you have."
    assert refused(lambda: program.withdraw("z" * 50)) == f"You have no request {'z' * 40}. {said}"
    first, second = has(home), has(home, "f" * 16 + ".json", service="elf")
    program.withdraw(second)
    assert capfd.readouterr().out == "Your request for elf is deleted.\n"
    assert refused(lambda: program.withdraw(second)) == f"You have no request {second}. {said}"
    assert [path.name for path in place(home).iterdir()] == [NAME] and first != second


# -- what is none


def test_what_is_no_request_is_passed_over(home: Path) -> None:
    good = has(home)
    padded = json.dumps({"service": "owl", "reason": "x", "at": AT})
    for number, content in enumerate(
        ["", "[]", "5", "[" * 4000, "{}", json.dumps({"service": 5, "reason": "x", "at": AT}), padded.ljust(4097)]
    ):
        (place(home) / f"{number:016x}.json").write_text(content)
    (place(home) / f"{7:016x}.json").write_text(padded.ljust(4096))
    for name in ("0123456789abcdeg.json", "0123456789abcdef.jsox", "0123456789abcde.json", "0123456789ABCDEF.json"):
        (place(home) / name).write_text(padded)
    (place(home) / f"{8:016x}.json").mkdir()
    (place(home) / f"{9:016x}.json").symlink_to(place(home) / NAME)
    os.mkfifo(place(home) / f"{10:016x}.json")
    directory = os.open(place(home), os.O_RDONLY)
    try:
        before = len(os.listdir("/proc/self/fd"))
        found = program.requests(directory)
        assert len(os.listdir("/proc/self/fd")) == before
    finally:
        os.close(directory)
    assert [(name, number) for name, number, _ in found] == [
        (f"{7:016x}.json", program.number_of(f"{7:016x}.json")),
        (NAME, good),
    ]


@pytest.mark.parametrize("step", [".local", ".local/state", ".local/state/proscribe/requests"])
@pytest.mark.parametrize("kind", ["link", "file"])
def test_a_link_on_the_way_is_said(home: Path, step: str, kind: str) -> None:
    (home / step).parent.mkdir(parents=True, exist_ok=True)
    (home / step).symlink_to(home.parent) if kind == "link" else (home / step).write_text("")
    said = f"{home}/{step} is a link or a file. Requests are read from a directory only."
    assert refused(lambda: program.place(True)) == refused(lambda: program.place(False)) == said


def test_a_home_that_is_not_there(home: Path) -> None:
    assert program.place(False) is None and list(home.iterdir()) == []
    home.rmdir()
    assert refused(lambda: program.place(True)) == f"Your home, {home}, cannot be opened: No such file or directory."


def test_what_cannot_be_written_leaves_nothing(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(program.os, "rename", full)
    with pytest.raises(OSError, match="No space"):
        program.request("owl", "x")
    assert list(place(home).iterdir()) == []
