"""The rights that docs/least-privilege.md names are enough, and no more than it says: Debian's own sudo, over SSH."""

import json
import subprocess

import pytest
from doc_blocks import blocks
from machines import PROJECT, booted, read_records
from patience import LONGEST
from proscribe.host.audit_program import PROGRAM_PATH
from proscribe.wire.loader import MARK

pytestmark = [pytest.mark.whole_hosts, pytest.mark.steps]

DOCUMENT = "docs/least-privilege.md"
CORRECTING, ASKING, AUDITING = "proscribe", "ops", "auditor"
SECRET = "correct horse"
PLAN = {"proscribe_categories": ["instant_messaging"]}
STORED = {**PLAN, "proscribe_audit_with": "stored"}
ACCOUNT = """\
useradd --create-home --shell /bin/bash {0} && install -d -m 0700 -o {0} -g {0} /home/{0}/.ssh
install -m 0600 -o {0} -g {0} /root/.ssh/authorized_keys /home/{0}/.ssh/
"""
# Beside the changes, whatever a run as root has left: the clock of files that are read is none.
WRITTEN = ("find", "/etc", "/usr", "/var/lib", "/opt", "/root", "-newer", "/root/before", "-not", "-type", "d")


def sudoers():
    """The files of the document: blocks whose first line is their path."""
    every = [block.lines for block in blocks(DOCUMENT, (PROJECT / DOCUMENT).read_text(encoding="utf-8")) if block.lines]
    own = [lines for lines in every if lines[0].startswith("# /etc/sudoers.d/")]
    return {lines[0].rpartition("/")[2]: "\n".join((*lines, "")) for lines in own}


@pytest.fixture(scope="module")
def machine():
    with booted("rights") as (host,):
        host.run("sh", "-c", f"echo '127.0.1.1 {host.name}' >>/etc/hosts")  # sudo asks for it
        for account in (CORRECTING, ASKING, AUDITING):
            host.run("sh", "-eus", stdin=ACCOUNT.format(account))
        host.run("sed", "-i", "s/^/restrict /", f"/home/{AUDITING}/.ssh/authorized_keys")
        host.run("chpasswd", stdin=f"{ASKING}:{SECRET}\n")
        for name, text in sudoers().items():
            host.run("sh", "-c", f"umask 0227; cat >/etc/sudoers.d/{name}", stdin=text)
        host.run("sh", "-c", "chmod 0440 /etc/sudoers.d/* && visudo --check")
        yield host


def run(machine, playbook, account, reports, **variables):
    done = machine.playbook(playbook, {**STORED, "ansible_user": account, **variables}, reports)
    assert (reports / "latest").exists(), (done.stdout, done.stderr)
    return read_records(reports)[machine.name]


def as_account(machine, account, command, sent="", timeout=LONGEST):
    ssh = ["ssh", "-F", "none", *machine._ssh_options(), f"{account}@{machine.address}", command]
    return subprocess.run(ssh, input=sent, capture_output=True, text=True, timeout=timeout)


def with_state(record, state):
    return {rule["rule"] for rule in record["rules"] if rule["state"] == state}


def test_without_any_right_what_only_root_sees_is_unknown(machine, tmp_path):
    record = run(machine, "audit", AUDITING, tmp_path, ansible_become=False, proscribe_audit_with="root")
    assert record["state"] in ("noncompliant", "unknown")
    unknown = with_state(record, "unknown")
    for control, seen in (("apps", 1), ("firewall", 0)):  # apps/request-command is for every user, so all see it
        counted = record["controls"][control]
        own = [rule for rule in unknown if rule.startswith(f"{control}/")]
        assert len(own) == counted["evaluated"] - counted["not_applicable"] - seen > 0
    assert {"browser/running", "dns/private-view"} <= unknown
    record = run(machine, "audit", AUDITING, tmp_path)  # nothing is stored yet
    assert record["state"] == "unknown" and "an enforcing run with proscribe_audit_with: stored" in record["reason"]
    assert not machine.there("/var/lib/proscribe")


def test_the_account_that_corrects_needs_no_password_and_no_other_account(machine, tmp_path):
    assert run(machine, "enforce", CORRECTING, tmp_path)["state"] == "repaired"
    assert machine.run("stat", "-c", "%U:%G %a", PROGRAM_PATH) == "root:root 700\n"
    assert "./proscribe lift" in machine.run("sed", "-n", "2p", PROGRAM_PATH)
    written = machine.run("stat", "-c", "%i", PROGRAM_PATH)
    assert run(machine, "drift", CORRECTING, tmp_path)["state"] == "compliant"
    assert machine.run("stat", "-c", "%i", PROGRAM_PATH) == written
    assert "COMMAND=/bin/sh -c" in machine.run("cat", "/var/log/sudo-proscribe.log")


def test_the_account_whose_sudo_asks_is_given_its_password(machine, tmp_path):
    machine.run("rm", "/etc/opt/chrome/policies/managed/proscribe.json")
    assert run(machine, "enforce", ASKING, tmp_path, ansible_become_password=SECRET)["state"] == "repaired"
    record = run(machine, "audit", ASKING, tmp_path, proscribe_audit_with="root")
    assert (record["state"], "sudo password" in record["reason"]) == ("unknown", True)


