"""The imports between the Python files of the checkout. They select the tests of a change, and those of a mutant.

    files = graph(PROJECT)
    distances(files, ["module_utils/proscribe/model/finding.py"])  # {file that reaches it: steps}

No code is run. An import inside a function counts, one for type checkers alone does not. A parent package counts only
if a name of its `__init__` is taken: else every file would reach every other. A test also reaches what it names in
another way: a path of the checkout or a module in a string, Python code in a string, plugins that it finds with
`glob`, and the imports of the fixtures that it takes from a conftest.py.
"""

import ast
import gc
import os
import re
from collections import deque

LEFT_OUT = frozenset({"__pycache__", "reports", "node_modules"})
UTILS = "module_utils"
# Ansible gives the files in module_utils these names, too.
ANSIBLE = ("ansible.module_utils.", "ansible_collections.proscribe.proscribe.plugins.module_utils.")
PLUGINS = ("library", "action_plugins", "callback_plugins", "filter_plugins", "doc_fragments", "test_plugins")
SCRIPTS = ("tests/run",)  # Python without the suffix
# The paths that these name are tests to run, and not what they reach.
NAMING_TESTS = (*SCRIPTS, "tests/suite/", "tests/imports.py")
# Texts that `tests/tool python tests/derived` writes from programs: who runs the text runs the program.
DERIVED = {
    f"{UTILS}/proscribe/wire/audit_text.py": ("wire/loader.py", "wire/audit_installer.py"),
    f"{UTILS}/proscribe/wire/bootstrap.py": ("wire/loader.py",),
    f"{UTILS}/proscribe/host/loader_text.py": ("wire/loader.py",),
    f"{UTILS}/proscribe/host/programs/__init__.py": ("host/programs/*",),
    f"{UTILS}/proscribe/host/watch/program_text.py": ("wire/loader.py", "base/hashing.py", "wire/watch_installer.py"),
}
DYNAMIC = ("import_module", "__import__", "run_module")
_BLOCKS = ("body", "orelse", "finalbody", "handlers", "cases")
_DOTTED = re.compile(r"proscribe[a-z_]*(\.\w+)+")
_CODE = re.compile(r"^\s*(from proscribe[\w.]* import |import proscribe)", re.MULTILINE)
_UNKNOWN = "\0"  # a value in a formatted string


def graph(project):
    """Return the Python files, each with the files of the checkout that it imports directly or, in tests, names."""
    checkout = _Checkout(project)
    collecting = gc.isenabled()
    gc.disable()  # half of the time otherwise
    try:
        files = {path: checkout.list_imports(path) for path in checkout.python}
    finally:
        if collecting:
            gc.enable()
    return {path: frozenset(names | checkout.list_fixture_imports(path)) - {path} for path, names in files.items()}


def distances(files, changed):
    """Return how many steps each file needs to reach a changed one. Files that reach none are left out."""
    importers = {}
    for path, names in files.items():
        for name in names:
            importers.setdefault(name, []).append(path)
    steps = dict.fromkeys(changed, 0)
    waiting = deque(steps)
    while waiting:
        name = waiting.popleft()
        for path in importers.get(name, ()):
            if path not in steps:
                steps[path] = steps[name] + 1
                waiting.append(path)
    return steps


def _join(imports):
    return frozenset(file for _, files in imports for file in files)


