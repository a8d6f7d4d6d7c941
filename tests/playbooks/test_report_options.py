"""How a run with a role in somebody's own play ends, whatever ways of running a play there are."""

from typing import NamedTuple

import pytest
from organisation import ROLES, Organisation

pytestmark = pytest.mark.playbook

PLAY = """
- name: Our own play
  hosts: department
  gather_facts: false
  {keywords}
  roles:
    - {role}
"""
OTHER = """
- name: Another play
  hosts: elsewhere
  gather_facts: false
  tasks:
    - name: Assert something
      ansible.builtin.assert:
        that: {that}
"""
FAILS = OTHER.format(that="false")
SUCCEEDS = OTHER.format(that="true")
AUDIT, ENFORCE = "compliance", "dns_filter"
TASK = """
- name: Our own play
  hosts: department
  gather_facts: false
  tasks:
    - name: Use the role
      ansible.builtin.{how}_role:
        name: {role}
"""


@pytest.fixture
def organisation(tmp_path):
    made = Organisation(tmp_path)
    made.configured("", ROLES)  # this is all that a role in an own play needs
    return made


def play(role=AUDIT, keywords="become: false"):
    return PLAY.format(role=role, keywords=keywords)


def words(ended):
    """What was printed, whatever the lines."""
    return " ".join(ended.said.split())


@pytest.mark.parametrize("role", [AUDIT, ENFORCE])
@pytest.mark.parametrize("how", ["roles", "import", "include"])
def test_a_role_in_an_own_play_ends_with_a_report_of_the_hosts_of_that_play(organisation, how, role):
    text = play(role) if how == "roles" else TASK.format(how=how, role=role)
    ended = organisation.run(organisation.playbook(text), "--check")
    assert ended.code == 0, ended.said
    assert organisation.covered == [(3, 3)] and set(organisation.states) == {"one", "two", "three"}
    assert ended.said.count("coverage 3 of 3") == 1, ended.said
    assert ("TASK [compliance : Observe the host again]" in ended.said) == (role == ENFORCE)


def test_the_roles_of_one_play_are_one_run_that_observes_once_before_it_corrects(organisation):
    text = play(f"{ENFORCE}\n    - browser_policy\n    - host_firewall")
    ended = organisation.run(organisation.playbook(text), "--check", "--tags", "dns,browser")
    assert ended.code == 0, ended.said
    assert organisation.covered == [(3, 3)]
    assert organisation.complete[0]["run"]["controls"] == ["browser", "dns"]
    assert ended.said.count("TASK [compliance : Observe the host]") == 1
    assert ended.said.count("TASK [compliance : Observe the host again]") == 1  # dns alone differs


def test_a_role_is_about_its_own_control_alone(organisation):
    ended = organisation.run(organisation.playbook(play(ENFORCE)), "--check")
    assert organisation.complete[0]["run"]["controls"] == ["dns"], ended.said
    ended = organisation.run(organisation.playbook(play(ENFORCE)), "--check", "--tags", "apps")
    assert ended.code == 2, ended.said
    assert "--tags names apps, and the roles of this play are for dns; no host was touched" in words(ended)


def test_a_role_lifts_its_control_and_says_so(organisation):
    text = TASK.format(how="import", role=f"{ENFORCE}\n        tasks_from: lift")
    ended = organisation.run(organisation.playbook(text), "--check")
    assert ended.code == 0, ended.said
    assert "3 hosts" in ended.said and not organisation.complete


def test_a_role_changes_nothing_where_the_whole_is_more_than_is_allowed(organisation):
    """Without --check: what stops it is tried, and not that it would change nothing."""
    organisation.inventory(proscribe_max_change="{hosts: 0}")
    ended = organisation.run(organisation.playbook(play(ENFORCE)))
    assert ended.code == 13, ended.said
    assert "exit 13: stopped before any change: the whole would change 3 hosts of the 3" in words(ended)
    assert "TASK [dns_filter : Keep restricted names from resolving]" not in ended.said
    assert set(organisation.states.values()) == {"noncompliant"}


class Option(NamedTuple):
    """A way of running the play, its exit code, and the report's (answered, expected) hosts, or what is printed."""

    code: int = 0
    covered: tuple[int, int] | None = (3, 3)
    prints: str = ""
    options: tuple[str, ...] = ()
    keywords: str = "become: false"
    stdin: str = ""


UNCOMPILED = "no plan was compiled for one: compile_plans did not run for it"
FIRST = "Compile every host's plan, before any host is touched"
OPTIONS = {
    "serial: 1": Option(keywords="serial: 1"),
    "debug": Option(keywords="strategy: debug"),
    "limit": Option(covered=(1, 1), options=("--limit", "two")),
    "a tag of no task": Option(2, None, "no task has the tag 'nginx'", options=("--tags", "nginx")),
    "skipped tags": Option(12, None, "--skip-tags left out the task", options=("--skip-tags", "dns")),
    "start at the first task": Option(options=("--start-at-task", FIRST)),
    "start at a later task": Option(2, None, UNCOMPILED, options=("--start-at-task", "Observe the host")),
    "step, none": Option(12, None, "--step left out the task", options=("--step",), stdin="n\n" * 9),
    "any_errors_fatal": Option(keywords="any_errors_fatal: true"),
    "run_once": Option(2, (0, 3), "has run_once, so one would be the only host", keywords="run_once: true"),
    "ignored errors": Option(keywords="ignore_errors: true"),
}


