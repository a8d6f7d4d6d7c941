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


@pytest.mark.slow
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


@pytest.mark.slow
def test_one_that_is_slow_says_how_far_it_is(
    run: ModuleType, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(run, "REPORT_EVERY", 0)
    outcome = run.run(run.Part("made", ["sh", "-c", "echo half of it; sleep 2.5; echo done"], {}))
    assert (outcome.state, outcome.note) == ("passed", "")
    assert "... made: 0 min, half of it" in capsys.readouterr().out


# -- a second attempt --------------------------------------------------------------------------------------------------

# What stands for pytest: of the tests that it is given, those fail of which there is a file; of all, without any.
PYTEST = """
import pathlib, sys
failed = [one for one in sys.argv[1:] or ("one", "two", "six") if pathlib.Path(one).exists()]
for one in failed:
    print(f"FAILED {one} - assert 1 == 2")
    if one != "six":
        pathlib.Path(one).unlink()
raise SystemExit(1 if failed else 0)
"""


@pytest.mark.parametrize(
    ("failing", "again", "most", "state", "note"),
    [
        pytest.param([], True, 5, "passed", "", id="nothing failed"),
        pytest.param(["one", "two"], True, 5, "passed", "2 of it at a second attempt, alone", id="not a second time"),
        pytest.param(["one", "six"], True, 5, "FAILED", "exit code 1, a second time, too", id="one of them does"),
        pytest.param(["one", "two"], True, 1, "FAILED", "exit code 1", id="too many for an accident"),
        pytest.param(["one"], False, 5, "FAILED", "exit code 1", id="a part without a second attempt"),
    ],
)
def test_few_tests_that_failed_beside_others_are_run_once_more_and_named(
    run: ModuleType,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    failing: Sequence[str],
    again: bool,
    most: int,
    state: str,
    note: str,
) -> None:
    monkeypatch.setattr(run, "PROJECT", tmp_path)
    monkeypatch.setattr(run, "MOST_AGAIN", most)
    for name in failing:
        (tmp_path / name).touch()
    command = [sys.executable, "-c", PYTEST]
    outcome = run.second_attempt(run.run(run.Part("made", command, {}, again=command if again else ())))
    assert (outcome.state, outcome.note, list(outcome.failed)) == (state, note, failing)


def test_unit_tests_have_no_second_attempt(run: ModuleType) -> None:
    tools = run.Environment("core", Path("/core"))
    assert not run.pytest("unit", tools).again
    assert run.pytest("integration", tools, options=["--numprocesses=2"]).again[-1].startswith("--hypothesis-profile")


def test_the_logs_of_python_are_written_at_once(run: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("PYTHONUNBUFFERED", raising=False)
    part = run.Part(
        "made", [sys.executable, "-c", "import os; raise SystemExit(os.environ['PYTHONUNBUFFERED'] != '1')"], {}
    )
    assert run.run(part).state == "passed"


# -- what is behind -- -------------------------------------------------------------------------------------------------


def made_parts(run: ModuleType, monkeypatch: pytest.MonkeyPatch, *typed: str) -> dict[str, list[str]]:
    """The command of each part that is run for what was typed, by the part's name."""
    monkeypatch.setattr(run.machine, "find_pythons", lambda: {11: "python3.11", 13: "python3.13"})
    monkeypatch.setattr(
        run.machine,
        "environment",
        lambda end, pythons, requirements: run.Environment(f"core {end.core}", Path(f"/{end.core}")),
    )
    arguments = run.read(typed)
    return {part.name: list(part.argv) for part in run.chosen(arguments.part, arguments.pytest)}


def test_options_behind_the_dashes_go_to_pytest_on_both_ends_and_only_there(
    run: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    parts = made_parts(run, monkeypatch, "unit", "--", "-k", "brew", "--", "-x")
    assert list(parts) == ["unit (core 2.19)", "unit (core 2.21)"]
    assert all(argv[-5:] == ["tests/unit/", "-k", "brew", "--", "-x"] for argv in parts.values())


def test_a_file_behind_the_dashes_takes_the_place_of_the_whole_part(
    run: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    (first, *_) = made_parts(run, monkeypatch, "unit", "--", "tests/unit/test_plan.py::test_it").values()
    assert [argument for argument in first if argument.startswith("tests/")] == ["tests/unit/test_plan.py::test_it"]


def test_with_options_no_part_of_pytest_is_divided(run: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of two halves one might have nothing of what was chosen, which would be a mistake nobody made."""
    assert list(made_parts(run, monkeypatch, "integration", "--", "-k", "x")) == ["integration (core 2.19)"]
    assert len(made_parts(run, monkeypatch, "integration")) == 4


def test_every_test_of_the_whole_hosts_is_in_one_of_its_parts(run: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    hosts, _, documents, _ = made_parts(run, monkeypatch, "integration").values()
    (left_out,) = [argument.partition("=")[2] for argument in hosts if argument.startswith("--ignore=")]
    assert left_out in documents and Path(run.PROJECT, left_out).is_file()
    assert "-m" not in documents[3:]


def test_the_core_between_the_ends_is_tested_where_it_is_called_for(
    run: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert not [name for name in made_parts(run, monkeypatch) if "2.20" in name]
    monkeypatch.setattr(run, "EVERY_CORE", True)
    parts = made_parts(run, monkeypatch, "unit", "playbooks")
    assert [name for name in parts if "2.20" in name] == ["unit (core 2.20)", "playbooks (core 2.20)"]
    assert "tests/playbooks/test_runs.py" in parts["playbooks (core 2.20)"]


@pytest.mark.parametrize(
    ("typed", "named"),
    [(("lint", "molecule", "--", "-k", "x"), "lint and molecule without pytest"), (("--", "-k", "x"), "no part")],
)
def test_options_of_pytest_without_a_part_that_takes_them_are_a_mistake(
    run: ModuleType, capsys: pytest.CaptureFixture[str], typed: Sequence[str], named: str
) -> None:
    with pytest.raises(SystemExit):
        run.read(typed)
    assert f"found options of pytest and {named}, expected one of unit, integration" in capsys.readouterr().err


def test_a_choice_of_no_test_has_failed(run: ModuleType, tmp_path: Path) -> None:
    (tmp_path / "test_it.py").write_text("def test_it(): pass\n")
    argv = [sys.executable, "-m", "pytest", "-q", "-k", "nosuch", str(tmp_path)]
    outcome = run.run(run.Part("made", argv, {}))
    assert (outcome.state, outcome.note) == ("FAILED", "no test is selected")


# -- fast --------------------------------------------------------------------------------------------------------------


def test_fast_is_quick_checks_and_unit_on_one_end_and_no_part_of_all(
    run: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    parts = made_parts(run, monkeypatch, "fast")
    assert list(parts) == ["ruff check", "ruff format", "mypy --strict", "unit without slow tests (core 2.19)"]
    assert {"--without-slow", "--numprocesses=2"} < set(parts["unit without slow tests (core 2.19)"])
    assert "unit without slow tests (core 2.19)" not in made_parts(run, monkeypatch)


@pytest.mark.slow
def test_what_is_slow_is_left_out_and_counted_on_several_processes_too(run: ModuleType, tmp_path: Path) -> None:
    text = "import pytest\n\n\n@pytest.mark.slow\ndef test_long(): assert False\n\n\ndef test_short(): pass\n"
    (tmp_path / "test_it.py").write_text(text)
    (tmp_path / "conftest.py").write_text((TESTS / "conftest.py").read_text())
    (tmp_path / "pytest.ini").write_text("[pytest]\nmarkers = slow\naddopts = --strict-markers\n")
    options = ["-q", "--without-slow", "--numprocesses=2", "-c", str(tmp_path / "pytest.ini"), str(tmp_path)]
    place = {"PYTHONPATH": str(TESTS.parent / "module_utils")}
    outcome = run.run(run.Part("made", [sys.executable, "-m", "pytest", *options], place))
    assert (outcome.state, outcome.part.name) == ("passed", "made, but 1 skipped")
