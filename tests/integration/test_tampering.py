"""What is done to a host that is in line, row by row of tampering.toml."""

import json
from collections.abc import Callable
from typing import Any, NamedTuple

import pytest
from machines import PROJECT
from patience import until
from proscribe.host.watch.state import journal, watch_files
from scheduled_machine import CHECKOUT, Scheduled, scheduled_machine
from tampering import TABLE, USER

pytestmark = pytest.mark.whole_hosts

OPEN = ("noncompliant", "unknown", "error")
COVERED = [how for how, row in TABLE.items() if row.then != "uncovered"]


class Tried(NamedTuple):
    """A host, and how it is observed and corrected."""

    machine: Scheduled
    observe: Callable[[], dict[str, Any]]  # the record

    def passes(self, script):
        return self.machine.succeeds("sh", "-euc", script)


@pytest.fixture(scope="module")
def alone():
    """A host that observes itself, of which the controller has gone."""
    with scheduled_machine("tampered") as machine:
        machine.restrict("proscribe_watch: 5m")
        machine.proscribe("enforce")
        machine.run("mv", CHECKOUT, f"{CHECKOUT}-away")

        def observe():
            machine.run(watch_files.PROGRAM_PATH, "observe")
            return dict(machine.json(watch_files.RECORD_PATH))

        yield Tried(machine, observe)


@pytest.fixture(scope="module")
def managed():
    with scheduled_machine("managed") as machine:
        machine.proscribe("enforce")

        def observe():
            machine.proscribe("drift", check=False)  # what it could not correct is an error of the record
            return machine.record()

        yield Tried(machine, observe)


@pytest.mark.parametrize("how", COVERED)
def test_a_host_without_a_controller_undoes_or_reports_what_is_done_to_it(alone, how):
    plays(alone, TABLE[how])


@pytest.mark.nightly
@pytest.mark.parametrize("how", [how for how in COVERED if not TABLE[how].watch])
def test_a_controller_undoes_or_reports_what_is_done_to_a_host(managed, how):
    plays(managed, TABLE[how])


def test_the_documents_have_what_is_not_noticed():
    text = " ".join((PROJECT / "docs/coverage.md").read_text(encoding="utf-8").split())
    assert [how for how, row in TABLE.items() if how not in COVERED and row.named not in text] == []


def plays(tried, row):
    """Do it, observe, and bring the host back."""
    user = ("runuser", "--user", USER, "--", "env", f"HOME=/home/{USER}") if row.by == "user" else ()
    before = len(corrections(tried.machine))
    tried.machine.run("systemctl", "reset-failed")  # tests restart services quicker than people
    tried.machine.run(*user, "sh", "-eus", stdin=f"cd /\n{row.done}")
    try:
        record = tried.observe()
        if row.then == "reported":
            assert is_named(record, row, OPEN), reported(record)
            assert record["state"] in OPEN
        else:
            until(lambda: tried.passes(row.right))  # a daemon does it as soon as it can
        if row.then == "corrected":
            corrected = corrections(tried.machine)[before:]
            own = any(rule.startswith(row.rule) for rule in corrected)
            assert own or is_named(record, row, ("repaired", *OPEN)), reported(record)
    finally:
        if row.undone:
            tried.machine.run("sh", "-us", stdin=row.undone)
        until(lambda: tried.observe()["state"] == "compliant")


def is_named(record, row, states):
    """Whether the record names what was done, in a rule of such a state or anywhere beside the rules."""
    if not row.rule:
        return row.named in json.dumps(record)
    own = [rule for rule in record["rules"] if rule["rule"].startswith(row.rule) and rule["state"] in states]
    return any(row.named in json.dumps(rule["findings"]) for rule in own)


def corrections(machine):
    lines = machine.run("cat", journal.JOURNAL, check=False).splitlines()
    events = [json.loads(line) for line in lines if line.startswith("{")]
    return [rule for event in events if event["event"] == "corrected" for rule in event["rules"]]


def reported(record):
    return "\n".join(f"{rule['rule']} {rule['state']} {str(rule['findings'])[:300]}" for rule in record["rules"])
