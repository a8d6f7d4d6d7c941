"""Which table a plan and a host's management exemptions give, and how it reads back from nft's listings."""

from __future__ import annotations

import ipaddress
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from proscribe.controller.compile.reading.networks import merged
from proscribe.host.controls.firewall.listing import differences, take_apart
from proscribe.host.controls.firewall.rule_text import MANAGEMENT, Exempt, Exemptions
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


def test_addresses_and_networks_of_both_families_lie_in_sets_of_their_own() -> None:
    text = render(section(telegram=["203.0.113.7", "198.51.100.0/24", "2001:db8::1", "2001:db8:1::/48"]), Exemptions())
    assert elements(text, "hosts4_telegram") == {"203.0.113.7"}
    assert elements(text, "nets4_telegram") == {"198.51.100.0/24"}
    assert elements(text, "hosts6_telegram") == {"2001:db8::1"}
    assert elements(text, "nets6_telegram") == {"2001:db8:1::/48"}


def test_nothing_is_written_for_an_empty_family_or_list() -> None:
    text = render(section(telegram=["203.0.113.7"]), Exemptions())
    assert names(text, "set") == {"hosts4_telegram", "hosts4in96_telegram", "hosts4in16_telegram"}
    assert names(render(section(telegram=["2001:db8::1"]), Exemptions()), "set") == {"hosts6_telegram"}
    assert "{ }" not in text


@pytest.mark.parametrize("mode", ["waived", "upcoming", "report"])
def test_a_service_that_is_not_in_force_is_not_in_the_table(mode: str) -> None:
    entry = {"networks": ["203.0.113.7"], "mode": mode}
    assert render(section(telegram=entry), Exemptions()) == ""
    assert "telegram" not in render(section(telegram=entry, other=["203.0.113.8"]), Exemptions())


def test_a_service_that_is_only_audited_is_wanted_all_the_same() -> None:
    assert "hosts4_telegram" in render(section(telegram=["203.0.113.7"], mode="audit"), Exemptions())


def test_ports_narrow_what_is_refused() -> None:
    text = render(section(quad={"networks": ["9.9.9.9"], "ports": [443, 53, 53]}), Exemptions())
    assert "ip daddr @hosts4_quad meta l4proto { tcp, udp } th dport { 53, 443 } jump refuse_quad" in rules(text)


def test_a_keyword_of_nft_may_be_a_service_id() -> None:
    text = render(section(element=["203.0.113.7"], reject=["203.0.113.8"]), Exemptions())
    assert names(text, "counter") == {"refused_element", "refused_reject"}


def test_dns_over_tls_is_refused_where_the_plan_says_so_even_without_services() -> None:
    text = render(section(dns_over_tls="blocked"), Exemptions())
    assert rules(text)[-3] == "meta l4proto { tcp, udp } th dport 853 jump refuse-dns-over-tls"
    assert "853" not in render(section(telegram=["203.0.113.7"]), Exemptions())


def test_what_has_to_pass_stands_before_everything_that_is_refused() -> None:
    exemptions = Exemptions(
        exempt=[Exempt(ipaddress.ip_network("203.0.113.1"), "default gateway")],
        resolvers=[Exempt(ipaddress.ip_network("203.0.113.53"), "resolver")],
        ssh_ports=(2222, 22),
    )
    listed = rules(render(section(telegram=["203.0.113.0/24"], dns_over_tls="blocked"), exemptions))
    verdicts = [line.split()[-1] if line.endswith("accept") else "refuse" for line in listed]
    assert verdicts == ["accept"] * 15 + ["refuse"] * 9
    assert listed[0] == "tcp sport { 22, 2222 } tcp flags & (syn | ack) != syn accept"
    assert listed[4] == "ip6 daddr 64:ff9b::/96 ip6 daddr & ::255.255.255.255 == @exempt-hosts4in96 accept"
    assert listed[9] == "ip daddr @resolvers-hosts4 meta l4proto { tcp, udp } th dport 53 accept"


def test_the_witness_is_refused_last_unless_it_is_exempt_with_all_that_is_around_it() -> None:
    last = [f"{family} reject with icmpx admin-prohibited" for family in ("ip daddr 192.0.0.8", "ip6 daddr 100::8")]
    assert rules(render(section(telegram=["203.0.113.7"]), Exemptions()))[-2:] == tuple(last)
    exemptions = Exemptions(exempt=[Exempt(ipaddress.ip_network("192.0.0.0/16"), "management")])
    assert rules(render(section(telegram=["203.0.113.7"]), exemptions))[-2:] == (
        "ip6 daddr 64:ff9b:1::/48 jump carried-96",
        last[1],
    )


def test_only_the_output_of_the_host_itself_lets_loopback_pass() -> None:
    text = render(section(telegram=["203.0.113.7"]), Exemptions())
    assert "meta oiftype loopback accept" in rules(text, "output")
    assert rules(text, "forward") == (
        "type filter hook forward priority filter - 10; policy accept;",
        "jump restricted",
    )


def test_only_the_askers_of_name_servers_get_to_port_53_the_hosts_own_resolvers_included() -> None:
    exemptions = Exemptions(resolvers=[Exempt(ipaddress.ip_network("203.0.113.53"), "resolver")], askers=(953, 101))
    text = render(section(), exemptions)
    assert rules(text)[-9:-7] == (
        "meta l4proto { tcp, udp } th dport 53 jump refuse-plain-dns",
        "ip daddr @resolvers-hosts4 meta l4proto { tcp, udp } th dport 53 accept",
    )
    assert rules(text, "refuse-plain-dns")[:2] == (
        "meta skuid { 101, 953 } ct label set 127",
        "ct label 127 return",
    )
    assert set(differences(take_apart(text), take_apart(render(section(dns_over_tls="blocked"), Exemptions())))) == {
        "plain-dns",
        "ruleset",
    }


