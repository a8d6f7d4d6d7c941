"""A cache of plans in the plan store, for hosts without waivers.

Such a plan follows from the catalogue, the code, the restrictions, and the start of the ban.
`catalogue/catalogue_cache.py` hashes the catalogue and the code. Without this hash no cached plan is used. A plan with
a mistake is never cached. An entry of the cache is JSON. A forged entry can make a wrong plan, but it can run no code.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable

from ....model.types.plan import Plan
from ....wire.plan_store import PlanStore

CACHE_NAME = "plan"  # in the plan store, followed by a number
MAX_PLANS = 64  # cached plans


class PlanCache:
    """A source of plans without digests. A plan with a valid cache entry comes from the plan store."""

    def __init__(self, store: PlanStore) -> None:
        self._store = store
        self._new_entries: list[tuple[str, bytes]] = []

    def get_body(self, state_hash: bytes, policy: str, has_begun: bool, compile_body: Callable[[], Plan]) -> Plan:
        """Return a plan without its digest, from the cache or from `compile_body`, whose exceptions pass through.

        `state_hash` is the hash of the catalogue and the code. If it is b"" (unknown), nothing is cached. `policy` has
        the restrictions as text. `has_begun` is True if the ban is in force.
        """
        if not state_hash:
            return compile_body()
        key = hashlib.sha256(repr((state_hash, policy, has_begun)).encode()).hexdigest()
        # Several plans may share a file of the cache; the newest replaces the others. The file has three lines: the
        # plan's key, the digest of the content, and the content.
        name = f"{CACHE_NAME}-{int(key, 16) % MAX_PLANS}"
        cached_key, _, rest = self._store.read_note(name).partition(b"\n")
        digest, _, content = rest.partition(b"\n")
        if cached_key != key.encode() or digest != _hash_content(content):
            content = json.dumps(compile_body()).encode()
            self._new_entries.append((name, b"\n".join([key.encode(), _hash_content(content), content])))
        body: Plan = json.loads(content)
        return body

    def save_new_entries(self) -> None:
        """Write the plans that this run compiled to the plan store."""
        for name, content in self._new_entries:
            self._store.write_note(name, content)


def _hash_content(content: bytes) -> bytes:
    return hashlib.sha256(content).hexdigest().encode()
