"""The observation of users: parts of one user, their sum, its memory, and the share of each user."""

from __future__ import annotations

import base64
import json
import marshal
import os
from collections.abc import Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import made_apps as fake
import pytest
from fake_tools import package_system
from made_host import MadeHost, plan
from made_users import ALICE, BOB
from proscribe.host.controls.apps import observed, per_user
from proscribe.host.controls.apps.desired import Desired
from proscribe.host.controls.apps.per_user import Common, Seen, Unit
from proscribe.host.controls.apps.portable.desktop_entries import app_id
from proscribe.host.controls.apps.portable.names import Names
from proscribe.host.controls.apps.portable.scan import PortableApp, PortableApps, Region
from proscribe.host.controls.apps.portable.scan_cache import DROPPED, Memory, keep, stamped
from proscribe.host.controls.apps.systems.package import Package
from proscribe.host.controls.apps.user_share import UserShare
from proscribe.host.system import ControlError, Host, Unseen, User
from proscribe.host.system.mounts import not_entered


def test_parts_of_users_are_put_together(host: MadeHost, monkeypatch: pytest.MonkeyPatch) -> None:
    package = Package("npm", "wechat", "1", owner=ALICE, path="/p")
    app = PortableApp(["wechat"], "program", "/home/bob/x", "x", BOB, "why", parts=[])
    sent = json.loads(json.dumps([package, app]))
    answers = [
        (ALICE, [{"packages": [sent[0]], "blind": [("npm", "odd")]}, {"there": ["npm"], "unseen": ["closed"]}], ""),
        (BOB, [{"portable_apps": [sent[1]], "systems": ["conda"], "there": ["brew"]}], "over budget"),
    ]
    units = [(Unit(user.uid, [user], ()), parts, why) for user, parts, why in answers]
    monkeypatch.setattr(per_user, "_each", lambda *_: iter(units))
    unseen = ["alice: closed", "bob: over budget"]
    # The memory of Alice stays; whether that of Bob is right is not known.
    memory = {"1000": None}
    common: Any = SimpleNamespace()
    seen = per_user.observe_users(host, common, {})
    assert seen == Seen([package], [app], [("npm", "alice: odd")], unseen, {"npm", "brew"}, memory, {"conda"})


def parts(host: MadeHost, unit: Unit, memory: Memory | None = None, **services: Any) -> list[dict[str, Any]]:
    desired = Desired(plan(**(services or {"wechat": {"processes": ["wechat"]}}))["controls"]["apps"])
    names = Names(desired.services, ["/home/alice"])
    common = Common(desired, names, {"/home/alice"}, [], memory or Memory({}, "s", "now", 0, fresh=True))
    return list(per_user._parts(host, common, unit))


def test_a_users_own_folders_are_part_of_what_his_look_is_remembered_by(host: MadeHost) -> None:
    """Other names matter in them: what was remembered before he named one knows nothing of those."""
    fake.put(Path(host.root + "/home/alice"), {".config/user-dirs.dirs": b'XDG_DOWNLOAD_DIR="$HOME/Laden"\n'})
    host.learns = True
    (text,) = [part["memory"] for part in parts(host, Unit(1000, [ALICE], ())) if part.get("memory")]
    assert marshal.loads(base64.b64decode(text))["stamp"] == stamped("s", ["/home/alice/Laden"]) != "s"


def test_answer_of_a_users_process_is_not_remembered(host: MadeHost, monkeypatch: pytest.MonkeyPatch) -> None:
    """He may be able to trace it, and root would read with `marshal` what he makes it say."""
    words = [{"memory": "an attack", "there": ["npm"]}]
    monkeypatch.setattr(per_user, "units", lambda *_: ([], [Unit(1000, [ALICE], ())]))
    monkeypatch.setattr(per_user, "each", lambda items, work, user=None: [(item, words, "") for item in items])
    common: Any = SimpleNamespace(desired=SimpleNamespace(network_homes="scan"))
    seen = per_user.observe_users(host, common, {})
    assert (seen.memory, seen.there) == ({"1000": None}, {"npm"})


