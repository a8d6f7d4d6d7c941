"""The launcher and the playbooks for real, on the machine that the tests run on. Nothing of it is changed."""

import json
import os
import re
import shutil
from pathlib import Path

import pytest
from checkout import LOCAL, PROJECT, REAL_ANSIBLE, Site, clean_environment, launch, proscribe

pytestmark = pytest.mark.playbook

DEAD = "dead: {ansible_host: 127.0.0.1, ansible_port: 1}"  # nothing listens there
PARROT = """\
{id: parrot, name: Parrot, category: webmail, vendor: Parrot Ltd, audience: consumer, enforce: true,
 packages: {apt: [parrot], flatpak: [org.parrot.Parrot]}, paths: {linux: [/opt/parrot/parrot]}, sources: [made]}
"""
WAIVER = """\
id: made
services: [whatsapp]
hosts: [localhost]
reason: for a test
requested_by: somebody
approved_by: somebody.else
approved_on: 2024-01-01T00:00:00+08:00
valid_from: 2024-01-01T00:00:00+08:00
expires: {expires}
"""


@pytest.fixture
def run(tmp_path):
    return Site(tmp_path)


def test_the_example_inventory_audits_the_machine_it_stands_on(tmp_path):
    ended = proscribe("audit", reports=tmp_path, cwd=tmp_path)
    assert ended.code == 0, ended.said
    assert "1 host: " in ended.said
    report = json.loads((tmp_path / "latest" / "report.json").read_text())
    assert report["summary"]["coverage"] == {"numerator": 1, "denominator": 1, "percent": 100.0}


@pytest.mark.parametrize("options", [(), ("--check", "--diff", "-v"), ("--tags", "apps,dns")])
def test_an_audit_may_be_run_in_every_way_and_twice(run, options):
    for _ in range(2):
        ended = run("audit", *options)
        assert ended.code == 0, ended.said
    rules = {rule["rule"].partition("/")[0] for rule in run.records["localhost"]["rules"]}
    assert rules <= ({"apps", "dns"} if "--tags" in options else {"apps", "browser", "dns", "firewall"})


def test_a_check_of_enforce_changes_nothing_and_shows_what_it_would(run):
    if os.geteuid() != 0:
        pytest.skip("needs root: an ordinary user is refused before there is anything to show")
    before = Path("/etc/hosts").read_bytes()
    ended = run("enforce", "--check", "--diff", "--tags", "dns")
    assert ended.code == 0, ended.said
    # One line for each list, and the whole in a file of the account's own: not 1,500 lines of names.
    assert re.search(r"\d+ names added: ", ended.said) and len(ended.said.splitlines()) < 40
    named = re.search(r"all of it: (\S+)", ended.said)
    assert named
    whole = (run.cwd / named[1]).resolve()
    assert "+# BEGIN proscribe" in whole.read_text()
    assert run.reports in whole.parents and whole.stat().st_mode & 0o777 == 0o600
    assert Path("/etc/hosts").read_bytes() == before


@pytest.mark.parametrize("options", [("--limit", "nosuch"), ("-i", "/nowhere/inventory")])
def test_run_that_evaluated_nothing_is_reported_once_and_is_no_success(run, options):
    ended = run("audit", *options)
    assert ended.code == 12, ended.said
    assert ended.said.count("nothing was evaluated") == 1 and not (run.reports / "latest").exists()


def test_a_gate_turns_a_host_that_does_not_answer_into_exit_11(run):
    run.hosts(LOCAL, DEAD)
    # Only what is not there counts here, so that the other host is not noncompliant.
    run.file("group_vars/all.yml", "proscribe_controls: {apps: 'off', browser: 'off', firewall: 'off', dns: 'off'}\n")
    ended = run("audit", "-e", "proscribe_compliance_gate=incomplete")
    assert ended.code == 11, ended.said
    assert run.report["summary"]["hosts"]["unknown"] >= 1


def test_mistakes_in_the_restrictions_are_reported_with_what_was_meant(run):
    run.file("group_vars/all.yml", "proscribe_catagories: [webmail]\nproscribe_effective_from: soon\n")
    ended = run("audit")
    assert ended.code not in (0, 10, 11), ended.said
    words = ("proscribe_catagories", "proscribe_categories", "proscribe_effective_from", "soon")
    assert all(word in " ".join(ended.said.split()) for word in words), ended.said
    assert "group_vars/all.yml" in ended.said and "Traceback" not in ended.said
    assert not (run.reports / "latest").exists()


def test_a_catalogue_inside_the_inventory_is_no_inventory_or_stops_the_run(run):
    """Ansible takes it for hosts where it has another name."""
    run.file("ours/webmail/parrot.yml", PARROT)
    run.file("group_vars/all.yml", "proscribe_catalog_dirs: [ours]\n")
    ended = run("audit", "--tags", "apps")
    assert "all.yml:1: proscribe_catalog_dirs: found" in ended.said and "call it catalog" in ended.said, ended.said
    assert not (run.reports / "latest").exists()
    (run.inventory / "ours").rename(run.inventory / "catalog")
    run.file("group_vars/all.yml", "proscribe_catalog_dirs: [catalog]\n")
    ended = run("audit", "--tags", "apps")
    assert ended.code == 0 and "WARNING" not in ended.usual, ended.said
    assert run.report["departments"] == {"some_department": ["localhost"]}


def test_an_inventory_that_is_no_yaml_stops_the_run(run):
    run.file("hosts.yml", "some_department: [unclosed\n")
    ended = run("audit")
    assert ended.code == 12, ended.said
    assert "hosts.yml" in ended.said and not (run.reports / "latest").exists()


@pytest.mark.skipif(shutil.which("faketime") is None, reason="needs faketime, to move the controller's clock")
def test_the_first_run_after_its_end_takes_a_waiver_back(run):
    start, end = "2026-11-01T00:00:00+08:00", "2026-12-31T18:00:00+08:00"
    run.file("waivers/made.yml", WAIVER.replace("2024-01-01T00:00:00+08:00", start).format(expires=end))
    run.file("approvers.yml", "some_department: {head: somebody.else}\n")
    own = {"PROSCRIBE_ANSIBLE_PLAYBOOK": REAL_ANSIBLE, "PROSCRIBE_REPORTS": str(run.reports)}
    environment = clean_environment(TZ="UTC", **own)
    for clock, status, modes in (
        ("2026-12-31 09:50:00", "active", {"waived"}),  # ten minutes before, which is more than the run takes
        ("2026-12-31 10:00:00", "expired", {"enforce"}),
    ):
        words = [clock, str(PROJECT / "proscribe"), "audit", "-i", str(run.inventory), "--tags", "dns"]
        ended = launch(Path(str(shutil.which("faketime"))), *words, environment=environment)
        assert ended.code == 0, ended.said
        assert [waiver["status"] for waiver in run.report["waivers"]] == [status]
        digest = run.records["localhost"]["plan"].removeprefix("sha256:")
        sections = json.loads((run.reports / "plans" / f"{digest}.json").read_text())["controls"].values()
        assert {section["services"]["whatsapp"]["mode"] for section in sections} == modes


def test_waivers_and_approvers_are_not_taken_for_inventory(run):
    run.file("waivers/made.yml", WAIVER.format(expires="2024-06-01T00:00:00+08:00"))
    run.file("approvers.yml", "some_department: {head: somebody.else}\n")
    run.file("allowed_signers", "somebody.else ssh-ed25519 AAAA\n")
    ended = run("audit", "--list-hosts")
    assert ended.code == 0, ended.said
    assert "WARNING" not in ended.usual and "ERROR" not in ended.said and "hosts (1):" in ended.said
