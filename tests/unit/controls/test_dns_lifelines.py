"""Whom a resolver of the host's own asks is never cut by the firewall."""

from __future__ import annotations

from pathlib import Path

import pytest
from proscribe.controls import management_exemptions
from proscribe.host import Host


@pytest.mark.parametrize(
    ("path", "line", "addresses"),
    [
        ("etc/dnsmasq.conf", "server=192.0.2.1", ["192.0.2.1"]),
        ("etc/dnsmasq.d/own.conf", "server=/example.org/192.0.2.2#5353@eth0", ["192.0.2.2"]),
        ("etc/dnsmasq.d/own.conf", "server = 2001:db8::1", ["2001:db8::1"]),
        ("etc/dnsmasq.d/own.conf", "server=/work.wechat.com/#", []),
        ("etc/dnsmasq.d/own.conf", "#server=192.0.2.1", []),
        ("etc/dnsmasq.d/own.conf", "address=/a.org/192.0.2.1", []),
        ("etc/proscribe/dns.conf", "server=192.0.2.3", ["192.0.2.3"]),
        ("etc/unbound/unbound.conf.d/own.conf", "    forward-addr: 192.0.2.4@853#dns.example", ["192.0.2.4"]),
        ("etc/unbound/unbound.conf", "forward-addr: 2001:db8::4@853", ["2001:db8::4"]),
        ("etc/systemd/resolved.conf", "DNS=192.0.2.5:53#x [2001:db8::5]:53", ["192.0.2.5", "2001:db8::5"]),
        ("etc/systemd/resolved.conf.d/a.conf", "DNS=192.0.2.6 192.0.2.7", ["192.0.2.6", "192.0.2.7"]),
        ("etc/systemd/resolved.conf", "FallbackDNS=192.0.2.8", []),
    ],
)
def test_whom_a_forwarding_resolver_asks(tmp_path: Path, path: str, line: str, addresses: list[str]) -> None:
    (tmp_path / path).parent.mkdir(parents=True)
    (tmp_path / path).write_text(f"# made\n{line}\n")
    assert management_exemptions.resolvers(Host(str(tmp_path))) == addresses