def test_a_rule_for_what_ansible_runs_is_a_rule_for_everything(machine):
    rule = "auditor ALL=(root) NOPASSWD: /bin/sh -c echo BECOME-SUCCESS-*\n"
    machine.run("sh", "-c", "cat >/etc/sudoers.d/tried", stdin=rule)
    try:
        done = as_account(machine, AUDITING, "sudo -n /bin/sh -c 'echo BECOME-SUCCESS-x; id -u'")
        assert done.stdout == "BECOME-SUCCESS-x\n0\n"
    finally:
        machine.run("rm", "/etc/sudoers.d/tried")


def test_an_audit_with_the_program_says_what_root_says_and_writes_nothing(machine, tmp_path):
    machine.run("touch", "/root/before")
    audited = run(machine, "audit", AUDITING, tmp_path / "program")
    assert machine.run(*WRITTEN).split() == []
    root = run(machine, "audit", CORRECTING, tmp_path / "root", proscribe_audit_with="root")
    clocks = ("checked_at", "duration_ms", "full_scan")
    lasting = [{key: value for key, value in record.items() if key not in clocks} for record in (audited, root)]
    assert lasting[0] == lasting[1] and audited["state"] == "compliant" and audited["rules_evaluated"] > 300


def test_audit_with_the_program_finds_drift(machine, tmp_path):
    machine.run("rm", "/etc/opt/chrome/policies/managed/proscribe.json")
    drifted = with_state(run(machine, "audit", AUDITING, tmp_path), "noncompliant")
    assert any(rule.startswith("browser/") for rule in drifted)
    assert run(machine, "enforce", CORRECTING, tmp_path)["state"] == "repaired"
    assert run(machine, "audit", AUDITING, tmp_path)["state"] == "compliant"
    record = run(machine, "audit", AUDITING, tmp_path, proscribe_categories=["webmail"])
    assert record["state"] == "unknown" and "an enforcing run with the same release and policy" in record["reason"]


@pytest.mark.parametrize(
    "command",
    [
        *("sudo -n id", "sudo -n /bin/sh -c id", "sudo -n cat /var/lib/proscribe/record.json"),
        *(f"sudo -n {PROGRAM_PATH} {words}" for words in ("-c id", "''")),
        *(f"sudo -n {options} {PROGRAM_PATH}" for options in (f"-u {CORRECTING}", "-E", "-D /tmp", "-R /tmp")),
        *(f"sudo -n {variable} {PROGRAM_PATH}" for variable in ("LD_PRELOAD=/tmp/hers.so", "PYTHONPATH=/tmp")),
        *(f"sudoedit -n {PROGRAM_PATH}", PROGRAM_PATH, f"python3 {PROGRAM_PATH}", f"cat {PROGRAM_PATH}"),
    ],
)
def test_the_account_that_audits_may_run_nothing_else(machine, command):
    done = as_account(machine, AUDITING, command, '{"record": true}\n')
    assert done.returncode != 0 and done.stdout == "", done


def test_through_sudo_nothing_of_the_caller_has_an_effect(machine):
    """The program's own tests have more (test_stored_audit.py); here is what the real sudo lets pass."""
    hers = "cd /tmp && echo 'raise SystemExit(7)' >json.py && export PYTHONPATH=/tmp PYTHONHOME=/tmp LC_ALL=C"
    for sent in ('{"record": true}', "x" * 100_000, "[" * 5000, "", '{"code": "../../../etc/shadow"}'):
        done = as_account(machine, AUDITING, f"{hers}; sudo -n {PROGRAM_PATH}", f"{sent}\n")
        answer = json.loads(done.stdout.partition(MARK)[2])
        assert done.returncode == 0 and answer.keys() < {"lacking", "refused", "x"}, done
    # It waits for a request for ten seconds, whatever its caller has made of the signal that ends it.
    slow = as_account(machine, AUDITING, f"trap '' ALRM; (sleep 60) | sudo -n {PROGRAM_PATH}; echo $?", timeout=120)
    assert "142" in slow.stdout or "Alarm clock" in slow.stderr + slow.stdout, slow


def test_enforcing_run_without_the_variable_and_a_lift_remove_the_program(machine, tmp_path):
    for setting in ("root", "stored"):
        run(machine, "enforce", CORRECTING, tmp_path, proscribe_audit_with=setting)
        assert machine.there(PROGRAM_PATH) == (setting == "stored")
    done = machine.playbook("lift", {**STORED, "ansible_user": CORRECTING}, tmp_path)
    assert done.returncode == 0, done.stdout
    remaining = machine.run("find", "/", "-xdev", "-name", "*proscribe*").split()
    accounts = {"/etc/sudoers.d/proscribe", "/etc/sudoers.d/proscribe-audit", "/var/log/sudo-proscribe.log"}
    assert accounts == {path for path in remaining if not path.startswith(("/home/", "/var/mail/", "/var/spool/"))}
    assert run(machine, "audit", AUDITING, tmp_path)["state"] == "unknown"
