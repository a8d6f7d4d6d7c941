"""Firewall rules of the organisation, from the variable to the nft file."""

import datetime
import re
from typing import Any

import pytest
import yaml
from hypothesis import HealthCheck, given
from hypothesis import strategies as st
from made import catalogue
from made_catalogue import GOOD as ENTRY
from made_plans import make_section
from made_policy import restrictions
from mistakes import get_mistake
from properties import examples
from proscribe.controller.compile.catalogue.schema import check_service
from proscribe.controller.compile.plans.plan_compiler import compile_plan
from proscribe.controller.compile.reading.networks import merge_networks
from proscribe.controller.compile.restrictions.firewall_rules import read_firewall_rules, read_nat64_prefixes
from proscribe.controller.policy_errors import UnexpectedValue
from proscribe.host.controls.firewall import exemptions, rule_syntax, ruleset
from proscribe.host.system import Host

OUT = {"direction": "out", "verdict": "reject"}
WRONG_PORTS = (0, True, "80-70", 65536, "1-65536", "0-5", "-1", "123456", "", 2.5, "80-", "a80")


def test_addresses_ports_and_prefixes_are_merged_and_in_order():
    addresses = ["10.0.0.128/25", "10.0.0.0/25", "2001:db8::1"]
    rule = {**OUT, "addresses": addresses, "ports": [465, "25", "1000-2000", 2001]}
    (read,) = read_firewall_rules([rule])
    assert read["addresses"] == ["10.0.0.0/24", "2001:db8::1"]
    assert read["ports"] == ["25", "465", "1000-2001"]
    prefixes = ("64:ff9b::/96", "64:ff9b:1:a::/64", "2001:db8:64::/96", "2001:db8:100::/40")
    assert read_nat64_prefixes(["2001:db8:64::/96", "2001:DB8:100::/40", *prefixes[1::-1]]) == prefixes


@pytest.mark.parametrize(
    ("value", "key", "expected"),
    [
        ({}, "", "a list of rules"),
        ([OUT] * 501, "", "at most 500"),
        ([{**OUT, "port": 25}], "[0].port", "did you mean 'ports'"),
        ([{"verdict": "reject"}], "[0].direction", "one of in, out, forward"),
        ([OUT, {**OUT, "verdict": "deny"}], "[1].verdict", "one of accept, reject, drop"),
        ([{**OUT, "protocol": "sctp"}], "[0].protocol", "one of tcp, udp, icmp, any"),
        ([{**OUT, "addresses": []}], "[0].addresses", "leave the key out for all"),
        ([{**OUT, "addresses": ["10.0.0.1/8"]}], "[0].addresses[0]", "an address or a network"),
        *(([{**OUT, "ports": [port]}], "[0].ports[0]", "a port such as 443") for port in WRONG_PORTS),
        ([{**OUT, "ports": 25}], "[0].ports", "a list of ports"),
        ([{**OUT, "addresses": "10.0.0.0/8"}], "[0].addresses", "a list of addresses and networks"),
        ([{**OUT, "protocol": "icmp", "ports": [8]}], "[0].ports", "icmp has none"),
        *(([{**OUT, "comment": text}], "[0].comment", "at most 100") for text in ("x" * 101, 'x" accept', "x\n")),
    ],
)
def test_a_wrong_rule_is_named_with_its_place_and_what_was_expected(value, key, expected):
    mistake = get_mistake(read_firewall_rules, value)
    assert mistake.key == key and expected in mistake.expected


# Every word that a table of ours may have, but for numbers, addresses, and the names that are made of a service's id.
OURS = (
    # parts and their heads
    "table inet proscribe delete set chain counter comment type ipv4_addr ipv6_addr flags interval elements "
    "filter hook input output forward priority policy restricted own-in own-out own-forward "
    # matches
    "oiftype iiftype loopback meta l4proto th sport dport tcp udp icmp ipv6-icmp ip ip6 daddr saddr protocol syn ack "
    "ct direction reply state established related label skuid "
    "icmpv6 nd-neighbor-solicit nd-neighbor-advert nd-router-solicit nd-router-advert "
    "mld-listener-query mld-listener-report mld-listener-done mld2-listener-report "
    # what is done
    "accept jump return drop reject with icmpx reset admin-prohibited name limit rate 6/minute burst packets bytes "
    "log prefix"
)
WORDS = frozenset(OURS.split())
NAMED = re.compile(
    r"@?(?:refused?|drop|own\d+|(?:host|net)s(?:[46]|4in\d\d)|carried|managed|exempt|resolvers)(?:[-_][a-z0-9_-]+)?"
)
ADDRESS = re.compile(r"(?=.*[\d:.])[0-9a-f:.]+(?:/\d{1,3})?|\d+-\d+")
PLAIN = re.compile(r'"[A-Za-z0-9 .,:;/@()+=_#-]*"')


def find_foreign_words(text: str) -> list[str]:
    lines = [line for line in text.split("\n") if not line.startswith("# Written by ")]
    words = re.sub(r"[{},;&|^()]|!=|=", " ", PLAIN.sub(" ", "\n".join(lines))).split()
    return [w for w in words if w not in WORDS and w != "-" and not NAMED.fullmatch(w) and not ADDRESS.fullmatch(w)]


