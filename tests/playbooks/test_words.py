"""The words without a playbook, through the launcher, with a real Ansible: they see an inventory as a run sees it."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from checkout import PROJECT, REAL_ANSIBLE, Site, clean_environment, launch, made_ansible

pytestmark = pytest.mark.playbook

# Variables on every level that Ansible knows, with templates, so that precedence and templating have a say.
INVENTORY = {
    "hosts.yml": """
press:
  hosts: {press01: {ansible_connection: local}, press02: {ansible_connection: local}}
finance:
  hosts: {fin01: {ansible_connection: local}}
""",
    "group_vars/all.yml": """
proscribe_contact: "the desk of {{ inventory_hostname }}"
proscribe_services_exclude: "{{ spared | default([]) }}"
proscribe_controls: {firewall: audit}
""",
    "group_vars/finance.yml": "spared: [telegram]\n",
    "host_vars/press02.yml": "proscribe_controls: {browser: 'off', apps: audit}\n",
    "approvers.yml": "press: {head: head.of.press}\nfinance: {head: head.of.finance}\n",
    "allowed_signers": "",
    "waivers/README.md": "no inventory\n",
}
NEW = [
    *("waiver", "new", "--service", "whatsapp", "--host", "press01", "--reason", "Enquiries", "--id", "w1"),
    *("--requested-by", "alice", "--approved-by", "head.of.press", "--approved-on", "now", "--expires", "30d"),
]


COMPILE = """\
import argparse, datetime, json
from proscribe.controller.cli import inventory
from proscribe.controller.compile.plans.host_plans import compile_hosts
parser = argparse.ArgumentParser()
inventory.add_inventory_options(parser)
compile_input = inventory.read_compile_input(parser.parse_args())
print(json.dumps(compile_hosts(compile_input, datetime.datetime.now(datetime.timezone.utc)).hosts))
"""
BESIDE = "#!/bin/sh\n'''exec' \"{python}\" \"$0\" \"$@\"\n' '''\n"


class Desk(Site):
    """The inventory, and what commands print as JSON."""

    def __init__(self, directory):
        super().__init__(directory)
        for name, content in INVENTORY.items():
            self.file(name, content)

    def as_json(self, *words):
        return dict(json.loads(self(*words, "--json").said))

    def explained(self, name, *words):
        """By host: what every control answers."""
        groups = self.as_json("explain", name, *words)["answers"]
        by_host = {host: group["controls"] for group in groups for host in group["hosts"]}
        return {host: {name: own["answer"] for name, own in controls.items()} for host, controls in by_host.items()}


@pytest.fixture
def desk(tmp_path):
    return Desk(tmp_path)


def test_the_example_inventory_is_explained_from_anywhere(tmp_path):
    environment = clean_environment(PROSCRIBE_ANSIBLE_PLAYBOOK=REAL_ANSIBLE)
    ended = launch(PROJECT / "proscribe", "explain", "mail.google.com", cwd=tmp_path, environment=environment)
    assert ended.said.startswith("mail.google.com (Gmail: gmail): policy: blocked on localhost")
    assert ended.code == 1 and list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (("explain", "example.org"), 0, "example.org: policy: open on every host asked for"),
        (("explain", "telegram", "--host", "fin01"), 0, "proscribe_services_exclude names it"),
        (("explain", "telegram", "-e", "proscribe_categories=[]"), 2, "proscribe_categories"),
        (("explain", "t.me", "--at", "2024-01-01T00:00:00Z"), 0, "upcoming on 2 of 3 hosts"),
        (("explain", "telegrm"), 2, "did you mean 'telegram'?"),
        (("waiver", "list"), 0, "no waivers in this inventory"),
        (("waiver", "new", "--service", "whatsapp"), 2, "there is no terminal to ask at"),
    ],
)
def test_a_word_ends_with_its_code_and_says_why(desk, words, code, said):
    ended = desk(*words)
    assert (ended.code, said in " ".join(ended.said.split())) == (code, True), ended.said
    assert "Traceback" not in ended.said and not desk.reports.exists()


@pytest.mark.parametrize(
    ("content", "message"), [("proscribe_categoris: []\n", ":1: proscribe_categoris"), ("a: [", "")]
)
def test_a_mistake_in_the_inventory_is_named_in_plain_lines(desk, content, message):
    desk.file("group_vars/press.yml", content)
    ended = desk("explain", "t.me")
    assert ended.code == 2 and f"group_vars/press.yml{message}" in ended.said, ended.said
    assert "Traceback" not in ended.said


def test_every_host_is_explained_by_the_plan_that_a_run_gives_it(desk):
    extra = ("-e", "proscribe_audiences={{ ['consumer', 'both', 'enterprise'] }}")
    ended = desk("audit", "--tags", "apps", *extra)
    assert ended.code == 0, ended.said
    plans = {host: record["plan"] for host, record in desk.records.items()}
    own = {"ANSIBLE_CONFIG": str(PROJECT / "ansible.cfg"), "PYTHONPATH": str(PROJECT / "module_utils")}
    argv = [sys.executable, "-P", "-c", COMPILE, "-i", str(desk.inventory), *extra]
    done = subprocess.run(argv, env=clean_environment(**own), capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == plans and len(set(plans.values())) == 3


def test_report_list_and_explain_say_the_same_of_a_waiver_for_all_its_life(desk):
    def statuses():
        listed = desk.as_json("waiver", "list")["waivers"]
        assert desk("audit", "--tags", "apps").code == 0
        fields = ("id", "status", "hosts", "expires")
        both = [[tuple(row[key] for key in fields) for row in rows] for rows in (listed, desk.report["waivers"])]
        assert both[0] == both[1]
        return [row[1:3] for row in both[0]]

    assert desk(*NEW).code == 0 and statuses() == [("active", ["press01"])]
    assert desk("waiver", "verify").code == 0 and desk("waiver", "expire-soon", "--within", "31d").code == 1
    answers = desk.explained("web.whatsapp.com")
    assert answers["press01"]["browser"] == answers["press01"]["dns"] == "waived"
    assert answers["fin01"]["browser"] == "blocked"
    assert desk("waiver", "revoke", "w1", "--by", "head.of.press", "--why", "over").code == 0
    assert statuses() == [("revoked", ["press01"])]
    assert desk.explained("web.whatsapp.com")["press01"]["browser"] == "blocked"
    assert desk("waiver", "verify").code == 1


@pytest.mark.parametrize("script", ["#!{python}\n", "#! {python} -s\n", "#!/usr/bin/env python3\n", BESIDE])
def test_the_python_of_a_given_ansible_is_found(desk, tmp_path, script):
    python = Path(REAL_ANSIBLE).with_name("python3")
    ansible = made_ansible(tmp_path / "ansible-playbook", script.format(python=python))
    if script.startswith("#!/bin/sh"):
        (tmp_path / "python3").write_text(f'#!/bin/sh\nexec "{python}" "$@"\n')
        (tmp_path / "python3").chmod(0o755)
    path = f"{python.parent}:/usr/bin:/bin"
    assert desk("explain", "example.org", PROSCRIBE_ANSIBLE_PLAYBOOK=ansible, PATH=path).code == 0


def test_an_ansible_whose_python_is_nowhere_is_reported(desk, tmp_path):
    ansible = made_ansible(tmp_path / "ansible-playbook", "#!/bin/sh\n")
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "python3").symlink_to("/bin/false")
    ended = desk("explain", "example.org", PROSCRIBE_ANSIBLE_PLAYBOOK=ansible, PATH=f"{tmp_path / 'bin'}:/usr/bin:/bin")
    assert (ended.code, "no Python was found that has the Ansible of" in ended.said) == (2, True)
