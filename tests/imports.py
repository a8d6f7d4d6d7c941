"""Which Python files of the checkout import which: what selects the tests of a change, and those of a mutant.

    from imports import distances, graph, reaches
    files = graph(PROJECT)
    distances(files, ["module_utils/proscribe/model/finding.py"])  # every file that reaches it, and by how many steps

    circles(PROJECT)  # the files that import each other
    floors(PROJECT)  # how many floors each room has

Nothing is run. An import inside a function counts, one that only a type checker sees does not. A parent package counts
only where a name of its `__init__` is taken: else everything would reach everything. A test also reaches what it names
in another way: a path of the checkout or a module in a string, Python code in a string, plugins that it finds with
`glob`, and what the fixtures import that it takes from a conftest.py.
"""

from __future__ import annotations

import ast
import gc
import os
import re
from collections import deque
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

LEFT_OUT = frozenset({"__pycache__", "reports", "node_modules"})
UTILS = "module_utils"
# Ansible gives the files in module_utils these names, too.
ANSIBLE = ("ansible.module_utils.", "ansible_collections.proscribe.proscribe.plugins.module_utils.")
PLUGINS = ("library", "action_plugins", "callback_plugins", "filter_plugins", "doc_fragments", "test_plugins")
SCRIPTS = ("tests/run",)  # Python without the suffix
RUNNER = "tests/suite/"  # the paths that it names are tests to run
OWN = "tests/imports.py"
# Texts that `tests/tool python tests/derived` writes from programs: who runs the text runs the program.
DERIVED = {
    f"{UTILS}/proscribe/wire/audit_text.py": ("wire/loader.py", "wire/stored_audit.py"),
    f"{UTILS}/proscribe/wire/bootstrap.py": ("wire/loader.py",),
    f"{UTILS}/proscribe/host/loader_text.py": ("wire/loader.py",),
    f"{UTILS}/proscribe/host/programs/__init__.py": ("host/programs/*",),
    f"{UTILS}/proscribe/host/watch/program_text.py": ("wire/loader.py", "base/hashing.py", "wire/stored_watch.py"),
}
DYNAMIC = ("import_module", "__import__", "run_module")
_BLOCKS = ("body", "orelse", "finalbody", "handlers", "cases")
_DOTTED = re.compile(r"proscribe[a-z_]*(\.\w+)*")
_CODE = re.compile(r"^\s*(from proscribe[\w.]* import |import proscribe)", re.MULTILINE)
_UNKNOWN = "\0"  # what a formatted string fills in


def graph(project: Path) -> Mapping[str, frozenset[str]]:
    """The Python files of the checkout, each with the files that it imports directly; all are paths below `project`.
    What a test names in a string may be any file of the checkout, and only Python files are keys.
    """
    checkout = _Checkout(project)
    collecting = gc.isenabled()
    gc.disable()  # half of the time otherwise
    try:
        found = {path: checkout.imports(path) for path in checkout.python}
    finally:
        if collecting:
            gc.enable()
    for path in found:
        if path.startswith("tests/"):
            found[path] |= checkout.from_fixtures(path)
    return {path: frozenset(names - {path}) for path, names in found.items()}


def distances(files: Mapping[str, Collection[str]], changed: Collection[str]) -> dict[str, int]:
    """How many steps each file needs to reach one of the changed ones, which need none; a file that reaches none is
    left out.
    """
    importers: dict[str, list[str]] = {}
    for path, names in files.items():
        for name in names:
            importers.setdefault(name, []).append(path)
    found = dict.fromkeys(changed, 0)
    waiting = deque(found)
    while waiting:
        name = waiting.popleft()
        for path in importers.get(name, ()):
            if path not in found:
                found[path] = found[name] + 1
                waiting.append(path)
    return found


def circles(project: Path) -> list[list[str]]:
    """The files that import each other in a circle, those of tests left out. Every statement counts: one inside a
    function, one that only a type checker sees, those of plugins and of modules beside the package. The contracts in
    pyproject.toml check whole packages; this checks files.
    """
    files = _statements(project)
    reached = {path: reaches(files, path) for path in files}
    found = {tuple(sorted(one for one in reached[path] if path in reached[one])) for path in files}
    return [list(circle) for circle in sorted(found) if len(circle) > 1]


