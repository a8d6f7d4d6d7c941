"""Interface of a backend: `DECLARED` of its file, and the functions of `Backend` beside it.

`tests/tool python tests/derived` writes the parts that hosts have of the declarations. One part is the list of backends
(registry.py). Another part are the places that name their resolvers' servers (../../forwarders.py, for the firewall).
It writes tables of docs/dns.md too.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol, Sequence

from .....base.named_tuple import NamedTuple

if TYPE_CHECKING:
    from .....model.types.plan import ControlSettings
    from ....system import Host
    from ..dns_filter import DnsFilter, FilterStage
    from ..resolver_observation import DnsObservation

SERVER_KIND = "server"  # a resolver of its own that the host asks
MANAGER_KIND = "manager"  # a writer of /etc/resolv.conf, which may run a resolver for that
STUB_KIND = "stub"  # a resolver that forwards questions
BACKEND_KINDS = (SERVER_KIND, MANAGER_KIND, STUB_KIND)  # in the order of the list


class ForwarderSources(NamedTuple):
    """Places where a resolver's own configuration names the servers that it asks.

    Spaces at both ends of a line are ignored. A line has to begin with an option, letter by letter. Only before the
    mark, the option's last character, there may be spaces. A line of a list in YAML begins with its `- `.
    """

    files: Sequence[str]  # files, and folders of files
    options: Sequence[str]  # beginnings of lines that name servers, with the mark: "server=", "- forwarders:"


class BackendDocumentation(NamedTuple):
    """Texts about a backend for docs/dns.md."""

    table_rows: Sequence[tuple[str, str, str]]  # the resolver that the host asks, its equipment, and the written files
    hit_line: str = ""  # a log line about a refusal, and its cause; "" if no line is logged
    journal_unit: str = ""  # unit whose journal has this line, without .service
    tested_hosts: str = ""  # whole hosts on which tests run it; "" for none


class BackendDeclaration(NamedTuple):
    """Backend with a real filter."""

    name: str  # value of proscribe_dns_backend, and name of the file
    kind: str
    unit: str  # unit of its service
    files: Sequence[str]  # files that show traces of it
    forwarders: Sequence[ForwarderSources]
    documentation: BackendDocumentation


class Backend(Protocol):
    """Module of a backend."""

    def find_obstacle(self, host: Host, observation: DnsObservation) -> str:
        """Return what the host lacks for the backend, and the remedy; "" if it lacks nothing."""

    def describe_filter(self, host: Host, observation: DnsObservation, settings: ControlSettings) -> DnsFilter:
        """Return the host's resolver as a filter."""

    def list_possible_stages(self, host: Host, observation: DnsObservation) -> list[FilterStage]:
        """Return everything that an earlier run could have left on the host, without the texts."""

    def list_asking_users(self, host: Host, observation: DnsObservation) -> list[str]:
        """Return the accounts that ask name servers for the backend. If the firewall forces DNS, only they may ask."""
