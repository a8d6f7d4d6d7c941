# SPDX-License-Identifier: GPL-3.0-or-later
"""Action of the module `dns_filter`, which passes on only the known keys of a host's answer."""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "module_utils"))

from proscribe.model.types.answer import ChangeAnswer
from proscribe_ansible.action import HostAction, results


class ActionModule(HostAction[ChangeAnswer]):
    """Action that changes the control `dns` of a host."""

    reader = staticmethod(results.read_change)
