"""What may stand in the code that runs on managed hosts: the grammar of Python 3.9, and nothing but its own library."""

from __future__ import annotations

import ast
import sys
from pathlib import Path

from proscribe.wire.stream import HOST_SIDE

PACKAGE = Path(__file__).resolve().parents[2] / "module_utils" / "proscribe"
FILES = sorted({path for pattern in HOST_SIDE for path in PACKAGE.glob(pattern)})


NEWER = {"compression"}  # in the standard library of Python 3.14 (PEP 784), and asked for where it may be missing
OF_CONTROLLERS = {"compile", "report", "stream"}


def test_it_parses_as_python_3_9_and_imports_its_own_library_and_no_code_of_the_controllers() -> None:
    foreign = []
    for path in FILES:
        for node in ast.walk(ast.parse(path.read_text(), str(path), feature_version=(3, 9))):
            imports = [name.name for name in node.names] if isinstance(node, ast.Import) else []
            if isinstance(node, ast.ImportFrom):
                imports.append(str(node.module or ""))
            first = {name.partition(".")[0] for name in imports}
            own = isinstance(node, ast.ImportFrom) and node.level
            foreign += [
                (path, one) for one in (first & OF_CONTROLLERS if own else first - sys.stdlib_module_names - NEWER)
            ]
    assert FILES and foreign == []
