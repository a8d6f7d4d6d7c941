"""The events of real runs in a real journal, a real rsyslog and a file that a real logrotate rotates: one story."""

import datetime
import json
import re

import jsonschema
import pytest
from patience import until
from proscribe.controller.schedule import schedule_units
from scheduled_machine import CHECKOUT, HOSTS, PROJECT, RESTRICTIONS, scheduled_machine

pytestmark = pytest.mark.whole_hosts
ANSIBLE = "PROSCRIBE_ANSIBLE_PLAYBOOK=/usr/bin/ansible-playbook"
FILE = "/var/log/proscribe/events.jsonl"
SETTINGS = "{file: %s, journald: true, syslog: true, facility: local3}"
WAIVER = """\
{{id: press, services: [wechat], controls: [apps], hosts: [web01], reason: for a test, requested_by: somebody,
  approved_by: somebody.else, approved_on: {start}, valid_from: {start}, expires: {end}{more}}}
"""
# rsyslog writes the bare message here, and what it takes for the tag and the process before it.
RSYSLOG = """\
template(name="bare" type="string" string="%programname% %syslogfacility-text% %syslogseverity% %msg%\\n")
if $programname == "proscribe" then { action(type="omfile" file="/var/log/by-rsyslog" template="bare") }
"""


@pytest.fixture(scope="module")
def machine():
    with scheduled_machine("events") as booted:
        booted.write(f"{CHECKOUT}/fleet/hosts.yml", HOSTS + "  children: {press: {hosts: {web01: }}}\n")
        booted.write(f"{CHECKOUT}/fleet/approvers.yml", "press: {head: somebody.else}\n")
        configure(booted, FILE)
        booted.run("install", "-d", "-m", "0750", "/var/log/proscribe")
        booted.write("/etc/rsyslog.d/30-proscribe.conf", RSYSLOG)
        booted.run("systemctl", "--quiet", "enable", "--now", "rsyslog")
        booted.run("dpkg", "-i", "/root/wechat.deb")
        yield booted


def configure(machine, file):
    machine.write(f"{CHECKOUT}/fleet/group_vars/all.yml", RESTRICTIONS + f"proscribe_events: {SETTINGS % file}\n")


def when(days):
    return f"{datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(days=days):%Y-%m-%dT%H:%M:%SZ}"


def run(machine, word, *within):
    """The events of one more run over the apps, as the file, the journal and rsyslog have them: all have the same."""
    before = len(lines(machine, FILE))
    since = machine.run("journalctl", "-n", "1", "-o", "json", "--no-pager")
    machine.run(*within, f"{CHECKOUT}/proscribe", word, "-i", f"{CHECKOUT}/fleet", "--tags", "apps")
    new = lines(machine, FILE)[before:]
    cursor = json.loads(since)["__CURSOR"]
    words = ("--after-cursor", cursor, "-o", "json", "--no-pager", "SYSLOG_IDENTIFIER=proscribe")
    entries = [json.loads(line) for line in machine.run("journalctl", *words).splitlines() if line[:1] == "{"]
    # On this machine journald has both, by its own socket and as /dev/log.
    by_journal = [entry for entry in entries if entry["_TRANSPORT"] == "journal"]
    by_syslog = [entry for entry in entries if entry["_TRANSPORT"] == "syslog"]
    for records in (by_journal, by_syslog):
        assert [entry["MESSAGE"] for entry in records] == new
        assert {(entry["SYSLOG_FACILITY"], entry["_UID"]) for entry in records} == {("19", "0")}
    events = [json.loads(line) for line in new]
    for entry, event in zip(by_journal, events):
        fields = [entry.get(f"PROSCRIBE_{key.upper()}") for key in ("kind", "host", "rule", "state")]
        assert fields == [event.get(key) for key in ("kind", "host", "rule", "state")]
    assert [entry["PRIORITY"] for entry in by_journal] == [entry["PRIORITY"] for entry in by_syslog]
    expected = sorted([f"proscribe local3 {entry['PRIORITY']}  {entry['MESSAGE']}" for entry in by_journal] * 2)
    until(lambda: sorted(machine.read("/var/log/by-rsyslog").splitlines()[-len(expected) :]) == expected)
    schema = json.loads((PROJECT / "docs/schema/event.schema.json").read_text())
    for event in events:
        jsonschema.Draft202012Validator(schema).validate(event)
    return events


