"""unbound as a filter: what only it has. The rest is in test_dns_contract.py."""

from __future__ import annotations

from dns_contract import OPENED, UPSTREAM, Sample

SAMPLE = Sample(
    files={
        "etc/unbound/unbound.conf": 'include-toplevel: "/etc/unbound/unbound.conf.d/*.conf"\n',
        "etc/unbound/unbound.conf.d/own.conf": (
            f'forward-zone:\n  name: "."\n  forward-addr: {UPSTREAM}@853#dns.example\n'
            f'server:\n  local-zone: "{OPENED}" transparent\n'
        ),
    },
    refusal=f"[177:0] info: wechat.com. always_nxdomain 127.0.0.1@39478 {OPENED}. A IN",
    tools=("unbound-checkconf",),
)
