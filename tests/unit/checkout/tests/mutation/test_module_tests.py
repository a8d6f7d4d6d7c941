"""The modules that have mutants, the test files of each, and the mutants."""

import sys
from pathlib import Path

import pytest

PROJECT = Path(__file__).resolve().parents[5]
sys.path.append(str(PROJECT / "tests/mutation"))

import module_tests  # noqa: E402
from mutants import make_mutants  # noqa: E402


def test_modules_include_those_beside_the_package_and_no_derived_text():
    modules = set(module_tests.list_modules(PROJECT))
    assert {"host/watch/launch_verifier", "controller/windows/command_line", "proscribe_ansible/batch"} <= modules
    assert not {"host/watch/program_text", "wire/bootstrap", "host/loader_text", "host/programs/__init__"} & modules


@pytest.mark.parametrize(
    ("module", "names"),
    [
        ("host/watch/pause", ["host/watch/test_pause", "host/watch/test_pause_ends", "host/test_watch"]),
        ("host/watch/pause_file", ["host/watch/test_pause_file", "host/watch/test_pause_file_lost", "host/test_watch"]),
        ("host/watch/__init__", ["host/test_watch"]),
    ],
)
def test_test_file_belongs_to_the_module_of_its_path(tmp_path, module, names):
    paths = [f"module_utils/proscribe/host/{name}.py" for name in ("watch/pause", "watch/pause_file", "other")]
    paths += [f"tests/unit/host/watch/test_pause{end}.py" for end in ("", "_ends", "_file", "_file_lost")]
    for path in map(tmp_path.joinpath, [*paths, "tests/unit/host/test_watch.py", "tests/unit/test_pause.py"]):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    assert module_tests.list_own_tests(module, tmp_path) == [f"tests/unit/{name}.py" for name in names]


@pytest.mark.parametrize(
    ("text", "changes"),
    [
        # A test could only repeat a limit. A limit that is lost is a mistake, and so is any other number.
        ("LIMIT = 2 * 5\nlow = 3\n", {"2 -> (0)", "5 -> (0)", "2 * 5 -> (2 // 5)", "3 -> (4)", "3 -> (0)"}),
        # mypy finds mistakes in types.
        ("Rules = Mapping[str, Any]\nRule = tuple[str, int]\n", set()),
        ("class Rule(TypedDict, total=False):\n    id: Literal['a', 'b']\n", set()),
        ('Item = typing.TypeVar("Item", bound=int)\nRow = TypedDict("Row", {"as": str, "x": int})\n', set()),
        # No import runs these blocks.
        ("if MYPY:\n    f(1)\nif __name__ == '__main__':\n    f(1)\n", set()),
        ("if not MYPY:\n    f(1)\n", {"not MYPY -> (MYPY)", "1 -> (0)", "1 -> (2)", "f(1) -> pass"}),
        ("x = field(repr=False, compare=False)\n", {"compare=False -> (dropped)", "False -> (True)"}),
        ("y = dataclass(repr=False, eq=False)(cls)\n", set()),
        ('LIST = """\nx\ny z\n"""\n', {"x -> (dropped)", "y z -> (dropped)"}),
        ('"A docstring"\nTEXT = "A sentence that people read"\n', set()),
    ],
)
def test_mutants_change_code_and_leave_limits_types_and_sentences(text, changes):
    assert {mutant.change for mutant in make_mutants(text)} == changes
