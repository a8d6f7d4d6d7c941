#!/usr/bin/python
# SPDX-License-Identifier: GPL-3.0-or-later
"""Documentation of the action `compile_plans`, which runs on the controller only (action_plugins/compile_plans.py)."""

from __future__ import annotations

DOCUMENTATION = r"""
module: compile_plans
short_description: Compile every host's plan, before any host is touched
description:
  - Reads the catalogue, the restrictions (C(proscribe_*) variables) of every host of the play and the waivers of the
    inventory, and compiles one plan for each host; hosts with the same restrictions and waivers share one.
  - A mistake in any of them fails the play here, with the file, the key, the value and what was expected.
  - Runs on the controller, once; no host is connected to.
version_added: "1.0.0"
options:
  mode:
    description: What the play is going to do.
    type: str
    choices: [audit, enforce, lift, quarantine]
    required: true
  for_roles:
    description:
      - Names of roles. Where some of them are roles of controls, the run is about those controls only.
      - Roles give the names of all roles of the play, so that the play is one run with one report.
    type: list
    elements: str
    default: []
  observes:
    description: Whether the play observes hosts (C(compliance_state)). Where it does not, Windows hosts are not served.
    type: bool
    default: true
attributes:
  check_mode:
    support: full
    description: Does the same in check mode.
  diff_mode:
    support: none
    description: Changes nothing.
author: The Proscribe developers
"""

EXAMPLES = r"""
- name: Compile the plans
  compile_plans:
    mode: audit
  run_once: true
  register: proscribe_compiled
"""

RETURN = r"""
proscribe_run:
  description: The run, for the report and for the C(proscribe_plan) filter.
  returned: success
  type: dict
  sample:
    id: 20261125T080000Z-audit-5f3a
    mode: audit
    plans: reports/plans
    hosts: {web01: "sha256:1c0e..."}
"""

if __name__ == "__main__":  # Ansible found no action plugin of this name
    print('{"failed": true, "msg": "compile_plans needs its action plugin (action_plugins/); no host was touched"}')