@pytest.mark.parametrize(("has", "requests"), [(True, True), (True, False), (False, True)])
def test_package_system_there(host: MadeHost, has: bool, requests: bool, monkeypatch: pytest.MonkeyPatch) -> None:
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


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root")
def test_unseen_process_is_reported_with_its_user(host: MadeHost, monkeypatch: pytest.MonkeyPatch) -> None:
    host.program(7, "/usr/bin/wechat")
    monkeypatch.setattr(host, "user_of", lambda process: 1000)
    monkeypatch.setattr(host, "account", lambda uid: User(f"number {uid}", uid, uid, "/"))
    monkeypatch.setattr(observed, "each", lambda items, work: [(items[0], [], "it hangs")])
    seen = observed.observe_apps(host, plan(wechat={"processes": ["wechat"]})["controls"]["apps"])
    assert seen.unseen == {"wechat": "number 1000: it hangs"} and seen.running == []


WECHAT = {"packages": {key: ["x"] for key in ("conda", "brew", "npm", "nix")}, "processes": ["wechat"]}
PLACES = [("/tmp/hers", ()), ("/tmp", ("wechat",))]


class FakeUser:
    """One user with something of every kind; each may be taken away."""

    def __init__(self, host: MadeHost, patch: pytest.MonkeyPatch) -> None:
        self.host, self.queried = host, []  # type: ignore[var-annotated]
        self.started: tuple[list[str], list[str]] = (["started"], ["closed"])
        self.scanned = PortableApps(["found"], ["open"], ["/web"], {}, {})  # type: ignore[list-item]
        self.web_apps, self.requests = ["web app"], (["request"], 2)
        self.memory: str | None = "text"
        host.learns = True
        conda, brew, npm, nix = map(self.system, ("conda", "brew", "npm", "nix"))
        for name, value in {
            "SYSTEMS": [conda, brew, npm, nix],
            "ON_DEMAND": [conda, brew, nix],
            "BY_NAME": [nix],
            "brought_by": lambda _, user: ["conda"] if user == ALICE else ["nix"],
            "text_of_user": lambda *_: self.memory,
        }.items():
            patch.setattr(per_user, name, value)
        patch.setattr(per_user.user_dirs, "of_user", lambda *_: {"DESKTOP": "/home/alice/Bureau", "MUSIC": "/m"})
        patch.setattr(per_user.launchers, "find_launchers", self.find_launchers)
        patch.setattr(per_user.launchers, "installed", self.installed)
        patch.setattr(per_user.scan, "scan_files", self.scan_files)
        patch.setattr(per_user.reading, "of_user", lambda *_: self.requests)

    def system(self, manager: str) -> Any:
        def query_of(host: Host, user: User, ids: Any) -> tuple[list[str], str]:
            assert (host, [*ids]) == (self.host, ["x"])
            self.queried.append((user.name, manager))
            return [f"{manager} x"], f"{manager} is odd"

        return package_system(
            MANAGER=manager,
            query_of=query_of,
            owned_directories=lambda host, user: [f"{user.home}/{manager}"],
            there=lambda host, user: manager == "nix",
        )

    def find_launchers(
        self, host: Host, services: Any, services_of: Any, users: Sequence[User], system: bool, desktops: Any
    ) -> tuple[list[str], list[str]]:
        assert (host, [*services], services_of("wechat", ""), system) == (self.host, ["wechat"], ["wechat"], False)
        self.launchers_of, self.desktops = users, desktops
        return self.started

    def scan_files(
        self, host: Host, services: Any, names: Names, region: Region, packages: Any, match: Any
    ) -> PortableApps:
        assert (host, [*services], [*packages], match) == (self.host, ["wechat"], ["package"], {})
        assert "/home/alice/Bureau" in names.program_folders or not region.homes
        self.region = region
        return self.scanned

    def installed(self, host: Host, services: Any, paths: Sequence[str], owner_of: Any) -> list[str]:
        assert (host, [*services], paths) == (self.host, ["wechat"], self.scanned.web_apps)
        self.owner = owner_of("/web")
        return self.web_apps

    def parts(self, *users: User, places: Any = (), unseen: Sequence[str] = (), **services: Any) -> list[Any]:
        desired = Desired(plan(**(services or {"wechat": WECHAT}))["controls"]["apps"])  # type: ignore[arg-type]
        common = Common(desired, Names(desired.services), set(), ["package"], Memory({}, "s", "now", 0))  # type: ignore[list-item]
        return list(per_user._parts(self.host, common, Unit(users[0].uid, users, places, unseen)))


