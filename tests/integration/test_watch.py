"""A host that keeps itself in line, on a real machine without a controller."""

import json

import pytest
from patience import BUSY, until
from proscribe.host.system import STATE_DIRECTORY
from proscribe.host.watch import watch_units
from proscribe.host.watch.state import journal, watch_files
from scheduled_machine import CHECKOUT, scheduled_machine
from tampering import TEN

pytestmark = [pytest.mark.whole_hosts, pytest.mark.steps]

EVERY = 60  # seconds
# Somebody comes back to the machine: sshd, and what a service of another makes.
NOT_OURS = "-path /proc -o -path /srv -o -path /root -o -path /tmp"
LEFT = f"find / -xdev \\( {NOT_OURS} \\) -prune -o -name '*proscribe*' -print"
DONE_TO_THE_WATCHER = {
    "the timer is masked until a reboot": (
        f"systemctl mask --runtime {watch_units.TIMER_UNIT}",
        watch_units.TIMER_UNIT,
    ),
    "the unit is edited": (
        f"sed -i s/observe/status/ {watch_units.UNIT_DIRECTORY}/{watch_units.SERVICE_UNIT}",
        watch_units.SERVICE_UNIT,
    ),
    "the code is cut": (f"truncate --size 1000 {watch_files.CODE_PATH}", watch_files.CODE_PATH),
    "all of it is deleted": (
        f"rm -r {watch_files.WATCH_DIRECTORY} {watch_files.PROGRAM_PATH}",
        watch_files.SETTINGS_PATH,
    ),
    "program and hashes are edited": (
        f"sed -i '$a #' {watch_files.PROGRAM_PATH}; python3 -c \"import hashlib, json;"
        f" p = '{watch_files.SETTINGS_PATH}';"
        f" s = json.load(open(p)); s['files']['{watch_files.PROGRAM_PATH}'] ="
        f" hashlib.sha256(open('{watch_files.PROGRAM_PATH}', 'rb').read()).hexdigest(); json.dump(s, open(p, 'w'))\"",
        watch_files.PROGRAM_PATH,
    ),
}


@pytest.fixture(scope="module")
def machine():
    with scheduled_machine("watch") as booted:
        booted.restrict("proscribe_watch: 1m")
        booted.proscribe("enforce")
        yield booted


def events(machine, *names):
    lines = machine.run("sh", "-c", f"cat {journal.OLDER_JOURNAL} {journal.JOURNAL} 2>/dev/null || true").splitlines()
    return [event for event in map(json.loads, lines) if not names or event["event"] in names]


def observed(machine):
    machine.run(watch_files.PROGRAM_PATH, "observe")


def test_an_enforcing_run_leaves_a_watch_that_runs_and_a_second_leaves_it_as_it_is(machine):
    assert machine.record()["state"] == "repaired"
    assert (
        machine.run("stat", "--format=%a %U", watch_files.PROGRAM_PATH, watch_files.SETTINGS_PATH)
        == "700 root\n600 root\n"
    )
    assert machine.run("readlink", watch_files.COMMAND_PATH).strip() == watch_files.PROGRAM_PATH
    for unit in (watch_units.TIMER_UNIT, watch_units.SERVICE_UNIT):
        assert machine.run("systemd-analyze", "verify", f"{watch_units.UNIT_DIRECTORY}/{unit}") == ""
    assert machine.run("systemctl", "is-active", watch_units.TIMER_UNIT) == "active\n"
    machine.proscribe("audit")
    record = machine.record()
    assert record["state"] == "compliant", record["rules"]
    assert record["watch"]["every"] == EVERY and not record["watch"]["stale"]
    before = machine.run("stat", "--format=%y", watch_files.SETTINGS_PATH, watch_files.CODE_PATH)
    machine.proscribe("enforce")
    assert machine.record()["state"] == "compliant"
    assert machine.run("stat", "--format=%y", watch_files.SETTINGS_PATH, watch_files.CODE_PATH) == before


