"""Sources as they are sent: the reached parts, as small as they can be, every line in its place."""

import pytest
from proscribe.wire.source_selection import ModuleSources, select_reached, shrink_source
from proscribe.wire.stream import CHANGE_FUNCTIONS

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
            "def f(a: int, *b: str, c: A | None = None, **d: B) -> A:\n    pass\n",
            "def f(a, *b, c = None, **d):\n    pass\n",
        ),
        ("def f(\n    a: B[\n        int\n    ],\n) -> None:\n    pass\n", "def f(\n    a,\n\n\n):\n    pass\n"),
        ("x: dict[str, int] = {}\ny: int\n", "x = {}\npass\n"),
        ("def f(self):\n    self.x: int = 1\n    z: str\n", "def f(self):\n    self.x = 1\n    pass\n"),
        (TEXT, TEXT),
        ("def f(é: int, b: int) -> 'é':\n    é: 'é' = b  # é\n", "def f(é, b):\n    é = b\n"),
        ('def f():\n    "é"; return 1\n', "def f():\n    ; return 1\n"),
        ('"""A."""', "\n"),
        ("from .a import (\n    b,\n)\n", "from .a import (\n    b,\n)\n"),
    ],
)
def test_text_for_people_is_left_out_and_lines_stay_in_their_place(source, left):
    assert shrink_source(source) == left


ENTRY = """\
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


def test_function_that_is_never_called_is_left_out_with_its_own_imports():
    sent = select_reached(ModuleSources(SOURCES, {"p"}), ["p.entry"], ["look", "change"], ["wanted"])
    assert "p.changes" in sent and "p.inner" not in sent and "OTHER = 2" in sent["p.entry"]


INNER = """\
import os.path, sys
import json as reader, marshal as writer
from .. import near as by, far
from ..near import (deep as depth,  # a comment
                    shallow)
if TYPE_CHECKING:
    from .types import Other
@far
@by.decorated
def gone(): pass
@by.decorated
def looks(a, b=1):
    os.getcwd(); reader.loads(a); return depth()
class Base:
    KEPT = LOST = 1
    LEFT = 2
    late: A = 1
    def __init__(self) -> None: self.looks = looks
class Empty(Base):
    "Nothing."
    def gone(self): pass
Made = Empty().KEPT
"""
LEFT = """\
import os.path
import json as reader
from .. import near as by, far
from ..near import deep as depth






@by.decorated
def looks(a, b=1):
    os.getcwd(); reader.loads(a); return depth()
class Base:
    KEPT = LOST = 1

    late: int = 1
    def __init__(self): self.looks = looks
class Empty(Base):
    pass

Made = Empty().KEPT
"""


def test_rest_of_a_module_is_what_its_names_need():
    near = "from . import far\ndef deep(): far.x\ndef decorated(f): return f\ndef shallow(): pass\n"
    texts = {"p": "", "p.q": "", "p.q.inner": INNER, "p.near": near, "p.far": "x = y = 1\nz = 2\n"}
    sent = select_reached(ModuleSources(texts, {"p", "p.q"}), ["p.q.inner"], ["looks", "Made"])
    rest = {"p": "\n", "p.q.inner": LEFT, "p.far": "x = y = 1\n\n"}
    assert sent == {**rest, "p.near": "from . import far\ndef deep(): far.x\ndef decorated(f): return f\n\n"}


@pytest.mark.parametrize("name", ["enforce", "lift", "restore", "plan_removal", "change", "apply_changes"])
def test_function_that_changes_a_host_is_not_sent_even_where_others_call_it(name):
    entry = ENTRY.replace("def change(", f"def {name}(") + f"def other_look():\n    {name}(1)\n"
    sources = {**SOURCES, "p.entry": entry}
    with_it = select_reached(ModuleSources(sources, {"p"}), ["p.entry"], ["look", "other_look"])
    without = select_reached(ModuleSources(sources, {"p"}), ["p.entry"], ["look", "other_look"], CHANGE_FUNCTIONS)
    assert ("p.changes" in with_it, "p.changes" in without) == (True, False)
