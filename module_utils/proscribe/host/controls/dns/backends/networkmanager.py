"""Backend for the dnsmasq that NetworkManager starts: Proscribe adds a file for that dnsmasq.

NetworkManager passes the name servers of each connection to that dnsmasq. So the servers from DHCP and from a VPN stay
in use, each for its own names. If dnsmasq is installed, but NetworkManager does not use it, a second file switches
dnsmasq on.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from .....base.json_text import parse_json
from ....system import WRITTEN_BY, Host
from ..dns_filter import DnsFilter, FilterStage
from ..resolver_observation import DnsObservation, find_bypasses, is_loopback, read_own_text
from .declaration import MANAGER_KIND, BackendDeclaration, BackendDocumentation, ForwarderSources
from .dnsmasq import DNSMASQ_LANGUAGE, HIT_DOCUMENTATION, find_opening_lines, is_logging_queries

if TYPE_CHECKING:
    from .....model.types.plan import ControlSettings

BACKEND_NAME = "networkmanager"
NETWORKMANAGER_UNIT = "NetworkManager.service"
DROP_IN_FOLDER = "/etc/NetworkManager/dnsmasq.d"
FILTER_PATH = f"{DROP_IN_FOLDER}/proscribe.conf"
SWITCH_PATH = "/etc/NetworkManager/conf.d/zz-proscribe.conf"
DNSMASQ_ADDRESS = "127.0.0.1"  # NetworkManager's dnsmasq listens here
DECLARED = BackendDeclaration(
    BACKEND_NAME,
    MANAGER_KIND,
    NETWORKMANAGER_UNIT,
    (FILTER_PATH, SWITCH_PATH),
    (
        ForwarderSources((DROP_IN_FOLDER,), ("server=",)),
        ForwarderSources(("/run/NetworkManager/no-stub-resolv.conf",), ("nameserver ",)),
    ),
    BackendDocumentation(
        (
            ("NetworkManager's dnsmasq", "`dns=dnsmasq`", f"`{FILTER_PATH}`"),
            (
                "what NetworkManager writes into `/etc/resolv.conf`",
                "dnsmasq installed, not running",
                "that file, and one in `conf.d` that switches NetworkManager's dnsmasq on",
            ),
        ),
        HIT_DOCUMENTATION,
        "NetworkManager",
        tested_hosts="Debian 13",
    ),
)
RELOAD_COMMAND = ("nmcli", "general", "reload", "conf,dns-full")
_BUS_NAME = "org.freedesktop.NetworkManager"
CONFIGURATION_QUERY = (
    *("--json=short", "get-property", _BUS_NAME, "/org/freedesktop/NetworkManager/DnsManager"),
    *(f"{_BUS_NAME}.DnsManager", "Configuration"),
)
UNKNOWN_DOMAINS = "NetworkManager does not say for which domains it asks the servers of a link"
# In the order in which NetworkManager reads them (NetworkManager.conf(5)): a later file has priority.
CONFIGURATION_PATHS = (
    "/usr/lib/NetworkManager/conf.d",
    "/run/NetworkManager/conf.d",
    "/etc/NetworkManager/NetworkManager.conf",
    "/etc/NetworkManager/conf.d",
)


def find_obstacle(host: Host, observation: DnsObservation) -> str:
    """Return what keeps NetworkManager's dnsmasq from being the filter, and the remedy; "" if nothing does."""
    if not observation.pids_by_unit.get(NETWORKMANAGER_UNIT):
        return f"{NETWORKMANAGER_UNIT} does not run on this host"
    if host.find_tool("dnsmasq") is None:
        return "NetworkManager needs dnsmasq for it: install dnsmasq (Debian: dnsmasq-base)"
    if host.find_tool("nmcli") is None:
        return "nmcli makes NetworkManager read its files again: install it"
    if read_dns_mode(host) not in ("", "default", "dnsmasq"):
        return f"NetworkManager has dns={read_dns_mode(host)} in [main]: set it to dnsmasq"
    return ""


def read_dns_mode(host: Host) -> str:
    """Return the value of `dns` in [main] of NetworkManager's configuration; "" if it is not set.

    Proscribe's own file, which switches dnsmasq on, does not count.
    """
    dns_mode = ""
    for configuration_path in CONFIGURATION_PATHS:
        names = host.list_directory(configuration_path) if configuration_path.endswith(".d") else []
        files = (
            [f"{configuration_path}/{name}" for name in names if name.endswith(".conf")]
            if configuration_path.endswith(".d")
            else [configuration_path]
        )
        for path in files:
            section = ""
            for line in read_own_text(host, path).splitlines() if path != SWITCH_PATH else ():
                line = line.strip()
                if line.startswith("["):
                    section = line
                elif section == "[main]" and line.partition("=")[0].strip() == "dns":
                    dns_mode = line.partition("=")[2].strip()
    return dns_mode


