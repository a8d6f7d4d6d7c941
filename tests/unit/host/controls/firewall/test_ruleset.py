"""Which table a plan and a host's management exemptions give, and how it reads back from nft's listings."""

from __future__ import annotations

import ipaddress
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from proscribe.controller.compile.reading.networks import merged
from proscribe.host.controls.firewall.listing import differences, take_apart
from proscribe.host.controls.firewall.rule_text import Exemptions
from proscribe.host.controls.firewall.ruleset import render


def section(*, dns_over_tls: str = "unmanaged", mode: str = "enforce", **services: Any) -> dict[str, Any]:
    """A plan's section; a service is a list of networks, or a whole entry."""
    entries = {
        id_: {"name": id_, "mode": mode, "ports": [], **(value if isinstance(value, dict) else {"networks": value})}
        for id_, value in services.items()
    }
    return {"mode": mode, "services": entries, "settings": {"dns_over_tls": dns_over_tls, "management": []}}


def with_settings(plan: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {**plan, "settings": {**plan["settings"], **more}}


def rules(text: str, chain: str = "restricted") -> tuple[str, ...]:
    return take_apart(text)["chain", chain].lines


def elements(text: str, name: str) -> set[str]:
    return set(take_apart(text)["set", name].elements)


def names(text: str, kind: str) -> set[str]:
    return {name for kind_, name in take_apart(text) if kind_ == kind}


def test_a_limit_for_connections_to_the_hosts_own_sshd_stands_before_loopback_passes() -> None:
    text = render(with_settings(section(), local_ssh=8), Exemptions(ssh_ports=(22, 2222)))
    limit = "tcp dport { 22, 2222 } ct state new meta skuid != 0 ct count over 8 jump refuse-local-ssh"
    assert rules(text, "output")[1:3] == (f"meta oiftype loopback {limit}", "meta oiftype loopback accept")
    assert not any("local-ssh" in line for line in rules(text, "forward"))
    assert changed(text, "over 8", "over 9000")["local-ssh"] == [
        f"rule meta oiftype loopback {limit}: missing in chain output"
    ]


def changed(text: str, old: str, new: str) -> dict[str, list[str]]:
    """What is said of a listing in which something was replaced."""
    assert old in text
    found = differences(take_apart(text), take_apart(text.replace(old, new)))
    return {rule: [f"{f.kind} {f.id}: {f.detail}" for f in all_] for rule, all_ in found.items()}


TEXT = render(section(telegram=["203.0.113.7", "203.0.113.9", "198.51.100.0/24"], dns_over_tls="blocked"), Exemptions())
JUMP = "ip daddr @nets4_telegram jump refuse_telegram"
REJECT = 'counter name "refused_telegram"\n'


TYPED = "set foreign {\ntype ipv4_addr\n}\n"
# What is replaced, by what, the rule that this counts against, what is said of it.
CHANGES: list[tuple[str, str, str, list[str]]] = [
    ("203.0.113.7", "203.0.113.8", "telegram",
     ["set hosts4_telegram: 1 missing: 203.0.113.7; 1 not of the plan: 203.0.113.8",
      "set hosts4in96_telegram: 1 missing: ::203.0.113.7; 1 not of the plan: ::203.0.113.8"]),
    (f"{JUMP}\n", "", "telegram", [f"rule {JUMP}: missing in chain restricted"]),
    (REJECT, f"accept\n{REJECT}", "telegram", ["rule accept: not of the plan, in chain refuse_telegram"]),
    ("counter refused_telegram {\n\t}\n", "", "telegram", ["counter refused_telegram: missing"]),
    ("jump restricted\n", "", "ruleset",
     [f"rule jump restricted: missing in chain {hook}" for hook in ("output", "forward")]),
    ("ct direction", "accept\nct direction", "ruleset", ["rule accept: not of the plan, in chain restricted"]),
    ("counter refused_telegram {", f"{TYPED}counter refused_telegram {{", "ruleset", ["set foreign: not of the plan"]),
    (f"{JUMP}\n", f"{JUMP}\n{JUMP}\n", "ruleset", ["chain restricted: in another order, or doubled"]),
    ("\tcomment", "\tflags dormant\n\tcomment", "ruleset",
     ["rule flags dormant: not of the plan, in table proscribe"]),
]  # fmt: skip


@pytest.mark.parametrize(("old", "new", "rule", "said"), CHANGES)
def test_a_change_to_the_table_is_named_and_counts_against_its_rule(
    old: str, new: str, rule: str, said: list[str]
) -> None:
    assert changed(TEXT, old, new) == {rule: said}


NETWORKS = st.one_of(st.ip_addresses().map(str), st.builds(
    lambda address, length: str(ipaddress.ip_network((address, length % (address.max_prefixlen + 1)), strict=False)),
    st.ip_addresses(), st.integers(1, 128),
))  # fmt: skip


@given(
    st.dictionaries(st.from_regex(r"[a-z][a-z0-9_]{0,8}", fullmatch=True), st.lists(NETWORKS, max_size=8), max_size=4)
)
def test_every_address_of_a_service_is_in_its_sets_and_no_other(services: dict[str, list[str]]) -> None:
    parts = take_apart(render(section(**{id_: merged(nets) for id_, nets in services.items()}), Exemptions()))
    for id_, given_networks in services.items():
        held = [
            ipaddress.ip_network(element)
            for (kind, name), part in parts.items()
            if kind == "set" and name.partition("_")[2] == id_ and "4in" not in name
            for element in part.elements
        ]
        for family in (4, 6):
            desired = [n for n in map(ipaddress.ip_network, given_networks) if n.version == family]
            mine = [n for n in held if n.version == family]
            assert list(ipaddress.collapse_addresses(desired)) == sorted(mine)  # type: ignore[type-var]


def own(direction: str, verdict: str = "accept", **more: Any) -> dict[str, Any]:
    """A rule of the organisation's own, as a plan has it."""
    usual = {"protocol": "any", "addresses": [], "ports": [], "comment": ""}
    return {"direction": direction, "verdict": verdict, **usual, **more}


def carried(verdict: str, *kinds: str) -> list[str]:
    """The rules of an own rule's IPv4 addresses, where IPv6 addresses carry them."""
    low, high = "ip6 daddr & ::255.255.255.255", "ip6 daddr & 0:ffff:ffff::"
    lines = []
    for kind in kinds:
        for prefix in ("64:ff9b::/96", "::/96", "64:ff9b:1::/48"):
            lines.append(f"ip6 daddr {prefix} {low} == @own1-{kind}4in96 {verdict}")
        lines.append(f"ip6 daddr 2001::/32 {low} ^ ::255.255.255.255 == @own1-{kind}4in96 {verdict}")
    return [*lines, *(f"ip6 daddr 2002::/16 {high} == @own1-{kind}4in16 {verdict}" for kind in kinds)]


BOTH = ["10.0.0.1", "10.1.0.0/16", "2001:db8::1"]


@pytest.mark.parametrize(
    ("rule", "expected"),
    [
        pytest.param(own("out"), ["accept"], id="all"),
        pytest.param(own("out", "reject"), ["jump refuse-own-rules"], id="reject"),
        pytest.param(own("out", "drop"), ["jump drop-own-rules"], id="drop"),
        pytest.param(own("out", comment="why"), ['accept comment "why"'], id="with a comment"),
        pytest.param(own("out", protocol="tcp"), ["meta l4proto tcp accept"], id="tcp"),
        pytest.param(own("out", protocol="udp"), ["meta l4proto udp accept"], id="udp"),
        pytest.param(own("out", protocol="icmp"), ["meta l4proto { icmp, ipv6-icmp } accept"], id="icmp"),
        pytest.param(own("out", protocol="tcp", ports=["25"]), ["tcp dport 25 accept"], id="a port"),
        pytest.param(own("out", protocol="udp", ports=["25", "30-40"]), ["udp dport { 25, 30-40 } accept"], id="ports"),
        pytest.param(own("out", ports=["25"]), ["meta l4proto { tcp, udp } th dport 25 accept"], id="of both"),
        pytest.param(
            own("out", protocol="icmp", addresses=BOTH),
            [
                "ip daddr @own1-hosts4 ip protocol icmp accept",
                "ip daddr @own1-nets4 ip protocol icmp accept",
                "ip6 daddr @own1-hosts6 meta l4proto ipv6-icmp accept",
                *carried("meta l4proto ipv6-icmp accept", "hosts", "nets"),
            ],
            id="icmp by family",
        ),
        pytest.param(
            own("in", protocol="tcp", ports=["22"], addresses=BOTH[1:]),
            ["ip saddr @own1-nets4 tcp dport 22 accept", "ip6 saddr @own1-hosts6 tcp dport 22 accept"],
            id="who comes in",
        ),
        pytest.param(
            own("forward", addresses=BOTH[:1]),
            ["ip daddr @own1-hosts4 accept", *carried("accept", "hosts")],
            id="what is passed on",
        ),
    ],
)
def test_a_rule_of_the_organisations_own(rule: dict[str, Any], expected: list[str]) -> None:
    text = render(with_settings(section(), rules=[rule]), Exemptions())
    (chain,) = (name for name in names(text, "chain") if name.startswith("own-"))
    assert chain == f"own-{rule['direction']}"
    assert list(rules(text, chain))[-len(expected) :] == expected
    if rule["addresses"]:
        plain = [name for name in names(text, "set") if "4in" not in name]
        assert {element for name in plain for element in elements(text, name)} == set(rule["addresses"])
    for refusal in ("reject", "drop"):
        there = {"reject": "refuse-own-rules", "drop": "drop-own-rules"}[refusal] in names(text, "chain")
        assert there is (rule["verdict"] == refusal)
