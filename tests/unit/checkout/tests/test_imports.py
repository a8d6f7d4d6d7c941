"""The graph of imports, which selects tests."""

import functools
from pathlib import Path

import pytest
from file_hosts import write_files
from imports import DERIVED, distances, graph
from suite import changed

PROJECT = Path(__file__).resolve().parents[4]
FILES = {
    "module_utils/proscribe/__init__.py": "",
    "module_utils/proscribe/base.py": "VALUE = 1\n",
    "module_utils/proscribe/room/__init__.py": "from .inner import inner\n\n\ndef own(): ...\n",
    "module_utils/proscribe/room/inner.py": "def inner(): ...\n",
    "module_utils/proscribe/room/other.py": "",
    "module_utils/proscribe/formats/__init__.py": "",
    "module_utils/proscribe/formats/one.py": "",
    "module_utils/proscribe/formats/two/__init__.py": "",
    "module_utils/proscribe_beside.py": "",
    "library/a_plugin.py": "",
    "action_plugins/a_plugin.py": "",
    "playbooks/audit.yml": "",
    "tests/run": "#!/usr/bin/python3\nimport helper\n",
    "tests/helper.py": "",
    "tests/unit/near/made.py": "",
    "tests/integration/far.py": "",
}
BASE, ROOM, INNER = (f"module_utils/proscribe/{name}.py" for name in ("base", "room/__init__", "room/inner"))


def make_checkout(project, **files):
    write_files(project, {**FILES, **files})
    return project


def list_imports(project, name, text):
    """Return the imports of a file with this text in a checkout."""
    return graph(make_checkout(project, **{name: text}))[name]


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("import proscribe.base as base", {BASE}),
        ("from proscribe import base", {BASE}),
        ("from proscribe.room import own", {ROOM}),
        ("from proscribe.room import inner", {ROOM, INNER}),  # the function hides the module of its name
        ("from proscribe.room import other", {"module_utils/proscribe/room/other.py"}),  # no name of the package
        ("from ansible.module_utils.proscribe.base import VALUE", {BASE}),
        ("import proscribe_beside", {"module_utils/proscribe_beside.py"}),
        ("def f():\n    try:\n        pass\n    except E:\n        from proscribe import base", {BASE}),
        ("import typing\nif typing.TYPE_CHECKING:\n    import proscribe.base", set()),
        ("import json\nfrom yaml import load", set()),
        ("from importlib import import_module\nimport_module('proscribe.base')", {BASE}),
        (
            "import importlib\nfrom proscribe import formats\nimportlib.import_module(f'{formats.__name__}.{name}')",
            {f"module_utils/proscribe/formats/{name}.py" for name in ("__init__", "one", "two/__init__")},
        ),
    ],
)
def test_file_imports_files_of_the_checkout(tmp_path, text, found):
    assert list_imports(tmp_path, "filter_plugins/some.py", text) == found


@pytest.mark.parametrize(
    ("name", "text", "found"),
    [
        ("room/third", "from . import inner", {ROOM, INNER}),
        ("room/third", "from ..base import VALUE", {BASE}),
        ("room/third", "def f():\n    from .. import base", {BASE}),
        ("third", "from importlib import import_module\nimport_module('.base', __package__)", {BASE}),
        ("third", "TEXT = '''\nif True:\n    from proscribe.base import VALUE\n'''", {BASE}),
        ("third", "PATH = 'playbooks/audit.yml'", set()),  # only a test names what it reads
    ],
)
def test_module_imports_relative_names_and_programs(tmp_path, name, text, found):
    assert list_imports(tmp_path, f"module_utils/proscribe/{name}.py", text) == found


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("import made, helper, far", {"tests/unit/near/made.py", "tests/helper.py", "tests/integration/far.py"}),
        ("RUN = PROJECT / 'tests' / 'run'", {"tests/run"}),
        ("play = project / 'playbooks/audit.yml'", {"playbooks/audit.yml"}),
        ("at = PROJECT / 'library' / f'{name}.py'", {"library/a_plugin.py"}),
        ("all = (PROJECT / 'action_plugins').glob('*.py')", {"action_plugins/a_plugin.py"}),
        ("monkeypatch.setattr('proscribe.base.VALUE', 2)", {BASE}),
        ("code = 'import sys\\nfrom proscribe.base import VALUE\\n'", {BASE}),
        ("words = 'helper', 'a.yml', '', '.', '/', 'tests/nothing.py', 'proscribe', 'proscribe.nothing'", set()),
    ],
)
def test_test_reaches_what_its_strings_name(tmp_path, text, found):
    assert list_imports(tmp_path, "tests/unit/near/test_it.py", text) == found


