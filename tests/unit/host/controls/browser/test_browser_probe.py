"""The probe: which browsers are started, for how long, and the meaning of their connections."""

import contextlib
import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from browser_hosts import section
from made_users import put
from proscribe.host.controls.browser import browser_forks, browser_probe
from proscribe.host.controls.browser.browser_probe import CONTROL_NAME, ProbeCandidate, ProbeOutcome
from proscribe.host.controls.browser.policy_places import PolicyPlace
from proscribe.host.controls.browser.site_rules import SiteName
from proscribe.host.system import ControlError, Host
from proscribe.model.finding import COMPLIANT, NONCOMPLIANT, NOT_APPLICABLE, UNKNOWN, RuleVerdict

MAIL_SECTION = section({"mail": {"domains": ["mail.example"]}})


def plan(*paths: str, section: dict[str, Any] = MAIL_SECTION) -> dict[str, Any]:
    browser = {"id": "a", "family": "chromium", "path": "/etc/a.json", "browsers": ["a"], "paths": list(paths)}
    return {"browsers": [browser] if paths else [], "controls": {"browser": section}}


@pytest.mark.parametrize(
    ("privileged", "browser", "state", "reason"),
    [
        (True, section(), NOT_APPLICABLE, "no site is blocked"),
        (False, MAIL_SECTION, UNKNOWN, "only root can start a browser as somebody else"),
        (True, MAIL_SECTION, NOT_APPLICABLE, "no browser is installed"),
    ],
)
def test_probe_without_start_has_a_reason(privileged, browser, state, reason, tmp_path, monkeypatch):
    monkeypatch.setattr(Host, "privileged", privileged)
    expected = RuleVerdict(browser_probe.RULE_NAME, state, reason=reason)
    assert browser_probe.probe_browsers(Host(str(tmp_path)), plan(section=browser)) == expected