@pytest.fixture
def user_with_all(host: MadeHost, monkeypatch: pytest.MonkeyPatch) -> FakeUser:
    return FakeUser(host, monkeypatch)


def package(manager: str) -> dict[str, Any]:
    return {"packages": [f"{manager} x"], "blind": [(manager, f"{manager} is odd")]}


def test_user_gives_parts_in_order(user_with_all: FakeUser) -> None:
    assert user_with_all.parts(ALICE, BOB, places=PLACES, unseen=["elsewhere"]) == [
        {"unseen": ["elsewhere"]},
        {"systems": ["conda"]},
        package("conda"),
        package("npm"),
        {"systems": ["nix"]},
        package("nix"),
        {"portable_apps": ["started"], "unseen": ["closed"]},
        {"portable_apps": ["found", "web app"], "unseen": ["open"]},
        {"memory": "text"},
        {"requests": (["request"], 2)},
    ]
    assert user_with_all.queried == [("alice", "conda"), ("alice", "npm"), ("bob", "nix")], (
        "Bob has no home of his own here"
    )
    owned = ["/home/alice/conda", "/home/alice/npm"]
    roots = ["/home/alice", "/tmp/hers"]
    assert user_with_all.region == Region({"/home/alice": ALICE}, roots, [("/tmp", ("wechat",))], ALICE, owned)
    assert (user_with_all.launchers_of, user_with_all.desktops, user_with_all.owner) == (
        [ALICE],
        {"/home/alice": "/home/alice/Bureau"},
        ALICE,
    )


def test_user_without_anything_is_forgotten(user_with_all: FakeUser, monkeypatch: pytest.MonkeyPatch) -> None:
    nobody, someone = (package_system(there=lambda host, user, present=present: present) for present in (False, True))
    monkeypatch.setattr(per_user, "BY_NAME", [nobody])
    assert user_with_all.parts(BOB, unseen=["elsewhere"]) == [{"unseen": ["elsewhere"]}]
    keep(user_with_all.host, Memory({}, "s", "now", 0, users={str(BOB.uid): "text"}))
    assert user_with_all.parts(BOB) == [{"memory": DROPPED}]
    for places, by_name in (([("/tmp/x", ())], [nobody]), ((), [nobody, someone])):
        monkeypatch.setattr(per_user, "BY_NAME", by_name)
        assert {"systems": ["nix"]} in user_with_all.parts(BOB, places=places)


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root: gives files away")
def test_a_web_app_in_roots_home_is_roots(host: MadeHost) -> None:
    host.has_accounts(User("root", 0, 0, "/root"), ALICE)
    for home in ("/root", "/home/alice"):
        folder = f"{home}/.config/google-chrome/Default/Web Applications"
        fake.put(Path(host.root + folder), {f"_crx_{app_id('https://wechat.com/')}/i.png": b"\x89PNG\r\n\x1a\n"})
    of = plan(wechat={"web_hosts": ["wechat.com"], "processes": ["wechat"]})
    seen = observed.observe_apps(host, of["controls"]["apps"])
    assert sorted(copy.finding().scope for copy in seen.portable_apps) == ["user:alice", "user:root"]


@pytest.mark.parametrize(
    ("error", "why"),
    [
        (Unseen("closed"), "closed"),
        (OSError(5, "Input/output error"), "[Errno 5] Input/output error"),
        (MemoryError(), "over budget: memory"),
    ],
)
def test_every_failed_observation_of_a_user_gives_a_reason(host: MadeHost, error: Exception, why: str) -> None:
    def question() -> Any:
        raise error

    assert per_user._guarded(host, question) == ([], [why])
    assert per_user._guarded(host, lambda: (("a",), "b")) == (["a"], ["b"])


