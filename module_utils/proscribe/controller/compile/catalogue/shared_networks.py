"""Networks that many parties share. No service can be blocked by an address in them.

These are the largest content networks and office clouds, from their own publications. They catch the usual mistake: an
address to which a name resolves today. No complete list of the shared infrastructure of the Internet exists. For other
networks the author of an entry decides; docs/catalogue.md has the guidance.

Sources: cloudflare.com/ips; api.fastly.com/public-ip-list; api.github.com/meta (pages); "Microsoft 365 URLs and IP
address ranges" (Exchange Online, worldwide); gstatic.com/ipranges/goog.json (the networks of its front ends). Of the
VPN: Cloudflare One docs, "Cloudflare One Client with firewall" of 2026-07-24.
"""

from __future__ import annotations

import functools
import ipaddress

from ..reading.networks import NetworkTable

_SHARED_NETWORKS = {
    "Cloudflare's content network": (
        "103.21.244.0/22 103.22.200.0/22 103.31.4.0/22 104.16.0.0/13 104.24.0.0/14 108.162.192.0/18 131.0.72.0/22 "
        "141.101.64.0/18 162.158.0.0/15 172.64.0.0/13 173.245.48.0/20 188.114.96.0/20 190.93.240.0/20 197.234.240.0/22 "
        "198.41.128.0/17 2400:cb00::/32 2405:8100::/32 2405:b500::/32 2606:4700::/32 2803:f800::/32 2a06:98c0::/29 "
        "2c0f:f248::/32"
    ),
    "Fastly's content network": (
        "23.235.32.0/20 43.249.72.0/22 103.244.50.0/24 103.245.222.0/23 103.245.224.0/24 104.156.80.0/20 "
        "140.248.64.0/18 140.248.128.0/17 146.75.0.0/17 151.101.0.0/16 157.52.64.0/18 167.82.0.0/17 "
        "167.82.128.0/20 167.82.160.0/20 167.82.224.0/20 172.111.64.0/18 185.31.16.0/22 199.27.72.0/21 "
        "199.232.0.0/16 2a04:4e40::/32 2a04:4e42::/32"
    ),
    "GitHub's pages": "185.199.108.0/22 2606:50c0:8000::/46",
    "Microsoft 365": (
        "13.107.6.152/31 13.107.18.10/31 13.107.128.0/22 23.103.160.0/20 40.96.0.0/13 40.104.0.0/15 52.96.0.0/14 "
        "131.253.33.215/32 132.245.0.0/16 150.171.32.0/22 204.79.197.215/32"
    ),
    "Google's front ends": "142.250.0.0/15 172.217.0.0/16 216.58.192.0/19",
}
# Parts of the shared networks that serve a single service, as their owners publish: public resolvers, and endpoints of
# a VPN.
_SINGLE_SERVICE_NETWORKS = tuple(
    map(
        ipaddress.ip_network,
        (
            *("162.159.192.0/23", "162.159.197.0/24"),
            *("2606:4700:4700::/48", "2606:4700:100::/48", "2606:4700:102::/48"),
        ),
    )
)


def find_network_owner(text: str) -> str:
    """Return the owner of a shared network that the network `text` overlaps; "" if there is none.

    The result is also "" for a network within _SINGLE_SERVICE_NETWORKS.
    """
    network = ipaddress.ip_network(text)
    if any(
        network.overlaps(exception) and network.prefixlen >= exception.prefixlen
        for exception in _SINGLE_SERVICE_NETWORKS
    ):
        return ""
    return _build_network_table().find_text(network)


@functools.cache
def _build_network_table() -> NetworkTable:
    return NetworkTable({text: owner for owner, texts in _SHARED_NETWORKS.items() for text in texts.split()})
