#!/usr/bin/python
# SPDX-License-Identifier: GPL-3.0-or-later
"""Documentation of the action `collect_record`, which runs no module on a host (action_plugins/collect_record.py)."""

from __future__ import annotations

DOCUMENTATION = r"""
module: collect_record
short_description: Fetch the record that a host's own scheduled run has kept
description:
  - Reads C(/var/lib/proscribe/record.json) of a host that runs by itself (C(proscribe_schedule=pull)), in one exec and
    without Python on the host. The report then treats it as an answer, by its age and for its plan.
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
- name: Fetch what the host found
  collect_record:
"""

RETURN = r"""
record:
  description: The host record, as the host kept it.
  returned: success
  type: dict
  sample: {schema: proscribe/host/1, state: compliant}
"""
