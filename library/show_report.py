#!/usr/bin/python
# SPDX-License-Identifier: GPL-3.0-or-later
"""Documentation of the action `show_report`, which runs on the controller only (action_plugins/show_report.py)."""

from __future__ import annotations

DOCUMENTATION = r"""
module: show_report
short_description: Show a run's report again, or what the history knows
description:
  - Without O(since), O(host) or O(rule) it shows the report of one run. With one of them it answers from the history of
    all runs; see C(docs/history.md).
  - Runs on the controller, once; no host is connected to.
version_added: "1.0.0"
options:
  since:
    description: How far back to look, as V(30d), V(12h), V(2w), a day or a UTC time.
    type: str
    default: ""
  host:
    description: The host to tell about.
    type: str
    default: ""
  rule:
    description: The rule to tell about, such as V(apps/wechat).
    type: str
    default: ""
  run:
    description: The run whose report is shown, by its id or its directory; the latest one if left out.
    type: str
    default: ""
  group:
    description: The department of that report whose hosts are shown, and nothing of others.
    type: str
    default: ""
  format:
    description:
      - The output, V(table) if left out; V(json), V(html) for the page, V(svg) for the trend, or the name of an export.
    type: str
    default: ""
  json:
    description: The same as V(json) for O(format).
    type: bool
    default: false
  merge:
    description: Make one report of these runs, and show it; V(unmerged) stands for all that are in none yet.
    type: list
    elements: str
    default: []
  round:
    description: With V(unmerged) for O(merge), the slices of this round; the newest round if left out.
    type: str
    default: ""
  write:
    description: Also write the run's page, host lists and exports anew.
    type: bool
    default: false
  history:
    description: The history to ask, V(sqlite) or a C(postgresql://) URL; else the one the latest run wrote into.
    type: str
    default: ""
attributes:
  check_mode:
    support: full
    description: Shows the same and writes nothing.
  diff_mode:
    support: none
    description: Has nothing to compare.
author: The Proscribe developers
"""

EXAMPLES = r"""
- name: Show what changed in the last month
  show_report:
    since: 30d
"""

RETURN = r"""
text:
  description: What was shown.
  returned: success
  type: str
  sample: "1 host: 1 compliant"
"""

if __name__ == "__main__":  # Ansible found no action plugin of this name
    print('{"failed": true, "msg": "show_report needs its action plugin (action_plugins/); no host was touched"}')
