"""The control `apps` on a test tree: changes, running programs, names of a plan, owners of files, and starts."""

import os
import time
from collections.abc import Callable, Collection, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from unittest import mock

import made_apps as fake
import pytest
from fake_tools import package_system
from made_host import TOR, WECHAT, MadeHost, carry_out, plan, states
from made_users import ALICE, BOB, put
from proscribe.host.controls import apps
from proscribe.host.controls.apps import changes, removed_packages, running_programs, user_notice
from proscribe.host.controls.apps.desired_apps import DesiredApps
from proscribe.host.controls.apps.owning_package import find_owning_package
from proscribe.host.controls.apps.portable.app_names import AppNames
from proscribe.host.controls.apps.requests import command_text
from proscribe.host.controls.apps.requests.command import COMMAND_PATH, SERVICE_LIST_PATH
from proscribe.host.controls.apps.running_programs import ProgramIdentity, RunningProgram
from proscribe.host.controls.apps.systems.package import Package
from proscribe.host.controls.base import ChangeRefusal, ControlAction
from proscribe.host.system import ControlError, Host, ObservationError, Process, ToolResult
from proscribe.host.system.budget import ReadBudget
from proscribe.host.system.forked_work import DEFAULT_LIMITS, WorkLimits
from proscribe.host.watch import restricted_programs
from proscribe.host.watch.restricted_programs import RestrictedPrograms, VerificationResult, make_prefilter_sets
from proscribe.host.watch.starts.prefilter import Prefilter
from proscribe.model.finding import Finding

PLAN = plan(viber={"processes": ["Viber"], "paths": ["/opt/viber", "~/viber"]}, wechat=WECHAT)
SECTION = PLAN["controls"]["apps"]
PORTABLE, ALONE = "/home/alice/Downloads/v/Viber", "/home/alice/alone/Viber"
BLOCK = [
    *("/etc/proscribe/restricted-packages", "/etc/proscribe/restricted-paths", "/etc/proscribe/contact"),
    *("/usr/libexec/proscribe/dpkg-gate", "/etc/dpkg/dpkg.cfg.d/proscribe"),
]
BOB_COPY = "home/bob/Telegram"
TELEGRAM = {"processes": ["Telegram"], "paths": ["~/Telegram"]}
HINT = 'To request an exception: proscribe-request SERVICE "reason"'
PACKAGES_OF_X = {"flatpak": ["com.x"], "snap": ["x-snap"], "apt": ["x"]}
IDENTIFIED = [(["wechat"], Package(manager, id_)) for manager, id_ in (("flatpak", "com.x"), ("dpkg", "x"))]
IDS = {"flatpak": "com.x", "snap": "x-snap", "dpkg": "x"}
CONTAINED = "in a container, where the path says little, so it is not ended"
NAMED = "known by its name alone, so it is not ended"
WINE_APP = ".wine/drive_c/Program Files/Tencent/WeChat/WeChat"
CHAT = "/opt/chat/chat"
PACKAGE_NAMES = {
    f"dpkg-query --search -- {CHAT}": f"chat-stable: {CHAT}\n",
    f"rpm --query --file --queryformat %{{NAME}}\n -- {CHAT}": "chat-stable\nchat-beta\n",
    f"pacman --query --owns --quiet -- {CHAT}": "chat-stable\n",
}


def test_script_that_fails_its_trial_is_not_put_into_dpkgs_configuration(host):
    *others, last = apps.enforce(host, plan(wechat=WECHAT)).actions
    carry_out(others)
    Path(host.root + "/usr/libexec/proscribe/dpkg-gate").write_text("#!/bin/sh\nfi\n")
    with pytest.raises(ControlError, match="dpkg-gate"):
        last.apply()
    assert host.find_entry("/etc/dpkg/dpkg.cfg.d/proscribe") is None


def test_program_that_this_run_depends_on_is_not_ended(host, monkeypatch):
    host.program(7, "/usr/bin/tor")
    monkeypatch.setattr(host, "list_ancestor_pids", lambda: {1, 7})
    changes = apps.enforce(host, plan(tor=TOR))
    assert (changes.actions, changes.refusals[0].reason) == ([], "this run depends on it")


