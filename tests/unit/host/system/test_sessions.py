"""Who is logged in, by systemd-logind's files, but for the session of this run itself."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from proscribe.host.system import Host, Unseen
from proscribe.host.system.sessions import MOST, SESSIONS, users


@pytest.fixture
def host(tmp_path: Path) -> Host:
    return Host(str(tmp_path))


def session(host: Host, name: str, text: str) -> None:
    path = Path(f"{host.root}{SESSIONS}/{name}")
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


def of(user: str, leader: object = 2**22 + 1, kind: str = "user") -> str:
    return f"# a file of systemd's\nUSER={user}\nCLASS={kind}\nLEADER={leader}\nDESKTOP=a=b\n"


def test_those_with_a_session_each_once(host: Host) -> None:
    assert users(host) == []
    session(host, "1.ref", of("a pipe"))
    for name, text in {
        "1": of("mara"),
        "2": of("ann"),
        "3": of("mara"),
        "4": of("ours", os.getpid()),
        "5": of("greeter", kind="greeter"),
        "6": of(""),
        "7": "CLASS=user\n",
        "8": "CLASS=user\nUSER=tom\n",
        "9": "USER=nobody\n",
        "10": of("zoe", "²x"),
        "11": "",
    }.items():
        session(host, name, text)
    assert users(host) == ["ann", "mara", "tom", "zoe"]


def test_no_more_than_a_message_takes(host: Host) -> None:
    for number in range(MOST + 3):
        session(host, str(number), of(f"u{number:03}"))
    assert users(host) == [f"u{number:03}" for number in range(50)]


def test_where_nobody_knows_there_is_none(host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    def unseen(*_: str) -> None:
        raise Unseen("no")

    session(host, "1", of("mara"))
    monkeypatch.setattr(host, "text", unseen)
    assert users(host) == []