@pytest.mark.parametrize("option", OPTIONS.values(), ids=list(OPTIONS))
def test_play_with_an_option_ends_with_one_report_or_its_reason(organisation, option):
    ended = organisation.run(organisation.playbook(play(keywords=option.keywords)), *option.options, stdin=option.stdin)
    assert ended.code == option.code, ended.said
    assert organisation.covered == ([option.covered] if option.covered else []), ended.said
    assert option.prints in words(ended), ended.said
    assert "Traceback" not in ended.said and "undefined" not in ended.said
    assert not list(organisation.reports.glob("*.partial"))


def test_a_delegated_observation_is_refused_since_it_would_count_for_another_host(organisation):
    to = "\"{{ 'two' if inventory_hostname == 'one' else inventory_hostname }}\""
    text = play(f"role: {AUDIT}\n      delegate_to: {to}")
    ended = organisation.run(organisation.playbook(text))
    assert ended.code == 2, ended.said
    assert "compliance_state is delegated to two, whose answer would count for one" in words(ended)
    assert organisation.covered == [(2, 3)] and organisation.states["one"] == "unknown"


@pytest.mark.parametrize(
    ("gate", "dead", "code", "keywords"),
    [
        ("never", "", 0, "become: false"),
        ("noncompliant", "", 10, "become: false"),
        ("never", "one", 4, "any_errors_fatal: true"),
        ("incomplete", "one", 10, "become: false"),
    ],
)
def test_the_gate_decides_the_exit_code_of_plain_ansible_playbook(organisation, gate, dead, code, keywords):
    organisation.inventory(dead, proscribe_compliance_gate=gate)
    ended = organisation.run(organisation.playbook(play(keywords=keywords)))
    assert ended.code == code, ended.said
    assert (f"exit {code}: the compliance gate ({gate}) is not met" in ended.said) == (code >= 10)
    (report,) = organisation.complete
    assert report["run"]["verdict"]["exit"] == (code if code >= 10 else None)
    assert organisation.covered == [(3 - bool(dead), 3)]


@pytest.mark.parametrize(("plays", "code"), [([play(), FAILS], 2), ([SUCCEEDS, play(), play(ENFORCE), SUCCEEDS], 0)])
def test_other_plays_are_left_alone(organisation, plays, code):
    ended = organisation.run(organisation.playbook("".join(plays)), "--check")
    assert ended.code == code, ended.said
    assert organisation.covered == [(3, 3)] * sum("Our own play" in text for text in plays)
    assert set(organisation.states) == {"one", "two", "three"}
    assert all(report["run"]["verdict"]["passed"] for report in organisation.complete)


def test_a_host_that_fails_in_an_earlier_play_of_others_is_unknown(organisation):
    """Ansible leaves it out of all plays that follow, so that nothing of ours runs on it."""
    earlier = OTHER.format(that="inventory_hostname != 'two'").replace("elsewhere", "all")
    ended = organisation.run(organisation.playbook(earlier + play()))
    assert ended.code == 2, ended.said
    assert (organisation.covered, organisation.states["two"]) == ([(2, 3)], "unknown")


def test_a_gate_that_is_not_met_decides_over_the_failure_of_another_play(organisation):
    organisation.inventory(proscribe_compliance_gate="noncompliant")
    results = organisation.directory / "junit"  # other callbacks have their last word before the exit code
    own = {"ANSIBLE_CALLBACKS_ENABLED": "junit,proscribe_report", "JUNIT_OUTPUT_DIR": str(results)}
    ended = organisation.run(organisation.playbook(SUCCEEDS + play() + FAILS), **own)
    assert ended.code == 10, ended.said
    assert list(results.glob("site-*.xml")), "junit writes its file at the end of a run"


def test_a_playbook_of_which_only_other_plays_are_run_ends_as_it_would_without_ours(organisation):
    tagged = SUCCEEDS.replace("gather_facts: false", "gather_facts: false\n  tags: [nginx]")
    site = organisation.playbook(play() + tagged)
    ended = organisation.run(site, "--tags", "nginx")
    assert (ended.code, "nothing was evaluated" in ended.said) == (0, False), ended.said
    ended = organisation.run(site, "--limit", "elsewhere")
    assert ended.code == 0, ended.said
    assert "Proscribe evaluated nothing in this run: no plans were compiled for its plays" in words(ended)
    assert not organisation.complete


def test_several_playbooks_on_the_command_line_are_several_runs(organisation):
    first, second = organisation.playbook(SUCCEEDS, "first.yml"), organisation.playbook(play(), "second.yml")
    ended = organisation.run(first, str(second), str(second))
    assert (ended.code, organisation.covered) == (0, [(3, 3), (3, 3)]), ended.said
