# SPDX-License-Identifier: GPL-3.0-or-later
"""Filter for the hosts and batches of a correcting play, in its head. controller/rollout decides."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from ansible.utils.display import Display

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "module_utils"))

from proscribe.controller.rollout.current_rollout import make_decision

DOCUMENTATION = r"""
name: proscribe_rollout
short_description: The hosts to correct, or the sizes of their batches
description:
  - Gives C(hosts) and C(serial) of a play which hosts are corrected, in what order, and in batches of what size
    (C(proscribe_batches)). It is decided once in a run, from what its hosts answered, before any of them is changed.
  - Where no host answered, or none has to be corrected, it is a pattern that matches no host, without a warning.
version_added: "1.0.0"
author: The Proscribe developers
positional: part
options:
  _input:
    description: C(hostvars); empty where Ansible only lists or checks the playbook.
    type: dict
    required: true
  part:
    description: What is wanted.
    type: str
    choices: [hosts, batches]
    required: true
"""

EXAMPLES = r"""
- name: Correct
  hosts: "{{ hostvars | default({}) | proscribe_rollout('hosts') }}"
  serial: "{{ hostvars | default({}) | proscribe_rollout('batches') }}"
"""

RETURN = r"""
_value:
  description: The names of the hosts, in the order in which they are corrected; or the sizes of the batches.
  type: list
"""

NO_HOSTS_PATTERN = ["all", "!all"]


def proscribe_rollout(hostvars: Any, part: str) -> list[Any]:
    """Return the hosts to correct, in order, or the sizes of their batches; `part` is `hosts` or `batches`.

    If no host is to be corrected, the hosts are a pattern that matches none, and the sizes are [1]. `hostvars` is empty
    if Ansible only lists or checks the playbook. Its content is not used. But Jinja would cache the result of a filter
    that takes only constants.
    """
    decision = make_decision(Display().warning) if hostvars else None
    if part == "hosts":
        return list(decision.hosts if decision and decision.hosts else NO_HOSTS_PATTERN)
    return list(decision.batches if decision and decision.batches else [1])


class FilterModule:
    """The filters of this file."""

    def filters(self) -> dict[str, Callable[..., object]]:
        """Return the filters by name."""
        return {"proscribe_rollout": proscribe_rollout}
