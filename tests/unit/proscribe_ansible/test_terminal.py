"""The terminal of the report, beside Ansible's own screen."""

import os
import sys
from types import SimpleNamespace

import pytest
from proscribe.controller.report.collection.invocation import get_working_directory
from proscribe.controller.report.collection.progress import CLEAR_LINE, ProgressLine
from proscribe.controller.report.terminal.summary import TerminalScreen
from proscribe_ansible import terminal as of_ansible
from proscribe_ansible.exit_code import EXIT_FILE_VARIABLE
from proscribe_ansible.terminal import RunTerminal

RED = of_ansible.C.COLOR_ERROR
BESIDE = {"stderr": False}  # a screen for people


class Shown:
    def __init__(self):
        self.verbosity = 0
        self.log = []

    def display(self, text, **options):
        self.log.append((text, options))

    def warning(self, text):
        self.log.append(f"warning: {text}")

    def error(self, text):
        self.log.append(f"error: {text}")

    def vvv(self, text):
        self.log.append(f"vvv: {text.splitlines()[-1]}")


class Made:
    def __init__(self, monkeypatch):
        self.set = monkeypatch.setattr
        self.terminal = RunTerminal()
        self.terminal.display = self.shown = Shown()  # type: ignore[assignment]
        self.flushed = []

    def is_one(self, tty=True, screen="proscribe_stdout"):
        self.set(of_ansible.C, "DEFAULT_STDOUT_CALLBACK", screen)
        stdout = SimpleNamespace(isatty=lambda: tty, flush=lambda: self.flushed.append(len(self.shown.log)))
        self.set(of_ansible, "sys", SimpleNamespace(stdout=stdout, maxsize=sys.maxsize))


@pytest.fixture
def made(monkeypatch):
    for name in ("TERM", "NO_COLOR", EXIT_FILE_VARIABLE, "PROSCRIBE_ANSWER_FD"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("COLUMNS", "60")
    monkeypatch.setenv("LINES", "33")
    monkeypatch.setattr(of_ansible.C, "DEFAULT_LOG_PATH", None)
    monkeypatch.setattr(ProgressLine, "is_shown", False)
    one = Made(monkeypatch)
    one.is_one()
    return one


@pytest.mark.parametrize(
    ("screen", "verbosity", "tty", "term", "rewrites"),
    [
        ("proscribe_stdout", 0, True, "xterm", True),
        ("default", 0, True, "xterm", False),
        ("proscribe_stdout", 1, True, "xterm", False),
        ("proscribe_stdout", 0, False, "xterm", False),
        ("proscribe_stdout", 0, True, "dumb", False),
    ],
)
def test_line_is_rewritten_on_our_own_screen_of_a_terminal(made, monkeypatch, screen, verbosity, tty, term, rewrites):
    made.is_one(tty, screen)
    monkeypatch.setenv("TERM", term)
    made.shown.verbosity = verbosity
    assert made.terminal.can_rewrite_line() is rewrites


def test_line_of_progress_is_flushed_and_removed(made):
    for text in ("", "1 of 2\r", "2 of 2\n"):
        made.terminal.show_progress(text)
    assert made.shown.log == [
        ("1 of 2\r", {**BESIDE, "screen_only": True, "newline": False}),
        ("2 of 2\n", {**BESIDE, "screen_only": False, "newline": False}),
    ]
    assert made.flushed == [1, 2]
    made.terminal.show_progress("3\r")
    made.terminal.remove_progress_line()
    assert made.shown.log[-1] == (CLEAR_LINE, {"screen_only": True, "newline": False})


@pytest.mark.parametrize(
    ("screen", "document"),
    [("json", True), ("ansible.posix.jsonl", True), ("default", False), ("proscribe_stdout", False)],
)
def test_text_beside_a_document_goes_to_stderr(made, screen, document):
    made.is_one(screen=screen)
    made.terminal.show_text("x")
    made.terminal.show_conclusion("it was bad")
    made.terminal.show_interruption("by Ctrl-C")
    (_, one), (why, two), (end, three) = made.shown.log
    assert (one, two, three) == ({"stderr": document}, {"stderr": document, "color": RED}, {"stderr": document})
    assert why == "\nit was bad" and end.startswith("\ninterrupted by Ctrl-C: ")
    assert max(map(len, end.splitlines())) <= 60


def test_terminal_that_is_gone_does_not_keep_a_run_from_its_end(made):
    made.shown.display = lambda *_, **__: os.close(-1)  # type: ignore[method-assign]
    made.terminal.show_interruption("by a hangup")


@pytest.mark.parametrize("log", [None, "/var/log/ansible.log"])
@pytest.mark.parametrize(
    ("tty", "ansible", "none", "colours"),
    [(True, True, "", True), (False, True, "", False), (True, False, "", False), (True, True, "1", False)],
)
def test_screen_has_its_size_and_colours_and_a_log_file_none(made, monkeypatch, tty, ansible, none, colours, log):
    made.is_one(tty)
    made.set(of_ansible.color, "ANSIBLE_COLOR", ansible)
    made.set(of_ansible.C, "DEFAULT_LOG_PATH", log)
    monkeypatch.setenv("NO_COLOR", none)
    made.terminal.print_rendered(repr)
    on_screen = TerminalScreen(60, 33 if tty else sys.maxsize, colours, get_working_directory(os.environ))
    assert made.shown.log == [
        (repr(on_screen), {**BESIDE, "screen_only": True}),
        *([(repr(on_screen._replace(colours=False)), {"log_only": True})] if log else []),
    ]


def test_answer_for_machines_is_alone_on_its_descriptor(made, monkeypatch):
    reading, writing = os.pipe()
    monkeypatch.setenv("PROSCRIBE_ANSWER_FD", str(writing))
    made.terminal.give_answer('"é"')
    os.close(writing)  # it is still open
    with open(reading, "rb") as stream:
        assert stream.read() == '"é"\n'.encode() and made.shown.log == []
    for named in ("", "x"):
        monkeypatch.setenv("PROSCRIBE_ANSWER_FD", named)
        made.terminal.give_answer("[]")
    assert made.shown.log == [("[]", {})] * 2


def test_warnings_and_mistakes_steer_no_terminal_and_are_printed_once(made):
    made.terminal.show_warning("odd \x1b[2J name")
    made.terminal.show_policy_mistake("Task failed: Action failed: a mistake")
    assert made.shown.log == ["warning: odd \ufffd[2J name"], "our own screen has said the mistake"
    made.is_one(screen="default")
    made.terminal.show_policy_mistake("Task failed: Action failed: first\x1b[2J\nTask failed: second")
    assert made.shown.log[1:] == [("first\ufffd[2J\nTask failed: second", {"color": RED})]
