# SPDX-License-Identifier: GPL-3.0-or-later
"""Action that decides whether a correcting run goes on: with its next batch, or at all. controller/rollout decides."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from ansible.errors import AnsibleError
from ansible.plugins.action import ActionBase

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "module_utils"))

from proscribe.controller.report.text.terminal_layout import fit_warning as in_lines
from proscribe.controller.rollout import RolloutHost, describe_stop_place, evaluate_host, find_objection
from proscribe.controller.rollout.current_rollout import decide_for_fleet, get_decision, list_set_aside_hosts
from proscribe.model.types.run import ActionResult, Variables
from proscribe.wire.observation import get_registered


class ActionModule(ActionBase):
    """Action that lets a batch of hosts begin, or decides for all hosts of a play."""

    BYPASS_HOST_LOOP = True
    TRANSFERS_FILES = False
    _requires_connection = False

    def run(self, tmp: Any = None, task_vars: Variables | None = None) -> ActionResult:
        """Decide about the next batch (step `next`) or about all hosts of the play (step `whole`). Ansible calls this.

        If the run must stop, the result is {failed, stopped, msg}. In check mode, a run never stops.
        """
        result: ActionResult = super().run(tmp, task_vars)
        _, arguments = self.validate_argument_spec(
            {"step": {"type": "str", "choices": ["next", "whole"], "required": True}}
        )
        variables, is_check_mode = task_vars or {}, bool(self._task.check_mode)
        # hosts of the play that have not failed so far
        working_hosts = [str(name) for name in variables["ansible_play_hosts"]]
        if arguments["step"] == "whole":
            run = variables["proscribe_compiled"]["proscribe_run"]
            fleet = _list_observed_hosts(variables["hostvars"], working_hosts, run["hosts"])
            decision = decide_for_fleet(fleet, run, is_check_mode, lambda text: self._display.warning(in_lines(text)))
            result["rollout"] = decision._asdict()
            refusal = f"stopped {describe_stop_place(0)}: {decision.stop}" if decision.stop else ""
        else:
            current_decision = get_decision()
            if current_decision is None:
                raise AnsibleError(f"{self._task.get_path()}: next expected hosts that proscribe_rollout('hosts') gave")
            first = str(variables["ansible_play_batch"][0])
            refusal = find_objection(current_decision, first, frozenset(working_hosts), list_set_aside_hosts())
        if refusal and not is_check_mode:
            # No error is raised, so that the callbacks can distinguish a run that stops from a task that fails.
            result.update(failed=True, stopped=True, msg=refusal)
        return result


def _list_observed_hosts(hostvars: Any, names: Iterable[str], plans: Mapping[str, str]) -> list[RolloutHost]:
    """Return the hosts that answered, with their answers. `plans` has the plan digest of each host."""
    answers: list[tuple[str, Any]] = [(name, get_registered(hostvars, name, "proscribe_observed")) for name in names]
    return [evaluate_host(name, plans.get(name, ""), observed) for name, observed in answers if "record" in observed]