ENTRY = {"processes": [], "paths": []}
SHARED = plan(
    line={**ENTRY, "packages": {"npm": ["line", "both"]}},
    excused={**ENTRY, "packages": {"npm": ["excused"]}, "exceptions": [{"waiver": "w1", "users": ["alice"]}]},
    partly={**ENTRY, "packages": {"npm": ["partly"]}, "exceptions": [{"waiver": "w2", "paths": ["/1"]}]},
    waived={**ENTRY, "packages": {"npm": ["waived"]}, "mode": "waived", "waiver": "w3"},
    other={**ENTRY, "packages": {"npm": ["other", "both"]}},
    members={**ENTRY, "packages": {"npm": ["members"]}, "only": {"users": ["bob"]}},
)


@pytest.mark.parametrize(
    ("things", "listed", "counted"),
    [
        (["line"] * 5, ["line", "line"], 3),
        (["line", "line", "line", "other", "other"], ["line", "line", "other"], 2),
        (["line", "other", "both"], ["line", "other"], 1),
        (["line", "line", "both"], ["line", "line", "both"], 0),  # it is the first of another rule
        (["line", "line", "excused", "excused"], ["line", "line", "excused"], 0),  # what is permitted does not count
        (["line", "line", "waived", "waived"], ["line", "line", "waived"], 0),
        (["line", "line", "members"], ["line", "line"], 0),  # it is not restricted for her
        (["partly", "partly", "partly"], ["partly", "partly", "partly"], 0),  # the first of them is permitted
    ],
)
def test_packages_beyond_a_users_share_are_counted(things: list[str], listed: list[str], counted: int) -> None:
    desired = Desired(SHARED["controls"]["apps"])
    packages = [Package("npm", id_, owner=ALICE, path=f"/{place}") for place, id_ in enumerate(things, start=1)]
    if things[0] == "partly":  # two that a waiver permits, and one more
        packages = [package._replace(path=path) for package, path in zip(packages, ("/1", "/1", "/2"))]
    for pieces in ([packages], [packages[:1], packages[1:]], [[package] for package in packages]):
        share = UserShare(desired, most=2)
        taken = [share.take(piece) for piece in pieces]
        assert [package.id for members, _ in taken for package in members] == listed
        assert sum(cut for _, cut in taken) == counted


@pytest.mark.parametrize("scanned", [False, True])
def test_a_home_on_a_network_is_a_unit_of_its_own_or_unseen(host: MadeHost, scanned: bool) -> None:
    host.has_accounts(ALICE, User("nobody", 65534, 65534, "/home/nobody"))
    (Path(host.root) / "proc/self").mkdir()
    (Path(host.root) / "proc/self/mountinfo").write_text("36 35 0:50 / /home rw - nfs4 server:/home rw\n")
    result, networks = per_user.units(host, {}, scanned)
    assert [(unit.uid, [user.name for user in unit.users]) for unit in networks] == (
        [(1000, ["alice"])] if scanned else []
    )
    unseen = {unit.uid: list(unit.unseen) for unit in result}
    assert scanned or unseen[1000] == [not_entered("/home/alice", "nfs4")]
    assert bool(unseen[1000]) is not scanned and unseen[65534], "nobody is never asked in the name of"
    assert all("nfs4" in why for reasons in unseen.values() for why in reasons)


@pytest.mark.parametrize(
    ("user", "has"),
    [
        (ALICE, True),
        (BOB, False),  # his is not made yet
        (User("bin", 2, 2, "/bin"), False),
        (User("service", 997, 997, "/opt/service"), True),
        (User("odd", 1002, 1002, "/usr/lib/odd"), False),
    ],
)
def test_home_is_a_directory_of_the_user(host: MadeHost, user: User, has: bool) -> None:
    for place in ("bin", "opt/service", "usr/lib/odd"):
        (Path(host.root) / place).mkdir(parents=True, exist_ok=True)
    assert per_user._has_home(host, user) is has


@pytest.mark.parametrize("error", [Unseen("closed"), ControlError("a link"), OSError(5, "x")])
def test_unseen_home_may_be_there(host: MadeHost, monkeypatch: pytest.MonkeyPatch, error: Exception) -> None:
    """Of a home as of a package system: who looks into it says why he cannot, and the host is not compliant."""

    def refuse(*_: Any) -> None:
        raise error

    system: Any = SimpleNamespace(there=refuse)
    assert per_user._has(host, system, ALICE)
    monkeypatch.setattr(host, "stat", refuse)
    assert per_user._has_home(host, ALICE)