@pytest.mark.parametrize(("mode", "is_root"), [("audit", True), ("enforce", False)])
def test_package_counts_in_an_audit_and_where_the_rest_was_not_seen(host, mode, is_root):
    host.root_user, host.packages = is_root, {"wechat": "ii"}
    verdicts = {item.rule: (item.state, item.drifted) for item in apps.observe(host, plan(mode, wechat=WECHAT))}
    assert verdicts["apps/wechat"] == ("noncompliant", mode == "enforce")
    assert mode == "enforce" or [*verdicts] == ["apps/wechat"], "an audit expects no block"


@pytest.mark.parametrize(
    ("packages", "place"),
    [
        ({"pacman": ["parrot"]}, "var/lib/pacman/local"),
        ({"flatpak": ["org.parrot.Parrot"]}, "home/alice/.local/share/flatpak"),
        ({"rpm": ["parrot"], "pacman": ["parrot"]}, "var/lib/pacman/local"),
    ],
)
def test_package_of_a_missing_system_is_out(host, packages, place):
    of = plan(parrot={"packages": packages})
    assert states(host, of)["apps/parrot"] == "not_applicable"
    (Path(host.root) / place).mkdir(parents=True)
    assert states(host, of)["apps/parrot"] == "compliant"


@pytest.fixture
def host_with_apps(host):
    root = Path(host.root)
    (root / "proc/self/ns").mkdir(parents=True)
    (root / "proc/self/ns/mnt").symlink_to("mnt:[1]")
    host.packages = {"wechat": "ii"}
    (root / "var/lib/dpkg/info/wechat.list").write_text("/usr/lib/wechat/app\n")
    fake.put(root / "home/alice/Downloads/v", {"Viber": fake.elf(), "icudtl.dat": fake.icu()})
    fake.put(root / "home/alice/alone", {"Viber": fake.elf()})
    return host


def start(host: MadeHost, pid: int, exe: str) -> None:
    """Start a program that sees the host's files as the host does."""
    host.program(pid, exe)
    place = Path(host.root) / "proc" / str(pid)
    (place / "root").unlink()
    (place / "root").symlink_to("/")
    (place / "ns").mkdir()
    (place / "ns/mnt").symlink_to("mnt:[1]")


def verify(restricted: RestrictedPrograms, exes: dict[int, str]) -> VerificationResult:
    parts = list(restricted.verify_processes([Process(pid, exe) for pid, exe in exes.items()]))
    return VerificationResult(*(sum((list(part[place]) for part in parts), []) for place in range(5)))


def pids(verified: VerificationResult) -> list[int]:
    return [program.processes[0].pid for program in verified.restricted]


@pytest.mark.parametrize(
    ("exe", "ends"),
    [
        ("/opt/viber/lib/deep/helper", True),  # below a path of the catalogue
        ("/home/alice/viber/Viber", True),  # at a path in a home
        ("/usr/lib/wechat/app", True),  # in a package's list of files
        (PORTABLE, True),  # a portable app, with its app around it
        (ALONE, False),  # by its name alone
        ("/usr/bin/true", False),  # another program
    ],
)
def test_start_is_restricted_where_a_run_ends_the_program(host_with_apps, exe, ends):
    host = host_with_apps
    start(host, 7, exe)
    verified = verify(RestrictedPrograms(host, SECTION), {7: exe})
    assert (pids(verified), verified.innocent_pids) == (([7], []) if ends else ([], [7]))
    assert any(action.verb == "end" for action in apps.enforce(host, PLAN).actions) is ends
    names = make_prefilter_sets(host, [SECTION], RestrictedPrograms(host, SECTION))
    # A program of another name in a package's list of files is left to the timer.
    assert Prefilter(names).may_be_restricted(exe) or not ends


