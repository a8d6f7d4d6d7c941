"""A soak of scheduled runs: a controller and hosts that are machines of their own, tampered with and hit by faults.

    python tests/bench/soak.py [--runs 200] [--hosts 5] [--seed 1] [--nice 5] [--log soak.jsonl]

As root, with podman and runc. Every run is the real unit, started by systemd on the controller, over SSH. Before each
some hosts are tampered with, and often something is wrong meanwhile: a host that cannot be reached or reboots, a full
disk, a controller that is killed, and so on. After each run what it says is held against what there is; at the end,
after a run with nothing wrong, every host has to be compliant, with nothing left over anywhere, and the history and the
reports have to agree. Exit code 1: something was not as it should be. The same seed makes the same choices.
"""

import json
import random
import re
import sys
import threading
import time
from collections import Counter
from pathlib import Path
from typing import NamedTuple

from common import make_parser  # isort: split

from machines import podman, until
from scheduled_fleet import REPORTS, SERVICE, scheduled_fleet
from tampering import TEN, named

WELL = ("compliant", "repaired")
RESTRICTIONS = """\
proscribe_categories: []
proscribe_services_include: [wechat, discord, telegram, whatsapp]
proscribe_schedule_spread: "0"
proscribe_schedule_options: [--timeout, "60"]
proscribe_notify: {mail: it@example.org}
"""


class Fault(NamedTuple):
    """Something that is wrong with a host during one run. Commands of a shell there."""

    begins: str
    ends: str


HOST_FAULTS = {
    "does not answer": Fault("systemctl stop ssh.service", "systemctl start ssh.service"),
    "its disk is full": Fault(
        "mount -t tmpfs -o size=8m full /mnt; cp -a /etc/. /mnt; head -c 9m /dev/zero >/mnt/.full 2>/dev/null || :;"
        " mount --bind /mnt /etc",
        "umount /etc; umount /mnt",
    ),
    "its root is read-only": Fault("mount -o remount,bind,ro /", "mount -o remount,bind,rw /"),
    "its package lock is held": Fault(
        "systemd-run --quiet --collect --unit=holds-the-lock python3 -c 'import fcntl, time;"
        ' locks = [open(f"/var/lib/dpkg/{name}", "w") for name in ("lock-frontend", "lock")];'
        " [fcntl.lockf(lock, fcntl.LOCK_EX) for lock in locks]; time.sleep(3600)'",
        "systemctl stop holds-the-lock",
    ),
    "dpkg was interrupted": Fault("echo x >/var/lib/dpkg/updates/0000", "rm /var/lib/dpkg/updates/0000"),
    "its Python is gone": Fault("mv /usr/bin/python3.13 /usr/bin/away", "mv /usr/bin/away /usr/bin/python3.13"),
    "sudo refuses": Fault("mv /etc/sudoers.d/admin /root/sudoers", "mv /root/sudoers /etc/sudoers.d/admin"),
}
REBOOTS, KILLED, UNWRITABLE = "reboots meanwhile", "the controller is killed", "reports cannot be written"
READ_ONLY = f"mount --bind {REPORTS} {REPORTS}; mount -o remount,bind,ro {REPORTS}"
FAULTS = {**HOST_FAULTS, UNWRITABLE: Fault(READ_ONLY, f"umount {REPORTS}")}

# What has to be there again at the end, and nothing more. Left out: what systemd makes anew, the folders in which
# Ansible puts a module that it cannot pipe (not what is in them), what was moved into the quarantine, the file of a
# tamperer that was taken for the organisation's own and kept, the firewall's own empty folder for changes that wait,
# and /opt itself, which dpkg takes away with the last package in it.
DIRECTORIES = "/etc /usr/libexec /usr/local /opt /tmp /var/tmp /var/lib/proscribe /run/proscribe /root /home"
LEFT_OUT = ("*/.ansible", "*/.ansible/tmp", "/tmp/systemd-private-*", "/var/tmp/systemd-private-*", "/opt")
LEFT_OUT += ("/var/lib/proscribe/quarantine*", "/var/lib/proscribe/browser/*.original")
LEFT_OUT += ("/run/proscribe", "/run/proscribe/firewall")
NOT_THESE = " ".join(f"! -path '{path}'" for path in LEFT_OUT)
FILES = f"find {DIRECTORIES} {NOT_THESE} 2>/dev/null | sort"
# Processes of the test's own connections, and of sessions that they open.
PASSING = r"\[.*\]$|^ps -eo|sshd-session|sh -eus|agetty|sd-pam|systemd --user"
AT_WORK = "^/usr/bin/python3[.0-9]*$"  # a module of Ansible, as a host sees it
LISTED = "'proscribe*' 'run-*.service' '*.timer'"
UNITS = f"systemctl list-units --all --plain --no-legend {LISTED} | awk '{{print $1, $3, $4}}' | sort"


