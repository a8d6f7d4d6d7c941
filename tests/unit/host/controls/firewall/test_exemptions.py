"""What a host hangs on, read from its files, and what of it the firewall has to let pass."""

from __future__ import annotations

import ipaddress
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from proscribe.host.controls.firewall.exemptions import Blocked, collect
from proscribe.host.controls.firewall.rule_text import spelled
from proscribe.host.controls.firewall.ruleset import render
from proscribe.host.system import Host

ROUTE = "Iface\tDestination\tGateway\tFlags\tRefCnt\tUse\tMetric\tMask\tMTU\tWindow\tIRTT\n"
DEFAULT_ROUTE = ROUTE + "eth0\t00000000\t017100CB\t0003\t0\t0\t0\t00000000\t0\t0\t0\n"  # 203.0.113.1


@pytest.fixture
def host(tmp_path: Path) -> Callable[..., Host]:
    """A host made of files, given as path: content."""

    def make(files: Mapping[str, str]) -> Host:
        for path, content in files.items():
            (tmp_path / path.lstrip("/")).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / path.lstrip("/")).write_text(content)
        return Host(str(tmp_path))

    return make


def section(*networks: str, management: tuple[str, ...] = ()) -> dict[str, Any]:
    service = {"name": "Telegram", "mode": "enforce", "networks": list(networks), "ports": []}
    return {
        "mode": "enforce",
        "services": {"telegram": service},
        "settings": {"dns_over_tls": "blocked", "management": list(management)},
    }


def exempt(host: Host, plan: dict[str, Any], boot_file: str = "", **extra: Any) -> list[tuple[str, str]]:
    return [(spelled(entry.network), entry.reason) for entry in collect(host, plan, boot_file, **extra).exempt]


def test_only_what_lies_in_a_refused_network_is_exempted(host: Callable[..., Host]) -> None:
    seen = host(
        {
            "/proc/net/route": DEFAULT_ROUTE,
            "/etc/resolv.conf": "nameserver 203.0.113.53\nnameserver 192.0.2.53\nnameserver 127.0.0.53\n",
            "/etc/apt/sources.list": "deb http://203.0.113.80/debian x\ndeb http://192.0.2.80/debian x\n",
        }
    )
    lets = collect(seen, section("203.0.113.0/24"), "")
    assert [(spelled(e.network), e.reason, e.services) for e in lets.exempt] == [
        ("203.0.113.1", "default gateway", ("telegram",)),
        ("203.0.113.80", "package source 203.0.113.80", ("telegram",)),
    ]
    assert [(spelled(e.network), e.services) for e in lets.resolvers] == [("203.0.113.53", ("telegram",))]
    assert collect(seen, section("198.51.100.0/24"), "").exempt == []


def test_management_is_exempted_whatever_it_meets_and_swallows_what_lies_in_it(host: Callable[..., Host]) -> None:
    seen = host({"/proc/net/route": DEFAULT_ROUTE})
    plan = section("203.0.113.0/24", management=("203.0.113.0/28", "10.0.0.0/8"))
    assert exempt(seen, plan) == [("10.0.0.0/8", "management"), ("203.0.113.0/28", "management")]


def test_a_run_without_the_ssh_session_wants_the_same_table(host: Callable[..., Host]) -> None:
    seen = host({"/proc/net/route": DEFAULT_ROUTE, "/etc/apt/sources.list": "deb http://deb.example.org/debian x\n"})
    plan = section("203.0.113.0/24", "2001:db8::/32")
    resolved, connections = ["203.0.113.80", "2001:db8::80"], [("192.0.2.9", 2222)]
    loaded = render(plan, collect(seen, plan, "", resolve=lambda name: resolved, connections=connections))
    assert render(plan, collect(seen, plan, loaded)) == loaded


OWN = {"addresses": [], "ports": [], "protocol": "any", "comment": ""}


def with_rules(*rules: dict[str, Any], management: tuple[str, ...] = ()) -> dict[str, Any]:
    plan = section(management=management)
    plan["settings"]["rules"] = [{**OWN, **rule} for rule in rules]
    return plan


PASSWD = "root:x:0:0:root:/root:/bin/sh\nalice:x:1004:1004::/home/alice:/bin/sh\nbob:x:1002:1002::/home/bob:/bin/sh\n"


@pytest.mark.parametrize(
    ("exceptions", "numbers"),
    [
        ([{"waiver": "w1", "users": ["alice", "bob"]}], {"telegram": [1002, 1004]}),
        ([{"waiver": "w1", "users": ["bob"]}, {"waiver": "w2", "users": ["alice"]}], {"telegram": [1002, 1004]}),
        ([{"waiver": "w1", "users": ["nobody-here"]}], {}),
        (
            [{"waiver": "w1", "users": ["alice", "nobody-here"]}, {"waiver": "w2", "users": ["bob", "alice"]}],
            {"telegram": [1002, 1004]},
        ),
        ([{"waiver": "w1", "users": ["alice"], "versions": ["1.0"]}], {}),  # a connection has no version
        ([{"waiver": "w1", "paths": ["/opt/x"]}], {}),
        ([], {}),
    ],
)
def test_the_users_of_a_waiver_become_numbers_of_this_host(
    host: Callable[..., Host], exceptions: list[dict[str, Any]], numbers: dict[str, list[int]]
) -> None:
    plan = section("203.0.113.0/24")
    plan["services"]["telegram"]["exceptions"] = exceptions
    lets = collect(host({"/etc/passwd": PASSWD}), plan, "")
    assert lets.users == numbers
    unknown = [("telegram", "nobody-here")] if "nobody-here" in str(exceptions) else []
    assert lets.unknown_users == unknown, "who opens nothing is named"


NETWORK = st.builds(
    lambda address, length: ipaddress.ip_network((address, length % (address.max_prefixlen + 1)), strict=False),
    st.one_of(st.ip_addresses(v=4, network="198.51.100.0/24"), st.ip_addresses(v=6, network="2001:db8::/112")),
    st.integers(0, 128),
)


@given(st.lists(NETWORK, max_size=6), NETWORK)
def test_what_lies_in_what_is_found_without_looking_through_all(networks: list[Any], network_: Any) -> None:
    same = [network for network in networks if network.version == network_.version]
    blocked = Blocked({"service": frozenset(map(spelled, networks))})
    assert bool(blocked.of(network_)) == any(network_.subnet_of(network) for network in same)
    assert bool(blocked.met_by(network_)) == any(network_.overlaps(network) for network in same)


@pytest.mark.parametrize(
    ("directions", "exempted"),
    [(["in"], True), (["out", "in"], True), (["in", "forward"], True), (["out"], False), ([], False)],
)
def test_who_manages_the_host_is_let_in_where_any_rule_could_keep_them_out(
    host: Callable[..., Host], directions: list[str], exempted: bool
) -> None:
    rule = {"verdict": "drop", "protocol": "tcp", "addresses": ["192.0.2.0/24"]}
    plan = with_rules(*({**rule, "direction": direction} for direction in directions))
    lets = collect(
        host({}), plan, "", connections=[("198.51.100.9", 22), ("2001:db8::9", 2222), ("not-an-address", 22)]
    )
    controllers = [(spelled(network), port) for network, port in lets.controllers]
    assert controllers == ([("198.51.100.9", 22), ("2001:db8::9", 2222)] if exempted else [])
