#!/usr/bin/python
# SPDX-License-Identifier: GPL-3.0-or-later
"""Ansible module that installs or removes the watch, by which a host corrects itself between runs."""

from __future__ import annotations

DOCUMENTATION = r"""
module: host_watch
short_description: Have a host keep itself in line between two runs
description:
  - Installs what a host needs to observe and correct itself every few minutes without a controller, that is a program,
    the code, the plan with those that follow it, and units of systemd. Where the plan has no watch, all of it is
    removed.
  - Changes only what differs.
  - An action plugin of the same name adds the code and the plans to the arguments.
version_added: "1.0.0"
extends_documentation_fragment:
  - proscribe_enforcing
  - proscribe_turns
options:
  sent:
    description: What the action plugin adds.
    type: str
    default: ""
author: The Proscribe developers
"""

EXAMPLES = r"""
- name: Compile the plans
  compile_plans:
    mode: enforce
  run_once: true
  register: proscribe_compiled

- name: Have the host keep itself in line
  host_watch:
    plan: "{{ proscribe_compiled | proscribe_plan(inventory_hostname) }}"
"""

RETURN = r"""
actions:
  description: What was done (in check mode, what would be), in order.
  returned: always
  type: list
  elements: str
  sample: [write /usr/libexec/proscribe/watch]
refused:
  description: Always empty.
  returned: always
  type: list
  elements: dict
  sample: []
findings:
  description: Always empty; the record has what was found wrong.
  returned: success
  type: list
  elements: dict
  sample: []
"""

import base64
import json
import lzma
from typing import Any

from ansible.module_utils.proscribe.host.watch.installation import change
from ansible.module_utils.proscribe.model.plan import check_plan
from ansible.module_utils.proscribe_ansible.module import PLAN_ARGUMENTS, ModuleCall, serve_call, take_plan


def main() -> None:
    """Install or remove the host's watch as its plan requires, print the answer, and exit."""
    module = ModuleCall(
        argument_spec={**PLAN_ARGUMENTS, "sent": {"type": "str", "default": ""}}, supports_check_mode=True
    )
    plan = take_plan(module)
    sent = module.params.pop("sent")
    lift = module.params["state"] == "absent"

    def do_work() -> Any:
        """Install, change or remove the watch.

        Raises ValueError without the data that the action sends.
        """
        watch_input = {}  # the code and the plans of the watch, which the action has sent
        if not lift:
            check_plan(plan)
        if "watch" in plan and not lift:
            if not sent:
                raise ValueError("host_watch needs its action plugin (action_plugins/)")
            watch_input = json.loads(lzma.decompress(base64.b64decode(sent)))
            watch_input["code"] = base64.b64decode(watch_input["code"])
        return change(module.host, plan, watch_input, lift_it=lift, dry_run=module.check_mode)

    serve_call(module, do_work)


if __name__ == "__main__":
    main()
