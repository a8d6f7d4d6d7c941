"""The steps by which a run brings the watch in line, and its calls of systemd."""

import os
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from proscribe.base.moments import stamp
from proscribe.host.system import DARWIN, ControlError
from proscribe.host.watch import installing, restoring, units
from proscribe.host.watch.starts import reported
from proscribe.host.watch.state import files, journal
from refusals import make_refusal
from watch_host import AT, ROOT, Made, given, plan

pytestmark = ROOT

MINE = plan()
QUERIED = ["is-active --quiet proscribe-watch.timer", "is-active --quiet proscribe-launches.service"]
NOTE = f"note {files.RENEWED}"
TIMER_ANEW = ["reenable --quiet proscribe-watch.timer", "restart proscribe-watch.timer"]
DAEMON_ANEW = ["reenable --quiet proscribe-launches.service", "restart proscribe-launches.service"]
REVIVED = [*(f"{verb} {units.LAUNCHES}" for verb in ("thaw", "kill --signal=KILL")), f"restart {units.LAUNCHES}"]
LOAD = "load systemd's units"
STARTED = f"start {units.LAUNCHES}"


def ran(host: Made) -> list[str]:
    """Return the calls of systemctl since the last time."""
    result = [line.removeprefix("systemctl ") for line in host.ran]
    host.ran.clear()
    return result


def edited(host: Made) -> None:
    with open(f"{host.root}{units.FOLDER}/{units.TIMER}", "a") as file:
        file.write("x")


def not_read(host: Made) -> None:
    host.daemon = {"read": "x"}


def link_elsewhere(host: Made) -> None:
    os.unlink(host.root + files.COMMAND)
    os.symlink("/bin/true", host.root + files.COMMAND)


RESTARTED = [f"restart {units.LAUNCHES}"]
OVERRIDE = f"{units.FOLDER}/{units.LAUNCHES}.d/x.conf"
STEPS: dict[str, tuple[Callable[[Made], object], list[str], list[str]]] = {
    "nothing": (lambda _: None, [], []),
    "a unit is edited": (
        edited,
        [f"write {units.FOLDER}/{units.TIMER}", LOAD, f"enable {units.TIMER}", f"start {units.TIMER}"],
        ["daemon-reload", *TIMER_ANEW],
    ),
    "a unit is overridden": (
        lambda host: host.write(OVERRIDE, "x"),
        [f"delete {OVERRIDE}", LOAD, f"enable {units.LAUNCHES}", STARTED],
        ["daemon-reload", *DAEMON_ANEW],
    ),
    "no timer": (lambda host: host.stopped.add(units.TIMER), [f"start {units.TIMER}"], [f"restart {units.TIMER}"]),
    "no daemon": (lambda host: host.stopped.add(units.LAUNCHES), [STARTED], RESTARTED),
    "the daemon is not enabled": (
        lambda host: host.delete(units.ENABLED[units.LAUNCHES]),
        *([f"enable {units.LAUNCHES}"], [f"reenable --quiet {units.LAUNCHES}"]),
    ),
    "the daemon follows another plan, and stays so": (not_read, [STARTED], REVIVED),
    "the command leads elsewhere": (link_elsewhere, [f"link {files.COMMAND}", STARTED], RESTARTED),
    "a plan is no more": (
        lambda host: host.write(f"{files.PLANS}/old.json", "{}", 0o600),
        *([f"delete {files.PLANS}/old.json", STARTED], RESTARTED),
    ),
    "a file has another mode": (
        lambda host: os.chmod(host.root + files.CODE, 0o640),
        *([f"write {files.CODE}", f"write {files.SETTINGS}", STARTED], RESTARTED),
    ),
}


@pytest.mark.parametrize("how", STEPS)
def test_change_does_only_the_steps_that_are_needed(made, how):
    change, actions, called = STEPS[how]
    installing.change(made, MINE, given(MINE))
    made.write(files.RENEWED, "", 0o600)
    change(made)
    ran(made)
    done = installing.change(made, MINE, given(MINE))
    assert done["actions"] == [*actions, *([NOTE] if actions else [])] and done["changed"] is bool(actions)
    assert ran(made) == [*QUERIED, *called] and made.text(files.RENEWED) == (f"{AT}\n" if actions else "")


def test_daemon_that_reads_its_plan_late_is_waited_for(made, monkeypatch):
    def later(self, path):
        result = beat(self, path)
        self.daemon = {}
        return result

    installing.change(made, MINE, given(MINE))
    not_read(made)
    monkeypatch.setattr(installing, "READY_WITHIN", 60.0)
    beat = Made.refused_execution
    monkeypatch.setattr(Made, "refused_execution", later)
    monkeypatch.setattr(installing.clock, "set_by_controller", lambda *_: None)
    ran(made)
    assert installing.change(made, MINE, given(MINE))["actions"] == [STARTED, NOTE] and ran(made) == QUERIED


