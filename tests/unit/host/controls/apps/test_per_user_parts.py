"""The observation of one user in full: which package systems are asked, what is scanned, and each part that comes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest
from made_host import MadeHost, plan
from made_tools import package_system
from made_users import ALICE, BOB
from proscribe.host.controls.apps import per_user
from proscribe.host.controls.apps.desired import Desired
from proscribe.host.controls.apps.per_user import Common, Unit
from proscribe.host.controls.apps.portable.names import Names
from proscribe.host.controls.apps.portable.scan import PortableApps, Region
from proscribe.host.controls.apps.portable.scan_cache import DROPPED, Memory, keep
from proscribe.host.system import Host, User

WECHAT = {"packages": {key: ["x"] for key in ("conda", "brew", "npm", "nix")}, "processes": ["wechat"]}
PLACES = [("/tmp/hers", ()), ("/tmp", ("wechat",))]


class Made:
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
        self, host: Host, services: Any, names: Names, region: Region, packages: Any, known: Any
    ) -> PortableApps:
        assert (host, [*services], [*packages], known) == (self.host, ["wechat"], ["package"], {})
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
def made(host: MadeHost, monkeypatch: pytest.MonkeyPatch) -> Made:
    return Made(host, monkeypatch)


def package(manager: str) -> dict[str, Any]:
    return {"packages": [f"{manager} x"], "blind": [(manager, f"{manager} is odd")]}


def test_each_part_that_comes_of_a_user(made: Made) -> None:
    assert made.parts(ALICE, BOB, places=PLACES, unseen=["elsewhere"]) == [
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
    assert made.queried == [("alice", "conda"), ("alice", "npm"), ("bob", "nix")], "Bob has no home of his own here"
    owned = ["/home/alice/conda", "/home/alice/npm"]
    roots = ["/home/alice", "/tmp/hers"]
    assert made.region == Region({"/home/alice": ALICE}, roots, [("/tmp", ("wechat",))], ALICE, owned)
    assert (made.launchers_of, made.desktops, made.owner) == ([ALICE], {"/home/alice": "/home/alice/Bureau"}, ALICE)


def test_who_has_nothing_here_is_not_observed_and_nothing_stays_remembered(
    made: Made, monkeypatch: pytest.MonkeyPatch
) -> None:
    nobody, someone = (package_system(there=lambda host, user, there=there: there) for there in (False, True))
    monkeypatch.setattr(per_user, "BY_NAME", [nobody])
    assert made.parts(BOB, unseen=["elsewhere"]) == [{"unseen": ["elsewhere"]}]
    keep(made.host, Memory({}, "s", "now", 0, users={str(BOB.uid): "text"}))
    assert made.parts(BOB) == [{"memory": DROPPED}]
    for places, by_name in (([("/tmp/x", ())], [nobody]), ((), [nobody, someone])):
        monkeypatch.setattr(per_user, "BY_NAME", by_name)
        assert {"systems": ["nix"]} in made.parts(BOB, places=places)
