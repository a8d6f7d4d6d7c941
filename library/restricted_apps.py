#!/usr/bin/python
# SPDX-License-Identifier: GPL-3.0-or-later
"""Ansible module that enforces the control `apps` on a host, or lifts it."""

from __future__ import annotations

DOCUMENTATION = r"""
module: restricted_apps
short_description: Remove restricted apps and keep them out
description:
  - Ends restricted programs, removes their packages with the package system's own tools, moves portable apps into a
    quarantine, and installs an install block. Lifting removes the install block and restores what is in the quarantine;
    it installs no package.
  - Observes first and changes only what differs.
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

- name: Remove restricted apps and keep them out
  restricted_apps:
    plan: "{{ proscribe_compiled | proscribe_plan(inventory_hostname) }}"
"""

RETURN = r"""
actions:
  description: What was done (in check mode, what would be), in order.
  returned: always
  type: list
  elements: str
  sample: [remove wechat, quarantine /home/alice/WeChat.AppImage as wechat-3fa4b2c1]
refused:
  description: What enforcing called for and was not done, each with rule, subject and reason.
  returned: always
  type: list
  elements: dict
  sample: []
removed:
  description:
    - Packages that were removed before and are not installed again, each with what its package system calls it.
    - What is installed again by now is not among them.
  returned: with C(state=absent), where there are any
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
    serve_control("apps")
