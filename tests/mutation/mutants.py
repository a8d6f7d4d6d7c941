"""The mutants of a module: small mistakes that somebody could make in it, each as the whole text that it leaves.

A mutant changes one place of the text and nothing else of it, so what a run prints is what would stand in a diff.
Prose (a string with a space in it) is left alone: no test should depend on how a message is worded.
"""

from __future__ import annotations

import ast
import io
import tokenize
from collections.abc import Iterator
from typing import NamedTuple

COMPARED: dict[type[ast.cmpop], tuple[type[ast.cmpop], ...]] = {
    ast.Eq: (ast.NotEq,),
    ast.NotEq: (ast.Eq,),
    ast.Lt: (ast.LtE, ast.GtE),
    ast.LtE: (ast.Lt, ast.Gt),
    ast.Gt: (ast.GtE, ast.LtE),
    ast.GtE: (ast.Gt, ast.Lt),
    ast.In: (ast.NotIn,),
    ast.NotIn: (ast.In,),
    ast.Is: (ast.IsNot,),
    ast.IsNot: (ast.Is,),
}
OPERATED: dict[type[ast.operator], type[ast.operator]] = {
    ast.Add: ast.Sub,
    ast.Sub: ast.Add,
    ast.Mult: ast.FloorDiv,
    ast.Div: ast.Mult,
    ast.FloorDiv: ast.Mult,
    ast.Mod: ast.Mult,
}
# Functions that mean the same with their arguments in another order, so that to swap them is no mistake.
COMMUTATIVE = ("max", "min", "os.path.samestat", "contextlib.suppress")
# Flags that change nothing: the first is 0, the other one is set on whatever Python opens (PEP 446).
IDLE = ("os.O_RDONLY", "os.O_CLOEXEC")
# What a function returns instead, by the beginning of its annotation; None for any other.
EMPTY = {
    "str": '""',
    "bytes": 'b""',
    "int": "0",
    "float": "0.0",
    "list": "[]",
    "List": "[]",
    "Sequence": "()",
    "tuple": "()",
    "Tuple": "()",
    "dict": "{}",
    "Mapping": "{}",
    "set": "set()",
    "frozenset": "frozenset()",
}


class Mutant(NamedTuple):
    """One mistake: where it stands, what it is, and the text of the whole module with it."""

    line: int
    change: str  # function: what was there -> what is there instead; names it while the code around it stays the same
    text: str


def mutants(text: str) -> list[Mutant]:
    """All mutants of a module, in the order of its text; each differs from the module and from the others."""
    maker = _Maker(text)
    found = {mutant.text: mutant for mutant in maker.all()}
    return sorted(found.values(), key=lambda mutant: (mutant.line, mutant.change))


