"""What belongs to users and what runs: its user, its part of an observation, and what one user hides of the others.

Each table is of small decisions that take something from somebody, or hide it, if they are turned round.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import made_apps as made
import pytest
from made_host import MadeHost, plan, states
from made_tools import package_system
from made_users import ALICE, BOB
from proscribe.host.controls import apps
from proscribe.host.controls.apps import observed, per_user, running
from proscribe.host.controls.apps.desired import Desired
from proscribe.host.controls.apps.portable.scan import PortableApp
from proscribe.host.controls.apps.systems.package import Package
from proscribe.host.controls.apps.user_share import UserShare
from proscribe.host.system import ControlError, Host, Process, Unseen, User
from proscribe.host.system.mounts import not_entered

ROOT = pytest.mark.skipif(os.geteuid() != 0, reason="needs root: gives files away")
SUPER = User("root", 0, 0, "/root")


def desired(**services: dict[str, Any]) -> Desired:
    return Desired(plan(**services)["controls"]["apps"])


# -- what runs ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("packages", "version", "place"),
    [
        pytest.param([], "", "", id="none"),
        pytest.param([Package("flatpak", "x", "1", path="/a")], "1", "/a", id="the host's"),
        pytest.param([Package("flatpak", "x", "1", (), ALICE, "/b")], "", "/b", id="his own: its version is his word"),
        pytest.param([Package("flatpak", "x", "1", (), BOB, "/c")], "", "", id="another user's"),
        pytest.param([Package("snap", "x", "1", path="/a")], "", "", id="another system's"),
        pytest.param([Package("flatpak", "y", "1", path="/a")], "", "", id="another package"),
        pytest.param([Package("flatpak", "x", "1", path=at) for at in ("/a", "/b")], "", "", id="two that differ"),
        pytest.param([Package("flatpak", "x", "1", path="/a")] * 2, "1", "/a", id="two that agree"),
    ],
)
def test_a_program_has_the_version_and_the_place_of_its_own_installation(
    packages: Sequence[Package], version: str, place: str
) -> None:
    """A waiver for a version or a path covers it by these; a wrong one would let in what nobody waived."""
    identity = running.Identity(["wechat"], "x", "flatpak", "x")
    one = running.Running(identity, "alice", "now", [Process(7, "/x")])
    placed = running.placed(one, desired(wechat={"packages": {"flatpak": ["x"]}}), packages)
    assert (placed.version, placed.place) == (version, place)
    assert placed.identity == identity and placed[:4] == one[:4]


def test_a_finding_says_who_what_and_since_when() -> None:
    identity = running.Identity(["wechat"], "x", "flatpak", "p", "a doubt")
    one = running.Running(identity, "alice", "2026", [Process(7, "/x"), Process(8, "/y"), Process(9, "/z")], "1", "/p")
    assert tuple(one.finding()) == (
        "process", "x", "flatpak", "1", "user:alice", "/x", "pid 7 and 2 more, started 2026, a doubt"
    )  # fmt: skip
    assert one._replace(processes=one.processes[:1], identity=identity._replace(doubt="")).finding().detail == (
        "pid 7, started 2026"
    )
    plain = running.Running(running.Identity(["a"], "x"), "bob", "2026", [Process(7, "/x")])
    assert plain.finding()[2:4] == ("", "")
    assert running.restored(one) == one and running.restored([list(one.identity), *one[1:]]) == one


def test_the_init_of_a_sandbox_is_ended_last_and_programs_apart(host: MadeHost) -> None:
    """bwrap does not listen to TERM: it ends with what it has started."""
    host.program(3, "/usr/bin/bwrap")
    host.program(5, "/app/bin/wechat")
    host.program(9, "/app/bin/helper")
    host.program(11, "/usr/bin/other")
    known = {3: "com.x", 5: "com.x", 9: "com.x"}

    def identify(process: Process) -> running.Identity | None:
        if process.pid == 11:
            return running.Identity(["b"], "other")
        return running.Identity(["a"], known[process.pid], "flatpak", known[process.pid]) if process.pid != 12 else None

    processes = [Process(pid, os.readlink(f"{host.root}/proc/{pid}/exe")) for pid in (3, 5, 9, 11)]
    programs = running.running(host, identify, processes)
    assert [(one.identity.id, [process.pid for process in one.processes]) for one in programs] == [
        ("com.x", [5, 9, 3]), ("other", [11])
    ]  # fmt: skip
    assert all(one.started.startswith("2023-") and one.user == "alice" for one in programs)


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


PACKAGE, CERTAIN, DOUBTFUL = "package", "certain", "doubtful"


@pytest.mark.parametrize(
    ("portable_apps", "programs", "packages", "uncertain"),
    [
        ([], [], 0, False),
        ([], [], 1, False),
        ([CERTAIN], [], 0, False),
        ([DOUBTFUL], [], 0, True),
        ([], [DOUBTFUL], 0, True),
        ([], [CERTAIN], 0, False),
        ([DOUBTFUL], [CERTAIN], 0, False),
        ([CERTAIN], [DOUBTFUL], 0, False),
        ([DOUBTFUL], [DOUBTFUL], 0, True),
        ([DOUBTFUL, CERTAIN], [], 0, False),
        ([DOUBTFUL], [], 1, False),
        ([DOUBTFUL], [DOUBTFUL], 1, False),
    ],
)
@pytest.mark.parametrize("beside", [False, True])
def test_when_enforcing_would_change_nothing(
    portable_apps: list[str], programs: list[str], packages: int, uncertain: bool, beside: bool
) -> None:
    """Only if all evidence of the service is doubtful, whatever was seen of another service.

    Otherwise the report would show a drift that no run ever corrects, or hide one that a run corrects.
    """
    services = {id_: {"packages": {"apt": [id_]}, "processes": [id_]} for id_ in ("a", "b")}
    other = ["b"] if beside else []
    program = running.Running(running.Identity([], ""), "x", "", [Process(1, "/x")])
    seen = observed.Observed(
        desired(**services),
        [(["a"], Package("dpkg", "a"))] * packages + [([id_], Package("dpkg", id_)) for id_ in other],
        [
            program._replace(identity=running.Identity([id_], id_, doubt=doubt if doubt == DOUBTFUL else ""))
            for id_, doubt in [*(("a", doubt) for doubt in programs), *((id_, CERTAIN) for id_ in other)]
        ],
        lambda process: None,
        {},
        [
            PortableApp([id_], "program", f"/x/{id_}", id_, None, "", doubt if doubt == DOUBTFUL else "")
            for id_, doubt in [*(("a", doubt) for doubt in portable_apps), *((id_, CERTAIN) for id_ in other)]
        ],
    )  # fmt: skip
    assert seen.uncertain("a") is uncertain
    assert len(seen.findings("a")) == len(portable_apps) + len(programs) + packages


# -- what belongs to users ---------------------------------------------------------------------------------------------


@ROOT
@pytest.mark.parametrize(
    ("path", "owner", "scope"),
    [
        pytest.param("/home/alice/x", None, "user:alice", id="in a home, whoever owns it"),
        pytest.param("/root/x", None, "user:root", id="in root's home"),
        pytest.param("/opt/x", None, "system", id="root's in a place of the host's"),
        pytest.param("/tmp/x", 4321, "user:4321", id="somebody's in a shared place"),
        pytest.param("/usr/lib/odd/x", None, "", id="in a home that is a part of the system"),
    ],
)
def test_whose_a_copy_is(host: MadeHost, path: str, owner: int | None, scope: str) -> None:
    host.has_accounts(SUPER, ALICE, User("odd", 1002, 1002, "/usr/lib/odd"))
    made.put(Path(host.root + path), {"wechat": made.elf(), "libcef.so": made.elf()}, -1 if owner is None else owner)
    seen = observed.observe_apps(host, plan(wechat={"processes": ["wechat"]})["controls"]["apps"])
    assert [copy.finding().scope for copy in seen.portable_apps] == ([scope] if scope else [])


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


@pytest.mark.parametrize("program", ["/usr/bin/wechat", "/opt/wechat/run", "/home/alice/own/run"])
def test_what_the_host_starts_with_every_session_is_whose_program_it_starts(host: MadeHost, program: str) -> None:
    made.put(Path(host.root + "/etc/xdg/autostart"), {"start.desktop": made.entry("x", Exec=program)})
    of = plan(wechat={"processes": ["wechat"], "paths": ["/opt/wechat", "~/own"]}, other={"processes": ["other"]})
    seen = observed.observe_apps(host, of["controls"]["apps"])
    assert [(copy.services, copy.kind, copy.path, copy.finding().scope) for copy in seen.portable_apps] == [
        (["wechat"], "autostart", "/etc/xdg/autostart/start.desktop", "system")
    ]


def test_what_one_user_hides_is_reported_with_his_name_and_hides_nothing_of_others(
    host: MadeHost, monkeypatch: pytest.MonkeyPatch
) -> None:
    host.has_accounts(ALICE, BOB)
    made.put(Path(host.root + "/home/bob"), {"Telegram/Telegram": made.elf(), "Telegram/Updater": made.elf()})
    real = per_user.launchers.find_launchers

    def refused(door: Host, services: Any, services_of: Any, users: Any, system: bool, *more: Any) -> Any:
        if not system and any(user.name == "alice" for user in users):
            raise Unseen("her menu is closed")
        return real(door, services, services_of, users, system)

    monkeypatch.setattr(per_user.launchers, "find_launchers", refused)
    of = plan(wechat={"processes": ["wechat"]}, telegram={"processes": ["Telegram"]})
    seen = observed.observe_apps(host, of["controls"]["apps"])
    assert seen.unseen == dict.fromkeys(("wechat", "telegram"), "alice: her menu is closed")
    assert [copy.path for copy in seen.portable_apps] == ["/home/bob/Telegram"]
    assert states(host, of)["apps/wechat"] == "unknown" and states(host, of)["apps/telegram"] == "noncompliant"


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


@pytest.mark.parametrize(("unseen", "listed"), [("why", ["why"]), ("", []), ([], []), (["a", "b"], ["a", "b"])])
def test_reasons_are_a_list(unseen: Any, listed: list[str]) -> None:
    assert per_user._guarded(Host(), lambda: ([], unseen)) == ([], listed)


def test_each_uid_but_root_is_observed_as_one_unit(host: MadeHost) -> None:
    host.has_accounts(SUPER, BOB, ALICE, User("alice2", 1000, 1000, "/home/alice2"))
    shared = [("/tmp/x", ())]
    found, networks = per_user.units(host, {4321: shared, 1001: shared})
    assert networks == []
    assert [(unit.uid, [user.home for user in unit.users], unit.places, unit.unseen) for unit in found] == [
        (1000, ["/home/alice", "/home/alice2"], (), ()),
        (1001, ["/home/bob"], shared, ()),
        (4321, ["/nonexistent"], shared, ()),
    ]


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


@ROOT
@pytest.mark.parametrize("scanned", [False, True])
def test_a_home_on_a_network_is_scanned_as_its_user_where_that_is_asked_for(
    host: MadeHost, tmp_path: Path, scanned: bool
) -> None:
    """Where it is asked for and not done, an app there would pass for none."""
    host.has_accounts(User("alice", 4321, 4321, "/home/alice"))
    made.put(Path(host.root + "/home/alice"), {"Telegram/Telegram": made.elf(), "Telegram/Updater": made.elf()}, 4321)
    (Path(host.root) / "proc/self").mkdir()
    (Path(host.root) / "proc/self/mountinfo").write_text("36 35 0:50 / /home/alice rw - nfs4 server:/home rw\n")
    for step in tmp_path.resolve(), *tmp_path.resolve().parents:
        if step.stat().st_mode & 0o011 != 0o011:  # pytest's own directories: alice reaches her home through them
            step.chmod(step.stat().st_mode | 0o011)
    section = plan(telegram={"processes": ["Telegram"]})["controls"]["apps"]
    section["settings"]["network_homes"] = "scan" if scanned else "unknown"
    seen = observed.observe_apps(host, section)
    assert [(copy.path, copy.finding().scope) for copy in seen.portable_apps] == (
        [("/home/alice/Telegram", "user:alice")] if scanned else []
    )
    assert bool(seen.unseen) is not scanned


@pytest.mark.parametrize("networks", [[], [per_user.Unit(1000, [ALICE], ())]])
def test_all_that_is_needed_is_loaded_before_somebody_elses_eyes_are_used(
    host: MadeHost, monkeypatch: pytest.MonkeyPatch, networks: list[per_user.Unit]
) -> None:
    """A user may not be able to read where this code lies; on other hosts nobody pays for it."""
    done: list[str] = []

    def each(units: Any, question: Any, user: User | None = None) -> list[Any]:
        done.append(user.name if user else "root")
        return []

    monkeypatch.setattr(per_user, "units", lambda *_: ([], networks))
    monkeypatch.setattr(per_user, "each", each)
    monkeypatch.setattr(per_user, "_load", lambda: done.append("load"))
    common: Any = SimpleNamespace(desired=desired())
    assert list(per_user._each(host, common, {})) == []
    assert done == (["root", "load", "alice"] if networks else ["root"])


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


@pytest.mark.parametrize("there", [True, False])
def test_who_has_a_package_system(host: MadeHost, there: bool) -> None:
    system: Any = SimpleNamespace(there=lambda door, user: there and (door, user) == (host, ALICE))
    assert per_user._has(host, system, ALICE) is there


def test_the_process_that_observes_the_host_queries_no_user_but_root(
    host: MadeHost, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What belongs to another user may hang or lie, so a separate process observes it, within his budget."""
    host.has_accounts(SUPER, ALICE)
    queried: list[str] = []

    def noted(door: Host, user: User | None, *ids: Any) -> Any:
        queried.append(user.name if user else "the host")
        return ([], "") if ids else ()

    system = package_system(query_of=noted, owned_directories=noted, there=noted)
    monkeypatch.setattr(observed, "SYSTEMS", [system])
    observed.observe_apps(host, plan(wechat={"packages": {"npm": ["wechat"]}})["controls"]["apps"])
    assert set(queried) == {"root", "the host"}


