"""The collection in the project of a team that knows nothing of this one."""

import hashlib
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from machines import ANSIBLE, PROJECT, booted
from patience import LONGEST

pytestmark = [pytest.mark.whole_hosts, pytest.mark.steps]
APP, GATE = "telegram-desktop", "proscribe_compliance_gate=noncompliant"
# The team has callbacks of its own. Nothing here names the collection: it is where all of their collections are.
CONFIG = """\
[defaults]
inventory = inventories/prod/hosts.yml,inventories/lab
collections_path = vendor
roles_path = our_roles
stdout_callback = ansible.builtin.minimal
callbacks_enabled = team_count
callback_plugins = our_callbacks
interpreter_python = auto_silent
gathering = smart
"""
CALLBACK = """\
from ansible.plugins.callback import CallbackBase


class CallbackModule(CallbackBase):
    CALLBACK_VERSION = 2.0
    CALLBACK_TYPE = "aggregate"
    CALLBACK_NAME = "team_count"
    CALLBACK_NEEDS_ENABLED = True

    def v2_playbook_on_stats(self, stats):
        self._display.display(f"team_count: {len(stats.processed)} hosts")
"""
SITE = """\
- {name: Our own setup, hosts: all, gather_facts: true, tags: [base], roles: [motd]}
- {name: The ban, import_playbook: proscribe.ban.enforce}
- name: Afterwards
  hosts: all
  gather_facts: false
  tasks:
    - ansible.builtin.copy: {content: "{{ ansible_facts.distribution }}\\n", dest: /etc/team-after, mode: "0644"}
"""
ROLE = '- ansible.builtin.copy: {content: "team\\n", dest: /etc/team-motd, mode: "0644"}\n'
MODULES = """\
- hosts: all
  gather_facts: false
  module_defaults:
    group/proscribe.ban.controls:
      plan: "{{ proscribe_compiled | proscribe.ban.proscribe_plan(inventory_hostname) }}"
    proscribe.ban.compliance_state: {probe: false}
  tasks:
    - proscribe.ban.compile_plans: {mode: audit}
      run_once: true
      register: proscribe_compiled
    - proscribe.ban.compliance_state:
      register: observed
    - name: Enforce it with the plan of the group
      proscribe.ban.host_firewall:
      register: enforced
    - ansible.builtin.copy:
        content: "{{ observed.record.state }} {{ enforced.changed }}\\n"
        dest: /etc/team-modules
        mode: "0644"
"""
VARIABLES = "proscribe_categories: [instant_messaging]\nproscribe_catalog_dirs: [policy/services]\n"
SERVICE = """\
---
{id: crow, name: Crow, category: instant_messaging, vendor: Crow Ltd, enforce: true, audience: consumer,
 domains: [crow-chat.example], sources: [a test]}
"""
FAKE_APP = """\
set -e
mkdir -p /tmp/app/DEBIAN
printf '%s: %s\\n' Package "$1" Version 1 Architecture all Maintainer x Description x >/tmp/app/DEBIAN/control
dpkg-deb --build /tmp/app /tmp/app.deb
dpkg --install /tmp/app.deb
"""


class Team:
    def __init__(self, directory, hosts):
        self.directory, self.hosts = directory, hosts
        self.collection = directory / "vendor/ansible_collections/proscribe/ban"
        self.reports = directory / "reports"
        for path, text in {
            "ansible.cfg": CONFIG,
            "our_callbacks/team_count.py": CALLBACK,
            "our_roles/motd/tasks/main.yml": ROLE,
            "site.yml": SITE,
            "modules.yml": MODULES,
            "policy/services/instant_messaging/crow.yml": SERVICE,
            "inventories/prod/group_vars/all.yml": VARIABLES,
            # Two sources of the inventory, one of them a directory.
            "inventories/prod/hosts.yml": Path(hosts[0]._inventory()).read_text(),
            "inventories/lab/hosts.yml": Path(hosts[1]._inventory()).read_text(),
        }.items():
            (directory / path).parent.mkdir(parents=True, exist_ok=True)
            (directory / path).write_text(text)
        (directory / "inventories/lab/group_vars").mkdir(parents=True)

    def ansible(self, *words, code=0, **environment):
        return self.run([f"{ANSIBLE}-playbook", *words], code, environment)

    def run(self, argv, code, environment=None):
        own = {name: value for name, value in os.environ.items() if not name.startswith(("ANSIBLE_", "PROSCRIBE_"))}
        own |= {"ANSIBLE_NOCOLOR": "1", **(environment or {})}
        options = {"stdin": subprocess.DEVNULL, "capture_output": True, "text": True}
        done = subprocess.run(argv, cwd=self.directory, env=own, timeout=LONGEST, **options)
        assert done.returncode == code, done.stdout + done.stderr
        return done.stdout + done.stderr

    def states(self):
        """Return how many hosts of the newest report have which state."""
        report = json.loads((self.reports / "newest/report.json").read_text())
        return {state: count for state, count in report["summary"]["hosts"].items() if count}


def contents(directory):
    sums = {}
    for path in sorted([directory, *directory.rglob("*")]):
        content = hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else ""
        sums[str(path.relative_to(directory))] = path.lstat().st_mode, content
    return sums


