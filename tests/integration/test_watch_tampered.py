"""What is done to the watcher of a real host, without a controller."""

import json
from typing import NamedTuple

import pytest
from machines import booted
from patience import BUSY, until
from proscribe.host.watch import watch_units
from proscribe.host.watch.starts.daemon_report import HEARTBEAT_PATH
from proscribe.host.watch.state import watch_files
from tampering import CHROMIUM
from watched_host import EVERY, audit, enforce, events, observed, plan

pytestmark = [pytest.mark.whole_hosts, pytest.mark.steps]

WATCHER = "watch/watcher"
NO_TASKS = f"systemctl set-property --runtime {watch_units.LAUNCHES_UNIT} TasksMax=1"
MAIN = f"$(systemctl show -P MainPID {watch_units.LAUNCHES_UNIT})"
# Empties the fanotify group of the daemon, whose process goes on.
FLUSH = f"""\
python3 - {MAIN} <<'END'
import ctypes, os, sys
pid = int(sys.argv[1])
group = next(int(n) for n in os.listdir(f"/proc/{{pid}}/fd") if "fanotify" in os.readlink(f"/proc/{{pid}}/fd/{{n}}"))
libc = ctypes.CDLL(None, use_errno=True)
ours = libc.syscall(438, os.pidfd_open(pid), group, 0)  # pidfd_getfd(2)
assert libc.fanotify_mark(ours, 0x80 | 0x100, ctypes.c_uint64(0), -100, None) == 0
END
"""
SLEEPS = "[Service]\\nExecStart=\\nExecStart=/bin/sleep infinity\\n"
DOES_NOTHING = SLEEPS.replace("sleep infinity", "true")
RESTART = f"systemctl restart {watch_units.LAUNCHES_UNIT}"
WAIVED = {"mode": "waived", "waiver": "w1", "otherwise": "enforce"}


def replaced(unit, text):
    """A part that somebody puts beside a unit, in effect."""
    place = f"/run/systemd/system/{unit}.d"
    return f"mkdir -p {place}; printf '%b' '{text}' >{place}/x.conf; systemctl daemon-reload;"


class Done(NamedTuple):
    """What is done to the watcher, and what names it: the rule, and a part of its evidence."""

    script: str
    rule: str
    named: str


# An observation corrects these; tampering.toml has more.
DONE = {
    "the daemon is disabled": Done(f"systemctl disable --now {watch_units.LAUNCHES_UNIT}", WATCHER, "not enabled"),
    "the daemon is masked": Done(
        f"systemctl mask --runtime --now {watch_units.LAUNCHES_UNIT}", WATCHER, "overridden by /run/"
    ),
    "our daemons are another program": Done(replaced("proscribe-.service", SLEEPS) + RESTART, WATCHER, "overridden"),
    "the daemon may start no verifier": Done(NO_TASKS, WATCHER, "/run/systemd/system.control"),
    "the daemon listens to nothing": Done(FLUSH, "watch/launches", "does not notice a start"),
    "the heartbeat is another program": Done(f"cp /bin/true {HEARTBEAT_PATH}", WATCHER, HEARTBEAT_PATH),
    "nobody finds the program": Done(f"rm {watch_files.COMMAND_PATH}", WATCHER, watch_files.COMMAND_PATH),
}
# No observation comes any more: the daemon misses it.
MISSED = {
    "the timer is stopped": Done(f"systemctl stop {watch_units.TIMER_UNIT}", WATCHER, "does not run"),
    "the observation is another program": Done(replaced(watch_units.SERVICE_UNIT, DOES_NOTHING), WATCHER, "overridden"),
}


@pytest.fixture(scope="module")
def host():
    with booted("tampered", root="trixie-host") as (machine,):
        enforce(machine, plan())
        yield machine


def notices(host):
    return "starts of programs are noticed by" in host.run(watch_files.PROGRAM_PATH, "status")


def test_a_host_that_was_enforced_notices_starts_at_once(host):
    assert notices(host), "the run waited for that"
    assert observed(host)["state"] == "compliant"
    assert enforce(host, plan()) == {"apps": False, "browser": False, "watch": False}


