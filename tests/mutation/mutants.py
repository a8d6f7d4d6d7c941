"""The mutants of a module: small mistakes that somebody could make in it, each as the whole text of the module.

A mutant changes one place of the text. Sentences stay as they are: no test should depend on how a message is worded.
"""

import ast
import io
import itertools
import tokenize
from typing import NamedTuple

COMPARED = {
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
OPERATED = {ast.Add: ast.Sub, ast.Sub: ast.Add, ast.Mult: ast.FloorDiv}
OPERATED |= dict.fromkeys((ast.Div, ast.FloorDiv, ast.Mod), ast.Mult)
# Functions whose arguments may be swapped, and flags that change nothing: the first is 0, Python itself sets the other.
COMMUTATIVE = ("max", "min", "os.path.samestat", "contextlib.suppress")
IDLE = ("os.O_RDONLY", "os.O_CLOEXEC")
# The tests of blocks that no import runs, and makers of types that only a type checker reads.
NOT_IMPORTED = ("TYPE_CHECKING", "MYPY", "__name__ == '__main__'")
TYPE_MAKERS = ("NewType", "TypeVar", "TypedDict")
# Arguments of dataclasses that only a debugger shows, or that keep a class from being compared.
UNSEEN = ("repr=False", "eq=False")
# The value that a function returns instead, by the beginning of its annotation; None for any other.
EMPTY = {
    "str": '""',
    "bytes": 'b""',
    "int": "0",
    "float": "0.0",
    "set": "set()",
    "frozenset": "frozenset()",
    **dict.fromkeys(("list", "List"), "[]"),
    **dict.fromkeys(("Sequence", "tuple", "Tuple"), "()"),
    **dict.fromkeys(("dict", "Mapping"), "{}"),
}
FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef)


class Mutant(NamedTuple):
    """A mistake: its line, the change, and the text of the whole module with it."""

    line: int
    change: str  # function: before -> after; it stays the same while the code around it moves
    text: str


def make_mutants(text):
    """Make all mutants of a module, in the order of its text. Each differs from the module and from the others."""
    mutants = {mutant.text: mutant for mutant in _Maker(text).list_mutants(ast.parse(text), "")}
    return sorted(mutants.values(), key=lambda mutant: (mutant.line, mutant.change))


