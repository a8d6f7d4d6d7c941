"""What a backend declares, once: `DECLARED` of its file. `python tests/derived` writes the list of them from there."""

from __future__ import annotations

from typing import Sequence

from .....base.tuples import NamedTuple

SERVER = "server"  # a resolver of the host's own, which the host asks
MANAGER = "manager"  # what writes /etc/resolv.conf, and may run a resolver for that
STUB = "stub"  # a resolver that passes questions on
KINDS = (SERVER, MANAGER, STUB)  # in the order of the list


class Declared(NamedTuple):
    """A backend with a real filter."""

    name: str  # the value of proscribe_dns_backend
    kind: str
    unit: str  # of the service that it lives with
    files: Sequence[str]  # by which what it has left is known