def lines(machine, file):
    return machine.read(file).splitlines() if machine.there(file) else []


def reported(events):
    about = [event for event in events if event["kind"] == "host" or event.get("rule") == "apps/wechat"]
    return [(event["kind"], event["previous"], event["state"]) for event in about]


def waive(machine, more=""):
    text = WAIVER.format(start=when(-2), end=when(30), more=more.format(now=when(-0.001)))
    machine.write(f"{CHECKOUT}/fleet/waivers/press.yml", text)


def test_a_story_of_an_app_in_file_journal_and_syslog(machine):
    begun = run(machine, "audit")
    assert reported(begun) == [("host", None, "noncompliant"), ("rule", None, "noncompliant")]
    (wechat,) = [event for event in begun if event.get("rule") == "apps/wechat"]
    (record,) = [rule for rule in machine.record(f"{CHECKOUT}/reports")["rules"] if rule["rule"] == "apps/wechat"]
    assert wechat["findings"] == record["findings"] and wechat["findings"][0]["version"] == "4.1.0"
    waive(machine)
    waived = run(machine, "audit")
    assert ("rule", "noncompliant", "waived") in reported(waived)
    assert [event["waiver"] for event in waived if event.get("rule") == "apps/wechat"] == ["press"]
    waive(machine, ", revoked: {{on: {now}, by: somebody.else, why: no longer needed}}")
    assert ("rule", "waived", "noncompliant") in reported(run(machine, "audit"))
    enforced = run(machine, "enforce")
    assert reported(enforced) == [("host", "noncompliant", "repaired"), ("rule", "noncompliant", "repaired")]
    actions = [event["action"] for event in enforced if event["kind"] == "action"]
    assert any("wechat" in action for action in actions) and enforced[-1]["events"]["action"] == len(actions)
    (unchanged,) = run(machine, "audit")
    assert (unchanged["kind"], unchanged["hosts"]["compliant"]) == ("run", 1)
    rotated(machine)
    scheduled(machine)
    refused(machine)


def rotated(machine):
    """The example of the document, by the real logrotate: the next run goes on in the new file."""
    page = (PROJECT / "docs/exports.md").read_text()
    (example,) = re.findall(r"```text\n(/var/log/proscribe/events\.jsonl \{.*?\n\})\n```", page, re.DOTALL)
    machine.write("/etc/logrotate.d/proscribe", f"{example}\n")
    before = machine.read(FILE)
    machine.run("logrotate", "--force", "/etc/logrotate.d/proscribe")
    assert machine.run("stat", "-c", "%a %U %G %s", FILE).split() == ["640", "root", "adm", "0"]
    assert [event["kind"] for event in run(machine, "audit")] == ["run"] and len(lines(machine, FILE)) == 1
    assert machine.read(f"{FILE}.1") == before


def scheduled(machine):
    """Drift, found by a run with no more rights than the timer's unit of a controller has."""
    machine.run("rm", "/usr/libexec/proscribe/dpkg-gate")  # the install block would refuse it
    machine.run("dpkg", "-i", "/root/wechat.deb")
    rights = [word for line in schedule_units.STRICT_HARDENING.splitlines() for word in ("--property", line)]
    unit = ("systemd-run", "--wait", "--pipe", "--quiet", "--setenv=HOME=/root", f"--setenv={ANSIBLE}", *rights)
    assert ("rule", None, "noncompliant") in reported(run(machine, "audit", *unit))


def refused(machine):
    """A directory that everybody can write to is no place for events; the run says so, and is as good as any."""
    machine.run("install", "-d", "-m", "0777", "/var/log/everybody")
    configure(machine, "/var/log/everybody/events.jsonl")
    printed = " ".join(machine.proscribe("audit", "--tags", "apps").split())
    assert "events could not be sent to file: /var/log/everybody (of root, mode 0777)" in printed
    assert not machine.there("/var/log/everybody/events.jsonl")
    assert "could not be sent" in machine.json(f"{CHECKOUT}/reports/newest/report.json")["warnings"][-1]
    assert machine.record(f"{CHECKOUT}/reports")["state"] == "noncompliant"
