"""The table of tests/mutation is about the code as it is: which tests a module has."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

PROJECT = Path(__file__).resolve().parents[5]
sys.path.append(str(PROJECT / "tests/mutation"))

import mutation_table as table  # noqa: E402
from mutants import mutants  # noqa: E402
from suite import changed  # noqa: E402


def test_modules_and_their_tests() -> None:
    files = changed.graph(PROJECT)
    found = table.modules(PROJECT)
    assert {
        "host/watch/verifying",
        "controller/cli/command_line",
        "proscribe_ansible/batch",
        "controller/windows/command",
    } <= set(found)
    assert set(table.TESTS) <= set(found)
    assert not {"host/watch/program_text", "wire/bootstrap", "host/loader_text", "host/programs/__init__"}.intersection(
        found
    )  # their sources have them
    for module in (
        *table.TESTS,
        "host/watch/verifying",
        "proscribe_ansible/batch",
        "controller/windows/command",
        "wire/stored_watch",
    ):
        tests = table.tests_of(module, PROJECT, files, real=True)
        assert tests and all((PROJECT / test).is_file() for test in tests), module


@pytest.mark.parametrize(
    ("module", "room"),
    [
        ("host/watch/verifying", "host/watch"),
        ("model/finding", "model"),
        ("proscribe_ansible/batch", "proscribe_ansible"),
    ],
)
def test_a_module_is_in_a_room(module: str, room: str) -> None:
    assert table.room_of(module) == room


def test_the_nearest_tests_come_first() -> None:
    files = {
        "tests/unit/test_far.py": {"m/b.py"},
        "tests/unit/test_near.py": {"m/a.py", "m/c.py"},
        "tests/unit/room/test_a.py": {"m/a.py", "m/c.py"},
        "tests/unit/room/helper.py": {"m/a.py"},
        "tests/unit/test_through.py": {"tests/unit/room/helper.py"},
        "tests/integration/test_it.py": {"m/a.py"},
        "m/b.py": {"m/a.py"},
    }
    found = table.nearest("m/a.py", files)
    assert found == [f"tests/unit/{name}.py" for name in ("room/test_a", "test_near", "test_far", "test_through")]


def test_tests_with_real_tools_are_those_that_a_change_of_the_file_would_run() -> None:
    found = table.with_real_tools(table.file_of("host/controls/apps/systems/dpkg", PROJECT), PROJECT)
    assert {f"tests/integration/test_apps_{name}.py" for name in ("real_dpkg", "what_moves")} <= set(found)
    assert not any(name in test for test in found for name in ("rpm", "debian_archives"))  # another's, and nightly


def test_a_number_in_capitals_is_not_made_one_larger() -> None:
    """A test could only repeat it. A limit that is lost is a mistake, and so is another number anywhere else."""
    found = {one.change for one in mutants("LIMIT = 2 * 5\nlow = 3\n")}
    assert found == {"2 -> (0)", "5 -> (0)", "2 * 5 -> (2 // 5)", "3 -> (4)", "3 -> (0)"}


@pytest.mark.parametrize(
    "text",
    [
        "Rules = Mapping[str, Any]\n",
        "Rules = dict[str, Any]\n",
        "Rule = tuple[str, int]\n",
        "class Rule(TypedDict, total=False):\n    id: Literal['a', 'b']\n",
    ],
)
def test_what_only_types_say_is_left_as_it_is(text: str) -> None:
    """mypy is the test of it."""
    assert mutants(text) == []


def test_a_text_for_people_is_left_as_it_is() -> None:
    found = {one.change for one in mutants('add("--out", help="the directory to write", dest="out")\n')}
    assert 'dest="out" -> (dropped)' in found
    assert 'help="the directory to write" -> (dropped)' not in found


def test_what_a_run_printed_is_run_again_where_it_is_now(tmp_path: Path) -> None:
    file = "module_utils/proscribe/base/moments.py"
    one = next(mutant for mutant in mutants((PROJECT / file).read_text()) if mutant.change.endswith("-> (dropped)"))
    log = tmp_path / "log"
    log.write_text(
        f"SURVIVED {file}:{one.line + 3}: {one.change}\nbase/moments   11 of 12, 91.7 %\n"
        f"SURVIVED {file}:1: of: gone -> (0)\nSURVIVED module_utils/proscribe/gone.py:1: {one.change}\n"
    )
    command = [sys.executable, str(PROJECT / "tests/mutation"), "--again", str(log), "--list"]
    printed = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    assert printed == f"base/moments:{one.line}: {one.change}\n"
