"""The plans of a catalogue as an earlier run compiled them, in the plan store, for hosts that no waiver concerns.

Such a plan follows from the catalogue, the code, the restrictions, and whether the ban has begun. cache.py
hashes the catalogue and the code: without a hash from there, nothing is taken from a note. A plan with a mistake is
never noted. The note is JSON: it can make a wrong plan, and runs nothing.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable

from ....model.types.plan import Plan
from ....wire.store import PlanStore

CACHE_NAME = "plan"  # in the plan store, with a number
MAX_PLANS = 64  # plans that are noted


class PlanCache:
    """Makes plans without their digests, from the notes of the store where these fit."""

    def __init__(self, store: PlanStore) -> None:
        self._store = store
        self._new_entries: list[tuple[str, bytes]] = []

    def get_body(self, state_hash: bytes, policy: str, has_begun: bool, compile_body: Callable[[], Plan]) -> Plan:
        """The body of a plan. `state_hash` is the hash of the catalogue and the code, b"" where there is none; `policy` are
        the restrictions as text. Raises what `compile_body` raises.
        """
        if not state_hash:
            return compile_body()
        key = hashlib.sha256(repr((state_hash, policy, has_begun)).encode()).hexdigest()
        name = f"{CACHE_NAME}-{int(key, 16) % MAX_PLANS}"
        cached_key, _, rest = self._store.read_note(name).partition(b"\n")
        digest, _, content = rest.partition(b"\n")
        if cached_key != key.encode() or digest != _hash_content(content):
            content = json.dumps(compile_body()).encode()
            self._new_entries.append((name, b"\n".join([key.encode(), _hash_content(content), content])))
        body: Plan = json.loads(content)
        return body

    def save_new_entries(self) -> None:
        """Note what had to be compiled."""
        for name, content in self._new_entries:
            self._store.write_note(name, content)


def _hash_content(content: bytes) -> bytes:
    return hashlib.sha256(content).hexdigest().encode()
