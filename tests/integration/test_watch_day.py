"""A day of a laptop, in a minute. A seed makes the hours; PROSCRIBE_TESTS_SEED repeats a day."""

import json
import os
import random
import time

import pytest
from proscribe.base.timestamps import format_timestamp
from proscribe.host.watch import watch_units
from proscribe.host.watch.state import journal, watch_files
from scheduled_machine import CHECKOUT, HOSTS, RESTRICTIONS, scheduled_machine
from tampering import TEN

pytestmark = pytest.mark.whole_hosts

HOUR, DAY, EVERY = 3600, 86400, 1200
WAIVED_FOR = 10 * HOUR
ASLEEP = (14 * HOUR, 21 * HOUR)
OFFLINE = (4 * HOUR, 8 * HOUR)
SMALL = 0.4  # seconds of the processor that an observation without drift may cost, on a busy machine
# What a package brings back is the waiver's part here.
TAMPERING = {name: one for name, one in TEN.items() if name != "a package is installed"}
WAIVER = """\
id: wechat-for-a-while
services: [wechat]
controls: [apps]
hosts: [web01]
reason: A demonstration
requested_by: somebody
approved_by: somebody.else
approved_on: {begin}
expires: {end}
"""
NET = """\
ip link add wlan0 type veth peer name beyond && ip addr add 192.0.2.5/24 dev wlan0
ip link set beyond up && ip link set wlan0 up && ip route add default via 192.0.2.1
"""
# Plays the moments of the day: before each what has happened, then one observation at its time; prints what came of it.
PLAY = r"""
import json, os, subprocess, sys, time
given = json.load(sys.stdin)
begin, found, held = given["begin"], [], 0.0
for moment in given["moments"]:
    if time.monotonic() - held > 20:  # its own observations, a minute after its start, are not of this day
        held = time.monotonic()
        for verb in ("reset-failed", "restart"):
            subprocess.run(["systemctl", verb, given["timer"]], check=True)
    for script in moment["before"]:
        subprocess.run(["sh", "-euc", script], check=True, stdout=subprocess.DEVNULL)
    seen = os.path.getsize(given["journal"]) if os.path.exists(given["journal"]) else 0
    offset = int(begin + moment["at"] - time.time())
    settings = {"LD_PRELOAD": "/usr/$LIB/faketime/libfaketime.so.1", "FAKETIME": "%+d" % offset, "NO_FAKE_STAT": "1"}
    settings["FAKETIME_DONT_FAKE_MONOTONIC"] = "1"
    started = subprocess.Popen([given["program"], "observe"], env={**os.environ, **settings})
    _, code, used = os.wait4(started.pid, 0)
    events = []
    if os.path.exists(given["journal"]):
        with open(given["journal"]) as stream:
            stream.seek(seen)
            events = [json.loads(line) for line in stream]
    with open(given["record"]) as stream:
        record = json.load(stream)
    right = [subprocess.run(["sh", "-c", one], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL).returncode == 0
             for one in moment["right"]]
    found.append({"code": code, "cpu": used.ru_utime + used.ru_stime, "events": events, "record": record,
                  "right": right})
print(json.dumps(found))
"""


@pytest.fixture(scope="module")
def machine():
    with scheduled_machine("day") as booted:
        booted.write(f"{CHECKOUT}/fleet/hosts.yml", f"{HOSTS}  children: {{press: {{hosts: {{web01: }}}}}}\n")
        booted.write(f"{CHECKOUT}/fleet/approvers.yml", "press: {head: somebody.else}\n")
        booted.write(f"{CHECKOUT}/fleet/group_vars/all.yml", f"{RESTRICTIONS}proscribe_watch: 20m\n")
        booted.script(f"dpkg --install /root/wechat.deb; {NET}")
        yield booted


def made_day(chance):
    """Return names of TAMPERING by the moment of the next observation: one as the lid closes, one offline."""
    awake = [at for at in range(EVERY, DAY, EVERY) if not ASLEEP[0] < at < ASLEEP[1]]
    offline = [at for at in awake if OFFLINE[0] < at < OFFLINE[1]]
    names = chance.sample(sorted(TAMPERING), len(TAMPERING))
    found = {at: [] for at in awake}
    found[min(at for at in awake if at >= ASLEEP[1])].append(names.pop())
    found[chance.choice(offline)].append(names.pop())
    for name in names:
        found[chance.choice(awake)].append(name)
    return found


