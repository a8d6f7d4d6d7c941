#!/usr/bin/python
# SPDX-License-Identifier: GPL-3.0-or-later
"""Ansible module that enforces the control `dns` on a host, or lifts it."""

from __future__ import annotations

DOCUMENTATION = r"""
module: dns_filter
short_description: Keep restricted names from resolving
description:
  - Has the resolver that the host asks (dnsmasq, unbound, NetworkManager's dnsmasq, or a dnsmasq of its own behind
    systemd-resolved) answer NXDOMAIN for restricted names and all below them. A host without one gets a block of names
    in C(/etc/hosts), which covers no sub-domains.
  - Observes first and changes only what differs. A resolver that does not come back with the new names gets its old
    files back.
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

- name: Keep restricted names from resolving
  dns_filter:
    plan: "{{ proscribe_compiled | proscribe_plan(inventory_hostname) }}"
"""

RETURN = r"""
actions:
  description: What was done (in check mode, what would be), in order.
  returned: always
  type: list
  elements: str
  sample: [write /etc/dnsmasq.d/proscribe.conf]
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

from ansible.module_utils.proscribe_ansible.module import serve_control

if __name__ == "__main__":
    serve_control("dns")
