"""The watch as a state of a host: installed, wrong in a part, repaired, and removed."""

import errno
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from proscribe.host.system import ControlError, Result, Unseen
from proscribe.host.watch import installed, installing, units
from proscribe.host.watch.starts.reported import HEARTBEAT
from proscribe.host.watch.state import files, journal
from proscribe.model.finding import WATCH_PLAN
from refusals import make_refusal
from watch_host import AT, ROOT, Made, given, plan

pytestmark = ROOT
CONTROLLER = {"release": installed.release_of(b" -ISXutf8\n# x\n", b"code"), "now": AT}
STOPPED = ("watch.timer", "launches.service", "watch.service")
MOMENTS = ("2026-12-01T00:00:00Z", "2026-12-24T00:00:00Z", "2027-01-01T00:00:00Z")


def wrong(host: Made, mine: dict[str, Any], controller: Any = CONTROLLER) -> list[str]:
    """Return the findings about the watcher and about the daemon that notices starts."""
    verdicts = [verdict for verdict in installed.observe(host, mine, controller) if verdict.rule != WATCH_PLAN]
    assert all(item.drifted == bool(item.findings) == (item.state == "noncompliant") for item in verdicts)
    return [f"{finding.id}: {finding.detail}" for verdict in verdicts for finding in verdict.findings]


def append(path: str) -> Callable[[Made], None]:
    def change(host: Made) -> None:
        with open(host.root + path, "ab") as file:
            file.write(b"x")

    return change


def write(path: str) -> Callable[[Made], None]:
    return lambda host: host.write(path, "")


def relinked(path: str, to: str) -> Callable[[Made], None]:
    def change(host: Made) -> None:
        os.unlink(host.root + path)
        os.symlink(to, host.root + path)

    return change


def reports(**fields: str) -> Callable[[Made], None]:
    """The daemon reports something else than one that notices everything."""
    return lambda host: setattr(host, "daemon", fields)


def silent(host: Made) -> None:
    """The last own observation was long ago; the next one is by hand, as a run does not observe for it."""
    host.write(files.STATE, '{"last": "2026-11-27T03:00:00Z", "up": 0, "boot": ""}', 0o600)


TIMER = f"{units.FOLDER}/{units.TIMER}"
CHANGED = {
    "program": (append(files.PROGRAM), f"{files.PROGRAM}: "),
    "code": (append(files.CODE), f"{files.CODE}: is not what was installed"),
    "plan": (lambda host: append(files.plan_file(plan()["digest"]))(host), "is not what was installed"),
    "settings": (append(files.SETTINGS), f"{files.SETTINGS}: is not what was installed"),
    "settings deleted": (lambda host: os.unlink(host.root + files.SETTINGS), "not installed"),
    "settings of another form": (lambda host: host.write(files.SETTINGS, '{"files": 5}'), files.SETTINGS),
    "settings without end": (lambda host: host.write(files.SETTINGS, "[" * 100_000), files.SETTINGS),
    "settings that others can write": (lambda host: os.chmod(host.root + files.SETTINGS, 0o666), "others than root"),
    "code of another's": (lambda host: os.chown(host.root + files.CODE, 65534, 0), "others than root"),
    "program's mode": (lambda host: os.chmod(host.root + files.PROGRAM, 0o4755), "has the mode 4755"),
    "command": (relinked(files.COMMAND, "/bin/true"), f"{files.COMMAND}: is no link"),
    "timer edited": (append(TIMER), f"{units.TIMER}: edited"),
    "timer deleted": (lambda host: os.unlink(host.root + TIMER), f"{units.TIMER}: missing"),
    "timer masked": (relinked(TIMER, "/dev/null"), f"{units.TIMER}: masked"),
    "timer disabled": (lambda host: os.unlink(host.root + units.ENABLED[units.TIMER]), f"{units.TIMER}: not enabled"),
    "timer stopped": (lambda host: host.stopped.add(units.TIMER), f"{units.TIMER}: does not run: inactive"),
    "daemon stopped": (lambda host: host.stopped.add(units.LAUNCHES), f"{units.LAUNCHES}: does not"),
    "timer overridden": (write(f"/etc/systemd/system/{units.TIMER}.d/x.conf"), f"{units.TIMER}: overridden"),
    "all units of ours are overridden": (
        write("/run/systemd/system/proscribe-.service.d/x.conf"),
        f"{units.LAUNCHES}: overridden by /run/systemd/system/proscribe-.service.d/x.conf",
    ),
    "daemon limited": (
        write(f"/etc/systemd/system.control/{units.LAUNCHES}.d/50-CPUQuota.conf"),
        f"{units.LAUNCHES}: overridden by /etc/systemd/system.control",
    ),
    "heartbeat edited": (append(HEARTBEAT), f"{HEARTBEAT}: is not what was installed"),
    "daemon deaf": (lambda host: setattr(host, "daemon", None), f"{units.LAUNCHES}: does not"),
    "daemon with another plan": (reports(read="x"), f"{units.LAUNCHES}: follows another plan"),
    "not observed": (silent, f"{units.SERVICE}: has not observed this host for "),
    "service masked until a reboot": (write(f"/run/systemd/system/{units.SERVICE}"), f"{units.SERVICE}: overridden"),
}


