"""Proscribe's parts in an organisation's own configuration and plays: one report for the run, or a clear refusal."""

from pathlib import Path

import pytest
from checkout import PROJECT, REAL_ANSIBLE, proscribe
from organisation import COLLECTED, Organisation

pytestmark = pytest.mark.playbook

AUDIT = PROJECT / "playbooks" / "audit.yml"
OWN_PLAY = """
- name: Our own play
  hosts: all
  gather_facts: false
  {keyword}
  tasks:
    - name: Compile
      compile_plans: {{mode: audit}}
      run_once: {once}
      register: proscribe_compiled
    - name: Observe
      compliance_state:
"""


def plays(organisation, keyword="", once="true"):
    return organisation.playbook(OWN_PLAY.format(keyword=keyword or "become: false", once=once))


@pytest.fixture
def organisation(tmp_path):
    return Organisation(tmp_path)


@pytest.mark.parametrize("playbook", ["audit.yml", "enforce.yml", "lift.yml"])
@pytest.mark.parametrize("configured", ["", COLLECTED], ids=["by itself", "enabled"])
def test_a_run_ends_with_one_report_whether_the_callback_is_enabled_or_not(organisation, playbook, configured):
    organisation.configured(configured)
    ended = organisation.run(PROJECT / "playbooks" / playbook, "--check", "--limit", "department")
    assert ended.code == 0, ended.said
    if playbook == "lift.yml":
        assert ended.said.count("3 hosts") >= 1 and not organisation.complete, ended.said
    else:
        assert organisation.covered == [(3, 3)]
        assert ended.said.count("coverage 3 of 3") == 1, ended.said


def test_the_launcher_reports_too_where_another_configuration_is_asked_for(organisation):
    own = organisation.configured("")
    where = {"reports": organisation.reports, "cwd": organisation.directory}
    ended = proscribe("audit", "-i", "hosts.yml", **where, ANSIBLE_CONFIG=str(own))
    assert (ended.code, organisation.covered) == (0, [(4, 4)]), ended.said


@pytest.mark.parametrize(("pipelining", "warned"), [("true", 0), ("false", 1)])
def test_a_run_without_pipelining_says_once_what_turns_it_on(organisation, pipelining, warned):
    organisation.configured("")
    ended = organisation.run(AUDIT, "--limit", "department", ANSIBLE_PIPELINING=pipelining)
    assert (ended.code, organisation.covered) == (0, [(3, 3)]), ended.said
    said = " ".join(ended.said.split())
    assert said.count("goes as a module") == said.count("ANSIBLE_PIPELINING=1, turns it on") == warned, said


# An ansible-core whose task queue manager has no list of callbacks, for the code that registers the report.
WITHOUT = """
import sys
from ansible.cli.playbook import main
from ansible.executor.task_queue_manager import TaskQueueManager

def plugins(manager):
    if sys._getframe(1).f_code.co_filename.endswith("private_names.py"):
        raise AttributeError("_callback_plugins")
    return vars(manager)["_callback_plugins"]

def keep(manager, given):
    vars(manager)["_callback_plugins"] = given

TaskQueueManager._callback_plugins = property(plugins, keep)
main(sys.argv)
"""


def test_an_ansible_that_lets_nothing_register_itself_is_refused_before_any_host_is_touched(organisation):
    own = organisation.configured("")
    program = organisation.directory / "ansible-playbook"
    program.write_text(f"#!{Path(REAL_ANSIBLE).parent / 'python'}\n{WITHOUT}")
    program.chmod(0o755)
    organisation.ansible = str(program)
    ended = organisation.run(plays(organisation))
    assert ended.code == 2, ended.said
    assert "this Ansible does not let the report register itself" in ended.said
    assert str(own) in ended.said and "callbacks_enabled" in ended.said
    assert "TASK [Observe]" not in ended.said and "Traceback" not in ended.said
    organisation.configured(COLLECTED)
    ended = organisation.run(plays(organisation))
    assert (ended.code, organisation.covered) == (0, [(4, 4)]), ended.said


@pytest.mark.parametrize("how", ["template", "environment"])
def test_a_strategy_that_cannot_work_is_a_clear_error_before_any_host_is_touched(organisation, how):
    organisation.configured(COLLECTED + "stdout_callback = proscribe_stdout\n")
    keyword = "strategy: '{{ \"free\" }}'" if how == "template" else ""
    ended = organisation.run(plays(organisation, keyword), **({"ANSIBLE_STRATEGY": "free"} if not keyword else {}))
    assert ended.code == 2, ended.said
    assert ended.said.count('strategy is "free"') == 1, ended.said
    assert 'expected "linear"' in ended.said and f"{organisation.directory}/site.yml:2" in ended.said
    assert "bypasses the host loop" not in ended.said and "Traceback" not in ended.said
    assert not organisation.complete


def test_our_own_playbooks_run_whatever_the_strategy_that_is_configured(organisation):
    organisation.configured(COLLECTED)
    ended = organisation.run(AUDIT, ANSIBLE_STRATEGY="host_pinned")
    assert (ended.code, organisation.covered) == (0, [(4, 4)]), ended.said


def test_a_play_that_only_observes_may_go_on_freely(organisation):
    organisation.configured(COLLECTED)
    play = plays(organisation, "strategy: debug")
    text = play.read_text()
    observe = text.index("    - name: Observe")
    second = "- name: Observe freely\n  hosts: all\n  gather_facts: false\n  strategy: free\n  tasks:\n"
    play.write_text(text[:observe] + second + text[observe:])
    ended = organisation.run(play)
    assert (ended.code, organisation.covered) == (0, [(4, 4)]), ended.said


def test_a_compiling_task_that_is_not_run_once_is_refused(organisation):
    organisation.configured(COLLECTED)
    ended = organisation.run(plays(organisation, once="false"))
    assert ended.code == 2, ended.said
    assert "expected run_once: true" in ended.said and "site.yml:7" in ended.said and not organisation.complete
