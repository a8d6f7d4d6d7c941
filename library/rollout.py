#!/usr/bin/python
# SPDX-License-Identifier: GPL-3.0-or-later
"""Documentation of the action `rollout`, which runs on the controller only (action_plugins/rollout.py)."""

from __future__ import annotations

DOCUMENTATION = r"""
module: rollout
short_description: Decide how far a run reaches at once
description:
  - Between checking the hosts and correcting them, V(decide) says from what was observed which hosts are corrected,
    in what order and in batches of what size (C(proscribe_batches)), and whether the whole is more than
    C(proscribe_max_change) allows. The filter C(proscribe_rollout) gives the answer to the play that corrects.
  - V(next) is the first task of every batch. It fails, and with it the play, where the run must not go on; the hosts of
    the batch have not been changed then.
  - V(whole) decides too, and fails at once where the whole is more than C(proscribe_max_change) allows. It is for plays
    that correct all their hosts at once, or in batches of their own (C(serial)), each of which is decided by itself.
  - Runs on the controller, once; no host is connected to. C(docs/operations.md) has the rules.
version_added: "0.1.0"
options:
  step:
    description: What is asked.
    type: str
    choices: [decide, next, whole]
    required: true
notes:
  - Reads what the tasks before it registered as C(proscribe_compiled), C(proscribe_observed) and C(proscribe_rollout).
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
- name: Decide how far this run reaches
  rollout:
    step: decide
  run_once: true
  register: proscribe_rollout
"""

RETURN = r"""
rollout:
  description: The decision.
  returned: when O(step=decide) or O(step=whole)
  type: dict
  sample:
    hosts: [web01, web02]
    batches: [2]
    reach: 2
    changes: {hosts: 2, removals: 3, apps: 2}
    stop: ""
    max_failures: 10%
    allow: {}
"""

if __name__ == "__main__":  # Ansible found no action plugin of this name
    print('{"failed": true, "msg": "rollout needs its action plugin (action_plugins/); no host was touched"}')
