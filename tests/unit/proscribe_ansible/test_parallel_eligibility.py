"""Hosts and tasks that may be observed in one process with others."""

from types import SimpleNamespace

import pytest
from ansible.playbook.handler import Handler
from members import make_member, make_task
from proscribe_ansible import parallel_eligibility

LINEAR = type("Linear", (), {"__module__": "ansible.plugins.strategy.linear"})


def compiled(**run):
    return {"proscribe_compiled": {"proscribe_run": {"mode": "audit", **run}}}


@pytest.mark.parametrize(
    ("variables", "suits"),
    [
        ({}, True),
        ({"ansible_connection": "ansible.builtin.ssh"}, True),
        ({"ansible_connection": "local"}, False),
        ({"ansible_connection": "{{ way }}"}, False),
        (compiled(audit_stored=["h1"]), False),
        (compiled(audit_stored=["h2"]), True),
        (compiled(audit_stored=["h1"], mode="enforce"), True),
        (compiled(windows=["h1"]), False),
        (compiled(windows=["h2"]), True),
        ({"proscribe_compiled": {"failed": True}}, True),
    ],
)
def test_host_is_observed_with_others_over_ssh_and_by_no_program_of_its_own(variables, suits):
    assert parallel_eligibility.can_observe_together(LINEAR(), make_member(**variables)) is suits
    assert not parallel_eligibility.can_observe_together(SimpleNamespace(), make_member(**variables)), (
        "a strategy of somebody else"
    )


UNUSUAL = ("loop", "loop_with", "until", "retries", "delegate_to", "run_once", "async_val", "throttle", "timeout")
UNUSUAL += ("debugger",)


@pytest.mark.parametrize("keywords", [{"connection": "winrm"}, {"action": "ping"}, *({name: "x"} for name in UNUSUAL)])
def test_task_with_an_unusual_keyword_is_asked_for_each_host(keywords):
    task = make_task(**keywords)
    for name in ("h1", "h2"):
        assert not parallel_eligibility.can_observe_together(LINEAR(), make_member(name, task))


def test_handler_is_asked_for_each_host():
    handler = Handler()
    handler.action = "compliance_state"
    assert not parallel_eligibility.can_observe_together(LINEAR(), make_member(task=handler))
