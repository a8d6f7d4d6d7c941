#!/usr/bin/python
# SPDX-License-Identifier: GPL-3.0-or-later
"""Ansible module that enforces the control `browser` on a host, or lifts it."""

from __future__ import annotations

DOCUMENTATION = r"""
module: browser_policy
short_description: Block restricted sites by the browsers' managed policies
description:
  - Writes the managed policies of Chromium, Google Chrome and Firefox, beside the organisation's own, never over them.
  - Observes first and changes only what differs.
version_added: "1.0.0"
extends_documentation_fragment:
  - proscribe_enforcing
  - proscribe_turns
author: The Proscribe developers
"""

EXAMPLES = r"""
- name: Compile the plans
  compile_plans:
    mode: enforce
  run_once: true
  register: proscribe_compiled

- name: Block restricted sites by the browsers' managed policies
  browser_policy:
    plan: "{{ proscribe_compiled | proscribe_plan(inventory_hostname) }}"
"""

RETURN = r"""
actions:
  description: What was done (in check mode, what would be), in order.
  returned: always
  type: list
  elements: str
  sample: [write /etc/chromium/policies/managed/proscribe.json]
refused:
  description: What enforcing called for and was not done, each with rule, subject and reason.
  returned: always
  type: list
  elements: dict
  sample: []
notes:
  description: What is to be said of the actions, such as for which browsers that are not installed files are written.
  returned: where there is something
  type: list
  elements: str
  sample:
    - "1 of these policy files is for browsers that are not installed: brave; so that a later installation is covered"
findings:
  description: The evidence that the actions answer, as in a host record.
  returned: success
  type: list
  elements: dict
  sample: []
"""

from ansible.module_utils.proscribe_ansible.module import serve_control

if __name__ == "__main__":
    serve_control("browser")
