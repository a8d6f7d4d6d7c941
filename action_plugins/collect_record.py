# SPDX-License-Identifier: GPL-3.0-or-later
"""Action: fetches the record that a host's own run has kept, in one exec. The report judges its age and its plan."""

from __future__ import annotations

import shlex
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "module_utils"))

from proscribe.host.schedule.timers import RECORD
from proscribe.model.finding import LARGEST_ANSWER
from proscribe.model.types.answer import Answer
from proscribe.model.types.run import Variables
from proscribe.wire.observation import compiled_run
from proscribe.wire.replies.parsing import parsed
from proscribe.wire.stored_audit import STORED, WANTS_RECORD
from proscribe_ansible.action import HostAction, observe_timeout, printable, results

MARK = "proscribe-record:"  # begins the line: a login shell may print what it likes before it
MISSING, FORBIDDEN = 3, 4


class ActionModule(HostAction[Answer]):
    """Asks one host."""

    reader = staticmethod(results.stored_record)
    most = LARGEST_ANSWER

    def limit(self, variables: Variables) -> float:
        """The time limit of an observation."""
        return observe_timeout(variables)

    def ask(self, variables: Variables) -> Answer:
        """Fetch what the host has kept."""
        self.validate_argument_spec({})
        run = compiled_run(variables)
        if str(variables.get("inventory_hostname")) in run.get("audit_stored", ()):
            given = self.ask_program(WANTS_RECORD, self.limit(variables))
            if self.leash.why:
                return {}
            return results.stored_record(given[STORED]) if STORED in given else results.failure(given)
        path = shlex.quote(RECORD)
        readable = f"test -r {path} || {{ test -e {path} && exit {FORBIDDEN}; exit {MISSING}; }}"
        done = self._low_level_execute_command(f"{readable}; printf '\\n{MARK}'; head -c {self.most + 1} {path}")
        reasons = {
            MISSING: "it has no stored record yet (or this account may not read it): its own scheduled run has not "
            "come to a report",
            FORBIDDEN: "its record can only be read as root: run it with -b (and -K if sudo asks for a password)",
        }
        if done["rc"]:
            answer = printable((done.get("stderr") or done.get("stdout") or "").strip())
            return {"failed": True, "msg": reasons.get(done["rc"]) or f"its record cannot be read: {answer}"}
        return results.stored_record(parsed(done["stdout"].rpartition(MARK)[2]))
