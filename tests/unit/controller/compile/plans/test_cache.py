"""Plans as an earlier run noted them: the same as a compilation, or not believed."""

from __future__ import annotations

from typing import Any

import pytest
from proscribe.controller.compile.plans.cache import PlanCache
from proscribe.controller.policy_errors import PolicyErrors
from proscribe.wire.store import Store

BODY = {"schema": "x", "controls": {"dns": {"services": {"parrot": {"domains": ("a.example.org",)}}}}}
READ = {"schema": "x", "controls": {"dns": {"services": {"parrot": {"domains": ["a.example.org"]}}}}}


class Runs:
    """Runs one after the other, and how often they had to compile."""

    def __init__(self, store: Store) -> None:
        self.store = store
        self.compiled = 0

    def body(self, *key: Any) -> dict[str, Any]:
        cache = PlanCache(self.store)
        found = cache.body(*key, self.compile)
        cache.note_down()
        return found

    def compile(self) -> dict[str, Any]:
        self.compiled += 1
        return BODY


def test_the_same_policy_is_compiled_once_and_is_the_same_from_its_note(store):
    runs = Runs(store)
    assert [runs.body(b"state", "policy", True) for _ in range(3)] == [READ] * 3
    assert runs.compiled == 1


@pytest.mark.parametrize(
    "other", [(b"other", "policy", True), (b"state", "other", True), (b"state", "policy", False)], ids=str
)
def test_another_catalogue_code_or_policy_or_a_ban_that_begins_is_compiled(store, other):
    runs = Runs(store)
    runs.body(b"state", "policy", True)
    assert runs.body(*other) == READ
    assert runs.compiled == 2


def test_without_a_hash_of_what_it_follows_from_nothing_is_noted(store):
    runs = Runs(store)
    assert [runs.body(b"", "policy", True) for _ in range(2)] == [BODY] * 2
    assert (runs.compiled, list(store.directory.iterdir())) == (2, [])


@pytest.mark.parametrize("damage", [lambda note: note[:-1], lambda note: note.replace(b"a.example", b"b.example")])
def test_a_damaged_note_is_not_believed(store, damage):
    runs = Runs(store)
    runs.body(b"state", "policy", True)
    [note] = store.directory.iterdir()
    note.write_bytes(damage(note.read_bytes()))
    assert runs.body(b"state", "policy", True) == READ
    assert runs.compiled == 2
    runs.body(b"state", "policy", True)
    assert runs.compiled == 2  # it was noted anew


def test_a_note_that_others_can_write_is_not_believed(store):
    runs = Runs(store)
    runs.body(b"state", "policy", True)
    [note] = store.directory.iterdir()
    note.chmod(0o666)
    runs.body(b"state", "policy", True)
    assert runs.compiled == 2


def test_a_plan_with_a_mistake_is_not_noted(store):
    def wrong() -> dict[str, Any]:
        raise PolicyErrors([])

    cache = PlanCache(store)
    with pytest.raises(PolicyErrors):
        cache.body(b"state", "policy", True, wrong)
    cache.note_down()
    assert list(store.directory.iterdir()) == []