@pytest.mark.parametrize("how", CHANGED)
def test_changed_part_is_named_and_repaired_by_the_next_run(watched, monkeypatch, how):
    host, mine = watched
    monkeypatch.setattr(installed.clock, "awake", lambda: 100_000)  # the machine may have booted just now
    change, named = CHANGED[how]
    change(host)
    assert any(named in verdicts for verdicts in wrong(host, mine)), wrong(host, mine)
    installing.change(host, mine, given(mine))
    left = [verdicts for verdicts in wrong(host, mine) if "has not observed" not in verdicts]  # until it has
    assert left == []


def test_other_plan_is_a_change_of_the_plan_and_no_fault(watched):
    host, _ = watched
    other = plan(every=600)
    *faults, changed = installed.observe(host, other, CONTROLLER)
    assert {verdict.state for verdict in faults} == {"compliant"}
    assert (changed.rule, changed.state, changed.drifted) == ("watch/plan", "not_applicable", True), "a run brings it"
    [held] = changed.findings
    assert (held.kind, held.id, changed.reason) == ("plan", plan()["digest"], "the plan has changed")
    assert held.detail == "this host holds the plan of an earlier run, until one brings this one"
    installing.change(host, other, given(other))
    assert {verdict.state for verdict in installed.observe(host, other, CONTROLLER)} == {"compliant"}
    assert list(host.list(files.PLANS)) == [f"{other['digest'].partition(':')[2]}.json"]


def test_intervals_that_differ_from_the_plan_are_drift(watched):
    host, mine = watched
    host.write(files.SETTINGS, files.settings_text(files.settings(host)._replace(every=86400)), 0o600)
    assert f"{files.SETTINGS}: it has other intervals than the plan" in wrong(host, mine)
    installing.change(host, mine, given(mine))
    assert wrong(host, mine) == []


def chain_of(*moments: str) -> list[dict[str, Any]]:
    """Plans that follow each other at these moments."""
    plans = [plan(number=len(moments))]
    for number, at in reversed(list(enumerate(moments))):
        plans.insert(0, plan(number=number, later={"at": at, "plan": plans[0]["digest"]}))
    return plans


def test_host_holds_each_plan_of_a_chain(made):
    plans = chain_of(*MOMENTS)
    installing.change(made, plans[0], given(*plans))
    assert [wrong(made, plan_) for plan_ in plans] == [[], [], [], []]
    moments = ("2026-11-30T23:59:59Z", MOMENTS[1], "2099-01-01T00:00:00Z")
    digests = [files.settings(made).in_effect(moment) for moment in moments]
    assert digests == [plans[number]["digest"] for number in (0, 2, 3)]


