# SPDX-License-Identifier: GPL-3.0-or-later
"""Action that changes the firewall of a host, and confirms new rules over a new connection.

A host reverts rules that are not confirmed. So the worst effect of rules that cut the host off is a wait.
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

from proscribe.host.controls.firewall.change_trial import CONFIRM_TIMEOUT_SECONDS
from proscribe.host.controls.firewall.program import CHANGE_DIRECTORY
from proscribe.model.types.answer import ChangeAnswer
from proscribe.model.types.run import Variables
from proscribe.wire import installation
from proscribe_ansible.action import HostAction, format_printable, results

PAUSE_SECONDS = 1  # seconds before each attempt to connect, so that the first comes after the rules are loaded
GRACE_SECONDS = 30  # seconds for a host to answer again after it has reverted its rules

# Options that end a connection to a silent host after some 10 seconds. Otherwise ssh would wait for hours for a host
# whose new rules drop its packets.
KEEPALIVE_OPTIONS = "-o ServerAliveInterval=5 -o ServerAliveCountMax=2"


class ActionModule(HostAction[ChangeAnswer]):
    """Action that changes the firewall of a host."""

    reader = staticmethod(results.read_firewall_change)

    def ask_host(self, variables: Variables) -> ChangeAnswer:
        """Change the firewall, confirm the change if the host waits for that, and return the host's answer."""
        result = self.run_module(variables)
        token = result.pop("pending", None)  # the id of a change that waits for its confirmation
        if isinstance(token, str):
            confirmed = self._confirm_rules(token, self._get_confirm_seconds(), variables)
            if confirmed.get("failed"):
                return confirmed
        return result

    def _get_confirm_seconds(self) -> int:
        """Return the seconds that the host waits for the confirmation.

        They come from the host's plan, because a host can claim any number.
        """
        plan = self._task.args.get("plan") or {}
        plan = plan if isinstance(plan, Mapping) else json.loads(plan)
        return int(plan["controls"]["firewall"]["settings"].get("confirm_within", CONFIRM_TIMEOUT_SECONDS))

    def _confirm_rules(self, token: str, confirm_seconds: int, variables: Variables) -> ChangeAnswer:
        """Confirm the change `token` over a connection that is newer than the rules, and return the host's answer.

        The answer is a failure if the host has reverted the change. The host reverts it after `confirm_seconds`. Raises
        AnsibleConnectionFailure if the host does not answer even GRACE_SECONDS after that.
        """
        end = time.monotonic() + confirm_seconds + GRACE_SECONDS
        # The host can answer the confirmation once the rules are loaded, have failed to load, or are reverted.
        paths = {
            outcome: shlex.quote(f"{CHANGE_DIRECTORY}/{outcome}-{token}") for outcome in ("loaded", "failed", "pending")
        }
        outcome_test = "test -e {loaded} || test -e {failed} || test ! -e {pending}".format(**paths)
        while True:
            time.sleep(PAUSE_SECONDS)
            try:
                self._reset_connection()
                if self._low_level_execute_command(outcome_test)["rc"] == 0 or time.monotonic() > end:
                    self._reset_connection()
                    return self.run_module(variables, installation.qualify_name("host_firewall"), confirm=token)
            except AnsibleConnectionFailure as lost:
                if time.monotonic() > end:
                    raise
                self._display.vvv(
                    f"no new connection yet, so the new rules are not confirmed: {format_printable(lost)}"
                )

    def _reset_connection(self) -> None:
        """Make the next command open a new connection, which `ssh` ends by itself if the host falls silent."""
        self._connection.reset()
        with contextlib.suppress(KeyError):  # only ssh has this option
            ssh_arguments = self._connection.get_option("ssh_extra_args") or ""
            if KEEPALIVE_OPTIONS not in ssh_arguments:
                self._connection.set_option("ssh_extra_args", f"{ssh_arguments} {KEEPALIVE_OPTIONS}".strip())
