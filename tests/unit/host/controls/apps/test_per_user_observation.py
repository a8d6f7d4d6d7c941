"""The observation of users: parts of one user, their sum, its memory, and the share of each user."""

import base64
import json
import marshal
import os
from pathlib import Path
from typing import Any
from unittest import mock

import made_apps as fake
import pytest
from fake_tools import package_system
from made_host import MadeHost, plan
from made_users import ALICE, BOB
from proscribe.host.controls.apps import apps_observation, per_user_observation
from proscribe.host.controls.apps.desired_apps import DesiredApps
from proscribe.host.controls.apps.per_user_observation import UserObservation, UserScanContext, UserUnit
from proscribe.host.controls.apps.portable.app_names import AppNames
from proscribe.host.controls.apps.portable.desktop_entries import make_web_app_id
from proscribe.host.controls.apps.portable.scan import PortableApp
from proscribe.host.controls.apps.portable.scan_cache import (
    DROPPED_TEXT,
    ScanMemory,
    extend_names_stamp,
    save_scan_memory,
)
from proscribe.host.controls.apps.running_programs import ProgramIdentity, RunningProgram
from proscribe.host.controls.apps.systems.package import Package
from proscribe.host.controls.apps.user_finding_limit import UserShare
from proscribe.host.system import ControlError, ObservationError, Process, User
from proscribe.host.system.mounts import explain_not_entered

needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="needs root: gives files away")
NPM_PLAN = plan(wechat={"packages": {"npm": ["wechat"]}}, other={"processes": ["other"]})["controls"]["apps"]
CERTAIN, DOUBTFUL = "", "by its name alone"


def test_parts_of_users_are_put_together(host, monkeypatch):
    package = Package("npm", "wechat", "1", owner=ALICE, path="/p")
    app = PortableApp(["wechat"], "program", "/home/bob/x", "x", BOB, "why", parts=[])
    sent = json.loads(json.dumps([package, app]))
    text, requests = {"memory": "12345"}, ([["r"]], 1)
    hers = [{"there": ["npm"], "unseen": ["closed"], "cut": 2, **text}, {"requests": requests}]
    answers = [
        (ALICE, [{"packages": [sent[0]], "blind": [("npm", "odd")], "cut": 1}, *hers], ""),
        (BOB, [{"portable_apps": [sent[1]], "systems": ["conda"], "there": ["brew"]}], "over budget"),
        *((User(f"u{uid}", uid, uid, "/"), parts, "") for uid, parts in ((1002, [text]), (1003, []))),
    ]
    monkeypatch.setattr(per_user_observation, "MAX_REMEMBERED_CHARACTERS", 10)
    units = [(UserUnit(user.uid, [user], ()), parts, why) for user, parts, why in answers]
    monkeypatch.setattr(per_user_observation, "_observe_each_unit", lambda *_: iter(units))
    unseen = ["alice: closed", "bob: over budget"]
    memory = {"1000": "12345", "1002": "", "1003": None}  # whether bob's is right is not known
    seen = per_user_observation.observe_users(host, mock.Mock(), {})
    rest = ({"npm", "brew"}, memory, {"conda"}, (requests,), {"alice": 3})
    assert seen == UserObservation([package], [app], [("npm", "alice: odd")], unseen, *rest)


def parts(host: MadeHost, unit: UserUnit, memory: ScanMemory | None = None, **services: Any) -> list[dict[str, Any]]:
    desired = DesiredApps(plan(**(services or {"wechat": {"processes": ["wechat"]}}))["controls"]["apps"])
    names = AppNames(desired.services, ["/home/alice"])
    memory = memory or ScanMemory({}, "s", "now", 0, is_fresh=True)
    common = UserScanContext(desired, names, {"/home/alice"}, [], memory)
    return list(per_user_observation._observe_unit(host, common, unit))


def test_a_users_own_folders_are_part_of_what_his_look_is_remembered_by(host):
    fake.put(Path(host.root + "/home/alice"), {".config/user-dirs.dirs": b'XDG_DOWNLOAD_DIR="$HOME/Laden"\n'})
    host.saves_state = True
    (text,) = [part["memory"] for part in parts(host, UserUnit(1000, [ALICE], ())) if part.get("memory")]
    assert marshal.loads(base64.b64decode(text))["stamp"] == extend_names_stamp("s", ["/home/alice/Laden"]) != "s"