@pytest.mark.parametrize("whose", ["the host", "root"])
def test_a_package_system_that_cannot_be_asked_is_unknown_for_its_services_alone(
    host: MadeHost, monkeypatch: pytest.MonkeyPatch, whose: str
) -> None:
    host.has_accounts(SUPER)

    def odd(door: Host, *what: Any) -> Any:
        name = what[0].name if len(what) > 1 else "the host"
        return [], "its list is odd" if whose == name else ""

    monkeypatch.setattr(observed, "SYSTEMS", [package_system(query=odd, query_of=odd)])
    of = plan(wechat={"packages": {"npm": ["wechat"]}}, other={"processes": ["other"]})
    assert observed.observe_apps(host, of["controls"]["apps"]).unseen == {"wechat": "its list is odd"}


@pytest.mark.parametrize(
    ("seen", "known"),
    [({}, True), ({"unseen": ["alice: closed"]}, False), ({"blind": [("npm", "alice: odd")]}, False)],
)
@pytest.mark.parametrize("privileged", [True, False])
def test_package_systems_of_users_are_recorded_only_where_all_users_were_seen(
    host: MadeHost, monkeypatch: pytest.MonkeyPatch, seen: dict[str, Any], known: bool, privileged: bool
) -> None:
    """A system that is in no list is one that nobody has; so where one may be hidden there is no list."""
    theirs = per_user.Seen([], [], [], [], set(), {}, {"nix", "brew"})._replace(**seen)
    monkeypatch.setattr(per_user, "observe_users", lambda *_: theirs)
    host.root_user = privileged
    observed.observe_apps(host, plan(wechat={"packages": {"npm": ["wechat"]}})["controls"]["apps"])
    named = ["brew", "nix"] if known and privileged else None
    assert host.record_fields.get("user_package_systems") == named and host.record_fields["package_systems"] == ["dpkg"]


