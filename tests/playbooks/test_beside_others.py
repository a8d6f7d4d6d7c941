"""The report beside ARA, which records runs, and Mitogen, which has strategies and connections of its own."""

import json
import subprocess

import pytest
from checkout import PROJECT, clean_environment
from organisation import PATHS, ROLES, Organisation
from others import installed

pytestmark = pytest.mark.playbook
PLAY = "- hosts: department\n  gather_facts: false\n  roles:\n    - {role}\n"
STRATEGIES = "import os, ansible_mitogen as m; print(os.path.dirname(m.__file__))"


@pytest.fixture(scope="module")
def beside():
    return installed("ARA and Mitogen", "test-beside")


@pytest.fixture
def organisation(tmp_path, beside):
    return Organisation(tmp_path, beside.tool("ansible-playbook"))


@pytest.fixture
def recorded(beside, organisation):
    def ask(*words):
        environment = clean_environment(ARA_BASE_DIR=str(organisation.directory / "ara"))
        argv = [beside.tool("ara"), *words, "-f", "json"]
        done = subprocess.run(argv, env=environment, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout[done.stdout.index("[") :])

    return ask


def directory_of(beside, code):
    """The directory that an installed package names."""
    return subprocess.check_output([beside.tool("python"), "-c", code], text=True).strip()


def test_ara_records_the_whole_run_that_ends_with_our_report_and_exit_code(beside, organisation, recorded):
    callbacks = directory_of(beside, "import ara.setup as s; print(s.callback_plugins)")
    organisation.configured(f"callback_plugins = {callbacks}\n", ROLES)
    organisation.inventory(proscribe_compliance_gate="noncompliant")
    playbook = organisation.playbook(PLAY.format(role="compliance"))
    ended = organisation.run(playbook, ARA_BASE_DIR=str(organisation.directory / "ara"))
    assert (ended.code, organisation.covered) == (10, [(3, 3)]), ended.said
    (run,) = recorded("playbook", "list")
    assert (run["status"], run["hosts"]) == ("failed", 3)
    assert {host["name"] for host in recorded("host", "list")} == {"one", "two", "three"}


@pytest.mark.parametrize(
    ("strategy", "role", "code", "prints"),
    [
        ("mitogen_linear", "compliance", 0, "coverage 3 of 3"),
        ("mitogen_linear", "dns_filter", 2, 'strategy is "mitogen_linear", expected "linear" in a play that changes'),
        ("mitogen_free", "compliance", 2, 'strategy is "mitogen_free"'),
    ],
)
def test_mitogen_observes_and_is_refused_where_it_cannot_work(beside, organisation, strategy, role, code, prints):
    organisation.configured(f"strategy_plugins = {directory_of(beside, STRATEGIES)}/plugins/strategy\n", ROLES)
    ended = organisation.run(organisation.playbook(PLAY.format(role=role)), "--check", ANSIBLE_STRATEGY=strategy)
    assert ended.code == code, ended.said
    assert prints in " ".join(ended.said.split()), ended.said
    assert organisation.covered == ([(3, 3)] if code == 0 else [])


def test_our_own_playbooks_run_where_mitogen_is_the_strategy_of_all_others(beside, organisation):
    plugins = f"{directory_of(beside, STRATEGIES)}/plugins/strategy"
    organisation.configured(f"strategy_plugins = {plugins}\nstrategy = mitogen_linear\n", PATHS)
    ended = organisation.run(PROJECT / "playbooks" / "enforce.yml", "--check", "--limit", "department")
    assert (ended.code, organisation.covered) == (0, [(3, 3)]), ended.said
