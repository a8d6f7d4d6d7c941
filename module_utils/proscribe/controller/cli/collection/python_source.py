"""Python files of the checkout as a collection has them: imports by the full name, and documentation with full names.

Plugins of a checkout first say where the package is. In a collection Ansible finds it, so that goes, with what only it
needs. The text is changed where the syntax tree says, so everything else stays as it is.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

import yaml

from .. import Refused
from .full_names import Edit, Names, edited, examples

PACKAGES = re.compile(r"(?:ansible\.module_utils\.)?(proscribe(?:_\w+)?(?:\..+)?)")
FROM = re.compile(r"from\s+([\w.]+)")
DOCUMENTATION, EXAMPLES, RETURN = "DOCUMENTATION", "EXAMPLES", "RETURN"
LICENSE = "# SPDX-License-Identifier: GPL-3.0-or-later\n"
# Ansible's checks want the licence in words, and an author's account on GitHub or this mark.
IN_WORDS = "# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)\n"
UNKNOWN = " (!UNKNOWN)"
LINK = re.compile(r"\b(?P<kind>[MP])\((?P<name>\w+)(?P<rest>#\w+)?\)")  # a module or plugin, in Ansible's markup


def plugin(text: str, names: Names, where: str) -> str:
    """A module, a plugin or a file of module_utils. Raises Refused."""
    try:
        tree = ast.parse(text)
    except SyntaxError as error:
        raise Refused(f"{where}:{error.lineno}: cannot be read as Python: {error.msg}") from None
    starts = _starts(text)
    edits = [*_imports(tree, text, starts, names, where), *_documentation(tree, text, starts, names, where)]
    return edited(text, [*edits, *_without_place(tree, text, starts)]).replace(LICENSE, LICENSE + IN_WORDS, 1)


def linked(text: str, names: Names) -> str:
    """Documentation whose links name modules and plugins in full."""

    def full(link: re.Match[str]) -> str:
        ours = names.modules if link["kind"] == "M" else names.filters | names.tests
        return f"{link['kind']}({names.full(link['name'])}{link['rest'] or ''})" if link["name"] in ours else link[0]

    return LINK.sub(full, text)


def _starts(text: str) -> list[int]:
    """Where each line begins; the first line has the number 1."""
    starts = [0, 0]
    for line in text.splitlines(keepends=True):
        starts.append(starts[-1] + len(line))
    return starts


def _span(node: ast.stmt | ast.expr, text: str, starts: list[int]) -> tuple[int, int]:
    """Where a node is in the text; its columns are bytes of UTF-8."""

    def place(line: int, column: int) -> int:
        before = text[starts[line] :].encode()[:column]
        return starts[line] + len(before.decode())

    return place(node.lineno, node.col_offset), place(node.end_lineno or node.lineno, node.end_col_offset or 0)


def _imports(tree: ast.Module, text: str, starts: list[int], names: Names, where: str) -> Iterator[Edit]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                if PACKAGES.fullmatch(alias.name):
                    raise Refused(f"{where}:{node.lineno}: found import {alias.name}, expected from ... import ...")
        elif isinstance(node, ast.ImportFrom) and node.level == 0 and (ours := PACKAGES.fullmatch(node.module or "")):
            start, end = _span(node, text, starts)
            module = FROM.match(text, start, end)
            if module is None:
                raise Refused(f"{where}:{node.lineno}: found an import with more before its module, expected one line")
            yield module.start(1), module.end(1), f"{names.package}.{ours[1]}"


def _documentation(tree: ast.Module, text: str, starts: list[int], names: Names, where: str) -> Iterator[Edit]:
    for node in tree.body:
        name = node.targets[0].id if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name) else ""
        value = getattr(node, "value", None)
        if name not in (DOCUMENTATION, EXAMPLES, RETURN) or not isinstance(value, ast.Constant):
            continue
        start, end = _span(value, text, starts)
        raw = text[start:end]
        if not (raw.startswith('r"""') and raw.endswith('"""')):
            raise Refused(f'{where}:{node.lineno}: found {name} in other quotes, expected r"""..."""')
        inside, place = raw[4:-3], f"{where}:{node.lineno} {name}"
        new = examples(inside, names, place) if name == EXAMPLES else linked(inside, names)
        new = _fragments(new, names) if name == DOCUMENTATION else new
        yield start + 4, end - 3, new


def _fragments(text: str, names: Names) -> str:
    """Documentation that names its fragments in full, and its author as Ansible's checks want it."""
    root = yaml.compose(text, Loader=yaml.SafeLoader)
    edits: list[Edit] = []
    for key, value in root.value if isinstance(root, yaml.MappingNode) else ():
        if key.value == "extends_documentation_fragment":
            scalars = value.value if isinstance(value, yaml.SequenceNode) else [value]
            for scalar in scalars:
                if scalar.value in names.fragments:
                    edits.append((scalar.start_mark.index, scalar.end_mark.index, names.full(scalar.value)))
        elif key.value == "author" and isinstance(value, yaml.ScalarNode):
            edits.append((value.end_mark.index, value.end_mark.index, UNKNOWN))
    return edited(text, edits)


def _without_place(tree: ast.Module, text: str, starts: list[int]) -> Iterator[Edit]:
    """The statements at the top of a file that say where the package is, and what nothing else in it uses."""
    gone: list[ast.stmt] = [node for node in tree.body if isinstance(node, ast.Expr | ast.If) and _names_path(node)]
    if not gone:
        return
    more = True
    while more:  # what only a statement that goes has used goes, too
        used = {name for node in tree.body if node not in gone for part in ast.walk(node) for name in _used(part)}
        unused = [node for node in tree.body if node not in gone and _unused(node, used)]
        gone += unused
        more = bool(unused)
    for node in gone:
        end = starts[(node.end_lineno or node.lineno) + 1]
        blank = isinstance(node, ast.Expr | ast.If) and text[end : end + 1] == "\n"  # one of those around it
        yield starts[node.lineno], end + blank, ""


def _names_path(node: ast.stmt) -> bool:
    """Whether a statement is about sys.path."""
    return any(
        isinstance(part, ast.Attribute)
        and part.attr == "path"
        and isinstance(part.value, ast.Name)
        and part.value.id == "sys"
        for part in ast.walk(node)
    )


def _used(node: ast.AST) -> Iterator[str]:
    if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load):
        yield node.id


def _unused(node: ast.stmt, used: set[str]) -> bool:
    if isinstance(node, ast.Import | ast.ImportFrom):
        here = {"sys", "pathlib"} & {getattr(node, "module", None) or node.names[0].name}
        return bool(here) and not any((alias.asname or alias.name) in used for alias in node.names)
    if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name):
        of_place = any(isinstance(part, ast.Name) and part.id == "__file__" for part in ast.walk(node.value))
        return of_place and node.targets[0].id not in used
    return False
