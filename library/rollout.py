#!/usr/bin/python
# SPDX-License-Identifier: GPL-3.0-or-later
"""Documentation of the action `rollout`, which runs on the controller only (action_plugins/rollout.py)."""

from __future__ import annotations

DOCUMENTATION = r"""
module: rollout
short_description: Decide how far a run reaches at once
description:
  - The filter C(proscribe_rollout) gives the play that corrects its hosts, in the order and in the batches that were
    decided. V(next) is the first task of every batch. It fails, and with it the play, where the run must not go on,
    because the whole is more than C(proscribe_max_change) allows or too many hosts have failed; the hosts of the batch
    have not been changed then.
  - V(whole) decides, and fails at once where the whole is more than C(proscribe_max_change) allows. It is for plays
    that correct all their hosts at once, or in batches of their own (C(serial)), each of which is decided by itself.
    The play leaves the hosts of C(set_aside) as they are.
  - Runs on the controller, once; no host is connected to. C(docs/operations.md) has the rules.
version_added: "1.0.0"
options:
  step:
    description: What is asked.
    type: str
    choices: [next, whole]
    required: true
notes:
  - Reads what the tasks before it registered as C(proscribe_compiled) and C(proscribe_observed).
attributes:
  check_mode:
    support: full
    description: In check mode it decides for one batch and never stops; it warns where a run without it would.
  diff_mode:
    support: none
    description: Changes nothing.
author: The Proscribe developers
"""

EXAMPLES = r"""
- name: Start the batch, unless the run has to stop
  rollout:
    step: next
  run_once: true

- name: Stop before any change where the whole is more than proscribe_max_change allows
  rollout:
    step: whole
  run_once: true
"""

RETURN = r"""
rollout:
  description: The decision.
  returned: when O(step=whole)
  type: dict
  sample:
    hosts: [web01, web02]
    batches: [2]
    reach: 2
    changes: {hosts: 2, removals: 3, apps: 2}
    stop: ""
    max_failures: 10%
    allow: {}
    set_aside: {}
"""

if __name__ == "__main__":  # Ansible found no action plugin of this name
    print('{"failed": true, "msg": "rollout needs its action plugin (action_plugins/); no host was touched"}')
