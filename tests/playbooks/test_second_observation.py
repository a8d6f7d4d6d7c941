"""The second observation of a team's own plays with roles, for real."""

from pathlib import Path
from typing import NamedTuple

import pytest
from checkout import AS_ROOT, PROJECT, REAL_ANSIBLE, clean_environment, launch, read_records
from made_fleet import Fleet
from organisation import ROLES

pytestmark = AS_ROOT

# The oldest and the newest Ansible that there is here, beside that of the tests.
EVERY_ANSIBLE = sorted({REAL_ANSIBLE, *map(str, (PROJECT / ".cache").glob("core*/bin/ansible-playbook"))})

PLAY = """
- name: A team's own play
  hosts: department
  gather_facts: false
  {keywords}
  {body}
"""
ROLE = "roles: [dns_filter]"
FAILS = "{name: The team's own task, ansible.builtin.command: 'false'}"
FAILS_ON_H1 = "{name: The team's own task, ansible.builtin.command: 'false', when: inventory_hostname == 'h1'}"
RESCUED = """tasks:
    - name: Rescued
      block:
        - ansible.builtin.import_role: {name: dns_filter}
        - ansible.builtin.command: 'false'
      rescue:
        - ansible.builtin.debug: {msg: rescued}"""


class Case(NamedTuple):
    """A play over h1 and h2, how it is run, and the state of each host and of its rules afterwards."""

    body: str
    h1: tuple[str, str]
    h2: tuple[str, str]
    keywords: str = ""
    options: tuple[str, ...] = ()
    breaks: str = ""  # the host that refuses every change


REPAIRED = ("repaired", "repaired")
# A task of the team's that fails is an error of its host; the rules are what the second observation saw.
FAILED = ("error", "repaired")
NOT_CORRECTED, AS_BEFORE = ("error", "noncompliant"), ("noncompliant", "noncompliant")
CASES = {
    "nothing fails": Case(ROLE, REPAIRED, REPAIRED),
    "a later task fails": Case(f"{ROLE}\n  tasks: [{FAILS}]", FAILED, FAILED),
    "any_errors_fatal": Case(f"{ROLE}\n  tasks: [{FAILS_ON_H1}]", FAILED, REPAIRED, "any_errors_fatal: true"),
    "force_handlers": Case(f"{ROLE}\n  tasks: [{FAILS_ON_H1}]", FAILED, REPAIRED, "force_handlers: true"),
    "serial": Case(f"{ROLE}\n  tasks: [{FAILS_ON_H1}]", FAILED, ("unknown", ""), "serial: 1"),
    "rescue": Case(RESCUED, FAILED, FAILED),
    "its tag alone": Case(f"{ROLE}\n  tasks: [{FAILS}]", REPAIRED, REPAIRED, options=("--tags", "dns")),
    "the correction fails": Case(ROLE, NOT_CORRECTED, REPAIRED, breaks="h1"),
    "the correction fails fatally": Case(ROLE, NOT_CORRECTED, REPAIRED, "any_errors_fatal: true", breaks="h1"),
    "check mode": Case(ROLE, AS_BEFORE, AS_BEFORE, options=("--check",)),
}


def played(fleet, ansible, case):
    (fleet.directory / "ansible.cfg").write_text(f"[defaults]\n{ROLES}")
    (fleet.directory / "site.yml").write_text(PLAY.format(keywords=case.keywords, body=case.body))
    if case.breaks:
        fleet.breaks(case.breaks)
    environment = clean_environment(PROSCRIBE_REPORTS=str(fleet.directory / "reports"))
    words = ("-i", "fleet", *case.options, "site.yml")
    return launch(Path(ansible), *words, cwd=fleet.directory, environment=environment)


@pytest.mark.parametrize(
    ("name", "ansible"),
    [
        *((name, REAL_ANSIBLE) for name in CASES),
        *(("a later task fails", ansible) for ansible in EVERY_ANSIBLE if ansible != REAL_ANSIBLE),
    ],
)
def test_the_report_describes_the_hosts_as_they_are(tmp_path, name, ansible):
    fleet, case = Fleet(tmp_path, 2), CASES[name]
    ended = played(fleet, ansible, case)
    assert [(fleet.states[host], fleet.worst_rule(host)) for host in fleet.names] == [case.h1, case.h2], ended.said
    if name == "a later task fails":
        errors = [record["errors"] for record in read_records(tmp_path / "reports").values()]
        assert all("non-zero return code" in own[-1]["message"] for own in errors), errors
    assert fleet.corrected == {host for host, (_, rules) in zip(fleet.names, (case.h1, case.h2)) if rules == "repaired"}