def test_plans_that_are_no_chain_are_refused(made):
    plans = chain_of(*MOMENTS)
    forged = {**plans[1], "controls": {"apps": {}}}
    for sent in ([], plans[1:], [plans[0], plans[2]], [plans[0], forged], [*plans, plans[0]]):
        with pytest.raises(ControlError, match="plans that were sent"):
            installing.change(made, plans[0], given(*sent))
    circle = chain_of("2026-12-01T00:00:00Z", "2026-12-01T00:00:00Z")
    with pytest.raises(ControlError, match="moments"):
        installing.change(made, circle[0], given(*circle))
    assert not made.stat(files.PLACE)


def test_command_that_cannot_be_linked_is_an_error(made, monkeypatch):
    monkeypatch.setattr(installing.os, "symlink", make_refusal(OSError(errno.ENOSPC, "No space left on device")))
    with pytest.raises(ControlError, match=f"cannot link {files.COMMAND}: No space left on device"):
        installing.change(made, plan(), given(plan()))


def test_next_two_plans_are_read_and_the_others_have_to_be_there(made):
    plans = chain_of(*MOMENTS)
    installing.change(made, plans[0], given(*plans))
    paths = [files.plan_file(plan_["digest"]) for plan_ in plans]
    for path in paths:
        append(path)(made)
    unsound = [f"{path}: is not what was installed" for path in paths]
    assert wrong(made, plans[0]) == unsound[:2] and wrong(made, plans[2]) == unsound[2:]
    for path in paths[2:]:
        made.delete(path)
    assert wrong(made, plans[0]) == [*unsound[:2], *(f"{path}: is missing" for path in paths[2:])]


def test_directory_in_place_of_a_unit_is_an_edit(watched):
    os.unlink(watched[0].root + TIMER)
    os.mkdir(watched[0].root + TIMER)
    assert wrong(*watched) == [f"{units.TIMER}: edited"]


def test_plan_without_a_watch_removes_it(watched):
    host, mine = watched
    body = {key: value for key, value in mine.items() if key not in ("watch", "digest")}
    assert wrong(host, body) == [f"{files.PLACE}: the plan has no watch, and the host still has one"]
    installing.change(host, body, {})
    assert not host.stat(files.PLACE)


def test_run_renews_the_plan_that_the_host_holds(watched):
    host, mine = watched
    host.write(files.RENEWED, "2020-01-01T00:00:00Z\n")
    verdicts = installed.observe(host, mine)[-1]
    assert (verdicts.rule, verdicts.state, verdicts.drifted) == ("watch/plan", "noncompliant", False)
    [held] = verdicts.findings
    assert (held.kind, held.id) == ("plan", mine["digest"])
    assert held.detail == "stale: no run has renewed it since 2020-01-01T00:00:00Z"
    installed.renew(host, plan(every=600), CONTROLLER)
    assert files.renewed(host) == "2020-01-01T00:00:00Z", "another plan is installed, and not renewed"
    installed.renew(host, mine, None)
    assert installed.observe(host, mine)[-1].state == "compliant"


def test_ordinary_user_sees_no_watch(watched, monkeypatch):
    monkeypatch.setattr(Made, "privileged", False)
    with pytest.raises(Unseen, match="root"):
        installed.observe(*watched)


def test_host_without_systemd_is_reported(made):
    (Path(made.root) / "run/systemd/system").rmdir()
    verdict = installed.observe(made, plan(), CONTROLLER)[0]
    assert (verdict.state, verdict.drifted) == ("noncompliant", False)
    with pytest.raises(ControlError, match="systemd"):
        installing.change(made, plan(), given(plan()))


def list_tree(host: Made) -> set[str]:
    return {str(path.relative_to(host.root)) for path in Path(host.root).rglob("*") if "/proc" not in str(path)}


