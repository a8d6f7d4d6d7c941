"""Conversion of Python files for a collection: imports by full name, and documentation with full names.

Plugins of a checkout first add the package `proscribe` to sys.path. In a collection Ansible finds the package, so these
statements are removed, with the imports that only they need. The syntax tree gives the places of all edits, and other
text stays unchanged.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

import yaml

from .. import CommandError
from .full_names import CollectionNames, Edit, apply_edits, expand_examples

PACKAGE_PATTERN = re.compile(r"(?:ansible\.module_utils\.)?(proscribe(?:_\w+)?(?:\..+)?)")
FROM_PATTERN = re.compile(r"from\s+([\w.]+)")
DOCUMENTATION, EXAMPLES, RETURN = "DOCUMENTATION", "EXAMPLES", "RETURN"
LICENSE = "# SPDX-License-Identifier: GPL-3.0-or-later\n"
# Ansible's checks require the licence as text, and for an author an account on GitHub or `(!UNKNOWN)`.
LICENSE_TEXT = "# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)\n"
UNKNOWN_AUTHOR = " (!UNKNOWN)"
# A link in Ansible's documentation markup: M(module), or P(plugin#type).
LINK_PATTERN = re.compile(r"\b(?P<kind>[MP])\((?P<name>\w+)(?P<rest>#\w+)?\)")


def convert_plugin(text: str, names: CollectionNames, source_name: str) -> str:
    """Return the text of a module, a plugin or a file of module_utils, converted for the collection.

    Raises CommandError for text that cannot be converted. Its message names the file `source_name`.
    """
    try:
        tree = ast.parse(text)
    except SyntaxError as error:
        raise CommandError(f"{source_name}:{error.lineno}: cannot be read as Python: {error.msg}") from None
    line_starts = _find_line_starts(text)
    edits = [
        *_find_import_edits(tree, text, line_starts, names, source_name),
        *_find_documentation_edits(tree, text, line_starts, names, source_name),
    ]
    return apply_edits(text, [*edits, *_find_path_setup_edits(tree, text, line_starts)]).replace(
        LICENSE, LICENSE + LICENSE_TEXT, 1
    )


def expand_links(text: str, names: CollectionNames) -> str:
    """Return documentation with the full names of modules and plugins in its links, `M(...)` and `P(...)`."""

    def expand_link(link: re.Match[str]) -> str:
        own_names = names.modules if link["kind"] == "M" else names.filters | names.tests
        return (
            f"{link['kind']}({names.make_full_name(link['name'])}{link['rest'] or ''})"
            if link["name"] in own_names
            else link[0]
        )

    return LINK_PATTERN.sub(expand_link, text)


def _find_line_starts(text: str) -> list[int]:
    """Return the positions in the text at which lines begin; index 1 is the first line, as in syntax trees."""
    line_starts = [0, 0]
    for line in text.splitlines(keepends=True):
        line_starts.append(line_starts[-1] + len(line))
    return line_starts


def _find_span(node: ast.stmt | ast.expr, text: str, line_starts: list[int]) -> tuple[int, int]:
    """Return the start and the end of a node of the syntax tree, as positions in the text.

    The columns of a node count bytes of UTF-8, so they are converted to characters.
    """

    def find_position(line: int, column: int) -> int:
        line_prefix = text[line_starts[line] :].encode()[:column]
        return line_starts[line] + len(line_prefix.decode())

    return find_position(node.lineno, node.col_offset), find_position(
        node.end_lineno or node.lineno, node.end_col_offset or 0
    )


def _find_import_edits(
    tree: ast.Module, text: str, line_starts: list[int], names: CollectionNames, source_name: str
) -> Iterator[Edit]:
    """Yield the edits that give the project's packages their full names in `from ... import ...`.

    Raises CommandError for `import proscribe`, whose name the rest of the file would use. An import of unusual form is
    an error, too.
    """
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                if PACKAGE_PATTERN.fullmatch(alias.name):
                    raise CommandError(
                        f"{source_name}:{node.lineno}: found import {alias.name}, expected from ... import ..."
                    )
        elif (
            isinstance(node, ast.ImportFrom)
            and node.level == 0
            and (package_match := PACKAGE_PATTERN.fullmatch(node.module or ""))
        ):
            start, end = _find_span(node, text, line_starts)
            module = FROM_PATTERN.match(text, start, end)
            if module is None:
                raise CommandError(
                    f"{source_name}:{node.lineno}: found an import with more before its module, expected one line"
                )
            yield module.start(1), module.end(1), f"{names.utils_package}.{package_match[1]}"


def _find_documentation_edits(
    tree: ast.Module, text: str, line_starts: list[int], names: CollectionNames, source_name: str
) -> Iterator[Edit]:
    """Yield the edits for DOCUMENTATION, EXAMPLES and RETURN, the texts in which Ansible expects documentation.

    Raises CommandError for a text that is no raw string in triple quotes. Only in such a string, each character of the
    text is a character of the file.
    """
    for node in tree.body:
        name = node.targets[0].id if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name) else ""
        constant = getattr(node, "value", None)
        if name not in (DOCUMENTATION, EXAMPLES, RETURN) or not isinstance(constant, ast.Constant):
            continue
        start, end = _find_span(constant, text, line_starts)
        raw = text[start:end]
        if not (raw.startswith('r"""') and raw.endswith('"""')):
            raise CommandError(f'{source_name}:{node.lineno}: found {name} in other quotes, expected r"""..."""')
        content, block_name = raw[4:-3], f"{source_name}:{node.lineno} {name}"
        new_content = expand_examples(content, names, block_name) if name == EXAMPLES else expand_links(content, names)
        new_content = _expand_fragments(new_content, names) if name == DOCUMENTATION else new_content
        yield start + 4, end - 3, new_content


def _expand_fragments(text: str, names: CollectionNames) -> str:
    """Return a module's DOCUMENTATION (YAML text) with full names of the documentation fragments that it uses.

    The author gets the mark `(!UNKNOWN)`, because Ansible's checks require an account on GitHub or this mark.
    """
    root = yaml.compose(text, Loader=yaml.SafeLoader)
    edits: list[Edit] = []
    for key, child in root.value if isinstance(root, yaml.MappingNode) else ():
        if key.value == "extends_documentation_fragment":
            scalars = child.value if isinstance(child, yaml.SequenceNode) else [child]
            for scalar in scalars:
                if scalar.value in names.fragments:
                    edits.append((scalar.start_mark.index, scalar.end_mark.index, names.make_full_name(scalar.value)))
        elif key.value == "author" and isinstance(child, yaml.ScalarNode):
            edits.append((child.end_mark.index, child.end_mark.index, UNKNOWN_AUTHOR))
    return apply_edits(text, edits)


def _find_path_setup_edits(tree: ast.Module, text: str, line_starts: list[int]) -> Iterator[Edit]:
    """Yield edits that remove the top-level statements with sys.path, and the imports and names that only they use."""
    removed_statements: list[ast.stmt] = [
        node for node in tree.body if isinstance(node, ast.Expr | ast.If) and _is_path_setup(node)
    ]
    if not removed_statements:
        return
    has_new_statements = True
    while has_new_statements:  # each removal can make further statements unused
        used_names = {
            name
            for node in tree.body
            if node not in removed_statements
            for descendant in ast.walk(node)
            for name in _list_used_names(descendant)
        }
        unused_statements = [
            node for node in tree.body if node not in removed_statements and _is_unused(node, used_names)
        ]
        removed_statements += unused_statements
        has_new_statements = bool(unused_statements)
    for node in removed_statements:
        end = line_starts[(node.end_lineno or node.lineno) + 1]
        # A blank line after a removed expression or condition is removed, too.
        blank_length = isinstance(node, ast.Expr | ast.If) and text[end : end + 1] == "\n"
        yield line_starts[node.lineno], end + blank_length, ""


def _is_path_setup(node: ast.stmt) -> bool:
    """Return whether a statement uses sys.path, as the statements do that make a checkout's package importable."""
    return any(
        isinstance(descendant, ast.Attribute)
        and descendant.attr == "path"
        and isinstance(descendant.value, ast.Name)
        and descendant.value.id == "sys"
        for descendant in ast.walk(node)
    )


def _list_used_names(node: ast.AST) -> Iterator[str]:
    if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load):
        yield node.id


def _is_unused(node: ast.stmt, used_names: set[str]) -> bool:
    """Return whether a statement only served the statements with sys.path that are removed.

    Such a statement imports from `sys` or `pathlib`, or assigns a path made from `__file__`. None of its names is in
    `used_names`.
    """
    if isinstance(node, ast.Import | ast.ImportFrom):
        path_modules = {"sys", "pathlib"} & {getattr(node, "module", None) or node.names[0].name}
        return bool(path_modules) and not any((alias.asname or alias.name) in used_names for alias in node.names)
    if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name):
        uses_file_path = any(isinstance(part, ast.Name) and part.id == "__file__" for part in ast.walk(node.value))
        return uses_file_path and node.targets[0].id not in used_names
    return False
