"""The collection in the shapes that projects of teams have: what works in each of them, and how it ends."""

import json
import os
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

import pytest
from checkout import AS_ROOT, REAL_ANSIBLE, clean_environment, install_collection, launch
from made_fleet import Fleet
from others import installed

pytestmark = AS_ROOT

CONFIG = """\
[defaults]
inventory = ../fleet
collections_path = {collections}
roles_path = our_roles
stdout_callback = ansible.builtin.default
"""
VARIABLES = """\
proscribe_categories: [webmail]
proscribe_controls: {apps: 'off', browser: 'off', firewall: 'off', dns: enforce}
"""
# Every project has the DNS filter enforced in one way or another. The keywords and the body differ.
PLAY = "- name: Our own play\n  hosts: department\n  gather_facts: false\n"
ROLE = "proscribe.ban.dns_filter"

IN_A_LOOP = f"""{PLAY}  tasks:
    - name: The ban, and what we do where it fails
      block:
        - name: Each role of our list
          ansible.builtin.include_role:
            name: proscribe.ban.{{{{ item }}}}
          loop: [dns_filter]
      rescue:
        - name: Tell somebody
          ansible.builtin.debug: {{msg: "rescued {{{{ inventory_hostname }}}}"}}
"""
SEVERAL_IN_A_LOOP = IN_A_LOOP.replace("[dns_filter]", "[dns_filter, browser_policy]")
TAGGED = f"""{PLAY}  tasks:
    - name: The ban
      ansible.builtin.import_role: {{name: {ROLE}}}
      tags: [ban]
    - name: Something else
      ansible.builtin.debug: {{msg: something else}}
      tags: [other]
"""
DESKTOP = {
    "our_roles/desktop/meta/main.yml": f"dependencies: [{{role: {ROLE}}}]\n",
    "our_roles/desktop/tasks/main.yml": "- name: Our desktop\n  ansible.builtin.debug: {msg: our desktop}\n",
}
SHORT_MODULES = f"""{PLAY}  collections: [proscribe.ban]
  tasks:
    - name: Compile
      compile_plans: {{mode: enforce}}
      run_once: true
      register: proscribe_compiled
    - name: Enforce
      dns_filter:
        plan: "{{{{ proscribe_compiled | proscribe.ban.proscribe_plan(inventory_hostname) }}}}"
    - name: Observe
      compliance_state:
"""
SHORT_FILTER = SHORT_MODULES.replace("| proscribe.ban.", "| ")
PLAIN = f"{PLAY}  roles: [{ROLE}]\n"
ONCE_BESIDE = PLAIN + "  post_tasks:\n    - ansible.builtin.debug: {msg: once}\n      run_once: true\n"


REPAIRED = {"h1": "repaired", "h2": "repaired"}


class Shape(NamedTuple):
    """A project, what is run in it, and how it ends."""

    site: str
    code: int = 0
    states: Mapping[str, str] = REPAIRED
    says: tuple[str, ...] = ()
    words: tuple[str, ...] = ("site.yml",)
    files: Mapping[str, str] = {}
    breaks: str = ""  # the host that refuses every change
    controls: tuple[str, ...] = ("dns",)  # that the run is about


COMMITTER = ("-c", "user.name=A Team", "-c", "user.email=team@example.org")
EVERY = ("apps", "browser", "firewall", "dns")
IN_EFFECT = {"h1": "compliant", "h2": "compliant"}  # of which no observation before was asked for
NOT_ON_H1 = {"h1": "error", "h2": "repaired"}
UNKNOWN = {"h1": "unknown", "h2": "unknown"}
NO_FILTER = ("No filter named 'proscribe_plan'",)
SHAPES = {
    "include_role in a loop": Shape(IN_A_LOOP),
    "include_role in a loop, and rescue": Shape(IN_A_LOOP, 2, NOT_ON_H1, ("rescued h1",), breaks="h1"),
    "include_role of several in a loop": Shape(SEVERAL_IN_A_LOOP, controls=("browser", "dns")),
    "import_role with tags": Shape(TAGGED, words=("site.yml", "--tags", "ban")),
    "a role that depends on ours": Shape(f"{PLAY}  roles: [desktop]\n", says=("our desktop",), files=DESKTOP),
    "short names of roles": Shape(f"{PLAY}  collections: [proscribe.ban]\n  roles: [dns_filter]\n"),
    "short names of modules": Shape(SHORT_MODULES, 0, IN_EFFECT, controls=EVERY),
    "short names of filters": Shape(SHORT_FILTER, 2, UNKNOWN, NO_FILTER, controls=EVERY),
    "run_once on a task beside it": Shape(ONCE_BESIDE, says=("once",)),
}


