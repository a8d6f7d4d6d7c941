# SPDX-License-Identifier: GPL-3.0-or-later
"""Filter for the hosts of a run, in the head of the plays that connect to them."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

DOCUMENTATION = r"""
name: proscribe_hosts
short_description: The hosts that a run is about
description:
  - Gives C(hosts) of a play those that the first play's task selected, C(compile_plans) or C(schedule_plan); nobody
    connects to the others.
  - Where Ansible only lists or checks the playbook, it is all hosts. Where it runs the playbook without that task, as
    with C(--start-at-task), it is none.
version_added: "1.0.0"
author: The Proscribe developers
positional: expected
options:
  _input:
    description: C(hostvars); empty where Ansible only lists or checks the playbook.
    type: dict
    required: true
  expected:
    description: The hosts of the first play.
    type: list
    elements: str
    required: true
"""

EXAMPLES = r"""
- name: Audit
  hosts: "{{ hostvars | default({}) | proscribe_hosts(ansible_play_hosts_all | default([])) }}"
"""

RETURN = r"""
_value:
  description: The names of the hosts, or a pattern that fits all of them, or none.
  type: list
"""

NO_HOSTS_PATTERN = ["all", "!all"]
# The variables that compile_plans and schedule_plan register, each with the key that contains `selected`.
REGISTERED_SELECTIONS = (("proscribe_compiled", "proscribe_run"), ("proscribe_scheduled", "schedule"))


def proscribe_hosts(hostvars: Any, expected: Iterable[str]) -> list[str]:
    """Return the names of the hosts that the first play selected, or a pattern for all hosts or for none.

    `hostvars` is empty if Ansible only lists or checks the playbook; the pattern is then for all hosts. Every host of
    the first play (`expected`) has the same selection, so the first of them decides.
    """
    if not hostvars:
        return ["all"]
    for name in expected:
        variables = hostvars.raw_get(name)
        for registered, part in REGISTERED_SELECTIONS:
            selected = ((variables.get(registered) or {}).get(part) or {}).get("selected")
            if selected is not None:
                return list(map(str, selected)) or list(NO_HOSTS_PATTERN)
    return list(NO_HOSTS_PATTERN)


class FilterModule:
    """The filters of this file."""

    def filters(self) -> dict[str, Callable[..., object]]:
        """Return the filters by name."""
        return {"proscribe_hosts": proscribe_hosts}
