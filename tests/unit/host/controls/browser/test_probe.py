"""The probe: which browsers are started, what their connections mean, and that nobody pays for it who did not ask."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import proscribe
import pytest
from hypothesis import given
from hypothesis import strategies as st
from made_users import put
from proscribe.host import run
from proscribe.host.controls.browser import probe
from proscribe.host.controls.browser.places import Place
from proscribe.host.controls.browser.probe import CONTROL, Candidate, Outcome, outcome
from proscribe.host.controls.browser.rendering import Name
from proscribe.host.system import Host
from proscribe.host.system.listener import http_host, server_name
from proscribe.host.system.transient_user import TransientUser
from proscribe.model import plan as plans
from proscribe.model.finding import COMPLIANT, NONCOMPLIANT, NOT_APPLICABLE, UNKNOWN, Finding, Verdict

GMAIL = Name("mail.google.com")
CHROMIUM = Candidate(Place("chromium", "chromium", "/x.json"), "/usr/lib/chromium/chromium")
FIREFOX = Candidate(Place("firefox", "firefox", "/y.json"), "/usr/lib/firefox-esr/firefox-esr")
OK = Outcome(COMPLIANT, "mail.google.com was refused, another name was opened")
OPENED = Outcome(NONCOMPLIANT, "mail.google.com was opened")
SILENT = Outcome(UNKNOWN, "nothing was opened, not even a name that no list has: No usable sandbox!")


LISTENER: Any = SimpleNamespace(address="127.0.0.9", port=4433, hits=lambda host: 1)


def section(mode: str = "enforce", **services: Any) -> dict[str, Any]:
    entries = {id_: {"name": id_, "mode": mode, **entry} for id_, entry in services.items()}
    return {"mode": mode, "services": entries, "settings": {}}


GMAIL_PLAN = section(gmail={"domains": ["mail.google.com"]})


def plan(browsers: list[dict[str, Any]] | None = None, browser: dict[str, Any] = GMAIL_PLAN) -> dict[str, Any]:
    body = {"schema": plans.SCHEMA, "contact": "", "browsers": browsers or [], "controls": {"browser": browser}}
    return plans.sealed(body)


@pytest.mark.parametrize(
    ("lines", "said"),
    [
        ("", ""),
        ("[1:2:0101/1.2:FATAL:zygote.cc(1)] No usable sandbox!\n\n", "No usable sandbox!"),
        ("no room\n[9:ERROR:ssl.cc(7)] handshake failed; returned -1\n", "no room"),
        ("[9:ERROR:ssl.cc(7)] handshake failed; returned -1\n", "handshake failed; returned -1"),
    ],
)
def test_only_the_last_meaningful_line_of_what_a_browser_printed_is_reported(
    lines: str, said: str, tmp_path: Path
) -> None:
    (tmp_path / "said").write_text(lines)
    assert TransientUser(os.getuid(), str(tmp_path)).said(probe.NOISE) == said


@pytest.mark.parametrize(
    ("files", "method"),
    [
        ({}, probe._chromium),
        ({"proscribe.json": '{"DeveloperToolsAvailability": 2}'}, probe._chromium_by_time),
        ({"10.json": '{"DeveloperToolsAvailability": 2}'}, probe._chromium_by_time),
        ({"10.json": '{"DeveloperToolsAvailabilityBlocklist": ["*"]}'}, probe._chromium_by_time),
        (
            {"10.json": '{"DeveloperToolsAvailability": 2}', "20.json": '{"DeveloperToolsAvailability": 1}'},
            probe._chromium,
        ),
        ({"10.json": '{"DeveloperToolsAvailability": 2'}, probe._chromium),
    ],
)
def test_chromium_is_timed_where_its_developer_tools_are_locked(
    files: dict[str, str], method: Callable[..., str], tmp_path: Path
) -> None:
    (tmp_path / "etc/x/managed").mkdir(parents=True)
    for name, text in files.items():
        (tmp_path / "etc/x/managed" / name).write_text(text)
    host = Host(str(tmp_path))
    assert probe._redirect(host, Place("x", "chromium", "/etc/x/managed/proscribe.json")) is method
    assert probe._redirect(host, FIREFOX.place) is probe._firefox


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


def test_chromium_has_every_name_at_the_listener_and_a_profile_of_its_own() -> None:
    somebody: Any = SimpleNamespace(home="/home/x")
    binary, *switches = probe._chromium_argv(somebody, "/usr/bin/chromium", LISTENER)
    assert binary == "/usr/bin/chromium"
    assert {"--user-data-dir=/home/x/profile", "--host-resolver-rules=MAP * 127.0.0.9:4433"} <= {*switches}


@pytest.mark.parametrize(
    ("hits", "control", "complaint", "came"),
    [
        (0, 1, "a warning", OK),
        (2, 1, "", OPENED),
        (1, 0, "", OPENED),
        (0, 0, "No usable sandbox!", SILENT),
        (0, 0, "", Outcome(UNKNOWN, "nothing was opened, not even a name that no list has")),
    ],
)
def test_connections_to_two_names_tell_a_kept_ban_from_a_broken_browser(
    hits: int, control: int, complaint: str, came: Outcome
) -> None:
    assert outcome(GMAIL, hits, control, complaint) == came


@pytest.mark.parametrize(
    ("chromium", "firefox", "state", "reason"),
    [
        (OK, OK, COMPLIANT, ""),
        (OK, OPENED, NONCOMPLIANT, ""),
        (OK, SILENT, UNKNOWN, f"{FIREFOX.binary}: {SILENT.detail}"),
        (OPENED, SILENT, NONCOMPLIANT, ""),
    ],
)
def test_the_verdict_is_that_of_the_worst_browser_and_reports_each(
    chromium: Outcome, firefox: Outcome, state: str, reason: str
) -> None:
    verdict = probe.verdict(GMAIL_PLAN, [(CHROMIUM, chromium), (FIREFOX, firefox)])
    assert (verdict.state, verdict.reason, verdict.drifted) == (state, reason, False)
    assert verdict.findings == (
        Finding("browser", "chromium", "chromium", path=CHROMIUM.binary, detail=chromium.detail),
        Finding("browser", "firefox-esr", "firefox", path=FIREFOX.binary, detail=firefox.detail),
    )


def test_it_is_in_the_record_also_where_every_browser_keeps_the_ban(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(probe, "check_by_probe", lambda host, plan: probe.verdict(GMAIL_PLAN, [(CHROMIUM, OK)]))
    record, drifted = run.observe(Host(str(tmp_path)), plan(), probe=True)
    rules = {rule["rule"]: rule for rule in record["rules"]}["browser/probe"]
    assert (rules["state"], rules["findings"][0]["detail"], drifted) == (COMPLIANT, OK.detail, [])


def test_without_being_asked_for_its_code_does_not_even_come_to_be_imported(tmp_path: Path) -> None:
    script = (
        "import json, sys; sys.path.insert(0, sys.argv[1])\n"
        "from proscribe.host import run\n"
        "from proscribe.host.system import Host\n"
        "run.observe(Host(sys.argv[2]), json.loads(sys.argv[3]))\n"
        "print([name for name in sys.modules if name.endswith(('.probe', '.guest', '.listener'))])\n"
    )
    package = str(Path(proscribe.__file__).parents[1])
    argv = [sys.executable, "-c", script, package, str(tmp_path), plans.canonical(plan())]
    assert subprocess.run(argv, capture_output=True, text=True, check=True).stdout == "[]\n"


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


def place(id_: str, *paths: str, family: str = "chromium") -> dict[str, Any]:
    return {"id": id_, "family": family, "path": f"/etc/{id_}.json", "browsers": [id_], "paths": list(paths)}


@pytest.mark.parametrize(
    ("installed", "browsers", "started"),
    [
        pytest.param(
            {"/usr/bin/chromium": 0o755, "/usr/lib/chromium/chromium": 0o755},
            [place("chromium", "/usr/bin/chromium", "/usr/lib/chromium/chromium")],
            ["/usr/lib/chromium/chromium"],
            id="a launcher and what it starts are one",
        ),
        pytest.param(
            {"/opt/google/chrome/chrome": 0o755, "/opt/google/chrome/google-chrome": 0o755},
            [place("google_chrome", "/opt/google/chrome/chrome", "/opt/google/chrome/google-chrome")],
            ["/opt/google/chrome/chrome"],
            id="side by side they are one too",
        ),
        pytest.param(
            {"/usr/bin/firefox": 0o755, "/usr/lib/firefox-esr/firefox-esr": 0o755},
            [place("firefox", "/usr/bin/firefox", "/usr/lib/firefox-esr/firefox-esr", family="firefox")],
            ["/usr/lib/firefox-esr/firefox-esr"],
            id="so is a launcher of another name",
        ),
        pytest.param(
            {"/usr/bin/browser": 0o755},
            [place("browser", "/usr/bin/browser")],
            ["/usr/bin/browser"],
            id="a launcher alone is started",
        ),
        pytest.param(
            {"/usr/lib/chromium/chromium": 0o755},
            [place("chromium", "/usr/lib/chromium/chromium"), place("again", "/usr/lib/chromium/chromium")],
            ["/usr/lib/chromium/chromium"],
            id="one that two places name is started once",
        ),
        pytest.param(
            {"/usr/lib/a/a": 0o755, "/opt/b/b": 0o755},
            [place("a", "/usr/lib/a/a", "/opt/b/b")],
            ["/usr/lib/a/a", "/opt/b/b"],
            id="two browsers of one place are both started",
        ),
        pytest.param({"/opt/a/a": 0o644}, [place("a", "/opt/a/a")], [], id="no program"),
        pytest.param({"/opt/a/a": 0o775}, [place("a", "/opt/a/a")], [], id="what a group can change is not run"),
        pytest.param({"/opt/a/a": 0o755}, [place("a", "/opt/a")], [], id="a folder is not run"),
        pytest.param({"/snap/a/a": 0o755}, [place("a", "/snap/a/a")], [], id="a snap is not run without its own tool"),
        pytest.param(
            {"/usr/bin/thunderbird": 0o755},
            [place("thunderbird", "/usr/bin/thunderbird", family="thunderbird")],
            [],
            id="a mail program opens no sites",
        ),
    ],
)
def test_each_browser_that_is_installed_is_started_once(
    installed: dict[str, int],
    browsers: list[dict[str, Any]],
    started: list[str],
    tmp_path: Path,
) -> None:
    for path, mode in installed.items():
        put(tmp_path, path, "#!/bin/sh\n", mode)
    found = probe.candidates(Host(str(tmp_path)), plan(browsers))
    assert [candidate.binary for candidate in found] == started


def test_flatpaks_and_snaps_are_named_since_they_are_not_started(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for folder in ("var/lib/flatpak/app/org.mozilla.firefox", "snap/firefox"):
        (tmp_path / folder).mkdir(parents=True)
    packed = {"flatpaks": ["org.mozilla.firefox", "org.example.Absent"], "snaps": ["firefox"]}
    firefox = {**place("firefox", family="firefox"), **packed}
    mail = {**place("mail", family="thunderbird"), **packed}
    found = list(probe.packed(Host(str(tmp_path)), plan([firefox, mail])))
    assert [one.binary for one in found] == ["/var/lib/flatpak/app/org.mozilla.firefox", "/snap/firefox"]
    monkeypatch.setattr(Host, "privileged", True)
    unknown = Outcome(UNKNOWN, "only its own package system can start it")
    verdict = probe.check_by_probe(Host(str(tmp_path)), plan([firefox]))
    assert verdict == probe.verdict(GMAIL_PLAN, [(one, unknown) for one in found])


HELLO = b"\x16\x03\x01\x00\x00\x01\x00\x00\x00\x03\x03" + bytes(32) + b"\x00\x00\x02\x13\x01\x01\x00"


def hello(name: str) -> bytes:
    entry = b"\x00" + len(name).to_bytes(2, "big") + name.encode()
    listed = len(entry).to_bytes(2, "big") + entry
    extensions = b"\x00\x17\x00\x00" + b"\x00\x00" + len(listed).to_bytes(2, "big") + listed
    return HELLO + len(extensions).to_bytes(2, "big") + extensions


def test_the_listener_reads_the_name_out_of_a_hello_or_a_request() -> None:
    assert server_name(hello("mail.google.com")) == "mail.google.com"
    assert http_host(b"GET / HTTP/1.1\r\nAccept: */*\r\nHost: Example.org:8080\r\n\r\n") == "Example.org"
    assert (server_name(HELLO + b"\x00\x00"), http_host(b"GET / HTTP/1.0\r\n\r\n")) == ("", "")


@given(st.binary(max_size=80) | st.binary(max_size=80).map(lambda tail: hello("a.example")[:60] + tail))
def test_whatever_is_said_to_the_listener_it_reads_it_without_an_error(said: bytes) -> None:
    assert isinstance(server_name(said), str)
    assert isinstance(http_host(said), str)