def floors(project: Path) -> dict[str, int]:
    """How many floors each room of the package has, by its path: the steps of the longest chain of imports between its
    modules and rooms. Raises ValueError for rooms that import each other in a circle. What a room's `__init__` imports
    of the room itself does not count.
    """
    files = {path: names for path, names in _statements(project).items() if path.startswith(f"{UTILS}/proscribe/")}
    rooms = {os.path.dirname(path) for path in files}
    return {room: _floors(room, files) for room in sorted(rooms)}


def _floors(room: str, files: Mapping[str, Collection[str]]) -> int:
    def part(path: str) -> str:
        inside = path.startswith(f"{room}/")
        name = path[len(room) + 1 :].partition("/")[0] if inside else ""
        return "" if name == "__init__.py" else name.removesuffix(".py")

    below: dict[str, set[str]] = {}
    for path, names in files.items():
        if one := part(path):
            below.setdefault(one, set()).update(filter(None, map(part, names)))
    found: dict[str, int] = {}

    def height(one: str, above: tuple[str, ...]) -> int:
        if one in above:
            raise ValueError(f"{room}: {' -> '.join((*above, one))}")
        if one not in found:
            found[one] = 1 + max((height(name, (*above, one)) for name in below.get(one, ()) if name != one), default=0)
        return found[one]

    return max((height(one, ()) for one in below), default=0)


def _statements(project: Path) -> dict[str, frozenset[str]]:
    """The files that each file imports by a statement, those of tests left out."""
    checkout = _Checkout(project)
    return {
        path: frozenset(
            file
            for one in _Reader(checkout, path, statements_only=True).statements(checkout.parsed(path))
            for file in one.files
        )
        for path in checkout.python
        if not path.startswith("tests/")
    }


def reaches(files: Mapping[str, Collection[str]], start: str) -> frozenset[str]:
    """What a file imports, what that imports, and so on; the file itself is one of them."""
    found = {start}
    waiting = [start]
    while waiting:
        new = set(files.get(waiting.pop(), ())) - found
        found |= new
        waiting += new
    return frozenset(found)


class _Import(NamedTuple):
    """A name that a file gets from other files: `local` is how it calls it, "" where it does not."""

    local: str
    files: frozenset[str]


class _Conftest(NamedTuple):
    """What each fixture of a conftest.py takes from other files, and which fixtures it takes itself."""

    fixtures: Mapping[str, frozenset[str]]
    arguments: Mapping[str, frozenset[str]]