class Soak:
    """The fleet, and what did not hold so far."""

    def __init__(self, fleet, seed, stream):
        self.fleet, self.stream = fleet, stream
        self.random = random.Random(seed)
        self.problems = []
        self.counts = Counter()
        self.before = {}
        self.tampered = {host: set() for host in fleet.hosts}  # and not seen to be right since

    def log(self, **line):
        self.stream.write(json.dumps(line) + "\n")

    def problem(self, run, text):
        self.problems.append(f"run {run}: {text}")
        print(f"run {run}: NOT AS IT SHOULD BE: {text}", flush=True)

    # -- one run -------------------------------------------------------------------------------------------------------

    def once(self, number, faults=True):
        """Tamper, let something be wrong, run, and hold what the run says against what there is."""
        done = self.tamper() if faults else {}
        fault, host = self.choose() if faults else ("", "")
        hit = self.fleet.controller if fault == UNWRITABLE else self.fleet.hosts.get(host)
        if fault in FAULTS:
            hit.script(FAULTS[fault].begins)
        meanwhile = self.meanwhile(fault, host)
        latest, began = self.fleet.latest(), time.monotonic()
        self.fleet.controller.start(SERVICE)
        took = time.monotonic() - began
        for thread in meanwhile:
            thread.join()
        if fault in FAULTS:
            hit.script(FAULTS[fault].ends)
        elif fault == REBOOTS:
            hit.wait_until_booted()
        elif fault == KILLED:
            # What was under way on a host goes on without the controller, and is no part of the next run.
            for machine in self.fleet.hosts.values():
                until(lambda there=machine: not there.succeeds("pgrep", "-f", AT_WORK), 90)
        reported = self.fleet.latest() != latest
        records = self.fleet.records() if reported else {}
        self.judge(number, records, reported, fault, host)
        self.counts[fault or "nothing wrong"] += 1
        states = {name: record["state"] for name, record in records.items()}
        self.log(run=number, fault=fault, host=host, tampered=done, states=states, seconds=took)

    def tamper(self):
        done = {}
        for host, machine in self.fleet.hosts.items():
            if self.random.random() < 0.4:
                changes = self.random.sample(sorted(TEN), self.random.choice((1, 1, 2, 3)))
                changes = [change for change in TEN if change in changes and change not in self.tampered[host]]
                # Some cannot be done where an earlier one was not corrected; only those that took effect count.
                machine.script("\n".join(f"( {TEN[change].done} ) || :" for change in changes) or ":")
                done[host] = self.left(machine, changes)
                self.tampered[host].update(done[host])
                self.counts.update(done[host])
        return done

    @staticmethod
    def left(machine, changes):
        checks = "\n".join(f"( {TEN[change].right} ) >/dev/null 2>&1 || echo '{change}'" for change in changes)
        return machine.script(checks).splitlines() if changes else []

    def choose(self):
        if self.random.random() < 0.5:
            return "", ""
        fault = self.random.choice([*HOST_FAULTS, REBOOTS, KILLED, KILLED, UNWRITABLE])
        by_sudo = [host for host in self.fleet.hosts if self.fleet.variables[host]["ansible_user"] != "root"]
        return fault, self.random.choice(by_sudo if fault == "sudo refuses" else sorted(self.fleet.hosts))

    def meanwhile(self, fault, host):
        later = self.random.uniform(1, 20)

        def work():
            time.sleep(later)
            if fault == KILLED:
                argv = ("systemctl", "kill", "--signal=KILL", "--kill-whom=all", SERVICE)
                podman("exec", self.fleet.controller.name, *argv, check=False)
            else:
                podman("restart", "--time", "5", self.fleet.hosts[host].name)

        threads = [threading.Thread(target=work)] if fault in (KILLED, REBOOTS) else []
        for thread in threads:
            thread.start()
        return threads

    def judge(self, number, records, reported, fault, hit):
        """Whether the run says what is so, and did what it could."""
        if not reported and fault not in (KILLED, UNWRITABLE):
            self.problem(number, f"produced no report; wrong was: {fault or 'nothing'}")
        if reported and set(records) != set(self.fleet.hosts):
            self.problem(number, f"the report has {sorted(records)}")
        for host, machine in self.fleet.hosts.items():
            changes = sorted(self.tampered[host])
            left = self.left(machine, changes)
            record = records.get(host)
            if record is None:
                self.tampered[host] = set(left)
                continue
            if record["state"] in WELL and left:
                self.problem(number, f"{host} is {record['state']}, and {left} is not right ({fault} {hit})")
            if host != hit and record["state"] not in WELL:
                self.problem(number, f"{host} is {record['state']}, and nothing was wrong there: {record['errors']}")
            silent = [change for change in changes if not named(record, TEN[change])]
            if host != hit and silent:
                self.problem(number, f"{host} was tampered with, and the record does not name {silent} ({fault})")
            self.tampered[host] = set(left)
            self.counts[record["state"]] += 1

    # -- before the first and after the last ---------------------------------------------------------------------------

    def settle(self):
        for _ in range(2):
            assert self.fleet.controller.start(SERVICE), self.fleet.controller.log(SERVICE)
        self.before = {name: self.there(machine) for name, machine in self.machines.items()}

    @property
    def machines(self):
        return {"controller": self.fleet.controller, **self.fleet.hosts}

    def there(self, machine):
        """The files of a machine, and its units and processes, by what they are."""
        processes = machine.run("ps", "-eo", "args", "--no-headers").splitlines()
        lasting = [line for line in processes if not re.search(PASSING, line)]
        units = machine.script(UNITS).splitlines()
        return set(machine.script(FILES).splitlines()), sorted([*lasting, *units])

    def conclude(self, runs):
        """Two runs with nothing wrong; then everything has to be as it was at first."""
        for _ in range(2):
            self.once(runs, faults=False)
        states = {host: record["state"] for host, record in self.fleet.records().items()}
        if set(states.values()) != {"compliant"} or len(states) != len(self.fleet.hosts):
            self.problem(runs, f"at the end: {states}")
        time.sleep(65)  # connections are kept open for a minute
        for name, machine in self.machines.items():
            files, running = self.there(machine)
            for what, found in (("left over", files - self.before[name][0]), ("gone", self.before[name][0] - files)):
                if found:
                    self.problem(runs, f"{name}: {what}: {sorted(found)[:10]}")
            if running != self.before[name][1]:
                changed = set(running) ^ set(self.before[name][1])
                self.problem(runs, f"{name}: units or processes differ: {sorted(changed)[:10]}")
            locks = machine.script("cat /proc/locks | grep -c FLOCK || :")
            self.log(machine=name, files=len(files), locks=locks.strip())
        self.agree(runs)

    def agree(self, runs):
        program = """
import json, os, sqlite3, sys
reports = sys.argv[1]
history = sqlite3.connect(os.path.join(reports, "history.db"))
rows = lambda query: [row[0] for row in history.execute(query)]
names = [name for name in os.listdir(reports) if name[:8].isdigit()]
print(json.dumps({
    "check": rows("PRAGMA integrity_check"),
    "runs": rows("SELECT id FROM proscribe_run"),
    "open": rows("SELECT count(*) FROM proscribe_episode WHERE closed IS NULL")[0],
    "backwards": rows("SELECT count(*) FROM proscribe_episode WHERE closed < opened")[0],
    "complete": [name for name in names if not name.endswith(".partial")],
    "partial": [name[:-8] for name in names if name.endswith(".partial")],
}))
"""
        found = json.loads(self.fleet.controller.run("python3", "-c", program, REPORTS))
        complete, runs_known = set(found["complete"]), set(found["runs"])
        wrong = {
            "the history is damaged": found["check"] != ["ok"],
            "reports that the history does not know": sorted(complete - runs_known),
            "runs without a report": sorted(runs_known - complete - set(found["partial"])),
            "episodes that are still open": found["open"],
            "episodes that end before they begin": found["backwards"],
        }
        for what, there in wrong.items():
            if there:
                self.problem(runs, f"{what}: {there}")
        self.log(complete=len(complete), partial=len(found["partial"]), in_the_history=len(runs_known))


