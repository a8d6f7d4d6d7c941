"""The probe with real browsers, and the account in which they run: it sees what is so, and leaves nothing behind."""

from __future__ import annotations

import glob
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from browser_setup import PROJECT, enforce, in_place_of_etc, put, real_plan
from conftest import missing
from patience import BUSY
from proscribe.host.controls.browser import probe
from proscribe.host.controls.browser.places import Place
from proscribe.host.controls.browser.rendering import Name
from proscribe.host.system import Host, transient_user
from proscribe.model.finding import COMPLIANT, NONCOMPLIANT, UNKNOWN

pytestmark = pytest.mark.integration

ON_THE_HOST = """
import json, sys
sys.path.insert(0, sys.argv[1])
from proscribe.host.controls.browser import probe
from proscribe.host.system import Host
with open(sys.argv[2]) as stream:
    print(json.dumps(probe.check_by_probe(Host(), json.load(stream)).as_dict()))
"""
NOTHING = "nothing was opened, not even a name that no list has"


def rooms() -> list[str]:
    return glob.glob(f"{transient_user.ROOM}/{transient_user.PREFIX}{os.getpid()}-*")


@pytest.fixture
def host(require_root: Callable[[], None]) -> Host:
    require_root()
    return Host()


@pytest.fixture
def program() -> Iterator[Callable[[str], str]]:
    """Makes a program in a place that everybody reaches."""
    place = Path(tempfile.mkdtemp())  # pytest's own are for root alone
    place.chmod(0o755)

    def make(text: str) -> str:
        (place / "browser").write_text("#!/bin/sh\n" + text)
        (place / "browser").chmod(0o755)
        return str(place / "browser")

    yield make
    (place / "browser").unlink()
    place.rmdir()


def test_real_browsers_are_seen_to_keep_the_ban_only_where_they_do(
    tree: Path, require_tool: Callable[[str], str]
) -> None:
    for tool in ("chromium", "firefox-esr"):
        require_tool(tool)
    plan, plan_file = real_plan(browser_settings={"remote_debugging": "blocked"}), tree / "plan.json"
    plan_file.write_text(json.dumps(plan))
    (tree / "look.py").write_text(ON_THE_HOST)

    foreign = "/etc/chromium/policies/managed/zz.json"  # the organisation's

    def observe() -> dict[str, Any]:
        seen = in_place_of_etc(tree, tree / "look.py", str(PROJECT / "module_utils"), str(plan_file))
        return {"state": seen["state"], **{found["id"]: found["detail"] for found in seen["findings"]}}

    refused = "0x0.st was refused, another name was opened"
    opened = "0x0.st was opened"
    put(tree, {foreign: {"DeveloperToolsAvailability": 2}})  # with which Chromium prints no page
    assert observe() == {"state": NONCOMPLIANT, "chromium": opened, "firefox-esr": opened}
    enforce(tree, plan)
    (tree / foreign[1:]).unlink()
    assert observe() == {"state": COMPLIANT, "chromium": refused, "firefox-esr": refused}
    (tree / "etc/firefox/policies/policies.json").chmod(0o600)  # what root sees and no user does
    put(tree, {foreign: {"DeveloperToolsAvailability": 2}})
    assert observe() == {"state": NONCOMPLIANT, "chromium": refused, "firefox-esr": opened}
    plan["browsers"] = [place for place in plan["browsers"] if place["id"] == "chromium"]
    plan_file.write_text(json.dumps(plan))
    put(tree, {foreign: {"HeadlessMode": 2}})  # neither kept nor broken: not known
    seen = observe()
    assert (seen["state"], seen["chromium"].partition(":")[0]) == (UNKNOWN, NOTHING)
    put(tree, {foreign: {"ProxyMode": "fixed_servers", "ProxyServer": "proxy.test:3128"}})  # led to the listener too
    assert observe() == {"state": COMPLIANT, "chromium": refused}


def test_chromium_without_namespaces_is_unknown(host: Host, tmp_path: Path, require_tool: Callable[[str], str]) -> None:
    require_tool("chromium")
    (tmp_path / "plan.json").write_text(json.dumps(real_plan()))
    (tmp_path / "look.py").write_text(ON_THE_HOST)
    everybody = ["unshare", "--user", "--map-users=0,0,65536", "--map-groups=0,0,65536"]
    none = 'echo 0 > /proc/sys/user/max_user_namespaces && exec "$@"'  # counts in this namespace only
    words = [sys.executable, str(tmp_path / "look.py"), str(PROJECT / "module_utils"), str(tmp_path / "plan.json")]
    if subprocess.run([*everybody, "true"], capture_output=True, check=False).returncode:
        missing("needs user namespaces, and unshare of util-linux 2.38")
    seen = subprocess.run([*everybody, "sh", "-c", none, "sh", *words], capture_output=True, text=True, check=True)
    details = {found["id"]: found["detail"] for found in json.loads(seen.stdout)["findings"]}
    assert details["chromium"].startswith(f"{NOTHING}: No usable sandbox!")


@pytest.mark.parametrize("family", ["chromium", "firefox"])
@pytest.mark.parametrize(
    ("text", "detail"),
    [
        ("echo 'no room for me' >&2; exit 1", f"{NOTHING}: no room for me"),
        ("sleep 300", NOTHING),
        ("(sleep 300 &) ; (setsid sleep 300 &) ; exit 0", NOTHING),
    ],
    ids=["fails", "hangs", "leaves others behind"],
)
def test_a_browser_that_does_not_work_is_unknown_and_leaves_nothing(
    family: str, text: str, detail: str, host: Host, program: Callable[[str], str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(probe, "LIMIT", 1)
    candidate = probe.Candidate(Place("made", family, "/x"), program(text))
    others = _numbers_in_use()  # systemd gives such numbers to services of its own
    began = time.monotonic()
    assert probe.start(host, candidate, Name("mail.google.com")) == probe.Outcome(UNKNOWN, detail)
    assert time.monotonic() - began < BUSY, "it was left to its own end"
    assert rooms() == []
    assert not any(transient_user._processes(number) for number in _numbers_in_use() - others)


def _numbers_in_use() -> set[int]:
    uids = set()
    for entry in os.scandir("/proc"):
        if entry.name.isdigit():
            try:
                uids.add(entry.stat().st_uid)
            except FileNotFoundError:
                continue
    return uids & set(transient_user.NUMBERS)