def describe_filter(host: Host, observation: DnsObservation, settings: ControlSettings) -> DnsFilter:
    """Return the description of NetworkManager's dnsmasq as the filter.

    It includes the file that switches dnsmasq on, unless the organisation does so.
    """
    is_switched_on = read_dns_mode(host) == "dnsmasq"
    switch_texts = {} if is_switched_on else {SWITCH_PATH: f"# {WRITTEN_BY}\n[main]\ndns=dnsmasq\n"}
    other_files = [
        f"{DROP_IN_FOLDER}/{name}"
        for name in host.list_directory(DROP_IN_FOLDER)
        if f"{DROP_IN_FOLDER}/{name}" != FILTER_PATH
    ]
    is_installed = host.find_entry(FILTER_PATH) is not None
    link_domains, unseen_reason = _list_link_domains(host) if is_installed else ([], "")
    # If programs do not query dnsmasq yet, bypasses are not searched for: resolv.conf leads to the filter as soon as
    # dnsmasq is switched on.
    is_queried = is_switched_on or any(map(is_loopback, observation.servers))
    return DnsFilter(
        manager=BACKEND_NAME,
        file_path=FILTER_PATH,
        language=DNSMASQ_LANGUAGE,
        make_stages=lambda text: [
            FilterStage(
                {FILTER_PATH: text, **switch_texts},
                [RELOAD_COMMAND],
                [(DNSMASQ_ADDRESS, 53)],
                removed_commands=[RELOAD_COMMAND],
            )
        ],
        check_command=(host.find_tool("dnsmasq") or "dnsmasq", "--test", "-C"),
        units=(NETWORKMANAGER_UNIT,),
        log_unit=NETWORKMANAGER_UNIT if is_logging_queries(read_own_text(host, path) for path in other_files) else "",
        bypasses=find_bypasses(host, observation, BACKEND_NAME)
        if is_queried or host.find_entry(SWITCH_PATH) is not None
        else (),
        link_domains=link_domains,
        unseen_reason=unseen_reason,
        opening_lines=find_opening_lines(host, other_files, ()),
    )


def _list_link_domains(host: Host) -> tuple[list[tuple[str, str]], str]:
    """Return (network link, domain) pairs, and the reason why they are unknown; "" if they are known.

    NetworkManager makes its dnsmasq query a network link's own servers for the link's domains. A user at the desktop
    may add a connection with such a domain. For dnsmasq, that domain has priority over the same or a wider name in
    Proscribe's file.
    """
    busctl = host.find_tool("busctl")
    if busctl is None:
        return [], f"{UNKNOWN_DOMAINS}: busctl is not installed"
    result = host.run_command([busctl, *CONFIGURATION_QUERY])
    try:
        links = parse_json(result.out)["data"]
        return [
            (str(link.get("interface", {}).get("data", "")), domain.strip("~.").lower())
            for link in links
            for domain in link.get("domains", {}).get("data", ())
            if domain.strip("~.")
        ], ""
    except (ValueError, KeyError, TypeError, AttributeError):
        return [], f"{UNKNOWN_DOMAINS}: busctl says {' '.join((result.err or result.out).split())[-200:]!r}"


def list_possible_stages(host: Host, observation: DnsObservation) -> list[FilterStage]:
    """Return, for removal, the stage with both files that Proscribe may have left in NetworkManager's folders."""
    reload = [RELOAD_COMMAND] if observation.pids_by_unit.get(NETWORKMANAGER_UNIT) else []
    return [FilterStage({FILTER_PATH: "", SWITCH_PATH: ""}, (), (), removed_commands=reload)]


def list_asking_users(host: Host, observation: DnsObservation) -> list[str]:
    """Return the account of the dnsmasq that NetworkManager started, in a list; [] if that dnsmasq does not run."""
    manager_pid = observation.pids_by_unit[NETWORKMANAGER_UNIT]
    user_names = set()
    for process in host.list_processes()[0]:
        status = host.read_text(f"/proc/{process.pid}/status") or ""
        if process.exe.endswith("/dnsmasq") and f"\nPPid:\t{manager_pid}\n" in status:
            owner = host.find_process_owner(process)
            user_names.update([owner.name] if owner else [])
    return sorted(user_names)