class _Checkout:
    def __init__(self, project):
        self.project = project
        self.files = frozenset(_list_files(project))
        self.directories = frozenset(os.path.dirname(path) for path in self.files)
        self.python = sorted(path for path in self.files if path.endswith(".py") or path in SCRIPTS)
        self.names = {}  # the names that a module defines or imports
        self.fixtures = {}  # of each conftest.py: their files and their arguments
        self.arguments = {}  # of the functions of each test file
        helpers = {}
        for path in self.python:
            if path.startswith("tests/"):
                helpers.setdefault(os.path.basename(path), []).append(path)
        # pytest makes the files beside any test importable for all tests, if no two have the name.
        self.helpers = {name: paths[0] for name, paths in helpers.items() if len(paths) == 1}

    def list_imports(self, path):
        """Return the imports of a file, those of its fixtures left out."""
        text = (self.project / path).read_text(encoding="utf-8")
        tree = ast.parse(text)
        reader = _Reader(self, path)
        imports = list(reader.list_statements(tree))
        if any(name in text for name in DYNAMIC):
            imports += reader.list_dynamic(tree, dict(imports))
        if os.path.basename(path) == "conftest.py":
            return self._read_conftest(path, tree, dict(imports))
        files = _join(imports)
        if path.startswith(f"{UTILS}/"):
            return files | reader.list_program_imports(tree) | self._list_sources(path)
        if path.startswith("tests/") and not path.startswith(NAMING_TESTS):
            files |= reader.list_named(tree)
            self.arguments[path] = reader.arguments
        return files

    def _list_sources(self, path):
        """Return the files that a derived file is written from."""
        places = [f"{UTILS}/proscribe/{name}" for name in DERIVED.get(path, ())]
        return frozenset(file for file in self.files if {file, f"{os.path.dirname(file)}/*"}.intersection(places))

    def _read_conftest(self, path, tree, imports):
        """Split the imports of a conftest.py: those of a fixture count for the tests that take it."""
        fixtures = {}
        arguments = {}
        used = set()
        for node in tree.body:
            names = {part.id for part in _list_nodes(node) if isinstance(part, ast.Name)}
            decorators = " ".join(map(ast.unparse, getattr(node, "decorator_list", [])))
            if isinstance(node, ast.FunctionDef) and "fixture" in decorators and "autouse" not in decorators:
                inside = _join(_Reader(self, path).list_statements(node))
                fixtures[node.name] = inside.union(*(imports.get(name, ()) for name in names))
                arguments[node.name] = frozenset(argument.arg for argument in node.args.args)
            else:
                used |= names
        for name in imports.keys() - used:  # tests can take a fixture that is imported
            fixtures.setdefault(name, imports[name])
        self.fixtures[path] = fixtures, arguments
        return frozenset[str]().union(*(imports.get(name, ()) for name in used))

    def list_fixture_imports(self, path):
        """Return the files that a test reaches through the files conftest.py above it."""
        above = [file for file in self.fixtures if path.startswith(os.path.dirname(file) + "/") and path != file]
        reached = set(above if os.path.basename(path).startswith("test_") else ())
        waiting = set(self.arguments.get(path, ()))
        taken = set()
        while waiting:
            name = waiting.pop()
            taken.add(name)
            for fixtures, arguments in map(self.fixtures.__getitem__, above):
                reached |= fixtures.get(name, frozenset())
                waiting |= arguments.get(name, frozenset()) - taken
        return frozenset(reached)

    def find_module(self, name, importer):
        """Return the file of a module, as `importer` would find it; "" for none."""
        for place in self.list_places(name, importer):
            for path in (f"{place}.py", f"{place}/__init__.py"):
                if path in self.files:
                    return path
        return self.helpers.get(f"{name}.py", "") if importer.startswith("tests/") else ""

    def list_places(self, name, importer):
        """Yield the paths, without a suffix, where `importer` looks for a module in this checkout."""
        for prefix in ANSIBLE:
            name = name.removeprefix(prefix)
        place = os.path.dirname(importer) if importer.startswith("tests/") else ""
        while place:
            yield f"{place}/{name.replace('.', '/')}"
            place = os.path.dirname(place)
        yield f"{UTILS}/{name.replace('.', '/')}"

    def list_names(self, path):
        """Return the names that a module defines or imports."""
        if path not in self.names:
            names = set()
            for node in ast.parse((self.project / path).read_bytes()).body:
                if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
                    names.add(node.name)
                elif isinstance(node, (ast.Assign, ast.AnnAssign)):
                    targets = node.targets if isinstance(node, ast.Assign) else [node.target]
                    parts = (part for target in targets for part in _list_nodes(target))
                    names.update(part.id for part in parts if isinstance(part, ast.Name))
                elif isinstance(node, ast.ImportFrom):
                    names.update(alias.asname or alias.name for alias in node.names)
            self.names[path] = frozenset(names)
        return self.names[path]


