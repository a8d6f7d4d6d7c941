"""proscribe-request: its words, its messages, and the requests that it reads and writes."""

import importlib
import json
import os
import runpy
import sys
import time
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from proscribe.host.controls.apps.requests import answers, request_files
from refusals import make_refusal

program = importlib.import_module("proscribe.host.programs.request")
SERVICES = [{"id": "owl", "names": ["Owl", "Night Bird"]}, {"id": "elf", "names": ["Elf"]}]
KNOWN = {"services": SERVICES, "request_url": "", "contact": ""}
AT = "2026-11-27T03:00:00Z"
NAME = "0123456789abcdef.json"


@pytest.fixture
def home(tmp_path, monkeypatch):
    """The home of a user on a host with two restricted services."""
    for name, file in (("SERVICE_LIST_PATH", "KNOWN"), ("ANSWERS_PATH", "ANSWERS")):
        monkeypatch.setattr(program, name, str(tmp_path / file))
    (tmp_path / "KNOWN").write_text(json.dumps(KNOWN))
    (tmp_path / "home").mkdir()
    entry = SimpleNamespace(pw_dir=str(tmp_path / "home"))
    monkeypatch.setattr(program, "pwd", SimpleNamespace(getpwuid=lambda uid: entry if uid == os.getuid() else None))
    return tmp_path / "home"


def make_place(home: Path) -> Path:
    place = home / ".local/state/proscribe/requests"
    place.mkdir(parents=True, exist_ok=True)
    return place


def write_request(home: Path, name: str = NAME, **change: Any) -> str:
    (make_place(home) / name).write_text(json.dumps({"service": "owl", "reason": "x", "at": AT, **change}))
    return str(program.make_request_id(name))


def read_refusal(work: Callable[[], object]) -> str:
    with pytest.raises(program.RequestError) as raised:
        work()
    return str(raised.value)


@pytest.mark.parametrize(
    ("words", "called", "code"),
    [
        (["--list"], ["print_requests"], 0),
        (["--withdraw", "x"], ["delete_request", "x"], 0),
        (["owl", "because", " of\x1b it "], ["write_request", "owl", "because of it"], 0),
        (["owl", ""], ["write_request", "owl", ""], 0),
        *(([word], ["print_message"], 0) for word in ("--help", "-h")),
        *((words, ["print_message"], 2) for words in ([], ["owl"], ["--other", "x"], ["--withdraw"], ["--list", "x"])),
    ],
)
def test_words_call_a_command_or_print_the_usage(monkeypatch, words, called, code):
    calls = []
    monkeypatch.setattr(program.os, "getuid", lambda: 1000)
    for name in ("print_requests", "delete_request", "write_request"):
        monkeypatch.setattr(program, name, lambda *given, name=name: calls.append([name, *given]))
    monkeypatch.setattr(
        program, "print_message", lambda text: calls.append(["print_message"] if text == program.USAGE else [text])
    )
    assert program.run_command(words) == code and calls == [called]


def test_services_are_listed_with_their_names(home, monkeypatch, capfd):
    monkeypatch.setattr(program.os, "getuid", lambda: 1000)
    assert program.run_command(["--services"]) == 0 and capfd.readouterr() == ("elf  Elf\nowl  Owl, Night Bird\n", "")


@pytest.mark.parametrize(
    ("uid", "error", "message"),
    [
        (0, None, "Root cannot request anything."),
        (1000, program.RequestError("not\x1bso"), "not?so\n"),
        (1000, OSError(28, "No space left on device"), "This did not work: No space left on device.\n"),
        (1000, OSError("odd"), "This did not work: odd.\n"),
    ],
)
def test_refusal_is_printed_to_the_error_stream(monkeypatch, capfd, uid, error, message):
    monkeypatch.setattr(program.os, "getuid", lambda: uid)
    monkeypatch.setattr(program, "print_requests", make_refusal(error))
    assert program.run_command(["--list"]) == 1
    printed = capfd.readouterr()
    assert printed.out == "" and printed.err.startswith(message)


def test_closed_output_ends_the_program_quietly(monkeypatch):
    monkeypatch.setattr(program.os, "write", make_refusal(BrokenPipeError))
    with pytest.raises(SystemExit) as ended:
        program.print_message("x")
    assert ended.value.code == 0


def test_unknown_service_is_refused_with_similar_names():
    assert read_refusal(lambda: program.find_service("owll\x1b", KNOWN)).endswith("Did you mean: owl?")
    message = read_refusal(lambda: program.find_service("x" * 70, KNOWN))
    assert message.startswith(f"{'x' * 60} is not restricted") and "proscribe-request --services" in message
    assert read_refusal(lambda: program.find_service(" ", KNOWN)).startswith("That is not restricted")


