"""The probe: which browsers are started, what their connections mean, and that nobody pays for it who did not ask."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from proscribe.host.controls.browser import probe
from proscribe.host.controls.browser.probe import CONTROL
from proscribe.host.controls.browser.rendering import Name
from proscribe.host.system import Host
from proscribe.host.system.listener import http_host, server_name
from proscribe.model import plan as plans
from proscribe.model.finding import NOT_APPLICABLE, UNKNOWN, Verdict

GMAIL = Name("mail.google.com")


LISTENER: Any = SimpleNamespace(address="127.0.0.9", port=4433, hits=lambda host: 1)


def section(mode: str = "enforce", **services: Any) -> dict[str, Any]:
    entries = {id_: {"name": id_, "mode": mode, **entry} for id_, entry in services.items()}
    return {"mode": mode, "services": entries, "settings": {}}


GMAIL_PLAN = section(gmail={"domains": ["mail.google.com"]})


def plan(browsers: list[dict[str, Any]] | None = None, browser: dict[str, Any] = GMAIL_PLAN) -> dict[str, Any]:
    body = {"schema": plans.SCHEMA, "contact": "", "browsers": browsers or [], "controls": {"browser": browser}}
    return plans.sealed(body)


def test_firefox_has_every_name_at_the_listener_and_asks_nobody_else() -> None:
    """A proxy of the system would have the connections, and nothing would come to the listener."""
    written: dict[str, str] = {}
    started: list[Sequence[str]] = []

    @contextlib.contextmanager
    def running(argv: Sequence[str], limit: float, more: dict[str, str]) -> Iterator[SimpleNamespace]:
        started.append(argv)
        yield SimpleNamespace(poll=lambda: None)

    somebody: Any = SimpleNamespace(home="/home/x", write=written.__setitem__, running=running, said=lambda: "a word")
    assert probe._firefox(somebody, "/usr/bin/firefox", LISTENER, GMAIL) == "a word"
    lines = [line.removeprefix("user_pref(").removesuffix(");") for line in written["profile/user.js"].splitlines()]
    preferences = dict(json.loads(f"[{line}]") for line in lines)
    assert preferences["network.proxy.type"] == 0  # none
    assert preferences["network.dns.forceResolve"] == "127.0.0.9"
    assert preferences["network.socket.forcePort"] == "443=4433;80=4433"
    calls = [name for name, value in preferences.items() if value is not False and not name.startswith("network.")]
    assert calls == []  # nothing else of Firefox's own that would go out
    assert list(started[0][-2:]) == ["https://mail.google.com/", f"https://{CONTROL.host}{CONTROL.path or '/'}"]
    assert "/home/x/profile" in started[0]


@pytest.mark.parametrize(
    ("privileged", "browser", "state", "reason"),
    [
        (True, section(), NOT_APPLICABLE, "no site is blocked"),
        (True, section("upcoming", gmail={"domains": ["mail.google.com"]}), NOT_APPLICABLE, "no site is blocked"),
        (False, GMAIL_PLAN, UNKNOWN, "only root can start a browser as somebody else"),
        (True, GMAIL_PLAN, NOT_APPLICABLE, "no browser is installed"),
    ],
)
def test_where_nothing_can_be_started_it_says_why(
    privileged: bool,
    browser: dict[str, Any],
    state: str,
    reason: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(Host, "privileged", privileged)
    assert probe.check_by_probe(Host(str(tmp_path)), plan(browser=browser)) == Verdict(probe.RULE, state, reason=reason)


HELLO = b"\x16\x03\x01\x00\x00\x01\x00\x00\x00\x03\x03" + bytes(32) + b"\x00\x00\x02\x13\x01\x01\x00"


def hello(name: str) -> bytes:
    entry = b"\x00" + len(name).to_bytes(2, "big") + name.encode()
    listed = len(entry).to_bytes(2, "big") + entry
    extensions = b"\x00\x17\x00\x00" + b"\x00\x00" + len(listed).to_bytes(2, "big") + listed
    return HELLO + len(extensions).to_bytes(2, "big") + extensions


@given(st.binary(max_size=80) | st.binary(max_size=80).map(lambda tail: hello("a.example")[:60] + tail))
def test_whatever_is_said_to_the_listener_it_reads_it_without_an_error(said: bytes) -> None:
    assert isinstance(server_name(said), str)
    assert isinstance(http_host(said), str)
