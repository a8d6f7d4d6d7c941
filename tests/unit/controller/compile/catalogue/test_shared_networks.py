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