class _Checkout:
    def __init__(self, project: Path) -> None:
        self.project = project
        self.files = frozenset(_files(project))
        self.directories = frozenset(os.path.dirname(path) for path in self.files)
        self.python = sorted(path for path in self.files if path.endswith(".py") or path in SCRIPTS)
        self.defined: dict[str, frozenset[str]] = {}
        self.conftests: dict[str, _Conftest] = {}
        self.argument_names: dict[str, frozenset[str]] = {}
        below_tests: dict[str, list[str]] = {}
        for path in self.python:
            if path.startswith("tests/"):
                below_tests.setdefault(os.path.basename(path), []).append(path)
        # pytest makes what is beside any test importable for all of them, where the name is not taken twice.
        self.helpers = {name: paths[0] for name, paths in below_tests.items() if len(paths) == 1}

    def parsed(self, path: str) -> ast.Module:
        return ast.parse((self.project / path).read_bytes())

    def imports(self, path: str) -> set[str]:
        """What a file imports, fixtures left out."""
        text = (self.project / path).read_text(encoding="utf-8")
        tree = ast.parse(text)
        if path.endswith("/__init__.py"):
            self.defined[path] = _defined(tree)
        reader = _Reader(self, path)
        found = list(reader.statements(tree))
        if any(name in text for name in DYNAMIC):
            found += reader.dynamic(tree, {one.local: one.files for one in found if one.local})
        if os.path.basename(path) == "conftest.py":
            return self._conftest(path, tree, found)
        names = {file for one in found for file in one.files}
        if path.startswith(f"{UTILS}/"):
            names |= reader.programs(tree) | self.sources(path)
        if path.startswith("tests/") and path not in SCRIPTS and path != OWN and not path.startswith(RUNNER):
            names |= reader.named(tree)
            self.argument_names[path] = reader.arguments
        return names

    def sources(self, path: str) -> set[str]:
        """The files that a derived file is written from."""
        found: set[str] = set()
        for name in DERIVED.get(path, ()):
            place = f"{UTILS}/proscribe/{name}"
            if name.endswith("/*"):
                found.update(one for one in self.files if os.path.dirname(one) == os.path.dirname(place))
            else:
                found.add(place)
        return found & self.files

    def _conftest(self, path: str, tree: ast.Module, imports: Collection[_Import]) -> set[str]:
        """Splits what a conftest.py imports: what a fixture needs counts for the tests that take the fixture."""
        of_name = {one.local: one.files for one in imports if one.local}
        fixtures: dict[str, frozenset[str]] = {}
        arguments: dict[str, frozenset[str]] = {}
        used: set[str] = set()
        for node in tree.body:
            names = {one.id for one in _nodes_below(node) if isinstance(one, ast.Name)}
            decorators = [ast.unparse(one) for one in getattr(node, "decorator_list", [])]
            if isinstance(node, ast.FunctionDef) and any("fixture" in one for one in decorators):
                files = {file for name in names for file in of_name.get(name, ())}
                files |= {file for one in _Reader(self, path).statements(node) for file in one.files}
                if not any("autouse" in one for one in decorators):
                    fixtures[node.name] = frozenset(files)
                    arguments[node.name] = frozenset(one.arg for one in node.args.args)
                    continue
            used |= names
        for one in imports:  # a fixture that is imported is there for the tests
            if one.local and one.local not in used:
                fixtures.setdefault(one.local, one.files)
        self.conftests[path] = _Conftest(fixtures, arguments)
        return {file for name in used for file in of_name.get(name, ())}

    def from_fixtures(self, path: str) -> set[str]:
        """What a test reaches through the files conftest.py above it."""
        found: set[str] = set()
        above = [one for one in self.conftests if path.startswith(os.path.dirname(one) + "/") and path != one]
        if os.path.basename(path).startswith("test_"):
            found.update(above)
        waiting = [*self.argument_names.get(path, ())]
        done: set[str] = set()
        while waiting:
            name = waiting.pop()
            if name not in done:
                done.add(name)
                for one in above:
                    found |= self.conftests[one].fixtures.get(name, frozenset())
                    waiting += self.conftests[one].arguments.get(name, ())
        return found

    def module(self, name: str, importer: str) -> str | None:
        """The file of a module, as `importer` would find it."""
        for prefix in ANSIBLE:
            name = name.removeprefix(prefix)
        below = name.replace(".", "/")
        for root in self._roots(importer):
            for path in (f"{root}/{below}.py", f"{root}/{below}/__init__.py"):
                if path in self.files:
                    return path
        if importer.startswith("tests/") and "." not in name:
            return self.helpers.get(f"{name}.py")
        return None

    def package(self, name: str, importer: str) -> str | None:
        """The directory of a package."""
        for prefix in ANSIBLE:
            name = name.removeprefix(prefix)
        below = name.replace(".", "/")
        return next(
            (f"{root}/{below}" for root in self._roots(importer) if f"{root}/{below}" in self.directories), None
        )

    def _roots(self, importer: str) -> Iterator[str]:
        """Where the importer looks for modules: `sys.path` as far as it is ours."""
        if importer.startswith("tests/"):
            place = os.path.dirname(importer)
            while place:
                yield place
                place = os.path.dirname(place)
        yield UTILS

    def names_of(self, package: str) -> frozenset[str]:
        """What a module defines, imports included."""
        if package not in self.defined:
            self.defined[package] = _defined(self.parsed(package))
        return self.defined[package]


