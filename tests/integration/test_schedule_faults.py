"""What goes wrong with hosts and with the controller."""

from typing import NamedTuple

import pytest
from patience import until
from scheduled_fleet import REPORTS, SERVICE, scheduled_fleet
from scheduled_machine import mail_text

pytestmark = pytest.mark.whole_hosts

RESTRICTIONS = """\
proscribe_categories: []
proscribe_services_include: [wechat, telegram]
proscribe_controls: {apps: enforce, dns: enforce, browser: 'off', firewall: 'off'}
proscribe_batches: [100]
proscribe_max_change: unlimited
proscribe_max_failures: 100%
proscribe_schedule_spread: "0"
proscribe_notify: {mail: it@example.org}
"""

# A Python as it is for what checks its version: its own grammar is older, and it says so.
TOO_OLD = """\
#!/usr/bin/python3
import sys
if "-c" in sys.argv:
    sys.exit("SyntaxError: future feature annotations is not defined")
sys.version_info = type("V", (tuple,), {"major": 3, "minor": 6, "micro": 15})((3, 6, 15, "final", 0))
sys.version = "3.6.15"
sys.argv.pop(0)
with open(sys.argv[0]) as module:
    exec(compile(module.read(), sys.argv[0], "exec"), {"__name__": "__main__", "__file__": sys.argv[0]})
"""
LATE = """\
#!/bin/sh
exec faketime -f -10d /usr/bin/python3 "$@"
"""
CUT = """\
#!/bin/sh
/usr/bin/python3 "$@" | head -c 400
"""
FULL = """\
mount -t tmpfs -o size=8m full /mnt
cp -a /etc/. /mnt
head -c 9m /dev/zero >/mnt/.full 2>/dev/null || :
mount --bind /mnt /etc
"""
LOCK_HOLDER = """\
systemd-run --quiet --collect --unit=holds-the-lock python3 -c '
import fcntl, time
locks = [open(f"/var/lib/dpkg/{name}", "w") for name in ("lock-frontend", "lock")]
for lock in locks:
    fcntl.lockf(lock, fcntl.LOCK_EX)
time.sleep(3600)'
"""


class Fault(NamedTuple):
    """What is wrong with a host, how that ends, and what a run says of it."""

    begins: str
    ends: str
    state: str
    says: str


FAULTS = {
    "fine": Fault(":", ":", "repaired", ""),
    "silent": Fault("systemctl stop ssh", "systemctl start ssh", "unknown", "unreachable: "),
    "sudo": Fault("mv /etc/sudoers.d/admin /root/", "mv /root/admin /etc/sudoers.d/", "unknown", "sudo"),
    "full": Fault(FULL, "umount /etc; umount /mnt", "error", "No space left on device"),
    "readonly": Fault("mount -o remount,bind,ro /", "mount -o remount,bind,rw /", "error", "Read-only file system"),
    "locked": Fault(LOCK_HOLDER, "systemctl stop holds-the-lock", "error", "lock"),
    "nopython": Fault("mv /usr/bin/python3.13 /root/", "mv /root/python3.13 /usr/bin/", "unknown", "python"),
    "oldpython": Fault(":", ":", "unknown", "3.6"),
    "late": Fault(":", ":", "unknown", "or its clock is wrong"),
    "broken": Fault("echo x >/var/lib/dpkg/updates/0000", "rm /var/lib/dpkg/updates/0000", "error", "dpkg"),
    "cut": Fault(":", ":", "unknown", ""),
}
PYTHONS = {"oldpython": TOO_OLD, "late": LATE, "cut": CUT}


@pytest.fixture(scope="module")
def fleet():
    with scheduled_fleet("faults", list(FAULTS)) as booted:
        keys = "install -o admin /root/.ssh/authorized_keys /home/admin/.ssh/"
        booted.hosts["sudo"].script(f"install -d -o admin -m 700 /home/admin/.ssh; {keys}")
        booted.say("sudo", ansible_user="admin")
        booted.controller.proscribe("schedule")
        yield booted


@pytest.fixture(scope="module")
def faulty(fleet):
    """The records of a run in which something is wrong with every host but one."""
    for host, fault in FAULTS.items():
        fleet.hosts[host].script("dpkg -i /root/wechat.deb")
        fleet.hosts[host].script(fault.begins)
        if host in PYTHONS:
            fleet.hosts[host].write("/usr/local/bin/other", PYTHONS[host], "0755")
            fleet.say(host, ansible_python_interpreter="/usr/local/bin/other")
    fleet.controller.start(SERVICE)
    return fleet.records()


@pytest.fixture(scope="module")
def healed(fleet, faulty):
    """The records of the next run, with nothing wrong any more."""
    for host, fault in FAULTS.items():
        fleet.hosts[host].script(fault.ends)
        fleet.say(host, ansible_python_interpreter=None)
    assert fleet.controller.start(SERVICE), fleet.controller.log(SERVICE)
    return fleet.records()


def message(record):
    return "; ".join([record["reason"] or "", *(error["message"] for error in record["errors"])])


@pytest.mark.parametrize("host", FAULTS)
def test_a_fault_has_a_state_and_a_message_and_costs_no_other_host_its_turn(faulty, host):
    record = faulty[host]
    assert record["state"] == FAULTS[host].state, message(record)
    assert FAULTS[host].says in message(record) and "Traceback" not in message(record)


def test_every_fault_is_reported_once(fleet, faulty):
    assert set(faulty) == set(FAULTS)
    mail = fleet.controller.read("/srv/mails")
    assert mail.count("Subject: ") == 1
    for host in FAULTS:
        assert f"\n{host}" in mail


@pytest.mark.parametrize("host", FAULTS)
def test_the_next_run_heals(fleet, healed, host):
    assert healed[host]["state"] in ("repaired", "compliant"), message(healed[host])
    assert healed[host]["errors"] == [] and not fleet.hosts[host].there("/opt/wechat")


def test_a_controller_that_is_killed_leaves_what_the_next_run_goes_on_from(fleet, healed):
    controller, before = fleet.controller, fleet.latest()
    fleet.hosts["fine"].script("rm -f /etc/dpkg/dpkg.cfg.d/proscribe; dpkg -i /root/wechat.deb")
    controller.run("systemctl", "start", "--no-block", SERVICE)
    until(lambda: ".partial" in controller.run("ls", REPORTS))
    controller.run("systemctl", "kill", "--signal=KILL", "--kill-whom=all", SERVICE)
    until(lambda: controller.succeeds("systemctl", "is-failed", SERVICE))
    until(lambda: "was killed by signal 9" in mail_text(controller))
    assert fleet.latest() == before
    assert controller.run("find", "/run/proscribe-drift", check=False).startswith("find: ")
    assert controller.start(SERVICE), controller.log(SERVICE)
    assert fleet.records()["fine"]["state"] == "repaired"
