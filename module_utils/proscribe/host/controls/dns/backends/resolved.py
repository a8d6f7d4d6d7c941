"""Backend for systemd-resolved, which cannot filter: it queries a dnsmasq of Proscribe's for every name.

Programs continue to query systemd-resolved. For the domains of a network link, it continues to query the servers of
that link. All other queries go to Proscribe's dnsmasq, the filter. The filter queries the name servers that
systemd-resolved lists in a file. It follows changes of that file, so new servers from DHCP are used immediately.
systemd-resolved does not list servers on a port other than 53 (resolved-resolv-conf.c). The filter listens on such a
port, so it never queries itself. The port is below 1024, so no user can take the filter's place.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Sequence

from .....base.lazy_patterns import compile_pattern
from .....model.finding import Finding
from ....system import WRITTEN_BY, Host
from ... import management_exemptions
from ..dns_filter import DnsFilter, FilterStage, make_restart_commands
from ..resolver_observation import STUB_ADDRESSES, UPLINKS_PATH, DnsObservation, find_bypasses, read_own_text
from .declaration import STUB_KIND, BackendDeclaration, BackendDocumentation, ForwarderSources
from .dnsmasq import DNSMASQ_LANGUAGE

if TYPE_CHECKING:
    from .....model.types.plan import ControlSettings

BACKEND_NAME = "resolved"
RESOLVED_UNIT = "systemd-resolved.service"
FILTER_ADDRESS, FILTER_PORT = "127.0.0.153", 153
FILTER_PATH = "/etc/proscribe/dns.conf"
FILTER_UNIT = "proscribe-dns.service"
FILTER_UNIT_PATH = f"/etc/systemd/system/{FILTER_UNIT}"
ENABLED_LINK = f"/etc/systemd/system/multi-user.target.wants/{FILTER_UNIT}"
DROP_IN_PATH = "/etc/systemd/resolved.conf.d/zz-proscribe.conf"
# In systemd-resolved's order of priority (resolved.conf(5)). Only the first main file that exists is read. Of two
# drop-ins with the same name, that in the first folder is read.
MAIN_FILE_PATHS = ("/etc/systemd/resolved.conf", "/run/systemd/resolved.conf", "/usr/lib/systemd/resolved.conf")
DROP_IN_FOLDERS = ("/etc/systemd/resolved.conf.d", "/run/systemd/resolved.conf.d", "/usr/lib/systemd/resolved.conf.d")
DECLARED = BackendDeclaration(
    BACKEND_NAME,
    STUB_KIND,
    RESOLVED_UNIT,
    (DROP_IN_PATH, FILTER_UNIT_PATH, FILTER_PATH),
    (
        ForwarderSources((UPLINKS_PATH,), ("nameserver ",)),
        ForwarderSources((MAIN_FILE_PATHS[0], DROP_IN_FOLDERS[0]), ("DNS=",)),
        ForwarderSources((FILTER_PATH,), ("server=",)),
    ),
    BackendDocumentation(
        (
            (
                "systemd-resolved",
                "dnsmasq installed",
                f"Proscribe's own dnsmasq (`{FILTER_UNIT}` on {FILTER_ADDRESS}, port {FILTER_PORT}), and a drop-in "
                f"that makes "
                "systemd-resolved ask it",
            ),
        ),
        "`config photos.wechat.com is NXDOMAIN`",
        "proscribe-dns",
        tested_hosts="Debian 13",
    ),
)
# Three forms: [IPv6] with or without a port, IPv4 with or without a port, IPv6 without brackets.
_SERVER_PATTERN = compile_pattern(r"\[([0-9a-fA-F:.]+)\](?::(\d+))?|([0-9.]+)(?::(\d+))?|([0-9a-fA-F:.]+)")
# a line of `resolvectl domain` begins with "Link 2 (eth0):"; the group is the name of the link
_LINK_PATTERN = compile_pattern(r".*\((.*)\).*")

# dnsmasq can log all queries of all users, or none. So sed passes only the refused names and dnsmasq's own messages to
# the journal. If dnsmasq or sed ends, systemd restarts both.
_UNIT_TEMPLATE = """\
# {written_by}
[Unit]
Description=Keep names of restricted services from resolving
Documentation=man:dnsmasq(8)
After=systemd-resolved.service
Wants=nss-lookup.target
Before=nss-lookup.target
StartLimitIntervalSec=0