def test_watch_is_installed_once_and_removed_whole(made):
    before, mine = list_tree(made), plan()
    assert wrong(made, mine) == [f"{files.SETTINGS}: the watch is not installed"]
    assert installing.change(made, mine, {}, lift_it=True)["actions"] == [] and made.ran == []
    assert installing.change(made, mine, given(mine), dry_run=True)["changed"]
    assert list_tree(made) - {"run/proscribe.lock"} == before
    installing.change(made, mine, given(mine))
    assert wrong(made, mine) == wrong(made, mine, None) == []
    assert made.read(files.PROGRAM) == b"#!/usr/bin/python3 -ISXutf8\n# x\n"
    whole = list_tree(made)
    assert installing.change(made, mine, given(mine))["actions"] == [] and list_tree(made) == whole
    journal.append(made, "thawed")
    for path in (files.RECORD, files.FROZEN, files.STATE, f"{files.CACHE}/x", f"{files.PLACE}/unknown"):
        made.write(path, "{}")
    installing.change(made, mine, {}, lift_it=True)
    assert list_tree(made) == before
    stopped = [text for text in made.ran if text.startswith("systemctl stop")]
    assert stopped == [f"systemctl stop proscribe-{unit}" for unit in STOPPED]


def test_record_of_a_host_that_pulls_stays(watched):
    host, mine = watched
    host.write(files.RECORD, "{}")
    host.write(installing.PULL, "")
    installing.change(host, mine, {}, lift_it=True)
    assert host.stat(files.RECORD)


@pytest.mark.slow
@pytest.mark.parametrize("lift", [False, True])
def test_next_run_finishes_after_a_kill_after_any_action(made, lift):
    before, mine, count, number = list_tree(made), plan(), 0, 1
    while count <= number:
        if lift:
            installing.change(made, mine, given(mine))
        changes = installing.lift(made) if lift else installing.enforce(made, mine, given(mine))
        number = len(changes.actions)
        for action in changes.actions[:count]:
            action.apply()
        if count < number and not lift:
            states = {verdict.state for verdict in installed.observe(made, mine, CONTROLLER)}
            assert states != {"compliant"}, "half of it is not compliant"
        if not lift:
            installing.change(made, mine, given(mine))
            assert wrong(made, mine) == []
        installing.change(made, mine, {}, lift_it=True)
        assert list_tree(made) == before
        count += 1
    assert count > 5


def test_program_with_new_hashes_is_not_that_of_this_run(watched):
    host, mine = watched
    append(files.PROGRAM)(host)
    hashes = {**files.settings(host).files, files.PROGRAM: files.hash_of(host.read(files.PROGRAM) or b"")}
    host.write(files.SETTINGS, files.settings_text(files.settings(host)._replace(files=hashes)), 0o600)
    assert wrong(host, mine, None) == [], "a host alone cannot know"
    assert wrong(host, mine) == [f"{files.PROGRAM}: its program or its code are not those of this run"]


@pytest.mark.parametrize(
    ("state", "said"), [("reloading", ""), ("activating", ""), ("failed", "failed"), ("", "unknown")]
)
def test_timer_runs_in_some_states(watched, monkeypatch, state, said):
    host, mine = watched
    monkeypatch.setattr(host, "_run", lambda argv, **_: Result(3, f"{state}\n", ""))
    assert wrong(host, mine) == ([f"{units.TIMER}: does not run: {said}"] if said else [])


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
    monkeypatch.setattr(installed.clock, "awake", lambda: 100_000)
    monkeypatch.setattr(installed.clock, "boot_id", lambda _: "this")
    monkeypatch.setattr(installed.files, "state", lambda _: state)
    monkeypatch.setattr(installed, "evidently_active", lambda _, name: begun and name == units.SERVICE)
    said = [f"{units.SERVICE}: has not observed this host for {silent_for} s"] if silent_for and not begun else []
    assert wrong(host, mine) == said and wrong(host, mine, None) == []


@pytest.mark.parametrize("text", ["never", "\0" * 64, "x" * 100_000])
def test_plan_without_a_readable_moment_of_renewal_is_stale(watched, text):
    host, mine = watched
    host.write(files.RENEWED, text)
    verdict = installed.observe(host, mine)[-1]
    assert verdict.state == "noncompliant"
    assert [finding.detail.partition(":")[0] for finding in verdict.findings] == ["stale"]


def test_observation_that_the_timer_started_calls_no_tool(watched):
    host, mine = watched
    host.started_by = units.TIMER
    host.ran.clear()
    assert {verdict.state for verdict in installed.observe(host, mine)} == {"compliant"} and host.ran == []