class _Maker:
    def __init__(self, text: str) -> None:
        self.data = text.encode()
        starts = [0]
        for line in self.data.splitlines(keepends=True):
            starts.append(starts[-1] + len(line))
        self.starts = starts
        self.tree = ast.parse(text)
        self.function = ""
        self.limit = False

    def all(self) -> Iterator[Mutant]:
        yield from self._below(self.tree, "")

    def _below(self, node: ast.AST, returns: str) -> Iterator[Mutant]:
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
            returns = ast.unparse(node.returns) if node.returns else ""
        outer = self.function
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
            self.function = f"{outer}.{node.name}".lstrip(".")
        if _is_limit(node):
            self.limit = True
        for child in _parts(node):
            yield from self._of(child, returns)
            yield from self._below(child, returns)
        self.function = outer
        if _is_limit(node):
            self.limit = False

    def _of(self, node: ast.AST, returns: str) -> Iterator[Mutant]:
        if isinstance(node, ast.Compare):
            for index, operator in enumerate(node.ops):
                for other in COMPARED[type(operator)]:
                    ops = [*node.ops[:index], other(), *node.ops[index + 1 :]]
                    yield from self._instead(node, ast.Compare(node.left, ops, node.comparators))
        elif isinstance(node, ast.BoolOp):
            other_op = ast.Or() if isinstance(node.op, ast.And) else ast.And()
            yield from self._instead(node, ast.BoolOp(other_op, node.values))
            for index in range(len(node.values)):
                remaining = [*node.values[:index], *node.values[index + 1 :]]
                rest = remaining[0] if len(remaining) == 1 else ast.BoolOp(node.op, remaining)
                yield from self._instead(node, rest, node.values[index])
        elif isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.Not):
            yield from self._instead(node, node.operand)
        elif isinstance(node, ast.BinOp):
            yield from self._operation(node)
        elif isinstance(node, ast.Constant):
            yield from self._constant(node)
        elif isinstance(node, ast.Call):
            yield from self._call(node)
        elif isinstance(node, (ast.List, ast.Tuple, ast.Set)) and isinstance(
            getattr(node, "ctx", ast.Load()), ast.Load
        ):
            for index in range(len(node.elts)):
                remaining = [*node.elts[:index], *node.elts[index + 1 :]]
                yield from self._instead(node, _like(node, remaining), node.elts[index])
        elif isinstance(node, ast.Dict) and len(node.keys) > 1:
            for index in range(len(node.keys)):
                keys = [*node.keys[:index], *node.keys[index + 1 :]]
                values = [*node.values[:index], *node.values[index + 1 :]]
                yield from self._instead(node, ast.Dict(keys, values), node.keys[index] or node.values[index])
        elif isinstance(node, (ast.If, ast.IfExp, ast.While)) and not isinstance(node.test, (ast.Compare, ast.UnaryOp)):
            yield from self._instead(node.test, ast.UnaryOp(ast.Not(), node.test))
        elif isinstance(node, ast.comprehension):
            for test in node.ifs:
                yield from self._instead(test, ast.Constant(True))
        elif isinstance(node, ast.Return) and node.value is not None:
            yield from self._returned(node.value, returns)
        elif isinstance(node, (ast.Raise, ast.AugAssign, ast.Delete)) or (
            isinstance(node, ast.Expr) and isinstance(node.value, (ast.Call, ast.Yield, ast.YieldFrom))
        ):
            yield from self._instead(node, ast.Pass())
        elif isinstance(node, ast.Continue):
            yield from self._instead(node, ast.Break())
        elif isinstance(node, ast.Break):
            yield from self._instead(node, ast.Continue())

    def _operation(self, node: ast.BinOp) -> Iterator[Mutant]:
        if isinstance(node.op, (ast.BitOr, ast.BitAnd)):  # a flag, or one side of a set, is lost
            for remaining, lost in ((node.left, node.right), (node.right, node.left)):
                if ast.unparse(lost) not in IDLE:
                    yield from self._instead(node, remaining, lost)
        elif type(node.op) in OPERATED:
            yield from self._instead(node, ast.BinOp(node.left, OPERATED[type(node.op)](), node.right))

    def _constant(self, node: ast.Constant) -> Iterator[Mutant]:
        value = node.value
        if isinstance(value, bool):
            yield from self._instead(node, ast.Constant(not value))
        elif isinstance(value, (int, float)):
            if not self.limit:
                yield from self._instead(node, ast.Constant(value + 1))
            if value:
                yield from self._instead(node, ast.Constant(0))
        elif isinstance(value, (str, bytes)):
            words = value.split()
            if len(words) == 1:
                yield from self._instead(node, ast.Constant(type(value)()))
            elif not words and not value:
                yield from self._instead(node, ast.Constant("mutant" if isinstance(value, str) else b"mutant"))
            yield from self._lines(node)

    def _lines(self, node: ast.Constant) -> Iterator[Mutant]:
        """A list of words in one long string loses a line: of one over several lines, or one of several strings."""
        begin, end = self._span(node)
        segment = self.data[begin:end].decode()
        if "\n" not in segment or not isinstance(node.value, str) or _prose(node.value):
            return
        if segment.startswith(('"""', "'''")):
            lines = segment.splitlines(keepends=True)
            for index in range(1, len(lines) - 1):
                remaining = "".join([*lines[:index], *lines[index + 1 :]])
                yield self._mutant(begin, end, remaining, node.lineno + index, lines[index], "")
            return
        tokens = [
            token
            for token in tokenize.generate_tokens(io.StringIO(f"({segment})").readline)
            if token.type == tokenize.STRING
        ]
        for dropped in tokens if len(tokens) > 1 else ():
            remaining = " ".join(token.string for token in tokens if token is not dropped)
            yield self._mutant(begin, end, remaining, node.lineno + dropped.start[0] - 1, dropped.string, "")

    def _call(self, node: ast.Call) -> Iterator[Mutant]:
        starred = any(isinstance(argument, ast.Starred) for argument in node.args[:2])
        if len(node.args) > 1 and not starred and ast.unparse(node.func) not in COMMUTATIVE:
            swapped = [node.args[1], node.args[0], *node.args[2:]]
            yield from self._instead(node, ast.Call(node.func, swapped, node.keywords))
        for index, keyword in enumerate(node.keywords):
            if keyword.arg is not None and not _is_prose(keyword.value):
                left = [*node.keywords[:index], *node.keywords[index + 1 :]]
                yield from self._instead(node, ast.Call(node.func, node.args, left), keyword)
        if isinstance(node.func, ast.Name) and node.func.id in ("any", "all"):
            other = ast.Name("all" if node.func.id == "any" else "any")
            yield from self._instead(node, ast.Call(other, node.args, node.keywords))

    def _returned(self, value: ast.expr, returns: str) -> Iterator[Mutant]:
        if returns == "bool":
            instead: ast.expr = ast.UnaryOp(ast.Not(), value)
        else:
            bare = "" if "None" in returns else returns.partition("[")[0]
            instead = ast.parse(EMPTY.get(bare, "None"), mode="eval").body
        yield from self._instead(value, instead)

    def _instead(self, node: ast.AST, other: ast.AST, dropped: ast.AST | None = None) -> Iterator[Mutant]:
        """The module with another piece of code in the place of one, if it means something else. Where the change is
        that a part of it is dropped, that part is named.
        """
        after = ast.unparse(ast.fix_missing_locations(other))
        if after == ast.unparse(node):
            return
        if isinstance(other, ast.expr):
            after = f"({after})"
        begin, end = self._span(node)
        line, shown = node.lineno, after  # type: ignore[attr-defined]
        before = self.data[begin:end].decode()
        if dropped is not None:
            line, shown = dropped.lineno, ""  # type: ignore[attr-defined]
            before = self.data[slice(*self._span(dropped))].decode()
        yield self._mutant(begin, end, after, line, before, shown)

    def _mutant(self, begin: int, end: int, instead: str, line: int, before: str, after: str) -> Mutant:
        text = (self.data[:begin] + instead.encode() + self.data[end:]).decode()
        change = " -> ".join(" ".join(part.split()) for part in (before, after or "(dropped)"))
        return Mutant(line, f"{self.function}: {change}" if self.function else change, text)

    def _span(self, node: ast.AST) -> tuple[int, int]:
        begin = self.starts[node.lineno - 1] + node.col_offset  # type: ignore[attr-defined]
        return begin, self.starts[node.end_lineno - 1] + node.end_col_offset  # type: ignore[attr-defined]


