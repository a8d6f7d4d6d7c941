"""The sources of an observation: the modules that it reaches, without what only people or only a change needs.

Every line that a host compiles costs an audit time. So what is sent is found by its name: a function, a constant or an
import stays if its name is in something that stays, beginning with the names asked for. That keeps rather too much: the
same name elsewhere, a method of another class. Names that are made at run time would escape it, so the host side has
none. A test holds what is sent to the answers of the whole.

Every line stays where it was, so that a traceback still fits. Controller side.
"""

from __future__ import annotations

import ast
import io
import tokenize
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple

Statements = Sequence[ast.stmt]
Imports = (ast.Import, ast.ImportFrom)


class Whole(NamedTuple):
    """All sources by the name of the module, and which of these modules are packages."""

    texts: Mapping[str, str]
    packages: Collection[str]


def reached(
    whole: Whole, entries: Iterable[str], names: Iterable[str], left_out: Collection[str] = ()
) -> dict[str, str]:
    """What is reached from some names in the modules `entries`, by module, each as small as it can be. `left_out` are
    functions that are never called.
    """
    parsed = {name: ast.parse(text) for name, text in whole.texts.items()}
    used, seen, before = {*names}, {*entries}, (0, 0)
    while before != (before := (len(used), len(seen))):
        for name in sorted(seen):
            package = name if name in whole.packages else name.rpartition(".")[0]
            for node in _staying(parsed[name].body, used, left_out):
                used |= _names(node, used)
                origins = {origin for one in ast.walk(node) for origin in _origins(one, package, used)}
                seen |= {part for origin in origins for part in _with_parents(origin) if part in parsed}
    return {name: small(whole.texts[name], used, left_out) for name in sorted(seen)}


def _with_parents(name: str) -> Iterator[str]:
    while name:
        yield name
        name = name.rpartition(".")[0]


