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
from proscribe.host.controls.apps.portable.scan_cache import Memory, stamped
from proscribe.host.controls.apps.systems.package import Package
from proscribe.host.system import Host, User


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


def test_what_a_users_own_process_says_is_remembered_of_nobody(host: MadeHost, monkeypatch: pytest.MonkeyPatch) -> None:
    """He may be able to trace it, and root would read with `marshal` what he makes it say."""
    said = [{"memory": "an attack", "there": ["npm"]}]
    monkeypatch.setattr(per_user, "units", lambda *_: ([], [Unit(1000, [ALICE], ())]))
    monkeypatch.setattr(per_user, "each", lambda items, work, user=None: [(item, said, "") for item in items])
    common: Any = SimpleNamespace(desired=SimpleNamespace(network_homes="scan"))
    seen = per_user.observe_users(host, common, {})
    assert (seen.memory, seen.there) == ({"1000": None}, {"npm"})


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