class Team:
    def __init__(self, directory, collections):
        self.fleet = Fleet(directory, 2)
        self.directory = directory / "project"
        self.directory.mkdir()
        self.write({"ansible.cfg": CONFIG.format(collections=collections), "../fleet/group_vars/all.yml": VARIABLES})
        self.environment = clean_environment(HOME=str(directory), PROSCRIBE_REPORTS=str(directory / "reports"))

    def write(self, files):
        for path, text in files.items():
            (self.directory / path).parent.mkdir(parents=True, exist_ok=True)
            (self.directory / path).write_text(text)

    def run(self, *words, program=REAL_ANSIBLE, **environment):
        return launch(Path(program), *words, cwd=self.directory, environment={**self.environment, **environment})

    def done(self, *words, program=REAL_ANSIBLE, **environment):
        """The states of the hosts, in the report of what has to end well."""
        ended = self.run(*words, program=program, **environment)
        assert ended.code == 0, ended.said
        return self.fleet.states


@pytest.fixture(scope="module")
def collections(tmp_path_factory):
    """Where ansible-galaxy has installed the collection, as it is built from this checkout."""
    return install_collection(tmp_path_factory.mktemp("shapes"))


@pytest.fixture
def team(tmp_path, collections):
    return Team(tmp_path, collections)


@pytest.mark.parametrize("shape", SHAPES.values(), ids=list(SHAPES))
def test_the_collection_in_a_project_of_that_shape(team, shape):
    team.write({"site.yml": shape.site, **shape.files})
    if shape.breaks:
        team.fleet.breaks(shape.breaks)
    ended = team.run(*shape.words)
    assert ended.code == shape.code, ended.said
    assert team.fleet.states == shape.states, ended.said
    assert team.fleet.corrected == {host for host, state in shape.states.items() if state in ("repaired", "compliant")}
    report = json.loads((team.fleet.latest / "report.json").read_text())
    assert report["run"]["controls"] == list(shape.controls), ended.said
    assert [text for text in shape.says if text not in ended.said] == [], ended.said


def test_a_retry_file_names_the_hosts_that_failed(team):
    """Ansible puts it beside the playbook, which is the collection's own directory unless one is named."""
    team.fleet.breaks("h1")
    retries = {"ANSIBLE_RETRY_FILES_ENABLED": "1", "ANSIBLE_RETRY_FILES_SAVE_PATH": str(team.directory)}
    ended = team.run("proscribe.ban.enforce", "--tags", "dns", **retries)
    assert ended.code == 2, ended.said
    (retry,) = team.directory.glob("*.retry")
    assert retry.read_text() == "h1\n"
    team.fleet.interpreter("h1")
    assert team.done("proscribe.ban.enforce", "--tags", "dns", "--limit", f"@{retry.name}") == {"h1": "repaired"}
    assert team.fleet.corrected == {"h1", "h2"}


def test_ansible_pull(team):
    local = f"ansible_connection: local, ansible_python_interpreter: {team.fleet.directory}/h1/py"
    variables = f"{VARIABLES}proscribe_dns_backend: hosts\nproscribe_requests: false\n"
    files = {"hosts.yml": f"department: {{hosts: {{localhost: {{{local}}}}}}}\n", "group_vars/all.yml": variables}
    team.write({"site.yml": PLAIN, **files})
    for words in (("init", "-q", "-b", "main"), ("add", "-A"), (*COMMITTER, "commit", "-q", "-m", "policy")):
        subprocess.run(["git", *words], cwd=team.directory, env=team.environment, check=True)
    pulled = str(team.fleet.directory / "pulled")
    where = ("--url", team.directory.as_uri(), "--checkout", "main", "--directory", pulled)
    pull = str(Path(REAL_ANSIBLE).with_name("ansible-pull"))
    assert team.done(*where, "-i", "hosts.yml", "site.yml", program=pull) == {"localhost": "repaired"}


