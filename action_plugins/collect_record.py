# SPDX-License-Identifier: GPL-3.0-or-later
"""Action that fetches the record that a host's own scheduled run has stored, in a single command.

The report judges the age and the plan of the record.
"""

from __future__ import annotations

import shlex
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "module_utils"))

from proscribe.host.schedule.timers import RECORD_PATH
from proscribe.model.finding import MAX_ANSWER_BYTES
from proscribe.model.types.answer import ModuleAnswer
from proscribe.model.types.run import Variables
from proscribe.wire.answers.parsing import parse_answer_json
from proscribe.wire.audit_installer import RECORD_REQUEST, STORED_KEY
from proscribe.wire.observation import get_compiled_run
from proscribe_ansible.action import HostAction, format_printable, get_observe_timeout, results

# Printed before the record, because a login shell may print any text before it.
RECORD_MARK = "proscribe-record:"
# Exit codes of the command on the host: there is no record, or only root can read it.
MISSING_EXIT_CODE, FORBIDDEN_EXIT_CODE = 3, 4


class ActionModule(HostAction[ModuleAnswer]):
    """Action that fetches the stored record of a host."""

    reader = staticmethod(results.read_stored_record)
    max_answer_bytes = MAX_ANSWER_BYTES

    def get_time_limit(self, variables: Variables) -> float:
        """Return the seconds that an observation of the host may take."""
        return get_observe_timeout(variables)

    def ask_host(self, variables: Variables) -> ModuleAnswer:
        """Return the record that the host has stored; {failed, msg} if it cannot be read.

        Without root rights (proscribe_audit_with: stored), the host's audit program returns the record. Otherwise a
        shell command reads the file.
        """
        self.validate_argument_spec({})
        run = get_compiled_run(variables)
        if str(variables.get("inventory_hostname")) in run.get("audit_stored", ()):
            program_answer = self.ask_audit_program(RECORD_REQUEST, self.get_time_limit(variables))
            if self.limiter.reason:
                return {}
            return (
                results.read_stored_record(program_answer[STORED_KEY])
                if STORED_KEY in program_answer
                else results.read_failure(program_answer)
            )
        path = shlex.quote(RECORD_PATH)
        readable = f"test -r {path} || {{ test -e {path} && exit {FORBIDDEN_EXIT_CODE}; exit {MISSING_EXIT_CODE}; }}"
        result = self._low_level_execute_command(
            f"{readable}; printf '\\n{RECORD_MARK}'; head -c {self.max_answer_bytes + 1} {path}"
        )
        reasons = {
            MISSING_EXIT_CODE: "it has no stored record yet (or this account may not read it): its own scheduled run "
            "has not "
            "come to a report",
            FORBIDDEN_EXIT_CODE: "its record can only be read as root: run it with -b (and -K if sudo asks for a "
            "password)",
        }
        if result["rc"]:
            answer = format_printable((result.get("stderr") or result.get("stdout") or "").strip())
            return {"failed": True, "msg": reasons.get(result["rc"]) or f"its record cannot be read: {answer}"}
        return results.read_stored_record(parse_answer_json(result["stdout"].rpartition(RECORD_MARK)[2]))
