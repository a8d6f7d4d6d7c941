"""Hosts that run by themselves, on a real machine."""

import json

import pytest
from patience import until
from proscribe.host.audit_program import PROGRAM_PATH
from scheduled_machine import CHECKOUT, scheduled_machine
from tampering import TEN, named

pytestmark = [pytest.mark.whole_hosts, pytest.mark.steps]

SERVICE, TIMER = "proscribe-pull.service", "proscribe-pull.timer"
RECORD, GROUP = "/var/lib/proscribe/record.json", f"{CHECKOUT}/fleet/group_vars/all.yml"
REPOSITORY = "/srv/proscribe.git"
PUSH = f"git push --quiet --force {REPOSITORY} HEAD:main"
PULLING = f"""\
proscribe_schedule: pull
proscribe_schedule_repository: {REPOSITORY}
proscribe_schedule_ansible: /usr/bin/ansible-playbook
"""
MAKE_REPOSITORY = f"""\
ssh-keygen -q -t ed25519 -N '' -f /root/signer
ssh-keygen -q -t ed25519 -N '' -f /root/stranger
git config --global user.name Ops
git config --global user.email ops@example.org
git config --global gpg.format ssh
git config --global init.defaultBranch main
printf 'reports/\\n.venv/\\n__pycache__/\\n' >{CHECKOUT}/.gitignore
git init --quiet {CHECKOUT}
git init --quiet --bare {REPOSITORY}
"""

AUDITOR = """\
useradd --create-home --shell /bin/bash auditor && install -d -m 0700 -o auditor -g auditor /home/auditor/.ssh
install -m 0600 -o auditor -g auditor /root/.ssh/authorized_keys /home/auditor/.ssh/
echo "127.0.1.1 $(hostname)" >>/etc/hosts
"""


@pytest.fixture(scope="module")
def machine():
    with scheduled_machine("pull") as booted:
        booted.script(MAKE_REPOSITORY)
        commit(booted, "signer")
        signer = " ".join(["ops@example.org", *booted.read("/root/signer.pub").split()[:2]])
        booted.write(GROUP, f"{booted.read(GROUP)}{PULLING}proscribe_schedule_signers: ['{signer}']\n")
        commit(booted, "signer")
        booted.proscribe("schedule")
        yield booted


def commit(machine, key=""):
    """Commit the checkout as it is, signed with that key, and publish it; the commit."""
    signed = f"-S/root/{key}.pub" if key else "--no-gpg-sign"
    machine.script(f"cd {CHECKOUT}; git add --all; git commit --quiet --allow-empty -m x {signed}; {PUSH}")
    return machine.run("git", "-C", CHECKOUT, "rev-parse", "HEAD").strip()


def collected(machine, *options):
    machine.proscribe("collect", *options, check=False)
    return machine.record()


def test_a_host_is_unknown_until_it_has_brought_itself_in_line_and_the_controller_sees_it(machine):
    record = collected(machine)
    assert record["state"] == "unknown" and "it has no stored record yet" in record["reason"]
    assert machine.start(SERVICE), machine.log(SERVICE)
    stored = machine.json(RECORD)
    assert (stored["host"], stored["state"]) == ("web01", "repaired")
    assert machine.run("stat", "--format=%a %U", RECORD) == "600 root\n"
    assert (stored["errors"], stored["commit_trust"]) == ([], "first use")
    assert "is the first that this host has seen, and is trusted for that" in machine.log(SERVICE)
    assert machine.run("systemd-analyze", "verify", f"/etc/systemd/system/{SERVICE}") == ""
    record = collected(machine)
    assert (record["state"], record["checked_at"]) == ("repaired", stored["checked_at"])
    assert record["commit"] == machine.run("git", "-C", CHECKOUT, "rev-parse", "HEAD").strip()


def test_ten_ways_of_tampering_are_repaired_by_the_hosts_own_timer(machine):
    for tampering in TEN.values():
        machine.script(tampering.done)
        assert not machine.succeeds("sh", "-c", tampering.right), tampering
    before = machine.json(RECORD)["checked_at"]
    # Every few minutes, so that no second run replaces the record before it is collected.
    soon = machine.run("date", "--date=5 seconds", "+%H:%M:%S").strip()
    machine.proscribe("schedule", "-e", f"proscribe_schedule_calendar='*-*-* {soon}'")
    until(lambda: machine.json(RECORD)["checked_at"] != before)
    machine.proscribe("schedule")
    record = collected(machine)
    assert [how for how, tampering in TEN.items() if not named(record, tampering)] == []
    assert [how for how, tampering in TEN.items() if not machine.succeeds("sh", "-c", tampering.right)] == []
    assert (record["state"], record["errors"]) == ("repaired", [])
    assert record["found_at"] <= record["checked_at"]


def test_a_commit_that_nobody_trusted_signed_is_refused_and_the_last_good_one_kept(machine):
    until(lambda: not machine.succeeds("systemctl", "is-active", SERVICE))
    good = machine.run("git", "-C", CHECKOUT, "rev-parse", "HEAD").strip()
    for key in ("", "stranger"):
        # A policy that would open the host, and a launcher that would run as root.
        machine.write(f"{CHECKOUT}/proscribe", "#!/bin/sh\ntouch /root/was-here\n", "0755")
        commit(machine, key)
        machine.script("rm -f /etc/dpkg/dpkg.cfg.d/proscribe")
        machine.start(SERVICE)
        stored = machine.json(RECORD)
        assert (stored["commit"], stored["state"]) == (good, "repaired")
        assert "has no good signature" in stored["errors"][0]["message"] and not machine.there("/root/was-here")
        machine.script(f"cd {CHECKOUT}; git reset --quiet --hard {good}; {PUSH}")


