"""Two runs over one host at once, over real SSH."""

import json
import os
import re
import subprocess

import pytest
from machines import ANSIBLE, PROJECT, Controller, booted, read_records
from made_plans import make_plan
from patience import LONGEST, until
from processes import MERGED
from proscribe.host.system.host_lock import HOST_LOCK_PATH

pytestmark = pytest.mark.whole_hosts

HOLD, HELD = "/run/hold", "/run/held"
WAITS = f"""#!/bin/sh
while [ -e {HOLD} ]; do : >{HELD}; sleep 0.1; done
exec /usr/bin/dpkg-query.real "$@"
"""
APPS = make_plan("apps", {"a": {"packages": {"apt": ["nosuch"]}}})
DNS = make_plan("dns", {"b": ["nosuch.example.com"]})
ONLY_DNS = {"proscribe_controls": {"apps": "off", "browser": "off", "firewall": "off", "dns": "enforce"}}
TIME = r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ"
FIRST = rf"process \d+ of \w+( \(sudo: \w+\))? on {re.escape(os.uname().nodename)}"
WAITING = rf"waits for {FIRST}, which has been changing it since {TIME}, until {TIME} at the latest"


@pytest.fixture(scope="module")
def host():
    with booted("turns") as (machine,):
        machine.run("mv", "/usr/bin/dpkg-query", "/usr/bin/dpkg-query.real")
        machine.run("sh", "-c", "cat >/usr/bin/dpkg-query; chmod 755 /usr/bin/dpkg-query", stdin=WAITS)
        yield machine


class First:
    """A run that has the host, and goes on once the test says so."""

    def __init__(self, host):
        self.host = host
        host.run("rm", "-f", HELD)
        host.run("touch", HOLD, "/var/lib/dpkg/status")  # of packages that have not changed, nobody asks
        self.run = host.controller("restricted_apps", {"plan": APPS})
        until(lambda: host.there(HELD))
        [found] = host.run("sh", "-c", f"find /proc/[0-9]*/fd -lname {HOST_LOCK_PATH} 2>/dev/null || :").split()
        self.pid = found.split("/")[2]
        host.run("kill", "-STOP", self.pid)  # no tool of a host may wait for as long as a busy machine takes

    def go_on(self):
        self.host.run("rm", "-f", HOLD)
        self.host.run("kill", "-CONT", self.pid, check=False)


@pytest.fixture
def first(host):
    run = First(host)
    assert re.search(FIRST, host.run("cat", HOST_LOCK_PATH))
    yield run
    run.go_on()
    run.run.process.communicate(timeout=LONGEST)


def heard(run, pattern):
    """What a run prints until that is in it, with it: it goes on meanwhile."""
    said = ""
    assert run.process.stdout is not None
    while line := run.process.stdout.readline():
        said += line
        if re.search(pattern, " ".join(said.split())):
            return said
    return pytest.fail(said)


def rest_of(run):
    assert run.process.stdout is not None
    said = run.process.stdout.read()
    run.process.wait(timeout=LONGEST)
    return said


def test_the_second_run_says_for_whom_it_waits_while_it_waits_and_then_does_its_work(host, first):
    second = host.controller("dns_filter", {"plan": DNS})
    heard(second, f"{host.name}: {WAITING}")
    assert not host.there("/etc/proscribe"), "it has not begun"
    first.go_on()
    rest = rest_of(second)
    said = " ".join(rest.split())
    assert re.search(rf"{host.name}: waited \d+ s for {FIRST}, which had been changing it since {TIME}", said), said
    answer = json.loads(rest[rest.index("=> {") + 3 :])
    [other] = answer["other_runs"]
    assert answer["changed"] and re.fullmatch(FIRST, other["by"]) and other["waited"] >= 3
    assert not host.there(HOST_LOCK_PATH)


def test_run_that_waits_too_long_changes_nothing_and_names_the_other_run(host, first):
    second = host.controller("dns_filter", {"plan": DNS, "state": "absent", "run": {"wait": 4}}).answer()
    assert second["failed"] and not second["changed"]
    refusal = rf"this host is being changed by {FIRST}, since {TIME}; waited for it until {TIME}"
    assert re.fullmatch(refusal, second["msg"]), second
    assert "nosuch.example.com" in host.run("cat", "/etc/hosts")


def test_record_of_the_run_names_the_other_run(host, first, tmp_path):
    own = {**os.environ, "ANSIBLE_CONFIG": str(PROJECT / "ansible.cfg"), "PROSCRIBE_REPORTS": str(tmp_path)}
    argv = [f"{ANSIBLE}-playbook", str(PROJECT / "playbooks/enforce.yml"), "-i", host._inventory(**ONLY_DNS)]
    run = Controller(subprocess.Popen(argv, env=own, cwd=PROJECT, **MERGED))
    said = heard(run, f"{host.name}: {WAITING}")
    first.go_on()
    said = " ".join((said + rest_of(run)).split())
    record = read_records(tmp_path, "newest")[host.name]
    assert record["state"] == "repaired", said[-3000:]
    [other] = record["other_runs"]
    assert other["control"] == "dns" and other["waited"] >= 1 and re.fullmatch(FIRST, other["by"])
    assert re.search(f"waited {other['waited']} s for {FIRST}", said), said[-3000:]