class _Reader:
    """Reads what one file imports. With `statements_only`, what is for type checkers counts, and a module of a package
    is not what the package calls by its name.
    """

    def __init__(self, checkout: _Checkout, path: str, statements_only: bool = False) -> None:
        self.checkout = checkout
        self.path = path
        self.statements_only = statements_only
        self.arguments: frozenset[str] = frozenset()

    def statements(self, tree: ast.AST) -> Iterator[_Import]:
        """The imports below a node."""
        waiting = [tree]
        while waiting:
            node = waiting.pop()
            if isinstance(node, ast.Import):
                for alias in node.names:
                    file = self.checkout.module(alias.name, self.path)
                    if file:
                        yield _Import(alias.asname or alias.name.partition(".")[0], frozenset({file}))
            elif isinstance(node, ast.ImportFrom):
                yield from self._taken(node)
            elif isinstance(node, ast.If) and _for_types(node.test) and not self.statements_only:
                waiting += node.orelse
            else:
                for block in _BLOCKS:
                    waiting += getattr(node, block, ())

    def _taken(self, node: ast.ImportFrom) -> Iterator[_Import]:
        """`from a.b import c`: c may be a module in the package a.b, or a name of the module a.b."""
        module = self._absolute(node.module or "", node.level)
        file = self.checkout.module(module, self.path)
        for alias in node.names:
            local = alias.asname or alias.name
            below = self.checkout.module(f"{module}.{alias.name}" if module else alias.name, self.path)
            if below:
                both = file is not None and not self.statements_only and alias.name in self.checkout.names_of(file)
                yield _Import(local, frozenset({below, file} if file and both else {below}))
            elif file:
                yield _Import(local, frozenset({file}))

    def _absolute(self, module: str, level: int) -> str:
        """The whole name of what a relative import names."""
        if not level:
            return module
        place = os.path.dirname(self.path)
        for _ in range(level - 1):
            place = os.path.dirname(place)
        root = UTILS if place.startswith(f"{UTILS}/") or place == UTILS else "tests"
        package = place.removeprefix(root).strip("/").replace("/", ".")
        return ".".join(part for part in (package, module) if part)

    def dynamic(self, tree: ast.AST, locals_: Mapping[str, frozenset[str]]) -> Iterator[_Import]:
        """What `import_module` and its like may import: a module, or all modules of a package."""
        for node in _nodes_below(tree):
            if not isinstance(node, ast.Call) or not node.args:
                continue
            called = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
            if called not in DYNAMIC:
                continue
            name = self._text(node.args[0], locals_)
            if name.startswith("."):
                anchor = self._text(node.args[1], locals_) if len(node.args) > 1 else ""
                name = anchor + name
            package, _, rest = name.rpartition(".")
            file = self.checkout.module(name, self.path)
            if file:
                yield _Import("", frozenset({file}))
            elif rest == _UNKNOWN and (place := self.checkout.package(package, self.path)):
                inside = {
                    path
                    for path in self.checkout.python
                    if os.path.dirname(path) == place or (path == f"{place}/{path.split('/')[-2]}/__init__.py")
                }
                yield _Import("", frozenset(inside - {f"{place}/__init__.py"}))

    def _text(self, node: ast.AST, locals_: Mapping[str, frozenset[str]]) -> str:
        """A string as far as it is known."""
        if isinstance(node, ast.Constant):
            return str(node.value)
        if isinstance(node, ast.JoinedStr):
            return "".join(self._text(part, locals_) for part in node.values)
        if isinstance(node, ast.FormattedValue):
            return self._text(node.value, locals_)
        own = self.path.removeprefix(f"{UTILS}/").removesuffix(".py").replace("/", ".")
        if isinstance(node, ast.Name) and node.id in ("__name__", "__package__"):
            if own.endswith(".__init__"):
                return own.removesuffix(".__init__")
            return own if node.id == "__name__" else own.rpartition(".")[0]
        if isinstance(node, ast.Attribute) and node.attr == "__name__" and isinstance(node.value, ast.Name):
            for file in locals_.get(node.value.id, ()):
                return file.removeprefix(f"{UTILS}/").removesuffix(".py").removesuffix("/__init__").replace("/", ".")
        return _UNKNOWN

    def programs(self, tree: ast.Module) -> set[str]:
        """What the programs import that a module has as strings."""
        strings = [one.value for one in tree.body if isinstance(one, (ast.Assign, ast.AnnAssign))]
        return {
            file
            for one in strings
            if isinstance(one, ast.Constant) and isinstance(one.value, str) and "\n" in one.value
            for file in self._string(one.value)
        }

    def named(self, tree: ast.AST) -> set[str]:
        """The files that a test names in strings; notes the arguments of its functions, which may be fixtures."""
        found: set[str] = set()
        arguments: set[str] = set()
        for node in _nodes_below(tree):
            if isinstance(node, ast.Constant):
                if isinstance(node.value, str):
                    found |= self._string(node.value)
            elif isinstance(node, ast.arg):
                arguments.add(node.arg)
            elif isinstance(node, ast.BinOp):
                if isinstance(node.op, ast.Div):
                    found |= self._path("/".join(_joined(node)))
            elif isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
                if node.func.attr == "glob" and node.args and isinstance(node.args[0], ast.Constant):
                    found |= self._plugins(f"{'/'.join(_joined(node.func.value))}/{_value(node.args[0])}")
                elif node.func.attr in ("usefixtures", "getfixturevalue"):
                    arguments.update(map(_value, node.args))
        self.arguments = frozenset(arguments)
        return found

    def _string(self, text: str) -> set[str]:
        if "\n" in text or " " in text:
            if not _CODE.search(text):
                return set()
            try:
                return {file for one in self.statements(ast.parse(text)) for file in one.files}
            except (SyntaxError, ValueError):
                return set()
        if _DOTTED.fullmatch(text) and "." in text:  # of a module, or of a name in it
            while "." in text:
                if file := self.checkout.module(text, self.path):
                    return {file}
                text = text.rpartition(".")[0]
            return set()
        return self._path(text)

    def _path(self, text: str) -> set[str]:
        """The file of a path below the checkout, or beside the test."""
        if _UNKNOWN in text:
            return self._plugins(text.replace(_UNKNOWN, "*"))
        text = text.removeprefix("./")
        if not text or not ("/" in text or "." in text):
            return set()
        beside = os.path.normpath(f"{os.path.dirname(self.path)}/{text}") if text.endswith(".py") else ""
        return {path for path in (text, beside) if path in self.checkout.files}

    def _plugins(self, pattern: str) -> set[str]:
        place, _, name = pattern.rpartition("/")
        if place not in PLUGINS:
            return set()
        expression = re.compile(re.escape(name).replace(r"\*", ".*"))
        return {
            path
            for path in self.checkout.python
            if os.path.dirname(path) == place and expression.fullmatch(os.path.basename(path))
        }


