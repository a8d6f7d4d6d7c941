"""Addresses and users that the firewall lets pass."""

import functools
import ipaddress
from typing import Any

import pytest
from file_hosts import make_host
from firewall_hosts import make_section
from hypothesis import given
from hypothesis import strategies as st
from proscribe.host.controls.firewall.carried_addresses import (
    list_carried_networks,
    list_carriers,
    list_carrying_networks,
)
from proscribe.host.controls.firewall.exemptions import BlockedNetworks, collect_exemptions
from proscribe.host.controls.firewall.rule_syntax import ExemptNetwork, FirewallExemptions, format_network
from proscribe.host.controls.firewall.ruleset import render_ruleset
from proscribe.host.system import Host

from unit.host.controls.test_firewall import elements

ROUTE = "Iface\tDestination\tGateway\tFlags\tRefCnt\tUse\tMetric\tMask\tMTU\tWindow\tIRTT\n"
DEFAULT_ROUTE = ROUTE + "eth0\t00000000\t017100CB\t0003\t0\t0\t0\t00000000\t0\t0\t0\n"  # 203.0.113.1
PASSWD = "root:x:0:0:root:/root:/bin/sh\nalice:x:1004:1004::/home/alice:/bin/sh\nbob:x:1002:1002::/home/bob:/bin/sh\n"
NETWORK = st.builds(
    lambda address, length: ipaddress.ip_network((address, length % (address.max_prefixlen + 1)), strict=False),
    st.one_of(st.ip_addresses(v=4, network="198.51.100.0/24"), st.ip_addresses(v=6, network="2001:db8::/112")),
    st.integers(0, 128),
)
DOUBT = "nobody is known for whom the group contractors restricts this: this host has no such group"


@pytest.fixture
def host(tmp_path):
    return functools.partial(make_host, tmp_path)


def section(*networks: str, management: tuple[str, ...] = (), **more: Any) -> dict[str, Any]:
    return make_section({"telegram": list(networks)}, dns_over_tls="blocked", management=list(management), **more)


def exempt(host: Host, plan: dict[str, Any], boot_file: str = "", **extra: Any) -> list[tuple[str, str]]:
    entries = collect_exemptions(host, plan, boot_file, **extra).exempt_networks
    return [(format_network(entry.network), entry.reason) for entry in entries]


def test_only_what_lies_in_a_refused_network_is_exempted(host):
    seen = host(
        {
            "/proc/net/route": DEFAULT_ROUTE,
            "/etc/resolv.conf": "nameserver 203.0.113.53\nnameserver 192.0.2.53\nnameserver 127.0.0.53\n",
            "/etc/apt/sources.list": "deb http://203.0.113.80/debian x\ndeb http://192.0.2.80/debian x\n",
        }
    )
    gateway, source, resolver = (ipaddress.ip_network(f"203.0.113.{last}") for last in (1, 80, 53))
    assert collect_exemptions(seen, section("203.0.113.0/24"), "", resolver_uids=[101]) == FirewallExemptions(
        exempt_networks=[
            ExemptNetwork(gateway, "default gateway", ("telegram",)),
            ExemptNetwork(source, "package source 203.0.113.80", ("telegram",)),
        ],
        resolvers=[ExemptNetwork(resolver, "resolver", ("telegram",))],
        resolver_ports=(53,),
        ssh_ports=[22],
        ephemeral_ports=(32768, 60999),
        controllers=[],
        waived_uids={},
        restricted_uids={},
        resolver_uids=[101],
        unknown_users=[],
    )
    assert collect_exemptions(seen, section("198.51.100.0/24"), "").exempt_networks == []


def test_all_name_servers_stay_reachable_over_tls_where_nothing_else_is_asked(host):
    files = {"/etc/resolv.conf": "nameserver 203.0.113.53\nnameserver 192.0.2.53\n"}
    strict = host({**files, "/etc/systemd/resolved.conf": "[Resolve]\nDNSOverTLS=yes\n"})
    lets = collect_exemptions(strict, section("203.0.113.0/24"), "")
    expected = [*(("192.0.2.53", ()), ("203.0.113.53", ("telegram",)))]
    assert [(format_network(entry.network), entry.service_ids) for entry in lets.resolvers] == expected
    assert lets.resolver_ports == (53, 853)


def test_management_is_exempted_whatever_it_meets_and_swallows_what_lies_in_it(host):
    seen = host({"/proc/net/route": DEFAULT_ROUTE})
    plan = section("203.0.113.0/24", management=("203.0.113.0/28", "10.0.0.0/8"))
    assert exempt(seen, plan) == [("10.0.0.0/8", "management"), ("203.0.113.0/28", "management")]