[Service]
ExecStart=/bin/sh -c "{dnsmasq} --keep-in-foreground --pid-file --conf-file={file} --log-queries --log-facility=- 2>&1 \
    | {{ sed -uE '/: config [^ ]+ is NXDOMAIN$/b;/: [^ ]+ [^ ]+ (is|to|from) /d'; kill 0; }}"
Restart=always
RestartSec=1
NoNewPrivileges=yes
ProtectSystem=strict
ProtectHome=yes
PrivateTmp=yes

[Install]
WantedBy=multi-user.target
"""


def find_obstacle(host: Host, observation: DnsObservation) -> str:
    """Return what keeps this host from using Proscribe's dnsmasq, and the remedy; "" if nothing does."""
    if RESOLVED_UNIT not in observation.pids_by_unit:
        return f"{RESOLVED_UNIT} does not run on this host"
    if host.find_tool("dnsmasq") is None:
        return "systemd-resolved cannot filter by itself: install dnsmasq (Debian: dnsmasq-base)"
    if management_exemptions.is_resolver_tls_required(host):
        return "systemd-resolved queries over TLS only, which dnsmasq cannot do: have a local unbound query over TLS"
    return ""


def describe_filter(host: Host, observation: DnsObservation, settings: ControlSettings) -> DnsFilter:
    """Return the description of the filter: Proscribe's dnsmasq, and systemd-resolved, which queries it.

    If proscribe_dns_upstreams is set, the filter queries these servers instead of the host's.
    """
    dnsmasq = host.find_tool("dnsmasq") or "dnsmasq"
    servers = settings.get("upstreams") or list_global_servers(host)
    unit_text = _UNIT_TEMPLATE.format(written_by=WRITTEN_BY, dnsmasq=dnsmasq, file=FILTER_PATH)
    # The empty DNS= deletes the servers of earlier files. `~.` sends the queries for every name to this server.
    drop_in_text = f"# {WRITTEN_BY}\n[Resolve]\nDNS=\nDNS={FILTER_ADDRESS}:{FILTER_PORT}\nDomains=~.\n"
    own_stage, stub_stage = list_possible_stages(host, observation)
    links = _list_links(host)
    catch_all_links = _find_catch_all_links(links)
    # systemd-resolved is restarted, because it reads its files only at the start, and keeps older answers in its cache.
    return DnsFilter(
        manager=BACKEND_NAME,
        file_path=FILTER_PATH,
        language=DNSMASQ_LANGUAGE,
        extra_lines=_render_options(host, servers),
        make_stages=lambda text: [
            own_stage._replace(
                files={FILTER_PATH: text, FILTER_UNIT_PATH: unit_text},
                start_commands=[
                    ("systemctl", "daemon-reload"),
                    ("systemctl", "enable", FILTER_UNIT),
                    ("systemctl", "restart", FILTER_UNIT),
                ],
                answer_addresses=[(FILTER_ADDRESS, FILTER_PORT)],
            ),
            stub_stage._replace(
                files={DROP_IN_PATH: drop_in_text},
                start_commands=make_restart_commands(RESOLVED_UNIT),
                answer_addresses=[(STUB_ADDRESSES[0], 53)],
            ),
        ],
        check_command=(dnsmasq, "--test", "-C"),
        units=(FILTER_UNIT, RESOLVED_UNIT),
        log_unit=FILTER_UNIT,
        bypasses=[*find_bypasses(host, observation, BACKEND_NAME), *catch_all_links, *_find_later_servers(host)],
        is_raced=bool(catch_all_links),
        routed_domains=[(link, domain.strip("~.").lower()) for link, domain in links if domain.strip("~.")],
    )


def list_possible_stages(host: Host, observation: DnsObservation) -> list[FilterStage]:
    """Return two stages without texts: the filter, and the file that makes systemd-resolved query it."""
    restart = make_restart_commands(RESOLVED_UNIT, "try-restart") if RESOLVED_UNIT in observation.pids_by_unit else []
    own_stage = FilterStage(
        {FILTER_PATH: "", FILTER_UNIT_PATH: ""},
        (),
        (),
        leave_commands=[("systemctl", "disable", "--now", FILTER_UNIT)],
        required_paths=[ENABLED_LINK],
        removed_commands=[("systemctl", "daemon-reload")],
    )
    return [own_stage, FilterStage({DROP_IN_PATH: ""}, (), (), removed_commands=restart)]


def list_asking_users(host: Host, observation: DnsObservation) -> list[str]:
    """Return the accounts that query name servers: those of systemd-resolved and of the filter."""
    return sorted({"systemd-resolve", _find_filter_user(host)})


