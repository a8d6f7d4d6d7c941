"""The results of observing users: what is put together, what is remembered within bounds, what a budget pays for."""

from __future__ import annotations

import base64
import json
import marshal
import os
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import made_apps as made
import pytest
from made_host import MadeHost, plan
from made_tools import package_system
from made_users import ALICE, BOB
from proscribe.host.controls.apps import observed, per_user
from proscribe.host.controls.apps.desired import Desired
from proscribe.host.controls.apps.per_user import Common, Seen, Unit
from proscribe.host.controls.apps.portable.names import Names
from proscribe.host.controls.apps.portable.scan import PortableApp
from proscribe.host.controls.apps.portable.scan_cache import DROPPED, Memory, is_remembered, keep, of_user, stamped
from proscribe.host.controls.apps.systems.package import Package
from proscribe.host.system import Host, Process, User, file_scan
from proscribe.host.system.budget import Budget


def of_parts(monkeypatch: pytest.MonkeyPatch, host: Host, *units: tuple[User, list[Any], str]) -> Seen:
    """What is seen if these parts come of the users."""
    answers = [(Unit(user.uid, [user], ()), parts, why) for user, parts, why in units]
    monkeypatch.setattr(per_user, "_each", lambda *_: iter(answers))
    common: Any = SimpleNamespace()
    return per_user.observe_users(host, common, {})


def test_all_that_comes_of_a_user_is_put_together(host: MadeHost, monkeypatch: pytest.MonkeyPatch) -> None:
    package = Package("npm", "wechat", "1", owner=ALICE, path="/p")
    app = PortableApp(["wechat"], "program", "/home/bob/x", "x", BOB, "why", parts=[])
    through = json.loads(json.dumps([package, app]))
    seen = of_parts(
        monkeypatch,
        host,
        (ALICE, [{"packages": [through[0]], "blind": [("npm", "odd")]}, {"there": ["npm"], "unseen": ["closed"]}], ""),
        (BOB, [{"portable_apps": [through[1]], "systems": ["conda"], "there": ["brew"]}], "over budget"),
    )
    assert seen == Seen(
        [package],
        [app],
        [("npm", "alice: odd")],
        ["alice: closed", "bob: over budget"],
        {"npm", "brew"},
        {"1000": None},  # what is remembered of Alice stays, and of Bob nobody knows whether it is right
        {"conda"},
    )


@pytest.mark.parametrize(
    ("texts", "remembered"),
    [
        (["12345", "1234"], ["12345", "1234"]),
        (["12345", "12345"], ["12345", DROPPED]),
        (["1234567890", "1"], [DROPPED, DROPPED]),
        ([None, "123456789"], [None, "123456789"]),
        ([DROPPED, None], [DROPPED, None]),
    ],
)
def test_so_much_of_all_users_is_remembered_and_no_more(
    host: MadeHost, monkeypatch: pytest.MonkeyPatch, texts: list[Any], remembered: list[Any]
) -> None:
    """It is in the memory of the run; who fills his home makes looks slow and does not end them."""
    monkeypatch.setattr(per_user, "MOST_REMEMBERED", 10)
    users = zip((ALICE, BOB), texts)
    seen = of_parts(monkeypatch, host, *((user, [{"memory": text}], "") for user, text in users))
    assert seen.memory == {"1000": remembered[0], "1001": remembered[1]}


def parts(host: MadeHost, unit: Unit, memory: Memory | None = None, **services: Any) -> list[dict[str, Any]]:
    desired = Desired(plan(**(services or {"wechat": {"processes": ["wechat"]}}))["controls"]["apps"])
    names = Names(desired.services, ["/home/alice"])
    common = Common(desired, names, {"/home/alice"}, [], memory or Memory({}, "s", "now", 0, fresh=True))
    return list(per_user._parts(host, common, unit))


def test_a_users_own_folders_are_part_of_what_his_look_is_remembered_by(host: MadeHost) -> None:
    """Other names matter in them: what was remembered before he named one knows nothing of those."""
    made.put(Path(host.root + "/home/alice"), {".config/user-dirs.dirs": b'XDG_DOWNLOAD_DIR="$HOME/Laden"\n'})
    host.learns = True
    (text,) = [part["memory"] for part in parts(host, Unit(1000, [ALICE], ())) if part.get("memory")]
    assert marshal.loads(base64.b64decode(text))["stamp"] == stamped("s", ["/home/alice/Laden"]) != "s"