class _Maker:
    def __init__(self, text):
        self.data = text.encode()
        self.starts = [0, *itertools.accumulate(map(len, self.data.splitlines(keepends=True)))]
        self.function = ""
        self.in_limit = False

    def list_mutants(self, node, returns):
        """Yield the mutants below a node. `returns` is the annotation of the function around it."""
        outside = self.function, self.in_limit
        if isinstance(node, FUNCTIONS):
            returns = ast.unparse(node.returns) if node.returns else ""
        if isinstance(node, (*FUNCTIONS, ast.ClassDef)):
            self.function = f"{self.function}.{node.name}".lstrip(".")
        self.in_limit |= _is_limit(node)
        for child in _list_parts(node):
            yield from self._mutate(child, returns)
            yield from self.list_mutants(child, returns)
        self.function, self.in_limit = outside

    def _mutate(self, node, returns):
        if isinstance(node, ast.Compare):
            for index, operator in enumerate(node.ops):
                for other in COMPARED[type(operator)]:
                    ops = [*node.ops[:index], other(), *node.ops[index + 1 :]]
                    yield from self._replace(node, ast.Compare(node.left, ops, node.comparators))
        elif isinstance(node, ast.BoolOp):
            swapped = ast.Or() if isinstance(node.op, ast.And) else ast.And()
            yield from self._replace(node, ast.BoolOp(swapped, node.values))
            for value, rest in _drop_each(node.values):
                yield from self._replace(node, rest[0] if len(rest) == 1 else ast.BoolOp(node.op, rest), value)
        elif isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.Not):
            yield from self._replace(node, node.operand)
        elif isinstance(node, ast.BinOp) and isinstance(node.op, (ast.BitOr, ast.BitAnd)):
            for side, lost in ((node.left, node.right), (node.right, node.left)):  # a flag, or one side of a set
                if ast.unparse(lost) not in IDLE:
                    yield from self._replace(node, side, lost)
        elif isinstance(node, ast.BinOp) and type(node.op) in OPERATED:
            yield from self._replace(node, ast.BinOp(node.left, OPERATED[type(node.op)](), node.right))
        elif isinstance(node, ast.Constant):
            yield from self._mutate_constant(node)
        elif isinstance(node, ast.Call):
            yield from self._mutate_call(node)
        elif isinstance(node, (ast.List, ast.Tuple)) and isinstance(node.ctx, ast.Load):
            for element, rest in _drop_each(node.elts):
                yield from self._replace(node, type(node)(elts=rest, ctx=ast.Load()), element)
        elif isinstance(node, ast.Set):
            for element, rest in _drop_each(node.elts):
                yield from self._replace(node, ast.Set(rest) if rest else _parse("set()"), element)
        elif isinstance(node, ast.Dict) and len(node.keys) > 1:
            for (key, value), pairs in _drop_each(list(zip(node.keys, node.values, strict=True))):
                yield from self._replace(node, ast.Dict(*map(list, zip(*pairs, strict=True))), key or value)
        elif isinstance(node, (ast.If, ast.IfExp, ast.While)) and not isinstance(node.test, (ast.Compare, ast.UnaryOp)):
            yield from self._replace(node.test, ast.UnaryOp(ast.Not(), node.test))
        elif isinstance(node, ast.comprehension):
            for test in node.ifs:
                yield from self._replace(test, ast.Constant(True))
        elif isinstance(node, ast.Return) and node.value is not None:
            kind = "" if "None" in returns else returns.partition("[")[0]
            empty = ast.UnaryOp(ast.Not(), node.value) if kind == "bool" else _parse(EMPTY.get(kind, "None"))
            yield from self._replace(node.value, empty)
        elif isinstance(node, (ast.Raise, ast.AugAssign, ast.Delete)) or (
            isinstance(node, ast.Expr) and isinstance(node.value, (ast.Call, ast.Yield, ast.YieldFrom))
        ):
            yield from self._replace(node, ast.Pass())
        elif isinstance(node, (ast.Continue, ast.Break)):
            yield from self._replace(node, ast.Break() if isinstance(node, ast.Continue) else ast.Continue())

    def _mutate_constant(self, node):
        value = node.value
        if isinstance(value, bool):
            yield from self._replace(node, ast.Constant(not value))
        elif isinstance(value, (int, float)):
            if not self.in_limit:
                yield from self._replace(node, ast.Constant(value + 1))
            if value:
                yield from self._replace(node, ast.Constant(0))
        elif isinstance(value, (str, bytes)):
            if len(value.split()) == 1:
                yield from self._replace(node, ast.Constant(type(value)()))
            elif not value:
                yield from self._replace(node, ast.Constant("mutant" if isinstance(value, str) else b"mutant"))
            if isinstance(value, str) and not _is_sentence(value):
                yield from self._drop_lines(node)

    def _drop_lines(self, node):
        """Drop a line of a list of words: of one string over several lines, or of several strings."""
        begin, end = self._find_span(node)
        segment = self.data[begin:end].decode()
        if segment.startswith(('"""', "'''")):
            lines = segment.splitlines(keepends=True)
            for index in range(1, len(lines) - 1):
                rest = "".join([*lines[:index], *lines[index + 1 :]])
                yield self._make(begin, end, rest, node.lineno + index, lines[index], "")
        elif "\n" in segment:
            tokens = tokenize.generate_tokens(io.StringIO(f"({segment})").readline)
            strings = [token for token in tokens if token.type == tokenize.STRING]
            for dropped, rest in _drop_each(strings) if len(strings) > 1 else ():
                line = node.lineno + dropped.start[0] - 1
                yield self._make(begin, end, " ".join(token.string for token in rest), line, dropped.string, "")

    def _mutate_call(self, node):
        starred = any(isinstance(argument, ast.Starred) for argument in node.args[:2])
        if len(node.args) > 1 and not starred and ast.unparse(node.func) not in COMMUTATIVE:
            swapped = [node.args[1], node.args[0], *node.args[2:]]
            yield from self._replace(node, ast.Call(node.func, swapped, node.keywords))
        for keyword, rest in _drop_each(node.keywords):
            if keyword.arg is not None and not _is_text(keyword.value) and ast.unparse(keyword) not in UNSEEN:
                yield from self._replace(node, ast.Call(node.func, node.args, rest), keyword)
        if isinstance(node.func, ast.Name) and node.func.id in ("any", "all"):
            other = ast.Name("all" if node.func.id == "any" else "any")
            yield from self._replace(node, ast.Call(other, node.args, node.keywords))

    def _replace(self, node, other, dropped=None):
        """Put other code in the place of a node, if it differs. The change names the part that is dropped, if any."""
        after = ast.unparse(ast.fix_missing_locations(other))
        if after == ast.unparse(node):
            return
        if isinstance(other, ast.expr):
            after = f"({after})"
        named = dropped or node
        before = self.data[slice(*self._find_span(named))].decode()
        shown = "" if dropped else after
        yield self._make(*self._find_span(node), after, named.lineno, before, shown)

    def _make(self, begin, end, code, line, before, after):
        text = (self.data[:begin] + code.encode() + self.data[end:]).decode()
        change = " -> ".join(" ".join(part.split()) for part in (before, after or "(dropped)"))
        return Mutant(line, f"{self.function}: {change}" if self.function else change, text)

    def _find_span(self, node):
        begin = self.starts[node.lineno - 1] + node.col_offset
        return begin, self.starts[node.end_lineno - 1] + node.end_col_offset