def _find_filter_user(host: Host) -> str:
    """Return the account that the filter runs as after it has opened its port."""
    accounts = (host.read_text("/etc/passwd") or "").splitlines()
    return "dnsmasq" if any(line.startswith("dnsmasq:") for line in accounts) else "nobody"


def list_global_servers(host: Host) -> list[str]:
    """Return the name servers that the organisation set for systemd-resolved, in dnsmasq's notation.

    Servers of a single network link are not included.
    """
    return [server for server in map(_convert_server, _read_global_servers(host, with_ours=False)) if server]


def _render_options(host: Host, servers: Sequence[str]) -> str:
    """Return the lines of the filter's file that configure dnsmasq itself.

    `servers` are its upstream servers. If the list is empty, it uses those of systemd-resolved. dnsmasq has no cache
    and does not read /etc/hosts, because systemd-resolved does both.
    """
    upstream_lines = (
        ["no-resolv", *(f"server={server}" for server in servers)] if servers else [f"resolv-file={UPLINKS_PATH}"]
    )
    own_lines = [
        f"port={FILTER_PORT}",
        f"listen-address={FILTER_ADDRESS}",
        "bind-interfaces",
        "no-hosts",
        "cache-size=0",
    ]
    return "\n".join([f"user={_find_filter_user(host)}", *own_lines, *upstream_lines, ""])


def _read_global_servers(host: Host, with_ours: bool) -> list[str]:
    """Return the servers that DNS= of systemd-resolved's files has in the end, in their order.

    An empty DNS= deletes the servers of earlier lines. With `with_ours`, Proscribe's file is read too.
    """
    main_file = next((path for path in MAIN_FILE_PATHS if host.find_entry(path) is not None), "")
    path_by_name = {
        name: f"{folder}/{name}" for folder in reversed(DROP_IN_FOLDERS) for name in host.list_directory(folder)
    }
    files = [main_file] * bool(main_file) + [
        path for name, path in sorted(path_by_name.items()) if name.endswith(".conf")
    ]
    servers: list[str] = []
    for path in files:
        for line in read_own_text(host, path).splitlines() if with_ours or path != DROP_IN_PATH else ():
            key, mark, option_value = line.partition("=")
            if mark and key.strip() == "DNS":
                servers = [*servers, *option_value.replace(",", " ").split()] if option_value.strip() else []
    return servers


def _convert_server(server: str) -> str:
    """Convert a server of resolved.conf to dnsmasq's notation; "" for an invalid server.

    The input has the form ADDRESS[:PORT][%INTERFACE][#NAME].
    """
    server = server.partition("#")[0].partition("%")[0]
    match = _SERVER_PATTERN.fullmatch(server)
    if not match:
        return ""
    address, port = match[1] or match[3] or match[5], match[2] or match[4]
    return f"{address}#{port}" if port else address


def _find_later_servers(host: Host) -> list[Finding]:
    """Return findings for name servers that the organisation's drop-ins add beside the filter.

    [] if Proscribe's own drop-in is not installed yet.
    """
    if host.find_entry(DROP_IN_PATH) is None:
        return []
    own_server = f"{FILTER_ADDRESS}:{FILTER_PORT}"
    return [
        Finding(
            "nameserver",
            server,
            manager=BACKEND_NAME,
            path=DROP_IN_FOLDERS[0],
            detail="systemd-resolved asks it besides the filter",
        )
        for server in _read_global_servers(host, with_ours=True)
        if server != own_server
    ]


def _list_links(host: Host) -> list[tuple[str, str]]:
    """Return (link, domain) for each domain for which systemd-resolved queries a network link's own servers.

    The domain `~.` stands for every name. The list is empty if Proscribe's file is not installed, or without
    resolvectl.
    """
    resolvectl = host.find_tool("resolvectl")
    output = (
        host.run_command([resolvectl, "domain"]).out if resolvectl and host.find_entry(DROP_IN_PATH) is not None else ""
    )
    domains_by_link = []
    for line in output.splitlines():
        link, _, domains = line.partition(":")
        if link.startswith("Link"):
            domains_by_link += [(_LINK_PATTERN.sub(r"\1", link), domain) for domain in domains.split()]
    return domains_by_link


def _find_catch_all_links(links: Sequence[tuple[str, str]]) -> list[Finding]:
    """Return findings for network links whose servers get the queries for every name, as with some VPNs."""
    detail = "its own name servers are asked for every name too"
    return [Finding("link", link, manager=BACKEND_NAME, detail=detail) for link, domain in links if domain == "~."]
