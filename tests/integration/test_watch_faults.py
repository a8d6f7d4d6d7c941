"""A host that keeps itself in line while its disk is full or its file systems are read-only."""

import json

import pytest
from machines import podman
from patience import until
from proscribe.host.system import STATE_DIRECTORY
from proscribe.host.watch import watch_units
from proscribe.host.watch.state import journal, watch_files
from scheduled_machine import scheduled_machine
from tampering import GATE, TEN

pytestmark = pytest.mark.whole_hosts

POLICY = TEN["a policy file is removed"]
# The state of the project on a small file system of its own, with all that is there.
SMALL = f"""\
cp -a {STATE_DIRECTORY} /root/state
mount -t tmpfs -o size=8m,mode=755 tmpfs {STATE_DIRECTORY}
cp -a /root/state/. {STATE_DIRECTORY}
rm -r /root/state
"""
LARGE = f"""\
rm -f {STATE_DIRECTORY}/filler
cp -a {STATE_DIRECTORY} /root/state
umount {STATE_DIRECTORY}
cp -a /root/state/. {STATE_DIRECTORY}
rm -r /root/state
"""


@pytest.fixture(scope="module")
def machine():
    with scheduled_machine("faults") as booted:
        booted.restrict("proscribe_watch: 1d")  # its timer does not come in between
        booted.proscribe("enforce")
        until(lambda: booted.run("systemctl", "is-active", watch_units.SERVICE_UNIT, check=False).strip() == "inactive")
        yield booted


@pytest.fixture(autouse=True)
def in_line(machine):
    """Each test begins with a host in line that has observed so, and no journal that the host would miss."""
    assert observed(machine) == (0, "")
    machine.run("rm", "-rf", journal.JOURNAL, journal.OLDER_JOURNAL)
    machine.write(watch_files.STATE_PATH, json.dumps({**machine.json(watch_files.STATE_PATH), "journal": []}))
    assert machine.json(watch_files.RECORD_PATH)["state"] in ("compliant", "repaired")


def observed(machine):
    """How an own observation ended, and what it said."""
    done = podman("exec", machine.name, watch_files.PROGRAM_PATH, "observe", check=False)
    return done.returncode, done.stdout + done.stderr


def drifted(machine):
    """The rules of the drift that the journal has; of its lines, some may be no text."""
    lines = machine.run("grep", "--text", '^{"at"', journal.JOURNAL, check=False).splitlines()
    events = filter(None, (journal.parse_line(line.encode()) for line in lines))
    return [rule for event in events if event["event"] == "drift" for rule in event["rules"]]


def test_a_full_disk(machine):
    machine.script(SMALL)
    try:
        machine.script(f"cat /dev/zero >{STATE_DIRECTORY}/filler 2>/dev/null || true")
        before = machine.read(watch_files.RECORD_PATH)
        machine.script(POLICY.done)
        code, said = observed(machine)
        assert code == 1 and "No space left on device" in said, said
        assert machine.succeeds("sh", "-c", POLICY.right), "what lies on another disk is corrected"
        assert machine.read(watch_files.RECORD_PATH) == before, "the record is a whole one: the last"
        assert observed(machine)[0] == 1
        machine.script(f"rm {STATE_DIRECTORY}/filler")
        machine.script(POLICY.done)
        assert observed(machine) == (0, "") and machine.succeeds("sh", "-c", POLICY.right)
        assert machine.json(watch_files.RECORD_PATH)["state"] == "repaired"
        assert len(drifted(machine)) == len(set(drifted(machine))) > 0, "once: the disk had no room for the other"
        assert machine.run("find", STATE_DIRECTORY, "-name", ".*proscribe~") == ""
    finally:
        machine.script(LARGE)


def test_a_read_only_root(machine):
    places = ("/etc", STATE_DIRECTORY)
    machine.script(f"rm {GATE}; {POLICY.done}")
    machine.script("".join(f"mount --bind {place} {place}; mount -o remount,bind,ro {place}\n" for place in places))
    try:
        before, last = machine.read(watch_files.RECORD_PATH), machine.json(watch_files.STATE_PATH)["last"]
        for _ in range(2):
            code, said = observed(machine)
            assert code == 1 and "Read-only file system" in said, said
        assert machine.read(watch_files.RECORD_PATH) == before and not machine.succeeds("sh", "-c", POLICY.right)
        machine.proscribe("audit")
        record = machine.record()
        assert record["state"] == "noncompliant"
        assert record["watch"]["last"] == last, "what was seen since is not on the disk"
    finally:
        machine.script("".join(f"umount {place}\n" for place in places))
    assert observed(machine) == (0, "") and machine.succeeds("sh", "-c", f"{POLICY.right} && test -s {GATE}")
    machine.proscribe("audit")
    incidents = machine.record()["watch"]["incidents"]
    assert {rule for incident in incidents for rule in incident["rules"]} >= {"apps/reinstall-gate"}
    assert all((incident["times"], incident["corrected"]) == (1, 1) for incident in incidents), incidents
