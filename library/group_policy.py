#!/usr/bin/python
# SPDX-License-Identifier: GPL-3.0-or-later
"""Ansible module that enforces the Group Policy objects of a Samba domain controller, or lifts them."""

from __future__ import annotations

DOCUMENTATION = r"""
module: group_policy
short_description: Give machines of a domain the browsers' policies by Group Policy
description:
  - Has one Group Policy object for each audience that the plan of a Samba domain controller names, in the directory and
    in SYSVOL, linked where the plan says.
  - Observes first and changes only what differs. Objects of others are never changed.
  - Needs C(ldbsearch), C(ldbmodify) and C(ldbdel) (package C(ldb-tools)), and C(samba-tool), on the host.
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

- name: Give the machines of the domain their policies
  group_policy:
    plan: "{{ proscribe_compiled | proscribe_plan(inventory_hostname) }}"
"""

RETURN = r"""
actions:
  description: What was done (in check mode, what would be), in order.
  returned: always
  type: list
  elements: str
  sample: ["link OU=Desktops,DC=example,DC=com"]
refused:
  description: What enforcing called for and was not done, each with rule, subject and reason.
  returned: always
  type: list
  elements: dict
  sample:
    - rule: group_policy/proscribe-desktops
      subject: OU=Old,DC=example,DC=com
      reason: the domain has no such object
notes:
  description: What is to be said of the actions, such as where what others had put into an object is now.
  returned: where there is something
  type: list
  elements: str
  sample: []
findings:
  description: The evidence that the actions answer, as in a host record.
  returned: success
  type: list
  elements: dict
  sample: []
"""

from ansible.module_utils.proscribe_ansible.module import serve_control

if __name__ == "__main__":
    serve_control("group_policy")
