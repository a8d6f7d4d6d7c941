"""Interface of a backend: `DECLARED` of its file, and the functions of `Backend` beside it.

`tests/tool python tests/derived` writes the parts that hosts have of the declarations. One part is the list of backends
(filter_backends.py). Another part are the places that name their resolvers' servers (../../forwarders.py, for the
firewall). It writes tables of docs/dns.md too.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol, Sequence

from .....base.named_tuple import NamedTuple

if TYPE_CHECKING:
    from .....model.types.plan import ControlSettings
    from ....system import Host
    from ..dns_filter import DnsFilter, FilterStage
    from ..resolver_observation import DnsObservation

SERVER_KIND = "server"  # a resolver on the host that programs query directly
MANAGER_KIND = "manager"  # a program that writes /etc/resolv.conf, and may run a resolver
STUB_KIND = "stub"  # a resolver that only forwards queries
BACKEND_KINDS = (SERVER_KIND, MANAGER_KIND, STUB_KIND)  # in the order in which the list of backends has them


class ForwarderSources(NamedTuple):
    """Files in which a resolver's configuration names the servers that it queries.

    A line counts if it begins with an option, letter by letter. Spaces at both ends of a line are ignored, and so are
    spaces before the last character of the option. A line of a list in YAML begins with its `- `.
    """

    files: Sequence[str]  # files, and folders of files
    options: Sequence[str]  # beginnings of lines that name servers, with the mark: "server=", "- forwarders:"


class BackendDocumentation(NamedTuple):
    """Texts about a backend for docs/dns.md."""

    # (resolver that the host queries, what it needs, files that Proscribe writes)
    table_rows: Sequence[tuple[str, str, str]]
    hit_line: str = ""  # a log line about a refusal, and its cause; "" if no line is logged
    journal_unit: str = ""  # unit whose journal has this line, without .service
    tested_hosts: str = ""  # platforms on which tests run the backend on a whole host; "" for none


class BackendDeclaration(NamedTuple):
    """Declared facts about a backend with a real filter."""

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
        """Return the description of the host's resolver as the filter."""

    def list_possible_stages(self, host: Host, observation: DnsObservation) -> list[FilterStage]:
        """Return, for removal, the stages of everything that an earlier run could have left.

        The texts of their files are "".
        """

    def list_asking_users(self, host: Host, observation: DnsObservation) -> list[str]:
        """Return the accounts that query name servers for the backend.

        If the firewall forces all DNS through the filter, only these accounts may query name servers.
        """
