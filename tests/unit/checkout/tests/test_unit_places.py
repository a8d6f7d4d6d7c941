"""The places of unit tests: they mirror the product, so that the path of a line leads to its tests."""

import ast
import itertools
from pathlib import Path

PROJECT = Path(__file__).resolve().parents[4]
UNIT = PROJECT / "tests/unit"
PACKAGES = PROJECT / "module_utils"
WRITTEN = "tests/tool python tests/derived"  # in the head of a module that is written from others


def get_product_folder(test_file):
    """Return the folder of the checkout that the folder of a test file mirrors."""
    parts = test_file.relative_to(UNIT).parts[:-1]
    if parts[:1] == ("checkout",):
        return PROJECT.joinpath(*parts[1:])
    return PACKAGES.joinpath(*(parts if parts[:1] == ("proscribe_ansible",) else ("proscribe", *parts)))


def find_subject(test_file):
    """Find the file or folder whose name a test file has, with or without an aspect behind it."""
    folder = get_product_folder(test_file)
    if not folder.is_dir():  # checkout/docs/how_to is for docs/how-to
        folder = folder.with_name(folder.name.replace("_", "-"))
    entries = {path.name.split(".")[0].lower().replace("-", "_"): path for path in sorted(folder.glob("[!_.]*"))}
    words = test_file.stem.removeprefix("test_").split("_")
    stems = ("_".join(words[:count]) for count in range(len(words), 0, -1))
    return next((entries[stem] for stem in stems if stem in entries), None)


def has_code(module):
    """Tell whether a module has a function or a class of its own, which it is not generated with."""
    text = module.read_text(encoding="utf-8")
    if WRITTEN in "".join(itertools.islice(text.splitlines(keepends=True), 8)):
        return False
    return any(isinstance(node, (ast.FunctionDef, ast.ClassDef)) for node in ast.parse(text).body)


def test_every_unit_test_file_is_named_after_a_module_of_its_place():
    files = [path for path in UNIT.rglob("test_*.py") if "helpers" not in path.parts]
    assert [str(path.relative_to(UNIT)) for path in files if find_subject(path) is None] == []


def test_every_module_with_code_is_named_by_a_unit_test_file():
    subjects = {find_subject(path) for path in UNIT.rglob("test_*.py")}
    modules = [path for path in PACKAGES.glob("proscribe*/**/*.py") if "types" not in path.parts and has_code(path)]
    nameless = [path for path in modules if path not in subjects and path.parent not in subjects]
    assert [str(path.relative_to(PACKAGES)) for path in nameless] == []
