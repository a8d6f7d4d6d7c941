"""The exit code of a playbook with runs of ours."""

from types import SimpleNamespace

import pytest
from proscribe.controller.report.evaluation import verdict
from proscribe_ansible.exit_code import EXIT_FILE_VARIABLE, PlaybookExitCode
from proscribe_ansible.terminal import RunTerminal


@pytest.fixture
def codes(monkeypatch):
    """Exit codes of a terminal whose errors are in `errors`."""
    monkeypatch.delenv(EXIT_FILE_VARIABLE, raising=False)
    terminal = RunTerminal()
    terminal.errors = []
    terminal.display = SimpleNamespace(verbosity=0, error=terminal.errors.append, display=lambda *_, **__: None)
    return PlaybookExitCode(terminal)


def test_worst_code_ends_the_playbook(codes, tmp_path, monkeypatch):
    assert not codes and codes.compute_exit_code() is None
    codes.add_code(verdict.ANSIBLE_EXIT)
    codes.exit_playbook()
    codes.add_code("10")
    codes.add_code("2")
    codes.exit_playbook()  # another process ends ansible-playbook
    codes.ends_playbook = True
    with pytest.raises(SystemExit) as ended:
        codes.exit_playbook()
    assert codes and ended.value.code == codes.compute_exit_code() == 10
    monkeypatch.setenv(EXIT_FILE_VARIABLE, str(tmp_path / "code"))
    codes.exit_playbook()
    codes.write_exit_file()
    assert (tmp_path / "code").read_text() == "10\n"
    codes.report_failure("it")
    assert (tmp_path / "code").read_text() == "250\n" and codes.compute_exit_code() == 250
    codes.report_failure("it")
    assert codes._terminal.errors == ["Proscribe's report failed, so this run proves nothing: it"] * 2


@pytest.mark.parametrize(
    ("ends", "file", "reason", "printed"),
    [
        (True, "", "why", ["exit 13: why"]),
        (False, "x", "why", ["exit 13: why"]),
        (False, "", "why", ["why"]),
        (True, "x", "", []),
    ],
)
def test_verdict_is_concluded_with_the_code_that_the_playbook_ends_with(
    codes, monkeypatch, ends, file, reason, printed
):
    lines = []
    monkeypatch.setenv(EXIT_FILE_VARIABLE, file)
    monkeypatch.setattr(codes._terminal, "show_conclusion", lines.append)
    codes.ends_playbook = ends
    codes.conclude_run(verdict.RunVerdict("13", reason))
    assert (lines, codes.compute_exit_code()) == (printed, 13)


def test_code_that_cannot_be_written_is_an_error_of_the_terminal(codes, monkeypatch, tmp_path):
    monkeypatch.setenv(EXIT_FILE_VARIABLE, str(tmp_path))
    codes.ends_playbook = True
    codes.add_code("12")
    codes.exit_playbook()
    codes.write_exit_file()
    assert len(codes._terminal.errors) == 1 and str(tmp_path) in codes._terminal.errors[0]
    with pytest.raises(SystemExit, match="^12$"):  # whoever would read the file gets the code all the same
        codes.exit_playbook()
