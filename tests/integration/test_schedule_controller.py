"""The controller's timer on a real machine."""

import tempfile
from pathlib import Path

import pytest
from patience import until
from scheduled_machine import CHECKOUT, frozen, mail_text, mails, scheduled_machine, thawed
from tampering import TEN, named

pytestmark = pytest.mark.whole_hosts

SERVICE, TIMER, FAILED = "proscribe-drift.service", "proscribe-drift.timer", "proscribe-drift-failed.service"
REPORTS = f"{CHECKOUT}/reports"

KEYS = "find /root/.ssh -type f -printf '%p %m %U %T@ '; sha256sum /root/.ssh/*"
OWN_CATALOGUE = {
    "feeds/birds.yml": "{id: birds, name: Birds, service: tor, kind: domains, checked: 2026-01-02, sources: [x]}\n",
    "feeds/birds.txt": "finch.example\n",
    "publishers.yml": "- {id: birds, url: 'https://x.example/', format: lines, into: feed, of: birds, least: 1}\n",
}
COMMITS = "git -c user.name=a -c user.email=a@x.example commit -q"
HANGS = "#!/bin/sh\nexec sleep 1000\n"


@pytest.fixture(scope="module")
def made():
    """The layers that the tests' machines boot from: `new`, and `in line`, after the first scheduled run."""
    with tempfile.TemporaryDirectory(prefix="proscribe-") as place:
        with scheduled_machine("schedule") as machine:
            new = frozen(machine, Path(place) / "new")
        with thawed("schedule", new) as machine:
            assert f"start {TIMER}" in machine.proscribe("schedule")
            assert machine.start(SERVICE), machine.log(SERVICE)
            in_line = frozen(machine, Path(place) / "in-line")
        yield {"new": new, "in line": in_line}


@pytest.fixture
def fresh(made):
    with thawed("schedule", made["new"]) as booted:
        yield booted


@pytest.fixture
def machine(made):
    """A machine that has a schedule, and is in line since its first run; no run is under way."""
    with thawed("schedule", made["in line"]) as booted:
        until(lambda: not booted.succeeds("systemctl", "is-active", SERVICE))
        yield booted


def latest(machine):
    return machine.run("readlink", f"{REPORTS}/latest", check=False).strip()


def test_the_timer_is_set_up_once_and_its_first_run_brings_the_host_in_line(fresh):
    machine = fresh
    would = machine.proscribe("schedule", "--check")
    assert "would change on web01 -> localhost\n" in would and f"\n  enable {TIMER}\n" in would
    assert not machine.there(f"/etc/systemd/system/{TIMER}")
    keys = machine.script(KEYS)
    assert f"start {TIMER}" in machine.proscribe("schedule") and "changed" not in machine.proscribe("schedule")
    assert machine.succeeds("systemctl", "is-active", TIMER) and machine.script(KEYS) == keys
    assert machine.run("systemd-analyze", "verify", f"/etc/systemd/system/{SERVICE}") == ""
    assert machine.start(SERVICE), machine.log(SERVICE)
    assert "Subject: Proscribe: 1 host corrected for the first time" in mails(machine)
    sent = mails(machine)
    assert machine.start(SERVICE), machine.log(SERVICE)
    assert machine.record()["state"] == "compliant" and "Proscribe:" not in machine.log(SERVICE)
    assert mails(machine) == sent


