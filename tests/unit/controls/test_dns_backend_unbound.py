"""unbound as a filter: what only it has. The rest is in test_dns_contract.py."""

from __future__ import annotations

from dns_contract import OPENED, UPSTREAM, Made, Packaged, Sample

MAIN = """\
server:
  interface: {address}
  do-not-query-localhost: no
  module-config: "iterator"
  chroot: ""
  username: ""
  use-syslog: no
  pidfile: ""
forward-zone:
  name: "."
  forward-addr: {upstream}
include-toplevel: "/etc/unbound/unbound.conf.d/*.conf"
"""
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
    made=Made(
        program="unbound",
        arguments=("-d", "-c", "{main}"),
        files={
            "etc/unbound/unbound.conf": MAIN,
            "etc/unbound/unbound.conf.d/own.conf": "# the organisation's own\n",
        },
        opening=(
            "etc/unbound/unbound.conf.d/zz-own.conf",
            'server:\n  local-zone: "web.wechat.com." transparent\n  local-zone: "x.wechat.com." refuse\n',
        ),
    ),
    packaged=Packaged(
        files={
            "etc/unbound/unbound.conf.d/own.conf": (
                'server:\n  module-config: "iterator"\nforward-zone:\n  name: "."\n  forward-addr: {upstream}\n'
            ),
        },
        user="unbound",
        refused="wechat.com. always_nxdomain 127.0.0.1",
    ),
)