def test_a_day_of_a_laptop_without_a_controller(machine):
    seed = int(os.environ.get("PROSCRIBE_TESTS_SEED") or time.time())
    print(f"PROSCRIBE_TESTS_SEED={seed}")
    day = made_day(random.Random(seed))
    begin = int(time.time()) - DAY
    end = begin + WAIVED_FOR
    text = WAIVER.format(begin=format_timestamp(begin - DAY), end=format_timestamp(end))
    machine.write(f"{CHECKOUT}/fleet/waivers/wechat-for-a-while.yml", text)
    offset = f"FAKETIME={begin - int(time.time()):+d}"
    preload = "LD_PRELOAD=/usr/$LIB/faketime/libfaketime.so.1"
    machine.run("env", preload, offset, f"{CHECKOUT}/proscribe", "enforce", "-i", f"{CHECKOUT}/fleet")
    machine.run("mv", CHECKOUT, f"{CHECKOUT}-away")

    moments = []
    offline = False
    for at, names in day.items():
        before = [TAMPERING[name].done for name in names]
        if (OFFLINE[0] <= at < OFFLINE[1]) != offline:
            offline = not offline
            before.insert(0, "ip link delete wlan0" if offline else NET)
        moments.append({"at": at, "before": before, "right": [TAMPERING[name].right for name in names]})
    places = {
        "timer": watch_units.TIMER_UNIT,
        "journal": journal.JOURNAL,
        "program": watch_files.PROGRAM_PATH,
        "record": watch_files.RECORD_PATH,
    }
    machine.write("/root/play.py", PLAY)
    play = json.dumps({"begin": begin, "moments": moments, **places})
    output = machine.run("python3", "-IS", "/root/play.py", stdin=play, timeout=600)
    observations = json.loads(output[output.index("[") :])

    quiet = []
    closed_by_plan = [moment["at"] for moment in moments if begin + moment["at"] >= end][0]
    for (at, names), observation in zip(day.items(), observations):
        record, events = observation["record"], observation["events"]
        where = f"at {at / HOUR:.2f} h: {names} {events}"
        assert observation["code"] == 0, where
        states = {rule["rule"]: rule["state"] for rule in record["rules"]}
        drifted = [rule for event in events if event["event"] == "drift" for rule in event["rules"]]
        corrected = [rule for event in events if event["event"] == "corrected" for rule in event["rules"]]
        assert all(observation["right"]), where
        # What was done is named, and nothing else.
        assert all(any(rule.startswith(TAMPERING[name].rule) for rule in drifted) for name in names), where
        assert not drifted or names, where
        assert sorted(drifted) == sorted(corrected), where
        assert set(states.values()) <= {"repaired", "waived", "not_applicable"}, (where, states)
        assert all(
            format_timestamp(begin + at - 60) <= event["at"] <= format_timestamp(begin + at + 60) for event in events
        ), where
        # The waiver is in effect to its end, and the ban from then on; that is another plan, and no drift.
        assert (states.get("apps/wechat") == "waived") == (at < closed_by_plan), (where, states)
        assert {event["event"] for event in events} <= {"drift", "corrected", "plan", "notified"}, where
        assert any(event["event"] == "plan" for event in events) == (at == closed_by_plan), where
        if not names and at != closed_by_plan:
            assert record["state"] == ("waived" if at < closed_by_plan else "compliant"), where
            quiet.append(observation["cpu"])
    typical = sorted(quiet)[len(quiet) // 2]
    print(
        f"an observation without drift: {typical * 1000:.0f} ms, which every 5 minutes are {typical * 288:.0f} s a day"
    )
    assert typical < SMALL

    # The next run has the whole account of the day, and nothing to do.
    machine.run("mv", f"{CHECKOUT}-away", CHECKOUT)
    machine.proscribe("drift")
    record = machine.record()
    assert record["state"] == "compliant", record["rules"]
    incidents = record["watch"]["incidents"]
    assert all(incident["times"] == incident["corrected"] for incident in incidents) and not record["watch"]["left_out"]
    rules = {rule for incident in incidents for rule in incident["rules"]}
    for name, tampering in TAMPERING.items():
        assert any(rule.startswith(tampering.rule) for rule in rules), name
    assert "apps/wechat" not in rules
    assert not machine.there("/opt/wechat/wechat")
