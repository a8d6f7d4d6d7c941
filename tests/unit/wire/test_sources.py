"""What is sent of the sources: what is reached, as small as it can be, every line where it was."""

from __future__ import annotations

import ast
import builtins
import json
import lzma
import symtable
from functools import partial

import pytest
from proscribe.wire.sources import Whole, reached, small
from proscribe.wire.store import Store
from proscribe.wire.stream import CHANGING, packed_code, packed_macos

TEXT = 'x = """a\n# b\n"""\n'


@pytest.mark.parametrize(
    ("source", "left"),
    [
        ('"""Module."""\nfrom __future__ import annotations\n', "\nfrom __future__ import annotations\n"),
        ("x = 1  # why\n# more\ny = '# no'\n", "x = 1\n\ny = '# no'\n"),
        ('def f():\n    """One\n    two."""\n', "def f():\n    pass\n\n"),
        ('def f():\n    """One."""\n    return 1\n', "def f():\n\n    return 1\n"),
        ('class A:\n    """A."""\n\n    x: str = "y"  # note\n', 'class A:\n\n\n    x: int = "y"\n'),
        (
            "def f(a: int, *b: str, c: A | None = None, **d: B) -> dict[str, int]:\n    pass\n",
            "def f(a, *b, c = None, **d):\n    pass\n",
        ),
        (
            "def f(\n    a: dict[\n        str, int\n    ],\n) -> None:\n    pass\n",
            "def f(\n    a,\n\n\n):\n    pass\n",
        ),
        ("x: dict[str, int] = {}\ny: int\n", "x = {}\npass\n"),
        ("def f(self):\n    self.x: int = 1\n    z: str\n", "def f(self):\n    self.x = 1\n    pass\n"),
        (TEXT, TEXT),
        ("x = 'é'  # é\ny = 1\n", "x = 'é'\ny = 1\n"),
        ("def f(é: int, b: int) -> 'é':\n    é: 'é' = b  # é\n", "def f(é, b):\n    é = b\n"),
        ('def f():\n    "é"; return 1\n', "def f():\n    ; return 1\n"),
        ('class A:\n    """A."""\n', "class A:\n    pass\n"),
        ('"""A."""', "\n"),
        ("from .a import (\n    b,\n)\n", "from .a import (\n    b,\n)\n"),
    ],
)
def test_what_only_people_read_is_left_out_and_every_line_stays_where_it_was(source, left):
    assert small(source) == left


ENTRY = """\
from __future__ import annotations
from typing import TYPE_CHECKING, Any, NamedTuple
from . import used, unused
from .names import (
    Kept,  # a comment
    Gone,
)
if TYPE_CHECKING:
    from .types import Other
SIZE = 1
OTHER = 2
class A(NamedTuple):
    x: Any = SIZE
    def wanted(self) -> Other:
        from .inner import one
        return one(Kept)
    def other(self):
        return Gone
def look(a: Any):
    return A().wanted() + used.some.thing
def change(a):
    from . import changes
    return OTHER + changes.x
"""
SOURCES = {
    "p": "",
    "p.entry": ENTRY,
    "p.used": "from . import some\n",
    "p.some": "thing = 1\nother = 2\n",
    "p.unused": "x = 1\n",
    "p.names": "class Kept:\n    pass\nclass Gone:\n    pass\n",
    "p.types": "class Other:\n    pass\n",
    "p.inner": "def one(k):\n    return two(k)\ndef two(k):\n    return 1\ndef three():\n    pass\n",
    "p.changes": "x = 1\n",
}


def test_a_module_and_a_name_go_along_if_something_that_stays_names_them():
    sent = reached(Whole(SOURCES, {"p"}), ["p.entry"], ["look"])
    assert sorted(sent) == ["p", "p.entry", "p.inner", "p.names", "p.some", "p.used"]
    assert sent["p.entry"].split("\n") == [
        "",
        "from typing import NamedTuple",
        "from . import used",
        "from .names import Kept",
        *[""] * 5,
        "SIZE = 1",
        "",
        "class A(NamedTuple):",
        "    x: int = SIZE",
        "    def wanted(self):",
        "        from .inner import one",
        "        return one(Kept)",
        "",
        "",
        "def look(a):",
        "    return A().wanted() + used.some.thing",
        *[""] * 4,
    ]
    assert sent["p.inner"] == "def one(k):\n    return two(k)\ndef two(k):\n    return 1\n\n\n"
    assert sent["p.some"] == "thing = 1\n\n"


def test_a_function_that_is_never_called_is_left_out_with_what_only_it_needs():
    sent = reached(Whole(SOURCES, {"p"}), ["p.entry"], ["look", "change"], ["wanted"])
    assert "p.changes" in sent and "p.inner" not in sent
    assert "OTHER = 2" in sent["p.entry"]


INNER = """\
import os.path, sys
import json as reader, marshal as writer
from .. import near as by, far
from ..near import (deep as depth,
                    shallow)
from ..q import over
@far
@by.decorated
def gone(): pass
@by.decorated
def looks(a, b=1):
    os.getcwd(); reader.loads(a); depth(); return over
class Base:
    KEPT = LOST = 1
    UNUSED = 2
    a, b = KEPT, 1
    late: far = 1
    def __init__(self): self.looks = looks
    def gone(self): pass
class Empty(Base):
    def gone(self): pass
class Unnamed(Empty): pass
Made = Empty().KEPT
"""
PACKAGE = {
    "p": "",
    "p.near": "from . import far\ndef deep(): far.x\ndef decorated(f): return f\ndef shallow(): pass\n",
    "p.far": "x = y = 1\nz = 2\n",
    "p.q": "over = 1\n",
    "p.q.inner": INNER,
    "p.lone": "def looks(): pass\n",
}


