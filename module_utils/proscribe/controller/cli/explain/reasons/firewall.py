"""Reasons of the firewall for an address, or for the addresses that a name or a service may have."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator, Sequence

from .....host.controls.firewall import rule_syntax, ruleset
from .....host.controls.firewall.carried_addresses import list_carried_networks
from .....model.types.plan import PlanEntry, PlanSection
from ....report.text.wording import format_count, summarise_names
from ..relations import ADDRESS, EXTENSION, FILE, NAME, PROGRAM, SERVICE, Subject
from .dns import FILTER_BACKENDS, HOSTS_FILE_BACKEND
from .reason import (
    BLOCKED,
    DEPENDS,
    OPEN,
    STATUS_BY_MODE,
    EffectivePolicy,
    Reason,
    explain_entry,
    explain_missing_entry,
    make_off_reason,
)

DECIDED_KINDS = (SERVICE, NAME, ADDRESS)


def find_reasons(subject: Subject, policy: EffectivePolicy) -> Iterator[Reason]:
    """Yield the reasons of the control `firewall` for the subject of a question; none for a program, file or extension.

    A name is DEPENDS where an address would be BLOCKED: only the host knows the addresses of the name.
    """
    section = policy.find_section("firewall")
    if subject.kind in (PROGRAM, FILE, EXTENSION):
        return
    if section is None:
        yield make_off_reason("firewall")
        return
    if subject.kind == ADDRESS:
        yield from _explain_address(subject, policy, section)
        return
    if subject.question.port is not None:
        yield from _explain_port(subject.question.port, policy, section)
    for service in subject.list_services("is", "blocks"):
        entry = section["services"].get(service.id)
        if entry is None:
            note = f" ({service.networks_note})" if service.networks_note else ""
            yield explain_missing_entry(
                policy, "firewall", service, f"{service.name} has no known addresses of its own{note}"
            )
            continue
        count = format_count(len(ruleset.parse_entry_networks(entry)), "network")
        text = f"{count} of {service.name}{_format_ports(entry)}"
        for reason in explain_entry(policy, service.id, entry, text):
            if subject.kind == NAME and reason.status == BLOCKED:
                address_text = f"refused by address, where the name leads to one of the {text}"
                yield reason._replace(status=DEPENDS, text=reason.text if reason.waiver else address_text)
            else:
                yield reason


def _explain_address(subject: Subject, policy: EffectivePolicy, section: PlanSection) -> Iterator[Reason]:
    """Yield the reasons of the firewall for an address or a network, with or without a port.

    An IPv6 address may carry an IPv4 address to a translator (NAT64). Then the rules for that IPv4 address count, too.
    Addresses of the management network are never refused.
    """
    network, port = subject.question.network, subject.question.port
    if network is None:  # cannot happen: a subject of the kind ADDRESS has a network
        return
    carried_networks = list_carried_networks(network, ruleset.list_section_carriers(section))
    networks = [network, *carried_networks]
    exempt_networks = [text for text in section["settings"].get("management", ()) if _is_inside(networks, text)]
    if exempt_networks:
        yield Reason(OPEN, f"inside {exempt_networks[0]} of proscribe_management, which is never cut")
        return
    if port is not None:
        yield from _explain_port(port, policy, section)
    for service in subject.list_services("address"):
        if service.id not in section["services"]:
            yield explain_missing_entry(policy, "firewall", service, f"{service.name} is not refused by address")
    for service_id, entry in section["services"].items():
        overlaps = [
            (question_network, service_network)
            for service_network in ruleset.parse_entry_networks(entry)
            for question_network in networks
            if service_network.overlaps(question_network)
        ]
        if not overlaps:
            continue
        matched_networks = [service_network for _, service_network in overlaps]
        # Otherwise only a part of the question's network is refused.
        covers_whole_question = matched_networks[0].prefixlen <= overlaps[0][0].prefixlen
        position = (
            f"in {matched_networks[0]}"
            if covers_whole_question
            else f"in part, {summarise_names([*map(str, matched_networks)], 3)}"
        )
        if overlaps[0][0] in carried_networks:
            position = f"carries {rule_syntax.format_network(overlaps[0][0])} to a translator, {position}"
        text = f"{position}, of {entry['name']}{_format_ports(entry)}"
        if port is not None and entry["ports"] and port not in entry["ports"]:
            yield Reason(OPEN, f"port {port} is not refused; it lies {text}", service_id)
        else:
            yield from explain_entry(policy, service_id, entry, text)
    yield from _explain_own_rules(networks, port, section)


def _explain_port(port: int, policy: EffectivePolicy, section: PlanSection) -> Iterator[Reason]:
    """Yield the reasons that apply to a port whatever the address: 53 (DNS), 443 (QUIC) and 853 (DNS over TLS)."""
    status = STATUS_BY_MODE[section["mode"]]
    if port == 853 and section["settings"].get("dns_over_tls") == "blocked":
        yield Reason(status, "port 853, DNS over TLS, is refused except to the resolvers that the host is set to use")
    backend = policy.restrictions.dns_backend
    if port == 53 and section["settings"].get("force_dns") and backend != HOSTS_FILE_BACKEND:
        text = "plain DNS goes out from the accounts of the host's own filtering resolver alone"
        yield Reason(status, text) if backend in FILTER_BACKENDS else Reason(DEPENDS, f"{text}, where it has one")
    if port == 443 and section["settings"].get("quic") == "blocked":
        yield Reason(OPEN, "QUIC (UDP) is refused everywhere, and programs go on over TCP")


def _explain_own_rules(
    networks: Sequence[rule_syntax.Network], port: int | None, section: PlanSection
) -> Iterator[Reason]:
    """Yield the reasons of the organisation's own rules (proscribe_firewall_rules) for networks and a port.

    The first matching rule decides. Guests are virtual machines and containers behind the host. Rules for guests are
    printed but do not count, because the answer is for the host itself.
    """
    for direction, sender in (("out", "from this host"), ("forward", "from guests behind it")):
        for rule_number, rule in enumerate(section["settings"].get("rules", ()), 1):
            is_matching = not rule["addresses"] or any(_is_inside(networks, text) for text in rule["addresses"])
            if rule["direction"] != direction or not is_matching or not _has_port(rule["ports"], port):
                continue
            is_closing = rule["verdict"] != "accept" and direction == "out"
            comment = f" ({rule['comment']})" if rule.get("comment") else ""
            protocol = "" if rule["protocol"] == "any" else f" {rule['protocol']}"
            ports = f" to port {', '.join(rule['ports'])}" if rule["ports"] else ""
            text = (
                f"{sender}, proscribe_firewall_rules, number {rule_number}: {rule['verdict']}{protocol}{ports}{comment}"
            )
            yield Reason(STATUS_BY_MODE[section["mode"]] if is_closing else OPEN, text)
            # This rule decides for every protocol and for each possible port, so no later rule applies.
            if rule["protocol"] == "any" and (port is not None or not rule["ports"]):
                break


def _has_port(ports: Sequence[str], port: int | None) -> bool:
    """Return whether a rule for some ports applies to a port.

    A rule without ports applies to every port, and a question without a port (None) matches every rule. `ports` has
    single ports and ranges such as `8000-8080`.
    """
    spans = [(first, last or first) for first, _, last in (text.partition("-") for text in ports)]
    return not ports or port is None or any(int(first) <= port <= int(last) for first, last in spans)


def _format_ports(entry: PlanEntry) -> str:
    """Return the ports to which the refusal of a service's addresses is limited, as text; "" for all ports."""
    ports = [*map(str, entry["ports"])]
    return f", on port{'s' if len(ports) > 1 else ''} {', '.join(ports)}" if ports else ""


def _is_inside(networks: Sequence[rule_syntax.Network], text: str) -> bool:
    """Return whether one of the networks lies entirely within the network that `text` names."""
    outer_network = ipaddress.ip_network(text)
    return any(outer_network.overlaps(network) and outer_network.prefixlen <= network.prefixlen for network in networks)
