# SPDX-License-Identifier: GPL-3.0-or-later
"""Action: runs the module of its name, and lets through what its answer may hold."""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "module_utils"))

from proscribe.model.types.answer import ChangeAnswer
from proscribe_ansible.action import HostAction, results


class ActionModule(HostAction[ChangeAnswer]):
    """Changes the control `apps` of one host."""

    reader = staticmethod(results.read_change)
