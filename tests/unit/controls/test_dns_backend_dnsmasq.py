"""dnsmasq as a filter: what only it has. The rest is in test_dns_contract.py."""

from __future__ import annotations

from dns_contract import OPENED, UPSTREAM, Sample

SAMPLE = Sample(
    files={
        "etc/dnsmasq.conf": "conf-dir=/etc/dnsmasq.d/,*.conf\n",
        "etc/dnsmasq.d/own.conf": f"no-resolv\nserver={UPSTREAM}\nserver=/{OPENED}/10.0.0.1\n",
    },
    refusal=f"dnsmasq[301]: config {OPENED} is NXDOMAIN",
    tools=("dnsmasq",),
)