def test_test_reaches_the_imports_of_its_fixtures(tmp_path):
    shared = """
import pytest
import helper
from proscribe.base import VALUE
from made import ready
@pytest.fixture
def first(second): ...
@pytest.fixture
def second():
    return VALUE
def pytest_configure():
    helper
"""
    files = {
        "tests/unit/near/conftest.py": shared,
        "tests/unit/near/test_both.py": "def test(first): ...",
        "tests/unit/near/test_named.py": "pytestmark = pytest.mark.usefixtures('ready')",
        "tests/unit/near/test_none.py": "def test(): ...",
        "tests/unit/test_above.py": "def test(first): ...",
    }
    found = graph(make_checkout(tmp_path, **files))
    conftest = "tests/unit/near/conftest.py"
    assert found[conftest] == {"tests/helper.py"}
    assert found["tests/unit/near/test_both.py"] == {conftest, BASE}
    assert found["tests/unit/near/test_named.py"] == {conftest, "tests/unit/near/made.py"}
    assert found["tests/unit/near/test_none.py"] == {conftest}
    assert found["tests/unit/test_above.py"] == set()


def test_distances_are_steps_to_the_nearest_change():
    files = {"a": {"b", "x"}, "b": {"c"}, "c": {"a", "d"}, "e": {"d"}, "f": set()}
    assert distances(files, ["d"]) == {"d": 0, "c": 1, "e": 1, "b": 2, "a": 3}
    assert distances(files, ["x", "f"]) == {"x": 0, "f": 0, "a": 1, "c": 2, "b": 3}


@pytest.fixture(scope="module")
def packages():
    """Read the imports between modules of the packages. Each statement counts, also one for type checkers alone."""
    grimp = pytest.importorskip("grimp", reason="only the environment of the oldest Ansible has it")
    return grimp.build_graph("proscribe", "proscribe_ansible", cache_dir=None)


def test_no_module_imports_itself_in_a_circle(packages):
    """pyproject.toml has contracts for packages; this is about modules."""
    assert [
        module
        for module in sorted(packages.modules)
        for imported in packages.find_modules_directly_imported_by(module)
        if packages.chain_exists(importer=imported, imported=module)
    ] == []


def test_no_room_has_more_than_nine_floors(packages):
    """The floors of a room are the longest chain of imports between its modules and rooms."""

    @functools.cache
    def count_floors(part):
        siblings = packages.find_children(part.rpartition(".")[0]) - {part}
        direct = functools.partial(packages.direct_import_exists, importer=part, as_packages=True)
        return 1 + max((count_floors(sibling) for sibling in siblings if direct(imported=sibling)), default=0)

    rooms = {room: packages.find_children(room) for room in packages.modules}
    floors = {room: max(map(count_floors, parts)) for room, parts in rooms.items() if parts}
    assert floors["proscribe"] == 5 and max(floors.values()) <= 9, floors


def test_unit_tests_reach_every_module_of_the_product():
    found = changed.graph(PROJECT)
    assert {file for names in found.values() for file in names if not (PROJECT / file).is_file()} == set()
    assert all((PROJECT / name).is_file() and found[name] for name in DERIVED)
    product = [path for path in found if path.startswith("module_utils/") and not path.endswith("/__init__.py")]
    own = Path(__file__).relative_to(PROJECT).as_posix()  # names files of the checkout, and reads none
    tests = [path for path in found if path.startswith("tests/unit/") and "/test_" in path and path != own]
    importers = {name: {path for path, names in found.items() if name in names} for name in found}
    unreached = set(product).difference(distances(importers, tests))
    unreached = {path for path in unreached if "/model/types/" not in path}  # only type checkers read them
    assert unreached <= {"module_utils/proscribe_command.py"}  # tests/playbooks/test_launcher.py runs it
