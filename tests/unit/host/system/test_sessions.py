"""The users who are logged in by the files of systemd-logind."""

import os
from pathlib import Path

import pytest
from proscribe.host.system import Host, Unseen
from proscribe.host.system.sessions import MOST, SESSIONS, users
from refusals import make_refusal


@pytest.fixture
def host(tmp_path):
    return Host(str(tmp_path))


def write_session(host: Host, name: str, text: str) -> None:
    path = Path(f"{host.root}{SESSIONS}/{name}")
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


def make_session(user: str, leader: object = 2**22 + 1, kind: str = "user") -> str:
    return f"# a file of systemd's\nUSER={user}\nCLASS={kind}\nLEADER={leader}\nDESKTOP=a=b\n"


def test_users_with_a_session_are_listed_once(host):
    assert users(host) == []
    write_session(host, "1.ref", make_session("a pipe"))
    texts = [make_session(user) for user in ("mara", "ann", "mara", "")]
    texts += [make_session("ours", os.getpid()), make_session("greeter", kind="greeter")]
    texts += ["CLASS=user\n", "CLASS=user\nUSER=tom\n", "USER=nobody\n", make_session("zoe", "²x"), ""]
    for number, text in enumerate(texts):
        write_session(host, str(number), text)
    assert users(host) == ["ann", "mara", "tom", "zoe"]


def test_first_50_users_are_listed(host):
    for number in range(MOST + 3):
        write_session(host, str(number), make_session(f"u{number:03}"))
    assert users(host) == [f"u{number:03}" for number in range(50)]


def test_unreadable_sessions_are_no_users(host, monkeypatch):
    write_session(host, "1", make_session("mara"))
    monkeypatch.setattr(host, "text", make_refusal(Unseen("no")))
    assert users(host) == []
