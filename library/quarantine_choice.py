#!/usr/bin/python
# SPDX-License-Identifier: GPL-3.0-or-later
"""Documentation of the action `quarantine_choice`, which runs on the controller only.

The action is in action_plugins/quarantine_choice.py.
"""

from __future__ import annotations

DOCUMENTATION = r"""
module: quarantine_choice
short_description: Choose things in the quarantines of hosts, and say what becomes of them
description:
  - V(read) checks what was asked for, before any host is asked. V(choose) finds it in what the hosts have listed.
  - Before anything is restored it says for each thing whether a waiver covers it, or that the next enforcing run takes
    it again. Then it fails, unless O(accept_loss) is given. Before anything is pruned it says what goes for ever.
  - An unknown host, user, service or id is an error, as is a run that restores or prunes and names none of them
    without O(all).
  - Runs on the controller, once; no host is connected to.
version_added: "1.0.0"
options:
  step:
    description: What is asked.
    type: str
    choices: [read, choose]
    required: true
  do:
    description: What will be done with what is chosen.
    type: str
    choices: [list, restore, prune]
    default: list
  hosts:
    description: Only these hosts, by their inventory names.
    type: list
    elements: str
    default: []
  users:
    description: Only what was taken from these accounts.
    type: list
    elements: str
    default: []
  services:
    description: Only what was taken for these services.
    type: list
    elements: str
    default: []
  ids:
    description: Only what has these ids.
    type: list
    elements: str
    default: []
  all:
    description: Everything there is; in the place of the four above.
    type: bool
    default: false
  older_than:
    description: Only what was taken longer ago than that, such as V(30d).
    type: str
    default: ""
  accept_loss:
    description: Restore also what the next enforcing run takes again.
    type: bool
    default: false
  format:
    description: How a list is printed.
    type: str
    choices: [table, json]
    default: table
notes:
  - With O(step=choose), reads what the tasks before it registered as C(proscribe_compiled), C(proscribe_asked) and
    C(proscribe_custody), and no option.
attributes:
  check_mode:
    support: full
    description: In check mode no loss need be accepted, since nothing is changed.
  diff_mode:
    support: none
    description: Changes nothing.
author: The Proscribe developers
"""

EXAMPLES = r"""
- name: Read what is asked for
  quarantine_choice:
    step: read
    do: restore
    ids: [wechat-3fa4b2c1]
  run_once: true
  register: proscribe_asked

- name: Choose, and say what becomes of it
  quarantine_choice:
    step: choose
  run_once: true
  register: proscribe_chosen
"""

RETURN = r"""
hosts:
  description: The hosts that are asked.
  returned: when O(step=read)
  type: list
  elements: str
  sample: [web01]
rows:
  description: What was chosen.
  returned: when O(step=choose)
  type: list
  elements: dict
  sample: [{host: web01, id: wechat-3fa4b2c1, user: alice, next_run: {state: taken, waiver: null, why: no waiver}}]
ids:
  description: The ids to restore or prune, by host.
  returned: when O(step=choose)
  type: dict
  sample: {web01: [wechat-3fa4b2c1]}
"""

if __name__ == "__main__":  # Ansible found no action plugin of this name
    print('{"failed": true, "msg": "quarantine_choice needs its action plugin (action_plugins/); no host was touched"}')