def test_what_is_left_of_a_module_that_has_some_of_everything():
    sent = reached(Whole(PACKAGE, {"p", "p.q"}), ["p.q.inner"], ["looks", "Made"])
    assert sent == {
        "p": "\n",
        "p.near": "from . import far\ndef deep(): far.x\ndef decorated(f): return f\n\n",
        "p.far": "x = y = 1\n\n",
        "p.q": "over = 1\n",
        "p.q.inner": """\
import os.path
import json as reader
from .. import near as by, far
from ..near import deep as depth

from ..q import over



@by.decorated
def looks(a, b=1):
    os.getcwd(); reader.loads(a); depth(); return over
class Base:
    KEPT = LOST = 1

    a, b = KEPT, 1
    late: int = 1
    def __init__(self): self.looks = looks

class Empty(Base):
    pass

Made = Empty().KEPT
""",
    }


def scopes(table):
    yield table
    for inner in table.get_children():
        yield from scopes(inner)


def names(text):
    """The names that a source has, and those of its modules' that it asks for and does not have."""
    top = symtable.symtable(text, "sent", "exec")
    has = {symbol.get_name() for symbol in top.get_symbols() if symbol.is_assigned() or symbol.is_imported()}
    used = {s.get_name() for t in scopes(top) for s in t.get_symbols() if s.is_global() and s.is_referenced()}
    return has, used - has - {*dir(builtins), "__file__", "__name__"}


def imported_names(text, package):
    """The modules and names that a source imports of its own package."""
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.ImportFrom) and node.level:
            base = package.rsplit(".", node.level - 1)[0] if node.level > 1 else package
            origin = f"{base}.{node.module}" if node.module else base
            yield from ((origin, alias.name) for alias in node.names)


def unsent(packed):
    """What packed code names that is not in it, and how many modules it has."""
    sent = json.loads(lzma.decompress(packed))
    has = {module: names(text)[0] for module, text in sent["texts"].items()}
    missing = []
    for module, text in sent["texts"].items():
        missing += [f"{module}: {name}" for name in names(text)[1]]
        package = module if module in sent["packages"] else module.rpartition(".")[0]
        missing += [
            f"{module}: {origin}.{name}"
            for origin, name in imported_names(text, package)
            if f"{origin}.{name}" not in has and name not in has[origin]
        ]
    return {name.rpartition(" ")[2] for name in missing}, len(has)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("packed", "left_out"),
    [
        (partial(packed_code, False), {"probed", "write_down", "on_macos"}),
        (partial(packed_code, True), {"write_down", "on_macos"}),
        (packed_macos, {"observe", "control"}),
    ],
)
def test_what_is_sent_of_the_project_names_nothing_that_is_not_sent(packed, left_out):
    missing, modules = unsent(packed())
    assert (missing - left_out, modules > 60) == (set(), True)


CHANGES_A_HOST = ("enforce", "lift", "restore", "removal", "change", "carry_out")


def test_an_observation_loads_nothing_that_takes_longer_to_load_than_to_use():
    """Each of these modules costs a twentieth of an observation.

    Functions that few hosts need import them, or none does. Nobody would otherwise notice that one alias or annotation
    brings `typing` back.
    """
    dear = {"typing", "socket", "subprocess", "shlex", "signal", "threading", "datetime", "dataclasses", "tempfile"}
    sent = json.loads(lzma.decompress(Store().code(False).packed()))["texts"]
    loaded = {
        f"{module}: {name}"
        for module, text in sent.items()
        for node in ast.parse(text).body
        if isinstance(node, (ast.Import, ast.ImportFrom)) and not getattr(node, "level", 0)
        for name in [getattr(node, "module", None), *(alias.name for alias in node.names)]
        if name in dear
    }
    assert loaded == set()


@pytest.mark.slow
@pytest.mark.parametrize("probe", [False, True])
@pytest.mark.parametrize("name", CHANGES_A_HOST)
def test_no_stream_has_anything_that_changes_a_host(probe, name):
    """An audit of a fleet runs as root everywhere. Whatever goes wrong in it, there is nothing in it that could act."""
    sent = json.loads(lzma.decompress(Store().code(probe).packed()))["texts"]
    defined = {module: ast.walk(ast.parse(text)) for module, text in sent.items()}
    assert [
        module
        for module, nodes in defined.items()
        for node in nodes
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)) and node.name == name
    ] == []
    assert [module for module in sent if module.endswith(("_changes", ".changes", ".switching", ".restoring"))] == []


@pytest.mark.parametrize("name", CHANGES_A_HOST)
def test_what_a_stream_may_not_do_is_left_out_by_name(name):
    """Also where something that stays names it: of each, the part that only it needs stays behind."""
    sources = {
        **SOURCES,
        "p.entry": ENTRY.replace("def change(", f"def {name}(") + f"def other_look():\n    {name}(1)\n",
    }
    with_it = reached(Whole(sources, {"p"}), ["p.entry"], ["look", "other_look"])
    without = reached(Whole(sources, {"p"}), ["p.entry"], ["look", "other_look"], CHANGING)
    assert ("p.changes" in with_it, "p.changes" in without) == (True, False)
