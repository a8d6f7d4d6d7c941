"""The tuples and the hash that hosts load quickly are those of the standard library in all that is asked of them."""

from __future__ import annotations

import hashlib
import json
import pickle
import runpy
import sys
import typing
from collections.abc import Sequence
from types import ModuleType

import pytest
from proscribe.base import hashing
from proscribe.base.hashing import sha256
from proscribe.base.mappings import TypedDict
from proscribe.base.tuples import NamedTuple


class Ours(NamedTuple):
    """A class as the host side has them."""

    name: str
    size: int = 7
    parts: tuple[str, ...] = ()

    @property
    def double(self) -> int:
        return self.size * 2

    def __str__(self) -> str:
        return self.name


class Theirs(typing.NamedTuple):
    name: str
    size: int = 7
    parts: tuple[str, ...] = ()


@pytest.mark.parametrize(
    ("given", "named"),
    [
        (("a",), {}),
        (("a", 2, ("x",)), {}),
        (("a",), {"parts": ("x",)}),
        ((), {"parts": ("x",), "name": "a"}),
        ((), {"name": "a", "size": 0}),
    ],
)
def test_it_is_made_as_typing_makes_it(given: tuple[typing.Any, ...], named: dict[str, typing.Any]) -> None:
    ours, theirs = Ours(*given, **named), Theirs(*given, **named)
    assert tuple(ours) == tuple(theirs) and ours == theirs and hash(ours) == hash(theirs)
    assert (ours.name, ours.size, ours.parts) == (theirs.name, theirs.size, theirs.parts)
    assert ours._asdict() == theirs._asdict()
    assert repr(ours) == repr(theirs).replace("Theirs", "Ours")
    assert tuple(ours._replace(size=3)) == tuple(theirs._replace(size=3))
    assert json.dumps(ours) == json.dumps(theirs)
    assert ours._fields == theirs._fields


@pytest.mark.parametrize(
    ("given", "named"),
    [((), {}), ((), {"size": 1}), (("a", 1, (), 4), {}), (("a",), {"name": "b"}), (("a",), {"other": 1})],
)
def test_what_does_not_fit_is_refused_by_both(given: tuple[typing.Any, ...], named: dict[str, typing.Any]) -> None:
    for kind in (Ours, Theirs):
        with pytest.raises(TypeError):
            kind(*given, **named)


def test_workers_can_hand_it_on() -> None:
    again = pickle.loads(pickle.dumps(Ours("a", 2)))
    assert again == Ours("a", 2) and type(again) is Ours


@pytest.mark.parametrize("content", [b"", b"wechat", bytes(1000)])
def test_the_hash_is_sha_256(content: bytes) -> None:
    assert sha256(content).hexdigest() == hashlib.sha256(content).hexdigest()


@pytest.mark.parametrize(
    ("there", "taken"),
    [
        (["_sha2", "_sha256", "hashlib"], "_sha2"),  # since Python 3.12
        (["_sha256", "hashlib"], "_sha256"),
        (["hashlib"], "hashlib"),
        ([], ""),
    ],
)
def test_it_is_taken_from_the_quickest_that_is_there(
    monkeypatch: pytest.MonkeyPatch, there: Sequence[str], taken: str
) -> None:
    for name in ("_sha2", "_sha256", "hashlib"):
        made = ModuleType(name)
        made.sha256 = name  # type: ignore[attr-defined]
        monkeypatch.setitem(sys.modules, name, made if name in there else None)  # type: ignore[arg-type]
    if taken:
        assert runpy.run_path(hashing.__file__)["sha256"] == taken
    else:
        with pytest.raises(ImportError, match="_sha2"):
            runpy.run_path(hashing.__file__)


def test_a_mapping_is_no_class_of_typings() -> None:
    class Whole(TypedDict):
        name: str

    class Part(TypedDict, total=False):
        name: str

    assert (Whole.__total__, Part.__total__) == (True, False)
    assert TypedDict in Whole.__mro__ and NamedTuple in Ours.__mro__, "which compile each annotation"
