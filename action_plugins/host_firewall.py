# SPDX-License-Identifier: GPL-3.0-or-later
"""Action: runs the module, and confirms new rules over a new connection. Rules that cut the host off are taken back by
the host itself, so the worst that can come of them is a wait.
"""

from __future__ import annotations

import contextlib
import json
import shlex
import sys
import time
from collections.abc import Mapping
from pathlib import Path

from ansible.errors import AnsibleConnectionFailure

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "module_utils"))

from proscribe.host.controls.firewall.confirm import CONFIRM_TIMEOUT_SECONDS
from proscribe.host.controls.firewall.program import CHANGE_DIRECTORY
from proscribe.model.types.answer import ChangeAnswer
from proscribe.model.types.run import Variables
from proscribe.wire import installation
from proscribe_ansible.action import HostAction, format_printable, results

PAUSE_SECONDS = 1  # seconds between two attempts; the first one, too, is better made when the rules are loaded
GRACE_SECONDS = 30  # seconds that a host may take to answer again after it has taken its rules back

# Without it ssh waits for hours for a host whose answers are refused.
KEEPALIVE_OPTIONS = "-o ServerAliveInterval=5 -o ServerAliveCountMax=2"


class ActionModule(HostAction[ChangeAnswer]):
    """Changes the firewall of one host."""

    reader = staticmethod(results.read_firewall_change)

    def ask_host(self, variables: Variables) -> ChangeAnswer:
        """Have the firewall changed, and the change confirmed."""
        result = self.run_module(variables)
        token = result.pop("pending", None)
        if isinstance(token, str):
            confirmed = self._confirm_rules(token, self._get_confirm_seconds(), variables)
            if confirmed.get("failed"):
                return confirmed
        return result

    def _get_confirm_seconds(self) -> int:
        """How many seconds the host waits for the confirmation, as its plan says: its own word could be any number."""
        plan = self._task.args.get("plan") or {}
        plan = plan if isinstance(plan, Mapping) else json.loads(plan)
        return int(plan["controls"]["firewall"]["settings"].get("confirm_within", CONFIRM_TIMEOUT_SECONDS))

    def _confirm_rules(self, token: str, confirm_seconds: int, variables: Variables) -> ChangeAnswer:
        """What the host says of a change, kept or taken back, over a connection that is younger than the new rules.

        Raises AnsibleConnectionFailure where it does not even answer after it must have taken the change back.
        """
        end = time.monotonic() + confirm_seconds + GRACE_SECONDS
        # There is an answer once the rules are loaded, could not be, or are taken back already.
        names = {
            outcome: shlex.quote(f"{CHANGE_DIRECTORY}/{outcome}-{token}") for outcome in ("loaded", "failed", "pending")
        }
        decided = "test -e {loaded} || test -e {failed} || test ! -e {pending}".format(**names)
        while True:
            time.sleep(PAUSE_SECONDS)
            try:
                self._reset_connection()
                if self._low_level_execute_command(decided)["rc"] == 0 or time.monotonic() > end:
                    self._reset_connection()
                    return self.run_module(variables, installation.qualify_name("host_firewall"), confirm=token)
            except AnsibleConnectionFailure as lost:
                if time.monotonic() > end:
                    raise
                self._display.vvv(
                    f"no new connection yet, so the new rules are not confirmed: {format_printable(lost)}"
                )

    def _reset_connection(self) -> None:
        """What is asked next goes over a new connection, which gives up by itself if the host falls silent."""
        self._connection.reset()
        with contextlib.suppress(KeyError):  # only ssh has it
            ssh_arguments = self._connection.get_option("ssh_extra_args") or ""
            if KEEPALIVE_OPTIONS not in ssh_arguments:
                self._connection.set_option("ssh_extra_args", f"{ssh_arguments} {KEEPALIVE_OPTIONS}".strip())
