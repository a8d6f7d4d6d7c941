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
    codes.add(verdict.NONCOMPLIANT_EXIT)
    codes.leave()  # another process ends ansible-playbook
    codes.ends = True
    with pytest.raises(SystemExit) as ended:
        codes.leave()
    assert codes and ended.value.code == int(verdict.NONCOMPLIANT_EXIT)
    monkeypatch.setenv(FILE, str(tmp_path / "code"))
    codes.leave()
    codes.write()
    assert (tmp_path / "code").read_text() == f"{verdict.NONCOMPLIANT_EXIT}\n"
    codes.broken("it")
    assert (tmp_path / "code").read_text() == f"{verdict.BROKEN_EXIT}\n"


def test_code_that_cannot_be_written_is_an_error_of_the_terminal(codes, monkeypatch, tmp_path):
    monkeypatch.setenv(FILE, str(tmp_path))
    codes.write()
    assert len(codes._terminal.errors) == 1 and str(tmp_path) in codes._terminal.errors[0]
