"""A host on which starts of programs are noticed: code, plan, settings and unit are put there by hand."""

import functools
import json
import subprocess
import time
from typing import NamedTuple

import pytest
from made_plans import make_plan
from made_starts import RCLONE
from patience import until
from proscribe.host.audit_program import format_program
from proscribe.host.watch import heartbeat, watch_units
from proscribe.host.watch.program_text import WATCH_TEXT
from proscribe.host.watch.starts import daemon_report
from proscribe.host.watch.state import watch_files
from proscribe.host.watch.state.journal import JOURNAL
from proscribe.model import plan as plans
from proscribe.wire.stream import pack_watch_code

UNIT = watch_units.LAUNCHES_UNIT.partition(".")[0]
# A real restricted program at a path of root's, a portable one in a home with its app around it, and innocent ones.
SETUP = """\
set -eu
id -u frida >/dev/null 2>&1 || useradd --create-home --shell /bin/bash --uid 2001 frida
id -u dieter >/dev/null 2>&1 || useradd --create-home --shell /bin/bash --uid 2002 dieter
mkdir -p /opt/viber /home/frida/viber /home/frida/bin /srv/tools
for place in /opt/viber /home/frida/viber /home/frida/bin /srv/tools; do cp /usr/bin/sleep $place/Viber; done
cp /usr/bin/sleep /home/frida/bin/other
printf '\\220\\0\\332\\047\\024\\0\\0\\0\\0\\0\\002\\0CmnD\\n' >/home/frida/viber/icudtl.dat
chown -R frida:frida /home/frida
"""
# Starts a program again and again as a user, and prints how each ended and after how many seconds.
STARTS = """\
import json, os, subprocess, sys, time
exe, uid, number, patience = sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), float(sys.argv[4])
found = []
for _ in range(number):
    began = time.monotonic()
    process = subprocess.Popen([exe, "600"], user=uid, group=uid, extra_groups=[], cwd="/")
    try:
        code = process.wait(patience)
    except subprocess.TimeoutExpired:
        code = None
        process.kill()
        process.wait()
    found.append([code, time.monotonic() - began])
print(json.dumps(found))
"""
# Starts a program so many times a second for some seconds, and prints how many starts there were.
BURST = """\
import os, resource, signal, sys, time
exe, rate, seconds, uid, wait = sys.argv[1], int(sys.argv[2]), float(sys.argv[3]), int(sys.argv[4]), sys.argv[5]
resource.setrlimit(resource.RLIMIT_NPROC, (300, 300))
os.setgroups([]); os.setgid(uid); os.setuid(uid)
signal.signal(signal.SIGCHLD, signal.SIG_IGN)
began, number = time.monotonic(), 0
while (now := time.monotonic()) < began + seconds:
    if number < (now - began) * rate:
        try:
            os.posix_spawn(exe, [exe, wait], {})
            number += 1
        except OSError:
            time.sleep(0.001)
    else:
        time.sleep(0.001)
print(number, time.process_time())
"""


@functools.cache
def _code():
    """The watch's code, one for all of a test, whoever edits it meanwhile."""
    return pack_watch_code()


def plan(exceptions=(), mode="enforce"):
    """A plan that restricts one app, at a path and by its name."""
    viber = {"name": "Viber", "mode": mode, "processes": ["Viber"], "paths": ["/opt/viber", "~/viber"]}
    viber |= {"exceptions": [dict(exception) for exception in exceptions]} if exceptions else {}
    settings = {"user_notice": "Viber is not permitted here; ask the IT service desk.", "grace": 5}
    settings |= {"quarantine_keep": 0, "exec_control": "off", "full_scan_every": 7}
    return make_plan("apps", {"viber": viber, "rclone": {"mode": mode, **RCLONE}}, settings=settings)


