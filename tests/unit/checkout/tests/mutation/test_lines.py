"""The tests of a mutant: those that run its line, by what coverage.py has noted."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

PROJECT = Path(__file__).resolve().parents[5]
sys.path.append(str(PROJECT / "tests/mutation"))

import lines  # noqa: E402
from coverage import CoverageData  # noqa: E402

MODULE, NEAR, FAR = "module_utils/m.py", "tests/unit/test_near.py", "tests/unit/test_far.py"
REAL = "tests/integration/test_real.py"


@pytest.fixture
def noted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A checkout in which two tests ran line 2 of a module, and one of them line 5; one has imported it."""
    for name in (MODULE, NEAR, FAR):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(f"def f():  # {name}\n    1\n    (2,\n     3)\n    4\n")
    data = CoverageData(str(tmp_path / "coverage"))
    for test, ran in ((f"{NEAR}::test_a[1]|run", [1, 2, 5]), (f"{FAR}::test_b|setup", [2])):
        data.set_context(test)
        data.add_lines({MODULE: ran})
    data.write()
    texts = {str(path.relative_to(tmp_path)): lines._digest(path) for path in lines._python(tmp_path)}
    (tmp_path / "texts.json").write_text(json.dumps(texts))
    monkeypatch.setattr(lines, "DATA", tmp_path / "coverage")
    monkeypatch.setattr(lines, "TEXTS", tmp_path / "texts.json")
    return tmp_path


def test_a_line_has_the_tests_that_ran_it_or_the_line_where_its_statement_begins(noted: Path) -> None:
    known = lines.Lines(noted)
    assert known.tests(MODULE, 2) == known.tests(MODULE, 4) == [f"{FAR}::test_b", f"{NEAR}::test_a[1]"]
    assert known.tests(MODULE, 5) == [f"{NEAR}::test_a[1]"]
    assert known.tests(MODULE, 1) == known.tests(MODULE, 2)  # what an import runs is of all who use the module
    assert known.unlearned([NEAR, FAR, REAL]) == [REAL]


def test_what_has_changed_since_is_not_known(noted: Path) -> None:
    (noted / FAR).write_text("# other tests")
    (noted / NEAR).unlink()
    known = lines.Lines(noted)
    assert known.tests(MODULE, 2) == known.unlearned([FAR]) == [FAR]
    (noted / MODULE).write_text("# other code")
    assert lines.Lines(noted).tests(MODULE, 2) is None
    (noted / "texts.json").unlink()
    assert lines.Lines(noted).tests(MODULE, 2) is None


def test_one_test_of_each_file_in_turn_the_nearest_first() -> None:
    running = [f"{FAR}::{number}" for number in range(700)] + [f"{NEAR}::{number}" for number in range(2)]
    first, second, last = lines.portions(running, [NEAR])
    assert first[:5] == [f"{NEAR}::0", f"{FAR}::0", f"{NEAR}::1", f"{FAR}::1", f"{FAR}::2"]
    assert (len(first), len(first + second), len(first + second + last)) == (lines.FIRST, lines.SECOND, lines.LAST)
    assert lines.portions([], [NEAR]) == []
