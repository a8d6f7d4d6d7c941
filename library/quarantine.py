#!/usr/bin/python
# SPDX-License-Identifier: GPL-3.0-or-later
"""Ansible module that lists, restores or prunes the items in the quarantine of a host."""

from __future__ import annotations

DOCUMENTATION = r"""
module: quarantine
short_description: List, restore or prune what the quarantine of a host holds
description:
  - What M(restricted_apps) has moved below C(/var/lib/proscribe/quarantine) is listed, restored to its place as it was,
    or removed for good. Nothing of the ban is lifted, and nothing else of the host is changed.
  - What is restored never replaces what stands at its place by now, and no link that a user made is followed.
version_added: "1.0.0"
extends_documentation_fragment: proscribe_turns
options:
  do:
    description: What is done. V(list) only reads.
    type: str
    choices: [list, restore, prune]
    default: list
  ids:
    description: The ids of what is restored or pruned, as V(list) gives them.
    type: list
    elements: str
    default: []
attributes:
  check_mode:
    support: full
    description: In check mode it says what would be done.
  diff_mode:
    support: full
    description: The paths that come back, or go for good.
author: The Proscribe developers
"""

EXAMPLES = r"""
- name: List what the host keeps
  quarantine:
  register: proscribe_custody

- name: Restore one thing
  quarantine:
    do: restore
    ids: [wechat-3fa4b2c1]
"""

RETURN = r"""
quarantined:
  description: The items in the quarantine.
  returned: when O(do=list)
  type: list
  elements: dict
  sample: [{id: wechat-3fa4b2c1, path: /home/alice/WeChat.AppImage, owner: alice, services: [wechat], bytes: 5000}]
broken:
  description: Folders whose manifests cannot be read, each with the reason.
  returned: when O(do=list)
  type: list
  elements: dict
  sample: []
left_out:
  description: How many more there are than one answer may have.
  returned: when O(do=list)
  type: int
  sample: 0
outcomes:
  description: What became of each id.
  returned: when O(do) is V(restore) or V(prune)
  type: list
  elements: dict
  sample: [{id: wechat-3fa4b2c1, done: true, why: ""}]
actions:
  description: What was done (in check mode, what would be), in order.
  returned: when O(do) is V(restore) or V(prune)
  type: list
  elements: str
  sample: [restore wechat-3fa4b2c1 (/home/alice/WeChat.AppImage)]
"""

from ansible.module_utils.proscribe.host.quarantine_operations import run_quarantine_operation
from ansible.module_utils.proscribe.model.quarantine_ids import LIST, PRUNE, RESTORE
from ansible.module_utils.proscribe_ansible.module import ModuleCall, serve_call

ARGUMENTS = {
    "do": {"type": "str", "choices": [LIST, RESTORE, PRUNE], "default": LIST},
    "ids": {"type": "list", "elements": "str", "default": []},
}


def main() -> None:
    """List, restore or prune items of the quarantine, print the answer, and exit."""
    module = ModuleCall(argument_spec=ARGUMENTS, supports_check_mode=True)
    do, ids = module.params["do"], module.params["ids"]
    serve_call(module, lambda: run_quarantine_operation(module.host, do, ids, module.check_mode))


if __name__ == "__main__":
    main()