def _parts(node: ast.AST) -> Iterator[ast.AST]:
    """The parts of a node that run, or are data: no docstrings, annotations, imports, decorators, formatted strings,
    and nothing of how a class is made (`total=False`).
    """
    for field, value in ast.iter_fields(node):
        if field in ("annotation", "returns", "decorator_list", "bases"):
            continue
        if field == "keywords" and isinstance(node, ast.ClassDef):
            continue
        for child in value if isinstance(value, list) else [value]:
            if not isinstance(child, ast.AST) or isinstance(child, (ast.Import, ast.ImportFrom, ast.JoinedStr)):
                continue
            if isinstance(child, ast.Expr) and isinstance(child.value, ast.Constant):
                continue
            if isinstance(child, ast.If) and isinstance(child.test, ast.Name) and child.test.id == "TYPE_CHECKING":
                continue
            if isinstance(child, ast.Assign) and (ast.unparse(child.targets[0]) == "__all__" or _alias(child.value)):
                continue
            yield child


def _is_limit(node: ast.AST) -> bool:
    """Whether it gives a number a name in capitals. Which number that is, is a decision: a test could only repeat it.
    What the code does at the limit is tested with the name, and a limit that is lost (0) is a mistake.
    """
    targets = node.targets if isinstance(node, ast.Assign) else [node.target] if isinstance(node, ast.AnnAssign) else []
    value = getattr(node, "value", None)
    return (
        bool(targets)
        and all(isinstance(target, ast.Name) and target.id.isupper() for target in targets)
        and value is not None
        and all(
            isinstance(part, (ast.BinOp, ast.UnaryOp, ast.operator, ast.unaryop, ast.Constant))
            for part in ast.walk(value)
        )
    )


def _alias(value: ast.expr) -> bool:
    """Whether it is a type such as `Mapping[str, Any]` under a name of its own."""
    of = value.value if isinstance(value, ast.Subscript) else None
    return isinstance(of, ast.Name) and (of.id.istitle() or of.id in ("dict", "frozenset", "list", "set", "tuple"))


def _like(node: ast.List | ast.Tuple | ast.Set, elements: list[ast.expr]) -> ast.expr:
    if isinstance(node, ast.Set):
        return ast.Set(elements) if elements else ast.parse("set()", mode="eval").body
    return type(node)(elts=elements, ctx=ast.Load())


def _is_prose(value: ast.expr) -> bool:
    """Whether it is a text for people: one with a space, formatted or not."""
    if isinstance(value, ast.JoinedStr):
        return any(isinstance(part, ast.Constant) and " " in str(part.value) for part in value.values)
    return isinstance(value, ast.Constant) and isinstance(value.value, str) and " " in value.value.strip()


def _prose(value: str) -> bool:
    """Whether a string is a sentence and no list: it has a comma, or words of a letter or two that lists have not."""
    words = value.split()
    return bool({"a", "the", "is", "of", "to", "and", "in", "for", "no"}.intersection(words)) or ", " in value