class _Reader:
    """The imports of one file."""

    def __init__(self, checkout, path):
        self.checkout = checkout
        self.path = path
        self.arguments = frozenset()
        # The module's own name, and its package's.
        name = _name_module(path)
        package = name if path.endswith("/__init__.py") else name.rpartition(".")[0]
        self.dunders = {"__name__": name, "__package__": package}

    def list_statements(self, tree):
        """Yield the imports below a node: the local name and its files."""
        waiting = [tree]
        while waiting:
            node = waiting.pop()
            if isinstance(node, ast.Import):
                for alias in node.names:
                    if file := self.checkout.find_module(alias.name, self.path):
                        yield alias.asname or alias.name.partition(".")[0], frozenset({file})
            elif isinstance(node, ast.ImportFrom):
                yield from self._list_names(node)
            elif isinstance(node, ast.If) and ast.unparse(node.test).endswith("TYPE_CHECKING"):
                waiting += node.orelse
            else:
                for block in _BLOCKS:
                    waiting += getattr(node, block, ())

    def _list_names(self, node):
        """Yield the files of `from a.b import c`: c is a module in the package a.b, or a name of the module a.b."""
        module = node.module or ""
        if node.level:
            place = "/".join(self.path.split("/")[: -node.level])
            root = UTILS if f"{place}/".startswith(f"{UTILS}/") else "tests"
            package = place.removeprefix(root).strip("/").replace("/", ".")
            module = ".".join(filter(None, (package, module)))
        file = self.checkout.find_module(module, self.path)
        for alias in node.names:
            below = self.checkout.find_module(f"{module}.{alias.name}".lstrip("."), self.path)
            both = below and file and alias.name in self.checkout.list_names(file)
            files = {below, file} if both else {below or file}
            if files != {""}:
                yield alias.asname or alias.name, frozenset(files)

    def list_dynamic(self, tree, imports):
        """Yield the imports of `import_module` and its like: a module, or all modules of a package."""
        for node in _list_nodes(tree):
            if not isinstance(node, ast.Call) or not node.args:
                continue
            if getattr(node.func, "attr", getattr(node.func, "id", "")) not in DYNAMIC:
                continue
            name = self._read_text(node.args[0], imports)
            if name.startswith("."):
                name = (self._read_text(node.args[1], imports) if len(node.args) > 1 else "") + name
            package, _, rest = name.rpartition(".")
            if file := self.checkout.find_module(name, self.path):
                yield "", frozenset({file})
            elif rest == _UNKNOWN:
                places = self.checkout.list_places(package, self.path)
                place = next((path for path in places if path in self.checkout.directories), "")
                pattern = re.compile(rf"{re.escape(place)}/(?!__init__\.)\w+(/__init__)?\.py")
                yield "", frozenset(filter(pattern.fullmatch, self.checkout.python)) if place else frozenset()

    def _read_text(self, node, imports):
        """Return a string as far as it is known."""
        if isinstance(node, ast.Constant):
            return str(node.value)
        if isinstance(node, ast.JoinedStr):
            return "".join(self._read_text(part, imports) for part in node.values)
        if isinstance(node, ast.FormattedValue):
            return self._read_text(node.value, imports)
        if isinstance(node, ast.Attribute) and node.attr == "__name__":
            files = imports.get(getattr(node.value, "id", ""), ())
            return next(map(_name_module, files), _UNKNOWN)
        return self.dunders.get(getattr(node, "id", ""), _UNKNOWN)

    def list_program_imports(self, tree):
        """Return the imports of the programs that a module has as strings."""
        values = (node.value for node in tree.body if isinstance(node, (ast.Assign, ast.AnnAssign)) and node.value)
        return frozenset(file for text in map(_read_value, values) if "\n" in text for file in self._find_files(text))

    def list_named(self, tree):
        """Return the files that a test names in strings. Note the arguments of its functions, which may be fixtures."""
        files = set()
        arguments = set()
        for node in _list_nodes(tree):
            if isinstance(node, ast.Constant):
                files |= self._find_files(_read_value(node))
            elif isinstance(node, ast.arg):
                arguments.add(node.arg)
            elif isinstance(node, ast.BinOp) and isinstance(node.op, ast.Div):
                files |= self._find_path("/".join(_join_path(node)))
            elif isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
                if node.func.attr == "glob" and node.args:
                    files |= self._find_plugins(f"{'/'.join(_join_path(node.func.value))}/{_read_value(node.args[0])}")
                elif node.func.attr in ("usefixtures", "getfixturevalue"):
                    arguments.update(map(_read_value, node.args))
        self.arguments = frozenset(arguments)
        return frozenset(files)

    def _find_files(self, text):
        """Return the files that a string is about: code, a module or a name in it, or a path."""
        if "\n" in text or " " in text:
            try:
                return _join(self.list_statements(ast.parse(text))) if _CODE.search(text) else frozenset()
            except (SyntaxError, ValueError):
                return frozenset()
        if not _DOTTED.fullmatch(text):
            return self._find_path(text)
        while "." in text:
            if file := self.checkout.find_module(text, self.path):
                return frozenset({file})
            text = text.rpartition(".")[0]
        return frozenset()

    def _find_path(self, text):
        """Return the file of a path below the checkout, or beside the test."""
        if _UNKNOWN in text:
            return self._find_plugins(text.replace(_UNKNOWN, "*"))
        text = text.removeprefix("./")
        if "/" not in text and "." not in text:
            return frozenset()
        beside = os.path.normpath(f"{os.path.dirname(self.path)}/{text}") if text.endswith(".py") else ""
        return self.checkout.files & {text, beside}

    def _find_plugins(self, pattern):
        if os.path.dirname(pattern) not in PLUGINS:
            return frozenset()
        expression = re.compile(re.escape(pattern).replace(r"\*", "[^/]*"))
        return frozenset(filter(expression.fullmatch, self.checkout.python))