HOSTILE = st.one_of(
    st.text(max_size=30),
    st.text('accept drop{};"\n\t#$@0123456789.:/-%', max_size=40),
    st.sampled_from(["0.0.0.0/0; accept", "10.0.0.0/8 }; flush ruleset", '" accept #', "10.0.0.1\n", "25}"]),
    st.sampled_from(["2001:db8::%x;accept/128", "fe80::1%} accept"]),  # Python takes any text for a zone
)
LISTS = st.lists(st.one_of(HOSTILE, st.integers()), max_size=3)
ANY = st.one_of(HOSTILE, st.integers(), st.none(), st.booleans(), LISTS)
GOOD = {
    "direction": st.sampled_from(["in", "out", "forward"]),
    "verdict": st.sampled_from(["accept", "reject", "drop"]),
    "protocol": st.sampled_from(["tcp", "udp", "icmp", "any"]),
    "addresses": st.just(["10.0.0.0/8", "2001:db8::1"]),
    "ports": st.just([25, "100-200"]),
    "comment": st.just("plain"),
}


def render_rules(services: dict[str, Any], rules: list[Any]) -> str:
    section = make_section("firewall", services, dns_over_tls="blocked", quic="blocked", log=True, rules=rules)
    return ruleset.render_ruleset(section, rule_syntax.FirewallExemptions(waived_uids={"x": [1]}))


@given(st.fixed_dictionaries({}, optional={key: st.one_of(good, ANY) for key, good in GOOD.items()}))
def test_no_rule_puts_a_word_of_its_own_into_the_file(rule):
    try:
        read = read_firewall_rules([rule])
    except UnexpectedValue:
        return
    text = render_rules({}, list(read))
    assert find_foreign_words(text) == []
    usual = render_rules({}, list(read_firewall_rules([{**OUT, "direction": "in"}])))
    assert text.count("\n") <= usual.count("\n") + 20


@given(HOSTILE, st.lists(st.one_of(HOSTILE, st.just("198.51.100.0/24")), min_size=1, max_size=3))
def test_no_service_puts_a_word_of_its_own_into_the_file(id_, networks):
    if list(check_service({**yaml.safe_load(ENTRY), "enforce": "true", "id": id_, "networks": networks})):
        return
    assert find_foreign_words(render_rules({id_: merge_networks(networks)}, [])) == []


@examples(100, HealthCheck.function_scoped_fixture)
@given(names=st.lists(HOSTILE, max_size=4))
def test_no_source_of_packages_puts_a_word_of_its_own_into_the_file(names, tmp_path):
    (tmp_path / "etc/apt").mkdir(parents=True, exist_ok=True)
    lines = "".join(f"deb http://{name}/ x\n" for name in names)
    (tmp_path / "etc/apt/sources.list").write_text(lines, encoding="utf-8", errors="replace")
    section = make_section("firewall", {"x": ["203.0.113.0/24"]}, dns_over_tls="blocked")
    lets = exemptions.collect_exemptions(Host(str(tmp_path)), section, "", lambda name: ["203.0.113.9"])
    assert find_foreign_words(ruleset.render_ruleset(section, lets)) == []


@pytest.mark.parametrize(
    ("value", "key", "expected"),
    [
        ("64:ff9b::/96", "", "a list of at most 20 prefixes"),
        (["2001:db8::/96"] * 21, "", "a list of at most 20 prefixes"),
        *(([net], "[0]", "of 32, 40, 48, 56, 64, 96 bits") for net in ("2001:db8::/33", "2001:db8::", "10.0.0.0/8")),
        (["fd00::/96", "2001:db8:0:0:100::/96"], "[1]", "bits 64 to 71 are zero"),
        (["2002:cb00::/32"], "[0]", "does not overlap 2002::/16"),
        (["64:ff9b::/32"], "[0]", "does not overlap 64:ff9b::/96"),
        (["2001:db8::/40", "2001:db8:1::/96"], "[1]", "does not overlap 2001:db8::/40"),
        (["2001:db8::/96", "2001:db8::/96"], "[1]", "does not overlap 2001:db8::/96"),
    ],
)
def test_a_prefix_that_no_translator_has_is_refused(value, key, expected):
    mistake = get_mistake(read_nat64_prefixes, value)
    assert mistake.key == key and expected in mistake.expected


RULE = {"direction": "out", "protocol": "tcp", "ports": [25], "verdict": "reject"}
SETTINGS_BY_VARIABLES = [
    ({}, {"dns_over_tls": "blocked", "quic": "unmanaged", "log": True, "rules": []}),
    ({"firewall_nat64": ["2001:db8:64::/96"]}, {"nat64": ["2001:db8:64::/96"]}),
    ({"firewall_local_ssh": 8}, {"local_ssh": 8}),
    ({"firewall_rules": [RULE]}, {"rules": [{**RULE, "ports": ["25"], "addresses": [], "comment": ""}]}),
]


@pytest.mark.parametrize(("values", "settings"), SETTINGS_BY_VARIABLES)
def test_the_restrictions_become_settings(values, settings):
    plan = compile_plan(catalogue(), restrictions(**values), (), datetime.date(2026, 11, 25))
    result = plan["controls"]["firewall"]["settings"]
    assert {name: result[name] for name in settings} == settings
