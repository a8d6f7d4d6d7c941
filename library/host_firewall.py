#!/usr/bin/python
# SPDX-License-Identifier: GPL-3.0-or-later
"""Ansible module that enforces the control `firewall` on a host, or lifts it."""

from __future__ import annotations

DOCUMENTATION = r"""
module: host_firewall
short_description: Refuse connections to restricted networks
description:
  - Loads the nftables table C(inet proscribe) in one transaction and keeps it over a reboot.
  - Other tables are not touched.
  - Observes first and changes only what differs.
  - New rules are tried out first. The host takes them back by itself, by a timer outside of the session, unless a
    second call with O(confirm) reaches it in time over a new connection. The action plugin of the same name makes that
    call; how long the host waits is the restriction C(proscribe_firewall_confirm_within).
  - Rules that were confirmed before, and taking the table away, need no confirmation.
version_added: "1.0.0"
options:
  plan:
    description: The host's plan, as C(compile_plans) made it. Required unless O(confirm) is given.
    type: dict
  confirm:
    description:
      - The token of a change that is to be kept, out of RV(pending).
      - For the action plugin; nothing else is done then.
    type: str
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

- name: Refuse connections to restricted networks
  host_firewall:
    plan: "{{ proscribe_compiled | proscribe_plan(inventory_hostname) }}"
"""

RETURN = r"""
pending:
  description:
    - A change that the host takes back after C(within) seconds of RV(pending), unless its C(token) confirms it.
    - RV(actions) then names also what is done only with the confirmation.
    - The action plugin confirms it, so a task does not return this.
  returned: when new rules are tried out
  type: dict
  sample: {token: 5f0c9a1b2c3d, within: 60}
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

from typing import Any

from ansible.module_utils.proscribe.host.controls.firewall import change_trial
from ansible.module_utils.proscribe.host.host_operations import change
from ansible.module_utils.proscribe_ansible.module import PLAN_ARGUMENTS, ModuleCall, serve_call, take_plan


def main() -> None:
    """Change the firewall, or confirm a pending change (`confirm`), print the answer, and exit.

    A change is on trial until it is confirmed. A lift and check mode need no trial.
    """
    module = ModuleCall(
        argument_spec={**PLAN_ARGUMENTS, "plan": {"type": "dict"}, "confirm": {"type": "str"}},
        required_one_of=[["plan", "confirm"]],
        supports_check_mode=True,
    )
    plan = take_plan(module)
    host = module.host

    def do_work() -> Any:
        """Confirm a pending change, or change the firewall; on trial, except for a lift and in check mode."""
        if module.params["confirm"]:
            return change_trial.confirm_trial(host, module.params["confirm"])
        lift = module.params["state"] == "absent"
        if lift or module.check_mode:
            return change(host, plan, "firewall", lift=lift, dry_run=module.check_mode)
        return change_trial.run_without_pending_change(
            host, lambda: change(host, plan, "firewall", doing=change_trial.make_trial_application(host, plan))
        )

    serve_call(module, do_work)


if __name__ == "__main__":
    main()
