"""What `init` makes, used as a team uses it: its README's commands, its pipelines, its Molecule scenario."""

import json
import os
import re
import subprocess

import pytest
import yaml
from patience import LONGEST
from pipelines import GITHUB, GITLAB, document, github
from processes import MERGED
from vendored import PROJECT, Repository, bin_directory, collection_of_pypi

__all__ = ["bin_directory"]  # fixtures
DEPARTMENTS = ("--department", "finance=fin01", "--department", "press=press01,press02")
TENANTS = ("--tenant", "google=acme.example")


def init(directory, bin_directory, *options):
    environment = {**os.environ, "PROSCRIBE_ANSIBLE_PLAYBOOK": str(bin_directory / "ansible-playbook")}
    argv = [str(PROJECT / "proscribe"), "init", str(directory), "--organisation", "Acme", *options]
    done = subprocess.run(argv, env=environment, timeout=LONGEST, **MERGED)
    assert done.returncode == 0, done.stdout
    return str(done.stdout)


def installed(policy):
    """A repository with its collections: its own as its file says, and Molecule's from this disk."""
    policy.run("ansible-galaxy", "collection", "install", "-r", "requirements.yml", "-p", "collections")
    podman = collection_of_pypi("containers", "podman")
    policy.write({"molecule/default/collections.yml": f"---\ncollections:\n  - {{name: {podman}, type: dir}}\n"})
    return policy


@pytest.fixture(scope="module")
def made(bin_directory, tmp_path_factory):
    place = tmp_path_factory.mktemp("init")
    key = place / "home/.ssh/id_ed25519"
    policy = Repository(place / "policy", bin_directory, place / "home")
    policy.directory.rmdir()
    key.parent.mkdir(mode=0o700)
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(key)], check=True)
    init(policy.directory, bin_directory, *DEPARTMENTS, *TENANTS, "--approver", f"finance:chan.tai.man={key}.pub")
    policy.commit("the policy")
    installed(policy)
    policy.commit("Molecule's collections are those of this disk")
    return policy


def expected(policy, table, *options):
    return policy.run("ansible-playbook", "proscribe.ban.explain", "-e", f"explain_expect={table}", *options)


def test_pipeline_of_a_new_repository_passes(made):
    said = github(made, "test", {}, but="molecule test")
    assert re.search(r"Passed.*0 failure.*production", said, re.DOTALL), said
    assert "0 problems in" in said
    assert "expectations.yml: 9 of 9 names as expected" in said and "exceptions.yml: 2 of 2" in said
    assert made.git("status", "--porcelain") == ""


def test_the_head_of_a_department_grants_a_waiver_with_the_commands_of_the_readme(made):
    block = re.findall(r"```sh\n(.*?)```", (made.directory / "README.md").read_text(), re.DOTALL)[-1]
    assert "chan.tai.man" in block and "--host fin01" in block
    made.run("bash", "-e", "-c", block.replace("--requested-by chan.tai.man", "--requested-by lee"))
    exceptions = made.directory / "exceptions.yml"
    exceptions.write_text(exceptions.read_text().replace("audited:", "waived:", 1))
    assert "exceptions.yml: 2 of 2" in expected(made, "exceptions.yml")
    made.git("stash", "--include-untracked")


def test_an_audit_of_hosts_that_only_audit_is_no_failure(made):
    (made.directory / "inventory/prod/host_vars").mkdir()
    for name in ("fin01", "press01", "press02"):
        made.write({f"inventory/prod/host_vars/{name}.yml": "ansible_connection: local\n"})
    said = made.run(*document(made, GITHUB)["jobs"]["audit"]["steps"][2]["run"].removeprefix(".venv/bin/").split())
    assert "3 hosts: 3 noncompliant" in said and "only audited: apps, browser, firewall, dns" in said, said
    made.git("clean", "--quiet", "--force", "-d", "inventory")


def test_the_collection_makes_the_same(made):
    key = f"{made.environment['HOME']}/.ssh/id_ed25519.pub"
    variables = {"init_dir": "second", "init_organisation": "Acme", "init_tenant": ["google=acme.example"]}
    variables |= {"init_department": DEPARTMENTS[1::2], "init_approver": [f"finance:chan.tai.man={key}"]}
    variables["init_source"] = "https://git.example.org/it/proscribe-ban.git"
    said = made.run("ansible-playbook", "proscribe.ban.init", "-e", json.dumps(variables))
    assert "ansible-playbook proscribe.ban.drift" in said
    left_out = [word for name in (".*", "collections", "second", "vendor", "reports") for word in ("-x", name)]
    differing = made.run("diff", "-rq", *left_out, ".", "second", code=1)
    own = {"./README.md", "./requirements.yml", "./molecule/default/collections.yml"}  # the last is of this disk
    assert {line.split()[1] for line in differing.splitlines()} == own
    entry = yaml.safe_load((made.directory / "second/requirements.yml").read_text())["collections"][0]
    assert entry["type"] == "git" and re.fullmatch(r"v\d+\.\d+\.\d+.*", entry["version"])
    again = made.run("ansible-playbook", "proscribe.ban.init", "-e", json.dumps(variables), code=2)
    assert "there already; nothing was written" in again
    made.git("clean", "--quiet", "--force", "-d", "second")


@pytest.fixture
def existing(bin_directory, tmp_path):
    """A repository with an inventory of its own, in which `init` was run."""
    policy = Repository(tmp_path / "policy", bin_directory, tmp_path / "home")
    hosts = "[press]\npress01\n\n[finance]\nfin01\n"
    policy.write({"inventory/hosts.ini": hosts, "inventory/group_vars/all.yml": "ours: 1\n"})
    policy.commit("before")
    init(policy.directory, bin_directory, "--inventory", "inventory/hosts.ini", "--ci", "gitlab")
    assert policy.git("diff", "HEAD") == ""
    yield installed(policy)


def test_an_inventory_that_is_there_is_used_as_it_is(existing):
    existing.commit("the policy")
    for table, rows in (("expectations.yml", "9 of 9"), ("exceptions.yml", "2 of 2")):
        assert f"{table}: {rows} names as expected" in expected(existing, table)
    assert document(existing, GITLAB)["audit"]["script"] == ["ansible-playbook proscribe.ban.audit"]
    existing.write({"inventory/prod/group_vars/press.yml": "proscribe_services_exclude: [telegram]\n"})
    changed = existing.run("ci/diff", "HEAD")
    assert "press01" in changed and "fin01" not in changed
