"""Backend: the dnsmasq that NetworkManager runs for itself gets one more file.

NetworkManager passes the name servers of each connection to that dnsmasq. So those of DHCP and of a VPN stay as they
are, each for its own names. Where NetworkManager writes /etc/resolv.conf without it and dnsmasq is installed, a second
file switches it on.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from .....base.json_text import parse_json
from ....system import WRITTEN_BY, Host
from ..filtering import Filter, Stage
from ..observed import Observed, content, loopback, round_it
from .declaration import MANAGER, Declared, Documented, Forwarders
from .dnsmasq import HITS, LANGUAGE, logs_queries, openers

if TYPE_CHECKING:
    from .....model.types.plan import ControlSettings

NAME = "networkmanager"
UNIT = "NetworkManager.service"
FOLDER = "/etc/NetworkManager/dnsmasq.d"
FILE = f"{FOLDER}/proscribe.conf"
SWITCH = "/etc/NetworkManager/conf.d/zz-proscribe.conf"
ADDRESS = "127.0.0.1"  # where NetworkManager has its dnsmasq listen
DECLARED = Declared(
    NAME,
    MANAGER,
    UNIT,
    (FILE, SWITCH),
    (Forwarders((FOLDER,), ("server=",)), Forwarders(("/run/NetworkManager/no-stub-resolv.conf",), ("nameserver ",))),
    Documented(
        (
            ("NetworkManager's dnsmasq", "`dns=dnsmasq`", f"`{FILE}`"),
            (
                "what NetworkManager writes into `/etc/resolv.conf`",
                "dnsmasq installed, not running",
                "that file, and one in `conf.d` that switches NetworkManager's dnsmasq on",
            ),
        ),
        HITS,
        "NetworkManager",
        tested="Debian 13",
    ),
)
RELOAD = ("nmcli", "general", "reload", "conf,dns-full")
_MANAGER = "org.freedesktop.NetworkManager"
CONFIGURED = (
    *("--json=short", "get-property", _MANAGER, "/org/freedesktop/NetworkManager/DnsManager"),
    *(f"{_MANAGER}.DnsManager", "Configuration"),
)
CANNOT_SAY = "NetworkManager does not say for which domains it asks the servers of a link"
# In the order in which NetworkManager reads them (NetworkManager.conf(5)): a later one wins.
CONFIGURATION = (
    "/usr/lib/NetworkManager/conf.d",
    "/run/NetworkManager/conf.d",
    "/etc/NetworkManager/NetworkManager.conf",
    "/etc/NetworkManager/conf.d",
)


def missing(host: Host, observed: Observed) -> str:
    if not observed.units.get(UNIT):
        return f"{UNIT} does not run on this host"
    if host.find_tool("dnsmasq") is None:
        return "NetworkManager needs dnsmasq for it: install dnsmasq (Debian: dnsmasq-base)"
    if host.find_tool("nmcli") is None:
        return "nmcli makes NetworkManager read its files again: install it"
    if mode(host) not in ("", "default", "dnsmasq"):
        return f"NetworkManager has dns={mode(host)} in [main]: set it to dnsmasq"
    return ""


def mode(host: Host) -> str:
    """What the organisation set for `dns` in [main] of NetworkManager; "" for nothing."""
    said = ""
    for place in CONFIGURATION:
        names = host.list_directory(place) if place.endswith(".d") else []
        files = [f"{place}/{name}" for name in names if name.endswith(".conf")] if place.endswith(".d") else [place]
        for path in files:
            section = ""
            for line in content(host, path).splitlines() if path != SWITCH else ():
                line = line.strip()
                if line.startswith("["):
                    section = line
                elif section == "[main]" and line.partition("=")[0].strip() == "dns":
                    said = line.partition("=")[2].strip()
    return said


def describe(host: Host, observed: Observed, settings: ControlSettings) -> Filter:
    switched = mode(host) == "dnsmasq"
    switch = {} if switched else {SWITCH: f"# {WRITTEN_BY}\n[main]\ndns=dnsmasq\n"}
    others = [f"{FOLDER}/{name}" for name in host.list_directory(FOLDER) if f"{FOLDER}/{name}" != FILE]
    there = host.find_entry(FILE) is not None
    lent, unseen = _lent(host) if there else ([], "")
    led = switched or any(map(loopback, observed.servers))  # else it leads there as soon as it is switched on
    return Filter(
        manager=NAME,
        file=FILE,
        language=LANGUAGE,
        stages=lambda text: [Stage({FILE: text, **switch}, [RELOAD], [(ADDRESS, 53)], left=[RELOAD])],
        check=(host.find_tool("dnsmasq") or "dnsmasq", "--test", "-C"),
        units=(UNIT,),
        logs=UNIT if logs_queries(content(host, path) for path in others) else "",
        bypasses=round_it(host, observed, NAME) if led or host.find_entry(SWITCH) is not None else (),
        lent=lent,
        unseen=unseen,
        openers=openers(host, others, ()),
    )


def _lent(host: Host) -> tuple[list[tuple[str, str]], str]:
    """Return (link, domain) for the domains that NetworkManager has its dnsmasq ask a link's own servers, and why they
    are not known.

    A user at the desktop may add a connection with such a domain. For dnsmasq it counts more than our file, which has
    the same name or a wider one.
    """
    busctl = host.find_tool("busctl")
    if busctl is None:
        return [], f"{CANNOT_SAY}: busctl is not installed"
    answer = host.run_command([busctl, *CONFIGURED])
    try:
        links = parse_json(answer.out)["data"]
        return [
            (str(link.get("interface", {}).get("data", "")), domain.strip("~.").lower())
            for link in links
            for domain in link.get("domains", {}).get("data", ())
            if domain.strip("~.")
        ], ""
    except (ValueError, KeyError, TypeError, AttributeError):
        return [], f"{CANNOT_SAY}: busctl says {' '.join((answer.err or answer.out).split())[-200:]!r}"


def standing(host: Host, observed: Observed) -> list[Stage]:
    reload = [RELOAD] if observed.units.get(UNIT) else []
    return [Stage({FILE: "", SWITCH: ""}, (), (), left=reload)]


def users(host: Host, observed: Observed) -> list[str]:
    """The accounts of the dnsmasq that NetworkManager started."""
    manager = observed.units[UNIT]
    found = set()
    for process in host.list_processes()[0]:
        status = host.read_text(f"/proc/{process.pid}/status") or ""
        if process.exe.endswith("/dnsmasq") and f"\nPPid:\t{manager}\n" in status:
            owner = host.find_process_owner(process)
            found.update([owner.name] if owner else [])
    return sorted(found)
