"""What may stand in the code that runs on managed hosts: the grammar of Python 3.9, and nothing but its own library."""

from __future__ import annotations

import ast
import sys
from pathlib import Path

import pytest
from proscribe.stream import HOST_SIDE

PACKAGE = Path(__file__).resolve().parents[2] / "module_utils" / "proscribe"
FILES = sorted({path for pattern in HOST_SIDE for path in PACKAGE.glob(pattern)})


NEWER = {"compression"}  # in the standard library of Python 3.14 (PEP 784), and asked for where it may be missing


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_it_parses_as_python_3_9_and_imports_only_the_standard_library(path: Path) -> None:
    tree = ast.parse(path.read_text(), str(path), feature_version=(3, 9))
    absolute = [name.name for node in ast.walk(tree) if isinstance(node, ast.Import) for name in node.names]
    absolute += [str(node.module) for node in ast.walk(tree) if isinstance(node, ast.ImportFrom) and not node.level]
    known = sys.stdlib_module_names | NEWER
    foreign = {name for name in absolute if name.partition(".")[0] not in known}
    assert foreign == set()


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_it_reaches_no_code_of_the_controllers(path: Path) -> None:
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom) and node.level:
            assert (node.module or "").partition(".")[0] not in ("compile", "report", "stream")
