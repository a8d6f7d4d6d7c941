"""Backend: systemd-resolved, which cannot filter, asks a dnsmasq of our own for every name.

Programs go on asking systemd-resolved, and it goes on asking the servers of a link for the domains of that link. What
is left comes to the filter, which asks the name servers that systemd-resolved knows: it follows the file with them, so
new ones from DHCP count at once. That file leaves out servers on a port other than 53 (resolved-resolv-conf.c), and
the filter has such a port: it never asks itself. The port is below 1024: no user can take the filter's place.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Sequence

from .....base.patterns import compile_pattern
from .....model.finding import Finding
from ....system import WRITTEN_BY, Host
from ... import management_exemptions
from ..filtering import Filter, Stage, restarting
from ..observed import STUBS, UPLINKS, Observed, content, round_it
from .declaration import STUB, Declared, Documented, Forwarders
from .dnsmasq import LANGUAGE

if TYPE_CHECKING:
    from .....model.types.plan import ControlSettings

NAME = "resolved"
UNIT = "systemd-resolved.service"
ADDRESS, PORT = "127.0.0.153", 153
FILE = "/etc/proscribe/dns.conf"
OWN_UNIT = "proscribe-dns.service"
UNIT_FILE = f"/etc/systemd/system/{OWN_UNIT}"
ENABLED = f"/etc/systemd/system/multi-user.target.wants/{OWN_UNIT}"
DROP_IN = "/etc/systemd/resolved.conf.d/zz-proscribe.conf"
# In the order in which systemd-resolved reads them (resolved.conf(5)); of two drop-ins with one name the first counts.
MAIN_FILES = ("/etc/systemd/resolved.conf", "/run/systemd/resolved.conf", "/usr/lib/systemd/resolved.conf")
DROP_INS = ("/etc/systemd/resolved.conf.d", "/run/systemd/resolved.conf.d", "/usr/lib/systemd/resolved.conf.d")
DECLARED = Declared(
    NAME,
    STUB,
    UNIT,
    (DROP_IN, UNIT_FILE, FILE),
    (
        Forwarders((UPLINKS,), ("nameserver ",)),
        Forwarders((MAIN_FILES[0], DROP_INS[0]), ("DNS=",)),
        Forwarders((FILE,), ("server=",)),
    ),
    Documented(
        (
            (
                "systemd-resolved",
                "dnsmasq installed",
                f"Proscribe's own dnsmasq (`{OWN_UNIT}` on {ADDRESS}, port {PORT}), and a drop-in that makes "
                "systemd-resolved ask it",
            ),
        ),
        "`config photos.wechat.com is NXDOMAIN`",
        "proscribe-dns",
        tested="Debian 13",
    ),
)
_SERVER = compile_pattern(r"\[([0-9a-fA-F:.]+)\](?::(\d+))?|([0-9.]+)(?::(\d+))?|([0-9a-fA-F:.]+)")
_LINK = compile_pattern(r".*\((.*)\).*")

# dnsmasq can log all that everybody asks, or nothing. What sed leaves of it for the journal is the names that were
# refused, and what dnsmasq says of itself. Whichever of the two ends, both are started again.
_UNIT = """\
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


def missing(host: Host, observed: Observed) -> str:
    if UNIT not in observed.units:
        return f"{UNIT} does not run on this host"
    if host.find_tool("dnsmasq") is None:
        return "systemd-resolved cannot filter by itself: install dnsmasq (Debian: dnsmasq-base)"
    if management_exemptions.is_resolver_tls_required(host):
        return "systemd-resolved queries over TLS only, which dnsmasq cannot do: have a local unbound query over TLS"
    return ""


def describe(host: Host, observed: Observed, settings: ControlSettings) -> Filter:
    """With proscribe_dns_upstreams the filter asks these instead of those of the host."""
    dnsmasq = host.find_tool("dnsmasq") or "dnsmasq"
    servers = settings.get("upstreams") or global_servers(host)
    unit = _UNIT.format(written_by=WRITTEN_BY, dnsmasq=dnsmasq, file=FILE)
    drop_in = f"# {WRITTEN_BY}\n[Resolve]\nDNS=\nDNS={ADDRESS}:{PORT}\nDomains=~.\n"
    own, front = standing(host, observed)
    links = _links(host)
    every_name = _for_all(links)
    # A line for systemd-resolved counts from its next start, an older answer stays cached until it is flushed.
    return Filter(
        manager=NAME,
        file=FILE,
        language=LANGUAGE,
        more=_options(host, servers),
        stages=lambda text: [
            own._replace(
                files={FILE: text, UNIT_FILE: unit},
                start=[
                    ("systemctl", "daemon-reload"),
                    ("systemctl", "enable", OWN_UNIT),
                    ("systemctl", "restart", OWN_UNIT),
                ],
                answers=[(ADDRESS, PORT)],
            ),
            front._replace(files={DROP_IN: drop_in}, start=restarting(UNIT), answers=[(STUBS[0], 53)]),
        ],
        check=(dnsmasq, "--test", "-C"),
        units=(OWN_UNIT, UNIT),
        logs=OWN_UNIT,
        bypasses=[*round_it(host, observed, NAME), *every_name, *_later_servers(host)],
        is_raced=bool(every_name),
        routed=[(link, domain.strip("~.").lower()) for link, domain in links if domain.strip("~.")],
    )


