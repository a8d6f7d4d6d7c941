"""No service may be refused by an address that it shares with half the Internet: whose that is, is said by name.

The table of addresses is pinned line by line. A line that is lost says nothing, and the next entry with such an
address would cut whole fleets off from everybody who stands there.
"""

from __future__ import annotations

import ipaddress

import pytest
from proscribe.controller.compile.catalogue import shared_networks
from proscribe.controller.compile.catalogue.shared_networks import shared_by

CLOUDFLARE, FASTLY, GITHUB = "Cloudflare's content network", "Fastly's content network", "GitHub's pages"
MICROSOFT, GOOGLE = "Microsoft 365", "Google's front ends"


# One address at least out of each line of the table, and out of each network that stands alone in its range.
ADDRESSES = {
    CLOUDFLARE: (
        "103.21.244.7 103.22.200.7 103.31.4.7 104.16.0.0 104.27.255.255 108.162.192.1 131.0.72.1 141.101.64.1 "
        "162.159.1.1 172.64.0.1 173.245.48.1 188.114.96.1 190.93.240.1 197.234.240.1 198.41.128.1 2400:cb00::1 "
        "2405:8100::1 2405:b500::1 2606:4700::6810:1 2803:f800::1 2a06:98c0::1 2c0f:f248::1"
    ),
    FASTLY: (
        "23.235.32.1 43.249.72.1 103.244.50.1 103.245.222.1 103.245.224.1 104.156.80.1 140.248.64.1 140.248.128.1 "
        "146.75.0.1 151.101.1.140 157.52.64.1 167.82.0.1 167.82.128.1 167.82.160.1 167.82.224.1 172.111.64.1 "
        "185.31.16.1 199.27.72.1 199.232.0.1 2a04:4e40::1 2a04:4e42::1"
    ),
    GITHUB: "185.199.108.153 2606:50c0:8000::153",
    MICROSOFT: (
        "13.107.6.152 13.107.18.10 13.107.128.1 23.103.160.1 40.96.0.1 40.104.0.1 52.96.0.1 131.253.33.215 132.245.0.1 "
        "150.171.32.1 204.79.197.215"
    ),
    GOOGLE: "142.251.1.1 172.217.1.1 216.58.192.1",
}


@pytest.mark.parametrize(
    ("address", "whose"), [(one, whose) for whose, texts in ADDRESSES.items() for one in texts.split()]
)
def test_whose_an_address_is(address: str, whose: str) -> None:
    assert shared_by(address) == whose


def test_every_network_of_the_table_is_found() -> None:
    counts = {whose: len(texts.split()) for whose, texts in shared_networks._SHARED.items()}
    assert counts == {CLOUDFLARE: 22, FASTLY: 21, GITHUB: 2, MICROSOFT: 11, GOOGLE: 3}
    for whose, texts in shared_networks._SHARED.items():
        assert {shared_by(text) for text in texts.split()} == {whose}


@pytest.mark.parametrize(
    ("network", "whose"),
    [
        pytest.param("104.0.0.0/8", CLOUDFLARE, id="a wider one takes it in"),
        pytest.param("104.16.8.0/30", CLOUDFLARE, id="a narrower one lies in it"),
        pytest.param("91.108.4.0/22", "", id="Telegram's own"),
        pytest.param("2606:4700:4700::1111/128", "", id="a public resolver, which is one service's own"),
        pytest.param("2606:4700:4700::/48", "", id="all of it"),
        pytest.param("2606:4700:100::a29f:c001/128", "", id="a VPN's way in"),
        pytest.param("2606:4700:102::/48", "", id="another one"),
        pytest.param("162.159.193.1/32", "", id="the same VPN's over IPv4"),
        pytest.param("162.159.192.0/23", "", id="two of its networks as one"),
        pytest.param("162.159.192.0/22", CLOUDFLARE, id="one that takes more in than these"),
        pytest.param("2606:4700:4701::/48", CLOUDFLARE, id="its neighbour is everybody's"),
        pytest.param("2606:4700:4000::/34", CLOUDFLARE, id="one that takes more in than the resolver"),
    ],
)
def test_what_shares_and_what_does_not(network: str, whose: str) -> None:
    assert shared_by(str(ipaddress.ip_network(network))) == whose
