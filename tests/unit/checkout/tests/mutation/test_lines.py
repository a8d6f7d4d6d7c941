"""The tests that run the line of a mutant, by coverage.py."""

import json
import sys
from pathlib import Path

import pytest

PROJECT = Path(__file__).resolve().parents[5]
sys.path.append(str(PROJECT / "tests/mutation"))

import lines  # noqa: E402
from coverage import CoverageData  # noqa: E402

MODULE, NEAR, FAR = "module_utils/m.py", "tests/unit/test_near.py", "tests/unit/test_far.py"
NEAR_TEST, FAR_TEST = f"{NEAR}::test_a[1]", f"{FAR}::test_b"


@pytest.fixture
def checkout(tmp_path, monkeypatch):
    """A checkout in which two tests have run line 2 of a module, and one of them lines 1 and 5."""
    for name in (MODULE, NEAR, FAR):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(f"def f():  # {name}\n    1\n    (2,\n     3)\n    4\n")
    data = CoverageData(str(tmp_path / "coverage"))
    for context, numbers in ((f"{NEAR_TEST}|run", [1, 2, 5]), (f"{FAR_TEST}|setup", [2])):
        data.set_context(context)
        data.add_lines({MODULE: numbers})
    data.write()
    (tmp_path / "texts.json").write_text(json.dumps(lines.digest_files(tmp_path)))
    monkeypatch.setattr(lines, "DATA", tmp_path / "coverage")
    monkeypatch.setattr(lines, "DIGESTS", tmp_path / "texts.json")
    return tmp_path


@pytest.mark.parametrize(
    ("line", "tests"),
    [
        (2, [FAR_TEST, NEAR_TEST]),
        (4, [FAR_TEST, NEAR_TEST]),  # within the statement of line 2
        (5, [NEAR_TEST]),
        (1, [FAR_TEST, NEAR_TEST]),  # an import runs it
    ],
)
def test_line_has_the_tests_that_ran_its_statement(checkout, line, tests):
    assert lines.Lines(checkout).find_tests(MODULE, line) == tests


def test_changed_test_file_counts_as_a_whole(checkout):
    (checkout / FAR).write_text("# other tests")
    (checkout / NEAR).unlink()
    assert lines.Lines(checkout).find_tests(MODULE, 2) == [FAR]
    assert not lines.Lines(checkout).is_learned(FAR)


@pytest.mark.parametrize("changed", [MODULE, "texts.json"])
def test_changed_module_has_no_known_tests(checkout, changed):
    (checkout / changed).write_text("{}")
    assert lines.Lines(checkout).find_tests(MODULE, 2) == []
