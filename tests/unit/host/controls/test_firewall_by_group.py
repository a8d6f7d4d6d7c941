"""What the firewall refuses to the members of some groups only: the table, who is in it, and what is said of it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from proscribe.host.controls import firewall
from proscribe.host.controls.firewall import boot
from proscribe.host.controls.firewall.exemptions import collect
from proscribe.host.controls.firewall.listing import differences, take_apart
from proscribe.host.controls.firewall.rule_text import Exemptions
from proscribe.host.controls.firewall.ruleset import refused, render
from proscribe.host.system import Host

from unit.host.controls.firewall.test_ruleset import elements, names, rules, section

PASSWD = "root:x:0:0::/root:/bin/sh\nalice:x:1004:1004::/home/alice:/bin/sh\nbob:x:1002:1002::/home/bob:/bin/sh\n"
DOUBT = "nobody is known for whom the group contractors restricts this: this host has no such group"


def only(*users: str, doubt: str = "", **more: Any) -> dict[str, Any]:
    known = {"users": list(users), **({"unresolved": doubt} if doubt else {})}
    return {"networks": ["203.0.113.7", "198.51.100.0/24"], "only": known, **more}


@pytest.fixture
def host(tmp_path: Path) -> Host:
    (tmp_path / "etc").mkdir()
    (tmp_path / "etc/passwd").write_text(PASSWD)
    return Host(str(tmp_path))


def text_of(host: Host, plan: dict[str, Any], boot_file: str = "") -> str:
    return render(plan, collect(host, plan, boot_file))


def test_the_members_alone_come_to_the_chain_that_refuses(host: Host) -> None:
    plan = section(telegram=only("alice", "bob"), signal=["203.0.113.8"], quad=only("bob", ports=[53]))
    text = text_of(host, plan)
    assert (elements(text, "only_telegram"), elements(text, "only_quad")) == ({"1002", "1004"}, {"1002"})
    assert [line for line in rules(text) if "jump" in line] == [
        "ip daddr @hosts4_quad meta l4proto { tcp, udp } th dport 53 meta skuid @only_quad jump refuse_quad",
        "ip daddr @nets4_quad meta l4proto { tcp, udp } th dport 53 meta skuid @only_quad jump refuse_quad",
        "ip daddr @hosts4_signal jump refuse_signal",
        "ip daddr @hosts4_telegram meta skuid @only_telegram jump refuse_telegram",
        "ip daddr @nets4_telegram meta skuid @only_telegram jump refuse_telegram",
        "ip6 daddr 64:ff9b::/96 jump carried-96",
        "ip6 daddr 2002::/16 jump carried-16",
        "ip6 daddr 2001::/32 jump carried-96-inverted",
        "ip6 daddr ::/96 jump carried-96",
        "ip6 daddr 64:ff9b:1::/48 jump carried-96",
    ]
    assert rules(text, "carried-16") == (
        "ip6 daddr & 0:ffff:ffff:: == @hosts4in16_quad "
        "meta l4proto { tcp, udp } th dport 53 meta skuid @only_quad jump refuse_quad",
        "ip6 daddr & 0:ffff:ffff:: == @nets4in16_quad "
        "meta l4proto { tcp, udp } th dport 53 meta skuid @only_quad jump refuse_quad",
        "ip6 daddr & 0:ffff:ffff:: == @hosts4in16_signal jump refuse_signal",
        "ip6 daddr & 0:ffff:ffff:: == @hosts4in16_telegram meta skuid @only_telegram jump refuse_telegram",
        "ip6 daddr & 0:ffff:ffff:: == @nets4in16_telegram meta skuid @only_telegram jump refuse_telegram",
    )


def test_a_waiver_for_a_member_lets_that_one_through(host: Host) -> None:
    plan = section(telegram=only("alice", "bob", exceptions=[{"waiver": "w1", "users": ["alice", "carol"]}]))
    text = text_of(host, plan)
    assert elements(text, "only_telegram") == {"1002", "1004"}
    assert "meta skuid 1004 ct label set 127" in rules(text, "refuse_telegram")


@pytest.mark.parametrize("users", [(), ("carol",)])
def test_where_nobody_is_a_member_nothing_of_it_is_in_the_table(host: Host, users: tuple[str, ...]) -> None:
    assert text_of(host, section(telegram=only(*users))) == ""
    assert "telegram" not in text_of(host, section(telegram=only(*users), signal=["203.0.113.8"]))
    assert "telegram" not in refused(section(telegram=only()))


@pytest.mark.parametrize(
    ("before", "now", "numbers"),
    [
        (only("alice", "bob"), only("bob"), {"1002"}),  # who is no member any more is let through
        (only("alice", "bob"), only(doubt=DOUBT), {"1002", "1004"}),
        (only("alice"), only("bob", doubt=DOUBT), {"1002", "1004"}),  # one of two groups is known
        (only("alice", doubt=DOUBT), only(doubt=DOUBT), {"1004"}),
        (only(), only(doubt=DOUBT), set()),
        (["203.0.113.7"], only(doubt=DOUBT), set()),
    ],
)
def test_while_a_group_is_not_known_whom_the_last_run_refused_stays_refused(
    host: Host, before: Any, now: dict[str, Any], numbers: set[str]
) -> None:
    """Whoever can cut a host off its directory of users would open it else."""
    others = {"other": only("alice"), "telegram_x": only("bob"), "signal": ["203.0.113.8"]}
    loaded = text_of(host, section(telegram=before, **others))
    text = text_of(host, section(telegram=now, **others), loaded)
    assert (elements(text, "only_telegram") if "only_telegram" in names(text, "set") else set()) == numbers
    assert text_of(host, section(telegram=now, **others), text) == text, "the next run sees no drift"


@pytest.mark.parametrize(
    ("body", "numbers"), [("1 } ; add rule x", {"1"}), ("1,,2", {"1", "2"}), ("root", set()), ("", set()), (",", set())]
)
def test_nothing_but_numbers_comes_back_from_the_boot_file(host: Host, body: str, numbers: set[str]) -> None:
    plan = section(telegram=only(doubt=DOUBT), signal=["203.0.113.8"])
    text = text_of(host, plan, f"\tset only_telegram {{\n\t\ttype uid\n\t\telements = {{ {body} }}\n\t}}\n")
    assert (elements(text, "only_telegram") if numbers else names(text, "set") & {"only_telegram"}) == numbers
    assert "add rule" not in text


def test_a_set_that_lacks_a_member_counts_against_the_service() -> None:
    plan = section(telegram=only("alice"), signal=["203.0.113.8"])
    whole = take_apart(render(plan, Exemptions(only={"telegram": [1002, 1004]})))
    less = take_apart(render(plan, Exemptions(only={"telegram": [1002]})))
    ((rule, (finding,)),) = differences(whole, less).items()
    assert (rule, finding.id, finding.detail) == ("telegram", "only_telegram", "1 missing: 1004")
    none = take_apart(render(plan, Exemptions()))
    assert {rule for rule, found in differences(none, whole).items() if found} == {"ruleset"}


@pytest.mark.parametrize(
    ("entry", "state"),
    [
        (only("alice"), "noncompliant"),
        (only(), "compliant"),  # nobody here is to be refused
        (only(doubt=DOUBT), "noncompliant"),
    ],
)
def test_without_nft_it_is_wrong_where_somebody_is_to_be_refused(host: Host, entry: dict[str, Any], state: str) -> None:
    plan = {"controls": {"firewall": section(telegram=entry, signal=["203.0.113.8"])}}
    seen = {verdict.rule: verdict for verdict in firewall.observe(host, plan)}
    assert seen["firewall/telegram"].state == state
    assert seen["firewall/signal"].state == "noncompliant"
    assert host.text(boot.FILE) is None


def test_only_members_are_listed_as_let_through_by_a_waiver(host: Host) -> None:
    entry = only("alice", exceptions=[{"waiver": "w1", "users": ["alice", "bob"]}], name="x", mode="enforce")
    found = firewall._let_through(host, "telegram", entry)
    assert [finding.scope for finding in found] == ["user:alice"]
