"""The control `apps` on a test tree, and the verification of one process at its start."""

import time
from pathlib import Path

import made_apps as fake
import pytest
from made_host import TOR, WECHAT, MadeHost, carry_out, plan, states
from proscribe.host.controls import apps
from proscribe.host.system import ControlError, Process, Unseen
from proscribe.host.system.budget import Budget
from proscribe.host.system.forked import Limits
from proscribe.host.watch import restricted
from proscribe.host.watch.restricted import Restricted, Verified, sets
from proscribe.host.watch.starts.prefilter import Prefilter


def test_lift_leaves_files_of_others_alone(host):
    assert not any(apps.lift(host, plan(wechat=WECHAT))[:2]), "a host that was never enforced has none to lift"
    theirs = [Path(host.root + path) for path in ("/etc/dpkg/dpkg.cfg.d/theirs", "/etc/proscribe/note")]
    carry_out(apps.enforce(host, plan(wechat=WECHAT)).actions)
    for path in theirs:
        path.write_text("theirs")
    carry_out(apps.lift(host, plan(wechat=WECHAT)).actions)
    assert [path.read_text() for path in theirs] == ["theirs", "theirs"]


def test_script_that_fails_its_trial_is_not_put_into_dpkgs_configuration(host):
    *others, last = apps.enforce(host, plan(wechat=WECHAT)).actions
    carry_out(others)
    Path(host.root + "/usr/libexec/proscribe/dpkg-gate").write_text("#!/bin/sh\nfi\n")
    with pytest.raises(ControlError, match="dpkg-gate"):
        last.apply()
    assert host.stat("/etc/dpkg/dpkg.cfg.d/proscribe") is None


def test_audit_reports_package_and_expects_no_block(host):
    host.packages = {"wechat": "ii"}
    (verdict,) = apps.observe(host, plan("audit", wechat=WECHAT))
    assert (verdict.rule, verdict.state, verdict.drifted) == ("apps/wechat", "noncompliant", False)


def test_program_that_this_run_depends_on_is_not_ended(host, monkeypatch):
    host.program(7, "/usr/bin/tor")
    monkeypatch.setattr(host, "lineage", lambda: {1, 7})
    changes = apps.enforce(host, plan(tor=TOR))
    assert (changes.actions, changes.refused[0].reason) == ([], "this run depends on it")


def test_package_counts_although_the_rest_was_not_seen(host):
    host.root_user, host.packages = False, {"wechat": "ii"}
    assert states(host, plan(wechat=WECHAT))["apps/wechat"] == "noncompliant"


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


# An enforcing run would end the same processes.

PLAN = plan(viber={"processes": ["Viber"], "paths": ["/opt/viber", "~/viber"]}, wechat=WECHAT)
SECTION = PLAN["controls"]["apps"]
PORTABLE, ALONE = "/home/alice/Downloads/v/Viber", "/home/alice/alone/Viber"


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


def verify(restricted: Restricted, exes: dict[int, str]) -> Verified:
    parts = list(restricted.verify([Process(pid, exe) for pid, exe in exes.items()]))
    return Verified(*(sum((list(part[place]) for part in parts), []) for place in range(5)))


def pids(verified: Verified) -> list[int]:
    return [program.processes[0].pid for program in verified.restricted]


@pytest.mark.parametrize(
    ("exe", "ends"),
    [
        pytest.param("/opt/viber/lib/deep/helper", True, id="below a path of the catalogue"),
        pytest.param("/home/alice/viber/Viber", True, id="at a path in a home"),
        pytest.param("/usr/lib/wechat/app", True, id="in a package's list of files"),
        pytest.param(PORTABLE, True, id="a portable app, with its app around it"),
        pytest.param(ALONE, False, id="by its name alone"),
        pytest.param("/usr/bin/true", False, id="another program"),
    ],
)
def test_start_is_restricted_where_a_run_ends_the_program(host_with_apps, exe, ends):
    host = host_with_apps
    start(host, 7, exe)
    verified = verify(Restricted(host, SECTION), {7: exe})
    assert (pids(verified), verified.innocent) == (([7], []) if ends else ([], [7]))
    assert any(action.verb == "end" for action in apps.enforce(host, PLAN).actions) is ends
    names = sets(host, [SECTION], Restricted(host, SECTION))
    # A program of another name in a package's list of files is left to the timer.
    assert Prefilter(names).may_be(exe) or not ends


def test_start_is_innocent_where_nothing_is_restricted(host_with_apps):
    start(host_with_apps, 7, "/opt/viber/Viber")
    assert verify(Restricted(host_with_apps, None), {7: "/opt/viber/Viber"}).innocent == [7]


def test_slow_start_of_a_user_delays_no_other(host_with_apps, monkeypatch):
    """The kernel's own answers come first; a program that hangs takes its time limit and hides no other start."""
    host = host_with_apps
    start(host, 7, "/opt/viber/Viber")
    start(host, 9, PORTABLE)
    host.program(8, "/home/alice/x/Viber", contained=True)

    def hang(process: Process, name: str, limit: int = 0) -> bytes:
        if process.pid == 8:
            host._may_ask()
            time.sleep(60)
        return b""

    monkeypatch.setattr(host, "read_inside", hang)
    monkeypatch.setattr(restricted, "APART", Limits(seconds=0.5))
    service = Restricted(host, SECTION)
    exes = {7: "/opt/viber/Viber", 8: "/home/alice/x/Viber", 9: PORTABLE}
    processes = [Process(pid, exe) for pid, exe in exes.items()]
    parts = service.verify(processes)
    assert pids(next(parts)) == [7]
    hung = next(parts)
    assert hung.unclear == [8] and hung.took[0][1] >= 0.5
    assert pids(next(parts)) == [9]
    first, *others = service.verify(processes, {8})
    assert first.left == [8] and [pid for part in others for pid, _ in part.took] == [9]
    monkeypatch.setattr(restricted, "IN_ALL", 0.4)
    assert verify(service, exes).left == [9], "another request has time for it"


@pytest.mark.parametrize("place", ["home/alice/Downloads/v", "home/alice", "home/alice/Downloads/v/resources"])
def test_many_files_hide_no_program(host_with_apps, monkeypatch, place):
    """A start is verified with few names read."""
    start(host_with_apps, 7, PORTABLE)
    directory = Path(host_with_apps.root) / place
    directory.mkdir(parents=True, exist_ok=True)
    for number in range(5_000):
        (directory / f"{number}.so").touch()
    monkeypatch.setattr(restricted, "Budget", lambda seconds: Budget(entries=3_000, seconds=600))
    assert pids(verify(Restricted(host_with_apps, SECTION), {7: PORTABLE})) == [7]


def test_program_not_seen_in_time_is_not_innocent(host_with_apps, monkeypatch):
    start(host_with_apps, 7, ALONE)

    def exceed(*_: object) -> list[object]:
        raise Unseen("over budget")

    monkeypatch.setattr(restricted.scan, "check_file", exceed)
    verified = verify(Restricted(host_with_apps, SECTION), {7: ALONE})
    assert (verified.unclear, verified.innocent) == ([7], [])