def _name_module(path):
    return path.removeprefix(f"{UTILS}/").removesuffix(".py").removesuffix("/__init__").replace("/", ".")


def _list_nodes(tree):
    """Yield all nodes of a syntax tree, as `ast.walk` does, but in another order and in half of the time."""
    waiting = [tree]
    while waiting:
        node = waiting.pop()
        yield node
        for value in vars(node).values():
            if isinstance(value, ast.AST):
                waiting.append(value)
            elif isinstance(value, list):
                waiting += [part for part in value if isinstance(part, ast.AST)]


def _read_value(node):
    """Return a string of the code, "" for anything else."""
    return node.value if isinstance(node, ast.Constant) and isinstance(node.value, str) else ""


def _join_path(node):
    """Return the strings at the end of `place / "tests" / "run"`."""
    if not isinstance(node, ast.BinOp) or not isinstance(node.op, ast.Div):
        return []
    if isinstance(node.right, ast.JoinedStr):
        parts = (_UNKNOWN if isinstance(part, ast.FormattedValue) else _read_value(part) for part in node.right.values)
        return [*_join_path(node.left), "".join(parts)]
    return [*_join_path(node.left), _read_value(node.right)] if isinstance(node.right, ast.Constant) else []


def _list_files(project):
    """Yield the files of the checkout, as paths below it."""
    for place, directories, names in os.walk(project):
        directories[:] = [name for name in directories if not name.startswith(".") and name not in LEFT_OUT]
        below = os.path.relpath(place, project)
        for name in names:
            yield name if below == "." else f"{below}/{name}"
