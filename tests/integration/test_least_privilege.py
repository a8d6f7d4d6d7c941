"""The rights that docs/least-privilege.md names are enough, and no more than it says: Debian's own sudo, over SSH."""

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest
from doc_blocks import blocks
from machines import PROJECT, Machine, booted
from patience import LONGEST
from proscribe.host.audit_program import PROGRAM
from proscribe.wire.loader import MARK

pytestmark = [pytest.mark.whole_hosts, pytest.mark.steps]

DOCUMENT = "docs/least-privilege.md"
CORRECTING, ASKING, AUDITING = "proscribe", "ops", "auditor"
SECRET = "correct horse"
PLAN: dict[str, Any] = {"proscribe_categories": ["instant_messaging"]}
STORED = {**PLAN, "proscribe_audit_with": "stored"}
ACCOUNT = """\
useradd --create-home --shell /bin/bash {0} && install -d -m 0700 -o {0} -g {0} /home/{0}/.ssh
install -m 0600 -o {0} -g {0} /root/.ssh/authorized_keys /home/{0}/.ssh/
"""
# Beside the changes, whatever a run as root has left: the clock of files that are read is none.
WRITTEN = ("find", "/etc", "/usr", "/var/lib", "/opt", "/root", "-newer", "/root/before", "-not", "-type", "d")


def sudoers() -> dict[str, str]:
    """The files of the document: blocks whose first line is their path."""
    found = {}
    for block in blocks(DOCUMENT, (PROJECT / DOCUMENT).read_text(encoding="utf-8")):
        if block.lines and block.lines[0].startswith("# /etc/sudoers.d/"):
            found[block.lines[0].rpartition("/")[2]] = "\n".join((*block.lines, ""))
    return found


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


def run(machine: Machine, playbook: str, account: str, reports: Path, **variables: Any) -> dict[str, Any]:
    """The record of the host after a run as that account."""
    done = machine.playbook(playbook, {**STORED, "ansible_user": account, **variables}, reports)
    assert (reports / "latest").exists(), (done.stdout, done.stderr)
    record: dict[str, Any] = json.loads((reports / "latest/hosts.jsonl").read_text().splitlines()[0])
    return record


def as_account(
    machine: Machine, account: str, command: str, sent: str = "", timeout: float = LONGEST
) -> subprocess.CompletedProcess[str]:
    """What a command of an account on the host prints, over SSH."""
    ssh = ["ssh", "-F", "none", *machine._ssh_options(), f"{account}@{machine.address}", command]
    return subprocess.run(ssh, input=sent, capture_output=True, text=True, timeout=timeout)


def states(record: dict[str, Any]) -> dict[str, set[str]]:
    found: dict[str, set[str]] = {}
    for rule in record["rules"]:
        found.setdefault(rule["rule"].partition("/")[0], set()).add(rule["state"])
    return found


def test_without_any_right_what_only_root_sees_is_unknown(machine, tmp_path):
    record = run(machine, "audit", AUDITING, tmp_path, ansible_become=False, proscribe_audit_with="root")
    assert record["state"] in ("noncompliant", "unknown")
    for control in ("apps", "firewall"):  # a compliant rule is only counted, so all others than these would be none
        counted = record["controls"][control]
        own = [one for one in record["rules"] if one["rule"].startswith(f"{control}/")]
        unknown = [one for one in own if one["state"] == "unknown"]
        seen = [one for one in own if one["rule"] == "apps/request-command"]  # for every user, so every user sees it
        assert len(unknown) == counted["evaluated"] - counted["not_applicable"] - len(seen) > 0
    assert {"browser/running", "dns/private-view"} <= {
        one["rule"] for one in record["rules"] if one["state"] == "unknown"
    }


def test_an_audit_of_what_is_not_stored_yet_is_unknown_and_says_why(machine, tmp_path):
    record = run(machine, "audit", AUDITING, tmp_path)
    assert record["state"] == "unknown" and "an enforcing run with proscribe_audit_with: stored" in record["reason"]
    assert not machine.there("/var/lib/proscribe")


