"""The sources of an observation: the modules that it uses, without comments and without code for changes.

Every line that a host compiles costs an audit time. So the code is selected by name, beginning with the entry names: a
function, a constant or an import is selected if its name occurs in selected code. This selects somewhat too much: the
same name elsewhere, or a method of another class. Names that are made at run time would be missed, so the host side
has none. A test compares the answers of the selected code with those of the whole code.

Removed lines become empty lines, so that the line numbers of a traceback still fit. Controller side.
"""

from __future__ import annotations

import ast
import io
import tokenize
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple

Statements = Sequence[ast.stmt]
Imports = (ast.Import, ast.ImportFrom)


class ModuleSources(NamedTuple):
    """All sources by the name of the module, and the names of the packages among them."""

    texts: Mapping[str, str]
    packages: Collection[str]


def select_reached(
    all_sources: ModuleSources, entries: Iterable[str], names: Iterable[str], left_out: Collection[str] = ()
) -> dict[str, str]:
    """Return the sources of all modules that the `names` in the modules `entries` need, each as short as possible.

    The result has the sources by module. `left_out` are functions that this code never calls, although their names
    occur in it.
    """
    parsed_modules = {name: ast.parse(text) for name, text in all_sources.texts.items()}
    used_names, reached_modules, sizes = {*names}, {*entries}, (0, 0)
    # Selected code may need further names and modules, so the search is repeated until a pass finds nothing new.
    while sizes != (sizes := (len(used_names), len(reached_modules))):
        for name in sorted(reached_modules):
            package = name if name in all_sources.packages else name.rpartition(".")[0]
            for node in _list_used_nodes(parsed_modules[name].body, used_names, left_out):
                used_names |= _collect_names(node, used_names)
                origins = {
                    origin for child in ast.walk(node) for origin in _list_import_origins(child, package, used_names)
                }
                reached_modules |= {
                    part for origin in origins for part in _list_with_parents(origin) if part in parsed_modules
                }
    return {name: shrink_source(all_sources.texts[name], used_names, left_out) for name in sorted(reached_modules)}


def _list_with_parents(name: str) -> Iterator[str]:
    """Yield a module and the packages above it."""
    while name:
        yield name
        name = name.rpartition(".")[0]