def _stays(node: ast.stmt, used: Collection[str], left_out: Collection[str]) -> bool:
    if isinstance(node, (ast.FunctionDef, ast.ClassDef)):
        special = node.name.startswith("__") and node.name.endswith("__")
        return (special or node.name in used) and node.name not in left_out
    if isinstance(node, ast.If):
        return not (isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING")
    if isinstance(node, Imports):
        return any(_bound(alias) in used for alias in node.names)
    if isinstance(node, ast.Assign):
        names = [target.id for target in node.targets if isinstance(target, ast.Name)]
        return len(names) < len(node.targets) or any(name in used for name in names)
    return True


def _staying(body: Statements, used: Collection[str], left_out: Collection[str]) -> Iterator[ast.AST]:
    """What stays of a module or a class, without the parts of a class that do not."""
    for node in body:
        if _stays(node, used, left_out):
            if isinstance(node, ast.ClassDef):
                yield from [*node.bases, *node.decorator_list]
                yield from _staying(node.body, used, left_out)
            else:
                yield node


def _bound(alias: ast.alias) -> str:
    return alias.asname or alias.name.partition(".")[0]


def _names(node: ast.AST, used: Collection[str]) -> set[str]:
    """The names in what stays, but those in annotations, which say nothing to a host."""
    found: set[str] = set()
    todo = [node]
    while todo:
        one = todo.pop()
        if isinstance(one, ast.Name):
            found.add(one.id)
        elif isinstance(one, ast.Attribute):
            found.add(one.attr)
        elif isinstance(one, Imports):
            found |= {alias.name for alias in one.names if _bound(alias) in used}
        annotations = [getattr(one, key, None) for key in ("annotation", "returns")]
        todo += [child for child in ast.iter_child_nodes(one) if child not in annotations]
    return found


def _origins(node: ast.AST, package: str, used: Collection[str]) -> Iterator[str]:
    """The modules that a relative import may be about; `package` is what it starts from."""
    if isinstance(node, ast.ImportFrom) and node.level and any(_bound(alias) in used for alias in node.names):
        base = package.rsplit(".", node.level - 1)[0] if node.level > 1 else package
        origin = f"{base}.{node.module}" if node.module else base
        yield origin
        yield from (f"{origin}.{alias.name}" for alias in node.names if _bound(alias) in used)


class _Edit(NamedTuple):
    start: tuple[int, int]  # line from 1, and byte in it
    end: tuple[int, int]
    text: str = ""


def small(source: str, used: Collection[str] | None = None, left_out: Collection[str] = ()) -> str:
    """A source without comments, docstrings and annotations, and without what is not used (None: all of it is)."""
    lines = source.splitlines()
    written = [line.encode() for line in lines]
    edits = [*_comments(source), *_shortened(ast.parse(source), lines, used, left_out)]
    for (first, begin), (last, end), text in sorted(edits, reverse=True):
        line = written[first - 1][:begin] + text.encode() + written[last - 1][end:]
        blank = end == len(lines[last - 1].encode())
        written[first - 1 : last] = [line.rstrip() if blank else line, *[b""] * (last - first)]
    return b"\n".join(written).decode() + "\n"


def _comments(source: str) -> Iterator[_Edit]:
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        if token.type == tokenize.COMMENT:
            row, column = token.start
            begin = len(token.line[:column].rstrip().encode())
            yield _Edit((row, begin), (row, len(token.line.rstrip("\n").encode())))


def _end(node: ast.expr | ast.stmt) -> tuple[int, int]:
    return node.end_lineno or 0, node.end_col_offset or 0


def _whole(node: ast.stmt, text: str = "") -> _Edit:
    first = min([node.lineno, *(d.lineno for d in getattr(node, "decorator_list", ()))])
    return _Edit((first, node.col_offset), _end(node), text)


def _shortened(
    tree: ast.AST, lines: Sequence[str], used: Collection[str] | None, left_out: Collection[str]
) -> Iterator[_Edit]:
    fields: set[ast.AST] = set()
    todo = [tree]
    while todo:
        node = todo.pop()
        gone: set[ast.AST] = set()
        if isinstance(node, (ast.Module, ast.ClassDef)) and used is not None:
            gone = {one for one in node.body if not _stays(one, used, left_out)}
        if isinstance(node, (ast.Module, ast.ClassDef, ast.FunctionDef)):
            gone |= {node.body[0]} if ast.get_docstring(node, clean=False) is not None else set()
            empty = gone.issuperset(node.body) and not isinstance(node, ast.Module)
            for one in node.body:
                if one in gone:
                    yield _whole(one, "pass" if empty and one is node.body[0] else "")
        fields |= {*node.body} if isinstance(node, ast.ClassDef) else set()
        yield from _annotations(node, lines, fields)
        if isinstance(node, Imports) and used is not None:
            yield from _import(node, used)
        todo += [child for child in ast.iter_child_nodes(node) if child not in gone]


def _annotations(node: ast.AST, lines: Sequence[str], in_class: Collection[ast.AST]) -> Iterator[_Edit]:
    """Annotations are taken out. A NamedTuple's fields need one: `int` costs nothing to evaluate."""
    if isinstance(node, ast.arg) and node.annotation:
        yield _Edit((node.lineno, node.col_offset + len(node.arg.encode())), _end(node.annotation))
    elif isinstance(node, ast.FunctionDef) and node.returns:
        line = lines[node.returns.lineno - 1].encode()
        arrow = line.rindex(b"->", 0, node.returns.col_offset)
        begin = len(line[:arrow].rstrip())
        yield _Edit((node.returns.lineno, begin), _end(node.returns))
    elif isinstance(node, ast.AnnAssign):
        colon, behind = _end(node.target), _end(node.annotation)
        if node in in_class:
            yield _Edit(colon, behind, ": int")
        elif node.value:
            yield _Edit(colon, behind)
        else:
            yield _whole(node, "pass")


def _import(node: ast.Import | ast.ImportFrom, used: Collection[str]) -> Iterator[_Edit]:
    """An import of what is used."""
    aliases = [alias for alias in node.names if _bound(alias) in used]
    if len(aliases) < len(node.names) or node.lineno != node.end_lineno:
        names = ", ".join(f"{alias.name} as {alias.asname}" if alias.asname else alias.name for alias in aliases)
        origin = f"from {'.' * node.level}{node.module or ''} " if isinstance(node, ast.ImportFrom) else ""
        yield _whole(node, f"{origin}import {names}" if aliases else "pass")
