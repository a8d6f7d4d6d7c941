"""The exit code of a playbook with runs of ours."""

from __future__ import annotations

import os
import sys
import traceback
from pathlib import Path

from proscribe.controller.files import naming
from proscribe.controller.report.evaluation import verdict
from proscribe.controller.report.text.wording import clean

from proscribe_ansible.terminal import Terminal

FILE = "PROSCRIBE_EXIT_FILE"  # where it names a file, the code is written there, and Ansible ends as it would


class ExitCode:
    """The codes of the runs of one playbook, until it ends with the worst."""

    def __init__(self, terminal: Terminal) -> None:
        self._terminal = terminal
        self._codes: list[str] = []
        self._broken = False
        self._unwritten = False  # whether the file that the environment names has no code, since it cannot be written
        self.ends = False  # whether the report ends ansible-playbook

    def __bool__(self) -> bool:
        """Whether a run or a mistake has added one."""
        return bool(self._codes)

    def add(self, code: str) -> None:
        """Take a code that the playbook is to end with, if none is worse."""
        self._codes.append(code)

    def conclude(self, decided: verdict.Verdict) -> None:
        """Take the verdict on a run, and print its reason."""
        self.add(decided.exit)
        if decided.reason:
            code = f"exit {decided.exit}: " if self.ends or os.environ.get(FILE) else ""
            self._terminal.conclude(f"{code}{decided.reason}")

    def broken(self, what: str) -> None:
        """Print that the report failed, and see to it that the playbook does not end well."""
        first, self._broken = not self._broken, True
        self._terminal.take_line_away()
        self._terminal.display.error(f"Proscribe's report failed, so this run proves nothing: {what}")
        if sys.exc_info()[0] is not None:
            self._terminal.display.vvv(traceback.format_exc())
        if first:
            self.write()

    def _worst(self) -> str:
        return verdict.worst_exit([verdict.BROKEN_EXIT] if self._broken else self._codes)

    def code(self) -> int | None:
        """The exit code; None for Ansible's own."""
        code = self._worst()
        return None if code == verdict.ANSIBLE else int(code)

    def write(self) -> None:
        """Write the code into the file that the environment names, if it does."""
        path = os.environ.get(FILE)
        if not path:
            return
        try:
            with naming(path):
                Path(path).write_text(self._worst() + "\n", encoding="utf-8")
            self._unwritten = False
        except OSError as error:
            self._unwritten = True
            self._terminal.display.error(f"cannot write the exit code: {clean(error)}")

    def leave(self) -> None:
        """End ansible-playbook with the code, unless somebody else does.

        All other callbacks have had their turn, and Ansible cleans up on the way. After a failure it begins no other
        playbook either.
        """
        code = self.code()
        if code is not None and self.ends and (self._unwritten or not os.environ.get(FILE)):
            raise SystemExit(code)
