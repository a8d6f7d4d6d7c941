"""What was not observed does not count as compliant, and what vanishes during an observation is no evidence.

Each of these was a mistake that no test noticed. A service whose programs are known by name only counted as compliant
beside a home that was not scanned. Root's own home was never scanned. A program that ended between two reads of it
ended the observation.
"""

from __future__ import annotations

import os
import shutil
from functools import partialmethod
from pathlib import Path
from typing import Any

import pytest
from made_host import MadeHost, evidence, plan, states
from proscribe.host.controls import apps
from proscribe.host.system import Host, Unseen
from proscribe.model.finding import Verdict

SLEEP = shutil.which("sleep") or "sleep"  # a program as compilers make them
TOO_DEEP = "d/" * 200  # directories that the file scan does not follow to their end


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
    """The state is unknown, never compliant, if launchers of the host or of a user were not read."""
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
def test_a_program_that_ends_while_it_is_observed_is_no_evidence(host: MadeHost, gone: tuple[str, ...]) -> None:
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


# -- of what nothing is known that this host could have: there was nothing to look for ---------------------------------


def seen(host: MadeHost, **known_by: Any) -> Verdict:
    (verdict,) = [one for one in apps.observe(host, plan(parrot=known_by)) if one.rule == "apps/parrot"]
    return verdict


def make(host: MadeHost, path: str) -> None:
    (Path(host.root) / path).mkdir(parents=True)


# (package systems that know it, what the host has of one)
SYSTEMS = [
    ({"pacman": ["parrot"]}, "var/lib/pacman/local"),
    ({"snap": ["parrot"]}, "var/lib/snapd/snaps"),
    ({"flatpak": ["org.parrot.Parrot"]}, "home/alice/.local/share/flatpak"),
    ({"npm": ["parrot"]}, "home/alice/.npm-global/lib/node_modules"),
    ({"android": ["org.parrot"]}, "home/alice/.local/share/waydroid"),
    ({"brew": ["parrot"]}, "home/linuxbrew/.linuxbrew"),
    ({"rpm": ["parrot"], "pacman": ["parrot"]}, "var/lib/pacman/local"),
]


@pytest.mark.parametrize(("packages", "place"), SYSTEMS, ids=["-".join(packages) for packages, _ in SYSTEMS])
def test_a_package_of_a_system_that_the_host_has_not_is_not_applicable(
    host: MadeHost, packages: dict[str, list[str]], place: str
) -> None:
    verdict = seen(host, packages=packages)
    assert verdict.state == "not_applicable"
    assert verdict.reason.startswith("nothing known to look for: this host has no ")
    make(host, place)
    assert seen(host, packages=packages).state == "compliant"


@pytest.mark.parametrize(
    "more",
    [
        {"processes": ["parrot"]},
        {"paths": ["/opt/parrot"]},
        {"desktop_files": ["parrot.desktop"]},
        {"web_hosts": ["parrot.example"]},
        {"packages": {"pip": ["parrot"]}},
    ],
    ids=["processes", "paths", "desktop files", "web hosts", "pip, which needs nothing"],
)
def test_what_else_can_be_looked_for_makes_it_compliant(host: MadeHost, more: dict[str, Any]) -> None:
    assert seen(host, **{"packages": {"pacman": ["parrot"]}, **more}).state == "compliant"


def test_a_home_that_cannot_be_looked_through_may_have_it(host: MadeHost) -> None:
    make(host, "home/alice/" + "d/" * 200)
    observed = apps.observe(host, plan(parrot={"packages": {"android": ["org.parrot"]}}, other={"processes": ["x"]}))
    assert {one.rule: one.state for one in observed}["apps/parrot"] == "unknown"
