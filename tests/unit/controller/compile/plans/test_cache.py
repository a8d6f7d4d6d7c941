"""Plans as an earlier run noted them: the same as a compilation, or not believed."""

from __future__ import annotations

from typing import Any

from proscribe.controller.compile.plans.cache import PlanCache
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


def test_without_a_hash_of_what_it_follows_from_nothing_is_noted(store):
    runs = Runs(store)
    assert [runs.body(b"", "policy", True) for _ in range(2)] == [BODY] * 2
    assert (runs.compiled, list(store.directory.iterdir())) == (2, [])