def test_only_what_is_learnt_of_is_remembered(host: MadeHost) -> None:
    host.learns = False
    assert not [part for part in parts(host, Unit(1000, [ALICE], ())) if "memory" in part]
    host.learns = True
    assert [part for part in parts(host, Unit(1000, [ALICE], ())) if "memory" in part]
    assert not [
        part for part in parts(host, Unit(1000, [ALICE], ()), a={"packages": {"apt": ["a"]}}) if "memory" in part
    ]


def test_what_is_remembered_of_a_user_stays_while_nothing_is_new_and_goes_with_his_home(
    host: MadeHost, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(file_scan, "SETTLED", -(10**12))  # what has just been made will not change unnoticed
    made.put(Path(host.root + "/home/alice"), {"x/y": b""})
    memory = Memory({}, "s", "now", 0)

    def said() -> list[Any]:
        return [part["memory"] for part in parts(host, Unit(1000, [ALICE], ()), memory) if "memory" in part]

    (text,) = said()
    keep(host, memory._replace(users={"1000": text}))
    assert of_user(host, memory, 1000).keys() == {"/home/alice", "/home/alice/x"} and said() == []
    keep(host, memory._replace(users={"1000": None}))
    assert is_remembered(host, 1000)
    (Path(host.root) / "home/alice/z").mkdir()
    assert len(said()) == 1
    (Path(host.root) / "home/alice").rename(Path(host.root) / "gone")
    assert said() == [DROPPED]
    keep(host, memory._replace(users={"1000": DROPPED}))
    assert not is_remembered(host, 1000) and said() == []


def test_what_a_users_own_process_says_is_remembered_of_nobody(host: MadeHost, monkeypatch: pytest.MonkeyPatch) -> None:
    """He may be able to trace it, and root would read with `marshal` what he makes it say."""
    said = [{"memory": "an attack", "there": ["npm"]}]
    monkeypatch.setattr(per_user, "units", lambda *_: ([], [Unit(1000, [ALICE], ())]))
    monkeypatch.setattr(per_user, "each", lambda items, work, user=None: [(item, said, "") for item in items])
    common: Any = SimpleNamespace(desired=SimpleNamespace(network_homes="scan"))
    seen = per_user.observe_users(host, common, {})
    assert (seen.memory, seen.there) == ({"1000": None}, {"npm"})


def test_what_is_remembered_is_read_on_nobodys_budget_and_the_rest_on_his(
    host: MadeHost, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It may be large, and Proscribe wrote it. If a budget paid for it, observations would end sooner with each run."""
    budgets: list[Budget | None] = []

    def of_user(door: Host, *_: Any) -> dict[str, Any]:
        budgets.append(door.budget)
        return {}

    real = per_user.scan.scan_files

    def scan_files(door: Host, *what: Any) -> Any:
        budgets.append(door.budget)
        return real(door, *what)

    monkeypatch.setattr(per_user, "of_user", of_user)
    monkeypatch.setattr(per_user.scan, "scan_files", scan_files)
    parts(host, Unit(1000, [ALICE], ()))
    assert budgets[0] is None and isinstance(budgets[1], Budget)


def test_a_user_with_nothing_on_this_host_is_not_observed(host: MadeHost, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nearly all accounts of a host are such; what was not seen of them is reported all the same."""
    monkeypatch.setattr(per_user, "brought_by", lambda *_: pytest.fail("looked at"))
    monkeypatch.setattr(per_user, "BY_NAME", [])
    assert parts(host, Unit(1001, [BOB], ())) == []
    assert parts(host, Unit(1001, [BOB], (), ["his home is elsewhere"])) == [{"unseen": ["his home is elsewhere"]}]


@pytest.mark.parametrize(("has", "requests"), [(True, True), (True, False), (False, True)])
def test_a_users_package_system_is_reported_for_services_known_only_by_package(
    host: MadeHost, has: bool, requests: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Then a service is no one that this host could not have."""
    monkeypatch.setattr(per_user, "SYSTEMS", [package_system(there=lambda host, user: has)])
    host.has_accounts(ALICE)
    sole = {"parrot": {"packages": {"npm": ["parrot"]}}}
    known_otherwise = {"parrot": {"packages": {"npm": ["parrot"]}, "processes": ["parrot"]}}
    desired = Desired(plan(**(sole if requests else known_otherwise))["controls"]["apps"])
    managers = frozenset(manager for listed in desired.by_package_only.values() for manager in listed)
    memory = Memory({}, "s", "now", 0, fresh=True)
    common = Common(desired, Names(desired.services), {"/home/alice"}, [], memory, managers)
    seen = per_user.observe_users(host, common, {})
    assert seen.there == ({"npm"} if has and requests else set())


# -- the host's own part -----------------------------------------------------------------------------------------------


def test_the_directories_of_the_host_are_remembered_with_those_of_its_users(
    host: MadeHost, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without them every run reads all of /opt anew."""
    monkeypatch.setattr(file_scan, "SETTLED", -(10**10))
    made.put(Path(host.root + "/opt/x"), {"y": b""})
    made.put(Path(host.root + "/home/alice/z"), {"y": b""})
    memory = observed.observe_apps(host, plan(wechat={"processes": ["wechat"]})["controls"]["apps"]).memory
    assert memory and {"/opt", "/opt/x"} <= set(memory.known)
    nothing = observed.observe_apps(host, plan(a={"packages": {"apt": ["a"]}})["controls"]["apps"])
    assert nothing.memory is None, "where nothing is walked, nothing is forgotten either"


def test_nobody_is_asked_about_a_program_that_is_nothing_for_certain(
    host: MadeHost, monkeypatch: pytest.MonkeyPatch
) -> None:
    """For each user with a program that may be something a process is made: a host has hundreds of others."""
    for pid, exe in ((7, "/usr/bin/wechat"), (8, "/usr/bin/other")):
        host.program(pid, exe)
    monkeypatch.setattr(host, "user_of", lambda process: process.pid * 1000)
    requests: list[Any] = []

    def each(items: list[int], work: Any) -> list[Any]:
        requests.extend(items)
        return []

    monkeypatch.setattr(observed, "each", each)
    observed.observe_apps(host, plan(wechat={"processes": ["wechat"]})["controls"]["apps"])
    assert requests == [7000]


def test_a_process_that_only_its_root_directory_identifies_is_a_candidate(host: MadeHost) -> None:
    """A container's program: that look may hang, so it is not made where the whole run would."""

    def by_path(process: Process) -> Any:
        assert not host.asks_roots
        if process.pid == 8:
            raise observed.RootNotRead
        return "something" if process.pid == 7 else None

    identify: Any = SimpleNamespace(
        by_path=by_path, says_enough=lambda identity, process: True, needs_content=lambda process: False
    )
    processes = [Process(pid, "/x") for pid in (7, 8, 9)]
    candidates = observed._candidates(host, identify, processes)
    assert [process.pid for listed in candidates.values() for process in listed] == [7, 8]
    assert host.asks_roots

    def failing(process: Process) -> Any:
        raise OSError

    identify.by_path = failing
    with pytest.raises(OSError):
        observed._candidates(host, identify, processes)
    assert host.asks_roots, "whatever comes, the next ones ask"


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root")
def test_a_users_process_that_cannot_be_observed_is_reported_with_his_name(
    host: MadeHost, monkeypatch: pytest.MonkeyPatch
) -> None:
    host.program(7, "/usr/bin/wechat")
    monkeypatch.setattr(host, "user_of", lambda process: 1000)
    monkeypatch.setattr(host, "account", lambda uid: User(f"number {uid}", uid, uid, "/"))
    monkeypatch.setattr(observed, "each", lambda items, work: [(items[0], [], "it hangs")])
    seen = observed.observe_apps(host, plan(wechat={"processes": ["wechat"]})["controls"]["apps"])
    assert seen.unseen == {"wechat": "number 1000: it hangs"} and seen.running == []


def test_what_a_part_that_was_not_observed_has_by_default() -> None:
    desired: Any = None
    plain = observed.Observed(desired, [], [], lambda process: None, {})
    assert (plain.portable_apps, plain.memory, plain.idle) == ((), None, {})
    assert Unit(1000, [ALICE, BOB], ()).user == ALICE and Unit(1000, [ALICE], ()).unseen == ()


@pytest.mark.parametrize(
    ("root", "hidden", "why"),
    [
        (True, 0, None),
        (True, 3, "3 processes do not show their executable, not even to root"),
        (
            False,
            3,
            "the programs of other users cannot be seen; to see it all, run it as root (-b, and -K if sudo asks)",
        ),
    ],
)
def test_programs_that_do_not_show_themselves_may_be_any(
    host: MadeHost, monkeypatch: pytest.MonkeyPatch, root: bool, hidden: int, why: str | None
) -> None:
    host.root_user = root
    monkeypatch.setattr(host, "processes", lambda: ([], hidden))
    seen = observed.observe_apps(host, plan(wechat={"processes": ["wechat"]})["controls"]["apps"])
    assert seen.unseen.get("wechat") == why
