# SPDX-License-Identifier: GPL-3.0-or-later
"""Action of the module `host_watch`, which adds the code and the plans of a host's watch to the arguments."""

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
from proscribe.wire.observation import get_compiled_run
from proscribe.wire.plan_store import PlanStore
from proscribe.wire.watch_payload import pack_watch
from proscribe_ansible.action import HostAction, results


class ActionModule(HostAction[ChangeAnswer]):
    """Action that installs the watch of a host, or removes it."""

    reader = staticmethod(results.read_change)

    def ask_host(self, variables: Variables) -> ChangeAnswer:
        """Run the module with the code and the plans of the watch (`sent`), and return its answer.

        The plans are the host's present plan and the plans that follow it. If the plan has no watch, or with `state:
        absent`, nothing is sent. Raises AnsibleActionFail if a plan is missing in the plan store.
        """
        plan_argument = self._task.args.get("plan") or {}
        plan: Any = plan_argument if isinstance(plan_argument, Mapping) else json.loads(plan_argument)
        if self._task.args.get("state") != "absent" and "watch" in plan:
            run = get_compiled_run(variables)
            store = PlanStore(Path(run["plans"]) if "plans" in run else None)
            try:
                self._task.args = {**self._task.args, "sent": pack_watch(store, plan)}
            except OSError as error:
                raise AnsibleActionFail(f"a plan that follows the host's own cannot be sent: {error}") from None
        return self.run_module(variables)