def test_ten_ways_of_tampering_are_repaired_by_the_timer_and_told(machine):
    session = ("--property=PAMName=login", "--setenv=XDG_SESSION_CLASS=user", "--unit=alice")
    machine.run("systemd-run", "--uid=alice", *session, "sleep", "infinity")
    for tampering in TEN.values():
        machine.script(tampering.done)
        assert not machine.succeeds("sh", "-c", tampering.right), tampering
    before = latest(machine)
    machine.proscribe("schedule", "-e", "proscribe_schedule_calendar='*:*:0/5'")
    until(lambda: latest(machine) != before)
    machine.proscribe("schedule")
    until(lambda: not machine.succeeds("systemctl", "is-active", SERVICE))
    # The timer may have begun another run since, which found nothing to do.
    runs = [name for name in machine.run("ls", REPORTS).split() if name[0] == "2" and name > before]
    record = machine.json(f"{REPORTS}/{runs[0]}/hosts.jsonl")
    assert [how for how, tampering in TEN.items() if not named(record, tampering)] == []
    assert [how for how, tampering in TEN.items() if not machine.succeeds("sh", "-c", tampering.right)] == []
    assert (record["state"], record["errors"]) == ("repaired", [])
    assert record["found_at"] <= record["checked_at"] and record["logged_in"] == ["alice"]
    assert machine.start(SERVICE) and machine.record()["state"] == "compliant"
    mail = mails(machine).rpartition("to: ")[2]
    assert "Subject: Proscribe: 1 host corrected after drift" in mail and "web01 (logged in: alice)" in mail
    assert "apps/wechat: corrected: dpkg wechat 4.1.0; found 20" in mail


def test_a_missed_run_is_caught_up(machine):
    before = latest(machine)
    machine.run("systemctl", "stop", TIMER)
    machine.run("touch", "--date=2 days ago", f"/var/lib/systemd/timers/stamp-{TIMER}")
    machine.run("systemctl", "start", TIMER)
    until(lambda: latest(machine) != before)
    until(lambda: not machine.succeeds("systemctl", "is-active", SERVICE))


def test_a_second_run_is_refused_and_one_that_hangs_is_ended_and_told(machine):
    machine.write("/usr/local/bin/hangs", HANGS, "0755")
    hosts = machine.read(f"{CHECKOUT}/fleet/hosts.yml")
    hangs = "    web02: {ansible_host: 127.0.0.1, ansible_python_interpreter: /usr/local/bin/hangs}\n"
    machine.write(f"{CHECKOUT}/fleet/hosts.yml", hosts + hangs)
    before = latest(machine)
    machine.run("systemctl", "start", "--no-block", SERVICE)
    until(lambda: machine.succeeds("sh", "-c", f"grep -qs 'answered.*web01' {REPORTS}/*.partial/journal.jsonl"))
    refused = machine.run(f"{CHECKOUT}/proscribe", "scheduled", "drift", "--", "-i", f"{CHECKOUT}/fleet", check=False)
    assert "another scheduled run is under way" in refused
    # Who is refused at night has no reader at the screen.
    mail = mail_text(machine)
    assert "Subject: Proscribe: a scheduled run was refused" in mail, mail
    assert "(proscribe scheduled drift -- -i" in mail
    # Its time is over now, however long it took so far: systemd counts from the start.
    machine.write(f"/etc/systemd/system/{SERVICE}.d/test.conf", "[Service]\nTimeoutStartSec=1\n")
    machine.run("systemctl", "daemon-reload")
    until(lambda: machine.succeeds("systemctl", "is-failed", SERVICE))
    until(lambda: "was ended" in mails(machine))
    assert "Result=timeout" in machine.run("systemctl", "show", SERVICE, "--property=Result")
    assert "sleep 1000" not in machine.run("systemctl", "status", SERVICE, check=False)
    assert latest(machine) == before
    mail = mails(machine).rpartition("to: ")[2].replace("\n", " ")
    assert "Subject: Proscribe: a scheduled run was ended" in mail and "Until then 1 host had answered" in mail
    machine.write(f"{CHECKOUT}/fleet/hosts.yml", hosts)
    machine.run("rm", "-r", f"/etc/systemd/system/{SERVICE}.d")
    machine.run("systemctl", "daemon-reload")
    assert machine.start(SERVICE), machine.log(SERVICE)  # the next one finds nothing in its way