def test_answer_of_a_users_process_is_not_remembered(host, monkeypatch):
    """He may be able to trace it, and root would read with `marshal` what he makes it say."""
    words = [{"memory": "an attack", "there": ["npm"]}]
    monkeypatch.setattr(per_user_observation, "make_user_units", lambda *_: ([], [UserUnit(1000, [ALICE], ())]))
    monkeypatch.setattr(
        per_user_observation, "run_each_apart", lambda items, work, user=None: [(item, words, "") for item in items]
    )
    seen = per_user_observation.observe_users(host, mock.Mock(**{"desired.network_homes": "scan"}), {})
    assert (seen.texts_by_uid, seen.present_systems) == ({"1000": None}, {"npm"})


@needs_root
def test_unseen_process_is_reported_with_its_user(host, monkeypatch):
    host.program(7, "/usr/bin/wechat")
    monkeypatch.setattr(host, "find_process_uid", lambda process: 1000)
    monkeypatch.setattr(host, "find_account", lambda uid: User(f"number {uid}", uid, uid, "/"))
    monkeypatch.setattr(apps_observation, "run_each_apart", lambda items, work: [(items[0], [], "it hangs")])
    seen = apps_observation.observe_apps(host, plan(wechat={"processes": ["wechat"]})["controls"]["apps"])
    assert seen.unseen_reasons == {"wechat": "number 1000: it hangs"} and seen.running_programs == []


@pytest.mark.parametrize(
    ("is_root", "hidden", "why"), [(True, 0, ""), (True, 2, "2 processes do not show"), (False, 0, "run it as root")]
)
def test_service_is_unknown_where_programs_do_not_show_themselves(host, monkeypatch, is_root, hidden, why):
    host.root_user = is_root
    monkeypatch.setattr(host, "list_processes", lambda: ([], hidden))
    seen = apps_observation.observe_apps(host, plan(wechat={"processes": ["wechat"]})["controls"]["apps"])
    reason = seen.unseen_reasons.get("wechat", "")
    assert why in reason and bool(why) is bool(reason)


def test_process_that_only_its_root_directory_identifies_is_a_candidate(host):
    """A container's program: to read that may hang, so it is not done where the whole run would."""

    def identify_by_path(process: Process) -> Any:
        assert not host.reads_process_roots
        if process.pid == 8:
            raise apps_observation.ProcessRootUnread
        if process.pid == 10:
            raise OSError
        return "something" if process.pid == 7 else None

    identify: Any = mock.Mock(
        identify_by_path=identify_by_path, is_identity_enough=lambda *_: True, is_content_needed=lambda _: False
    )
    candidates = apps_observation._choose_candidates(host, identify, [Process(pid, "/x") for pid in (7, 8, 9)])
    assert [process.pid for listed in candidates.values() for process in listed] == [7, 8] and host.reads_process_roots
    with pytest.raises(OSError, match="^$"):
        apps_observation._choose_candidates(host, identify, [Process(10, "/x")])
    assert host.reads_process_roots, "whatever comes, the next ones ask"


@pytest.mark.parametrize("silent", ["the host", "root"])
def test_silent_package_system_is_unknown_for_its_services_alone(host, monkeypatch, silent):
    host.has_accounts(User("root", 0, 0, "/root"), ALICE)
    odd, known = ([], "its list is odd"), ([], "")
    find_packages = mock.Mock(return_value=odd if silent == "the host" else known)
    find_user_packages = mock.Mock(return_value=odd if silent == "root" else known)
    system = package_system(find_packages=find_packages, find_user_packages=find_user_packages)
    monkeypatch.setattr(apps_observation, "SYSTEMS", [system])
    assert apps_observation.observe_apps(host, NPM_PLAN).unseen_reasons == {"wechat": "its list is odd"}
    assert find_packages.called and {call.args[1].name for call in find_user_packages.call_args_list} == {"root"}