@pytest.mark.parametrize(("content", "message"), [(None, "Nothing is restr"), (b"{", "damaged"), (b"\xff", "damaged")])
def test_missing_or_damaged_list_of_services_is_reported(home, content, message):
    path = home.parent / "KNOWN"
    path.unlink() if content is None else path.write_bytes(content)
    assert message in read_refusal(program.read_service_list)


@pytest.mark.parametrize(("words", "reads"), [(["--services"], ["/etc/proscribe/requests.json"]), (["--help"], [])])
def test_program_reads_the_list_that_the_host_wrote(monkeypatch, capfd, words, reads):
    def refuse(path, *_):
        paths.append(path)
        raise PermissionError(13, "not now", path)

    paths = []
    monkeypatch.setattr(sys, "argv", ["proscribe-request", *words])
    monkeypatch.setattr(os, "getuid", lambda: 1000)
    monkeypatch.setattr("builtins.open", refuse)
    with pytest.raises(SystemExit) as ended:
        runpy.run_path(program.__file__, run_name="__main__")
    printed = capfd.readouterr()
    assert (ended.value.code, paths) == (len(reads), reads)
    assert printed.err == "This did not work: not now.\n" if reads else printed.out.startswith("proscribe-request SERV")


def test_program_and_host_agree_on_places_and_limits():
    """A request that one takes and the other does not would never be answered."""
    names = ("REQUEST_SCHEMA", "MAX_REQUEST_BYTES", "MAX_REASON_CHARACTERS")
    assert [getattr(program, name) for name in names] == [getattr(request_files, name) for name in names]
    assert program.MAX_REQUESTS == request_files.MAX_USER_REQUESTS
    expected = (answers.ANSWERS_PATH, request_files.REQUESTS_DIRECTORY)
    assert (program.ANSWERS_PATH, "/".join(program.REQUESTS_DIRECTORY)) == expected


def test_request_is_written_for_its_user_alone(home, capfd):
    program.write_request("Owl", "r" * 300)
    (path,) = make_place(home).iterdir()
    assert len(path.name) == 21 and path.stat().st_mode & 0o777 == 0o600
    request = json.loads(path.read_text())
    assert {**request, "at": AT} == {"schema": "proscribe/request/1", "service": "owl", "reason": "r" * 300, "at": AT}
    assert abs(time.time() - time.mktime(time.strptime(request["at"], "%Y-%m-%dT%H:%M:%SZ")) + time.timezone) < 100
    first, second = capfd.readouterr().out.splitlines()
    assert "owl" in first and program.make_request_id(path.name) in first and "proscribe-request --list" in second
    for step in (home / ".local", home / ".local/state", path.parent):
        assert step.stat().st_mode & 0o777 == 0o700
    assert program.make_request_id(path.name) in read_refusal(lambda: program.write_request("night bird", "again"))
    (home.parent / "KNOWN").write_text(json.dumps({**KNOWN, "request_url": "https://x", "contact": "it@x"}))
    program.write_request("elf", "y")
    page, contact = capfd.readouterr().out.splitlines()[2:]
    assert page.endswith(": https://x") and contact == "Questions: it@x"


def test_reason_has_1_to_300_characters(home):
    assert read_refusal(lambda: program.write_request("owl", "")).startswith("Give the reason, in quotes")
    assert read_refusal(lambda: program.write_request("owl", "r" * 301)).startswith("The reason has 301 characters")
    wide = "\N{PILE OF POO}" * 300
    program.write_request("owl", wide)
    assert json.loads(next(make_place(home).iterdir()).read_text())["reason"] == wide


def test_user_has_20_requests_and_the_oldest_answered_one_is_dropped(home):
    numbers = [write_request(home, f"{number:016x}.json", service="elf" if number else "owl") for number in range(20)]
    assert "not answered yet" in read_refusal(lambda: program.write_request("owl", "x"))
    answered = [*numbers[:5], *numbers[6:]]
    (home.parent / "ANSWERS").write_text(json.dumps({"answers": {number: {} for number in answered}}))
    assert read_refusal(lambda: program.write_request("owl", "x")).startswith("You have 20 requests")
    for number, days in ((3, 91), (4, 89), (5, 91)):
        then = time.time() - days * 86400
        os.utime(make_place(home) / f"{number:016x}.json", (then, then))
    program.write_request("owl", "x")
    names = {path.name for path in make_place(home).iterdir()}
    assert len(names) == 20 and f"{3:016x}.json" not in names
    assert {f"{4:016x}.json", f"{5:016x}.json"} <= names, "a new or an unanswered request stays"