def install(host, made):
    """Have the daemon run on a host, by a plan. The timer is not there: nothing else ends a program."""
    host.run("sh", "-c", SETUP)
    host.run("mkdir", "-p", "-m", "700", watch_files.PLANS_DIRECTORY, "/usr/libexec/proscribe")
    _write(host, watch_files.PROGRAM_PATH, f"#!/usr/bin/python3{format_program(WATCH_TEXT)}", "700")
    argv = ["podman", "exec", "--interactive", host.name, "sh", "-c", f"umask 077; cat >{watch_files.CODE_PATH}"]
    subprocess.run(argv, input=_code(), capture_output=True, check=True)
    _write(host, daemon_report.HEARTBEAT_PATH, heartbeat.HEARTBEAT_TEXT, "700")
    _write(
        host,
        f"/etc/systemd/system/{watch_units.LAUNCHES_UNIT}",
        watch_units.make_unit_texts(86400)[watch_units.LAUNCHES_UNIT],
        "644",
    )
    write_plan(host, made)
    host.run("systemctl", "daemon-reload")
    host.run("systemctl", "restart", watch_units.LAUNCHES_UNIT)
    journal = ("journalctl", "--no-pager", "--lines", "30", "--unit", UNIT)
    until(lambda: is_ready(host) or _refused(host), on_timeout=lambda: status(host) + host.run(*journal, check=False))
    if why := _refused(host):
        pytest.skip(f"this kernel reports no starts of programs in a container: {why}")  # nothing to install


def write_plan(host, made):
    """Put a plan in effect; the settings come last."""
    text = plans.format_canonical(made)
    path = watch_files.make_plan_path(made["digest"])
    hashes = {path: watch_files.hash_content(text.encode()), watch_files.CODE_PATH: watch_files.hash_content(_code())}
    settings = watch_files.WatchSettings("release", 86400, 1209600, made["digest"], (), hashes)
    _write(host, path, text, "600")
    _write(host, watch_files.SETTINGS_PATH, watch_files.format_settings(settings), "600")


def _write(host, path, text, mode):
    host.run("sh", "-c", f"umask 077; cat >{path}.new && chmod {mode} {path}.new && mv {path}.new {path}", stdin=text)


def is_ready(host):
    """Whether the daemon that runs now knows what is restricted."""
    said = _reported(host)
    return said.get("pid") == str(daemon(host)) and bool(said.get("read"))


def _reported(host):
    return daemon_report.parse_report(host.run("cat", daemon_report.REPORT_PATH, check=False))


def _refused(host):
    """Why the daemon sees no starts; "" where it does, and where it does not run yet."""
    said = _reported(host)
    return "" if said.get("by") else said.get("refused", "")


def status(host):
    return host.run(watch_files.PROGRAM_PATH, "status", check=False)


def pids(host):
    listed = host.run("cat", f"/sys/fs/cgroup/system.slice/{UNIT}.service/cgroup.procs", check=False)
    if not listed:
        own = host.run("systemctl", "show", "-P", "MainPID", UNIT).strip()
        children = host.run("cat", f"/proc/{own}/task/{own}/children", check=False)
        return [int(own), *map(int, children.split())]
    return [int(pid) for pid in listed.split()]


def daemon(host):
    return int(host.run("systemctl", "show", "-P", "MainPID", UNIT).strip())


def processor_time(host):
    """Seconds that the daemon has used, with all that it has started and that has ended, and the verifier that runs."""
    stats = [host.run("cat", f"/proc/{pid}/stat", check=False).rpartition(")")[2].split() for pid in pids(host)]
    return sum(int(field) for fields in stats for field in fields[11:15]) / 100


def memory(host, pid):
    """Kilobytes that a process has resident."""
    lines = host.run("cat", f"/proc/{pid}/status").splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmRSS:"))


def starts(host, exe, uid, number, patience=5.0):
    """Start a program so many times: how each ended (None: not within `patience` seconds), and after how long."""
    said = host.run("python3", "-IS", "-c", STARTS, exe, str(uid), str(number), str(patience))
    return [(code, seconds) for code, seconds in json.loads(said)]


class Burst(NamedTuple):
    number: int
    share: float  # of a processor that the daemon used
    ratio: float  # of its processor time and that of who only starts them, whatever the machine


def burst(host, exe, rate, seconds, uid, wait="0"):
    """So many starts a second of a program that stays for `wait` seconds, as far as its user may have processes."""
    before, began = processor_time(host), time.monotonic()
    said = host.run("python3", "-IS", "-c", BURST, exe, str(rate), str(seconds), str(uid), wait).split()
    used = processor_time(host) - before
    return Burst(int(said[0]), used / (time.monotonic() - began), used / float(said[1]))


def ended(host):
    lines = host.run("cat", JOURNAL, check=False).splitlines()
    return [line for line in map(json.loads, lines) if line["event"] == "ended"]
