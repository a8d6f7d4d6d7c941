"""What a run does to bring the watch in line, step by step, and what it has systemd do: no more than there is to do."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from proscribe.base.moments import stamp
from proscribe.host.system import DARWIN, ControlError
from proscribe.host.watch import installing, restoring, units
from proscribe.host.watch.starts import reported
from proscribe.host.watch.state import files, journal
from watch_host import AT, ROOT, Made, given, plan

pytestmark = ROOT

MINE = plan()
PLAN_FILE = files.plan_file(MINE["digest"])
QUERIED = ["is-active --quiet proscribe-watch.timer", "is-active --quiet proscribe-launches.service"]
NOTE = f"note {files.RENEWED}"
TIMER_ANEW = ["reenable --quiet proscribe-watch.timer", "restart proscribe-watch.timer"]
DAEMON_ANEW = ["reenable --quiet proscribe-launches.service", "restart proscribe-launches.service"]
INSTALLED = [
    f"write {files.PROGRAM}",
    f"write {reported.HEARTBEAT}",
    f"write {files.CODE}",
    f"write {PLAN_FILE}",
    f"write {files.SETTINGS}",
    f"link {files.COMMAND}",
    *(f"write {units.FOLDER}/{name}" for name in units.ALL),
    "load systemd's units",
    "enable proscribe-watch.timer",
    "start proscribe-watch.timer",
    "enable proscribe-launches.service",
    "start proscribe-launches.service",
    NOTE,
]


def ran(host: Made) -> list[str]:
    """What systemctl was called with since the last time."""
    found = [line.removeprefix("systemctl ") for line in host.ran]
    host.ran.clear()
    return found


def test_from_nothing_all_of_it(made: Made) -> None:
    tried = installing.change(made, MINE, given(MINE), dry_run=True)
    assert (tried["actions"], ran(made)) == (INSTALLED, QUERIED)
    done = installing.change(made, MINE, given(MINE))
    assert {**done, "diff": []} == {"changed": True, "actions": INSTALLED, "refused": [], "findings": [], "diff": []}
    assert ran(made) == [*QUERIED, "daemon-reload", *TIMER_ANEW, *DAEMON_ANEW]
    shown = [(one["before_header"], one["before"], one["after"]) for one in done["diff"]]
    assert shown == [(one["before_header"], one["before"], one["after"]) for one in tried["diff"]]
    program = made.read(files.PROGRAM) or b""
    assert shown[0] == (INSTALLED[0], "", f"{files.hash_of(program)}\n")
    assert shown[5] == (INSTALLED[5], "", f"{files.PROGRAM}\n")
    assert [path for path in (files.RENEWED, files.CLOCK) if made.text(path) != f"{AT}\n"] == []
    modes = {path: made.stat(path).st_mode & 0o7777 for path in files.settings(made).files}  # type: ignore[union-attr]
    assert modes == {files.PROGRAM: 0o700, reported.HEARTBEAT: 0o700, files.CODE: 0o600, PLAN_FILE: 0o600}
    for name in units.ALL:
        assert made.stat(f"{units.FOLDER}/{name}").st_mode & 0o7777 == 0o644  # type: ignore[union-attr]
    assert os.readlink(made.root + files.COMMAND) == files.PROGRAM
    place = made.root + "/etc/systemd/system"  # where systemd looks for them
    assert {"proscribe-watch.timer", "proscribe-watch.service", "proscribe-launches.service"} < {*os.listdir(place)}
    assert os.listdir(f"{place}/timers.target.wants") == ["proscribe-watch.timer"]
    assert os.listdir(f"{place}/multi-user.target.wants") == ["proscribe-launches.service"]


def edited(host: Made) -> None:
    with open(f"{host.root}{units.FOLDER}/{units.TIMER}", "a") as file:
        file.write("x")


def overridden(host: Made) -> None:
    host.write(f"{units.FOLDER}/{units.LAUNCHES}.d/x.conf", "x")


def deaf(host: Made) -> None:
    host.daemon = None


def not_read(host: Made) -> None:
    host.daemon = {"read": "x"}


def link_elsewhere(host: Made) -> None:
    os.unlink(host.root + files.COMMAND)
    os.symlink("/bin/true", host.root + files.COMMAND)


def old_plan(host: Made) -> None:
    host.write(f"{files.PLANS}/old.json", "{}", 0o600)


REVIVED = [*(f"{verb} {units.LAUNCHES}" for verb in ("thaw", "kill --signal=KILL")), f"restart {units.LAUNCHES}"]
STARTED = f"start {units.LAUNCHES}"
STEPS: dict[str, tuple[Callable[[Made], object], list[str], list[str]]] = {
    "nothing": (lambda _: None, [], []),
    "a unit is edited": (
        edited,
        [
            f"write {units.FOLDER}/{units.TIMER}",
            "load systemd's units",
            f"enable {units.TIMER}",
            f"start {units.TIMER}",
        ],
        ["daemon-reload", *TIMER_ANEW],
    ),
    "a unit is overridden": (
        overridden,
        [
            f"delete {units.FOLDER}/{units.LAUNCHES}.d/x.conf",
            "load systemd's units",
            f"enable {units.LAUNCHES}",
            STARTED,
        ],
        ["daemon-reload", *DAEMON_ANEW],
    ),
    "the timer does not run": (
        lambda host: host.stopped.add(units.TIMER),
        [f"start {units.TIMER}"],
        [f"restart {units.TIMER}"],
    ),
    "the daemon does not run": (
        lambda host: host.stopped.add(units.LAUNCHES),
        [STARTED],
        [f"restart {units.LAUNCHES}"],
    ),
    "the daemon is not enabled": (
        lambda host: host.delete(units.ENABLED[units.LAUNCHES]),
        [f"enable {units.LAUNCHES}"],
        [f"reenable --quiet {units.LAUNCHES}"],
    ),
    "the daemon is deaf": (deaf, [STARTED], REVIVED),
    "the daemon follows another plan, and stays so": (not_read, [STARTED], REVIVED),
    "the command leads elsewhere": (link_elsewhere, [f"link {files.COMMAND}", STARTED], [f"restart {units.LAUNCHES}"]),
    "a plan is no more": (old_plan, [f"delete {files.PLANS}/old.json", STARTED], [f"restart {units.LAUNCHES}"]),
    "a file has another mode": (
        lambda host: os.chmod(host.root + files.CODE, 0o640),
        [f"write {files.CODE}", f"write {files.SETTINGS}", STARTED],
        [f"restart {units.LAUNCHES}"],
    ),
}


@pytest.mark.parametrize("how", STEPS)
def test_what_is_wrong_is_done_and_nothing_else(made: Made, how: str) -> None:
    change, actions, called = STEPS[how]
    installing.change(made, MINE, given(MINE))
    made.write(files.RENEWED, "", 0o600)
    change(made)
    ran(made)
    done = installing.change(made, MINE, given(MINE))
    assert done["actions"] == [*actions, *([NOTE] if actions else [])] and done["changed"] is bool(actions)
    assert ran(made) == [*QUERIED, *called]
    assert made.text(files.RENEWED) == (f"{AT}\n" if actions else "")


def test_a_daemon_that_only_reads_its_plan_late_is_waited_for(made: Made, monkeypatch: pytest.MonkeyPatch) -> None:
    installing.change(made, MINE, given(MINE))
    not_read(made)
    monkeypatch.setattr(installing, "READY_WITHIN", 60.0)
    beat = Made.refused_execution

    def later(self: Made, path: str) -> int:
        found = beat(self, path)
        self.daemon = {}
        return found

    monkeypatch.setattr(Made, "refused_execution", later)
    monkeypatch.setattr(installing.clock, "set_by_controller", lambda *_: None)
    ran(made)
    assert installing.change(made, MINE, given(MINE))["actions"] == [STARTED, NOTE]
    assert ran(made) == QUERIED


def test_systemd_is_waited_for_whatever_it_is_called_for_and_not_for_ever(
    made: Made, monkeypatch: pytest.MonkeyPatch
) -> None:
    called: dict[str, Any] = {}
    run = made._run
    monkeypatch.setattr(
        made, "_run", lambda argv, **how: called.update({argv[1]: how.get("timeout")}) or run(argv, **how)
    )
    installing.change(made, MINE, given(MINE))
    deaf(made)
    installing.change(made, MINE, given(MINE))
    installing.change(made, MINE, None)
    verbs = {"is-active", "daemon-reload", "reenable", "restart", "thaw", "kill", "stop", "reset-failed"}
    assert called.keys() == verbs and all(60 <= seconds <= 600 for seconds in called.values())


def test_of_a_file_that_others_could_have_written_it_is_not_said_what_it_was(made: Made) -> None:
    installing.change(made, MINE, given(MINE))
    os.chmod(made.root + files.CODE, 0o666)
    done = installing.change(made, MINE, given(MINE), dry_run=True)
    [code] = [one for one in done["diff"] if one["before_header"] == f"write {files.CODE}"]
    assert (code["before"], code["after"]) == ("unreadable\n", f"{files.hash_of(b'code')}\n")


@pytest.mark.parametrize("now", [None, "soon", 5])
def test_without_a_moment_of_the_controllers_the_hosts_own_counts(made: Made, now: Any) -> None:
    before = stamp(time.time())
    installing.change(made, MINE, {**given(MINE), "now": now})
    assert before <= (made.text(files.RENEWED) or "").strip() <= stamp(time.time())


def test_a_lift_stops_what_runs_before_it_deletes_it(made: Made) -> None:
    installing.change(made, MINE, given(MINE))
    made.write(files.RECORD, "{}")
    made.write(f"{files.PLACE}/unknown", "")
    ran(made)
    done = installing.change(made, MINE, None)
    timer, service, daemon = (f"{units.FOLDER}/{name}" for name in units.ALL)
    assert done["actions"] == [
        *(f"stop {name}" for name in (units.TIMER, units.LAUNCHES, units.SERVICE)),
        f"delete {timer}",
        f"delete {units.ENABLED[units.TIMER]}",
        f"delete {daemon}",
        f"delete {units.ENABLED[units.LAUNCHES]}",
        f"delete {service}",
        "load systemd's units",
        *(f"delete {path}" for path in (files.COMMAND, files.PROGRAM, reported.HEARTBEAT)),
        f"delete {reported.STATE}",
        f"delete {files.RECORD}",
        *(
            f"delete {path}"
            for path in (
                *(PLAN_FILE, files.CODE, files.RENEWED, files.CLOCK),
                *(files.RESERVATIONS, files.STATE, files.SETTINGS),
            )
        ),
        f"delete {files.PLACE}/unknown",
    ]
    assert ran(made) == [
        *(f"stop {name}" for name in (units.TIMER, units.LAUNCHES, units.SERVICE)),
        "daemon-reload",
        f"reset-failed {units.SERVICE} {units.LAUNCHES}",
    ]


def test_a_lift_where_systemd_does_not_run_calls_it_not(made: Made) -> None:
    installing.change(made, MINE, given(MINE))
    ran(made)
    (Path(made.root) / "run/systemd/system").rmdir()
    assert installing.change(made, MINE, {}, lift_it=True)["changed"]  # type: ignore[typeddict-item]
    assert ran(made) == [] and made.stat(files.PLACE) is None


def test_who_is_not_root_changes_nothing(made: Made, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(_: Made) -> None:
        raise ControlError("root is needed")

    monkeypatch.setattr(Made, "require_root", refuse)
    with pytest.raises(ControlError, match="root is needed"):
        installing.change(made, MINE, given(MINE))
    assert made.ran == [] and made.stat(files.PLACE) is None


def test_on_a_mac_there_is_nothing_to_lift(made: Made, monkeypatch: pytest.MonkeyPatch) -> None:
    installing.change(made, MINE, given(MINE))
    monkeypatch.setattr(Made, "system", DARWIN)
    done = installing.change(made, MINE, None, lift_it=True)
    assert done == {"changed": False, "actions": [], "refused": [], "findings": [], "diff": []}
    assert made.stat(files.PLACE)


def test_a_host_restores_only_the_units_that_it_is_asked_for(made: Made) -> None:
    installing.change(made, MINE, given(MINE))
    known = files.settings(made)
    assert known is not None
    for path in units.ENABLED.values():
        made.delete(path)
    link_elsewhere(made)
    ran(made)
    assert restoring.restore(made, known, [units.LAUNCHES]) == [f"link {files.COMMAND}", f"enable {units.LAUNCHES}"]
    assert ran(made) == [QUERIED[1], f"reenable --quiet {units.LAUNCHES}"]
    assert restoring.restore(made, known) == [f"enable {units.TIMER}"]
    assert restoring.restore(made, known) == []


def test_of_the_units_that_are_named_it_is_written_down_what_was_wrong(made: Made) -> None:
    installing.change(made, MINE, given(MINE))
    known = files.settings(made)
    assert known is not None
    made.delete(units.ENABLED[units.LAUNCHES])
    restoring.restored(made, known, (units.TIMER, units.SERVICE))
    assert journal.read(made) == ([], 0) and made.stat(units.ENABLED[units.LAUNCHES]) is None
    restoring.restored(made, known, (units.LAUNCHES,))
    lines = [{name: said for name, said in line.items() if name != "at"} for line in journal.read(made)[0]]
    cause = f"unit {units.FOLDER}/{units.LAUNCHES}: not enabled"
    assert lines == [
        {"event": "drift", "rules": ["watch/watcher"], "users": [], "cause": cause},
        {"event": "corrected", "rules": ["watch/watcher"]},
    ]


def test_the_names_of_its_units_are_those_of_systemds_pairs() -> None:
    """A timer starts the service of its name, and what is in proscribe-.service.d is a part of each."""
    assert units.TIMER.partition(".") == ("proscribe-watch", ".", "timer")
    assert units.SERVICE == "proscribe-watch.service" and units.LAUNCHES == "proscribe-launches.service"
    service = units.texts(60)[units.SERVICE]
    assert "\nTimeoutStartSec=3600\n" in service and f"\nExecStart={files.PROGRAM} observe\n" in service
    later: Any = units.texts(60)[units.LAUNCHES]
    assert f"\nExecStart={files.PROGRAM} launches\n" in later