@pytest.mark.parametrize(
    ("portable_apps", "programs", "packages", "uncertain"),
    [
        ([], [], 0, False),
        ([DOUBTFUL], [], 0, True),
        ([], [DOUBTFUL], 0, True),
        ([DOUBTFUL], [CERTAIN], 0, False),
        ([CERTAIN], [DOUBTFUL], 0, False),
        ([DOUBTFUL], [DOUBTFUL], 0, True),
        ([DOUBTFUL], [], 1, False),
    ],
)
def test_service_is_uncertain_where_all_its_evidence_is_doubtful(portable_apps, programs, packages, uncertain):
    desired = DesiredApps(plan(a=WECHAT, b=WECHAT)["controls"]["apps"])
    of_both = [(["a"], Package("dpkg", "a"))] * packages + [(["b"], Package("dpkg", "b"))]
    running = [RunningProgram(ProgramIdentity(["a"], "a", doubt=why), "x", "", [Process(1, "/x")]) for why in programs]
    apps = [("a", doubt) for doubt in portable_apps] + [("b", CERTAIN)]
    portable = [PortableApp([id_], "program", f"/x/{id_}", id_, None, "", doubt) for id_, doubt in apps]
    seen = apps_observation.AppsObservation(desired, of_both, running, lambda process: None, {}, portable)
    assert seen.is_service_uncertain("a") is uncertain and not seen.is_service_uncertain("b")
    assert len(seen.list_findings("a")) == len(portable_apps) + len(programs) + packages


WECHAT = {"packages": {"npm": ["x"], "nix": ["x"]}, "processes": ["wechat"], "web_hosts": ["wechat.com"]}
REQUEST = b'{"schema": "proscribe/request/1", "service": "wechat", "reason": "r", "at": "2026-11-25T08:00:00Z"}'
FILES = {
    ".npm-global/lib/node_modules/x/package.json": b'{"version": "1"}',
    ".config/user-dirs.dirs": b'XDG_DESKTOP_DIR="$HOME/Bureau"\n',
    "Bureau/a.desktop": fake.entry("x", URL="https://wechat.com/"),
    "wechat.AppImage": fake.image("wechat"),
    ".local/state/proscribe/requests/0000000000000000.json": REQUEST,
}


@needs_root
def test_user_gives_parts_in_order(host):
    host.saves_state = True
    fake.put(Path(host.root + ALICE.home), FILES, ALICE.uid)
    for folder in ("hers", "shared"):
        fake.put(Path(host.root + f"/tmp/{folder}"), {"wechat": fake.elf(), "qq": fake.elf()}, ALICE.uid)
    fake.put(Path(host.root + "/nix/var/nix/profiles/per-user/bob"), {"x": b""})
    places = [("/tmp/hers", ()), ("/tmp/shared", ("wechat",))]
    unit = UserUnit(ALICE.uid, [ALICE, BOB], places, ["elsewhere"])  # bob has no home here
    result = parts(host, unit, wechat=WECHAT, qq={"processes": ["qq"]})
    keys = ["unseen", "systems", "packages", "systems", "portable_apps", "portable_apps", "memory", "requests"]
    assert [next(iter(part)) for part in result] == keys
    assert result[:2] == [{"unseen": ["elsewhere"]}, {"systems": ["nix"]}]
    assert [package.id for package in result[2]["packages"]] == ["x"]
    portable_apps = [sorted(app.path for app in part["portable_apps"]) for part in result[4:6]]
    assert portable_apps[0] == ["/home/alice/Bureau/a.desktop"]
    assert portable_apps[1] == ["/home/alice/wechat.AppImage", "/tmp/hers/qq", "/tmp/hers/wechat", "/tmp/shared/wechat"]
    assert len(result[7]["requests"][0]) == 1


@needs_root
def test_user_without_anything_is_forgotten(host):
    assert parts(host, UserUnit(BOB.uid, [BOB], (), ["elsewhere"]), wechat=WECHAT) == [{"unseen": ["elsewhere"]}]
    save_scan_memory(host, ScanMemory({}, "s", "now", 0, texts_by_uid={str(BOB.uid): "text"}))
    assert parts(host, UserUnit(BOB.uid, [BOB], ()), wechat=WECHAT) == [{"memory": DROPPED_TEXT}]


@needs_root
def test_a_web_app_in_roots_home_is_roots(host):
    host.has_accounts(User("root", 0, 0, "/root"), ALICE)
    icon = {f"_crx_{make_web_app_id('https://wechat.com/')}/i.png": b"\x89PNG\r\n\x1a\n"}
    for home in ("/root", "/home/alice"):
        fake.put(Path(f"{host.root}{home}/.config/google-chrome/Default/Web Applications"), icon)
    of = plan(wechat={"web_hosts": ["wechat.com"], "processes": ["wechat"]})
    seen = apps_observation.observe_apps(host, of["controls"]["apps"])
    assert sorted(copy.make_finding().scope for copy in seen.portable_apps) == ["user:alice", "user:root"]