def test_a_package_system_that_a_user_installed_is_recorded(host: MadeHost) -> None:
    host.has_accounts(ALICE)
    (Path(host.root) / "home/alice/.nix-profile").mkdir()
    observed.observe_apps(host, plan(wechat={"packages": {"npm": ["wechat"]}})["controls"]["apps"])
    assert host.record_fields["user_package_systems"] == ["nix"]


@pytest.mark.parametrize("learns", [True, False])
def test_what_was_not_seen_of_a_user_is_always_reported(
    host: MadeHost, monkeypatch: pytest.MonkeyPatch, learns: bool
) -> None:
    """Also where nothing is remembered, as of a home on another machine: else what is hidden there would pass."""
    host.has_accounts(ALICE)
    real = per_user.scan.scan_files

    def scan_files(door: Host, services: Any, names: Any, region: Any, *more: Any) -> Any:
        if region.user is None:
            return real(door, services, names, region, *more)
        return per_user.scan.PortableApps([], ["closed"], [], {}, {})

    monkeypatch.setattr(per_user.scan, "scan_files", scan_files)
    host.learns = learns
    of = plan(
        wechat={"processes": ["wechat"]},
        owl={"web_hosts": ["owl.example"]},
        emu={"paths": ["/opt/emu"]},
        ape={"packages": {"apt": ["ape"]}},
        elk={"names": ["elk"]},  # of which no file is known
    )
    seen = observed.observe_apps(host, of["controls"]["apps"])
    assert seen.unseen == dict.fromkeys(("wechat", "owl", "emu", "ape"), "alice: closed")


