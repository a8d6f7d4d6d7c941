"""Nobody is in line for what was not looked at, and what vanishes while it is looked at is no evidence.

Each of these was a mistake that no test noticed: a service whose programs are known by name only counted as compliant
beside a home that was not looked through, root's own home was never looked into, and a program that ended between two
looks at it ended the look.
"""

from __future__ import annotations

import os
import shutil
from functools import partialmethod
from pathlib import Path
from typing import Any

import pytest
from proscribe.controls import apps
from proscribe.host import Host, Unseen
from test_apps import MadeHost, evidence, plan, states

SLEEP = shutil.which("sleep") or "sleep"  # a program as compilers make them
TOO_DEEP = "d/" * 200  # directories that the file scan does not follow to their end


@pytest.fixture
def host(tmp_path: Path) -> MadeHost:
    return MadeHost(tmp_path)


@pytest.mark.parametrize(
    "known_by",
    [
        pytest.param({"processes": ["wechat"]}, id="the names of its programs"),
        pytest.param({"paths": ["~/wechat"]}, id="paths"),
        pytest.param({"packages": {"flatpak": ["com.tencent.WeChat"]}}, id="packages"),
        pytest.param({"web_hosts": ["wechat.com"]}, id="the address of its web app"),
    ],
)
def test_a_home_that_was_not_looked_through_may_hide_it(host: MadeHost, known_by: dict[str, Any]) -> None:
    (Path(host.root) / "home/alice/.local/share/flatpak").mkdir(parents=True)
    assert states(host, plan(wechat=known_by))["apps/wechat"] == "compliant"
    (Path(host.root) / "home/alice" / TOO_DEEP).mkdir(parents=True)
    other = {"processes": ["telegram"]}  # so that there is something to look for in homes
    assert states(host, plan(wechat=known_by, telegram=other))["apps/wechat"] == "unknown"


@pytest.mark.parametrize(
    "place",
    [
        pytest.param("etc/xdg/autostart", id="the system's autostart"),
        pytest.param("usr/share/applications", id="the system's menu"),
        pytest.param("home/alice/.config/autostart", id="a user's autostart"),
        pytest.param("home/alice/.local/share/applications", id="a user's menu"),
    ],
)
@pytest.mark.parametrize("what", ["the directory", "an entry"])
def test_launchers_that_cannot_be_read_may_hide_it(
    host: MadeHost, monkeypatch: pytest.MonkeyPatch, place: str, what: str
) -> None:
    """What was not looked at is unknown, never compliant: of the host's launchers and of each user's."""
    (Path(host.root) / place).mkdir(parents=True)
    (Path(host.root) / place / "a.desktop").write_text("[Desktop Entry]\n")
    of = plan(wechat={"web_hosts": ["wechat.com"], "processes": ["wechat"]})
    assert states(host, of)["apps/wechat"] == "compliant"
    real_list, real_read = Host.list, Host.read

    def refused(self: Host, path: str, *rest: Any, real: Any, closed: str) -> Any:
        if path == closed:
            raise Unseen(f"{path}: Permission denied")
        return real(self, path, *rest)

    closed = f"/{place}" if what == "the directory" else f"/{place}/a.desktop"
    monkeypatch.setattr(MadeHost, "list", partialmethod(refused, real=real_list, closed=closed))
    monkeypatch.setattr(MadeHost, "read", partialmethod(refused, real=real_read, closed=closed))
    (verdict,) = [verdict for verdict in apps.observe(host, of) if verdict.rule == "apps/wechat"]
    assert verdict.state == "unknown" and f"/{place}" in verdict.reason


@pytest.mark.parametrize(
    ("account", "home"),
    [
        pytest.param("root:x:0:0::/root:/bin/sh", "/root", id="root's own"),
        pytest.param("alice:x:1000:1000::/data/alice:/bin/sh", "/data/alice", id="a user's, wherever it is"),
        pytest.param("svc:x:500:500::/home/svc:/bin/sh", "/home/svc", id="below /home, whoever it is"),
    ],
)
def test_a_program_in_a_home_is_seen(host: MadeHost, account: str, home: str) -> None:
    (Path(host.root) / "etc/passwd").write_text(account + "\n")
    place = Path(host.root + home) / "Telegram"
    place.mkdir(parents=True)
    for name in ("Telegram", "Updater"):
        shutil.copy(SLEEP, place / name)
    if "svc" in account:
        os.chown(place, 500, 500)
    seen = evidence(host, plan(telegram={"processes": ["Telegram"]}), "apps/telegram")
    assert [path for _, _, _, path, _ in seen if path.startswith(home)] != []


@pytest.mark.parametrize(
    "gone",
    [
        pytest.param(("exe", "stat", "status"), id="all of it"),
        pytest.param(("status",), id="once its program was seen: nobody knows any more whose it was"),
        pytest.param(("stat", "status"), id="and not even when it began"),
    ],
)
def test_a_program_that_ends_while_it_is_looked_at_is_no_evidence(host: MadeHost, gone: tuple[str, ...]) -> None:
    desired = plan(tor={"processes": ["tor"], "paths": ["/usr/bin/tor"]})
    host.program(7, "/usr/bin/tor")
    assert states(host, desired)["apps/tor"] == "noncompliant"
    for name in gone:
        (Path(host.root) / "proc/7" / name).unlink()
    assert states(host, desired)["apps/tor"] == "compliant"
    assert [str(action) for action in apps.enforce(host, desired).actions if action.verb == "end"] == []


def test_a_program_that_began_nobody_knows_when_is_seen_all_the_same(host: MadeHost) -> None:
    host.program(7, "/usr/bin/tor")
    (Path(host.root) / "proc/7/stat").unlink()
    assert states(host, plan(tor={"paths": ["/usr/bin/tor"]}))["apps/tor"] == "noncompliant"


def test_processes_that_show_nothing_to_root_are_counted_and_those_that_ended_are_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = MadeHost(tmp_path)
    made.program(1, "/sbin/init")
    made.program(7, "/usr/bin/tor")
    made.program(8, "/usr/bin/tor")
    made.program(9, "/usr/bin/tor")
    real = os.readlink

    def answered(path: Any, *rest: Any, **more: Any) -> Any:
        if str(path).endswith(("/1/exe", "/8/exe")):
            raise PermissionError(path)
        if str(path).endswith("/9/exe"):
            raise FileNotFoundError(path)
        return real(path, *rest, **more)

    monkeypatch.setattr(os, "readlink", answered)
    seen, hidden = Host.processes(made)
    assert ([process.pid for process in seen], hidden) == ([7], 1)  # the first one hides itself in a container
