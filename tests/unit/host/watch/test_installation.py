"""The watch as a state of a host: installed step by step, wrong in a part, repaired, and removed."""

import errno
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from proscribe.base.timestamps import format_timestamp
from proscribe.host.system import DARWIN, ControlError, ObservationError, ToolResult
from proscribe.host.watch import installation, restoration, watch_observation, watch_units
from proscribe.host.watch.starts import daemon_report
from proscribe.host.watch.starts.daemon_report import HEARTBEAT_PATH
from proscribe.host.watch.state import journal, watch_files
from proscribe.model.finding import WATCH_PLAN
from refusals import make_refusal
from watch_host import AT, ROOT, Made, given, plan

pytestmark = ROOT

MINE = plan()
QUERIED = ["is-active --quiet proscribe-watch.timer", "is-active --quiet proscribe-launches.service"]
NOTE = f"note {watch_files.RENEWED_PATH}"
TIMER_ANEW = ["reenable --quiet proscribe-watch.timer", "restart proscribe-watch.timer"]
DAEMON_ANEW = ["reenable --quiet proscribe-launches.service", "restart proscribe-launches.service"]
REVIVED = [
    *(f"{verb} {watch_units.LAUNCHES_UNIT}" for verb in ("thaw", "kill --signal=KILL")),
    f"restart {watch_units.LAUNCHES_UNIT}",
]
LOAD, STARTED = "load systemd's units", f"start {watch_units.LAUNCHES_UNIT}"


def ran(host: Made) -> list[str]:
    result = [line.removeprefix("systemctl ") for line in host.ran]
    host.ran.clear()
    return result


def edited(host: Made) -> None:
    with open(f"{host.root}{watch_units.UNIT_DIRECTORY}/{watch_units.TIMER_UNIT}", "a") as file:
        file.write("x")


def not_read(host: Made) -> None:
    host.daemon = {"read": "x"}


def link_elsewhere(host: Made) -> None:
    os.unlink(host.root + watch_files.COMMAND_PATH)
    os.symlink("/bin/true", host.root + watch_files.COMMAND_PATH)


RESTARTED = [f"restart {watch_units.LAUNCHES_UNIT}"]
OVERRIDE = f"{watch_units.UNIT_DIRECTORY}/{watch_units.LAUNCHES_UNIT}.d/x.conf"
STEPS: dict[str, tuple[Callable[[Made], object], list[str], list[str]]] = {
    "nothing": (lambda _: None, [], []),
    "a unit is edited": (
        edited,
        [
            f"write {watch_units.UNIT_DIRECTORY}/{watch_units.TIMER_UNIT}",
            LOAD,
            f"enable {watch_units.TIMER_UNIT}",
            f"start {watch_units.TIMER_UNIT}",
        ],
        ["daemon-reload", *TIMER_ANEW],
    ),
    "a unit is overridden": (
        lambda host: host.write_file(OVERRIDE, "x"),
        [f"delete {OVERRIDE}", LOAD, f"enable {watch_units.LAUNCHES_UNIT}", STARTED],
        ["daemon-reload", *DAEMON_ANEW],
    ),
    "no timer": (
        lambda host: host.stopped.add(watch_units.TIMER_UNIT),
        [f"start {watch_units.TIMER_UNIT}"],
        [f"restart {watch_units.TIMER_UNIT}"],
    ),
    "no daemon": (lambda host: host.stopped.add(watch_units.LAUNCHES_UNIT), [STARTED], RESTARTED),
    "the daemon is not enabled": (
        lambda host: host.delete_file(watch_units.ENABLING_LINKS[watch_units.LAUNCHES_UNIT]),
        *([f"enable {watch_units.LAUNCHES_UNIT}"], [f"reenable --quiet {watch_units.LAUNCHES_UNIT}"]),
    ),
    "the daemon follows another plan, and stays so": (not_read, [STARTED], REVIVED),
    "the command leads elsewhere": (link_elsewhere, [f"link {watch_files.COMMAND_PATH}", STARTED], RESTARTED),
    "a plan is no more": (
        lambda host: host.write_file(f"{watch_files.PLANS_DIRECTORY}/old.json", "{}", 0o600),
        *([f"delete {watch_files.PLANS_DIRECTORY}/old.json", STARTED], RESTARTED),
    ),
    "a file has another mode": (
        lambda host: os.chmod(host.root + watch_files.CODE_PATH, 0o640),
        *([f"write {watch_files.CODE_PATH}", f"write {watch_files.SETTINGS_PATH}", STARTED], RESTARTED),
    ),
}


