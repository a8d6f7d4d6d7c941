"""The texts of loader.py, each in one place: what several programs have in common, and what goes with every call."""

import ast
import re
from pathlib import Path

from proscribe.host.cache import CACHE_DIRECTORY
from proscribe.wire.source_selection import ModuleSources, select_reached

from .part import Part

LOADER = Path(__file__).resolve().parents[2] / "module_utils/proscribe/wire/loader.py"
CALLED_BY_PYTHON = ("find_spec", "create_module", "exec_module")
MODULES = ("open_root_file", "ModuleFinder")  # also in the program of the watch
STORED = (
    "MARK",
    "LACKING",
    "CACHE_DIRECTORY",
    "load_cached",
    "parse_json",
    "unpack_plan",
    "execute_call",
)  # also in that for audits
HEAD = '''\
"""{}

`tests/tool python tests/derived` writes this file: do not edit.
"""

'''
OF_MODULES = HEAD.format("Text of the part of loader.py that finds and loads the project's modules on a host.")
OF_BOOTSTRAP = HEAD.format("Text of the part of loader.py that every call carries unpacked.")


def text():
    """All of it, without what only people need, indented by one space."""
    sent = select_reached(
        ModuleSources({"loader": LOADER.read_text(encoding="utf-8")}, ()), ["loader"], ["reply", *CALLED_BY_PYTHON]
    )
    return shorter(sent["loader"]).replace("@PLACE@", CACHE_DIRECTORY)


def shorter(program):
    """A program with indents of one space, and without blank lines."""
    lines = (line for line in program.splitlines() if line)
    return "".join(re.sub("^ +", lambda indent: " " * (len(indent[0]) // 4), line) + "\n" for line in lines)


def pieces():
    """What finds modules, what answers, and the rest; each with the imports that those before it do not have."""
    program = text()
    lines, left = program.splitlines(keepends=True), ast.parse(program).body

    def taken(chosen_by):
        found = [node for node in left if chosen_by(node)]
        names = {one.id for node in found for one in ast.walk(node) if isinstance(one, ast.Name)}
        chosen = [node for node in left if node in found or names.intersection(_imported(node))]
        left[:] = [node for node in left if node not in chosen]
        return "".join("".join(lines[node.lineno - 1 : node.end_lineno]) for node in chosen)

    return [taken(chosen) for chosen in (lambda node: _name(node) in MODULES, lambda node: _name(node) in STORED, bool)]


def _imported(node):
    return [alias.name for alias in node.names] if isinstance(node, (ast.Import, ast.ImportFrom)) else ()


def _name(node):
    if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name):
        return node.targets[0].id
    return str(getattr(node, "name", ""))


def modules():
    return f'{OF_MODULES}MODULES = r"""{pieces()[0]}"""\n'


def bootstrap():
    _, stored, rest = pieces()
    program = f'STORED = r"""{stored}"""\nREPLYING = r"""{rest}"""\nBOOTSTRAP = MODULES + STORED + REPLYING\n'
    return f"{OF_BOOTSTRAP}from ..host.loader_text import MODULES\n\n{program}"


DERIVED = (
    Part("module_utils/proscribe/host/loader_text.py", modules),
    Part("module_utils/proscribe/wire/bootstrap.py", bootstrap),
)