@pytest.mark.parametrize("how", DONE)
def test_a_watcher_that_does_not_work_is_named_restored_and_counted(host, how):
    done = DONE[how]
    old = events(host)
    host.run("sh", "-euc", done.script)
    record = observed(host)
    lines = events(host)[len(old) :]  # also of the timer's own observation, which may have come first
    causes = [line["cause"] for line in lines if line["event"] == "drift" and line["rules"] == [done.rule]]
    assert any(done.named in cause for cause in causes), (record["rules"], lines)
    until(lambda: any(done.rule in line["rules"] for line in events(host, "corrected") if line not in old))
    assert notices(host) and observed(host)["state"] == "compliant"


@pytest.mark.parametrize("how", MISSED)
def test_a_daemon_that_misses_the_observation_has_it_come_again(host, how):
    done = MISSED[how]
    observed(host)  # the daemon waits for the next one
    before = len(events(host))
    host.run("sh", "-euc", done.script)
    until(lambda: any(line["event"] == "corrected" for line in events(host)[before:]), 2 * EVERY + BUSY)
    drift = next(line for line in events(host)[before:] if line["event"] == "drift")
    assert drift["rules"] == [done.rule] and done.named in drift["cause"]
    last = json.loads(host.run("cat", watch_files.RECORD_PATH))["checked_at"]
    until(lambda: json.loads(host.run("cat", watch_files.RECORD_PATH))["checked_at"] > last, 2 * EVERY + BUSY)


def test_an_audit_says_that_a_daemon_is_deaf_although_systemd_calls_it_active(host):
    host.run("systemctl", "stop", watch_units.TIMER_UNIT)
    host.run("sh", "-euc", f"kill -STOP {MAIN}")
    assert host.run("systemctl", "is-active", watch_units.LAUNCHES_UNIT) == "active\n"
    state = ("systemctl", "show", "--property=ActiveState", "--value", watch_units.SERVICE_UNIT)
    until(lambda: host.run(*state) in ("inactive\n", "failed\n"))  # what it corrects meanwhile is in no answer
    answer = audit(host, plan())
    states = {rule["rule"]: rule["state"] for rule in answer["record"]["rules"]}
    assert (states["watch/launches"], states["watch/watcher"]) == ("noncompliant", "noncompliant")
    assert "watch" in answer["drifted"]
    incidents = answer["record"]["watch"]["incidents"]
    assert {incident["control"] for incident in incidents} <= {"watch"}
    noted = sum(len(line["rules"]) for line in events(host, "corrected"))
    assert sum(incident["corrected"] for incident in incidents) == noted
    assert enforce(host, plan()) == {"apps": False, "browser": False, "watch": True}
    assert audit(host, plan())["record"]["state"] == "compliant"


def no_observation_but_ours(host):
    """The timer starts none any more, and the one that it has started has ended."""
    host.run("systemctl", "stop", watch_units.TIMER_UNIT)
    until(lambda: host.run("systemctl", "is-active", watch_units.SERVICE_UNIT, check=False) != "activating\n")


@pytest.mark.parametrize("controls", [(), ("browser",)], ids=["of all controls", "of one control"])
def test_a_run_that_brings_a_waiver_is_not_undone_by_the_watch(host, controls):
    no_observation_but_ours(host)
    enforce(host, plan())
    no_observation_but_ours(host)
    observed(host)
    noted = len(events(host))
    assert "wechat.com" in host.run("cat", CHROMIUM)
    enforce(host, plan(wechat=WAIVED), controls, between=[watch_files.PROGRAM_PATH, "observe"])
    opened = [host.run("cat", CHROMIUM)]
    for _ in range(2):
        observed(host)
        opened.append(host.run("cat", CHROMIUM))
    assert ["wechat.com" in text for text in opened] == [False] * 3
    lines = [line for line in events(host, "drift", "corrected") if line in events(host)[noted:]]
    assert [line for line in lines if not line["rules"][0].startswith("watch/")] == []
