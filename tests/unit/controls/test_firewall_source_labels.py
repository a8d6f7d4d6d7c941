"""How a package source is named in the table, and which of two exempt networks has the other one in it."""

from __future__ import annotations

import ipaddress
from pathlib import Path
from typing import Any

import pytest
from proscribe.controls.firewall.exemptions import Blocked, collect, network_of
from proscribe.controls.firewall.rule_text import Exemptions, spelled
from proscribe.host import Host


def section(*networks: str) -> dict[str, Any]:
    service = {"name": "Telegram", "mode": "enforce", "networks": list(networks), "ports": []}
    settings = {"dns_over_tls": "blocked", "management": []}
    return {"mode": "enforce", "services": {"telegram": service}, "settings": settings}


@pytest.mark.parametrize(("length", "cut"), [(99, 0), (100, 0), (101, 1), (240, 140)])
def test_of_a_long_name_the_end_is_kept_which_says_whose_it_is(tmp_path: Path, length: int, cut: int) -> None:
    """nft refuses a comment of more than 128 characters, and with it the whole table."""
    name = ("a" * 60 + ".") * 3 + "b" * 60
    name = (name[: length - len(".example")] + ".example").rjust(length, "a")
    (tmp_path / "etc/apt").mkdir(parents=True)
    (tmp_path / "etc/apt/sources.list").write_text(f"deb http://{name}/debian x\n")
    requests: list[str] = []

    def resolve(name_requested: str) -> list[str]:
        requests.append(name_requested)
        return ["203.0.113.80"]

    found = collect(Host(str(tmp_path)), section("203.0.113.0/24"), "", resolve=resolve)
    (entry,) = found.exempt
    assert requests == [name], "it is the whole name that is asked for"
    assert (spelled(entry.network), entry.reason) == ("203.0.113.80", f"package source {name[cut:]}")
    assert len(entry.reason) <= 128


@pytest.mark.parametrize(
    ("address", "network"),
    [
        ("203.0.113.9", "203.0.113.9/32"),
        ("203.0.113.0/24", "203.0.113.0/24"),
        ("2001:db8::9", "2001:db8::9/128"),
        ("127.0.0.1", None),
        ("::1", None),
        ("203.0.113.9/24", None),
        ("deb.example.org", None),
        ("", None),
    ],
)
def test_what_an_address_is(address: str, network: str | None) -> None:
    assert network_of(address) == (ipaddress.ip_network(network) if network else None)


@pytest.mark.parametrize(
    ("network", "of", "met"),
    [
        ("203.0.113.9", True, True),
        ("203.0.113.0/24", True, True),
        ("203.0.112.0/23", False, True),  # only a part of it is refused
        ("203.0.114.9", False, False),
        ("2001:db8::9", False, False),
    ],
)
def test_whose_networks_an_address_lies_in(network: str, of: bool, met: bool) -> None:
    blocked = Blocked.by(section("203.0.113.0/24"))
    requests = ipaddress.ip_network(network)
    assert (blocked.of(requests), bool(blocked.met_by(requests))) == (("telegram",) if of else (), met)


def test_who_may_ask_a_name_server_is_handed_on(tmp_path: Path) -> None:
    """The rules let these through to port 53; without them, no name is found on the host any more."""
    host = Host(str(tmp_path))
    assert tuple(collect(host, section(), "", askers=(953, 101)).askers) == (953, 101)
    assert tuple(collect(host, section(), "").askers) == ()


@pytest.mark.parametrize(
    ("text", "ports"),
    [("32768\t60999\n", (32768, 60999)), ("1024 65535", (1024, 65535)), ("", None), ("1", None), ("1 2 3", None)],
)
def test_the_ports_that_the_host_begins_connections_from(
    tmp_path: Path, text: str, ports: tuple[int, int] | None
) -> None:
    (tmp_path / "proc/sys/net/ipv4").mkdir(parents=True)
    (tmp_path / "proc/sys/net/ipv4/ip_local_port_range").write_text(text)
    assert collect(Host(str(tmp_path)), section(), "").ephemeral == (ports or Exemptions().ephemeral)
