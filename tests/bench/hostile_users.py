"""An hour of a fleet with hostile users on one of its hosts: who else is corrected, how soon, and who is named.

    python tests/bench/hostile_users.py [--minutes 60] [--hosts 10] [--seed 1] [--nice 5] [--log hostile_users.jsonl]

As root, with podman and runc. A controller runs every ten minutes, and each host has its watch at one minute. One host
has a hostile user of each kind. The other hosts, and two other users of that host, are tampered with all the time.
Each tampering has to be corrected within `WITHIN` seconds.

In the first third of the time idle connections of one user fill the places of that host's sshd, and a report has to
name this cause. Then an operator ends them, and limits such connections. From the next run on, each report has to name
each hostile user. Exit code 1: something was not as it should be. The same seed makes the same choices.
"""

import base64
import json
import random
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import NamedTuple

from common import make_parser  # isort: split

import made_apps
from scheduled_fleet import SERVICE, scheduled_fleet
from scheduled_machine import CHECKOUT
from tampering import TEN

RESTRICTIONS = """\
proscribe_categories: []
proscribe_services_include: [wechat, discord, telegram, whatsapp, viber, generic_sync_clients]
proscribe_schedule_spread: "0"
proscribe_schedule_options: [--timeout, "60"]
proscribe_watch: 1m
"""
# The answer of an operator who has read why the hostile host cannot be reached.
LIMIT = "proscribe_firewall_local_ssh: 8\n"
KNOCKER = "knocker"
WELL = ("compliant", "repaired")
EVERY = 600  # seconds between two runs
FIRST_RUN = 90  # seconds until the first one
WITHIN = 240  # seconds for a correction: the watch's minute, its observation, and the load of this machine
ROUND = 20  # seconds between two checks of what waits

# Makes `$1` packages of uv below a home. Each Python version is a copy of its own.
PACKAGES = """\
import os, sys
names = ("telethon", "pyrogram", "kurigram", "hydrogram", "telegram-send", "telegram-upload", "pytdbot", "tg")
wanted = int(sys.argv[1])
for number in range(wanted):
    name = names[number % len(names)]
    place = os.path.expanduser(
        f"~/.local/share/uv/tools/{name}/lib/python3.{number // len(names)}/site-packages/{name}-1.0.dist-info"
    )
    os.makedirs(place, exist_ok=True)
    with open(f"{place}/METADATA", "w") as stream:
        stream.write(f"Metadata-Version: 2.1\\nName: {name}\\nVersion: 1.0\\n")
"""
UV_FROM_FILE = "mkdir -p ~/.local/bin; cat >~/.local/bin/uv; chmod +x ~/.local/bin/uv"
STAYS = """\
#!/usr/bin/python3
import os, sys
if "--version" not in sys.argv and not os.fork():
    os.setsid()
    if not os.fork():
        os.execv("/bin/sleep", ["stays-behind", "36000"])
    os._exit(0)
"""
SLEEPS = "#!/bin/sh\ncase $1 in --version) exit 0;; esac\nexec sleep 3600\n"
LIES = "#!/bin/sh\nexit 0\n"
REMOVES = '#!/bin/sh\ncase $1 in --version) exit 0;; esac\nrm -rf "$UV_TOOL_DIR/$3"\n'
# Holds 100 connections that never say anything, and takes each that ends anew.
KNOCKS = """\
import contextlib, socket, time
def is_open(connection):
    try:
        return connection.recv(4096) != b""
    except BlockingIOError:
        return True
    except OSError:
        return False
held = []
while True:
    with contextlib.suppress(OSError):
        while len(held) < 100:
            held.append(socket.create_connection(("127.0.0.1", 22), timeout=5))
            held[-1].setblocking(False)
    held = [connection for connection in held if is_open(connection)]
    time.sleep(1)
"""
# Starts a program with the marks of a restricted app in three ways that show no path of it.
STARTS = """\
import ctypes, os, shutil, time
home = os.path.expanduser("~")
source = f"{home}/source"
for way in ("deleted", "loader", "memfd"):
    if os.fork():
        continue
    os.setsid()
    if way == "deleted":
        copy = f"{home}/copy-{os.getpid()}"
        shutil.copy(source, copy)
        held = os.open(copy, os.O_RDONLY)
        os.unlink(copy)
        os.execv(f"/proc/self/fd/{held}", ["editor", "600"])
    if way == "loader":
        os.execv("/lib64/ld-linux-x86-64.so.2", ["ld", source, "600"])
    held = os.memfd_create("editor", 0)
    with open(source, "rb") as stream:
        os.write(held, stream.read())
    os.execv(f"/proc/self/fd/{held}", ["editor", "600"])
"""