@pytest.mark.slow
def test_slow_start_of_a_user_delays_no_other(host_with_apps, monkeypatch):
    host = host_with_apps
    start(host, 7, "/opt/viber/Viber")
    start(host, 9, PORTABLE)
    host.program(8, "/home/alice/x/Viber", contained=True)

    def hang(process: Process, name: str, limit: int = 0) -> bytes:
        if process.pid == 8:
            host._require_root_reads()
            time.sleep(60)
        return b""

    monkeypatch.setattr(host, "read_file_in_root", hang)
    monkeypatch.setattr(restricted_programs, "APART_LIMITS", WorkLimits(seconds=0.5))
    service = RestrictedPrograms(host, SECTION)
    exes = {7: "/opt/viber/Viber", 8: "/home/alice/x/Viber", 9: PORTABLE}
    processes = [Process(pid, exe) for pid, exe in exes.items()]
    parts = service.verify_processes(processes)
    assert pids(next(parts)) == [7]
    hung = next(parts)
    assert hung.unclear_pids == [8] and hung.durations[0][1] >= 0.5 and pids(next(parts)) == [9]
    first, *others = service.verify_processes(processes, {8})
    assert first.remaining_pids == [8] and [pid for part in others for pid, _ in part.durations] == [9]
    monkeypatch.setattr(restricted_programs, "TOTAL_SECONDS", 0.4)
    assert verify(service, exes).remaining_pids == [9], "another request has time for it"


@pytest.mark.slow
@pytest.mark.parametrize("place", ["home/alice/Downloads/v", "home/alice", "home/alice/Downloads/v/resources"])
def test_many_files_hide_no_program(host_with_apps, monkeypatch, place):
    start(host_with_apps, 7, PORTABLE)
    directory = Path(host_with_apps.root) / place
    directory.mkdir(parents=True, exist_ok=True)
    for number in range(5_000):
        (directory / f"{number}.so").touch()
    monkeypatch.setattr(restricted_programs, "ReadBudget", lambda seconds: ReadBudget(entries=3_000, seconds=600))
    assert pids(verify(RestrictedPrograms(host_with_apps, SECTION), {7: PORTABLE})) == [7]


def test_program_not_seen_in_time_is_not_innocent(host_with_apps, monkeypatch):
    start(host_with_apps, 7, ALONE)
    nothing = RestrictedPrograms(host_with_apps, None)
    assert verify(nothing, {7: ALONE}).innocent_pids == [7], "where nothing is restricted"
    spent = mock.Mock(side_effect=ObservationError("over budget"))
    monkeypatch.setattr(restricted_programs.scan, "check_portable_app", spent)
    verified = verify(RestrictedPrograms(host_with_apps, SECTION), {7: ALONE})
    assert (verified.unclear_pids, verified.innocent_pids) == ([7], [])


def copy(host: Host, place: str = "home/alice/Telegram") -> Path:
    tree = Path(host.root) / place
    fake.put(tree, dict.fromkeys(("Telegram", "Updater"), fake.elf()))
    return tree


def ban(mode: str = "enforce", **settings: Any) -> dict[str, Any]:
    result = plan(mode, wechat={"packages": {"apt": ["wechat"]}, "paths": ["/opt/wechat"]}, telegram=TELEGRAM)
    result["controls"]["apps"]["settings"] = settings
    return result