def test_a_run_without_the_ssh_session_wants_the_same_table(host):
    seen = host({"/proc/net/route": DEFAULT_ROUTE, "/etc/apt/sources.list": "deb http://deb.example.org/debian x\n"})
    plan = section("203.0.113.0/24", "2001:db8::/32")
    resolved, connections = ["203.0.113.80", "2001:db8::80"], [("192.0.2.9", 2222)]
    lets = collect_exemptions(seen, plan, "", resolve_addresses=lambda name: resolved, connections=connections)
    loaded = render_ruleset(plan, lets)
    assert render_ruleset(plan, collect_exemptions(seen, plan, loaded)) == loaded
    remembered = exempt(host({"/proc/net/route": "", "/etc/apt/sources.list": ""}), plan, loaded)
    assert remembered == []  # which is no source any more


def with_rules(*rules: dict[str, Any]) -> dict[str, Any]:
    usual = {"addresses": [], "ports": [], "protocol": "any", "comment": ""}
    return section(rules=[{**usual, **rule} for rule in rules])


@pytest.mark.parametrize(
    ("exceptions", "numbers"),
    [
        (
            [{"waiver": "w1", "users": ["bob"]}, {"waiver": "w2", "users": ["alice", "nobody"]}],
            {"telegram": [1002, 1004]},
        ),
        ([{"waiver": "w1", "users": ["alice"], "versions": ["1.0"]}], {}),  # a connection has no version
    ],
)
def test_users_of_a_waiver_become_numbers_of_this_host(host, exceptions, numbers):
    plan = section("203.0.113.0/24")
    plan["services"]["telegram"]["exceptions"] = exceptions
    lets = collect_exemptions(host({"/etc/passwd": PASSWD}), plan, "")
    assert lets.waived_uids == numbers
    assert lets.unknown_users == ([("telegram", "nobody")] if numbers else []), "a user who opens nothing is named"


@given(st.lists(NETWORK, max_size=6), NETWORK)
def test_blocked_networks_are_found_by_prefix(networks, network_):
    same = [network for network in networks if network.version == network_.version]
    blocked = BlockedNetworks({"service": frozenset(map(format_network, networks))})
    assert bool(blocked.find_containing_services(network_)) == any(network_.subnet_of(network) for network in same)
    assert bool(blocked.find_overlapping_services(network_)) == any(network_.overlaps(network) for network in same)


@pytest.mark.parametrize(
    ("directions", "exempted"), [(["in"], True), (["out", "in"], True), (["out"], False), ([], False)]
)
def test_controllers_are_exempt_from_rules_for_incoming_traffic(host, directions, exempted):
    rule = {"verdict": "drop", "protocol": "tcp", "addresses": ["192.0.2.0/24"]}
    plan = with_rules(*({**rule, "direction": direction} for direction in directions))
    connections = [("198.51.100.9", 22), ("2001:db8::9", 2222), ("not-an-address", 22)]
    lets = collect_exemptions(host({}), plan, "", connections=connections)
    controllers = [(format_network(network), port) for network, port in lets.controllers]
    assert lets.ssh_ports == [22, 2222]
    assert controllers == ([("198.51.100.9", 22), ("2001:db8::9", 2222)] if exempted else [])


@pytest.mark.parametrize(
    ("direction", "addresses", "open_addresses"),
    [
        ("out", [], ["203.0.113.1", "fe80::1"]),  # a host that has only IPv6 would never come back else
        ("forward", ["203.0.113.0/28"], ["203.0.113.1"]),
        ("in", [], []),
    ],
)
def test_own_rule_leaves_the_host_its_gateways(host, direction, addresses, open_addresses):
    route = f"{32 * '0'} 00 {32 * '0'} 00 fe800000000000000000000000000001 0 0 0 3 eth0\n"
    plan = with_rules({"direction": direction, "verdict": "drop", "addresses": addresses})
    found = exempt(host({"/proc/net/route": DEFAULT_ROUTE, "/proc/net/ipv6_route": route}), plan)
    assert found == [(address, "default gateway") for address in open_addresses]


@pytest.mark.parametrize(("text", "ports"), [("20000\t30000\n", (20000, 30000)), ("20000\n", (32768, 60999))])
def test_answers_come_to_the_ports_of_the_kernel(host, text, ports):
    seen = host({"/proc/sys/net/ipv4/ip_local_port_range": text})
    assert collect_exemptions(seen, section("203.0.113.0/24"), "").ephemeral_ports == ports


def test_reason_with_a_long_name_is_no_longer_than_nfts_comments(host):
    name = ("a" * 60 + ".") * 3 + "b.example"
    seen = host({"/etc/apt/sources.list": f"deb http://{name}/debian x\n"})
    ((_, reason),) = exempt(seen, section("203.0.113.0/24"), resolve_addresses=lambda _: ["203.0.113.80"])
    assert reason.endswith("b.example") and len(reason) <= 128