@pytest.mark.parametrize("how", STEPS)
def test_change_does_only_the_steps_that_are_needed(made, how):
    change, actions, called = STEPS[how]
    installation.change(made, MINE, given(MINE))
    made.write_file(watch_files.RENEWED_PATH, "", 0o600)
    change(made)
    ran(made)
    done = installation.change(made, MINE, given(MINE))
    assert done["actions"] == [*actions, *([NOTE] if actions else [])] and done["changed"] is bool(actions)
    assert ran(made) == [*QUERIED, *called]
    assert made.read_text(watch_files.RENEWED_PATH) == (f"{AT}\n" if actions else "")


def test_daemon_that_reads_its_plan_late_is_waited_for(made, monkeypatch):
    def later(self, path):
        result = beat(self, path)
        self.daemon = {}
        return result

    installation.change(made, MINE, given(MINE))
    not_read(made)
    monkeypatch.setattr(installation, "READY_TIMEOUT_SECONDS", 60.0)
    beat = Made.try_execution
    monkeypatch.setattr(Made, "try_execution", later)
    monkeypatch.setattr(installation.clock, "set_by_controller", lambda *_: None)
    ran(made)
    assert installation.change(made, MINE, given(MINE))["actions"] == [STARTED, NOTE] and ran(made) == QUERIED


def test_every_call_of_systemd_has_a_timeout(made, monkeypatch):
    called, run = {}, made._run
    monkeypatch.setattr(made, "_run", lambda argv, **how: called.update({argv[1]: how["timeout"]}) or run(argv, **how))
    installation.change(made, MINE, given(MINE))
    made.daemon = None
    installation.change(made, MINE, given(MINE))
    installation.change(made, MINE, None)
    verbs = {"is-active", "daemon-reload", "reenable", "restart", "thaw", "kill", "stop", "reset-failed"}
    assert called.keys() == verbs and all(60 <= seconds <= 600 for seconds in called.values())


def test_content_of_a_writable_file_is_not_shown(made):
    installation.change(made, MINE, given(MINE))
    os.chmod(made.root + watch_files.CODE_PATH, 0o666)
    done = installation.change(made, MINE, given(MINE), dry_run=True)
    [code] = [entry for entry in done["diff"] if entry["before_header"] == f"write {watch_files.CODE_PATH}"]
    assert (code["before"], code["after"]) == ("unreadable\n", f"{watch_files.hash_content(b'code')}\n")


def test_lift_without_systemd_does_not_call_it(made):
    installation.change(made, MINE, given(MINE))
    ran(made)
    (Path(made.root) / "run/systemd/system").rmdir()
    assert installation.change(made, MINE, {}, lift_it=True)["changed"]
    assert ran(made) == [] and made.find_entry(watch_files.WATCH_DIRECTORY) is None


def test_lift_on_a_mac_changes_nothing(made, monkeypatch):
    installation.change(made, MINE, given(MINE))
    monkeypatch.setattr(Made, "kernel_name", DARWIN)
    done = installation.change(made, MINE, None, lift_it=True)
    assert done == {"changed": False, "actions": [], "refused": [], "findings": [], "diff": []}
    assert made.find_entry(watch_files.WATCH_DIRECTORY)


def test_files_of_the_watch_have_their_modes_and_links(made):
    tried = installation.change(made, MINE, given(MINE), dry_run=True)
    assert ran(made) == QUERIED
    done = installation.change(made, MINE, given(MINE))
    assert ran(made) == [*QUERIED, "daemon-reload", *TIMER_ANEW, *DAEMON_ANEW]
    assert done["actions"] == tried["actions"] and done["diff"] == tried["diff"]
    assert done["diff"][0]["after"] == f"{watch_files.hash_content(made.read_file(watch_files.PROGRAM_PATH) or b'')}\n"
    modes = {path: made.find_entry(path).st_mode & 0o7777 for path in watch_files.read_settings(made).files}
    assert sorted(modes.values()) == [0o600, 0o600, 0o700, 0o700]
    assert modes[watch_files.PROGRAM_PATH] == modes[daemon_report.HEARTBEAT_PATH] == 0o700
    place = made.root + "/etc/systemd/system"  # where systemd looks for them
    for name in ("proscribe-watch.timer", "proscribe-watch.service", "proscribe-launches.service"):
        assert os.stat(f"{place}/{name}").st_mode & 0o7777 == 0o644
    assert os.listdir(f"{place}/timers.target.wants") == ["proscribe-watch.timer"]
    assert os.listdir(f"{place}/multi-user.target.wants") == ["proscribe-launches.service"]
    assert os.readlink(made.root + watch_files.COMMAND_PATH) == watch_files.PROGRAM_PATH