def test_the_account_that_corrects_needs_no_password_and_no_other_account(machine, tmp_path):
    assert run(machine, "enforce", CORRECTING, tmp_path)["state"] == "repaired"
    assert machine.run("stat", "-c", "%U:%G %a", PROGRAM) == "root:root 700\n"
    assert "./proscribe lift" in machine.run("sed", "-n", "2p", PROGRAM)
    written = machine.run("stat", "-c", "%i", PROGRAM)
    assert run(machine, "drift", CORRECTING, tmp_path)["state"] == "compliant"
    assert machine.run("stat", "-c", "%i", PROGRAM) == written
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
    found = run(machine, "audit", AUDITING, tmp_path / "program")
    assert machine.run(*WRITTEN).split() == []
    root = run(machine, "audit", CORRECTING, tmp_path / "root", proscribe_audit_with="root")
    clocks = ("checked_at", "duration_ms", "full_scan")
    assert [{k: v for k, v in one.items() if k not in clocks} for one in (found, root)][0] == {
        k: v for k, v in root.items() if k not in clocks
    }
    assert (found["state"], found["rules_evaluated"] > 300) == ("compliant", True)


def test_audit_with_the_program_finds_drift(machine, tmp_path):
    machine.run("rm", "/etc/opt/chrome/policies/managed/proscribe.json")
    assert "noncompliant" in states(run(machine, "audit", AUDITING, tmp_path))["browser"]
    assert run(machine, "enforce", CORRECTING, tmp_path)["state"] == "repaired"
    assert run(machine, "audit", AUDITING, tmp_path)["state"] == "compliant"


def test_another_policy_than_the_stored_one_is_unknown(machine, tmp_path):
    record = run(machine, "audit", AUDITING, tmp_path, proscribe_categories=["webmail"])
    assert record["state"] == "unknown" and "an enforcing run with the same release and policy" in record["reason"]


@pytest.mark.parametrize(
    "command",
    [
        "sudo -n id",
        "sudo -n /bin/sh -c id",
        f"sudo -n {PROGRAM} -c id",
        f"sudo -n {PROGRAM} ''",
        f"sudo -n -u {CORRECTING} {PROGRAM}",
        f"sudo -n -E {PROGRAM}",
        f"sudo -n LD_PRELOAD=/tmp/hers.so {PROGRAM}",
        f"sudo -n PYTHONPATH=/tmp {PROGRAM}",
        f"sudo -n -D /tmp {PROGRAM}",
        f"sudo -n -R /tmp {PROGRAM}",
        "sudo -n cat /var/lib/proscribe/record.json",
        f"sudoedit -n {PROGRAM}",
        PROGRAM,
        f"python3 {PROGRAM}",
        f"cat {PROGRAM}",
    ],
)
def test_the_account_that_audits_may_run_nothing_else(machine, command):
    done = as_account(machine, AUDITING, command, '{"record": true}\n')
    assert done.returncode != 0 and done.stdout == "", done


def test_through_sudo_nothing_of_the_caller_has_an_effect(machine):
    """The program's own tests have more (test_stored_audit.py); here is what the real sudo lets pass."""
    hers = "cd /tmp && echo 'raise SystemExit(7)' >json.py && export PYTHONPATH=/tmp PYTHONHOME=/tmp LC_ALL=C"
    for sent in ('{"record": true}', "x" * 100_000, "[" * 5000, "", '{"code": "../../../etc/shadow"}'):
        done = as_account(machine, AUDITING, f"{hers}; sudo -n {PROGRAM}", f"{sent}\n")
        answer = json.loads(done.stdout.partition(MARK)[2])
        assert done.returncode == 0 and answer.keys() < {"lacking", "refused", "x"}, done
    # It waits for a request for ten seconds, whatever its caller has made of the signal that ends it.
    slow = as_account(machine, AUDITING, f"trap '' ALRM; (sleep 60) | sudo -n {PROGRAM}; echo $?", timeout=120)
    assert "142" in slow.stdout or "Alarm clock" in slow.stderr + slow.stdout, slow


def test_an_enforcing_run_without_the_variable_removes_the_program(machine, tmp_path):
    run(machine, "enforce", CORRECTING, tmp_path, proscribe_audit_with="root")
    assert not machine.there(PROGRAM)
    run(machine, "enforce", CORRECTING, tmp_path)
    assert machine.there(PROGRAM)


def test_a_lift_leaves_nothing_of_it(machine, tmp_path):
    done = machine.playbook("lift", {**STORED, "ansible_user": CORRECTING}, tmp_path)
    assert done.returncode == 0, done.stdout
    left = machine.run("find", "/", "-xdev", "-name", "*proscribe*").split()
    of_the_accounts = {"/etc/sudoers.d/proscribe", "/etc/sudoers.d/proscribe-audit", "/var/log/sudo-proscribe.log"}
    assert of_the_accounts == {path for path in left if not path.startswith(("/home/", "/var/mail/", "/var/spool/"))}
    assert run(machine, "audit", AUDITING, tmp_path)["state"] == "unknown"
