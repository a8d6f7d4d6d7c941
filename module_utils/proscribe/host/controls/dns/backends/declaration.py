"""What a backend is to the rest of the code: `DECLARED` of its file, and the functions of `Backend` beside it.

`tests/tool python tests/derived` writes what hosts have of it: the list of backends (registry.py), and where the
servers are named that their resolvers ask (../../forwarders.py, for the firewall).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol, Sequence

from .....base.tuples import NamedTuple

if TYPE_CHECKING:
    from .....model.types.plan import Settings
    from ....system import Host
    from ..filtering import Filter, Stage
    from ..observed import Observed

SERVER = "server"  # a resolver of the host's own, which the host asks
MANAGER = "manager"  # what writes /etc/resolv.conf, and may run a resolver for that
STUB = "stub"  # a resolver that passes questions on
KINDS = (SERVER, MANAGER, STUB)  # in the order of the list


class Forwarders(NamedTuple):
    """Where a resolver's own configuration names the servers that it asks."""

    files: Sequence[str]  # files, and folders of files
    options: Sequence[str]  # how a line begins that names some, with its mark: "server=", "forward-addr:"


class Declared(NamedTuple):
    """A backend with a real filter."""

    name: str  # the value of proscribe_dns_backend
    kind: str
    unit: str  # of the service that it lives with
    files: Sequence[str]  # by which what it has left is known
    forwarders: Sequence[Forwarders]


class Backend(Protocol):
    """The module of a backend."""

    def missing(self, host: Host, observed: Observed) -> str:
        """What the host lacks for it, and what to do about that; "" if it lacks nothing."""

    def describe(self, host: Host, observed: Observed, settings: Settings) -> Filter:
        """The host's resolver as a filter."""

    def standing(self, host: Host, observed: Observed) -> list[Stage]:
        """All that an earlier run could have left on the host, without the texts."""

    def users(self, host: Host, observed: Observed) -> list[str]:
        """The accounts that ask name servers for it: where the firewall forces DNS, they alone may."""
