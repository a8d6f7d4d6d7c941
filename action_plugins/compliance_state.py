# SPDX-License-Identifier: GPL-3.0-or-later
"""Action: streams the observing code to the host in one exec; where that cannot be, it runs as an ordinary module."""

from __future__ import annotations

import json
import shlex
import sys
from pathlib import Path
from typing import Any

from ansible.plugins.action import ActionBase

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "module_utils"))

from proscribe.run import COMPLIANCE_STATE_ARGUMENTS
from proscribe.stream import BOOTSTRAP, answer, payload

# Where the inventory names no interpreter. /usr/bin first, as Ansible's own discovery has it; a host without any gets
# Ansible's message from the ordinary module.
PLACES = "/usr/bin/python3 /usr/local/bin/python3 /usr/libexec/platform-python python3"
ANY_PYTHON = f"for python in {PLACES}; do command -v $python && break; done"


class ActionModule(ActionBase):
    """Observes one host."""

    _supports_async = False

    def run(self, tmp: Any = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        """Answer the task."""
        result: dict[str, Any] = super().run(tmp, task_vars)
        variables = task_vars or {}
        _, call = self.validate_argument_spec(COMPLIANCE_STATE_ARGUMENTS)
        told = self._streamed(call, variables) if self._can_stream() else None
        if told is None:
            told = self._execute_module(module_name="compliance_state", task_vars=variables)
        result.update(told)
        return result

    def _can_stream(self) -> bool:
        """As for Ansible's own pipelining: the connection can pipe, and the configuration lets it."""
        return bool(self._connection.has_pipelining and self._connection.get_option("pipelining"))

    def _streamed(self, call: dict[str, Any], variables: dict[str, Any]) -> dict[str, Any] | None:
        named = str(self._templar.template(variables.get("ansible_python_interpreter")) or "auto")
        python = f'"$({ANY_PYTHON})"' if named.startswith("auto") else named
        command = f"{python} -I -S -c {shlex.quote(BOOTSTRAP)}"
        run = (variables.get("proscribe_compiled") or {}).get("proscribe_run") or {}
        store = Path(run["plans"]) if "plans" in run else None
        done = self._low_level_execute_command(command, in_data=payload(call, store))
        told = answer(done["stdout"])
        if told is None:
            self._display.vvv(f"no answer to the streamed code, so it is run as a module: {json.dumps(done)}")
        return told
