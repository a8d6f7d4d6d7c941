# SPDX-License-Identifier: GPL-3.0-or-later
"""Action that selects the items of an operator's request in the quarantines of hosts. controller/quarantine decides."""

from __future__ import annotations

import datetime
import functools
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ansible.errors import AnsibleError
from ansible.plugins.action import ActionBase

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "module_utils"))

from proscribe.controller.cli.option_variables import list_typed_variables
from proscribe.controller.quarantine.quarantine_texts import describe_operation, describe_unaccepted_losses, list_losses
from proscribe.controller.quarantine.request import (
    ARGUMENTS,
    InvalidQuarantineRequest,
    QuarantineRequest,
    list_mistyped_variables,
    list_requested_hosts,
    parse_request,
)
from proscribe.controller.quarantine.selection import select_rows
from proscribe.controller.report.text.terminal_layout import fit_lines, get_screen_width
from proscribe.controller.report.text.wording import clean_text, find_waiver_end
from proscribe.model.quarantine_ids import LIST, RESTORE
from proscribe.model.types.run import ActionResult, Variables
from proscribe.wire.observation import get_registered
from proscribe.wire.plan_store import PlanStore


class ActionModule(ActionBase):
    """Action that runs on the controller, once for all hosts of the play."""

    BYPASS_HOST_LOOP = True
    TRANSFERS_FILES = False
    _requires_connection = False

    def run(self, tmp: Any = None, task_vars: Variables | None = None) -> ActionResult:
        """Check the request (step `read`) or select its items (step `choose`), and return the result.

        Ansible calls this. Raises AnsibleError for an invalid request, and for a restore whose losses the operator has
        not accepted.
        """
        result: ActionResult = super().run(tmp, task_vars)
        variables = task_vars or {}
        steps = {"step": {"type": "str", "choices": ["read", "choose"], "required": True}}
        _, arguments = self.validate_argument_spec({**steps, **ARGUMENTS})
        step = arguments.pop("step")
        try:
            answer = self._read_request(arguments, variables) if step == "read" else self._choose_items(variables)
        except InvalidQuarantineRequest as error:
            raise AnsibleError(f"nothing was changed\n{error}") from None
        return {**result, **answer}

    def _read_request(self, arguments: Mapping[str, object], variables: Variables) -> ActionResult:
        """Return the checked request (`asked`), its operation (`do`) and output format, and the hosts to contact.

        Raises InvalidQuarantineRequest.
        """
        if mistakes := list_mistyped_variables(map(str, variables), list_typed_variables(self._loader)):
            raise InvalidQuarantineRequest(mistakes)
        request = parse_request(arguments)
        run = [str(name) for name in variables["ansible_play_hosts_all"]]
        inventory = {str(name) for name in (variables.get("groups") or {}).get("all", ())}
        return {
            "hosts": list_requested_hosts(request, run, inventory),
            "do": request.do,
            "format": request.format,
            "asked": request._asdict(),
        }

    def _choose_items(self, variables: Variables) -> ActionResult:
        """Return the items that the request selects (`rows`), and their ids by host for the change (`ids`).

        A request that only lists the items has no `ids`. Raises InvalidQuarantineRequest and AnsibleError.
        """
        # Earlier tasks have registered the checked request, the compiled run, and the list of each host's quarantine.
        selection, run = variables["proscribe_asked"], variables["proscribe_compiled"]["proscribe_run"]
        request = QuarantineRequest(**selection["asked"])
        hostvars = variables["hostvars"]
        items_by_host = {}
        for host in selection["hosts"]:
            answer = get_registered(hostvars, host, "proscribe_custody")
            if "quarantined" in answer:
                items_by_host[host] = answer["quarantined"]
        store = PlanStore(Path(run["plans"]))
        read_plan = functools.cache(store.read_stored_plan)
        chosen = select_rows(
            request,
            items_by_host,
            len(selection["hosts"]) - len(items_by_host),
            lambda host: read_plan(run["hosts"][host]),
            {waiver["id"]: find_waiver_end(waiver["expires"], waiver.get("revoked")) for waiver in run["waivers"]},
            datetime.datetime.now(datetime.timezone.utc),
        )
        rows = [row.make_document() for row in chosen]
        if request.do == LIST:
            return {"rows": rows, "ids": {}}
        if request.do == RESTORE and not rows:
            raise InvalidQuarantineRequest(
                ["restore: found no item that matches all of the selectors, expected at least one"]
            )
        is_check_mode = bool(self._task.check_mode)
        lines = map(clean_text, describe_operation(request.do, rows, is_check_mode))
        self._display.display(fit_lines("\n".join(lines), get_screen_width()))
        if request.do == RESTORE and list_losses(rows) and not (request.accept_loss or is_check_mode):
            raise AnsibleError(describe_unaccepted_losses(rows))
        ids: dict[str, list[str]] = {}
        for row in rows:
            ids.setdefault(row["host"], []).append(row["id"])
        return {"rows": rows, "ids": ids}