def test_lift_gives_back_what_an_enforcing_run_took_and_no_more(host, monkeypatch):
    notify = mock.Mock()
    monkeypatch.setattr(user_notice, "notify_users", notify)
    host.packages = {"wechat": "ii"}
    assert not any(apps.lift(host, ban())[:2]), "a host that was never enforced has none to lift"
    tree = copy(host)
    of = ban(user_notice="Ask IT.", requests=command_text.hash_command())
    result = apps.enforce(host, of)
    assert result.save_before and apps.enforce(host, plan()).save_before is None
    result.save_before()
    carry_out(result.actions)
    assert notify.call_args.args[1].startswith("Ask IT.\n") and not tree.exists()
    assert set(states(host, of).values()) == {"compliant"}
    state = "/var/lib/proscribe"
    host.write_file(f"{state}/quarantine/odd/manifest.json", "{")
    forgotten = [f"{state}/apps/walk-1000", f"{state}/apps/tried", "/etc/proscribe/answers.json"]
    forgotten += [f"{state}/{name}" for name in ("notified.json", "dpkg", "pacman", "removed.json")]
    theirs = ["/etc/dpkg/dpkg.cfg.d/theirs", "/etc/proscribe/note"]
    for path in (*forgotten[:-1], *theirs):
        host.write_file(path, "theirs")
    lifted = apps.lift(host, of)
    assert [(str(action), bool(action.before), action.after) for action in lifted.actions] == [
        *((f"delete {path}", True, "") for path in (COMMAND_PATH, SERVICE_LIST_PATH, *reversed(BLOCK))),
        ("restore /home/alice/Telegram", False, "/home/alice/Telegram\n"),
        *((f"delete {path}", False, "") for path in forgotten),
    ]
    assert [(item.rule, item.subject) for item in lifted.refusals] == [("apps/quarantine", "odd")]
    assert lifted.is_independent and [item.id for item in lifted.removed_packages] == ["wechat"]
    carry_out(lifted.actions)
    assert (tree / "Telegram").read_bytes() == fake.elf() and states(host, of)["apps/telegram"] == "noncompliant"
    assert not any(host.has_traces(path) for path in (*forgotten, *BLOCK, COMMAND_PATH, SERVICE_LIST_PATH))
    assert [host.read_text(path) for path in theirs] == ["theirs", "theirs"], "files of others stay"
    Path(f"{host.root}{state}/quarantine/odd/manifest.json").unlink()
    Path(f"{host.root}{state}/quarantine/odd").rmdir()
    (last,) = apps.lift(host, of).actions
    assert str(last) == f"delete {state}/quarantine/README" and last.before.startswith("Written by Proscribe")
    last.apply()
    assert host.find_entry(f"{state}/quarantine") is None


def test_plan_from_elsewhere_takes_no_package_or_file_that_the_host_needs(host):
    """The compile step refuses such a service; so does the host."""
    host.packages = dict.fromkeys(("openssh-server", "linux-image-6.1", "wechat"), "ii")
    copy(host, "home/alice/.ssh/Telegram")
    odd = {"packages": {"apt": [*host.packages]}, "processes": ["Telegram"], "paths": ["~/.ssh/Telegram"]}
    result = apps.enforce(host, plan(odd=odd))
    assert [str(action) for action in result.actions if action.verb in ("remove", "quarantine")] == ["remove wechat"]
    reasons = {refusal.subject: refusal.reason for refusal in result.refusals}
    assert reasons["openssh-server"] == "never removed: reaches the host"
    assert reasons["linux-image-6.1"] == "never removed: starts the host"
    assert reasons["/home/alice/.ssh/Telegram"] == "never taken: the system is installed there"


@pytest.mark.parametrize(("settings", "seconds"), [({}, 5), ({"grace": 0}, 0), ({"grace": 17}, 17)])
def test_program_has_time_to_end(host, monkeypatch, settings, seconds):
    host.program(7, "/opt/wechat/wechat")
    end = mock.Mock()
    monkeypatch.setattr(host, "end_program", end)
    apps.enforce(host, ban(**settings)).actions[0].apply()
    program, of_user, again, grace = end.call_args.args
    assert (of_user, grace, [item.pid for item in program.processes]) == ([program], seconds, [7])
    host.program(8, "/opt/wechat/wechat")
    host.program(9, "/opt/wechat/other")
    assert [(process.pid, ending) for process, ending in again()] == [(7, program), (8, program)]


def in_full(action: ControlAction) -> tuple[str, str, str, str, list[str], list[str]]:
    removed = [item.id for item in action.removed_packages]
    return str(action), action.before, action.after, action.user, [*action.rules], removed