@pytest.fixture(scope="module")
def team(tmp_path_factory):
    place = tmp_path_factory.mktemp("collection")
    launched = {**os.environ, "PROSCRIBE_ANSIBLE_PLAYBOOK": f"{ANSIBLE}-playbook"}
    made = [str(PROJECT / "proscribe"), "collection", "--output", str(place)]
    done = subprocess.run(made, env=launched, capture_output=True, text=True, timeout=3 * LONGEST)
    assert done.returncode == 0, done.stderr
    with booted("collection", 2) as hosts:
        team = Team(place / "team", hosts)
        team.run([f"{ANSIBLE}-galaxy", "collection", "install", "--offline", "-p", "vendor", done.stdout.strip()], 0)
        before, top = contents(team.collection), set(os.listdir(team.directory))
        yield team
        assert contents(team.collection) == before, "nothing is written into the collection"
        assert set(os.listdir(team.directory)) - top == {"reports"}, "and in the project there is one new directory"


def test_an_audit_without_a_word_in_ansible_cfg(team):
    team.hosts[0].run("sh", "-c", FAKE_APP, "sh", APP)
    printed = team.ansible("proscribe.ban.audit", "-e", GATE, code=10)
    assert "2 hosts: 2 noncompliant" in printed and "team_count: 2 hosts" in printed
    assert "ansible-playbook --check --diff proscribe.ban.enforce" in printed, "the next command can be pasted"
    assert team.states() == {"noncompliant": 2}
    assert (team.reports / "latest/report.html").exists() and (team.reports / "history.db").exists()
    records = (team.reports / "newest/hosts.jsonl").read_text()
    assert APP in records and "dns/crow" in records, "the services of the team are found in its project"


def test_enforcing_among_plays_of_the_team(team):
    printed = team.ansible("site.yml")
    assert "2 hosts: 2 repaired" in printed and team.states() == {"repaired": 2}
    for host in team.hosts:
        assert (host.run("cat", "/etc/team-motd"), host.run("cat", "/etc/team-after")) == ("team\n", "Debian\n")
        assert "proscribe" in host.run("nft", "list", "tables")
    assert "installed" not in team.hosts[0].run("dpkg-query", "--show", "--showformat=${Status}", APP, check=False)
    # Hosts that store the code are asked by its name, as those of a checkout are.
    printed = team.ansible("proscribe.ban.audit", "-e", GATE, ANSIBLE_PIPELINING="1")
    assert "2 hosts: 2 compliant" in printed


def test_the_checkout_finds_hosts_of_the_collection_compliant(team):
    """So nothing differs, and is written again, where a fleet changes from one to the other."""
    for host in team.hosts:
        own = str(team.directory / "policy/services")
        variables = {"proscribe_categories": ["instant_messaging"], "proscribe_catalog_dirs": [own]}
        done = host.playbook("audit", variables, team.directory.parent / "reports-of-the-checkout")
        assert "1 host: 1 compliant" in done.stdout, done.stdout + done.stderr


def test_single_modules_with_a_group_of_defaults(team):
    team.ansible("modules.yml")
    assert {host.run("cat", "/etc/team-modules") for host in team.hosts} == {"compliant False\n"}


def test_the_commands_without_a_playbook(team):
    limited = f"explain_name=whatsapp explain_host={team.hosts[0].name}"
    printed = team.ansible("proscribe.ban.explain", "-e", limited)
    assert "whatsapp (WhatsApp: whatsapp): policy: blocked" in printed and team.hosts[1].name not in printed
    assert "no waivers" in team.ansible("proscribe.ban.waiver", "-e", "waiver_do=list")
    assert "vendor: Meta" in team.ansible("proscribe.ban.catalog", "-e", "catalog_do=show catalog_service=whatsapp")
    assert "nothing changes" in team.ansible("proscribe.ban.diff", "-e", "diff_old=newest")
    assert "trend" in team.ansible("proscribe.ban.report", "-e", "report_since=1d")
    assert "0 items" in team.ansible("proscribe.ban.quarantine")
    printed = team.ansible("proscribe.ban.catalog", "-e", "catalog_do=show", "-e", "catalog_url=x", code=2)
    assert "catalog_url: found an unknown variable, expected one of catalog_do, catalog_service, " in printed
    printed = team.ansible("proscribe.ban.explain", "-e", "explain_nmae=whatsapp", code=2)
    assert "explain_nmae: found an unknown variable, expected explain_name" in printed
    script = str(team.collection / "plugins/module_utils/proscribe_command.py")
    python = str(ANSIBLE.with_name("python"))
    python = python if Path(python).exists() else sys.executable
    answer = json.loads(team.run([python, script, "explain", "x.com", "--json"], 0))
    assert answer["schema"] == "proscribe/explanation/1"


def test_a_schedule_and_a_refresh_from_the_collection_are_refused(team):
    printed = team.ansible("proscribe.ban.schedule", code=2)
    assert "proscribe_schedule: found 'controller', expected awx or off" in printed
    printed = team.ansible("proscribe.ban.catalog", "-e", "catalog_do=refresh", code=2)
    assert "is in the collection, which its installer alone writes" in printed


def test_lifting(team):
    printed = team.ansible("proscribe.ban.lift")
    assert "2 of 2 hosts" in printed or "lifted" in printed
    for host in team.hosts:
        assert "proscribe" not in host.run("nft", "list", "tables")
        assert not host.there("/var/lib/proscribe") and not host.there("/etc/proscribe")