def test_nothing_moves_out_of_what_a_package_system_of_the_host_or_of_roots_owns(
    host: MadeHost, monkeypatch: pytest.MonkeyPatch
) -> None:
    system = SimpleNamespace(owned_directories=lambda door, user: [f"/opt/{user.name if user else 'host'}"])
    monkeypatch.setattr(observed, "SYSTEMS", [system])
    assert list(observed._of_host(host, {"/root": SUPER}).owned) == ["/opt/host", "/opt/root"]


def test_what_runs_from_what_stays_of_a_copy_is_not_ended(host: MadeHost) -> None:
    """In the app's directory lies something of its user's: it is not moved, and what runs from it is not the app."""
    app = {"wechat": made.elf(), "libcef.so": made.elf(), "thesis": b"#!/bin/sh\n"}
    made.put(Path(host.root + "/home/alice/wechat"), app)
    for pid, name in ((7, "wechat"), (8, "thesis")):
        host.program(pid, f"/home/alice/wechat/{name}")
    actions = [str(action) for action in apps.enforce(host, plan(wechat={"processes": ["wechat"]})).actions]
    assert [one for one in actions if one.startswith("end ")] == ["end wechat of alice (pid 7)"]


def test_all_reasons_are_reported_each_once(host: MadeHost, monkeypatch: pytest.MonkeyPatch) -> None:
    host.has_accounts(ALICE, BOB)
    made.put(Path(host.root + "/home/bob"), {"x": b""})

    def refused(door: Host, services: Any, services_of: Any, users: Any, system: bool, *more: Any) -> Any:
        return [], ["closed", "closed"] if system else ["hers", "hers"]

    monkeypatch.setattr(per_user.launchers, "find_launchers", refused)
    seen = observed.observe_apps(host, plan(wechat={"processes": ["wechat"]})["controls"]["apps"])
    assert seen.unseen == {"wechat": "closed; alice: hers; bob: hers"}


