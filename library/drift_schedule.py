#!/usr/bin/python
# SPDX-License-Identifier: GPL-3.0-or-later
"""Ansible module that installs or removes the systemd units of scheduled runs."""

from __future__ import annotations

DOCUMENTATION = r"""
module: drift_schedule
short_description: Put the units of scheduled runs in place, or take them away
description:
  - Writes the systemd units of one part of a schedule, C(proscribe-drift) on a controller or C(proscribe-pull) on a
    host, with what they run, and starts the timer. Changes only what differs.
version_added: "1.0.0"
extends_documentation_fragment: proscribe_turns
options:
  part:
    description: Which part; both if left out, which only O(state=absent) knows.
    type: str
    choices: [proscribe-drift, proscribe-pull]
  files:
    description: The texts by path, as C(schedule_plan) made them. Only files of a schedule are taken.
    type: dict
    default: {}
  settings:
    description: What the program of C(proscribe-pull) reads.
    type: dict
    default: {}
  runs:
    description:
      - What scheduled runs are made of, C(paths), and as whom they are started, C(account). The module fails, before
        it touches anything, where somebody beside root and this account can change any of it, and where the units
        would not see it.
    type: dict
    default: {}
    suboptions:
      account:
        description: The name of the account.
        type: str
      paths:
        description: Absolute paths of files, and of directories with all below them.
        type: list
        elements: str
        default: []
      needs:
        description: Paths that have to be on the machine, or no run could begin.
        type: list
        elements: str
        default: []
      starts:
        description: The programs among them.
        type: list
        elements: str
        default: []
      writes:
        description: Directories to which runs write, which need not be there yet.
        type: list
        elements: str
        default: []
  alerts:
    description:
      - The channels by which C(proscribe-drift) sends an alert that Ansible cannot send, as in C(proscribe_notify).
        Only C(mail) and C(webhook) are used. No difference shows them.
    type: dict
    default: {}
  host:
    description: The name of this host in the inventory, for O(settings).
    type: str
    default: ""
  state:
    description:
      - V(present) puts it in place.
      - V(absent) takes it away, with what pulled runs have kept on the host.
    type: str
    choices: [present, absent]
    default: present
attributes:
  check_mode:
    support: full
    description: Says what it would do, and does nothing.
  diff_mode:
    support: full
    description: One difference for every action.
author: The Proscribe developers
"""

EXAMPLES = r"""
- name: Take every schedule off the host
  drift_schedule:
    state: absent
"""

RETURN = r"""
actions:
  description: What was done (in check mode, what would be), in order.
  returned: always
  type: list
  elements: str
  sample: [write /etc/systemd/system/proscribe-drift.timer]
"""

from typing import Any

from ansible.module_utils.proscribe.host.schedule import timers
from ansible.module_utils.proscribe_ansible.module import ModuleCall, serve_call

ARGUMENTS = {
    "part": {"type": "str", "choices": [timers.DRIFT_UNIT, timers.PULL_UNIT]},
    "files": {"type": "dict", "default": {}},
    "settings": {"type": "dict", "default": {}},
    "runs": {
        "type": "dict",
        "default": {},
        "options": {
            "account": {"type": "str"},
            **{
                name: {"type": "list", "elements": "str", "default": []}
                for name in ("paths", "needs", "starts", "writes")
            },
        },
    },
    "alerts": {"type": "dict", "default": {}},
    "host": {"type": "str", "default": ""},
    "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
}


def main() -> None:
    """Install or remove the units of a part of the schedule, print the answer, and exit."""
    module = ModuleCall(argument_spec=ARGUMENTS, required_if=[["state", "present", ["part"]]], supports_check_mode=True)
    parameters = module.params
    files, settings, part = parameters.pop("files"), parameters.pop("settings"), parameters["part"]
    runs, alerts = parameters.pop("runs"), parameters.pop("alerts")
    runs = runs if runs.get("account") else None  # without an account, `runs` describes nothing
    if settings:
        settings = {**settings, "host": parameters["host"]}
    host = module.host

    def do_work() -> Any:
        if parameters["state"] == "absent":
            return timers.plan_lift(host, [part] if part else (timers.DRIFT_UNIT, timers.PULL_UNIT))
        return timers.plan_schedule(host, part, files, settings, runs, alerts)

    serve_call(module, lambda: timers.apply_schedule(host, do_work, module.check_mode))


if __name__ == "__main__":
    main()