def test_a_project_and_a_collection_that_nobody_can_write(team, collections):
    team.write({"site.yml": PLAIN})
    script = 'for place; do mount --bind -o ro "$place" "$place"; done; cd . && exec "$0" site.yml'
    words = ("--mount", "sh", "-c", script, REAL_ANSIBLE, str(team.directory), str(collections))
    assert team.done(*words, program="/usr/bin/unshare") == REPAIRED


INI = """\
[department]
h1 ansible_python_interpreter={fleet}/h1/py
h2 ansible_python_interpreter={fleet}/h2/py
[all:vars]
ansible_connection=local
"""
SCRIPT = """\
#!/bin/sh
cat <<'END'
{{"department": {{"hosts": ["h1", "h2"], "vars": {{"ansible_connection": "local"}}}}, "_meta": {{"hostvars": {{
"h1": {{"ansible_python_interpreter": "{fleet}/h1/py"}}, "h2": {{"ansible_python_interpreter": "{fleet}/h2/py"}}}}}}}}
END
"""
IN_FILES = "ansible_connection: local\nansible_python_interpreter: '{fleet}/{{{{ inventory_hostname }}}}/py'\n"
INVENTORIES = {
    "INI": ("hosts.ini", {"hosts.ini": INI}),
    "a script": ("hosts.sh", {"hosts.sh": SCRIPT}),
    "named on the command line": ("h1,h2,", {"host_vars/h1.yml": IN_FILES, "host_vars/h2.yml": IN_FILES}),
}


@pytest.mark.parametrize("source", INVENTORIES.values(), ids=list(INVENTORIES))
def test_inventories_of_other_kinds(team, source):
    inventory, files = source
    variables = f"{VARIABLES}proscribe_dns_backend: hosts\nproscribe_requests: false\n"
    here = {path: text.format(fleet=team.fleet.directory) for path, text in files.items()}
    team.write({"site.yml": PLAIN.replace("department", "all"), "group_vars/all.yml": variables, **here})
    for script in team.directory.glob("*.sh"):
        script.chmod(0o755)
    assert team.done("-i", inventory, "site.yml") == REPAIRED


ASSERTIONS = """\
import json
import os
import pathlib

lines = pathlib.Path(os.environ["PROSCRIBE_REPORTS"], "latest/hosts.jsonl").read_text().splitlines()
STATES = {record["host"]: record["state"] for record in map(json.loads, lines)}


def test_the_host_is_what_the_report_says(host):
    blocked = host.run("getent ahosts mail.google.com").stdout.split()
    assert (STATES[host.backend.host], blocked[0]) == ("repaired", "0.0.0.0")
"""


def test_testinfra_asserts_on_the_host_what_the_report_says(team):
    testinfra = installed("testinfra", "test-testinfra")
    team.write({"site.yml": PLAIN, "tests/test_ban.py": ASSERTIONS})
    assert team.done("site.yml") == REPAIRED
    path = f"{testinfra.directory}/bin:{os.environ['PATH']}"
    options = ("-p", "no:cacheprovider", "--force-ansible", "--ansible-inventory=../fleet", "tests")

    def asserted(hosts):
        return team.run(*options, f"--hosts=ansible://{hosts}", program=testinfra.tool("pytest"), PATH=path)

    ended = asserted("department")
    assert ended.code == 0 and "2 passed" in ended.said, ended.said
    team.fleet.undo("h2")
    ended = asserted("h2")  # on which somebody has undone it
    assert ended.code == 1 and "1 failed" in ended.said, ended.said
