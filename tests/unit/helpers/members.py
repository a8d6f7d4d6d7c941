"""Tasks of our playbooks that observe, and hosts that a strategy queues for them."""

from types import SimpleNamespace

from proscribe.wire import installation
from proscribe_ansible import connection_groups, parallel_eligibility
from proscribe_ansible.result_transfer import TaskMember


def make_task(**keywords):
    """Make a task of one of our playbooks that observes."""
    usual = dict.fromkeys((*parallel_eligibility.UNUSUAL_KEYWORDS, "when", *connection_groups.TASK_KEYWORDS))
    place = f"{installation.PLAYBOOKS}/audit.yml:28"
    observing = {"action": "compliance_state", "connection": "ssh", "_uuid": "u", "get_path": lambda: place}
    return SimpleNamespace(**{**usual, **observing, **keywords})


def make_member(name="h1", task=None, **variables):
    """Make a host that is queued for a task."""
    return TaskMember(SimpleNamespace(name=name), task or make_task(), variables, None)
