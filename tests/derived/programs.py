"""The programs of host/programs as texts in Python: to a host goes nothing but Python modules."""

import ast
import re
from pathlib import Path

from .part import Part

FOLDER = Path(__file__).resolve().parents[2] / "module_utils/proscribe/host/programs"
HEAD = '''\
"""The programs of this folder as texts. Derived from their files by `tests/tool python tests/derived`: do not edit.

A text that has names to fill in is one for `str.format`: `@NAME@` of the file is `{name}` in it.
"""
'''
NAME = re.compile(r"@([A-Z_]+)@")


def shortened(source):
    """A Python program for a command line: without its docstring and blank lines, and with one import."""
    document = ast.parse(source).body[0]
    lines = [line for line in source.splitlines()[document.end_lineno :] if line]
    imported = [line.removeprefix("import ") for line in lines if line.startswith("import ")]
    rest = [line for line in lines if not line.startswith("import ")]
    return "\n".join([f"import {', '.join(imported)}", *rest]) + "\n"


def programs():
    """Every program by the name of its constant. `@NAME@` of another program stands for that program's text."""
    paths = sorted(path for path in FOLDER.iterdir() if path.suffix in {".py", ".sh"} and path.name != "__init__.py")
    sources = {path.stem.upper(): path.read_text(encoding="utf-8") for path in paths}
    sources |= {path.stem.upper(): shortened(sources[path.stem.upper()]) for path in paths if path.suffix == ".py"}
    return {name: NAME.sub(lambda match: sources.get(match[1], match[0]), text) for name, text in sources.items()}


def template(text):
    """A program for `str.format`, where it has names to fill in; else as it is."""
    if not NAME.search(text):
        return text
    return NAME.sub(lambda match: f"{{{match[1].lower()}}}", text.replace("{", "{{").replace("}", "}}"))


def module():
    return HEAD + "".join(f'\n{name} = r"""{template(text)}"""\n' for name, text in programs().items())


DERIVED = (Part("module_utils/proscribe/host/programs/__init__.py", module),)
