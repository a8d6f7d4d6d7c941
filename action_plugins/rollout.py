# SPDX-License-Identifier: GPL-3.0-or-later
"""Action: how far a run reaches at once. The deciding is in proscribe.rollout; this gathers its input."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

from ansible.plugins.action import ActionBase

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "module_utils"))

from proscribe.observation import registered
from proscribe.rollout import decide, objection, seen, where
from proscribe.rollout.before import run_before


class ActionModule(ActionBase):
    """Decides for all hosts of the play at once, or lets a batch of them begin."""

    BYPASS_HOST_LOOP = True
    TRANSFERS_FILES = False
    _requires_connection = False

    def run(self, tmp: Any = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        """Answer the task."""
        result: dict[str, Any] = super().run(tmp, task_vars)
        _, arguments = self.validate_argument_spec(
            {"step": {"type": "str", "choices": ["decide", "next", "whole"], "required": True}}
        )
        variables = task_vars or {}
        if arguments["step"] in ("decide", "whole"):
            decided = result["rollout"] = self._decide(variables)
            if arguments["step"] == "whole" and decided["stop"] and not self._task.check_mode:
                result.update(failed=True, stopped=True, msg=f"stopped {where(0)}: {decided['stop']}")
        else:
            decided = variables["proscribe_rollout"]["rollout"]
            alive = frozenset(map(str, variables["ansible_play_hosts"]))
            first = str(variables["ansible_play_batch"][0])
            if not self._task.check_mode and (refusal := objection(decided, first, alive)):
                # Not raised: the callbacks tell a run that stops from a step that fails.
                result.update(failed=True, stopped=True, msg=refusal)
        return result

    def _decide(self, variables: dict[str, Any]) -> dict[str, Any]:
        run = variables["proscribe_compiled"]["proscribe_run"]
        hostvars = variables["hostvars"]
        fleet = []
        for name in map(str, variables["ansible_play_hosts"]):
            observed = registered(hostvars, name, "proscribe_observed")
            if "record" in observed:
                fleet.append(seen(name, observed))
        dry = bool(self._task.check_mode)
        decision = decide(fleet, run["rollout"], dry)
        if decision.stop:
            before = run_before(Path(run["directory"]).parent, decision.hosts)
            decision = decide(fleet, run["rollout"], dry, before)
            if dry:
                self._display.warning(f"a run without --check would stop {where(decision.reach)}: {decision.stop}")
        return decision._asdict()