def test_every_call_of_systemd_has_a_timeout(made, monkeypatch):
    called, run = {}, made._run
    monkeypatch.setattr(made, "_run", lambda argv, **how: called.update({argv[1]: how["timeout"]}) or run(argv, **how))
    installing.change(made, MINE, given(MINE))
    made.daemon = None
    installing.change(made, MINE, given(MINE))
    installing.change(made, MINE, None)
    verbs = {"is-active", "daemon-reload", "reenable", "restart", "thaw", "kill", "stop", "reset-failed"}
    assert called.keys() == verbs and all(60 <= seconds <= 600 for seconds in called.values())


def test_content_of_a_writable_file_is_not_shown(made):
    installing.change(made, MINE, given(MINE))
    os.chmod(made.root + files.CODE, 0o666)
    done = installing.change(made, MINE, given(MINE), dry_run=True)
    [code] = [entry for entry in done["diff"] if entry["before_header"] == f"write {files.CODE}"]
    assert (code["before"], code["after"]) == ("unreadable\n", f"{files.hash_of(b'code')}\n")


def test_lift_without_systemd_does_not_call_it(made):
    installing.change(made, MINE, given(MINE))
    ran(made)
    (Path(made.root) / "run/systemd/system").rmdir()
    assert installing.change(made, MINE, {}, lift_it=True)["changed"]
    assert ran(made) == [] and made.stat(files.PLACE) is None


def test_lift_on_a_mac_changes_nothing(made, monkeypatch):
    installing.change(made, MINE, given(MINE))
    monkeypatch.setattr(Made, "system", DARWIN)
    done = installing.change(made, MINE, None, lift_it=True)
    assert done == {"changed": False, "actions": [], "refused": [], "findings": [], "diff": []}
    assert made.stat(files.PLACE)


def test_files_of_the_watch_have_their_modes_and_links(made):
    tried = installing.change(made, MINE, given(MINE), dry_run=True)
    assert ran(made) == QUERIED
    done = installing.change(made, MINE, given(MINE))
    assert ran(made) == [*QUERIED, "daemon-reload", *TIMER_ANEW, *DAEMON_ANEW]
    assert done["actions"] == tried["actions"] and done["diff"] == tried["diff"]
    assert done["diff"][0]["after"] == f"{files.hash_of(made.read(files.PROGRAM) or b'')}\n"
    modes = {path: made.stat(path).st_mode & 0o7777 for path in files.settings(made).files}
    assert sorted(modes.values()) == [0o600, 0o600, 0o700, 0o700]
    assert modes[files.PROGRAM] == modes[reported.HEARTBEAT] == 0o700
    place = made.root + "/etc/systemd/system"  # where systemd looks for them
    for name in ("proscribe-watch.timer", "proscribe-watch.service", "proscribe-launches.service"):
        assert os.stat(f"{place}/{name}").st_mode & 0o7777 == 0o644
    assert os.listdir(f"{place}/timers.target.wants") == ["proscribe-watch.timer"]
    assert os.listdir(f"{place}/multi-user.target.wants") == ["proscribe-launches.service"]
    assert os.readlink(made.root + files.COMMAND) == files.PROGRAM


def test_lift_stops_the_units_before_it_deletes_files(made):
    installing.change(made, MINE, given(MINE))
    made.write(f"{files.PLACE}/unknown", "")
    ran(made)
    done = installing.change(made, MINE, None)["actions"]
    assert done[:3] == [f"stop proscribe-{name}" for name in ("watch.timer", "launches.service", "watch.service")]
    assert done.index(LOAD) < done.index(f"delete {files.PROGRAM}") < done.index(f"delete {files.SETTINGS}")
    assert f"delete {files.plan_file(MINE['digest'])}" in done and done[-1] == f"delete {files.PLACE}/unknown"
    assert ran(made)[3:] == ["daemon-reload", "reset-failed proscribe-watch.service proscribe-launches.service"]


def test_ordinary_user_installs_nothing(made, monkeypatch):
    monkeypatch.setattr(Made, "require_root", make_refusal(ControlError("root is needed")))
    with pytest.raises(ControlError, match="root is needed"):
        installing.change(made, MINE, given(MINE))
    assert made.ran == [] and made.stat(files.PLACE) is None


@pytest.mark.parametrize("now", [None, "soon", 5])
def test_clock_of_the_host_counts_where_the_controllers_is_no_moment(made, now):
    before = stamp(time.time())
    installing.change(made, MINE, {**given(MINE), "now": now})
    assert before <= (made.text(files.RENEWED) or "").strip() <= stamp(time.time())


def test_host_restores_the_units_that_are_named_and_writes_the_reason_down(made):
    installing.change(made, MINE, given(MINE))
    settings = files.settings(made)
    for path in units.ENABLED.values():
        made.delete(path)
    restoring.restored(made, settings, (units.SERVICE,))
    assert journal.read(made) == ([], 0)
    link_elsewhere(made)
    assert restoring.restore(made, settings, [units.LAUNCHES]) == [f"link {files.COMMAND}", f"enable {units.LAUNCHES}"]
    restoring.restored(made, settings, (units.TIMER,))
    lines = [(line["event"], line["rules"], line.get("cause", "")) for line in journal.read(made)[0]]
    cause = f"unit {units.FOLDER}/{units.TIMER}: not enabled"
    assert lines == [("drift", ["watch/watcher"], cause), ("corrected", ["watch/watcher"], "")]
    assert restoring.restore(made, settings) == []
