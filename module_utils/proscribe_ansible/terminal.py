"""The terminal output of the report, beside that of Ansible's stdout callback."""

from __future__ import annotations

import contextlib
import os
import shutil
import sys
from collections.abc import Callable
from typing import Any

from ansible import constants as C
from ansible.utils import color
from ansible.utils.display import Display
from proscribe.controller.report.collection.invocation import get_working_directory
from proscribe.controller.report.collection.progress import ProgressLine
from proscribe.controller.report.terminal.summary import TerminalScreen
from proscribe.controller.report.text.terminal_layout import fit_lines, get_screen_width
from proscribe.controller.report.text.terminal_layout import fit_warning as in_lines
from proscribe.controller.report.text.wording import ANSIBLE_PREFIXES, clean_text

STDOUT_CALLBACK = "proscribe_stdout"
# Stdout callbacks whose output is a document for a program. Other output goes to stderr.
DOCUMENT_CALLBACKS = ("json", "jsonl")


class RunTerminal:
    """The terminal of a run, and its log file."""

    def __init__(self) -> None:
        self.display = Display()

    def can_rewrite_line(self) -> bool:
        """Return True if a line on the terminal can be rewritten: a person watches, and no other code prints."""
        is_own_screen = C.DEFAULT_STDOUT_CALLBACK == STDOUT_CALLBACK and self.display.verbosity == 0
        return is_own_screen and sys.stdout.isatty() and os.environ.get("TERM") != "dumb"

    def show_progress(self, text: str) -> None:
        """Print a line with the progress of the run. An empty text prints nothing."""
        # A line that is rewritten ends with \r. It is for the screen only, so a log file does not get every update.
        if text:
            self.show_text(ProgressLine.register_text(text), screen_only=text.endswith("\r"), newline=False)
            sys.stdout.flush()

    def remove_progress_line(self) -> None:
        """Remove the line with the progress of the run."""
        self.display.display(ProgressLine.remove_line(), screen_only=True, newline=False)

    def show_text(self, text: str, **options: Any) -> None:
        """Print a text on stdout; on stderr if the output of the stdout callback is a document for a program."""
        document = C.DEFAULT_STDOUT_CALLBACK.rpartition(".")[2] in DOCUMENT_CALLBACKS
        self.display.display(text, stderr=document, **options)

    def print_rendered(self, render: Callable[[TerminalScreen], str]) -> None:
        """Print the text that `render` returns for the screen. A log file gets the text without colours."""
        interactive = sys.stdout.isatty()
        # Output to a pipe or a file has no screen to fit, so the number of lines is unlimited.
        width, lines = get_screen_width(), shutil.get_terminal_size().lines if interactive else sys.maxsize
        colours = interactive and color.ANSIBLE_COLOR and not os.environ.get("NO_COLOR")
        here = get_working_directory(os.environ)
        self.show_text(render(TerminalScreen(width, lines, colours, here)), screen_only=True)
        if C.DEFAULT_LOG_PATH:
            self.display.display(render(TerminalScreen(width, lines, False, here)), log_only=True)

    def give_answer(self, text: str) -> None:
        """Write an answer for machines to the file descriptor PROSCRIBE_ANSWER_FD, or print it without this variable.

        For the command `quarantine`, the descriptor is its real standard output, and other output goes elsewhere. So
        programs can read the answer.
        """
        descriptor = os.environ.get("PROSCRIBE_ANSWER_FD", "")
        if descriptor.isdigit():
            with open(int(descriptor), "w", encoding="utf-8", closefd=False) as stream:
                stream.write(text + "\n")
        else:
            self.display.display(text)

    def show_warning(self, text: str) -> None:
        """Print a warning."""
        self.display.warning(in_lines(clean_text(text)))

    def show_policy_mistake(self, text: str) -> None:
        """Print a mistake in the policy, unless the project's stdout callback has printed it."""
        if C.DEFAULT_STDOUT_CALLBACK != STDOUT_CALLBACK:
            lines = [clean_text(line) for line in ANSIBLE_PREFIXES.sub("", text).splitlines()]
            self.display.display("\n".join(lines), color=C.COLOR_ERROR)

    def show_interruption(self, reason: str) -> None:
        """Print that a signal or an error ends the run now.

        If the terminal is gone, do nothing.
        """
        message = f"interrupted {reason}: the report of what was done is written; a second Ctrl-C ends it at once"
        with contextlib.suppress(OSError):
            self.show_text(fit_lines(f"\n{message}", get_screen_width()))

    def show_conclusion(self, text: str) -> None:
        """Print why the run ends with a failure."""
        self.show_text(fit_lines(f"\n{text}", get_screen_width()), color=C.COLOR_ERROR)
