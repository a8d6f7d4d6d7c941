"""One process at its start: what is ended is what an enforcing run would end; the prefilter lets all of it through."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import Any

import made_apps as made
import pytest
from made_host import WECHAT, MadeHost, plan
from proscribe.host.controls import apps
from proscribe.host.system import Process, Unseen
from proscribe.host.system.budget import Budget
from proscribe.host.system.forked import Limits
from proscribe.host.watch import restricted
from proscribe.host.watch.restricted import Restricted, Verified, sets
from proscribe.host.watch.starts.prefilter import Prefilter

VIBER = {"processes": ["Viber"], "paths": ["/opt/viber", "~/viber"]}


@pytest.fixture
def host(tmp_path: Path) -> MadeHost:
    one = MadeHost(tmp_path)
    (tmp_path / "proc/self/ns").mkdir(parents=True)
    (tmp_path / "proc/self/ns/mnt").symlink_to("mnt:[1]")
    return one


def at_home(host: MadeHost, pid: int, exe: str) -> None:
    """A program that sees the host's files as the host does."""
    host.program(pid, exe)
    place = Path(host.root) / "proc" / str(pid)
    (place / "root").unlink()
    (place / "root").symlink_to("/")
    (place / "ns").mkdir()
    (place / "ns/mnt").symlink_to("mnt:[1]")


def verified(host: MadeHost, of: dict[str, Any], *pids: int) -> Verified:
    processes = [Process(pid, os.readlink(f"{host.root}/proc/{pid}/exe")) for pid in pids]
    return together(Restricted(host, of["controls"]["apps"]), processes)


def together(restricted: Restricted, processes: list[Process]) -> Verified:
    parts = list(restricted.verify(processes))
    return Verified(*(sum((list(part[place]) for part in parts), []) for place in range(5)))


def ended(host: MadeHost, of: dict[str, Any]) -> bool:
    """Whether an enforcing run ends something."""
    return any(action.verb == "end" for action in apps.enforce(host, of).actions)


CASES = [
    pytest.param("/opt/viber/Viber", True, id="at a path of the catalogue"),
    pytest.param("/opt/viber/lib/deep/helper", True, id="below one"),
    pytest.param("/home/alice/viber/Viber", True, id="at one in a home"),
    pytest.param("/usr/lib/wechat/app", True, id="in a package's list of files"),
    pytest.param("/home/alice/Downloads/v/Viber", True, id="a portable app, with its app around it"),
    pytest.param("/home/alice/alone/Viber", False, id="by its name alone"),
    pytest.param("/usr/bin/Viber", False, id="by its name in a place of packages"),
    pytest.param("/usr/bin/true", False, id="something else"),
]


def furnished(host: MadeHost) -> None:
    root = Path(host.root)
    host.packages = {"wechat": "ii"}
    (root / "var/lib/dpkg/info/wechat.list").write_text("/usr/lib/wechat/app\n")
    made.put(root / "home/alice/Downloads/v", {"Viber": made.elf(), "icudtl.dat": made.icu()})
    made.put(root / "home/alice/alone", {"Viber": made.elf()})
    for path in ("home/alice/Downloads/v/Viber", "home/alice/alone/Viber"):
        (root / path).chmod(0o755)


@pytest.mark.parametrize(("exe", "goes"), CASES)
def test_a_start_is_what_an_enforcing_run_says_of_the_program(host: MadeHost, exe: str, goes: bool) -> None:
    furnished(host)
    at_home(host, 7, exe)
    of = plan(viber=VIBER, wechat=WECHAT)
    found = verified(host, of, 7)
    assert [[process.pid for process in one.processes] for one in found.restricted] == ([[7]] if goes else [])
    assert found.innocent == ([] if goes else [7])
    assert ended(host, of) is goes
    names = sets(host, [of["controls"]["apps"]], Restricted(host, of["controls"]["apps"]))
    # A program of another name in a package's list of files is left to the timer.
    assert Prefilter(names).may_be(exe) or not goes


def test_where_nothing_is_restricted_everything_is_innocent(host: MadeHost) -> None:
    at_home(host, 7, "/opt/viber/Viber")
    assert together(Restricted(host, None), [Process(7, "/opt/viber/Viber")]).innocent == [7]


def test_nobody_waits_long_for_what_a_user_makes_slow(host: MadeHost, monkeypatch: pytest.MonkeyPatch) -> None:
    """What the kernel alone says is decided before; what hangs takes its time and no more, and hides no other start."""
    furnished(host)
    at_home(host, 7, "/opt/viber/Viber")
    at_home(host, 9, "/home/alice/Downloads/v/Viber")
    host.program(8, "/home/alice/x/Viber", contained=True)

    def hangs(process: Process, name: str, limit: int = 0) -> bytes:
        if process.pid == 8:
            host._may_ask()
            time.sleep(60)
        return b""

    monkeypatch.setattr(host, "read_inside", hangs)
    monkeypatch.setattr(restricted, "APART", Limits(seconds=0.5))
    one = Restricted(host, plan(viber=VIBER, wechat=WECHAT)["controls"]["apps"])
    exes = {7: "/opt/viber/Viber", 8: "/home/alice/x/Viber", 9: "/home/alice/Downloads/v/Viber"}
    processes = [Process(pid, exe) for pid, exe in exes.items()]
    parts = one.verify(processes)
    assert [program.processes[0].pid for program in next(parts).restricted] == [7]
    hung = next(parts)
    assert hung.unclear == [8] and hung.took[0][1] >= 0.5
    assert [program.processes[0].pid for program in next(parts).restricted] == [9]
    first, *others = one.verify(processes, {8})
    assert first.left == [8] and [pid for part in others for pid, _ in part.took] == [9]
    monkeypatch.setattr(restricted, "IN_ALL", 0.4)
    assert together(one, processes).left == [9], "another request has time for it"


@pytest.mark.parametrize(
    "place",
    [
        pytest.param("home/alice/Downloads/v", id="beside the program"),
        pytest.param("home/alice", id="in the home"),
        pytest.param("home/alice/.npm-global/lib/node_modules", id="where packages would be"),
        pytest.param("home/alice/Downloads/v/resources", id="below the program"),
    ],
)
def test_what_lies_around_a_program_hides_it_from_nobody(
    host: MadeHost, monkeypatch: pytest.MonkeyPatch, place: str
) -> None:
    """A crowd of empty files costs the start of a program nothing: it is verified with few names read."""
    furnished(host)
    at_home(host, 7, "/home/alice/Downloads/v/Viber")
    directory = Path(host.root) / place
    directory.mkdir(parents=True, exist_ok=True)
    for number in range(5_000):
        (directory / f"{number}.so").touch()
    monkeypatch.setattr(restricted, "Budget", lambda seconds: Budget(entries=3_000, seconds=600))
    found = verified(host, plan(viber=VIBER, wechat=WECHAT), 7)
    assert [[process.pid for process in one.processes] for one in found.restricted] == [[7]]


def test_what_could_not_be_seen_in_time_is_no_innocence(host: MadeHost, monkeypatch: pytest.MonkeyPatch) -> None:
    furnished(host)
    at_home(host, 7, "/home/alice/alone/Viber")

    def too_much(*_: object) -> list[object]:
        raise Unseen("over budget")

    monkeypatch.setattr(restricted.scan, "check_file", too_much)
    found = verified(host, plan(viber=VIBER, wechat=WECHAT), 7)
    assert (found.unclear, found.innocent) == ([7], [])
