# SPDX-License-Identifier: GPL-3.0-or-later
"""Action: adds the code and the plans of a host's watch to the module's arguments, and runs the module."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ansible.errors import AnsibleActionFail

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "module_utils"))

from proscribe.model.types.answer import ChangeAnswer
from proscribe.model.types.run import Variables
from proscribe.wire.observation import compiled_run
from proscribe.wire.store import Store
from proscribe.wire.watch_sent import packed
from proscribe_ansible.action import HostAction, results


class ActionModule(HostAction[ChangeAnswer]):
    """Installs the watch of one host, or removes it."""

    reader = staticmethod(results.change)

    def ask(self, variables: Variables) -> ChangeAnswer:
        """Have the module do it, with what it needs of the controller."""
        given = self._task.args.get("plan") or {}
        plan: Any = given if isinstance(given, Mapping) else json.loads(given)
        if self._task.args.get("state") != "absent" and "watch" in plan:
            run = compiled_run(variables)
            store = Store(Path(run["plans"]) if "plans" in run else None)
            try:
                self._task.args = {**self._task.args, "sent": packed(store, plan)}
            except OSError as wrong:
                raise AnsibleActionFail(f"a plan that follows the host's own cannot be sent: {wrong}") from None
        return self.module(variables)
