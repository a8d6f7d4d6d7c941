# SPDX-License-Identifier: GPL-3.0-or-later
"""Action: fetches the record that a host's own run has kept, in one exec. The report judges its age and its plan."""

from __future__ import annotations

import json
import shlex
import sys
from pathlib import Path
from typing import Any

from ansible.plugins.action import ActionBase

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "module_utils"))

from proscribe.schedule.timers import RECORD

LARGEST = 16 * 1024 * 1024  # bytes; a host in hostile hands could otherwise fill the controller's memory
MARK = "proscribe-record:"  # begins the line: a login shell may print what it likes before it
MISSING, FORBIDDEN = 3, 4


class ActionModule(ActionBase):
    """Asks one host."""

    TRANSFERS_FILES = False
    _supports_async = False

    def run(self, tmp: Any = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        """Answer the task."""
        result: dict[str, Any] = super().run(tmp, task_vars)
        self.validate_argument_spec({})
        path = shlex.quote(RECORD)
        look = f"test -r {path} || {{ test -e {path} && exit {FORBIDDEN}; exit {MISSING}; }}"
        done = self._low_level_execute_command(f"{look}; printf '\\n{MARK}'; head -c {LARGEST + 1} {path}")
        reasons = {
            MISSING: "it has kept no record yet (or this account may not look for it): its own scheduled run has not "
            "come to a report",
            FORBIDDEN: "its record can only be read as root: run it with -b (and -K if sudo asks for a password)",
        }
        if done["rc"]:
            told = (done.get("stderr") or done.get("stdout") or "").strip()
            return {**result, "failed": True, "msg": reasons.get(done["rc"]) or f"its record cannot be read: {told}"}
        text = done["stdout"].rpartition(MARK)[2]
        if len(text) > LARGEST:
            return {**result, "failed": True, "msg": f"its record is greater than {LARGEST} bytes"}
        try:
            record = json.loads(text)
        except ValueError as error:
            return {**result, "failed": True, "msg": f"its record is no JSON: {error}"}
        return {**result, "changed": False, "record": record}
