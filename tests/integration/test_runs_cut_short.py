"""Enforcing runs over two real hosts that are cut short."""

import contextlib
import json
import os
import signal
import subprocess

import pytest
from machines import ANSIBLE, PROJECT, booted, podman, read_records, without_ansible
from pasting import commands
from patience import LONGEST, until
from processes import MERGED
from proscribe.controller.report.storage import journal
from scheduled_machine import WECHAT

pytestmark = pytest.mark.whole_hosts

WAITS = r"while test -e /root/waits; do touch /root/waiting; sleep 0.1; done\n"
PRERM = f"printf '#!/bin/sh\\n{WAITS}' >/root/wechat/DEBIAN/prerm\nchmod 0755 /root/wechat/DEBIAN/prerm\n"
PACKAGE = WECHAT.replace("dpkg-deb", f"{PRERM}dpkg-deb", 1)
DRIFTS = "rm -f /root/waiting /etc/dpkg/dpkg.cfg.d/proscribe; dpkg -i /root/wechat.deb"
CONTROLS = {"apps": "enforce", "dns": "enforce", "browser": "off", "firewall": "off"}
VALUES = {"categories": [], "services_include": ["wechat"], "controls": CONTROLS, "dns_backend": "hosts"}
VALUES |= {"requests": False, "observe_timeout": "1m"}
RESTRICTIONS = {f"proscribe_{name}": value for name, value in VALUES.items()}


class Pair:
    def __init__(self, first, second, directory):
        self.first, self.second, self.directory = first, second, directory
        self.reports = directory / "reports"
        hosts = {host.name: host.connection for host in self}
        (directory / "hosts.json").write_text(json.dumps({"all": {"hosts": hosts, "vars": RESTRICTIONS}}))

    def __iter__(self):
        yield from (self.first, self.second)

    def begin(self, word):
        return self.started([str(PROJECT / "proscribe"), word, "-i", "hosts.json"])

    def started(self, argv):
        own = {"PROSCRIBE_REPORTS": str(self.reports), "PROSCRIBE_ANSIBLE_PLAYBOOK": f"{ANSIBLE}-playbook"}
        environment = {**without_ansible(), **own}
        return subprocess.Popen(argv, env=environment, cwd=self.directory, start_new_session=True, **MERGED)

    def in_the_middle(self, changed, waits):
        """An enforcing run that has changed one host, and is changing the other."""
        for host in self:
            host.run("sh", "-ec", DRIFTS)
        waits.run("touch", "/root/waits")
        process = self.begin("enforce")

        def met():
            assert process.poll() is None, process.communicate()[0]
            return waits.there("/root/waiting") and self.noted(f'["changed","{changed.name}","apps"')

        until(met)
        return process

    def noted(self, text):
        return any(text in path.read_text() for path in self.reports.glob("*.partial/journal.jsonl"))

    def goes_on(self, host):
        """Let a removal that waits come to its end."""
        host.run("rm", "-f", "/root/waits")
        until(lambda: host.run("fuser", "/var/lib/dpkg/lock-frontend", check=False).strip() == "")

    def report(self, id_="newest"):
        return json.loads((self.reports / id_ / "report.json").read_text()), read_records(self.reports, id_)


def ended(process):
    """The exit code, and all that was printed."""
    said, _ = process.communicate(timeout=LONGEST)
    return process.returncode, said


def of_wechat(record):
    """The state of the program's rule in a record, and why; compliant where it does not list it."""
    own = [(rule["state"], rule["reason"] or "") for rule in record["rules"] if rule["rule"] == "apps/wechat"]
    return own[0] if own else ("compliant", "")


def removed(record):
    return any("wechat" in action["action"] for action in record["actions"] if action["control"] == "apps")


@pytest.fixture(scope="module")
def pair(tmp_path_factory):
    with booted("cut", 2) as (first, second):
        made = Pair(first, second, tmp_path_factory.mktemp("controller"))
        for host in made:
            host.run("sh", "-ec", PACKAGE)
        yield made


@pytest.fixture(autouse=True)
def released(pair):
    yield
    for host in pair:
        with contextlib.suppress(AssertionError):
            host.run("rm", "-f", "/root/waits")


def test_ctrl_c_ends_with_a_report_of_what_was_removed_and_the_command_that_goes_on(pair):
    process = pair.in_the_middle(changed=pair.first, waits=pair.second)
    os.killpg(process.pid, signal.SIGINT)  # as a terminal does it
    code, said = ended(process)
    assert code == 14, said
    first, second = pair.first.name, pair.second.name
    report, records = pair.report()
    assert report["run"]["interrupted"] == {"why": "by SIGINT", "closed_by": None}
    assert report["summary"]["coverage"]["numerator"] == 0
    assert removed(records[first]) and of_wechat(records[first]) == ("unknown", "corrected, not observed again")
    assert of_wechat(records[second]) == ("unknown", "its correction began and gave no answer, not observed again")
    (command,) = commands(said)
    assert " -i hosts.json" in command and "--limit" not in command  # it was done with neither

    pair.goes_on(pair.second)
    code, said = ended(pair.started(["bash", "-c", command]))
    assert code == 0, said
    after, records = pair.report()
    assert after["summary"]["coverage"]["percent"] == 100
    id_ = report["run"]["id"]
    for host in pair:
        state, reason = of_wechat(records[host.name])
        assert state == "repaired", records[host.name]
        assert not host.there("/opt/wechat/wechat")
        assert host is pair.second or id_ in reason


def test_a_killed_run_is_closed_by_the_next_one_which_says_what_it_had_done(pair):
    process = pair.in_the_middle(changed=pair.second, waits=pair.first)
    os.killpg(process.pid, signal.SIGKILL)  # and not its worker, which goes on until its host has answered
    ended(process)
    (partial,) = pair.reports.glob("*.partial")
    pair.goes_on(pair.first)
    until(lambda: any(journal.list_abandoned_runs(pair.reports)))
    code, said = ended(pair.begin("audit"))
    assert code == 0, said
    words = " ".join(said.split())
    assert f"the run {partial.stem} came to no end: it was killed, or its machine went down." in words
    assert f"It corrected 1 host ({pair.second.name})." in words
    report, records = pair.report(partial.stem)
    newest = pair.report()[0]["run"]["id"]
    assert report["run"]["interrupted"]["closed_by"] == newest and report["run"]["verdict"]["exit"] == 14
    assert removed(records[pair.second.name]) and not records[pair.first.name]["actions"]
    _, records = pair.report()
    state, reason = of_wechat(records[pair.second.name])
    assert (state, partial.stem in reason) == ("repaired", True)


def test_a_host_that_is_switched_off_after_its_correction_is_not_covered(pair):
    process = pair.in_the_middle(changed=pair.second, waits=pair.first)
    podman("kill", pair.second.name)
    pair.goes_on(pair.first)
    code, said = ended(process)
    assert code in (2, 4), said
    report, records = pair.report()
    assert report["summary"]["coverage"] == {"numerator": 1, "denominator": 2, "percent": 50.0}
    assert of_wechat(records[pair.first.name])[0] == "repaired"
    record = records[pair.second.name]
    assert removed(record) and of_wechat(record) == ("unknown", "corrected, not observed again")
    assert record["state"] == "error" and "apps" in record["not_observed_again"]
    id_ = report["run"]["id"]
    podman("start", pair.second.name)
    pair.second.wait_until_booted()
    _, said = ended(pair.begin("audit"))
    report, records = pair.report()
    assert report["summary"]["coverage"]["percent"] == 100, said
    state, reason = of_wechat(records[pair.second.name])
    assert (state, id_ in reason) == ("repaired", True)