def test_actions_have_subjects_users_and_rules(host, monkeypatch):
    monkeypatch.setattr(user_notice, "notify_users", lambda *_: None)
    host.packages = {"wechat": "ii"}
    for pid, exe in enumerate(("/opt/wechat/wechat", "/home/alice/Telegram/Telegram", "/tmp/Telegram"), 7):
        host.program(pid, exe)
    copy(host)
    banned = ban(user_notice="Ask IT.", quarantine_keep=86400, requests=command_text.hash_command())
    verdicts = apps.observe(host, banned)
    assert {(verdict.state, verdict.drifted, verdict.reason) for verdict in verdicts} == {("noncompliant", True, "")}
    telegram, process = "/home/alice/Telegram", ("process", "wechat", "", "", "user:alice")
    assert {verdict.rule: [tuple(finding)[:6] for finding in verdict.findings] for verdict in verdicts} == {
        "apps/wechat": [("package", "wechat", "dpkg", "1.0", "system", ""), (*process, "/opt/wechat/wechat")],
        "apps/telegram": [
            ("file", "Telegram", "tree", "", "user:alice", telegram),
            *((*process[:1], "Telegram", *process[2:], f"{place}/Telegram") for place in (telegram, "/tmp")),
        ],
        "apps/request-command": [
            ("command", path.rpartition("/")[2], "", "", "", path) for path in (SERVICE_LIST_PATH, COMMAND_PATH)
        ],
        "apps/reinstall-gate": [("gate", "gate", "dpkg", "", "", "")],
    }
    full_scan = {"at": host.record_fields["full_scan"]["at"], "runs": 0}
    assert host.record_fields == {"package_systems": ["dpkg"], "user_package_systems": [], "full_scan": full_scan}
    result = apps.enforce(host, banned)
    until = time.strftime("%Y-%m-%d", time.gmtime(time.time() + 86400))
    shown = f"Ask IT. What is moved is kept until {until}.\n{HINT}\n"
    hers = "alice" if os.getuid() else ""
    ends = [("Telegram", "/home/alice/Telegram/Telegram", 8, "apps/telegram")]
    ends += [("wechat", "/opt/wechat/wechat", 7, "apps/wechat")]
    assert [in_full(action) for action in result.actions][:5] == [
        ("tell logged-in users", "", shown, "", [], []),
        *((f"end {name} of alice (pid {pid})", f"{exe}\n", "", "alice", [rule], []) for name, exe, pid, rule in ends),
        ("remove wechat", "wechat 1.0\n", "", "", [], ["wechat"]),
        ("quarantine /home/alice/Telegram", "/home/alice/Telegram\n", "", hers, ["apps/telegram"], []),
    ]
    written = [(f"write {path}", "", Path(path).name) for path in (*BLOCK, SERVICE_LIST_PATH, COMMAND_PATH)]
    assert [(str(item), item.before, Path(item.subject).name) for item in result.actions[5:]] == written
    doubt = "known by its name alone, so it is not ended"
    assert result.refusals == [ChangeRefusal("apps/telegram", "Telegram of alice (pid 9)", doubt)]
    assert result.is_independent and result.save_before and result.save_after
    result.save_before()
    expected = [("wechat", True)]
    assert [(item.id, item.at[:4] > "2025") for item in removed_packages.read_removed_packages(host)] == expected
    carry_out(result.actions)
    result.save_after()
    assert host.list_directory("/var/lib/proscribe/apps") == ["walk"]


def test_an_unfinished_move_is_drift_and_is_completed_first(host):
    carry_out(apps.enforce(host, ban()).actions)
    (Path(host.root) / "var/lib/proscribe/quarantine/made-1.unfinished").mkdir(parents=True)
    assert states(host, ban())["apps/quarantine"] == "noncompliant"
    carry_out(apps.enforce(host, ban()).actions)
    assert "apps/quarantine" not in states(host, ban())


def test_slow_copies_of_a_user_delay_nobody_else(host, monkeypatch):
    """The run has the host's lock meanwhile: 20 seconds for each of many copies kept other runs waiting."""
    host.has_accounts(ALICE, BOB)
    for number in range(30):
        copy(host, f"home/alice/{number}/Telegram")
    his = copy(host, BOB_COPY)
    for path in Path(host.root + "/home").rglob("*"):
        uid = BOB.uid if "/home/bob" in str(path) else ALICE.uid
        os.chown(path, uid, uid)
    now, real = [0.0], changes.run_apart

    def slow_for_alice(work: Any, limits: WorkLimits = DEFAULT_LIMITS) -> Any:
        answer = real(work)
        if "alice" in str(work.__closure__[0].cell_contents):
            now[0] += limits.seconds
            raise ObservationError(f"over budget: not done within {limits.seconds:g} s")
        return answer

    monkeypatch.setattr(changes, "run_apart", slow_for_alice)
    monkeypatch.setattr(changes, "time", SimpleNamespace(monotonic=lambda: now[0], time=time.time))
    result = apps.enforce(host, ban())
    assert now[0] == 60.0, "seconds"
    assert [str(action) for action in result.actions if action.verb == "quarantine"] == [f"quarantine /{BOB_COPY}"]
    assert his.exists() and len(result.refusals) == 30


