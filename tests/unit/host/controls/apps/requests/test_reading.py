"""What users leave where requests are read: whatever it is, it costs nobody but its user."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from made_host import WECHAT, MadeHost, plan
from proscribe.host.controls import apps
from proscribe.host.controls.apps.requests import reading
from proscribe.host.system import Host, User
from proscribe.wire.replies import shapes

ME = os.getuid()
ALICE = User("alice", ME, 0, "/home/alice")
PLACE = "home/alice/.local/state/proscribe/requests"
GOOD = {"schema": "proscribe/request/1", "service": "wechat", "reason": "Press calls", "at": "2026-11-25T08:00:00Z"}


@pytest.fixture
def host(tmp_path: Path) -> MadeHost:
    made = MadeHost(tmp_path)
    (tmp_path / PLACE).mkdir(parents=True)
    return made


def name(count: int = 0) -> str:
    return f"{count:016x}.json"


def put(host: Host, content: Any = GOOD, file: str = name()) -> Path:
    path = Path(host.root, PLACE, file)
    path.write_bytes(content if isinstance(content, bytes) else json.dumps(content).encode())
    return path


ODD: dict[str, Any] = {
    "nothing": b"",
    "no JSON": b"{",
    "no text": b"\xff\xfe\x00",
    "a list": [GOOD],
    "deep": b"[" * 4000,
    "deep in a key": b'{"schema":' * 400,
    "a number beyond all": b'{"schema": "proscribe/request/1", "at": 1e999999}',
    "many digits": b'{"at": ' + b"9" * 4000 + b"}",
    "no schema": {key: GOOD[key] for key in ("service", "reason", "at")},
    "another schema": {**GOOD, "schema": "proscribe/request/2"},
    "a service that is none": {**GOOD, "service": "../../etc"},
    "a service of another type": {**GOOD, "service": ["wechat"]},
    "no reason": {**GOOD, "reason": ""},
    "a long reason": {**GOOD, "reason": "x" * 301},
    "a reason of another type": {**GOOD, "reason": {"a": 1}},
    "escapes for terminals": {**GOOD, "reason": "\x1b]0;owned\x07 please"},
    "a line of its own": {**GOOD, "reason": "please\napproved by: head"},
    "text that runs backwards": {**GOOD, "reason": "\u202egnp.exe\u202c"},
    "an isolate": {**GOOD, "reason": "a\u2066b\u2069"},
    "half a pair": json.dumps(GOOD).encode().replace(b"Press", b"\\ud800"),
    "blanks around": {**GOOD, "reason": " x "},
    "no such day": {**GOOD, "at": "2026-02-30T08:00:00Z"},
    "no such hour": {**GOOD, "at": "2026-02-20T29:00:00Z"},
    "no zone": {**GOOD, "at": "2026-11-25T08:00:00"},
    "other digits": {**GOOD, "at": "٢٠٢٦-11-25T08:00:00Z"},
    "too large": json.dumps(GOOD).encode() + b" " * 4096,
}


@pytest.mark.parametrize("content", ODD.values(), ids=ODD.keys())
def test_what_is_no_request_is_left_out_and_hides_no_other(host: MadeHost, content: Any) -> None:
    put(host, content)
    put(host, GOOD, name(1))
    rows, left_out = reading.of_user(host, ALICE)
    assert ([row[2] for row in rows], left_out) == (["wechat"], 1)


@given(st.binary(max_size=300) | st.text(max_size=100).map(lambda text: json.dumps({**GOOD, "reason": text}).encode()))
def test_whatever_is_read_is_what_a_record_may_have(content: bytes) -> None:
    found = reading.parsed(content)
    if found:
        service, reason, at = found
        assert service.isascii() and reason.isprintable() and 0 < len(reason) <= 300
        assert shapes.line(reason, "reason", 300) == reason and time.strptime(at, "%Y-%m-%dT%H:%M:%SZ")


def outside(path: Path) -> Path:
    """A request that lies somewhere else."""
    secret = path.parents[5] / "secret"
    secret.write_text(json.dumps(GOOD))
    return secret


PLANTED: dict[str, Callable[[Path], object]] = {
    "a pipe": os.mkfifo,
    "a link": lambda path: path.symlink_to(outside(path)),
    "another name of a file": lambda path: os.link(outside(path), path),
    "a directory": os.mkdir,
    "a hole": lambda path: (path.touch(), os.truncate(path, 1 << 40)),
    "somebody else's": lambda path: (path.write_text(json.dumps(GOOD)), os.chown(path, 4711, 0)),
}


@pytest.mark.parametrize("kind", PLANTED)
def test_only_a_users_own_plain_file_is_opened(host: MadeHost, kind: str) -> None:
    if kind == "somebody else's" and ME:
        pytest.skip("only root can give files away")
    PLANTED[kind](Path(host.root, PLACE, name()))
    put(host, GOOD, name(1))
    rows, left_out = reading.of_user(host, ALICE)
    assert (len(rows), left_out) == (1, 1)


SWAPPED = {"a link": PLANTED["a link"], "a pipe": os.mkfifo}


@pytest.mark.parametrize("kind", SWAPPED)
def test_what_becomes_something_else_between_two_looks_is_not_read(
    host: MadeHost, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    path = put(host)
    real = os.open

    def swap(file: Any, flags: int, *rest: Any, **more: Any) -> int:
        if file == name():
            path.unlink()
            SWAPPED[kind](path)
        return real(file, flags, *rest, **more)

    monkeypatch.setattr(os, "open", swap)
    assert reading.of_user(host, ALICE) == ([], 1)


def test_thousands_of_files_are_not_read(host: MadeHost, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reading, "MOST_NAMES", 60)
    for count in range(200):
        put(host, GOOD, name(count))
    opened, real = [], os.open
    monkeypatch.setattr(os, "open", lambda file, *rest, **more: opened.append(file) or real(file, *rest, **more))
    rows, left_out = reading.of_user(host, ALICE)
    assert len(rows) == reading.MOST and len(rows) + left_out == 60
    assert len({file for file in opened if str(file).endswith(".json")}) <= 60


def test_a_budget_that_is_spent_ends_it_quietly(host: MadeHost, monkeypatch: pytest.MonkeyPatch) -> None:
    put(host)
    monkeypatch.setattr(reading, "SECONDS", -1.0)
    assert reading.of_user(host, ALICE) == ([], 0)


def test_a_home_that_another_machine_answers_for_is_not_entered(
    host: MadeHost, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(host)
    monkeypatch.setattr(reading, "mounts", lambda host: {"/home/alice/.local": reading_mount("fuse.sshfs")})
    assert reading.of_user(host, ALICE) == ([], 0)
    host.enters_remote = True
    assert len(reading.of_user(host, ALICE)[0]) == 1


def reading_mount(kind: str) -> Any:
    from proscribe.host.system.mounts import Mount

    return Mount(kind, False)


def rows(user: str, count: int, service: str = "wechat") -> list[tuple[str, ...]]:
    return [(f"{user}{number}", user, service, "r", f"2026-11-25T08:00:{59 - number:02}Z") for number in range(count)]


def test_nobodys_many_requests_hide_another_users_one() -> None:
    of_users = [*((rows(f"mallory{number}", 20), 0) for number in range(8)), (rows("bob", 1), 0)]
    found = reading.reported(plan(wechat=WECHAT), of_users)
    assert len(found["requests"]) == 100 and found["requests_left_out"] == 61
    assert "bob" in {one["user"] for one in found["requests"][:9]}


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        ({"service": "wechat", "user": "bob"}, {"answer": "granted"}),
        ({"service": "wechat", "user": ""}, {"answer": "granted"}),
        ({"service": "wechat", "user": "ann"}, {}),
        ({"service": "qq", "user": "bob"}, {}),
    ],
)
def test_a_request_has_the_answer_of_the_plan_to_its_user_and_service(
    answer: dict[str, str], said: dict[str, str]
) -> None:
    of = {**plan(wechat=WECHAT), "answers": {"bob0": {"answer": "granted", **answer}}}
    (row,) = rows("bob", 1)
    fields = dict(zip(("id", "user", "service", "reason", "at"), row))
    assert reading.reported(of, [([row], 0)]) == {"requests": [{**fields, **said}], "requests_left_out": 0}


def test_a_record_without_requests_says_nothing_of_them(host: MadeHost) -> None:
    apps.observe(host, plan(wechat=WECHAT))
    assert not {"requests", "requests_left_out"} & host.record_fields.keys()
