#!/usr/bin/python
# SPDX-License-Identifier: GPL-3.0-or-later
"""Ansible module: the control `firewall`, brought in line with a plan or lifted."""

from __future__ import annotations

DOCUMENTATION = r"""
module: host_firewall
short_description: Refuse connections to restricted networks
description:
  - Loads the nftables table C(inet proscribe) in one transaction and keeps it over a reboot.
  - Other tables are not touched.
  - Observes first and changes only what differs.
version_added: "0.1.0"
extends_documentation_fragment: proscribe_enforcing
author: The Proscribe developers
"""

EXAMPLES = r"""
- name: Compile the plans
  compile_plans:
    mode: enforce
  run_once: true
  register: proscribe_compiled

- name: Refuse connections to restricted networks
  host_firewall:
    plan: "{{ proscribe_compiled | proscribe_plan(inventory_hostname) }}"
"""

RETURN = r"""
actions:
  description: What was done (in check mode, what would be), in order.
  returned: always
  type: list
  elements: str
  sample: [load inet proscribe]
refused:
  description: What enforcing called for and was not done, each with rule, subject and reason.
  returned: always
  type: list
  elements: dict
  sample: []
findings:
  description: The evidence that the actions answer, as in a host record.
  returned: success
  type: list
  elements: dict
  sample: []
"""

from ansible.module_utils.proscribe_module import answer_for

if __name__ == "__main__":
    answer_for("firewall")