def test_lift_stops_the_units_before_it_deletes_files(made):
    installation.change(made, MINE, given(MINE))
    made.write_file(f"{watch_files.WATCH_DIRECTORY}/unknown", "")
    ran(made)
    done = installation.change(made, MINE, None)["actions"]
    assert done[:3] == [f"stop proscribe-{name}" for name in ("watch.timer", "launches.service", "watch.service")]
    assert (
        done.index(LOAD)
        < done.index(f"delete {watch_files.PROGRAM_PATH}")
        < done.index(f"delete {watch_files.SETTINGS_PATH}")
    )
    assert f"delete {watch_files.make_plan_path(MINE['digest'])}" in done
    assert done[-1] == f"delete {watch_files.WATCH_DIRECTORY}/unknown"
    assert ran(made)[3:] == ["daemon-reload", "reset-failed proscribe-watch.service proscribe-launches.service"]


def test_ordinary_user_installs_nothing(made, monkeypatch):
    monkeypatch.setattr(Made, "require_root", make_refusal(ControlError("root is needed")))
    with pytest.raises(ControlError, match="root is needed"):
        installation.change(made, MINE, given(MINE))
    assert made.ran == [] and made.find_entry(watch_files.WATCH_DIRECTORY) is None


@pytest.mark.parametrize("now", [None, "soon", 5])
def test_clock_of_the_host_counts_where_the_controllers_is_no_moment(made, now):
    before = format_timestamp(time.time())
    installation.change(made, MINE, {**given(MINE), "now": now})
    assert before <= (made.read_text(watch_files.RENEWED_PATH) or "").strip() <= format_timestamp(time.time())


def test_host_restores_the_units_that_are_named_and_writes_the_reason_down(made):
    installation.change(made, MINE, given(MINE))
    settings = watch_files.read_settings(made)
    for path in watch_units.ENABLING_LINKS.values():
        made.delete_file(path)
    restoration.restore_units(made, settings, (watch_units.SERVICE_UNIT,))
    assert journal.read_journal(made) == ([], 0)
    link_elsewhere(made)
    expected = [f"link {watch_files.COMMAND_PATH}", f"enable {watch_units.LAUNCHES_UNIT}"]
    assert restoration.restore(made, settings, [watch_units.LAUNCHES_UNIT]) == expected
    restoration.restore_units(made, settings, (watch_units.TIMER_UNIT,))
    lines = [(line["event"], line["rules"], line.get("cause", "")) for line in journal.read_journal(made)[0]]
    cause = f"unit {watch_units.UNIT_DIRECTORY}/{watch_units.TIMER_UNIT}: not enabled"
    assert lines == [("drift", ["watch/watcher"], cause), ("corrected", ["watch/watcher"], "")]
    assert restoration.restore(made, settings) == []


CONTROLLER = {"release": watch_observation.make_release_name(b" -ISXutf8\n# x\n", b"code"), "now": AT}
STOPPED = ("watch.timer", "launches.service", "watch.service")
MOMENTS = ("2026-12-01T00:00:00Z", "2026-12-24T00:00:00Z", "2027-01-01T00:00:00Z")


def wrong(host: Made, mine: dict[str, Any], controller: Any = CONTROLLER) -> list[str]:
    """Return the findings about the watcher and about the daemon that notices starts."""
    verdicts = [
        verdict for verdict in watch_observation.observe_watch(host, mine, controller) if verdict.rule != WATCH_PLAN
    ]
    assert all(item.drifted == bool(item.findings) == (item.state == "noncompliant") for item in verdicts)
    return [f"{finding.id}: {finding.detail}" for verdict in verdicts for finding in verdict.findings]


