"""dnsmasq as a filter: what only it has. The rest is in test_dns_contract.py."""

from __future__ import annotations

from dns_contract import OPENED, UPSTREAM, Made, Packaged, Sample

MAIN = """\
listen-address={address}
bind-interfaces
no-resolv
no-hosts
server={upstream}
conf-dir=/etc/dnsmasq.d/,*.conf
"""
SAMPLE = Sample(
    files={
        "etc/dnsmasq.conf": "conf-dir=/etc/dnsmasq.d/,*.conf\n",
        "etc/dnsmasq.d/own.conf": f"no-resolv\nserver={UPSTREAM}\nserver=/{OPENED}/10.0.0.1\n",
    },
    refusal=f"dnsmasq[301]: config {OPENED} is NXDOMAIN",
    tools=("dnsmasq",),
    made=Made(
        program="dnsmasq",
        arguments=("--keep-in-foreground", "--pid-file", "--log-facility=-", "--conf-file={main}"),
        files={"etc/dnsmasq.conf": MAIN, "etc/dnsmasq.d/own.conf": "# the organisation's own\n"},
        opening=(
            "etc/dnsmasq.d/zz-own.conf",
            "server=/web.wechat.com/10.0.0.1\nserver=/open.work.wechat.com/10.0.0.1\naddress=/wechat.com/\n",
        ),
    ),
    packaged=Packaged(
        files={"etc/dnsmasq.d/own.conf": "no-resolv\nserver={upstream}\n"},
        user="dnsmasq",
        logging=("etc/dnsmasq.d/log.conf", "log-queries\n"),
    ),
)
