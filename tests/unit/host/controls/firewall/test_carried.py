"""IPv4 addresses in IPv6 addresses: where they lie, and that a rule finds them there."""

from __future__ import annotations

import ipaddress

import pytest
from hypothesis import given
from hypothesis import strategies as st
from proscribe.host.controls.firewall.carried import carried_in, carriers, listable

# RFC 6052, section 2.4: 192.0.2.33 and its network, by the organisation's prefix.
EXAMPLES = {
    "2001:db8::/32": ("2001:db8:c000:221::", "2001:db8:c000:200::/56"),
    "2001:db8:100::/40": ("2001:db8:1c0:2:21::", "2001:db8:1c0:2::/64"),
    "2001:db8:122::/48": ("2001:db8:122:c000:2:2100::", "2001:db8:122:c000:2::/80"),
    "2001:db8:122:300::/56": ("2001:db8:122:3c0:0:221::", "2001:db8:122:3c0:0:200::/88"),
    "2001:db8:122:344::/64": ("2001:db8:122:344:c0:2:2100:0", "2001:db8:122:344:c0:2::/96"),
    "2001:db8:122:344::/96": ("2001:db8:122:344::c000:221", "2001:db8:122:344::c000:200/120"),
    "64:ff9b::/96": ("64:ff9b::c000:221", "64:ff9b::c000:200/120"),
}


@pytest.mark.parametrize("prefix", EXAMPLES)
def test_the_examples_of_the_standard(prefix: str) -> None:
    own = [] if prefix == "64:ff9b::/96" else [prefix]
    address, network = EXAMPLES[prefix]
    assert {address, network} <= set(listable(["192.0.2.33", "192.0.2.0/24", "2001:db8::1"], own))
    among = carriers(own)
    assert list(map(str, carried_in(ipaddress.ip_network(address), among))) == ["192.0.2.33/32"]
    assert list(map(str, carried_in(ipaddress.ip_network(network), among))) == ["192.0.2.0/24"]


@given(
    st.integers(0, 2**32 - 1),
    st.integers(1, 32),
    st.sampled_from(["2001:db8:a:b::/64", "2001:db8::/32", "fd00:1::/40"]),
)
def test_every_network_comes_back(number: int, length: int, prefix: str) -> None:
    network = ipaddress.ip_network((number, length), strict=False)
    text = listable([str(network)], [prefix])[-1]
    assert carried_in(ipaddress.ip_network(text), carriers([prefix])) == [network]
