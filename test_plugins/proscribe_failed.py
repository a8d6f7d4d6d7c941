# SPDX-License-Identifier: GPL-3.0-or-later
"""Jinja test of a host's check for failure, for gates in a team's own tasks."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

from ansible.errors import AnsibleTemplatePluginError

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "module_utils"))

from proscribe.model.finding import OPEN_STATES, STATES, UNKNOWN

DOCUMENTATION = r"""
name: proscribe_failed
short_description: Whether a host failed a check
description:
  - Answers by what M(compliance_state) registered whether a rule of the host has one of some states.
  - What says nothing is V(unknown), so it has failed where O(states) has V(unknown). That is a task that was skipped or
    failed, a host that did not answer, and a record without a rule that was evaluated.
  - Of a task with a C(loop) it is true where it is true of one of its results.
version_added: "1.0.0"
author: The Proscribe developers
positional: states
options:
  _input:
    description: What the task registered.
    type: dict
    required: true
  states:
    description: The states that fail. Name V(unknown) among them, unless a host may pass of which nothing is known.
    type: list
    elements: str
    choices: [error, noncompliant, unknown, waived, repaired, compliant, not_applicable]
    default: [error, noncompliant, unknown]
"""

EXAMPLES = r"""
- name: Compile the plans
  compile_plans:
    mode: audit
  run_once: true
  register: proscribe_compiled

- name: Check the host
  compliance_state:
  register: proscribe_observed

- name: Go on with the deployment of this host where the ban is in effect
  ansible.builtin.debug:
    msg: deployed
  when: proscribe_observed is not proscribe_failed

- name: Name a host where a waiver is in use, too
  ansible.builtin.debug:
    msg: "{{ inventory_hostname }}"
  when: proscribe_observed is proscribe_failed(['error', 'noncompliant', 'unknown', 'waived'])
"""

RETURN = r"""
_value:
  description: Whether a rule of the host has one of the states.
  type: bool
"""


def proscribe_failed(result: object, states: Sequence[str] = OPEN_STATES) -> bool:
    """Return whether a registered result of `compliance_state` has one of the states.

    By default, these are `error`, `noncompliant` and `unknown`. Raises AnsibleTemplatePluginError for a text that is no
    state.
    """
    wrong = [state for state in states if state not in STATES] if isinstance(states, list | tuple) else [states]
    if wrong:
        expected = f"a list of {', '.join(STATES)}"
        raise AnsibleTemplatePluginError(
            f"proscribe_failed: states: found {str(wrong[0])[:100]!r}, expected {expected}"
        )
    return not set(states).isdisjoint(_list_states(result))


def _list_states(result: object) -> Iterator[str]:
    """Yield the states of the host and of its rules in a result of `compliance_state`.

    A result without an evaluated rule is `unknown`. A loop has the states of all its results. Raises
    AnsibleTemplatePluginError for a value of another type.
    """
    if not isinstance(result, Mapping):
        problem = f"found {type(result).__name__}, expected what a task of compliance_state registered"
        raise AnsibleTemplatePluginError(f"proscribe_failed: {problem}")
    if isinstance(result.get("results"), list):
        yield from (state for loop_result in result["results"] for state in _list_states(loop_result))
        return
    record = result.get("record")
    if not isinstance(record, Mapping) or not record.get("rules_evaluated"):
        yield UNKNOWN
        return
    yield record.get("state", UNKNOWN)
    yield from (rule["state"] for rule in record.get("rules", ()))


class TestModule:
    """The tests of this file."""

    def tests(self) -> dict[str, Callable[..., bool]]:
        """Return the tests by name."""
        return {"proscribe_failed": proscribe_failed}