def make_marked_program():
    """Return a program that sleeps and has the mark of rclone's maker. objcopy adds it to this machine's own."""
    with tempfile.TemporaryDirectory() as place:
        mark, program = Path(place) / "mark", Path(place) / "program"
        mark.write_bytes(made_apps.build_info("github.com/rclone/rclone"))
        section = ("--add-section", f".go.buildinfo={mark}", "--set-section-flags", ".go.buildinfo=readonly,data")
        subprocess.run(["objcopy", *section, "/bin/sleep", str(program)], check=True)
        return program.read_bytes()


class Kind(NamedTuple):
    """A hostile user: an own program in the place of uv, and what the user runs at first and every minute."""

    uv: str = ""
    first: str = ""
    every_minute: str = ""
    stays: bool = False  # `every_minute` runs on


KINDS = {
    "stayer": Kind(uv=STAYS, every_minute=f"python3 - 3 <<'END'\n{PACKAGES}END\n"),
    "sleeper": Kind(uv=SLEEPS, every_minute=f"python3 - 20 <<'END'\n{PACKAGES}END\n"),
    "hoarder": Kind(uv=LIES, every_minute=f"python3 - 26 <<'END'\n{PACKAGES}END\n"),
    "flooder": Kind(uv=LIES, first=f"python3 - 1100 <<'END'\n{PACKAGES}END\n"),
    "runner": Kind(first="cp /marked ~/source", every_minute=f"python3 - <<'END' >/dev/null 2>&1\n{STARTS}END\n"),
    KNOCKER: Kind(first=f"cat >~/knocks.py <<'END'\n{KNOCKS}END\n", every_minute="python3 ~/knocks.py", stays=True),
}
HONEST = ("carol", "dave")
VIBER = r"""
mkdir -p ~/viber; cp /bin/sleep ~/viber/Viber
printf '\220\0\332\047\024\0\0\0\0\0\002\0CmnD\n' >~/viber/icudtl.dat
"""
TELETHON = f"python3 - 1 <<'END'\n{PACKAGES}END\n"


class Tampered(NamedTuple):
    """A tampering that waits for its correction. `right` is a script that ends well when it is corrected."""

    host: str
    how: str
    right: str
    since: float