# RFC 6052, section 2.4: 192.0.2.33 and its network, by the organisation's prefix.
EXAMPLES = {
    "2001:db8::/32": ("2001:db8:c000:221::", "2001:db8:c000:200::/56"),
    "2001:db8:122:300::/56": ("2001:db8:122:3c0:0:221::", "2001:db8:122:3c0:0:200::/88"),
    "2001:db8:122:344::/64": ("2001:db8:122:344:c0:2:2100:0", "2001:db8:122:344:c0:2::/96"),
    "2001:db8:122:344::/96": ("2001:db8:122:344::c000:221", "2001:db8:122:344::c000:200/120"),
    "64:ff9b::/96": ("64:ff9b::c000:221", "64:ff9b::c000:200/120"),
}


@pytest.mark.parametrize("prefix", EXAMPLES)
def test_the_examples_of_the_standard(prefix):
    own = [] if prefix == "64:ff9b::/96" else [prefix]
    address, network = EXAMPLES[prefix]
    assert {address, network} <= set(list_carrying_networks(["192.0.2.33", "192.0.2.0/24", "2001:db8::1"], own))
    among = list_carriers(own)
    assert list(map(str, list_carried_networks(ipaddress.ip_network(address), among))) == ["192.0.2.33/32"]
    assert list(map(str, list_carried_networks(ipaddress.ip_network(network), among))) == ["192.0.2.0/24"]


@pytest.mark.parametrize(
    ("address", "carried"),
    [
        ("2002:c000:221::/48", ["192.0.2.33/32"]),
        ("2001:0:cb00:7101:0:f00:3fff:fdde", ["192.0.2.33/32"]),  # Teredo: inverted
        ("2001:0:cb00:7101:0:f00:3fff:0/112", ["192.0.0.0/16"]),
        ("64:ff9b:1:abcd::c000:221", ["192.0.2.33/32"]),
        ("::c000:221", ["192.0.2.33/32"]),
        ("64:ff9b::/96", ["0.0.0.0/0"]),
        ("64:ff9b::/64", []),  # carries more than IPv4
        ("2001:db8::c000:221", []),
    ],
)
def test_address_carries_an_ipv4_address(address, carried):
    assert list(map(str, list_carried_networks(ipaddress.ip_network(address), list_carriers([])))) == carried


def test_address_that_carries_a_refused_one_is_refused():
    blocked = BlockedNetworks({"telegram": frozenset({"203.0.113.0/24"})}, list_carriers([]))
    mirror, all_of_them = ipaddress.ip_network("64:ff9b::cb00:7107"), ipaddress.ip_network("64:ff9b::/96")
    expected = (("telegram",), ("telegram",))
    assert (blocked.find_containing_services(mirror), blocked.find_overlapping_services(mirror)) == expected
    expected = ((), ("telegram",))
    assert (blocked.find_containing_services(all_of_them), blocked.find_overlapping_services(all_of_them)) == expected
    assert blocked.find_containing_services(ipaddress.ip_network("64:ff9b::c633:6407")) == ()


def test_own_prefix_for_local_use_replaces_the_assumed_one():
    assert "64:ff9b:1::/48" in list_carriers([]) and "64:ff9b:1::/48" not in list_carriers(["64:ff9b:1:aaaa::/64"])


@given(
    st.integers(0, 2**32 - 1),
    st.integers(1, 32),
    st.sampled_from(["2001:db8:a:b::/64", "2001:db8::/32", "fd00:1::/40"]),
)
def test_every_network_comes_back(number, length, prefix):
    network = ipaddress.ip_network((number, length), strict=False)
    carrying = ipaddress.ip_network(list_carrying_networks([str(network)], [prefix])[-1])
    assert list_carried_networks(carrying, list_carriers([prefix])) == [network]


@pytest.mark.parametrize(
    ("body", "numbers"), [("1 } ; add rule x", {"1"}), ("1,,2", {"1", "2"}), ("root", set()), ("", set())]
)
def test_boot_file_gives_back_user_numbers_only(host, body, numbers):
    known = {"users": [], "unresolved": DOUBT}
    plan = make_section({"telegram": {"networks": ["203.0.113.7"], "only": known}, "signal": ["203.0.113.8"]})
    boot_file = f"\tset only_telegram {{\n\t\ttype uid\n\t\telements = {{ {body} }}\n\t}}\n"
    text = render_ruleset(plan, collect_exemptions(host({"etc/passwd": PASSWD}), plan, boot_file))
    assert (elements(text, "only_telegram") if "only_telegram" in text else set()) == numbers
    assert "add rule" not in text
