"""Running browsers that do not follow the policy yet."""

import os
import shutil
import subprocess
import time
from pathlib import Path
from typing import Any

import pytest
from proscribe.host.controls.browser import browser_processes
from proscribe.host.controls.browser.policy_places import PolicyPlace
from proscribe.host.system import Host, Process, User
from proscribe.model.finding import Finding

FOX = PolicyPlace("firefox", "firefox", "/fox/own.json", programs=("firefox", "fox"))
BIRD = PolicyPlace("thunderbird", "thunderbird", "/bird/own.json", programs=("bird",))
CHROME = PolicyPlace("chromium", "chromium", "/chrome/own.json", programs=("chrome",))
SNAP = PolicyPlace("snap", "chromium", "/snapped/own.json", programs=("fox",))
START, NOW = 10_000.0, 20_000.0


class Running(Host):
    """A host on which some programs run, by number; `written` is when the files were, after the start of all."""

    def __init__(self, root: Path, programs: dict[int, str], written: float, **more: Any) -> None:
        super().__init__(str(root))
        self.programs, self.written, self.more = programs, written, {"hidden": 0, "unseen": {}, "inside": b"", **more}

    def list_processes(self) -> tuple[list[Process], int]:
        return [Process(pid, exe) for pid, exe in self.programs.items()], self.more["hidden"]

    def read_parent_pid(self, process: Process) -> int:
        return self.more.get("parents", {}).get(process.pid, 1)

    def find_process_owner(self, process: Process) -> User | None:
        return User("alice", 1000, 1000, "/home/alice") if self.more.get("owned", True) else None

    def find_entry(self, path: str) -> os.stat_result | None:
        return os.stat_result([0o100644] + 9 * [0], {"st_ctime": START + self.written})

    def can_see_host_file(self, process: Process, path: str) -> bool | None:
        return self.more["unseen"].get(path, True)

    def read_file_in_root(self, process: Process, path: str, most: int) -> bytes | None:
        return self.more["inside"] if (path, most) == (".flatpak-info", 1) else None

    def read_start_time(self, process: Process) -> float | None:
        return self.more.get("start", START)

    def format_start_time(self, process: Process) -> str:
        return "at ten"


LATE_FOX = f"started at ten, before {FOX.path} was written: restart it"
MISSED = f"started at ten, as {CHROME.path} was written: it may see that only 15 minutes later: restart it"
OTHER = "it sees another {} than the host has"
BELOW_APP = f"its user has given it a .flatpak-info, so that it reads its policies below /app instead of {FOX.path}"


@pytest.mark.parametrize(
    ("exe", "written", "more", "detail"),
    [
        ("/usr/bin/firefox", 0, {}, ""),
        ("/usr/bin/firefox", 1.5, {}, LATE_FOX),
        ("/app/bin/firefox", 1.5, {}, LATE_FOX),
        ("/usr/bin/bird", 1.5, {}, LATE_FOX.replace("fox", "bird")),
        ("/usr/bin/firefox", 1.5, {"start": None}, ""),
        ("/usr/bin/other", 1.5, {}, ""),
        ("/usr/bin/firefox", 0, {"unseen": {FOX.path: False}}, OTHER.format(FOX.path)),
        ("/app/bin/firefox", 0, {"unseen": {FOX.path: False}, "inside": b"["}, ""),
        ("/usr/bin/chrome", 0, {"unseen": {CHROME.path: False}}, OTHER.format(CHROME.path)),
        ("/usr/bin/firefox", 0, {"inside": b"["}, BELOW_APP),
        ("/usr/bin/chrome", 0, {"inside": b"["}, ""),
        ("/usr/bin/chrome", -0.5, {"now": START}, ""),
        ("/usr/bin/chrome", 0, {"now": START + 5}, MISSED),
        ("/usr/bin/chrome", 3.5, {"now": START + 902}, MISSED),
        ("/usr/bin/chrome", 3.5, {"now": START + 903.5}, ""),
    ],
)
def test_running_browser_is_reported(tmp_path, monkeypatch, exe, written, more, detail):
    monkeypatch.setattr(browser_processes.time, "time", lambda: more.get("now", NOW))
    seen = browser_processes.check_running(Running(tmp_path, {7: exe}, written, **more), [CHROME, FOX, BIRD, SNAP])
    finding = Finding("process", Path(exe).name, scope="user:alice", path=exe, detail=f"pid 7, {detail}")
    assert seen == ([finding] if detail else [], "")


def test_helpers_of_a_browser_are_passed_over_and_hidden_processes_counted(tmp_path):
    programs = {7: "/usr/bin/firefox", 8: "/usr/bin/firefox", 9: "/usr/bin/fox", 10: "/usr/bin/firefox"}
    host = Running(tmp_path, programs, 5, parents={8: 7, 9: 7, 10: 6}, hidden=3, owned=False)
    seen = browser_processes.check_running(host, [FOX])
    pids = [(finding.detail.split(",")[0], finding.scope) for finding in seen.findings]
    assert pids == [("pid 7", ""), ("pid 9", ""), ("pid 10", "")]
    assert seen.unseen_reason == "3 processes of other users are only seen by root"


def test_real_browser_started_before_its_policy_needs_a_restart(tmp_path, monkeypatch):
    program, policy, real, ages = tmp_path / "firefox-esr", tmp_path / "policies.json", Host.find_entry, [60]
    shutil.copy(os.path.realpath(shutil.which("sleep") or "/bin/sleep"), program)
    policy.write_text("{}")
    os.utime(policy, (1, 1))  # anybody can set the time of writing

    def stat(self: Host, path: str) -> os.stat_result | None:
        """Give the policy the age of the test: nobody can set the time of its last change."""
        seen = real(self, path)
        aged = seen and path == str(policy)
        return os.stat_result(seen[:10], {"st_ctime": time.time() - ages[-1]}) if seen and aged else seen

    monkeypatch.setattr(Host, "find_entry", stat)
    place = PolicyPlace("firefox", "firefox", str(policy), browsers=("firefox",), programs=("firefox-esr",))

    def report() -> list[str]:
        findings = browser_processes.check_running(Host(), [place]).findings
        return [f"{finding.id} {finding.detail}" for finding in findings if finding.path == str(program)]

    with subprocess.Popen([program, "60"]) as process:
        try:
            assert report() == []
            ages.append(-60)
            (late,) = report()
        finally:
            process.kill()
    assert late.startswith(f"firefox-esr pid {process.pid}, started 20") and "restart it" in late
