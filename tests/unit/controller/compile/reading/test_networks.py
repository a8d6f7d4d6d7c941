"""Networks of a plan: merged, and spelled as the packet filter lists them."""

from __future__ import annotations

import ipaddress

import pytest
from hypothesis import given
from hypothesis import strategies as st
from proscribe.controller.compile.reading.networks import NetworkTable, merged, packed, spelled


@pytest.mark.parametrize("text", ["10.0.0.1/24", "10.0.0", "::ffff:192.0.2.1", "::192.0.2.1", "fe80::1%eth0", "x", ""])
def test_what_is_no_network_of_a_rule(text: str) -> None:
    assert packed(text) is None


@given(st.lists(st.tuples(st.integers(0, 255), st.integers(22, 32)), max_size=12), st.integers(0, 1023))
def test_the_same_addresses_are_meant_and_none_twice(made: list[tuple[int, int]], offset: int) -> None:
    networks = [str(ipaddress.ip_network((f"198.51.100.{number}", length), strict=False)) for number, length in made]
    address = ipaddress.ip_address("198.51.100.0") + offset
    holding = [network for network in merged(networks) if address in ipaddress.ip_network(network)]
    assert len(holding) == any(address in ipaddress.ip_network(network) for network in networks)


@given(
    st.lists(st.tuples(st.integers(0, 255), st.integers(24, 32)), max_size=12),
    st.tuples(st.integers(0, 255), st.integers(8, 32)),
)
def test_a_network_of_a_table_is_found_by_any_of_its_addresses(
    made: list[tuple[int, int]], other: tuple[int, int]
) -> None:
    networks = [str(ipaddress.ip_network((f"198.51.100.{number}", length), strict=False)) for number, length in made]
    table = {str(net): str(net) for net in ipaddress.collapse_addresses(map(ipaddress.IPv4Network, networks))}
    network = ipaddress.ip_network((f"198.51.100.{other[0]}", other[1]), strict=False)
    due = [net for net in table if network.overlaps(ipaddress.ip_network(net))]
    assert NetworkTable(table).of(network) == (due[0] if due else "")
    assert NetworkTable(table).of(ipaddress.ip_network("2001:db8::/32")) == ""


@pytest.mark.parametrize("text", ["10.0.0.0/24", "10.0.0.1", "2001:db8::/48", "::/0", "fe80::1", "0.0.0.0/0"])
def test_what_is_a_network_of_a_rule(text: str) -> None:
    assert packed(text) == ipaddress.ip_network(text)


@pytest.mark.parametrize(
    ("text", "listed"),
    [
        ("10.0.0.0/24", "10.0.0.0/24"),
        ("10.0.0.1/32", "10.0.0.1"),
        ("2001:DB8::1", "2001:db8::1"),
        ("2001:DB8::/48", "2001:db8::/48"),
        ("fe80::1%x;accept", "fe80::1"),
        ("fe80::%x;accept/64", "fe80::/64"),
    ],
)
def test_a_network_is_spelled_anew(text: str, listed: str) -> None:
    assert spelled(ipaddress.ip_network(text)) == listed
