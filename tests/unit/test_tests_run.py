"""`./proscribe test` ends a part that hangs, and never one that is only slow."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from types import ModuleType

import pytest
from own_scripts import script_of_tests
from patience import until

TESTS = Path(__file__).resolve().parents[1]
HOUR = 3600.0


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """The script as a module of its own, with its logs elsewhere."""
    module = script_of_tests()
    monkeypatch.setattr(module, "LOGS", tmp_path)
    return module


@pytest.mark.parametrize(
    ("sizes", "within", "ended"),
    [
        pytest.param([(minute * 60, minute) for minute in range(240)], 0, None, id="four hours, a line each minute"),
        pytest.param([(minute * 60, minute // 29) for minute in range(240)], 0, None, id="a line every 29 minutes"),
        pytest.param([(minute * 60, 7) for minute in range(240)], 0, 31, id="nothing after the first"),
        pytest.param([(minute * 60, min(minute, 90)) for minute in range(240)], 0, 121, id="nothing after 90 minutes"),
        pytest.param([(minute * 60, minute) for minute in range(240)], 100, 101, id="what the CI allows is over"),
    ],
)
def test_a_part_is_ended_when_it_does_not_get_on(
    run: ModuleType, monkeypatch: pytest.MonkeyPatch, sizes: Sequence[tuple[int, int]], within: int, ended: int | None
) -> None:
    monkeypatch.setattr(run, "WITHIN", within)
    monkeypatch.setattr(run, "STARTED", 0)
    progress = run.Progress(0)
    given_up = [at // 60 for at, size in sizes if progress.given_up(size, at)]
    assert (given_up[0] if given_up else None) == ended


def test_one_that_hangs_is_ended_with_all_that_it_started_and_named(
    run: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(run, "QUIET", 1)
    script = f"sleep 900 & echo $! >{tmp_path}/child; echo begun; sleep 900"
    outcome = run.run(run.Part("made", ["sh", "-c", script], {}))
    assert (outcome.state, outcome.note) == ("FAILED", "it printed nothing for 0 minutes")
    assert "begun" in capsys.readouterr().out
    child = int((tmp_path / "child").read_text())
    until(lambda: not alive(child))


def alive(pid: int) -> bool:
    """Whether a process runs: one that has ended and that nobody has asked after does not."""
    try:
        return ") Z " not in Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return False


def test_one_that_is_slow_says_how_far_it_is(
    run: ModuleType, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(run, "TELL", 0)
    outcome = run.run(run.Part("made", ["sh", "-c", "echo half of it; sleep 2.5; echo done"], {}))
    assert (outcome.state, outcome.note) == ("passed", "")
    assert "... made: 0 min, half of it" in capsys.readouterr().out


def test_the_logs_of_python_are_written_at_once(run: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("PYTHONUNBUFFERED", raising=False)
    part = run.Part(
        "made", [sys.executable, "-c", "import os; raise SystemExit(os.environ['PYTHONUNBUFFERED'] != '1')"], {}
    )
    assert run.run(part).state == "passed"