MAIL = SiteName("mail.example", "/in")
CHROMIUM = ProbeCandidate(PolicyPlace("chromium", "chromium", "/etc/x/managed/proscribe.json"), "/opt/c/c")
FIREFOX = ProbeCandidate(PolicyPlace("firefox", "firefox", "/etc/y.json"), "/opt/f/f")
URL, OTHER = "https://mail.example/in", "https://control.invalid/"
REFUSED = ProbeOutcome(COMPLIANT, "mail.example/in was refused, another name was opened")
OPENED = ProbeOutcome(NONCOMPLIANT, "mail.example/in was opened")
SILENT = ProbeOutcome(UNKNOWN, "nothing was opened, not even a name that no list has: no room")
SWITCHES = [
    *("--headless", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking"),
    *("--disable-component-update", "--disable-sync", "--disable-dev-shm-usage", "--user-data-dir=/home/x/profile"),
    "--host-resolver-rules=MAP * 127.0.0.9:4433",
]


class Started:
    """The listener, the user and the clock of a probe; a browser opens names after these seconds, if it still runs."""

    address, port, home = "127.0.0.9", 4433, "/home/x"

    def __init__(self, opens: Mapping[str, float], ends: float) -> None:
        self.opens, self.ends, self.now, self.began = opens, ends, 100.0, 0.0
        self.calls: list[tuple[Any, ...]] = []
        self.opened: set[str] = set()
        self.files: dict[str, str] = {}
        self.write_file = self.files.__setitem__

    def monotonic(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += seconds
        self._open_names()

    def _open_names(self) -> None:
        seconds = min(self.ends, self.now - self.began)
        names = {host for host, after in self.opens.items() if after <= seconds}
        self.opened |= {host for host in names if any(f"//{host}/" in word for word in self.calls[-1][0])}

    def count_hits(self, host: str) -> int:
        return int(host in self.opened)

    @contextlib.contextmanager
    def run_program(self, argv: Sequence[str], limit: float, more: Mapping[str, str]) -> Iterator[SimpleNamespace]:
        self.calls.append((list(argv), limit, dict(more)))
        self.began = self.now
        yield SimpleNamespace(
            poll=lambda: 0 if self.now - self.began >= self.ends else None, wait=lambda: self.sleep(self.ends)
        )

    def read_last_error(self, noise: str = "") -> str:
        return "no room" if noise in ("", browser_probe.EXPECTED_NOISE) else noise


def probed(
    root: Path, monkeypatch: pytest.MonkeyPatch, one: ProbeCandidate, ends: float = 1e9, **opens: float
) -> tuple[ProbeOutcome, Started]:
    names = {"mail": MAIL.host, "control": CONTROL_NAME.host}
    started = Started({names[name]: after for name, after in opens.items()}, ends)
    monkeypatch.setattr(browser_probe, "time", started)
    monkeypatch.setattr(browser_probe, "Listener", lambda: contextlib.nullcontext(started))
    monkeypatch.setattr(browser_probe, "make_transient_user", lambda host: contextlib.nullcontext(started))
    return browser_probe.start_browser(Host(str(root)), one, MAIL), started


@pytest.mark.parametrize(
    ("opens", "came"), [({"control": 1}, REFUSED), ({"mail": 1, "control": 1}, OPENED), ({}, SILENT)]
)
def test_chromium_takes_one_name_after_the_other(tmp_path, monkeypatch, opens, came):
    outcome, started = probed(tmp_path, monkeypatch, CHROMIUM, 2, **opens)
    assert outcome == came
    assert started.calls == [(["/opt/c/c", *SWITCHES, "--dump-dom", url], 40, {}) for url in (URL, OTHER)]


@pytest.mark.parametrize(
    ("ends", "opens", "came", "times"),
    [
        (1e9, {"control": 3, "mail": 13.5}, OPENED, 2),  # two seconds, and four times as long as the other one
        (1e9, {"control": 3, "mail": 15}, REFUSED, 2),
        (1e9, {"control": 20, "mail": 41}, REFUSED, 2),
        (1e9, {"mail": 1}, SILENT, 1),
    ],
)
def test_chromium_without_dump_waits_four_times(tmp_path, monkeypatch, ends, opens, came, times):
    put(tmp_path, CHROMIUM.place.path, '{"DeveloperToolsAvailability": 2}')
    outcome, started = probed(tmp_path, monkeypatch, CHROMIUM, ends, **opens)
    assert outcome == came
    assert started.calls == [(["/opt/c/c", *SWITCHES, url], 40, {}) for url in (OTHER, URL)][:times]


@pytest.mark.parametrize(
    ("ends", "opens", "came", "seconds"),
    [(1e9, {"control": 3, "mail": 4.5}, OPENED, 4.5), (1e9, {"control": 3, "mail": 6}, REFUSED, 5), (7, {}, SILENT, 9)],
)
def test_firefox_opens_both_names(tmp_path, monkeypatch, ends, opens, came, seconds):
    outcome, started = probed(tmp_path, monkeypatch, FIREFOX, ends, **opens)
    assert (outcome, started.now - 100) == (came, pytest.approx(seconds, abs=0.3))
    words = ["/opt/f/f", "--headless", "--no-remote", "--profile", "/home/x/profile", URL, OTHER]
    assert started.calls == [(words, 40, {"MOZ_CRASHREPORTER_DISABLE": "1"})]
    (lines,) = started.files.values()
    said = [json.loads(f"[{line.removeprefix('user_pref(').removesuffix(');')}]") for line in lines.splitlines()]
    off = [name for name, value in said if value is False]
    assert off == [  # what it would ask of others by itself, or show in the place of a page
        *("app.normandy.enabled", "app.update.enabled", "browser.aboutwelcome.enabled"),
        *("browser.shell.checkDefaultBrowser", "datareporting.policy.dataSubmissionEnabled"),
        *("network.captive-portal-service.enabled", "network.connectivity-service.enabled"),
        "toolkit.telemetry.enabled",
    ]
    assert {name: value for name, value in said if value is not False} == {
        "network.dns.forceResolve": "127.0.0.9",
        "network.proxy.type": 0,
        "network.socket.forcePort": "443=4433;80=4433",
    }


def test_failed_start_is_unknown_with_its_reason(tmp_path, monkeypatch):
    def refuse(host: Host) -> None:
        raise ControlError("no user is left")

    monkeypatch.setattr(browser_probe, "make_transient_user", refuse)
    assert browser_probe.start_browser(Host(str(tmp_path)), FIREFOX, MAIL) == ProbeOutcome(UNKNOWN, "no user is left")


@pytest.mark.parametrize("folder", ["/snap/a", "/var/lib/flatpak/app/a", "/var/lib/snapd/snap/a"])
def test_browser_in_a_package_folder_is_no_candidate(tmp_path, folder):
    put(tmp_path, f"{folder}/a", mode=0o755)
    assert list(browser_probe.list_candidates(Host(str(tmp_path)), plan(f"{folder}/a"))) == []


def test_launcher_and_its_browser_are_one_candidate(tmp_path):
    for path in ("/usr/bin/a", "/opt/a/a"):
        put(tmp_path, path, mode=0o755)
    found = browser_probe.list_candidates(Host(str(tmp_path)), plan("/usr/bin/a", "/opt/a/a"))
    assert [candidate.binary for candidate in found] == ["/opt/a/a"]


def test_relatives_of_which_a_policy_folder_is_known_are_started_too(tmp_path, monkeypatch):
    monkeypatch.setattr(browser_forks, "MIN_BINARY_BYTES", 100)
    for name, policies in (("owl", b"/etc/owl/policies"), ("eagle", b"")):
        put(tmp_path, f"/opt/{name}/{name}", (b"x" * 200 + b"\0" + policies + b"\0").decode(), 0o755)
        text = f"Exec=/opt/{name}/{name}\nMimeType=x-scheme-handler/http;\n"
        put(tmp_path, f"/usr/share/applications/{name}.desktop", text)
    put(tmp_path, "/opt/a/a", mode=0o755)
    host, made = Host(str(tmp_path)), plan("/opt/a/a")
    found = list(browser_probe.list_candidates(host, made))
    assert [candidate.binary for candidate in found] == ["/opt/a/a", "/opt/owl/owl"]
    started = []
    monkeypatch.setattr(Host, "privileged", True)
    monkeypatch.setattr(browser_probe, "start_browser", lambda *words: started.append(words) or REFUSED)
    verdict, outcomes = browser_probe.probe_browsers(host, made), [(candidate, REFUSED) for candidate in found]
    assert started == [(host, candidate, SiteName("mail.example")) for candidate in found]
    assert verdict == browser_probe.judge_outcomes(made["controls"]["browser"], outcomes)