def test_list_has_each_request_with_its_answer_the_newest_first(home, capfd):
    program.print_requests()
    assert capfd.readouterr().out == "You have no requests on this host.\n" and list(home.iterdir()) == []
    rows = [
        (None, "not answered yet"),
        ({"answer": "later"}, "not answered yet"),
        ({"answer": "refused", "on": AT, "why": "no"}, "refused on 2026-11-27: no"),
        ({"answer": "refused"}, "refused on : "),
        ({"answer": "ended", "on": AT}, "granted, and ended on 2026-11-27"),
        ({"answer": "ended"}, "granted, and ended on "),
        ({"answer": "granted", "until": AT, "limits": "a, b"}, "granted until 2026-11-27 03:00:00 UTC (a, b)"),
        ({"answer": "granted"}, "granted until "),
    ]
    numbers = [write_request(home, f"{n:016x}.json", at=f"2026-11-{n + 10}T03:00:00Z") for n in range(len(rows))]
    given = {number: answer for number, (answer, _) in zip(numbers, rows) if answer}
    (home.parent / "ANSWERS").write_text(json.dumps({"answers": given}))
    program.print_requests()
    lines = [f"{number}  2026-11-{n + 10}  owl: {rows[n][1]}" for n, number in enumerate(numbers)]
    assert capfd.readouterr().out.splitlines() == lines[::-1]


def test_request_is_withdrawn_by_its_id(home, capfd):
    assert read_refusal(lambda: program.delete_request("z" * 50)).startswith(f"You have no request {'z' * 40}.")
    first, second = write_request(home), write_request(home, "f" * 16 + ".json", service="elf")
    program.delete_request(second)
    assert capfd.readouterr().out == "Your request for elf is deleted.\n"
    assert read_refusal(lambda: program.delete_request(second)).startswith(f"You have no request {second}.")
    assert [path.name for path in make_place(home).iterdir()] == [NAME] and first != second


def test_file_that_is_no_request_is_passed_over(home):
    good, place = write_request(home), make_place(home)
    padded = json.dumps({"service": "owl", "reason": "x", "at": AT})
    number = json.dumps({"service": 5, "reason": "x", "at": AT})
    for index, content in enumerate(["", "[]", "[" * 4000, "{}", number, padded.ljust(4097)]):
        (place / f"{index:016x}.json").write_text(content)
    (place / f"{7:016x}.json").write_text(padded.ljust(4096))
    for name in ("0123456789abcdeg.json", "0123456789abcdef.jsox", "0123456789abcde.json", "0123456789ABCDEF.json"):
        (place / name).write_text(padded)
    (place / f"{8:016x}.json").mkdir()
    (place / f"{9:016x}.json").symlink_to(place / NAME)
    os.mkfifo(place / f"{10:016x}.json")
    directory = os.open(place, os.O_RDONLY)
    try:
        before, requests = len(os.listdir("/proc/self/fd")), program.read_requests(directory)
        assert len(os.listdir("/proc/self/fd")) == before
    finally:
        os.close(directory)
    seven = f"{7:016x}.json"
    assert [(name, number) for name, number, _ in requests] == [(seven, program.make_request_id(seven)), (NAME, good)]


@pytest.mark.parametrize("step", [".local", ".local/state", ".local/state/proscribe/requests"])
@pytest.mark.parametrize("kind", ["link", "file"])
def test_link_or_file_on_the_way_is_reported(home, step, kind):
    (home / step).parent.mkdir(parents=True, exist_ok=True)
    (home / step).symlink_to(home.parent) if kind == "link" else (home / step).write_text("")
    message = read_refusal(lambda: program.open_requests_directory(True))
    assert message == read_refusal(lambda: program.open_requests_directory(False))
    assert message.startswith(f"{home}/{step} is a link or a file.")


def test_home_that_is_missing_is_reported(home):
    assert program.open_requests_directory(False) is None and list(home.iterdir()) == []
    home.rmdir()
    assert read_refusal(lambda: program.open_requests_directory(True)).endswith(
        f"{home}, cannot be opened: No such file or directory."
    )


def test_request_that_cannot_be_written_leaves_no_file(home, monkeypatch):
    monkeypatch.setattr(program.os, "rename", make_refusal(OSError(28, "No space left on device")))
    with pytest.raises(OSError, match="No space"):
        program.write_request("owl", "x")
    assert list(make_place(home).iterdir()) == []


@pytest.mark.parametrize("content", [b"", b"{}", b"[", b"\xff"])
def test_broken_answers_are_none(home, content):
    assert program.read_answers() == {}
    (home.parent / "ANSWERS").write_bytes(content)
    assert program.read_answers() == {}
