"""systemd-resolved with a dnsmasq behind it: what only it has. The rest is in test_dns_contract.py."""

from __future__ import annotations

from dns_contract import OPENED, UPSTREAM, Sample

SAMPLE = Sample(
    files={
        "etc/resolv.conf": "nameserver 127.0.0.53\n",
        "etc/systemd/resolved.conf": f"[Resolve]\nDNS={UPSTREAM}\n",
    },
    refusal=f"dnsmasq[301]: config {OPENED} is NXDOMAIN",
    tools=("dnsmasq",),
    users=("nobody", "systemd-resolve"),
    opens=False,  # the filter is our own
)
