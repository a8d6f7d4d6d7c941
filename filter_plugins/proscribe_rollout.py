# SPDX-License-Identifier: GPL-3.0-or-later
"""Filter: what the action `rollout` decided, for the head of the play that corrects."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

DOCUMENTATION = r"""
name: proscribe_rollout
short_description: The hosts to correct, or the sizes of their batches
description:
  - Gives C(hosts) and C(serial) of a play what the task registered as C(proscribe_rollout) decided.
  - Where nothing was decided, or no host has to be corrected, it is a pattern that matches no host, without a warning.
version_added: "0.1.0"
author: The Proscribe developers
positional: expected, part
options:
  _input:
    description: C(hostvars); empty where Ansible only lists or checks the playbook.
    type: dict
    required: true
  expected:
    description: The hosts of the run.
    type: list
    elements: str
    required: true
  part:
    description: What is wanted.
    type: str
    choices: [hosts, batches]
    required: true
"""

EXAMPLES = r"""
- name: Correct
  hosts: "{{ hostvars | default({}) | proscribe_rollout(ansible_play_hosts_all, 'hosts') }}"
  serial: "{{ hostvars | default({}) | proscribe_rollout(ansible_play_hosts_all, 'batches') }}"
"""

RETURN = r"""
_value:
  description: The names of the hosts, in the order in which they are corrected; or the sizes of the batches.
  type: list
"""

NOBODY = ["all", "!all"]


def proscribe_rollout(hostvars: Any, expected: Iterable[str], part: str) -> list[Any]:
    """That part of the decision. Every host that was reached has it, so the first one that does will do."""
    for name in expected if hostvars else ():
        decided = hostvars.raw_get(name).get("proscribe_rollout")
        if decided and decided.get("rollout"):
            found = list(decided["rollout"][part])
            return found or _nothing(part)
    return _nothing(part)


def _nothing(part: str) -> list[Any]:
    return list(NOBODY) if part == "hosts" else [1]


class FilterModule:
    """The filters of this file."""

    def filters(self) -> dict[str, Any]:
        """Their names."""
        return {"proscribe_rollout": proscribe_rollout}
