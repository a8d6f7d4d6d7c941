"""What a backend is to the rest of the code: `DECLARED` of its file, and the functions of `Backend` beside it.

`tests/tool python tests/derived` writes what hosts have of it: the list of backends (registry.py), and where the
servers are named that their resolvers ask (../../forwarders.py, for the firewall). It writes tables of docs/dns.md too.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol, Sequence

from .....base.tuples import NamedTuple

if TYPE_CHECKING:
    from .....model.types.plan import ControlSettings
    from ....system import Host
    from ..filtering import DnsFilter, FilterStage
    from ..observed import DnsObservation

SERVER_KIND = "server"  # a resolver of the host's own, which the host asks
MANAGER_KIND = "manager"  # what writes /etc/resolv.conf, and may run a resolver for that
STUB_KIND = "stub"  # a resolver that passes questions on
BACKEND_KINDS = (SERVER_KIND, MANAGER_KIND, STUB_KIND)  # in the order of the list


class ForwarderSources(NamedTuple):
    """Where a resolver's own configuration names the servers that it asks.

    A line is taken without the spaces at both its ends. It has to begin with an option, letter by letter; only before
    the mark, the option's last character, there may be spaces. A line of a list in YAML begins with its `- `.
    """

    files: Sequence[str]  # files, and folders of files
    options: Sequence[str]  # how a line begins that names some, with its mark: "server=", "- forwarders:"


class BackendDocumentation(NamedTuple):
    """What docs/dns.md says of a backend."""

    table_rows: Sequence[tuple[str, str, str]]  # what the host asks, and has, and what is written there
    hit_line: str = ""  # a line of the log about a refusal, and what has it logged; "" if it logs none
    journal_unit: str = ""  # the unit that has this line in its journal, without .service
    tested_hosts: str = ""  # on which whole hosts tests run it; "" for none


class BackendDeclaration(NamedTuple):
    """A backend with a real filter."""

    name: str  # the value of proscribe_dns_backend, and the name of the file
    kind: str
    unit: str  # of the service that it lives with
    files: Sequence[str]  # by which what it has left is known
    forwarders: Sequence[ForwarderSources]
    documentation: BackendDocumentation


class Backend(Protocol):
    """The module of a backend."""

    def find_obstacle(self, host: Host, observation: DnsObservation) -> str:
        """What the host lacks for it, and what to do about that; "" if it lacks nothing."""

    def describe_filter(self, host: Host, observation: DnsObservation, settings: ControlSettings) -> DnsFilter:
        """The host's resolver as a filter."""

    def list_possible_stages(self, host: Host, observation: DnsObservation) -> list[FilterStage]:
        """All that an earlier run could have left on the host, without the texts."""

    def list_asking_users(self, host: Host, observation: DnsObservation) -> list[str]:
        """The accounts that ask name servers for it: where the firewall forces DNS, they alone may."""