def test_quic_is_refused_where_the_plan_says_so_and_counts_for_itself() -> None:
    text = render(with_settings(section(), quic="blocked"), Exemptions())
    assert rules(text)[-3] == "udp dport 443 jump refuse-quic"
    assert names(text, "counter") == {"refused-quic"}
    assert render(with_settings(section(), quic="unmanaged"), Exemptions()) == ""


def test_a_limit_for_connections_to_the_hosts_own_sshd_stands_before_loopback_passes() -> None:
    text = render(with_settings(section(), local_ssh=8), Exemptions(ssh_ports=(22, 2222)))
    limit = "tcp dport { 22, 2222 } ct state new meta skuid != 0 ct count over 8 jump refuse-local-ssh"
    assert rules(text, "output")[1:3] == (f"meta oiftype loopback {limit}", "meta oiftype loopback accept")
    assert not any("local-ssh" in line for line in rules(text, "forward"))
    assert changed(text, "over 8", "over 9000")["local-ssh"] == [
        f"rule meta oiftype loopback {limit}: missing in chain output"
    ]


def test_a_log_line_names_the_service_and_the_user_and_is_limited() -> None:
    text = render(with_settings(section(telegram=["203.0.113.7"]), log=True), Exemptions())
    logging = [line for line in rules(text, "refuse_telegram") if " log " in line]
    assert logging == ['limit rate 6/minute burst 20 packets log prefix "proscribe telegram " flags skuid']
    assert " log " not in render(section(telegram=["203.0.113.7"]), Exemptions())


def test_users_of_a_waiver_are_let_through_before_anything_is_counted() -> None:
    plan = section(telegram=["203.0.113.7"], signal=["203.0.113.8"])
    text = render(plan, Exemptions(users={"telegram": [1004, 1002]}))
    assert rules(text, "refuse_telegram")[:3] == (
        "meta skuid { 1002, 1004 } ct label set 127",
        "ct label 127 return",
        'counter name "refused_telegram"',
    )
    assert not any("skuid" in line for line in rules(text, "refuse_signal"))


# The same table, as nft 0.9.8 and 1.0.6 list it; 1.0.6 on a host without /etc/protocols.
OLDER = {
    "0.9.8": [("counter refused_telegram {\n\t}", "counter refused_telegram {\n\t\tpackets 3 bytes 180\t}")],
    "1.0.6": [
        ("icmpx type ", "icmpx "),
        ("tcp flags & (syn | ack) != syn", "tcp flags != syn / syn,ack"),
        ("meta l4proto tcp ", "meta l4proto 6 "),
        ("meta l4proto { tcp, udp }", "meta l4proto { 6, 17 }"),
    ],
}


@pytest.mark.parametrize("version", OLDER)
def test_the_spelling_of_older_versions_is_understood(version: str) -> None:
    text = render(section(telegram=["203.0.113.7", "198.51.100.0/24"], dns_over_tls="blocked"), Exemptions())
    listed = text
    for ours, theirs in OLDER[version]:
        assert ours in listed
        listed = listed.replace(ours, theirs)
    assert take_apart(listed) == take_apart(text)


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


def test_many_differing_elements_are_counted_and_three_are_shown() -> None:
    few = render(section(telegram=["203.0.113.0"]), Exemptions())
    many = render(section(telegram=[f"203.0.113.{n}" for n in range(0, 20, 2)]), Exemptions())
    finding, *_ = differences(take_apart(many), take_apart(few))["telegram"]
    assert finding.detail == "9 missing: 203.0.113.10, 203.0.113.12, 203.0.113.14, ..."


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


def test_before_the_rules_of_what_comes_in_pass_answers_the_link_and_who_manages_the_host() -> None:
    network = ipaddress.ip_network
    let = Exemptions(
        exempt=[Exempt(network("192.0.2.0/24"), MANAGEMENT), Exempt(network("198.51.100.0/24"), "another")],
        controllers=[(network("203.0.113.9/32"), 2222), (network("2001:db8::9/128"), 22)],
    )
    text = render(with_settings(section(), rules=[own(direction) for direction in ("in", "out", "forward")]), let)
    first = {direction: rules(text, f"own-{direction}")[:-1] for direction in ("in", "out", "forward")}
    assert len(first["forward"]) == 1 and "established" in first["forward"][0]
    assert all(lines[0] == first["forward"][0] for lines in first.values())
    assert sum("nd-neighbor-solicit" in line for line in first["in"]) == 1
    assert sum("mld-listener-query" in line for line in first["out"]) == 1
    assert "udp sport { 67, 547 } udp dport { 68, 546 } accept" in first["in"]
    assert "udp sport { 68, 546 } udp dport { 67, 547 } accept" in first["out"]
    managers = [line for line in first["in"] if "saddr" in line]
    assert [line.partition(" comment")[0] for line in managers] == [
        "ip saddr @managed-nets4 accept",
        "ip saddr 203.0.113.9 tcp dport 2222 accept",
        "ip6 saddr 2001:db8::9 tcp dport 22 accept",
    ]
    assert elements(text, "managed-nets4") == {"192.0.2.0/24"}
    assert not [line for line in first["out"] if "saddr" in line]
    assert rules(text, "input")[-2:] == ("meta iiftype loopback accept", "jump own-in")
    assert "meta iiftype loopback accept" not in rules(text, "forward")