def append(path: str) -> Callable[[Made], None]:
    def change(host: Made) -> None:
        with open(host.root + path, "ab") as file:
            file.write(b"x")

    return change


def write(path: str) -> Callable[[Made], None]:
    return lambda host: host.write_file(path, "")


def relinked(path: str, to: str) -> Callable[[Made], None]:
    def change(host: Made) -> None:
        os.unlink(host.root + path)
        os.symlink(to, host.root + path)

    return change


def reports(**fields: str) -> Callable[[Made], None]:
    return lambda host: setattr(host, "daemon", fields)


def silent(host: Made) -> None:
    """The last own observation was long ago; the next one is by hand, as a run does not observe for it."""
    host.write_file(watch_files.STATE_PATH, '{"last": "2026-11-27T03:00:00Z", "up": 0, "boot": ""}', 0o600)


TIMER = f"{watch_units.UNIT_DIRECTORY}/{watch_units.TIMER_UNIT}"
CHANGED = {
    "program": (append(watch_files.PROGRAM_PATH), f"{watch_files.PROGRAM_PATH}: "),
    "code": (append(watch_files.CODE_PATH), f"{watch_files.CODE_PATH}: is not what was installed"),
    "plan": (lambda host: append(watch_files.make_plan_path(plan()["digest"]))(host), "is not what was installed"),
    "settings": (append(watch_files.SETTINGS_PATH), f"{watch_files.SETTINGS_PATH}: is not what was installed"),
    "settings deleted": (lambda host: os.unlink(host.root + watch_files.SETTINGS_PATH), "not installed"),
    "settings without end": (
        lambda host: host.write_file(watch_files.SETTINGS_PATH, "[" * 100_000),
        watch_files.SETTINGS_PATH,
    ),
    "settings that others can write": (
        lambda host: os.chmod(host.root + watch_files.SETTINGS_PATH, 0o666),
        "others than root",
    ),
    "code of another's": (lambda host: os.chown(host.root + watch_files.CODE_PATH, 65534, 0), "others than root"),
    "program's mode": (lambda host: os.chmod(host.root + watch_files.PROGRAM_PATH, 0o4755), "has the mode 4755"),
    "command": (relinked(watch_files.COMMAND_PATH, "/bin/true"), f"{watch_files.COMMAND_PATH}: is no link"),
    "timer edited": (append(TIMER), f"{watch_units.TIMER_UNIT}: edited"),
    "timer deleted": (lambda host: os.unlink(host.root + TIMER), f"{watch_units.TIMER_UNIT}: missing"),
    "timer masked": (relinked(TIMER, "/dev/null"), f"{watch_units.TIMER_UNIT}: masked"),
    "timer disabled": (
        lambda host: os.unlink(host.root + watch_units.ENABLING_LINKS[watch_units.TIMER_UNIT]),
        f"{watch_units.TIMER_UNIT}: not enabled",
    ),
    "timer stopped": (
        lambda host: host.stopped.add(watch_units.TIMER_UNIT),
        f"{watch_units.TIMER_UNIT}: does not run: inactive",
    ),
    "daemon stopped": (
        lambda host: host.stopped.add(watch_units.LAUNCHES_UNIT),
        f"{watch_units.LAUNCHES_UNIT}: does not",
    ),
    "timer overridden": (
        write(f"/etc/systemd/system/{watch_units.TIMER_UNIT}.d/x.conf"),
        f"{watch_units.TIMER_UNIT}: overridden",
    ),
    "heartbeat edited": (append(HEARTBEAT_PATH), f"{HEARTBEAT_PATH}: is not what was installed"),
    "daemon deaf": (lambda host: setattr(host, "daemon", None), f"{watch_units.LAUNCHES_UNIT}: does not"),
    "daemon with another plan": (reports(read="x"), f"{watch_units.LAUNCHES_UNIT}: follows another plan"),
    "not observed": (silent, f"{watch_units.SERVICE_UNIT}: has not observed this host for "),
    "service masked until a reboot": (
        write(f"/run/systemd/system/{watch_units.SERVICE_UNIT}"),
        f"{watch_units.SERVICE_UNIT}: overridden",
    ),
}


