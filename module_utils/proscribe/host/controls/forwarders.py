"""Places in the configurations of resolvers that name the servers they ask.

`tests/tool python tests/derived` writes this file from what the backends of dns declare (declaration.py).
"""

from __future__ import annotations

from typing import Sequence

# Each row: files and folders of files, and the options (with separator) whose lines name servers.
FORWARDER_SETTINGS: Sequence[tuple[Sequence[str], Sequence[str]]] = (
    (("/etc/dnsmasq.conf", "/etc/dnsmasq.d"), ("server=",)),
    (
        (
            "/etc/unbound/unbound.conf",
            "/etc/unbound/unbound.conf.d",
            "/etc/unbound/conf.d",
            "/etc/unbound/local.d",
        ),
        ("forward-addr:",),
    ),
    (("/etc/NetworkManager/dnsmasq.d",), ("server=",)),
    (("/run/NetworkManager/no-stub-resolv.conf",), ("nameserver ",)),
    (("/run/systemd/resolve/resolv.conf",), ("nameserver ",)),
    (("/etc/systemd/resolved.conf", "/etc/systemd/resolved.conf.d"), ("DNS=",)),
    (("/etc/proscribe/dns.conf",), ("server=",)),
)
