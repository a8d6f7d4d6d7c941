"""What may stand in the code that runs on managed hosts: the grammar of Python 3.9, and nothing but its own library."""

import ast
import sys
from pathlib import Path

from proscribe.wire.stream import HOST_PACKAGES

PACKAGE = Path(__file__).resolve().parents[2] / "module_utils" / "proscribe"
FILES = sorted(path for room in HOST_PACKAGES for path in (PACKAGE / room).rglob("*.py"))
NEWER = {"compression"}  # in the standard library of Python 3.14 (PEP 784), and asked for where it may be missing
BESIDE = {"base", "commits"}  # what the programs of a schedule import lies beside them


def test_it_parses_as_python_3_9_and_imports_its_own_library_and_no_code_of_the_controllers():
    foreign = []
    for path in FILES:
        for node in ast.walk(ast.parse(path.read_text(), str(path), feature_version=(3, 9))):
            if isinstance(node, ast.Import):
                foreign += [(path, item.name) for item in node.names if not _of_the_library(item.name)]
            elif isinstance(node, ast.ImportFrom) and not node.level:
                foreign += [(path, node.module)] * (not _of_the_library(str(node.module)))
            elif isinstance(node, ast.ImportFrom):
                place = path.parents[node.level - 1].joinpath(*str(node.module or "").split("."))
                rooms = place.relative_to(PACKAGE).parts[:1] or tuple(item.name for item in node.names)
                foreign += [(path, room) for room in rooms if room not in HOST_PACKAGES]
    assert FILES and foreign == []


def _of_the_library(module: str) -> bool:
    return module.partition(".")[0] in {*sys.stdlib_module_names, *NEWER, *BESIDE}
