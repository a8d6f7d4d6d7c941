"""What runs of a plan's apps: by which of a process's traits it is what, and which processes are one program."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from typing import Any

import pytest
from made_host import MadeHost, plan
from made_tools import package_system
from made_users import ALICE, BOB
from proscribe.host.controls.apps import running
from proscribe.host.controls.apps.desired import Desired
from proscribe.host.controls.apps.running import Identity, Running
from proscribe.host.controls.apps.systems.package import Package
from proscribe.host.system import Host, Process

WECHAT = {
    "packages": {"flatpak": ["com.x"], "snap": ["x-snap"], "apt": ["x"]},
    "processes": ["wx"],
    "paths": ["/opt/x", "~/x"],
}
PACKAGES = [(["wechat"], Package(manager, id_)) for manager, id_ in (("flatpak", "com.x"), ("dpkg", "x"))]
IDS = {"flatpak": "com.x", "snap": "x-snap", "dpkg": "x"}


@pytest.fixture
def identify(host: MadeHost, monkeypatch: pytest.MonkeyPatch) -> Callable[[Process], Identity | None]:
    """On a host with these package systems: what lies below the name of one is a program of its package."""

    def system(manager: str) -> Any:
        def programs(of: Host, ids: Collection[str], found: Sequence[Package]) -> Callable[[Process], str]:
            assert (of, [*ids]) == (host, [IDS[manager]])
            assert [*found] == [package for _, package in PACKAGES if package.manager == manager]
            return lambda process: IDS[manager] if process.exe.startswith(f"/{manager}/") else ""

        return package_system(MANAGER=manager, programs=programs)

    monkeypatch.setattr(running, "SYSTEMS", [*map(system, IDS)])
    monkeypatch.setattr(host, "shares_root", lambda process: process.pid < 100)
    desired = Desired(plan(wechat=WECHAT, qq={"processes": ["qq"]})["controls"]["apps"])  # type: ignore[arg-type]
    return running.Identifier(host, desired, PACKAGES, {"/home/alice"}, {"/home/bob/apps/x": ["wechat"]})


CONTAINED = "in a container, where the path says little, so it is not ended"
NAMED = "known by its name alone, so it is not ended"


@pytest.mark.parametrize(
    ("pid", "exe", "expected"),
    [
        (1, "/flatpak/bin/run", Identity(["wechat"], "com.x", "flatpak", "com.x")),
        (1, "/snap/bin/run", Identity(["wechat"], "x-snap", "snap", "x-snap")),
        (1, "/dpkg/bin/run", Identity(["wechat"], "run", "dpkg", "x")),
        (1, "/opt/x/bin/run", Identity(["wechat"], "run")),
        (1, "/home/alice/x/run", Identity(["wechat"], "run")),
        (1, "/home/bob/x/run", None),
        (1, "/home/bob/apps/x/run", Identity(["wechat"], "run")),
        (100, "/opt/x/bin/run", Identity(["wechat"], "run", doubt=CONTAINED)),
        (1, "/home/bob/wx", Identity(["wechat"], "wx", doubt=NAMED)),
        (100, "/home/bob/qq", Identity(["qq"], "qq", doubt=NAMED)),
        (1, "/home/bob/wx/run", None),
    ],
)
def test_what_a_process_is(
    identify: Callable[[Process], Identity | None], pid: int, exe: str, expected: Identity | None
) -> None:
    assert identify(Process(pid, exe)) == expected


def test_which_processes_are_one_program(host: MadeHost, monkeypatch: pytest.MonkeyPatch) -> None:
    x, other, sandboxed = Identity(["a"], "x"), Identity(["b"], "x"), Identity(["a"], "com.x", "flatpak", "com.x")
    doubtful = x._replace(doubt="it may be another")
    seen: dict[int, tuple[str, Identity | None, Any, str]] = {
        1: ("/a/x", x, ALICE, "2026-02"),
        2: ("/a/x", x, BOB, "2026-01"),
        3: ("/b/x", x, ALICE, "2026-01"),
        4: ("/app/y", sandboxed, ALICE, "2026-02"),
        5: ("/app/z", sandboxed, ALICE, "2026-01"),
        6: ("/a/x", x, None, "2026-01"),
        7: ("/a/x", None, ALICE, "2026-01"),
        8: ("/a/x", other, ALICE, "2026-01"),
        9: ("/a/x", x, ALICE, "2026-01"),
        10: ("/a/x", doubtful, ALICE, "2026-01"),
    }
    monkeypatch.setattr(host, "owner", lambda process: seen[process.pid][2])
    monkeypatch.setattr(host, "started", lambda process: seen[process.pid][3])
    processes = {pid: Process(pid, exe) for pid, (exe, *_) in seen.items()}
    found = running.running(host, lambda process: seen[process.pid][1], processes.values())
    assert found == [
        Running(identity, user.name, "2026-01", [processes[pid] for pid in pids])
        for identity, user, pids in (
            (sandboxed, ALICE, (5, 4)),
            (x, ALICE, (9, 1)),
            (x, ALICE, (3,)),
            (x, BOB, (2,)),
            (doubtful, ALICE, (10,)),
            (other, ALICE, (8,)),
        )
    ]
