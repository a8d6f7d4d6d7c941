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

NAME = "plan"  # in the plan store, with a number
MOST = 64  # plans that are noted


class PlanCache:
    """Makes plans without their digests, from the notes of the store where these fit."""

    def __init__(self, store: PlanStore) -> None:
        self._store = store
        self._new: list[tuple[str, bytes]] = []

    def body(self, state: bytes, policy: str, begun: bool, compiled: Callable[[], Plan]) -> Plan:
        """The body of a plan. `state` is the hash of the catalogue and the code, b"" where there is none; `policy` are
        the restrictions as text. Raises what `compiled` raises.
        """
        if not state:
            return compiled()
        key = hashlib.sha256(repr((state, policy, begun)).encode()).hexdigest()
        name = f"{NAME}-{int(key, 16) % MOST}"
        noted, _, rest = self._store.read_note(name).partition(b"\n")
        digest, _, content = rest.partition(b"\n")
        if noted != key.encode() or digest != _digest(content):
            content = json.dumps(compiled()).encode()
            self._new.append((name, b"\n".join([key.encode(), _digest(content), content])))
        body: Plan = json.loads(content)
        return body

    def note_down(self) -> None:
        """Note what had to be compiled."""
        for name, content in self._new:
            self._store.write_note(name, content)


def _digest(content: bytes) -> bytes:
    return hashlib.sha256(content).hexdigest().encode()
