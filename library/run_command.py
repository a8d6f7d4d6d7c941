#!/usr/bin/python
# SPDX-License-Identifier: GPL-3.0-or-later
"""Documentation of the action `run_command`, which runs on the controller only (action_plugins/run_command.py)."""

from __future__ import annotations

DOCUMENTATION = r"""
module: run_command
short_description: Run a command that needs no host, such as explain
description:
  - Runs C(explain), C(diff), C(waiver), C(catalog) or C(init) with the inventory of this run. The options of the
    command are variables, by the command and the option, such as C(explain_name) and C(waiver_do).
  - Runs on the controller, once; no host is connected to. C(docs/collection.md) has the table.
version_added: "1.0.0"
options:
  command:
    description: The command.
    type: str
    choices: [explain, diff, waiver, catalog, init]
    required: true
attributes:
  check_mode:
    support: full
    description: Does the same in check mode.
  diff_mode:
    support: none
    description: Has nothing to compare.
author: The Proscribe developers
"""

EXAMPLES = r"""
- name: Show what blocks a service, and where
  run_command:
    command: explain
  vars:
    explain_name: whatsapp
"""

RETURN = r"""
text:
  description: What the command printed.
  returned: success
  type: str
  sample: "whatsapp: blocked on 3 hosts"
exit_code:
  description: The exit code of the command, V(0), or V(1) where that is an answer of C(explain) or C(diff). With any
    other the task fails.
  returned: success
  type: int
  sample: 1
"""
