"""Tests of every size name what is there: a nightly one is not found to be wrong in the night alone."""

import ast
import importlib
from pathlib import Path
from types import ModuleType

import pytest

TESTS = Path(__file__).resolve().parents[3]
FILES = sorted(str(path.relative_to(TESTS)) for path in TESTS.rglob("*.py"))
PACKAGES = ("proscribe", "proscribe_ansible")


def modules(nodes):
    """Our modules that a file imports, by the names that they have there. Raises ImportError."""
    for node in nodes:
        if isinstance(node, ast.ImportFrom) and not node.level and (node.module or "").partition(".")[0] in PACKAGES:
            for alias in node.names:
                module = importlib.import_module(node.module or "")
                if not hasattr(module, alias.name):
                    importlib.import_module(f"{node.module}.{alias.name}")
                one = getattr(module, alias.name)
                if isinstance(one, ModuleType):
                    yield alias.asname or alias.name, one


def missing(text):
    """What a file of tests names of our modules, and is not there. A name that something else has there, too, is none
    of a module.
    """
    nodes = list(ast.walk(ast.parse(text)))
    known = dict(modules(nodes))
    for node in nodes:
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            known.pop(node.id, None)
        elif isinstance(node, ast.arg):
            known.pop(node.arg, None)
    return [
        f"{node.value.id}.{node.attr}"
        for node in nodes
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name)
        if node.value.id in known and not hasattr(known[node.value.id], node.attr)
    ]


@pytest.mark.parametrize("path", FILES)
def test_a_file_names_what_is_there(path):
    assert missing((TESTS / path).read_text(encoding="utf-8")) == []