@pytest.mark.parametrize(
    ("exe", "ends"),
    [
        ("/opt/wechat/other", True),
        ("/opt/owl/owl", False),  # reported, not restricted
        ("/opt/wechat/kept", False),  # waived
        ("/usr/bin/other", False),
        ("/tmp/Telegram", False),  # known by its name alone
    ],
)
def test_process_is_checked_again_before_its_end(host, exe, ends):
    host.program(7, "/opt/wechat/wechat")
    of = ban()
    of["controls"]["apps"]["services"] |= plan("audit", owl={"paths": ["/opt/owl"]})["controls"]["apps"]["services"]
    of["controls"]["apps"]["services"]["wechat"]["exceptions"] = [{"waiver": "w1", "paths": ["/opt/wechat/kept"]}]
    (end,) = [action for action in apps.enforce(host, of).actions if action.verb == "end"]
    link = Path(host.root) / "proc/7/exe"
    link.unlink()
    link.symlink_to(exe)
    end.apply()
    assert link.is_symlink() is not ends


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root: gives files away")
@pytest.mark.parametrize("manager", ["npm", "pip"])
@pytest.mark.parametrize("users", [True, False])
def test_root_removes_nothing_where_users_may_write(host, manager, users):
    place = {"npm": "lib/node_modules/wechaty", "pip": "lib/python3.11/site-packages/wechaty-1.0.dist-info"}[manager]
    fake.put(Path(host.root) / "usr/local" / place, {"package.json": b"{}", "METADATA": b"Name: wechaty\n"})
    os.chown(Path(host.root) / "usr/local/lib", 12345 * users, 0)
    result = plan(wechaty={"packages": {manager: ["wechaty"]}})
    assert states(host, result)["apps/wechaty"] == "noncompliant"
    changes = apps.enforce(host, result)
    reason = "users may write to /usr/local/lib, and root runs nothing there"
    assert (reason in {item.reason for item in changes.refusals}) is users
    assert not host.calls if users else True


@pytest.fixture
def identify(host, monkeypatch):
    """On a host with these package systems: what lies below the name of one is a program of its package."""

    def system(manager: str) -> Any:
        def make_program_matcher(of: Host, ids: Collection[str], result: Sequence[Package]) -> Callable[[Process], str]:
            assert (of, [*ids]) == (host, [IDS[manager]])
            assert [*result] == [package for _, package in IDENTIFIED if package.manager == manager]
            return lambda process: IDS[manager] if process.exe.startswith(f"/{manager}/") else ""

        return package_system(MANAGER=manager, make_program_matcher=make_program_matcher)

    monkeypatch.setattr(running_programs, "SYSTEMS", [*map(system, IDS)])
    monkeypatch.setattr(host, "has_host_root", lambda process: process.pid < 100)
    wechat = {"packages": PACKAGES_OF_X, "processes": ["wx"], "paths": ["/opt/x", "~/x"]}
    desired = DesiredApps(plan(wechat=wechat, qq={"processes": ["qq"]})["controls"]["apps"])
    places = {"/home/bob/apps/x": ["wechat"]}
    return running_programs.ProcessIdentifier(host, desired, IDENTIFIED, {"/home/alice"}, places)


