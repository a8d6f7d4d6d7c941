"""What the callback of the report is made of: a run, the terminal, the exit code of the playbook."""

from __future__ import annotations

import json
from types import SimpleNamespace

import pytest
from fleets import clean_answer, run
from proscribe.controller.report.evaluation import verdict
from proscribe_ansible import preloading, reported_run
from proscribe_ansible.exit_code import FILE, ExitCode
from proscribe_ansible.reported_run import ReportedRun
from proscribe_ansible.terminal import Terminal


@pytest.fixture
def terminal(monkeypatch):
    """A terminal whose prints are in `said`."""
    made = Terminal()
    made.said = []
    monkeypatch.delenv(FILE, raising=False)
    monkeypatch.setattr(reported_run.context, "CLIARGS", {})
    made.display = SimpleNamespace(
        verbosity=0,
        display=lambda text, **_: made.said.append(text),
        warning=lambda text: made.said.append(text),
        error=lambda text: made.said.append(text),
        vvv=lambda text: None,
    )
    return made


def result(action, host, **said):
    """The result of a task, as Ansible hands it to a callback."""
    task = SimpleNamespace(action=action, check_mode=False)
    return SimpleNamespace(task=task, host=SimpleNamespace(get_name=lambda: host), result=said)


def test_a_run_ends_with_its_report(terminal, tmp_path):
    codes = ExitCode(terminal)
    facts = run(directory=str(tmp_path / "20261125T003000Z-audit-1a2b.partial"), gate={"web01": "complete"})
    goes_on = ReportedRun(facts, terminal, codes)
    goes_on.succeeded(result("compliance_state", "web01", record=clean_answer(), drifted=[]))
    goes_on.unreachable(result("compliance_state", "web02", msg="no route"))
    goes_on.end(failed=False)
    records = (tmp_path / "20261125T003000Z-audit-1a2b" / "hosts.jsonl").read_text().splitlines()
    states = {one["host"]: (one["state"], one["reason"]) for one in map(json.loads, records)}
    assert states == {"web01": ("compliant", None), "web02": ("unknown", "unreachable: no route")}
    assert codes.code() == int(verdict.INCOMPLETE_EXIT)
    assert "hosts are unknown" in terminal.said[-1]


def test_a_report_that_cannot_be_written_proves_nothing(terminal, tmp_path):
    codes = ExitCode(terminal)
    (tmp_path / "a.partial").mkdir()
    ReportedRun(run(directory=str(tmp_path / "a.partial")), terminal, codes).end(failed=False)
    assert codes.code() == int(verdict.BROKEN_EXIT)
    assert any("the report cannot be written" in text for text in terminal.said)


def test_the_worst_code_ends_the_playbook(terminal, tmp_path, monkeypatch):
    codes = ExitCode(terminal)
    assert not codes and codes.code() is None
    codes.add(verdict.ANSIBLE)
    codes.leave()
    codes.add(verdict.NONCOMPLIANT_EXIT)
    codes.leave()  # somebody else ends ansible-playbook
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


def test_a_worker_finds_everything_loaded(monkeypatch):
    done = []
    collector = SimpleNamespace(
        freeze=lambda: done.append("frozen"),
        get_threshold=lambda: (700, 10, 10),
        set_threshold=lambda *n: done.append(n),
    )
    monkeypatch.setattr(preloading, "gc", collector)
    preloading.load_once()
    assert done == ["frozen", (preloading.COLLECTED, 10, 10)]
