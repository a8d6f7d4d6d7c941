"""What the firewall does about an address, or about the addresses that a name or a service may have."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator, Sequence

from .....host.controls.firewall import rule_text, ruleset
from .....host.controls.firewall.carried import carried_in
from .....model.types.plan import PlanEntry, PlanSection
from ....report.text.wording import counted, some
from ..relations import ADDRESS, EXTENSION, FILE, NAME, PROGRAM, Subject
from .dns import FILTERS, HOSTS_FILE
from .reason import BLOCKED, DEPENDS, OF_MODE, OPEN, Policy, Reason, by_mode, missing, off


def reasons(about: Subject, policy: Policy) -> Iterator[Reason]:
    """What the control says."""
    section = policy.section("firewall")
    if about.kind in (PROGRAM, FILE, EXTENSION):
        return
    if section is None:
        yield off("firewall")
        return
    if about.kind == ADDRESS:
        yield from _address(about, policy, section)
        return
    if about.question.port is not None:
        yield from _everywhere(about.question.port, policy, section)
    for service in about.services("is", "blocks"):
        entry = section["services"].get(service.id)
        if entry is None:
            note = f" ({service.networks_note})" if service.networks_note else ""
            yield missing(policy, "firewall", service, f"{service.name} has no known addresses of its own{note}")
            continue
        count = counted(len(ruleset.networks(entry)), "network")
        text = f"{count} of {service.name}{_ports(entry)}"
        for reason in by_mode(policy, service.id, entry, text):
            if about.kind == NAME and reason.status == BLOCKED:
                by_address = f"refused by address, where the name leads to one of the {text}"
                yield reason._replace(status=DEPENDS, text=reason.text if reason.waiver else by_address)
            else:
                yield reason


def _address(about: Subject, policy: Policy, section: PlanSection) -> Iterator[Reason]:
    network, port = about.question.network, about.question.port
    if network is None:  # an ADDRESS has one
        return
    carried = carried_in(network, ruleset.carried_by(section))
    networks = [network, *carried]
    exempt = [text for text in section["settings"].get("management", ()) if _inside(networks, text)]
    if exempt:
        yield Reason(OPEN, f"inside {exempt[0]} of proscribe_management, which is never cut")
        return
    if port is not None:
        yield from _everywhere(port, policy, section)
    for service in about.services("address"):
        if service.id not in section["services"]:
            yield missing(policy, "firewall", service, f"{service.name} is not refused by address")
    for id_, entry in section["services"].items():
        pairs = [(subject, one) for one in ruleset.networks(entry) for subject in networks if one.overlaps(subject)]
        if not pairs:
            continue
        inside = [one for _, one in pairs]
        whole = inside[0].prefixlen <= pairs[0][0].prefixlen
        where = f"in {inside[0]}" if whole else f"in part, {some([*map(str, inside)], 3)}"
        if pairs[0][0] in carried:
            where = f"carries {rule_text.spelled(pairs[0][0])} to a translator, {where}"
        text = f"{where}, of {entry['name']}{_ports(entry)}"
        if port is not None and entry["ports"] and port not in entry["ports"]:
            yield Reason(OPEN, f"port {port} is not refused; it lies {text}", id_)
        else:
            yield from by_mode(policy, id_, entry, text)
    yield from _own_rules(networks, port, section)


def _everywhere(port: int, policy: Policy, section: PlanSection) -> Iterator[Reason]:
    """What is refused whatever the address."""
    status = OF_MODE[section["mode"]]
    if port == 853 and section["settings"].get("dns_over_tls") == "blocked":
        yield Reason(status, "port 853, DNS over TLS, is refused except to the resolvers that the host is set to use")
    backend = policy.restrictions.dns_backend
    if port == 53 and section["settings"].get("force_dns") and backend != HOSTS_FILE:
        text = "plain DNS goes out from the accounts of the host's own filtering resolver alone"
        yield Reason(status, text) if backend in FILTERS else Reason(DEPENDS, f"{text}, where it has one")
    if port == 443 and section["settings"].get("quic") == "blocked":
        yield Reason(OPEN, "QUIC (UDP) is refused everywhere, and programs go on over TCP")


def _own_rules(networks: Sequence[rule_text.Network], port: int | None, section: PlanSection) -> Iterator[Reason]:
    """What the organisation's own rules do: the first that fits decides, for the host itself and for guests behind it.

    What guests may do is printed but does not count: the answer is the host's.
    """
    for direction, sender in (("out", "from this host"), ("forward", "from guests behind it")):
        for number, rule in enumerate(section["settings"].get("rules", ()), 1):
            inside = not rule["addresses"] or any(_inside(networks, text) for text in rule["addresses"])
            if rule["direction"] != direction or not inside or not _has_port(rule["ports"], port):
                continue
            closes = rule["verdict"] != "accept" and direction == "out"
            comment = f" ({rule['comment']})" if rule.get("comment") else ""
            protocol = "" if rule["protocol"] == "any" else f" {rule['protocol']}"
            ports = f" to port {', '.join(rule['ports'])}" if rule["ports"] else ""
            text = f"{sender}, proscribe_firewall_rules, number {number}: {rule['verdict']}{protocol}{ports}{comment}"
            yield Reason(OF_MODE[section["mode"]] if closes else OPEN, text)
            if rule["protocol"] == "any" and (port is not None or not rule["ports"]):
                break


def _has_port(ports: Sequence[str], port: int | None) -> bool:
    spans = [(first, last or first) for first, _, last in (text.partition("-") for text in ports)]
    return not ports or port is None or any(int(first) <= port <= int(last) for first, last in spans)


def _ports(entry: PlanEntry) -> str:
    ports = [*map(str, entry["ports"])]
    return f", on port{'s' if len(ports) > 1 else ''} {', '.join(ports)}" if ports else ""


def _inside(networks: Sequence[rule_text.Network], text: str) -> bool:
    outer = ipaddress.ip_network(text)
    return any(outer.overlaps(network) and outer.prefixlen <= network.prefixlen for network in networks)
