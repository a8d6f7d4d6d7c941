"""NetworkManager's dnsmasq as a filter: what only it has. The rest is in test_dns_contract.py."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

import pytest
from proscribe.host.controls.dns.backends import networkmanager
from proscribe.host.controls.dns.observed import Observed
from proscribe.host.system import Host, Result

RUNS = Observed(("192.0.2.1",), (), "NetworkManager", {networkmanager.UNIT: 77})
CONF, LATER = "etc/NetworkManager/NetworkManager.conf", "etc/NetworkManager/conf.d"
RELOAD = ("nmcli", "general", "reload", "conf,dns-full")
FILE, SWITCH = "/etc/NetworkManager/dnsmasq.d/proscribe.conf", "/etc/NetworkManager/conf.d/zz-proscribe.conf"


def host(root: Path, files: Mapping[str, str] = {}, tools: str = "dnsmasq nmcli") -> Host:
    for path, text in {**files, **{f"usr/bin/{tool}": "" for tool in tools.split()}}.items():
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_text(text)
        (root / path).chmod(0o755)
    return Host(str(root))


@pytest.mark.parametrize(
    ("dns", "tools", "pid", "lacks"),
    [
        ("", "dnsmasq nmcli", 77, ""),
        ("default", "dnsmasq nmcli", 77, ""),
        ("dnsmasq", "dnsmasq nmcli", 77, ""),
        ("none", "dnsmasq nmcli", 77, "NetworkManager has dns=none in [main]: set it to dnsmasq"),
        ("", "nmcli", 77, "NetworkManager needs dnsmasq"),
        ("", "dnsmasq", 77, "nmcli makes NetworkManager"),
        ("", "dnsmasq nmcli", 0, "NetworkManager.service does not run"),
    ],
)
def test_what_a_host_lacks_for_it(tmp_path: Path, dns: str, tools: str, pid: int, lacks: str) -> None:
    made = host(tmp_path, {CONF: f"[main]\ndns={dns}\n"}, tools)
    found = networkmanager.missing(made, RUNS._replace(units={networkmanager.UNIT: pid}))
    assert found.startswith(lacks) and bool(found) is bool(lacks)


def test_what_an_earlier_run_could_have_left(tmp_path: Path) -> None:
    for units, left in [({networkmanager.UNIT: 77}, [RELOAD]), ({networkmanager.UNIT: 0}, []), ({}, [])]:
        found = networkmanager.standing(Host(str(tmp_path)), RUNS._replace(units=units))
        assert found == [({FILE: "", SWITCH: ""}, (), (), (), left, ())]


def configuration(*domains: str) -> str:
    """What busctl prints of NetworkManager's DNS configuration, as version 1.52 gives it."""
    link = {
        "nameservers": {"type": "as", "data": ["198.51.100.53"]},
        "domains": {"type": "as", "data": list(domains)},
        "interface": {"type": "s", "data": "link0"},
        "priority": {"type": "i", "data": 100},
        "vpn": {"type": "b", "data": False},
    }
    return json.dumps({"type": "aa{sv}", "data": [link]})


@pytest.mark.parametrize(
    ("answer", "lent", "unseen"),
    [
        (Result(0, configuration("~a.WeChat.com", "corp.example"), ""), ["a.wechat.com", "corp.example"], ""),
        (Result(0, configuration("~.", "."), ""), [], ""),  # for every name, and dnsmasq has our names for wider ones
        (Result(0, '{"type":"aa{sv}","data":[]}', ""), [], ""),
        (Result(0, '{"type":"aa{sv}","data":[{"nameservers":{"type":"as","data":[]}}]}', ""), [], ""),
        (Result(1, "", "Failed to get property: access denied"), [], "Failed to get property: access denied"),
        (Result(0, '{"data": [7]}', ""), [], '{"data": [7]}'),
        (Result(0, "[]", ""), [], "[]"),
        (None, [], "busctl is not installed"),
    ],
)
def test_which_domains_a_link_is_asked_for(tmp_path: Path, answer: Result | None, lent: list[str], unseen: str) -> None:
    made = host(tmp_path, {FILE[1:]: ""}, "dnsmasq nmcli busctl" if answer else "dnsmasq nmcli")
    made.run = lambda argv, **_: answer if argv[0].endswith("/busctl") else Result(0, "", "")  # type: ignore[method-assign]
    found = networkmanager.describe(made, RUNS, {})
    assert list(found.lent) == [("link0", domain) for domain in lent]
    assert unseen in found.unseen
    assert bool(found.unseen) is bool(unseen)
