# SPDX-License-Identifier: GPL-3.0-or-later
"""Action: runs the module of its name, and lets through what its answer may hold."""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "module_utils"))

from proscribe.model.types.answer import ChangeAnswer
from proscribe_ansible.action import HostAction, results


class ActionModule(HostAction[ChangeAnswer]):
    """Puts the units of scheduled runs on one machine, or takes them away."""

    counts_for_own_host = False  # the playbook gives the controller's part to the controller
    reader = staticmethod(results.read_schedule_change)