def test_reports_that_others_can_write_refuse_the_run_and_are_reported_with_the_repair(machine):
    before, sent = latest(machine), mails(machine)
    machine.run("chmod", "1777", REPORTS)
    assert not machine.start(SERVICE)
    until(lambda: "a scheduled run was refused" in mails(machine))
    until(lambda: not machine.succeeds("systemctl", "is-active", FAILED))
    mail = mail_text(machine, sent)
    assert mail.count("Subject: ") == 1, mail
    assert f"{REPORTS} (of root, mode 1777) can be changed by everybody" in mail
    assert f"check its content and run: chmod -R go-w {REPORTS}" in mail
    assert latest(machine) == before and "./proscribe drift" not in machine.log(SERVICE)
    machine.script(f"chmod -R go-w {REPORTS}")
    assert machine.start(SERVICE), machine.log(SERVICE)


def test_code_that_others_can_change_is_not_run_and_neither_is_its_alert(machine):
    launcher = machine.read(f"{CHECKOUT}/proscribe")
    machine.write(f"{CHECKOUT}/proscribe", "#!/bin/sh\ntouch /srv/was-here\n", "0755")
    machine.script(f"chown alice {CHECKOUT}/proscribe")
    assert not machine.start(SERVICE)
    until(lambda: f"{CHECKOUT}/proscribe (of alice, mode 0755)" in mail_text(machine))
    until(lambda: not machine.succeeds("systemctl", "is-active", FAILED))
    assert not machine.there("/srv/was-here")
    machine.write(f"{CHECKOUT}/proscribe", launcher, "0755")


def test_an_alert_without_an_inventory_is_sent_all_the_same(machine):
    sent = mails(machine)
    machine.run("mv", f"{CHECKOUT}/fleet", "/srv/away")
    assert not machine.start(SERVICE)
    until(lambda: "its notification could not be sent in the usual way" in mail_text(machine))
    assert f"{CHECKOUT}/fleet" in mail_text(machine, sent)
    machine.run("mv", "/srv/away", f"{CHECKOUT}/fleet")
    assert machine.start(SERVICE), machine.log(SERVICE)


def test_the_catalogue_has_a_timer_of_its_own_which_says_what_it_could_not_fetch(machine):
    """There is no network. What is refused changes nothing, and no branch is made."""
    timer, service, variables = "proscribe-catalogue.timer", "proscribe-catalogue.service", "fleet/group_vars/all.yml"
    for name, text in OWN_CATALOGUE.items():
        machine.write(f"{CHECKOUT}/policy/{name}", text)
    restrictions = machine.read(f"{CHECKOUT}/{variables}")
    more = f"proscribe_catalog_dirs: [{CHECKOUT}/policy]\nproscribe_schedule_refresh: weekly\n"
    machine.write(f"{CHECKOUT}/{variables}", restrictions + more)
    machine.script(f"cd {CHECKOUT} && git init -q && git add catalog fleet policy && {COMMITS} -m policy")
    assert f"start {timer}" in machine.proscribe("schedule")
    assert machine.succeeds("systemctl", "is-active", timer)
    assert machine.run("systemd-analyze", "verify", f"/etc/systemd/system/{service}") == ""
    assert not machine.start(service)
    until(lambda: "refused" in mails(machine))
    assert "birds: refused, nothing is changed: it could not be fetched" in machine.log(service)
    assert machine.script(f"cd {CHECKOUT} && git branch --list 'proscribe/*' && git status --porcelain -uno") == ""
    machine.write(f"{CHECKOUT}/{variables}", restrictions)
    assert f"stop {timer}" in machine.proscribe("schedule")
    assert machine.script("find /etc/systemd /var/lib/systemd/timers -name 'proscribe-catalogue*'") == ""


def test_a_schedule_turned_off_leaves_nothing_behind(machine):
    assert f"stop {TIMER}" in machine.proscribe("schedule", "-e", "proscribe_schedule=off")
    assert machine.script("find /etc/systemd /var/lib/systemd/timers /run -name 'proscribe-drift*'") == ""
    assert "proscribe-drift" not in machine.run("systemctl", "list-timers", "--all")
    assert "changed" not in machine.proscribe("schedule", "-e", "proscribe_schedule=off")
