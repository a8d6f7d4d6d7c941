#!/usr/bin/python
# SPDX-License-Identifier: GPL-3.0-or-later
"""Documentation of the action `schedule_plan`, which runs on the controller only (action_plugins/schedule_plan.py)."""

from __future__ import annotations

DOCUMENTATION = r"""
module: schedule_plan
short_description: Work out what a schedule has to put on which machine
description:
  - Reads the restrictions of all hosts of the play, and says from C(proscribe_schedule) and its relatives which units
    the controller gets and which the hosts get. A mistake in them stops the run before any machine is touched.
  - Runs on the controller, once; no host is connected to. C(docs/scheduling.md) has the ways.
version_added: "1.0.0"
options: {}
attributes:
  check_mode:
    support: full
    description: Reads only.
  diff_mode:
    support: none
    description: Changes nothing.
author: The Proscribe developers
"""

EXAMPLES = r"""
- name: Work out what runs where
  schedule_plan:
  run_once: true
  register: proscribe_scheduled
"""

RETURN = r"""
schedule:
  description: The way, the controller, and the files of both.
  returned: success
  type: dict
  sample:
    way: controller
    controller: localhost
    become: false
    drift: {files: {}}
    pull: {files: {}, settings: {}}
"""

if __name__ == "__main__":  # Ansible found no action plugin of this name
    print('{"failed": true, "msg": "schedule_plan needs its action plugin (action_plugins/); no host was touched"}')