def test_what_comes_back_from_a_child_is_what_it_was() -> None:
    package = Package("npm", "x", "1", ("x", "y"), ALICE, "/p", True)
    assert per_user.restored_package([*package[:3], list(package.handles), list(ALICE), *package[5:]]) == package
    assert per_user.restored_package(package._replace(owner=None)).owner is None
    copy = PortableApp(["a"], "tree", "/x", "x", ALICE, "why", "doubt", "1", 1000, ["/x/y"], "stays")
    assert per_user.restored_app([*copy[:4], list(ALICE), *copy[5:]]) == copy
    assert per_user.restored_app(copy._replace(owner=None)).owner is None


@pytest.mark.parametrize(
    ("program", "flatpak", "found"),
    [
        ("flatpak", "com.x", ["a"]),
        ("/opt/b/run", "", ["b"]),
        ("/home/alice/own/run", "", ["b"]),
        ("/usr/bin/tool", "", ["c"]),
        ("tool", "", ["c"]),
        ("/usr/bin/other", "com.y", []),
        ("/opt/b/tool", "", ["b"]),
    ],
)
def test_whose_a_started_program_is(program: str, flatpak: str, found: list[str]) -> None:
    of = desired(
        a={"packages": {"flatpak": ["com.x"]}}, b={"paths": ["/opt/b", "~/own"]}, c={"processes": ["tool"]}
    )  # fmt: skip
    assert per_user.common_services_of(of, {"/home/alice"})(program, flatpak) == found