def standing(host: Host, observed: Observed) -> list[Stage]:
    """The filter, and what leads systemd-resolved to it."""
    restart = restarting(UNIT, "try-restart") if UNIT in observed.units else []
    own = Stage(
        {FILE: "", UNIT_FILE: ""},
        (),
        (),
        leave=[("systemctl", "disable", "--now", OWN_UNIT)],
        exists=[ENABLED],
        left=[("systemctl", "daemon-reload")],
    )
    return [own, Stage({DROP_IN: ""}, (), (), left=restart)]


def users(host: Host, observed: Observed) -> list[str]:
    return sorted({"systemd-resolve", _user(host)})


def _user(host: Host) -> str:
    """The account that the filter runs for once it has its port."""
    accounts = (host.read_text("/etc/passwd") or "").splitlines()
    return "dnsmasq" if any(line.startswith("dnsmasq:") for line in accounts) else "nobody"


def global_servers(host: Host) -> list[str]:
    """The name servers that the organisation has systemd-resolved ask for all links, as dnsmasq writes them."""
    return [server for server in map(_for_dnsmasq, _global(host, ours=False)) if server]


def _options(host: Host, servers: Sequence[str]) -> str:
    """What the filter's file has beside the names. systemd-resolved has the cache and reads /etc/hosts: the filter need
    not.
    """
    upstream = ["no-resolv", *(f"server={server}" for server in servers)] if servers else [f"resolv-file={UPLINKS}"]
    own = [f"port={PORT}", f"listen-address={ADDRESS}", "bind-interfaces", "no-hosts", "cache-size=0"]
    return "\n".join([f"user={_user(host)}", *own, *upstream, ""])


def _global(host: Host, ours: bool) -> list[str]:
    """The values of DNS= that count, in order."""
    main = next((path for path in MAIN_FILES if host.find_entry(path) is not None), "")
    by_name = {name: f"{folder}/{name}" for folder in reversed(DROP_INS) for name in host.list_directory(folder)}
    files = [main] * bool(main) + [path for name, path in sorted(by_name.items()) if name.endswith(".conf")]
    servers: list[str] = []
    for path in files:
        for line in content(host, path).splitlines() if ours or path != DROP_IN else ():
            key, mark, value = line.partition("=")
            if mark and key.strip() == "DNS":
                servers = [*servers, *value.replace(",", " ").split()] if value.strip() else []
    return servers


def _for_dnsmasq(server: str) -> str:
    """A server as in resolved.conf, ADDRESS[:PORT][%INTERFACE][#NAME], in dnsmasq's spelling; "" if it is none."""
    server = server.partition("#")[0].partition("%")[0]
    match = _SERVER.fullmatch(server)
    if not match:
        return ""
    address, port = match[1] or match[3] or match[5], match[2] or match[4]
    return f"{address}#{port}" if port else address


def _later_servers(host: Host) -> list[Finding]:
    """Name servers that a later drop-in of the organisation adds to ours."""
    if host.find_entry(DROP_IN) is None:
        return []
    ours = f"{ADDRESS}:{PORT}"
    return [
        Finding(
            "nameserver", server, manager=NAME, path=DROP_INS[0], detail="systemd-resolved asks it besides the filter"
        )
        for server in _global(host, ours=True)
        if server != ours
    ]


def _links(host: Host) -> list[tuple[str, str]]:
    """(link, domain) for each domain that is asked of the link's own name servers."""
    resolvectl = host.find_tool("resolvectl")
    answer = host.run_command([resolvectl, "domain"]).out if resolvectl and host.find_entry(DROP_IN) is not None else ""
    found = []
    for line in answer.splitlines():
        link, _, domains = line.partition(":")
        if link.startswith("Link"):
            found += [(_LINK.sub(r"\1", link), domain) for domain in domains.split()]
    return found


def _for_all(links: Sequence[tuple[str, str]]) -> list[Finding]:
    """Links that want every name asked of their own servers, as some VPNs have it."""
    detail = "its own name servers are asked for every name too"
    return [Finding("link", link, manager=NAME, detail=detail) for link, domain in links if domain == "~."]
