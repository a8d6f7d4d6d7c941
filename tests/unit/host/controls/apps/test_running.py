"""Running programs of a plan's apps: their identities, and processes that are one program."""

from collections.abc import Callable, Collection, Sequence
from pathlib import Path
from typing import Any

import made_apps as fake
import pytest
from fake_tools import package_system
from made_host import plan
from made_users import ALICE, BOB
from proscribe.host.controls import apps
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
def identify(host, monkeypatch):
    """On a host with these package systems: what lies below the name of one is a program of its package."""

    def system(manager: str) -> Any:
        def programs(of: Host, ids: Collection[str], result: Sequence[Package]) -> Callable[[Process], str]:
            assert (of, [*ids]) == (host, [IDS[manager]])
            assert [*result] == [package for _, package in PACKAGES if package.manager == manager]
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
        (1, "/dpkg/bin/run", Identity(["wechat"], "run", "dpkg", "x")),
        (1, "/opt/x/bin/run", Identity(["wechat"], "run")),
        (1, "/home/alice/x/run", Identity(["wechat"], "run")),
        (1, "/home/bob/x/run", None),
        (1, "/home/bob/apps/x/run", Identity(["wechat"], "run")),
        (100, "/opt/x/bin/run", Identity(["wechat"], "run", doubt=CONTAINED)),
        (1, "/home/bob/wx", Identity(["wechat"], "wx", doubt=NAMED)),
        (100, "/home/bob/qq", Identity(["qq"], "qq", doubt=NAMED)),
    ],
)
def test_process(identify, pid, exe, expected):
    assert identify(Process(pid, exe)) == expected


def test_processes_of_one_program_and_user_are_one_entry(host, monkeypatch):
    x, other, sandboxed = Identity(["a"], "x"), Identity(["b"], "x"), Identity(["a"], "com.x", "flatpak", "com.x")
    doubtful = x._replace(doubt="it may be another")
    seen: dict[int, tuple[str, Identity | None, Any, int]] = {
        1: ("/a/x", x, ALICE, 2),
        2: ("/a/x", x, BOB, 1),
        3: ("/b/x", x, ALICE, 1),
        4: ("/app/y", sandboxed, ALICE, 2),
        5: ("/app/z", sandboxed, ALICE, 1),
        6: ("/a/x", x, None, 1),
        7: ("/a/x", None, ALICE, 1),
        8: ("/a/x", other, ALICE, 1),
        9: ("/a/x", x, ALICE, 1),
        10: ("/a/x", doubtful, ALICE, 1),
    }
    monkeypatch.setattr(host, "owner", lambda process: seen[process.pid][2])
    monkeypatch.setattr(host, "started", lambda process: f"2026-0{seen[process.pid][3]}")
    processes = {pid: Process(pid, exe) for pid, (exe, *_) in seen.items()}
    result = running.running(host, lambda process: seen[process.pid][1], processes.values())
    rows = [(sandboxed, ALICE, (5, 4)), (x, ALICE, (9, 1)), (x, ALICE, (3,)), (x, BOB, (2,)), (doubtful, ALICE, (10,))]
    assert result == [
        Running(identity, user.name, "2026-01", [processes[pid] for pid in pids])
        for identity, user, pids in (*rows, (other, ALICE, (8,)))
    ]


@pytest.mark.parametrize(
    ("exe", "services"),
    [
        ("/opt/app2/app", []),
        ("/home/alice/own", ["b"]),
        ("/home/bob/own/x", []),
        ("/opt/app/" + "x" * (4096 - 9), ["a"]),
        ("/opt/app/" + "x" * (4096 - 8), []),
    ],
)
def test_program_below_a_path_has_its_services(exe, services):
    assert running.below(exe, {"/home/alice"}, {"/opt/app": ["a"], "~/own": ["b"]}) == services


WINE = ".wine/drive_c/Program Files/Tencent/WeChat/WeChat"


@pytest.mark.parametrize(
    ("files", "exe", "ends"),
    [
        ({"WeChatLinux_x86_64.AppImage": fake.image("wechat")}, "WeChatLinux_x86_64.AppImage", True),
        ({"wechat/wechat": fake.elf(), "wechat/libcef.so": fake.elf()}, "wechat/other", True),
        (dict.fromkeys((f"{WINE}.exe", f"{WINE}Win.dll"), fake.windows()), f"{WINE}.exe", True),
        ({"Desktop/a.desktop": fake.entry("x", URL="https://wechat.com")}, "Desktop/a.desktop", False),
    ],
    ids=["appimage", "tree", "wine", "launcher"],
)
def test_program_of_a_portable_app_is_ended(host, files, exe, ends):
    """The process has a name that says nothing: only the portable app that it runs from identifies it."""
    fake.put(Path(host.root + "/home/alice"), files)
    host.program(7, f"/home/alice/{exe}")
    windows = ["Tencent/WeChat/WeChat.exe"]
    of = plan(wechat={"processes": ["wechat"], "web_hosts": ["wechat.com"], "windows": windows})
    actions = [str(action) for action in apps.enforce(host, of).actions]
    assert (f"end {exe.rpartition('/')[2]} of alice (pid 7)" in actions) is ends