@pytest.mark.parametrize(
    ("found", "blind"),
    [
        pytest.param(["wechat"], "", id="a package"),
        pytest.param([], "its list is odd", id="a reason"),
        pytest.param(["wechat"], "one of two lists is odd", id="both"),
        pytest.param([], "", id="nothing"),
    ],
)
def test_what_a_package_system_says_of_a_user_comes_through(
    host: MadeHost, monkeypatch: pytest.MonkeyPatch, found: list[str], blind: str
) -> None:
    """A package of a user's own is his finding, and what cannot be asked is unknown: neither gets lost on the way."""
    host.has_accounts(ALICE)

    def query_of(door: Host, user: User, ids: Any) -> Any:
        return [Package("npm", id_, "1", owner=user, path="/p") for id_ in found if id_ in ids], blind

    monkeypatch.setattr(per_user, "SYSTEMS", [package_system(query_of=query_of)])
    of = plan(wechat={"packages": {"npm": ["wechat"]}}, other={"processes": ["other"]})
    seen = observed.observe_apps(host, of["controls"]["apps"])
    assert [(services, package.id, package.owner and package.owner.name) for services, package in seen.packages] == [
        (["wechat"], id_, "alice") for id_ in found
    ]
    assert seen.unseen == ({"wechat": f"alice: {blind}"} if blind else {})


@ROOT
def test_a_single_file_of_somebodys_in_a_shared_place_is_seen_and_his(host: MadeHost) -> None:
    made.put(Path(host.root + "/tmp"), {"WeChat.AppImage": made.image("wechat")})
    os.chmod(host.root + "/tmp", 0o1777)
    os.chown(host.root + "/tmp/WeChat.AppImage", 4321, 4321)
    seen = observed.observe_apps(host, plan(wechat={"processes": ["wechat"]})["controls"]["apps"])
    assert [(copy.path, copy.finding().scope) for copy in seen.portable_apps] == [("/tmp/WeChat.AppImage", "user:4321")]
