"""The exit code of a playbook with runs of ours."""

from types import SimpleNamespace

import pytest
from proscribe.controller.report.evaluation import verdict
from proscribe_ansible.exit_code import FILE, ExitCode
from proscribe_ansible.terminal import Terminal


@pytest.fixture
def codes(monkeypatch):
    """Exit codes of a terminal whose errors are in `errors`."""
    monkeypatch.delenv(FILE, raising=False)
    terminal = Terminal()
    terminal.errors = []
    terminal.display = SimpleNamespace(verbosity=0, error=terminal.errors.append, display=lambda *_, **__: None)
    return ExitCode(terminal)


def test_worst_code_ends_the_playbook(codes, tmp_path, monkeypatch):
    assert not codes and codes.code() is None
    codes.add(verdict.ANSIBLE)
    codes.leave()
    codes.add("10")
    codes.add("2")
    codes.leave()  # another process ends ansible-playbook
    codes.ends = True
    with pytest.raises(SystemExit) as ended:
        codes.leave()
    assert codes and ended.value.code == codes.code() == 10
    monkeypatch.setenv(FILE, str(tmp_path / "code"))
    codes.leave()
    codes.write()
    assert (tmp_path / "code").read_text() == "10\n"
    codes.broken("it")
    assert (tmp_path / "code").read_text() == "250\n" and codes.code() == 250
    codes.broken("it")
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
    monkeypatch.setenv(FILE, file)
    monkeypatch.setattr(codes._terminal, "conclude", lines.append)
    codes.ends = ends
    codes.conclude(verdict.Verdict("13", reason))
    assert (lines, codes.code()) == (printed, 13)


def test_code_that_cannot_be_written_is_an_error_of_the_terminal(codes, monkeypatch, tmp_path):
    monkeypatch.setenv(FILE, str(tmp_path))
    codes.ends = True
    codes.add("12")
    codes.leave()
    codes.write()
    assert len(codes._terminal.errors) == 1 and str(tmp_path) in codes._terminal.errors[0]
    with pytest.raises(SystemExit, match="^12$"):  # whoever would read the file gets the code all the same
        codes.leave()