def main():
    files = {"log": Path("soak.jsonl")}
    arguments = make_parser(__doc__, runs=200, hosts=5, seed=1, nice=5, **files).parse_args()
    hosts = [f"web{number:02}" for number in range(1, arguments.hosts + 1)]
    with arguments.log.open("w", buffering=1) as stream, scheduled_fleet("soak", hosts, RESTRICTIONS) as fleet:
        fleet.say(hosts[-1], ansible_user="admin")
        keys = "install -o admin /root/.ssh/authorized_keys /home/admin/.ssh/"
        fleet.hosts[hosts[-1]].script(f"install -d -o admin -m 700 /home/admin/.ssh; {keys}")
        fleet.schedule(arguments.nice)
        soak = Soak(fleet, arguments.seed, stream)
        soak.settle()
        began = time.monotonic()
        for number in range(1, arguments.runs + 1):
            soak.once(number)
            if number % 10 == 0:
                minutes = (time.monotonic() - began) / 60
                print(f"{number} runs, {minutes:.0f} minutes, {len(soak.problems)} problems", flush=True)
        soak.conclude(arguments.runs)
    for what, times in sorted(soak.counts.items()):
        print(f"{times:5}  {what}")
    print(f"{arguments.runs} runs: {len(soak.problems)} things not as they should be")
    return 1 if soak.problems else 0


if __name__ == "__main__":
    sys.exit(main())