@pytest.mark.parametrize("how", CHANGED)
def test_changed_part_is_named_and_repaired_by_the_next_run(watched, monkeypatch, how):
    host, mine = watched
    monkeypatch.setattr(
        watch_observation.clock, "read_awake_seconds", lambda: 100_000
    )  # the machine may have booted just now
    change, named = CHANGED[how]
    change(host)
    assert any(named in verdicts for verdicts in wrong(host, mine)), wrong(host, mine)
    installation.change(host, mine, given(mine))
    left = [verdicts for verdicts in wrong(host, mine) if "has not observed" not in verdicts]  # until it has
    assert left == []


def test_other_plan_is_a_change_of_the_plan_and_no_fault(watched):
    host, _ = watched
    other = plan(every=600)
    *faults, changed = watch_observation.observe_watch(host, other, CONTROLLER)
    assert {verdict.state for verdict in faults} == {"compliant"}
    assert (changed.rule, changed.state, changed.drifted) == ("watch/plan", "not_applicable", True), "a run brings it"
    [held] = changed.findings
    assert (held.kind, held.id, changed.reason) == ("plan", plan()["digest"], "the plan has changed")
    assert held.detail == "this host holds the plan of an earlier run, until one brings this one"
    installation.change(host, other, given(other))
    assert {verdict.state for verdict in watch_observation.observe_watch(host, other, CONTROLLER)} == {"compliant"}
    assert list(host.list_directory(watch_files.PLANS_DIRECTORY)) == [f"{other['digest'].partition(':')[2]}.json"]


def test_intervals_that_differ_from_the_plan_are_drift(watched):
    host, mine = watched
    host.write_file(
        watch_files.SETTINGS_PATH,
        watch_files.format_settings(watch_files.read_settings(host)._replace(every=86400)),
        0o600,
    )
    assert f"{watch_files.SETTINGS_PATH}: it has other intervals than the plan" in wrong(host, mine)
    installation.change(host, mine, given(mine))
    assert wrong(host, mine) == []


def chain_of(*moments: str) -> list[dict[str, Any]]:
    plans = [plan(number=len(moments))]
    for number, at in reversed(list(enumerate(moments))):
        plans.insert(0, plan(number=number, later={"at": at, "plan": plans[0]["digest"]}))
    return plans


def test_host_holds_each_plan_of_a_chain(made):
    plans = chain_of(*MOMENTS)
    installation.change(made, plans[0], given(*plans))
    assert [wrong(made, plan_) for plan_ in plans] == [[], [], [], []]
    moments = ("2026-11-30T23:59:59Z", MOMENTS[1], "2099-01-01T00:00:00Z")
    digests = [watch_files.read_settings(made).find_digest_in_effect(moment) for moment in moments]
    assert digests == [plans[number]["digest"] for number in (0, 2, 3)]


def test_plans_that_are_no_chain_are_refused(made):
    plans = chain_of(*MOMENTS)
    forged = {**plans[1], "controls": {"apps": {}}}
    for sent in ([], plans[1:], [plans[0], plans[2]], [plans[0], forged], [*plans, plans[0]]):
        with pytest.raises(ControlError, match="plans that were sent"):
            installation.change(made, plans[0], given(*sent))
    circle = chain_of("2026-12-01T00:00:00Z", "2026-12-01T00:00:00Z")
    with pytest.raises(ControlError, match="moments"):
        installation.change(made, circle[0], given(*circle))
    assert not made.find_entry(watch_files.WATCH_DIRECTORY)


def test_command_that_cannot_be_linked_is_an_error(made, monkeypatch):
    monkeypatch.setattr(installation.os, "symlink", make_refusal(OSError(errno.ENOSPC, "No space left on device")))
    with pytest.raises(ControlError, match=f"cannot link {watch_files.COMMAND_PATH}: No space left on device"):
        installation.change(made, plan(), given(plan()))


def test_next_two_plans_are_read_and_the_others_have_to_be_there(made):
    plans = chain_of(*MOMENTS)
    installation.change(made, plans[0], given(*plans))
    paths = [watch_files.make_plan_path(plan_["digest"]) for plan_ in plans]
    for path in paths:
        append(path)(made)
    unsound = [f"{path}: is not what was installed" for path in paths]
    assert wrong(made, plans[0]) == unsound[:2] and wrong(made, plans[2]) == unsound[2:]
    for path in paths[2:]:
        made.delete_file(path)
    assert wrong(made, plans[0]) == [*unsound[:2], *(f"{path}: is missing" for path in paths[2:])]