def test_a_policy_with_a_mistake_is_reported_and_the_last_good_one_stays(machine):
    good = machine.run("git", "-C", CHECKOUT, "rev-parse", "HEAD").strip()
    restrictions = machine.read(GROUP)
    machine.write(GROUP, restrictions + "proscribe_catagories: []\n")
    commit(machine, "signer")
    machine.start(SERVICE)
    stored = machine.json(RECORD)
    assert stored["commit"] == good and "came to no report" in stored["errors"][0]["message"]
    machine.write(GROUP, restrictions)
    newer = commit(machine, "signer")
    assert machine.start(SERVICE), machine.log(SERVICE)
    assert (machine.json(RECORD)["commit"], machine.json(RECORD)["errors"]) == (newer, [])


def test_a_repository_that_is_gone_costs_nothing_but_freshness(machine):
    machine.run("mv", REPOSITORY, f"{REPOSITORY}.away")
    machine.script("rm -f /etc/dpkg/dpkg.cfg.d/proscribe")
    machine.start(SERVICE)
    stored = machine.json(RECORD)
    assert stored["state"] == "repaired", machine.log(SERVICE)
    assert "the repository could not be fetched" in stored["errors"][0]["message"]
    assert machine.there("/etc/dpkg/dpkg.cfg.d/proscribe")
    machine.run("mv", f"{REPOSITORY}.away", REPOSITORY)


def test_an_account_that_may_run_one_program_collects(machine):
    restrictions = machine.read(GROUP)
    machine.write(GROUP, f"{restrictions}proscribe_audit_with: stored\n")
    commit(machine, "signer")
    assert machine.start(SERVICE), machine.log(SERVICE)
    machine.script(AUDITOR)
    machine.write("/etc/sudoers.d/auditor", f'auditor ALL=(root) NOPASSWD: {PROGRAM_PATH} ""\n', "0440")
    stored = machine.json(RECORD)
    record = collected(machine, "-e", "ansible_user=auditor")
    assert (record["state"], record["checked_at"]) == (stored["state"], stored["checked_at"]), record
    machine.run("rm", "/etc/sudoers.d/auditor")
    record = collected(machine, "-e", "ansible_user=auditor")
    assert (record["state"], PROGRAM_PATH in record["reason"]) == ("unknown", True)
    machine.write(GROUP, restrictions)
    commit(machine, "signer")
    assert machine.start(SERVICE), machine.log(SERVICE)
    assert not machine.there(PROGRAM_PATH)


def test_a_checkout_that_the_host_was_given_needs_no_repository(machine):
    values = {"repository": "", "directory": CHECKOUT, "signers": [], "inventory": "fleet"}
    extra = json.dumps({f"proscribe_schedule_{name}": value for name, value in values.items()})
    machine.script(f"chown alice {CHECKOUT}/roles")
    refused = " ".join(machine.proscribe("schedule", "-e", extra, check=False).split())
    assert f"{CHECKOUT}/roles (of alice, mode 0755) can be changed by alice" in refused, refused
    machine.script(f"chown root {CHECKOUT}/roles")
    machine.proscribe("schedule", "-e", extra)
    machine.script("rm -f /etc/dpkg/dpkg.cfg.d/proscribe")
    assert machine.start(SERVICE), machine.log(SERVICE)
    stored = machine.json(RECORD)
    assert stored["state"] == "repaired" and "commit" not in stored
    # Each run checks its files again, and the controller learns of a refusal.
    machine.script(f"chmod o+w {CHECKOUT}/roles; rm -f /etc/dpkg/dpkg.cfg.d/proscribe")
    assert not machine.start(SERVICE)
    status = machine.run("systemctl", "show", SERVICE, "--property=ExecMainStatus", "--value")
    assert status == "77\n" and not machine.there("/etc/dpkg/dpkg.cfg.d/proscribe")
    record = collected(machine)
    assert record["state"] == "error", record
    assert f"chmod -R go-w {CHECKOUT}/roles" in record["errors"][0]["message"]
    machine.script(f"chmod o-w {CHECKOUT}/roles")
    assert machine.start(SERVICE), machine.log(SERVICE)
    assert machine.json(RECORD)["errors"] == [] and not machine.there("/etc/proscribe/pull_signers")


def test_lift_takes_the_hosts_own_runs_away_first(machine):
    machine.proscribe("lift")
    # (An edited policy file was taken for the organisation's own: it stays, and so does the note of its folders.)
    installed = ("/usr/libexec/proscribe", "/etc/proscribe", "/var/lib/proscribe/pull", RECORD)
    for path in (f"/etc/systemd/system/{TIMER}", f"/etc/systemd/system/{SERVICE}", *installed):
        assert not machine.there(path), machine.run("find", path)
    assert "proscribe" not in machine.run("systemctl", "list-units", "--all", "proscribe*")