class Hour:
    """The fleet, what waits for correction, and what did not hold so far."""

    def __init__(self, fleet, hostile, seed, log):
        self.fleet, self.hostile, self.log = fleet, hostile, log
        self.random = random.Random(seed)
        self.waiting = []
        self.seconds = []
        self.problems = []
        self.began = time.monotonic()

    def note_problem(self, text):
        self.problems.append(text)
        print(f"minute {(time.monotonic() - self.began) / 60:.0f}: NOT AS IT SHOULD BE: {text}", flush=True)

    def write(self, **line):
        self.log.write(json.dumps({"minute": round((time.monotonic() - self.began) / 60, 1), **line}) + "\n")
        self.log.flush()

    def run_as(self, user, script, stdin=None):
        """Run a script on the hostile host as a user, in the user's home."""
        words = ("setpriv", f"--reuid={user}", f"--regid={user}", "--clear-groups", "--reset-env")
        script = f"cd; {script}"
        return self.fleet.hosts[self.hostile].run(*words, "sh", "-euc", script, stdin=stdin, check=stdin is not None)

    def add_users(self):
        """Make the accounts, with the tools and packages that they begin with."""
        host = self.fleet.hosts[self.hostile]
        for user in (*KINDS, *HONEST):
            host.run("useradd", "--create-home", "--shell", "/bin/bash", user)
        program = base64.b64encode(make_marked_program()).decode()
        host.run("sh", "-c", "base64 -d >/marked && chmod 755 /marked", stdin=program)
        for user, kind in KINDS.items():
            if kind.uv:
                self.run_as(user, UV_FROM_FILE, stdin=kind.uv)
            if kind.first:
                self.run_as(user, kind.first)
        for user in HONEST:
            self.run_as(user, UV_FROM_FILE, stdin=REMOVES)

    def attack(self):
        for user, kind in KINDS.items():
            if kind.stays:
                if not self.fleet.hosts[self.hostile].succeeds("pgrep", "-u", user, "-f", "knocks"):
                    self.run_as(user, f"setsid {kind.every_minute} >/dev/null 2>&1 </dev/null &")
            elif kind.every_minute:
                self.run_as(user, kind.every_minute)

    def tamper(self):
        """Tamper with hosts, and as two other users of the hostile host; a place that waits is left alone."""
        busy = {tampered.host for tampered in self.waiting}
        for name, machine in self.fleet.hosts.items():
            if name not in busy and self.random.random() < 0.3:
                how = self.random.choice(sorted(TEN))
                machine.script(f"( {TEN[how].done} ) || :")
                self.wait_for(name, how, TEN[how].right)
        if not any(tampered.how.startswith("a user") for tampered in self.waiting):
            self.run_as("carol", VIBER)
            self.wait_for(self.hostile, "a user brings Viber", "! test -e /home/carol/viber/Viber")
            self.run_as("dave", TELETHON)
            removed = "! test -e /home/dave/.local/share/uv/tools/telethon"
            self.wait_for(self.hostile, "a user installs telethon", removed)

    def wait_for(self, host, how, right):
        self.waiting.append(Tampered(host, how, right, time.monotonic()))

    def check_waiting(self):
        """See which tampering is corrected by now, and which is late."""
        for tampered in list(self.waiting):
            took = time.monotonic() - tampered.since
            corrected = self.fleet.hosts[tampered.host].succeeds("sh", "-c", tampered.right)
            if corrected or took > WITHIN:
                self.waiting.remove(tampered)
                self.write(host=tampered.host, how=tampered.how, seconds=round(took), corrected=corrected)
            if corrected:
                self.seconds.append(took)
            elif took > WITHIN:
                self.note_problem(f"{tampered.host}: {tampered.how}: not corrected after {took:.0f} s")

    def run(self, must_name):
        """Have the controller run, and compare its report. `must_name`: it has all hostile users."""
        latest, began = self.fleet.latest(), time.monotonic()
        self.fleet.controller.start(SERVICE)
        took = time.monotonic() - began
        if self.fleet.latest() == latest:
            self.note_problem(f"a run made no report: {self.fleet.controller.log(SERVICE)[-1500:]}")
            return
        records = self.fleet.records()
        states = {name: record["state"] for name, record in records.items()}
        self.write(run=self.fleet.latest(), seconds=round(took), states=states)
        for name in self.fleet.hosts:
            if name != self.hostile and states.get(name) not in WELL:
                self.note_problem(f"{name} is {states.get(name)}: {records.get(name, {}).get('errors')}")
        text = json.dumps(records.get(self.hostile, {}))
        unnamed = [user for user in KINDS if user not in text]
        self.write(named=[user for user in KINDS if user in text])
        if must_name and unnamed:
            self.note_problem(f"the report names no {', '.join(unnamed)}")
        if not must_name and "MaxStartups" not in text:
            self.note_problem(f"the report does not name the cause: {text[:500]}")
        if states.get(self.hostile) in WELL:
            self.note_problem(f"{self.hostile} is {states.get(self.hostile)}")

    def limit_connections(self):
        """Do what an operator does at the hostile host: end the idle connections, and limit them from now on."""
        self.fleet.hosts[self.hostile].run("pkill", "-KILL", "-u", KNOCKER, check=False)
        self.fleet.controller.write(f"{CHECKOUT}/fleet/group_vars/all.yml", RESTRICTIONS + LIMIT)

    def see_what_stays(self):
        """See that no program of a user runs that root has started."""
        left = self.fleet.hosts[self.hostile].run("pgrep", "-fa", "^stays-behind", check=False).strip()
        if left:
            self.note_problem(f"a tool left this running: {left}")


def spend_hour(hour, minutes):
    """Attack, tamper and check every round, and run every ten minutes, for some minutes."""
    end = hour.began + minutes * 60
    until_limited = hour.began + minutes * 20
    next_attack, next_run = hour.began, hour.began + FIRST_RUN
    is_limited = False
    while (now := time.monotonic()) < end:
        if not is_limited and now >= until_limited:
            is_limited = True
            hour.limit_connections()
            hour.run(must_name=True)
            next_run = now + EVERY
        if now >= next_attack:
            hour.attack()
            if now < end - WITHIN:
                hour.tamper()
            next_attack = now + 60
        if now >= next_run:
            hour.run(must_name=is_limited)
            next_run = now + EVERY
        hour.check_waiting()
        hour.see_what_stays()
        time.sleep(ROUND)
    hour.run(must_name=True)


def main():
    files = {"log": Path("hostile_users.jsonl")}
    arguments = make_parser(__doc__, minutes=60.0, hosts=10, seed=1, nice=5, **files).parse_args()
    hosts = [f"web{number:02}" for number in range(1, arguments.hosts + 1)]
    with arguments.log.open("w") as log, scheduled_fleet("hostile", hosts, RESTRICTIONS) as fleet:
        fleet.schedule(arguments.nice)
        assert fleet.controller.start(SERVICE), fleet.controller.log(SERVICE)
        hour = Hour(fleet, hosts[0], arguments.seed, log)
        hour.add_users()
        spend_hour(hour, arguments.minutes)
    times = sorted(hour.seconds)
    if times:
        print(f"{len(times)} corrections: median {statistics.median(times):.0f} s, longest {times[-1]:.0f} s")
    print(f"{arguments.minutes:g} minutes: {len(hour.problems)} things not as they should be")
    return 1 if hour.problems else 0


if __name__ == "__main__":
    sys.exit(main())