def _nodes_below(tree: ast.AST) -> Iterator[ast.AST]:
    """All nodes of a syntax tree, as the function of `ast` gives them, but in another order and in half of the time."""
    waiting = [tree]
    while waiting:
        node = waiting.pop()
        yield node
        for value in vars(node).values():
            if isinstance(value, ast.AST):
                waiting.append(value)
            elif isinstance(value, list):
                waiting += [one for one in value if isinstance(one, ast.AST)]


def _for_types(test: ast.expr) -> bool:
    """Whether it is `TYPE_CHECKING` or `typing.TYPE_CHECKING`."""
    return "TYPE_CHECKING" in (getattr(test, "id", ""), getattr(test, "attr", ""))


def _value(node: ast.expr) -> str:
    """A string of the code, "" for anything else."""
    return node.value if isinstance(node, ast.Constant) and isinstance(node.value, str) else ""


def _joined(node: ast.AST) -> list[str]:
    """The strings at the end of `place / "tests" / "run"`."""
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Div):
        if isinstance(node.right, ast.Constant):
            return [*_joined(node.left), _value(node.right)]
        if isinstance(node.right, ast.JoinedStr):
            parts = [_UNKNOWN if isinstance(one, ast.FormattedValue) else _value(one) for one in node.right.values]
            return [*_joined(node.left), "".join(parts)]
        return []
    return []


def _defined(tree: ast.Module) -> frozenset[str]:
    """The names that a package's `__init__` has of its own or takes from elsewhere."""
    found: set[str] = set()
    for node in tree.body:
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
            found.add(node.name)
        elif isinstance(node, (ast.Assign, ast.AnnAssign)):
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            found.update(one.id for target in targets for one in _nodes_below(target) if isinstance(one, ast.Name))
        elif isinstance(node, ast.ImportFrom):
            found.update(alias.asname or alias.name for alias in node.names)
    return frozenset(found)


def _files(project: Path) -> Iterator[str]:
    """The files of the checkout, as paths below it."""
    for place, directories, names in os.walk(project):
        directories[:] = [name for name in directories if not name.startswith(".") and name not in LEFT_OUT]
        below = os.path.relpath(place, project)
        for name in names:
            yield name if below == "." else f"{below}/{name}"
