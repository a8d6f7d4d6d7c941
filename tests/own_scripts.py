"""The project's scripts that have no suffix, as modules for the tests that ask what they do."""

import importlib.machinery
import importlib.util
import sys
from pathlib import Path


def script_of_tests():
    """What `./proscribe test` runs, each time as a module of its own; no bytecode is left beside it."""
    loader = importlib.machinery.SourceFileLoader("tests_run", str(Path(__file__).resolve().parent / "run"))
    spec = importlib.util.spec_from_loader("tests_run", loader)
    assert spec is not None
    module = importlib.util.module_from_spec(spec)
    before, sys.dont_write_bytecode = sys.dont_write_bytecode, True
    try:
        loader.exec_module(module)
    finally:
        sys.dont_write_bytecode = before
    return module