@pytest.mark.parametrize(
    ("error", "why"),
    [(ObservationError("closed"), "closed"), (OSError(5, "x"), "[Errno 5] x"), (MemoryError(), "over budget: memory")],
)
def test_failed_observation_of_a_user_gives_a_reason(host, error, why):
    assert per_user_observation._observe_guarded(host, mock.Mock(side_effect=error)) == ([], [why])
    assert per_user_observation._observe_guarded(host, lambda: (("a",), "b")) == (["a"], ["b"])


SHARED = plan(
    line={"packages": {"npm": ["line", "both"]}},
    excused={"packages": {"npm": ["excused"]}, "exceptions": [{"waiver": "w1", "users": ["alice"]}]},
    partly={"packages": {"npm": ["partly"]}, "exceptions": [{"waiver": "w2", "paths": ["/1"]}]},
    waived={"packages": {"npm": ["waived"]}, "mode": "waived", "waiver": "w3"},
    other={"packages": {"npm": ["other", "both"]}},
    members={"packages": {"npm": ["members"]}, "only": {"users": ["bob"]}},
)


@pytest.mark.parametrize(
    ("ids", "listed", "counted"),
    [
        ("line line line other other", "line line other", 2),
        ("line line both", "line line both", 0),  # it is the first of another rule
        ("line line excused excused", "line line excused", 0),  # what is permitted does not count
        ("line line waived waived", "line line waived", 0),
        ("line line members", "line line", 0),  # it is not restricted for her
        ("partly partly partly", "partly partly partly", 0),  # a waiver permits two of them
    ],
)
def test_packages_beyond_a_users_share_are_counted(ids, listed, counted):
    desired = DesiredApps(SHARED["controls"]["apps"])
    places = "112" if "partly" in ids else "12345"
    packages = [Package("npm", id_, owner=ALICE, path=f"/{place}") for place, id_ in zip(places, ids.split())]
    for pieces in ([packages], [packages[:1], packages[1:]], [[package] for package in packages]):
        share = UserShare(desired, max_findings=2)
        taken = [share.take_things(piece) for piece in pieces]
        assert [package.id for members, _ in taken for package in members] == listed.split()
        assert sum(cut for _, cut in taken) == counted


@pytest.mark.parametrize("scanned", [False, True])
def test_a_home_on_a_network_is_a_unit_of_its_own_or_unseen(host, scanned):
    host.has_accounts(ALICE, User("nobody", 65534, 65534, "/home/nobody"))
    (Path(host.root) / "proc/self").mkdir()
    (Path(host.root) / "proc/self/mountinfo").write_text("36 35 0:50 / /home rw - nfs4 server:/home rw\n")
    result, networks = per_user_observation.make_user_units(host, {}, scanned)
    assert [(unit.uid, [user.name for user in unit.users]) for unit in networks] == [(1000, ["alice"])] * scanned
    unseen = {unit.uid: list(unit.unseen_reasons) for unit in result}
    assert scanned or unseen[1000] == [explain_not_entered("/home/alice", "nfs4")]
    assert bool(unseen[1000]) is not scanned and unseen[65534], "nobody is never asked in the name of"
    assert all("nfs4" in why for reasons in unseen.values() for why in reasons)


@pytest.mark.parametrize(
    ("home", "has"),
    [("/home/alice", True), ("/home/bob", False), ("/bin", False), ("/opt/service", True), ("/usr/lib/odd", False)],
)
def test_home_is_a_directory_of_the_user(host, home, has):
    for place in ("bin", "opt/service", "usr/lib/odd"):  # bob's is not made yet
        (Path(host.root) / place).mkdir(parents=True, exist_ok=True)
    assert per_user_observation._has_home_directory(host, User("x", 1002, 1002, home)) is has


@pytest.mark.parametrize("error", [ObservationError("closed"), ControlError("a link"), OSError(5, "x")])
def test_unseen_home_may_be_there(host, monkeypatch, error):
    refuse = mock.Mock(side_effect=error)
    assert per_user_observation._has_package_system(host, package_system(is_present=refuse), ALICE)
    monkeypatch.setattr(host, "find_entry", refuse)
    assert per_user_observation._has_home_directory(host, ALICE)