@pytest.mark.parametrize(
    ("pid", "exe", "expected"),
    [
        (1, "/flatpak/bin/run", ProgramIdentity(["wechat"], "com.x", "flatpak", "com.x")),
        (1, "/dpkg/bin/run", ProgramIdentity(["wechat"], "run", "dpkg", "x")),
        (1, "/opt/x/bin/run", ProgramIdentity(["wechat"], "run")),
        (1, "/home/alice/x/run", ProgramIdentity(["wechat"], "run")),
        (1, "/home/bob/x/run", None),
        (1, "/home/bob/apps/x/run", ProgramIdentity(["wechat"], "run")),
        (100, "/opt/x/bin/run", ProgramIdentity(["wechat"], "run", doubt=CONTAINED)),
        (1, "/home/bob/wx", ProgramIdentity(["wechat"], "wx", doubt=NAMED)),
        (100, "/home/bob/qq", ProgramIdentity(["qq"], "qq", doubt=NAMED)),
    ],
)
def test_process(identify, pid, exe, expected):
    assert identify(Process(pid, exe)) == expected


def test_processes_of_one_program_and_user_are_one_entry(host, monkeypatch):
    x, other = ProgramIdentity(["a"], "x"), ProgramIdentity(["b"], "x")
    sandboxed = ProgramIdentity(["a"], "com.x", "flatpak", "com.x")
    doubtful = x._replace(doubt="it may be another")
    seen: dict[int, tuple[str, ProgramIdentity | None, Any, int]] = {
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
    monkeypatch.setattr(host, "find_process_owner", lambda process: seen[process.pid][2])
    monkeypatch.setattr(host, "format_start_time", lambda process: f"2026-0{seen[process.pid][3]}")
    processes = {pid: Process(pid, exe) for pid, (exe, *_) in seen.items()}
    result = running_programs.group_running_programs(host, lambda process: seen[process.pid][1], processes.values())
    rows = [(sandboxed, ALICE, (5, 4)), (x, ALICE, (9, 1)), (x, ALICE, (3,)), (x, BOB, (2,)), (doubtful, ALICE, (10,))]
    assert result == [
        RunningProgram(identity, user.name, "2026-01", [processes[pid] for pid in pids])
        for identity, user, pids in (*rows, (other, ALICE, (8,)))
    ]


def test_program_below_a_path_has_its_services():
    services = {"/opt/app2/app": [], "/home/alice/own": ["b"], "/home/bob/own/x": []}
    services |= {"/opt/app/" + "x" * (4096 - 9): ["a"], "/opt/app/" + "x" * (4096 - 8): []}
    find, paths = running_programs.find_services_above, {"/opt/app": ["a"], "~/own": ["b"]}
    assert {exe: find(exe, {"/home/alice"}, paths) for exe in services} == services


@pytest.mark.parametrize(
    ("files", "exe", "ends"),
    [
        ({"WeChatLinux_x86_64.AppImage": fake.image("wechat")}, "WeChatLinux_x86_64.AppImage", True),
        ({"wechat/wechat": fake.elf(), "wechat/libcef.so": fake.elf()}, "wechat/other", True),
        (dict.fromkeys((f"{WINE_APP}.exe", f"{WINE_APP}Win.dll"), fake.windows()), f"{WINE_APP}.exe", True),
        ({"Desktop/a.desktop": fake.entry("x", URL="https://wechat.com")}, "Desktop/a.desktop", False),
    ],
)
def test_program_of_a_portable_app_is_ended(host, files, exe, ends):
    fake.put(Path(host.root + "/home/alice"), files)
    host.program(7, f"/home/alice/{exe}")
    windows = ["Tencent/WeChat/WeChat.exe"]
    of = plan(wechat={"processes": ["wechat"], "web_hosts": ["wechat.com"], "windows": windows})
    actions = [str(action) for action in apps.enforce(host, of).actions]
    assert (f"end {exe.rpartition('/')[2]} of alice (pid 7)" in actions) is ends


HERS = {"waiver": "w1", "users": ["alice"]}
VERSIONS = {"waiver": "w2", "versions": ["2", "10"]}
SERVICES: dict[str, Any] = {
    "owl": {"packages": {"apt": ["owl", "birds"]}, "paths": ["/opt/owl", "~/owl"], "processes": ["owl"]},
    "elk": {"packages": {"apt": ["elk", "birds"], "rpm": ["elk"]}, "paths": ["/opt/owl"], "processes": ["owl", "elk"]},
    "yak": {"packages": {"apt": ["yak"], "flatpak": ["org.yak"]}, "paths": ["/opt/yak"], "mode": "audit"},
    "emu": {"packages": {"apt": ["emu"]}, "paths": ["/opt/emu"], "mode": "waived"},
    "gnu": {"packages": {"apt": ["gnu", "emu"]}, "paths": ["/opt/gnu"], "only": {"users": ["bob"]}},
    "ape": {"packages": {"apt": ["ape"]}, "paths": ["/opt/ape"], "exceptions": [HERS, VERSIONS]},
    "ant": {"packages": {"apt": ["ape"]}, "paths": ["/opt/ant"], "exceptions": [{"waiver": "w3", "versions": ["1"]}]},
    "bee": {"packages": {"apt": ["bee"]}, "paths": ["/opt/bee"], "exceptions": [{**VERSIONS, "users": ["bob"]}, HERS]},
}


def desired(**services: Any) -> DesiredApps:
    return DesiredApps(plan(**(services or SERVICES))["controls"]["apps"])  # type: ignore[arg-type]


def test_enforced_names_are_those_that_nothing_permits():
    result = desired()
    assert result.find_restricted_packages("dpkg") == {"owl", "birds", "elk", "ape", "bee"}
    assert (result.find_restricted_packages("rpm"), result.find_restricted_packages("flatpak")) == ({"elk"}, set())
    assert result.find_permitted_versions("dpkg") == {"ape": ["1", "10", "2"]}
    assert result.find_closed_paths() == ["/opt/owl", "/opt/bee"]
    assert result.choose_enforced_services([*SERVICES]) == ["owl", "elk", "gnu", "ape", "ant", "bee"]
    assert result.choose_unlimited_services([*SERVICES]) == ["owl", "elk", "ape", "ant", "bee"]


def test_finding_that_a_waiver_covers_belongs_to_the_others():
    of_alice = Finding("package", "ape", "npm", "3", "user:alice")
    assert desired().choose_holder_services(["ape", "ant"], of_alice) == ["ape"]
    assert desired().choose_holder_services(["ape", "ant"], of_alice._replace(scope="user:bob")) == ["ape", "ant"]
    present = {**SERVICES["ant"], "exceptions": [{"waiver": "w4", "paths": ["/opt/x"]}]}
    found = desired(ant=present, owl=SERVICES["owl"]).choose_holder_services(["owl", "ant"], of_alice, "/opt/x")
    assert found == ["ant"]


@pytest.mark.parametrize("key", ["processes", "paths", "desktop_files", "markers", "windows", "web_hosts", "copies"])
def test_a_service_is_known_by_its_packages_alone_where_nothing_else_is_named(key):
    sole: dict[str, Any] = {"packages": {"apt": ["a"], "rpm": ["a"], "pip": []}}
    result = desired(owl=sole, elk={**sole, key: ["x"]}, yak={})
    assert result.package_only_services == {"owl": ["dpkg", "rpm"], "yak": []}


def test_the_stamp_differs_for_other_names_and_not_for_another_order():
    def stamp(**services: Any) -> str:
        result = desired(**services)
        return result.make_names_stamp(AppNames(result.services))

    entry, other = {"packages": {"apt": ["a"]}, "processes": ["longer"]}, {"processes": ["other"]}
    assert stamp(a=entry, b=other) == stamp(b=other, a=entry)
    changes = ({}, {"packages": {"apt": ["b"]}}, {"packages": {"snap": ["a"]}}, {"processes": ["new"]})
    assert len({*(stamp(a={**entry, **change}) for change in changes), stamp(a=entry, b=other)}) == 5


@pytest.mark.parametrize(("tool", "manager"), [("dpkg-query", "dpkg"), ("rpm", "rpm"), ("pacman", "pacman"), ("x", "")])
def test_path_has_its_package(tmp_path, tool, manager):
    put(tmp_path, f"usr/bin/{tool}", mode=0o755)
    host = Host(str(tmp_path), lambda argv, *_, **__: ToolResult(0, PACKAGE_NAMES[" ".join(argv)], ""))
    assert find_owning_package(host, CHAT) == (manager and f"the {manager} package chat-stable")