def test_directory_in_place_of_a_unit_is_an_edit(watched):
    os.unlink(watched[0].root + TIMER)
    os.mkdir(watched[0].root + TIMER)
    assert wrong(*watched) == [f"{watch_units.TIMER_UNIT}: edited"]


def test_plan_without_a_watch_removes_it(watched):
    host, mine = watched
    body = {key: value for key, value in mine.items() if key not in ("watch", "digest")}
    assert wrong(host, body) == [f"{watch_files.WATCH_DIRECTORY}: the plan has no watch, and the host still has one"]
    installation.change(host, body, {})
    assert not host.find_entry(watch_files.WATCH_DIRECTORY)


def test_run_renews_the_plan_that_the_host_holds(watched):
    host, mine = watched
    host.write_file(watch_files.RENEWED_PATH, "2020-01-01T00:00:00Z\n")
    verdicts = watch_observation.observe_watch(host, mine)[-1]
    assert (verdicts.rule, verdicts.state, verdicts.drifted) == ("watch/plan", "noncompliant", False)
    [held] = verdicts.findings
    assert (held.kind, held.id) == ("plan", mine["digest"])
    assert held.detail == "stale: no run has renewed it since 2020-01-01T00:00:00Z"
    watch_observation.confirm_plan(host, plan(every=600), CONTROLLER)
    assert watch_files.read_renewal_time(host) == "2020-01-01T00:00:00Z", "another plan is installed, and not renewed"
    watch_observation.confirm_plan(host, mine, None)
    assert watch_observation.observe_watch(host, mine)[-1].state == "compliant"


def test_ordinary_user_sees_no_watch(watched, monkeypatch):
    monkeypatch.setattr(Made, "privileged", False)
    with pytest.raises(ObservationError, match="root"):
        watch_observation.observe_watch(*watched)


def test_host_without_systemd_is_reported(made):
    (Path(made.root) / "run/systemd/system").rmdir()
    verdict = watch_observation.observe_watch(made, plan(), CONTROLLER)[0]
    assert (verdict.state, verdict.drifted) == ("noncompliant", False)
    with pytest.raises(ControlError, match="systemd"):
        installation.change(made, plan(), given(plan()))


def list_tree(host: Made) -> set[str]:
    return {str(path.relative_to(host.root)) for path in Path(host.root).rglob("*") if "/proc" not in str(path)}


def test_watch_is_installed_once_and_removed_whole(made):
    before, mine = list_tree(made), plan()
    assert wrong(made, mine) == [f"{watch_files.SETTINGS_PATH}: the watch is not installed"]
    assert installation.change(made, mine, {}, lift_it=True)["actions"] == [] and made.ran == []
    assert installation.change(made, mine, given(mine), dry_run=True)["changed"]
    assert list_tree(made) - {"run/proscribe.lock"} == before
    installation.change(made, mine, given(mine))
    assert wrong(made, mine) == wrong(made, mine, None) == []
    assert made.read_file(watch_files.PROGRAM_PATH) == b"#!/usr/bin/python3 -ISXutf8\n# x\n"
    whole = list_tree(made)
    assert installation.change(made, mine, given(mine))["actions"] == [] and list_tree(made) == whole
    journal.append_event(made, "thawed")
    for path in (
        watch_files.RECORD_PATH,
        watch_files.FROZEN_PATH,
        watch_files.STATE_PATH,
        f"{watch_files.CACHE_DIRECTORY}/x",
        f"{watch_files.WATCH_DIRECTORY}/unknown",
    ):
        made.write_file(path, "{}")
    installation.change(made, mine, {}, lift_it=True)
    assert list_tree(made) == before
    stopped = [text for text in made.ran if text.startswith("systemctl stop")]
    assert stopped == [f"systemctl stop proscribe-{unit}" for unit in STOPPED]


def test_record_of_a_host_that_pulls_stays(watched):
    host, mine = watched
    host.write_file(watch_files.RECORD_PATH, "{}")
    host.write_file(installation.PULL_PROGRAM, "")
    installation.change(host, mine, {}, lift_it=True)
    assert host.find_entry(watch_files.RECORD_PATH)