def test_ten_ways_of_tampering_are_closed_within_two_intervals(machine):
    machine.run("mv", CHECKOUT, f"{CHECKOUT}-away")  # there is no controller
    try:
        machine.run(watch_files.COMMAND_PATH, "freeze", "1h", "while it is tampered with")
        for tampering in TEN.values():
            machine.script(tampering.done)
            assert not machine.succeeds("sh", "-c", tampering.right), tampering
        machine.run(watch_files.COMMAND_PATH, "thaw")
        until(lambda: all(machine.succeeds("sh", "-c", one.right) for one in TEN.values()), seconds=2 * EVERY + BUSY)
        until(lambda: bool(events(machine, "corrected")))
        drifted = {name for event in events(machine, "drift") for name in event["rules"]}
        assert [one.rule for one in TEN.values() if not any(name.startswith(one.rule) for name in drifted)] == []
    finally:
        machine.run("mv", f"{CHECKOUT}-away", CHECKOUT)
    until(lambda: machine.run("systemctl", "is-active", watch_units.SERVICE_UNIT, check=False) == "inactive\n")
    assert machine.json(watch_files.RECORD_PATH)["state"] in ("repaired", "compliant")
    machine.proscribe("audit")
    wechat = next(one for one in machine.record()["watch"]["incidents"] if one["rules"] == ["apps/wechat"])
    assert (wechat["times"], wechat["corrected"]) == (1, 1)


def test_a_frozen_host_is_observed_and_not_corrected(machine):
    tampering = TEN["a policy file is removed"]
    assert (
        machine.run(watch_files.COMMAND_PATH, "freeze", "8d", "x", check=False)
        .strip()
        .endswith("a pause lasts at most 7d")
    )
    machine.run(watch_files.COMMAND_PATH, "freeze", "2h", "the printer\x1b[2J")
    machine.script(tampering.done)
    observed(machine)
    assert not machine.succeeds("sh", "-c", tampering.right)
    assert "frozen until" in machine.run(watch_files.COMMAND_PATH, "status")
    machine.proscribe("audit")
    assert machine.record()["watch"]["frozen"]["reason"] == "the printer [2J"
    assert machine.run(watch_files.COMMAND_PATH, "thaw") == "the watch corrects again\n"
    observed(machine)
    assert machine.succeeds("sh", "-c", tampering.right)


@pytest.mark.parametrize("how", DONE_TO_THE_WATCHER)
def test_next_run_names_and_repairs_a_changed_watcher(machine, how):
    done, named = DONE_TO_THE_WATCHER[how]
    machine.run(watch_files.COMMAND_PATH, "freeze", "1h", "it would restore much of it by itself")
    machine.script(done)
    machine.proscribe("drift")
    rules = machine.record()["rules"]
    (rule,) = [rule for rule in rules if rule["rule"] == "watch/watcher"]
    assert rule["state"] == "repaired", rules
    assert any(named in str(finding.values()) for finding in rule["findings"]), rule
    assert machine.run("systemctl", "is-active", watch_units.TIMER_UNIT) == "active\n"
    machine.run(watch_files.COMMAND_PATH, "thaw")
    observed(machine)


def test_a_host_that_is_killed_at_any_moment_goes_on(machine):
    for after in (0.05, 0.1, 0.2, 0.4, 0.8, 1.6):
        for tampering in TEN.values():  # some of it may still be as the last time
            machine.run("sh", "-c", tampering.done, check=False)
        machine.run("timeout", "--signal=KILL", str(after), watch_files.PROGRAM_PATH, "observe", check=False)
    observed(machine)
    assert [how for how, one in TEN.items() if not machine.succeeds("sh", "-c", one.right)] == []


def test_a_lift_leaves_nothing(machine):
    machine.proscribe("lift")
    # Copies that were brought to one place several times stay in the quarantine: only one of them can be restored.
    assert set(machine.run("sh", "-c", LEFT).split()) <= {STATE_DIRECTORY}
    state = machine.run("sh", "-c", f"ls -A {STATE_DIRECTORY} 2>/dev/null || :")
    assert set(state.split()) <= {"directories", "quarantine"}
    assert "proscribe" not in machine.run("systemctl", "list-units", "--all", "--no-legend", "proscribe*")
