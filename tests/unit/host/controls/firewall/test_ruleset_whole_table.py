"""A table with something of everything in it, letter by letter as it is loaded."""

from __future__ import annotations

import ipaddress
from typing import Any

from proscribe.host.controls.firewall.rule_text import Exempt, Exemptions
from proscribe.host.controls.firewall.ruleset import render
from proscribe.host.system import WRITTEN_BY


def net(text: str) -> Any:
    return ipaddress.ip_network(text)


def service(*networks: str, **more: Any) -> dict[str, Any]:
    return {"name": "x", "mode": "enforce", "networks": networks, "ports": [], **more}


def own(direction: str, protocol: str, verdict: str, *addresses: str, **more: Any) -> dict[str, Any]:
    usual = {"ports": [], "comment": ""}
    return {"direction": direction, "protocol": protocol, "verdict": verdict, "addresses": addresses, **usual, **more}


SERVICES = {
    "telegram": service(
        *("203.0.113.1", "203.0.113.6", "198.51.100.0/24", "2001:db8::1", "2001:db8:1::/48"), ports=[443, 80]
    ),
    "members": service("203.0.113.2", only={"users": ["a"]}),
    "nobody": service("203.0.113.3", only={"users": ["b"]}),
    "empty": service(),
    "waived": service("203.0.113.4", mode="waived"),
    "audited": service("203.0.113.5", mode="audit"),
}
OWN = [
    own("in", "tcp", "accept", "192.0.2.0/24", ports=["22"], comment="ours"),
    own("in", "any", "drop", "2001:db8::5", ports=["53", "8000-8080"]),
    own("in", "icmp", "accept", "192.0.2.7", "2001:db8::7"),
    own("out", "icmp", "accept"),
    own("out", "udp", "reject", ports=["514"]),
    own("forward", "any", "drop"),
]
SETTINGS = {"dns_over_tls": "blocked", "quic": "blocked", "log": True, "rules": OWN}
LETS = Exemptions(
    exempt=[
        Exempt(net("203.0.113.9/32"), "management", ("telegram",)),
        Exempt(net("192.0.0.0/24"), "gateway"),  # with one of the witnesses in it
    ],
    resolvers=[Exempt(net("203.0.113.53/32"), "name server")],
    resolver_ports=[53, 853],
    ssh_ports=[2222, 22],
    ephemeral=(30000, 40000),
    controllers=[(net("198.51.100.7/32"), 22), (net("2001:db8::9/128"), 2222)],
    users={"telegram": [1001, 1000], "audited": [1002]},
    only={"members": [1004, 1003]},
    askers=[101],
)
TABLE = """\
    counter refused-dns-over-tls {
    }
    chain refuse-dns-over-tls {
        counter name "refused-dns-over-tls"
        limit rate 6/minute burst 20 packets log prefix "proscribe dns-over-tls " flags skuid
        meta l4proto tcp reject with tcp reset
        reject with icmpx type admin-prohibited
    }
    counter refused-quic {
    }
    chain refuse-quic {
        counter name "refused-quic"
        limit rate 6/minute burst 20 packets log prefix "proscribe quic " flags skuid
        meta l4proto tcp reject with tcp reset
        reject with icmpx type admin-prohibited
    }
    counter refused_audited {
    }
    chain refuse_audited {
        meta skuid 1002 ct label set 127
        ct label 127 return
        counter name "refused_audited"
        limit rate 6/minute burst 20 packets log prefix "proscribe audited " flags skuid
        meta l4proto tcp reject with tcp reset
        reject with icmpx type admin-prohibited
    }
    set hosts4_audited {
        type ipv4_addr
        elements = { 203.0.113.5 }
    }
    set hosts4in96_audited {
        type ipv6_addr
        elements = { ::203.0.113.5 }
    }
    set hosts4in16_audited {
        type ipv6_addr
        elements = { 0:cb00:7105:: }
    }
    set only_members {
        type uid
        elements = { 1003,
                 1004 }
    }
    counter refused_members {
    }
    chain refuse_members {
        counter name "refused_members"
        limit rate 6/minute burst 20 packets log prefix "proscribe members " flags skuid
        meta l4proto tcp reject with tcp reset
        reject with icmpx type admin-prohibited
    }
    set hosts4_members {
        type ipv4_addr
        elements = { 203.0.113.2 }
    }
    set hosts4in96_members {
        type ipv6_addr
        elements = { ::203.0.113.2 }
    }
    set hosts4in16_members {
        type ipv6_addr
        elements = { 0:cb00:7102:: }
    }
    counter refused_telegram {
    }
    chain refuse_telegram {
        meta skuid { 1000, 1001 } ct label set 127
        ct label 127 return
        counter name "refused_telegram"
        limit rate 6/minute burst 20 packets log prefix "proscribe telegram " flags skuid
        meta l4proto tcp reject with tcp reset
        reject with icmpx type admin-prohibited
    }
    set hosts4_telegram {
        type ipv4_addr
        elements = { 203.0.113.1,
                 203.0.113.6 }
    }
    set nets4_telegram {
        type ipv4_addr
        flags interval
        elements = { 198.51.100.0/24 }
    }
    set hosts6_telegram {
        type ipv6_addr
        elements = { 2001:db8::1 }
    }
    set nets6_telegram {
        type ipv6_addr
        flags interval
        elements = { 2001:db8:1::/48 }
    }
    set hosts4in96_telegram {
        type ipv6_addr
        elements = { ::203.0.113.1,
                 ::203.0.113.6 }
    }
    set nets4in96_telegram {
        type ipv6_addr
        flags interval
        elements = { ::198.51.100.0/120 }
    }
    set hosts4in16_telegram {
        type ipv6_addr
        elements = { 0:cb00:7101::,
                 0:cb00:7106:: }
    }
    set nets4in16_telegram {
        type ipv6_addr
        flags interval
        elements = { 0:c633:6400::/40 }
    }
    chain carried-96 {
        ip6 daddr & ::255.255.255.255 == @hosts4in96_audited jump refuse_audited
        ip6 daddr & ::255.255.255.255 == @hosts4in96_members meta skuid @only_members jump refuse_members
        ip6 daddr & ::255.255.255.255 == @hosts4in96_telegram meta l4proto { tcp, udp } th dport { 80, 443 } jump refuse_telegram
        ip6 daddr & ::255.255.255.255 == @nets4in96_telegram meta l4proto { tcp, udp } th dport { 80, 443 } jump refuse_telegram
    }
    chain carried-96-inverted {
        ip6 daddr & ::255.255.255.255 ^ ::255.255.255.255 == @hosts4in96_audited jump refuse_audited
        ip6 daddr & ::255.255.255.255 ^ ::255.255.255.255 == @hosts4in96_members meta skuid @only_members jump refuse_members
        ip6 daddr & ::255.255.255.255 ^ ::255.255.255.255 == @hosts4in96_telegram meta l4proto { tcp, udp } th dport { 80, 443 } jump refuse_telegram
        ip6 daddr & ::255.255.255.255 ^ ::255.255.255.255 == @nets4in96_telegram meta l4proto { tcp, udp } th dport { 80, 443 } jump refuse_telegram
    }
    chain carried-16 {
        ip6 daddr & 0:ffff:ffff:: == @hosts4in16_audited jump refuse_audited
        ip6 daddr & 0:ffff:ffff:: == @hosts4in16_members meta skuid @only_members jump refuse_members
        ip6 daddr & 0:ffff:ffff:: == @hosts4in16_telegram meta l4proto { tcp, udp } th dport { 80, 443 } jump refuse_telegram
        ip6 daddr & 0:ffff:ffff:: == @nets4in16_telegram meta l4proto { tcp, udp } th dport { 80, 443 } jump refuse_telegram
    }
    counter refused-plain-dns {
    }
    chain refuse-plain-dns {
        meta skuid 101 ct label set 127
        ct label 127 return
        counter name "refused-plain-dns"
        limit rate 6/minute burst 20 packets log prefix "proscribe plain-dns " flags skuid
        meta l4proto tcp reject with tcp reset
        reject with icmpx type admin-prohibited
    }
    counter refused-own-rules {
    }
    chain refuse-own-rules {
        counter name "refused-own-rules"
        limit rate 6/minute burst 20 packets log prefix "proscribe own-rules " flags skuid
        meta l4proto tcp reject with tcp reset
        reject with icmpx type admin-prohibited
    }
    chain drop-own-rules {
        counter name "refused-own-rules"
        limit rate 6/minute burst 20 packets log prefix "proscribe own-rules " flags skuid
        drop
    }
    set own1-nets4 {
        type ipv4_addr
        flags interval
        elements = { 192.0.2.0/24 }
    }
    set own2-hosts6 {
        type ipv6_addr
        elements = { 2001:db8::5 }
    }
    set own3-hosts4 {
        type ipv4_addr
        elements = { 192.0.2.7 }
    }
    set own3-hosts6 {
        type ipv6_addr
        elements = { 2001:db8::7 }
    }
    set managed-hosts4 {
        type ipv4_addr
        elements = { 203.0.113.9 }
    }
    chain own-in {
        ct state established,related accept
        icmpv6 type { nd-router-solicit, nd-router-advert, nd-neighbor-solicit, nd-neighbor-advert } accept
        icmpv6 type { mld-listener-query, mld-listener-report, mld-listener-done, mld2-listener-report } accept
        udp sport { 67, 547 } udp dport { 68, 546 } accept
        ip saddr @managed-hosts4 accept
        ip saddr 198.51.100.7 tcp dport 22 accept comment "control connection"
        ip6 saddr 2001:db8::9 tcp dport 2222 accept comment "control connection"
        ip saddr @own1-nets4 tcp dport 22 accept comment "ours"
        ip6 saddr @own2-hosts6 meta l4proto { tcp, udp } th dport { 53, 8000-8080 } jump drop-own-rules
        ip saddr @own3-hosts4 ip protocol icmp accept
        ip6 saddr @own3-hosts6 meta l4proto ipv6-icmp accept
    }
    chain own-out {
        ct state established,related accept
        icmpv6 type { nd-router-solicit, nd-router-advert, nd-neighbor-solicit, nd-neighbor-advert } accept
        icmpv6 type { mld-listener-query, mld-listener-report, mld-listener-done, mld2-listener-report } accept
        udp sport { 68, 546 } udp dport { 67, 547 } accept
        meta l4proto { icmp, ipv6-icmp } accept
        udp dport 514 jump refuse-own-rules
    }
    chain own-forward {
        ct state established,related accept
        jump drop-own-rules
    }
    set exempt-hosts4 {
        type ipv4_addr
        elements = { 203.0.113.9 comment "management" }
    }
    set exempt-nets4 {
        type ipv4_addr
        flags interval
        elements = { 192.0.0.0/24 comment "gateway" }
    }
    set exempt-hosts4in96 {
        type ipv6_addr
        elements = { ::203.0.113.9 }
    }
    set exempt-nets4in96 {
        type ipv6_addr
        flags interval
        elements = { ::192.0.0.0/120 }
    }
    set exempt-hosts4in16 {
        type ipv6_addr
        elements = { 0:cb00:7109:: }
    }
    set exempt-nets4in16 {
        type ipv6_addr
        flags interval
        elements = { 0:c000::/40 }
    }
    set resolvers-hosts4 {
        type ipv4_addr
        elements = { 203.0.113.53 comment "name server" }
    }
    set resolvers-hosts4in96 {
        type ipv6_addr
        elements = { ::203.0.113.53 }
    }
    set resolvers-hosts4in16 {
        type ipv6_addr
        elements = { 0:cb00:7135:: }
    }
    chain restricted {
        tcp sport { 22, 2222 } tcp flags & (syn | ack) != syn accept
        ct direction reply meta l4proto { tcp, udp } th sport != 30000-40000 accept
        icmpv6 type { nd-neighbor-solicit, nd-neighbor-advert } accept
        ip daddr @exempt-hosts4 accept
        ip daddr @exempt-nets4 accept
        ip6 daddr 64:ff9b::/96 ip6 daddr & ::255.255.255.255 == @exempt-hosts4in96 accept
        ip6 daddr ::/96 ip6 daddr & ::255.255.255.255 == @exempt-hosts4in96 accept
        ip6 daddr 64:ff9b:1::/48 ip6 daddr & ::255.255.255.255 == @exempt-hosts4in96 accept
        ip6 daddr 2001::/32 ip6 daddr & ::255.255.255.255 ^ ::255.255.255.255 == @exempt-hosts4in96 accept
        ip6 daddr 64:ff9b::/96 ip6 daddr & ::255.255.255.255 == @exempt-nets4in96 accept
        ip6 daddr ::/96 ip6 daddr & ::255.255.255.255 == @exempt-nets4in96 accept
        ip6 daddr 64:ff9b:1::/48 ip6 daddr & ::255.255.255.255 == @exempt-nets4in96 accept
        ip6 daddr 2001::/32 ip6 daddr & ::255.255.255.255 ^ ::255.255.255.255 == @exempt-nets4in96 accept
        ip6 daddr 2002::/16 ip6 daddr & 0:ffff:ffff:: == @exempt-hosts4in16 accept
        ip6 daddr 2002::/16 ip6 daddr & 0:ffff:ffff:: == @exempt-nets4in16 accept
        meta l4proto { tcp, udp } th dport 53 jump refuse-plain-dns
        ip daddr @resolvers-hosts4 meta l4proto { tcp, udp } th dport { 53, 853 } accept
        ip6 daddr 64:ff9b::/96 ip6 daddr & ::255.255.255.255 == @resolvers-hosts4in96 meta l4proto { tcp, udp } th dport { 53, 853 } accept
        ip6 daddr ::/96 ip6 daddr & ::255.255.255.255 == @resolvers-hosts4in96 meta l4proto { tcp, udp } th dport { 53, 853 } accept
        ip6 daddr 64:ff9b:1::/48 ip6 daddr & ::255.255.255.255 == @resolvers-hosts4in96 meta l4proto { tcp, udp } th dport { 53, 853 } accept
        ip6 daddr 2001::/32 ip6 daddr & ::255.255.255.255 ^ ::255.255.255.255 == @resolvers-hosts4in96 meta l4proto { tcp, udp } th dport { 53, 853 } accept
        ip6 daddr 2002::/16 ip6 daddr & 0:ffff:ffff:: == @resolvers-hosts4in16 meta l4proto { tcp, udp } th dport { 53, 853 } accept
        meta l4proto { tcp, udp } th dport 853 jump refuse-dns-over-tls
        udp dport 443 jump refuse-quic
        ip daddr @hosts4_audited jump refuse_audited
        ip daddr @hosts4_members meta skuid @only_members jump refuse_members
        ip daddr @hosts4_telegram meta l4proto { tcp, udp } th dport { 80, 443 } jump refuse_telegram
        ip daddr @nets4_telegram meta l4proto { tcp, udp } th dport { 80, 443 } jump refuse_telegram
        ip6 daddr @hosts6_telegram meta l4proto { tcp, udp } th dport { 80, 443 } jump refuse_telegram
        ip6 daddr @nets6_telegram meta l4proto { tcp, udp } th dport { 80, 443 } jump refuse_telegram
        ip6 daddr 64:ff9b::/96 jump carried-96
        ip6 daddr 2002::/16 jump carried-16
        ip6 daddr 2001::/32 jump carried-96-inverted
        ip6 daddr ::/96 jump carried-96
        ip6 daddr 64:ff9b:1::/48 jump carried-96
        ip6 daddr 100::8 reject with icmpx type admin-prohibited
    }
    chain output {
        type filter hook output priority filter - 10; policy accept;
        meta oiftype loopback accept
        jump restricted
        jump own-out
    }
    chain forward {
        type filter hook forward priority filter - 10; policy accept;
        jump restricted
        jump own-forward
    }
    chain input {
        type filter hook input priority filter - 10; policy accept;
        meta iiftype loopback accept
        jump own-in
    }
"""  # noqa: E501 - lines as nft lists them


def test_the_whole_table() -> None:
    head = [f"# {WRITTEN_BY}", "table inet proscribe", "delete table inet proscribe", "table inet proscribe {"]
    text = render({"mode": "enforce", "services": SERVICES, "settings": SETTINGS}, LETS)
    listed = "\n".join([*head, f'    comment "{WRITTEN_BY}"', f"{TABLE}}}", ""])
    assert text.replace("\t", "    ").splitlines() == listed.splitlines()
    assert text.endswith("}\n")
