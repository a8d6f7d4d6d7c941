"""The exit code of a playbook that has runs of Proscribe."""

from __future__ import annotations

import os
import sys
import traceback
from pathlib import Path

from proscribe.controller.files import name_file_in_errors
from proscribe.controller.report.evaluation import verdict
from proscribe.controller.report.text.wording import clean_text

from proscribe_ansible.terminal import RunTerminal

EXIT_FILE_VARIABLE = "PROSCRIBE_EXIT_FILE"  # the path of a file for the code; Ansible then ends with its own code


class PlaybookExitCode:
    """The exit codes of the runs of a playbook. The playbook ends with the worst of them."""

    def __init__(self, terminal: RunTerminal) -> None:
        self._terminal = terminal
        self._codes: list[str] = []
        self._is_report_broken = False
        self._is_unwritten = False  # True if PROSCRIBE_EXIT_FILE names a file that cannot be written
        self.ends_playbook = False  # True if ansible-playbook can be made to end with the code

    def __bool__(self) -> bool:
        """Return True if a run or a mistake has added a code."""
        return bool(self._codes)

    def add_code(self, code: str) -> None:
        """Add an exit code. The playbook ends with it unless another code is worse."""
        self._codes.append(code)

    def conclude_run(self, run_verdict: verdict.RunVerdict) -> None:
        """Add the exit code of a run's verdict, and print the reason if the verdict has one."""
        self.add_code(run_verdict.exit_code)
        if run_verdict.reason:
            code = f"exit {run_verdict.exit_code}: " if self.ends_playbook or os.environ.get(EXIT_FILE_VARIABLE) else ""
            self._terminal.show_conclusion(f"{code}{run_verdict.reason}")

    def report_failure(self, problem: str) -> None:
        """Print that the report failed because of `problem`, and make the playbook end with BROKEN_EXIT (250)."""
        is_first, self._is_report_broken = not self._is_report_broken, True
        self._terminal.remove_progress_line()
        self._terminal.display.error(f"Proscribe's report failed, so this run proves nothing: {problem}")
        if sys.exc_info()[0] is not None:
            self._terminal.display.vvv(traceback.format_exc())
        if is_first:
            self.write_exit_file()

    def _find_worst_code(self) -> str:
        """Return the worst code so far; that of a failed report precedes all codes of runs."""
        return verdict.select_worst_exit([verdict.BROKEN_EXIT] if self._is_report_broken else self._codes)

    def compute_exit_code(self) -> int | None:
        """Return the worst exit code of the runs; None if the playbook ends with Ansible's own."""
        code = self._find_worst_code()
        return None if code == verdict.ANSIBLE_EXIT else int(code)

    def write_exit_file(self) -> None:
        """Write the worst exit code into the file that PROSCRIBE_EXIT_FILE names, if that variable is set."""
        path = os.environ.get(EXIT_FILE_VARIABLE)
        if not path:
            return
        try:
            with name_file_in_errors(path):
                Path(path).write_text(self._find_worst_code() + "\n", encoding="utf-8")
            self._is_unwritten = False
        except OSError as error:
            self._is_unwritten = True
            self._terminal.display.error(f"cannot write the exit code: {clean_text(error)}")

    def exit_playbook(self) -> None:
        """End ansible-playbook with the exit code (SystemExit), unless PROSCRIBE_EXIT_FILE has the code.

        The caller is the last callback of the playbook's last event. So all other callbacks have run, and Ansible
        cleans up while the exception passes. After a failure, Ansible starts no further playbook.
        """
        code = self.compute_exit_code()
        if code is not None and self.ends_playbook and (self._is_unwritten or not os.environ.get(EXIT_FILE_VARIABLE)):
            raise SystemExit(code)