@pytest.mark.slow
@pytest.mark.parametrize("lift", [False, True])
def test_next_run_finishes_after_a_kill_after_any_action(made, lift):
    before, mine, count, number = list_tree(made), plan(), 0, 1
    while count <= number:
        if lift:
            installation.change(made, mine, given(mine))
        changes = installation.lift(made) if lift else installation.enforce(made, mine, given(mine))
        number = len(changes.actions)
        for action in changes.actions[:count]:
            action.apply()
        if count < number and not lift:
            states = {verdict.state for verdict in watch_observation.observe_watch(made, mine, CONTROLLER)}
            assert states != {"compliant"}, "half of it is not compliant"
        if not lift:
            installation.change(made, mine, given(mine))
            assert wrong(made, mine) == []
        installation.change(made, mine, {}, lift_it=True)
        assert list_tree(made) == before
        count += 1
    assert count > 5


def test_program_with_new_hashes_is_not_that_of_this_run(watched):
    host, mine = watched
    append(watch_files.PROGRAM_PATH)(host)
    hashes = {
        **watch_files.read_settings(host).files,
        watch_files.PROGRAM_PATH: watch_files.hash_content(host.read_file(watch_files.PROGRAM_PATH) or b""),
    }
    host.write_file(
        watch_files.SETTINGS_PATH,
        watch_files.format_settings(watch_files.read_settings(host)._replace(files=hashes)),
        0o600,
    )
    assert wrong(host, mine, None) == [], "a host alone cannot know"
    assert wrong(host, mine) == [f"{watch_files.PROGRAM_PATH}: its program or its code are not those of this run"]


@pytest.mark.parametrize(
    ("state", "said"), [("reloading", ""), ("activating", ""), ("failed", "failed"), ("", "unknown")]
)
def test_timer_runs_in_some_states(watched, monkeypatch, state, said):
    host, mine = watched
    monkeypatch.setattr(host, "_run", lambda argv, **_: ToolResult(3, f"{state}\n", ""))
    assert wrong(host, mine) == ([f"{watch_units.TIMER_UNIT}: does not run: {said}"] if said else [])


@pytest.mark.parametrize(
    ("state", "silent_for"),
    [
        ({"last": AT, "up": 98_800, "boot": "this"}, 0),  # three times its interval, and five minutes
        ({"last": AT, "up": 98_799, "boot": "this"}, 1_201),
        ({"last": AT, "up": 99_999, "boot": "another"}, 100_000),  # since it was started
        ({"up": 98_800, "boot": "this"}, 0),  # installed, and not due yet
        ({"up": 0, "boot": "this"}, 100_000),
        ({}, 0),
    ],
)
@pytest.mark.parametrize("begun", [False, True])
def test_host_that_does_not_observe_itself_is_silent_while_it_is_awake(watched, monkeypatch, state, silent_for, begun):
    host, mine = watched
    monkeypatch.setattr(watch_observation.clock, "read_awake_seconds", lambda: 100_000)
    monkeypatch.setattr(watch_observation.clock, "read_boot_id", lambda _: "this")
    monkeypatch.setattr(watch_observation.watch_files, "read_last_observation", lambda _: state)
    monkeypatch.setattr(
        watch_observation, "is_evidently_active", lambda _, name: begun and name == watch_units.SERVICE_UNIT
    )
    said = (
        [f"{watch_units.SERVICE_UNIT}: has not observed this host for {silent_for} s"]
        if silent_for and not begun
        else []
    )
    assert wrong(host, mine) == said and wrong(host, mine, None) == []


@pytest.mark.parametrize("text", ["never", "\0" * 64, "x" * 100_000])
def test_plan_without_a_readable_moment_of_renewal_is_stale(watched, text):
    host, mine = watched
    host.write_file(watch_files.RENEWED_PATH, text)
    verdict = watch_observation.observe_watch(host, mine)[-1]
    assert verdict.state == "noncompliant"
    assert [finding.detail.partition(":")[0] for finding in verdict.findings] == ["stale"]


def test_observation_that_the_timer_started_calls_no_tool(watched):
    host, mine = watched
    host.starting_unit = watch_units.TIMER_UNIT
    host.ran.clear()
    assert {verdict.state for verdict in watch_observation.observe_watch(host, mine)} == {"compliant"}
    assert host.ran == []