def _is_used(node: ast.stmt, used_names: Collection[str], left_out: Collection[str]) -> bool:
    """Return whether a statement of a module or class is selected.

    A definition, an import or an assignment is selected if it defines a name in `used_names`. Methods such as
    `__init__` are always selected. So are other statements, except for TYPE_CHECKING blocks, which no host runs.
    """
    if isinstance(node, (ast.FunctionDef, ast.ClassDef)):
        is_special = node.name.startswith("__") and node.name.endswith("__")
        return (is_special or node.name in used_names) and node.name not in left_out
    if isinstance(node, ast.If):
        return not (isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING")
    if isinstance(node, Imports):
        return any(_get_bound_name(alias) in used_names for alias in node.names)
    if isinstance(node, ast.Assign):
        names = [target.id for target in node.targets if isinstance(target, ast.Name)]
        # An assignment to anything but a plain name, such as an attribute, is always selected.
        return len(names) < len(node.targets) or any(name in used_names for name in names)
    return True


def _list_used_nodes(body: Statements, used_names: Collection[str], left_out: Collection[str]) -> Iterator[ast.AST]:
    """Yield the selected syntax nodes in the body of a module or class.

    For a nested class these are its bases, its decorators and its selected statements.
    """
    for node in body:
        if _is_used(node, used_names, left_out):
            if isinstance(node, ast.ClassDef):
                yield from [*node.bases, *node.decorator_list]
                yield from _list_used_nodes(node.body, used_names, left_out)
            else:
                yield node


def _get_bound_name(alias: ast.alias) -> str:
    """Return the name that an import defines in its module."""
    return alias.asname or alias.name.partition(".")[0]


def _collect_names(node: ast.AST, used_names: Collection[str]) -> set[str]:
    """Return the names that a selected piece of code uses when it runs on a host.

    Names in annotations do not count. Of an import, only the names that are bound to a name in `used_names` count.
    """
    names: set[str] = set()
    pending = [node]
    while pending:
        current = pending.pop()
        if isinstance(current, ast.Name):
            names.add(current.id)
        elif isinstance(current, ast.Attribute):
            names.add(current.attr)
        elif isinstance(current, Imports):
            names |= {alias.name for alias in current.names if _get_bound_name(alias) in used_names}
        annotations = [getattr(current, key, None) for key in ("annotation", "returns")]
        pending += [child for child in ast.iter_child_nodes(current) if child not in annotations]
    return names


def _list_import_origins(node: ast.AST, package: str, used_names: Collection[str]) -> Iterator[str]:
    """Yield the modules that a relative import may name; `package` is the package of the importing module."""
    if (
        isinstance(node, ast.ImportFrom)
        and node.level
        and any(_get_bound_name(alias) in used_names for alias in node.names)
    ):
        base = package.rsplit(".", node.level - 1)[0] if node.level > 1 else package
        origin = f"{base}.{node.module}" if node.module else base
        yield origin
        yield from (f"{origin}.{alias.name}" for alias in node.names if _get_bound_name(alias) in used_names)


class _SourceEdit(NamedTuple):
    """The replacement of a piece of a source by `text`."""

    start: tuple[int, int]  # the line, from 1, and the byte in it
    end: tuple[int, int]
    text: str = ""  # "" removes the piece


def shrink_source(source: str, used: Collection[str] | None = None, left_out: Collection[str] = ()) -> str:
    """Return a source without comments, docstrings, annotations and unused code.

    `used` are the names that selected code uses; None means that all code is used. `left_out` are functions to leave
    out.
    """
    lines = source.splitlines()
    shrunk_lines = [line.encode() for line in lines]
    edits = [*_remove_comments(source), *_shorten_tree(ast.parse(source), lines, used, left_out)]
    # From the end to the beginning, so that the positions of the remaining edits stay valid.
    for (first, begin), (last, end), text in sorted(edits, reverse=True):
        line = shrunk_lines[first - 1][:begin] + text.encode() + shrunk_lines[last - 1][end:]
        is_line_end = end == len(lines[last - 1].encode())
        # The lines of a removed piece become empty lines, so that all other lines have the same number as before.
        shrunk_lines[first - 1 : last] = [line.rstrip() if is_line_end else line, *[b""] * (last - first)]
    return b"\n".join(shrunk_lines).decode() + "\n"


def _remove_comments(source: str) -> Iterator[_SourceEdit]:
    """Yield the edits that remove the comments, with the blanks before them."""
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        if token.type == tokenize.COMMENT:
            row, column = token.start
            begin = len(token.line[:column].rstrip().encode())
            yield _SourceEdit((row, begin), (row, len(token.line.rstrip("\n").encode())))


def _find_end(node: ast.expr | ast.stmt) -> tuple[int, int]:
    return node.end_lineno or 0, node.end_col_offset or 0


def _replace_statement(node: ast.stmt, text: str = "") -> _SourceEdit:
    """Return the edit that replaces a statement and its decorators by `text`; "" removes the statement."""
    first = min([node.lineno, *(d.lineno for d in getattr(node, "decorator_list", ()))])
    return _SourceEdit((first, node.col_offset), _find_end(node), text)


def _shorten_tree(
    tree: ast.AST, lines: Sequence[str], used_names: Collection[str] | None, left_out: Collection[str]
) -> Iterator[_SourceEdit]:
    """Yield the edits that remove docstrings, annotations and unused statements from a source with these `lines`.

    If `used_names` is None, all statements count as used.
    """
    fields: set[ast.AST] = set()  # statements in the bodies of classes
    pending = [tree]
    while pending:
        node = pending.pop()
        removed_nodes: set[ast.AST] = set()
        if isinstance(node, (ast.Module, ast.ClassDef)) and used_names is not None:
            removed_nodes = {statement for statement in node.body if not _is_used(statement, used_names, left_out)}
        if isinstance(node, (ast.Module, ast.ClassDef, ast.FunctionDef)):
            removed_nodes |= {node.body[0]} if ast.get_docstring(node, clean=False) is not None else set()
            # A function or class needs a statement, so an emptied body gets `pass`.
            is_empty = removed_nodes.issuperset(node.body) and not isinstance(node, ast.Module)
            for statement in node.body:
                if statement in removed_nodes:
                    yield _replace_statement(statement, "pass" if is_empty and statement is node.body[0] else "")
        fields |= {*node.body} if isinstance(node, ast.ClassDef) else set()
        yield from _remove_annotations(node, lines, fields)
        if isinstance(node, Imports) and used_names is not None:
            yield from _reduce_import(node, used_names)
        pending += [child for child in ast.iter_child_nodes(node) if child not in removed_nodes]


def _remove_annotations(
    node: ast.AST, lines: Sequence[str], class_statements: Collection[ast.AST]
) -> Iterator[_SourceEdit]:
    """Yield the edits that remove the annotations of a syntax node.

    `class_statements` are the statements in the bodies of classes. Fields among them get the annotation `int` instead,
    because NamedTuple finds its fields by their annotations.
    """
    if isinstance(node, ast.arg) and node.annotation:
        yield _SourceEdit((node.lineno, node.col_offset + len(node.arg.encode())), _find_end(node.annotation))
    elif isinstance(node, ast.FunctionDef) and node.returns:
        line = lines[node.returns.lineno - 1].encode()
        arrow = line.rindex(b"->", 0, node.returns.col_offset)
        begin = len(line[:arrow].rstrip())
        yield _SourceEdit((node.returns.lineno, begin), _find_end(node.returns))
    elif isinstance(node, ast.AnnAssign):
        colon, annotation_end = _find_end(node.target), _find_end(node.annotation)
        if node in class_statements:
            yield _SourceEdit(colon, annotation_end, ": int")
        elif node.value:
            yield _SourceEdit(colon, annotation_end)
        else:
            yield _replace_statement(node, "pass")


def _reduce_import(node: ast.Import | ast.ImportFrom, used_names: Collection[str]) -> Iterator[_SourceEdit]:
    """Yield the edit that reduces an import to the used names, on a single line."""
    aliases = [alias for alias in node.names if _get_bound_name(alias) in used_names]
    if len(aliases) < len(node.names) or node.lineno != node.end_lineno:
        names = ", ".join(f"{alias.name} as {alias.asname}" if alias.asname else alias.name for alias in aliases)
        origin = f"from {'.' * node.level}{node.module or ''} " if isinstance(node, ast.ImportFrom) else ""
        yield _replace_statement(node, f"{origin}import {names}" if aliases else "pass")