def _parse(code):
    return ast.parse(code, mode="eval").body


def _drop_each(parts):
    """Yield each part with the list of the others."""
    for index, part in enumerate(parts):
        yield part, [*parts[:index], *parts[index + 1 :]]


def _list_parts(node):
    """Yield the parts of a node that run or are data. Annotations, docstrings, imports and formatted strings do not."""
    left_out = ("annotation", "returns", "decorator_list", "bases", "keywords" * isinstance(node, ast.ClassDef))
    for field, value in ast.iter_fields(node):
        for child in value if isinstance(value, list) and field not in left_out else [value]:
            is_idle = (
                not isinstance(child, ast.AST)
                or field in left_out
                or isinstance(child, (ast.Import, ast.ImportFrom, ast.JoinedStr))
                or (isinstance(child, ast.Expr) and isinstance(child.value, ast.Constant))
                or (isinstance(child, ast.If) and ast.unparse(child.test) in NOT_IMPORTED)
                or (isinstance(child, ast.Assign) and ast.unparse(child.targets[0]) == "__all__")
                or (isinstance(child, ast.Assign) and _is_type(child.value))
                or (isinstance(child, ast.keyword) and ast.unparse(child) in UNSEEN)
            )
            if not is_idle:
                yield child


def _is_type(value):
    """Return True for a type that gets a name: `Mapping[str, Any]`, or `TypeVar("Item")`."""
    if isinstance(value, ast.Call):
        return ast.unparse(value.func).rpartition(".")[2] in TYPE_MAKERS
    name = value.value.id if isinstance(value, ast.Subscript) and isinstance(value.value, ast.Name) else ""
    return name.istitle() or name in EMPTY


def _is_limit(node):
    """Return True for a number that gets a name in capitals. A test could only repeat it; losing it is a mistake."""
    targets = node.targets if isinstance(node, ast.Assign) else [node.target] if isinstance(node, ast.AnnAssign) else []
    if not targets or not all(isinstance(target, ast.Name) and target.id.isupper() for target in targets):
        return False
    arithmetic = (ast.BinOp, ast.UnaryOp, ast.operator, ast.unaryop, ast.Constant)
    value = getattr(node, "value", None)
    return value is not None and all(isinstance(part, arithmetic) for part in ast.walk(value))


def _is_text(value):
    """Return True for a text for people: one with a space, formatted or not."""
    if isinstance(value, ast.JoinedStr):
        return any(isinstance(part, ast.Constant) and " " in str(part.value) for part in value.values)
    return isinstance(value, ast.Constant) and isinstance(value.value, str) and " " in value.value.strip()


def _is_sentence(value):
    """Return True for a sentence, and False for a list: it has a comma, or short words that lists do not have."""
    return bool({"a", "the", "is", "of", "to", "and", "in", "for", "no"}.intersection(value.split())) or ", " in value
