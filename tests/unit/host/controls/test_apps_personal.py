"""What belongs to users and what runs: its user, its part of an observation, and what one user hides of the others.

Each table is of small decisions that take something from somebody, or hide it, if they are turned round.
"""

from __future__ import annotations

import os
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import made_apps as made
import pytest
from made_host import MadeHost, plan
from made_users import ALICE, BOB
from proscribe.host.controls import apps
from proscribe.host.controls.apps import observed, per_user, running
from proscribe.host.controls.apps.desired import Desired
from proscribe.host.controls.apps.systems.package import Package
from proscribe.host.controls.apps.user_share import UserShare
from proscribe.host.system import ControlError, Unseen, User
from proscribe.host.system.mounts import not_entered

ROOT = pytest.mark.skipif(os.geteuid() != 0, reason="needs root: gives files away")
SUPER = User("root", 0, 0, "/root")


def desired(**services: dict[str, Any]) -> Desired:
    return Desired(plan(**services)["controls"]["apps"])


# -- what runs ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("exe", "found"),
    [
        ("/opt/app/app", ["a"]),
        ("/opt/app", ["a"]),
        ("/opt/app2/app", []),
        ("/home/alice/own/x", ["b"]),
        ("/home/alice/own", ["b"]),
        ("/home/bob/own/x", []),
        ("~/own/x", ["b"]),
        ("/opt/app/" + "x" * (4096 - 9), ["a"]),
        ("/opt/app/" + "x" * (4096 - 8), []),
    ],
)
def test_below_which_path_a_program_lies(exe: str, found: list[str]) -> None:
    assert running.below(exe, {"/home/alice"}, {"/opt/app": ["a"], "~/own": ["b"]}) == found


WINE = ".wine/drive_c/Program Files/Tencent/WeChat/WeChat"


@pytest.mark.parametrize("kind", ["appimage", "program", "tree", "wine", "launcher"])
def test_what_runs_from_each_kind_of_copy_is_ended(host: MadeHost, kind: str) -> None:
    """The process has a name that says nothing: only the portable app that it runs from identifies it."""
    home = Path(host.root + "/home/alice")
    files, exe = {
        "appimage": ({"WeChatLinux_x86_64.AppImage": made.image("wechat")}, "WeChatLinux_x86_64.AppImage"),
        "program": ({"Downloads/wechat": made.elf(), "Downloads/libcef.so": made.elf()}, "Downloads/wechat"),
        "tree": ({"wechat/wechat": made.elf(), "wechat/libcef.so": made.elf()}, "wechat/other"),
        "wine": (dict.fromkeys((f"{WINE}.exe", f"{WINE}Win.dll"), made.windows()), f"{WINE}.exe"),
        "launcher": ({"Desktop/a.desktop": made.entry("x", URL="https://wechat.com")}, "Desktop/a.desktop"),
    }[kind]
    made.put(home, files)
    host.program(7, f"/home/alice/{exe}")
    windows = ["Tencent/WeChat/WeChat.exe"]
    of = plan(wechat={"processes": ["wechat"], "web_hosts": ["wechat.com"], "windows": windows})
    actions = [str(action) for action in apps.enforce(host, of).actions]
    assert (f"end {exe.rpartition('/')[2]} of alice (pid 7)" in actions) is (kind != "launcher")


# -- what belongs to users ---------------------------------------------------------------------------------------------


@ROOT
def test_a_web_app_in_roots_home_is_roots(host: MadeHost) -> None:
    from proscribe.host.controls.apps.portable import desktop_entries, names

    host.has_accounts(SUPER, ALICE)
    for home in ("/root", "/home/alice"):
        folder = f"{home}/.config/google-chrome/Default/{names.WEB_APPS}"
        made.put(
            Path(host.root + folder),
            {f"_crx_{desktop_entries.app_id('https://wechat.com/')}/i.png": b"\x89PNG\r\n\x1a\n"},
        )
    of = plan(wechat={"web_hosts": ["wechat.com"], "processes": ["wechat"]})
    seen = observed.observe_apps(host, of["controls"]["apps"])
    assert sorted(copy.finding().scope for copy in seen.portable_apps) == ["user:alice", "user:root"]


@pytest.mark.parametrize(
    ("error", "why"),
    [
        (Unseen("closed"), "closed"),
        (ControlError("odd"), "odd"),
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
        (["line", "line"], ["line", "line"], 0),  # the share of this test
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
def test_beyond_the_share_of_a_user_every_rule_has_its_state_and_the_rest_is_counted(
    things: list[str], listed: list[str], counted: int
) -> None:
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
    found, networks = per_user.units(host, {}, scanned)
    assert [(unit.uid, [user.name for user in unit.users]) for unit in networks] == (
        [(1000, ["alice"])] if scanned else []
    )
    unseen = {unit.uid: list(unit.unseen) for unit in found}
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
def test_who_has_a_home(host: MadeHost, user: User, has: bool) -> None:
    for place in ("bin", "opt/service", "usr/lib/odd"):
        (Path(host.root) / place).mkdir(parents=True, exist_ok=True)
    assert per_user._has_home(host, user) is has


@pytest.mark.parametrize("error", [Unseen("closed"), ControlError("a link"), OSError(5, "x")])
def test_what_cannot_be_seen_may_be_there(host: MadeHost, monkeypatch: pytest.MonkeyPatch, error: Exception) -> None:
    """Of a home as of a package system: who looks into it says why he cannot, and the host is not compliant."""

    def refuse(*_: Any) -> None:
        raise error

    system: Any = SimpleNamespace(there=refuse)
    assert per_user._has(host, system, ALICE)
    monkeypatch.setattr(host, "stat", refuse)
    assert per_user._has_home(host, ALICE)
