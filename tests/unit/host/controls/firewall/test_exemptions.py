"""What a host hangs on, read from its files, and what of it the firewall has to let pass."""

from __future__ import annotations

import ipaddress
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from proscribe.host.controls import management_exemptions
from proscribe.host.controls.firewall.exemptions import Blocked, collect, network_of
from proscribe.host.controls.firewall.rule_text import spelled
from proscribe.host.controls.firewall.ruleset import render
from proscribe.host.system import Host

ROUTE = "Iface\tDestination\tGateway\tFlags\tRefCnt\tUse\tMetric\tMask\tMTU\tWindow\tIRTT\n"
DEFAULT_ROUTE = ROUTE + "eth0\t00000000\t017100CB\t0003\t0\t0\t0\t00000000\t0\t0\t0\n"  # 203.0.113.1
ROUTE_6 = f"{'0' * 32} 00 {'0' * 32} 00 20010db8000000000000000000000001 00000400 00000001 00000000 00000003 eth0\n"


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


def test_default_gateways_are_read_from_the_kernels_tables(host: Callable[..., Host]) -> None:
    assert management_exemptions.gateways(host({})) == []
    local = "eth0\t007100CB\t00000000\t0001\t0\t0\t0\t00FFFFFF\t0\t0\t0\n"
    seen = host({"/proc/net/route": DEFAULT_ROUTE + local, "/proc/net/ipv6_route": ROUTE_6})
    assert management_exemptions.gateways(seen) == ["203.0.113.1", "2001:0db8:0000:0000:0000:0000:0000:0001"]


@pytest.mark.parametrize(
    ("config", "ports"),
    [
        ("", [22]),
        ("#Port 2200\n", [22]),
        ("Port 2200\nport=2201\n", [2200, 2201]),
        ("ListenAddress 0.0.0.0:2200\nListenAddress [::]:2201\nListenAddress 192.0.2.1\n", [2200, 2201]),
        ("ListenAddress ::\nPort seven\n", [22]),
    ],
)
def test_the_ports_of_sshd_are_read_from_its_configuration(
    host: Callable[..., Host], config: str, ports: list[int]
) -> None:
    assert management_exemptions.ssh_ports(host({"/etc/ssh/sshd_config": config})) == ports
    assert (
        management_exemptions.ssh_ports(host({"/etc/ssh/sshd_config": "", "/etc/ssh/sshd_config.d/x.conf": config}))
        == ports
    )


def test_package_sources_and_proxies_are_the_hosts_of_the_urls(host: Callable[..., Host]) -> None:
    seen = host(
        {
            "/etc/apt/sources.list": "# deb http://old.example/ x\ndeb [arch=amd64] https://Deb.example.org/debian x\n",
            "/etc/apt/sources.list.d/a.sources": "URIs: http://203.0.113.9/debian http://[2001:db8::9]:8080/x\n",
            "/etc/apt/apt.conf.d/proxy": '// http://commented.example\nAcquire::http::Proxy "http://user:x@proxy.example:3128/";\n',
            "/etc/yum.repos.d/a.repo": "baseurl=https://rpm.example.org/$releasever\n",
            "/etc/pacman.d/gnupg/secret": "http://not.a.source/\n",
        }
    )
    assert management_exemptions.package_sources(seen) == [
        "deb.example.org",
        "203.0.113.9",
        "2001:db8::9",
        "proxy.example",
        "rpm.example.org",
    ]


@pytest.mark.parametrize(
    ("value", "needed"), [("yes", True), ("opportunistic", False), ("no", False), ("no\nDNSOverTLS = true", True)]
)
def test_only_strict_dns_over_tls_of_the_hosts_own_resolver_needs_port_853(
    host: Callable[..., Host], value: str, needed: bool
) -> None:
    seen = host(
        {
            "/etc/systemd/resolved.conf": f"[Resolve]\nDNSOverTLS={value}\n",
            "/etc/resolv.conf": "nameserver 192.0.2.53\n",
        }
    )
    assert management_exemptions.resolvers_need_tls(seen) is needed
    lets = collect(seen, section("203.0.113.0/24"), "")
    assert lets.resolver_ports == ((53, 853) if needed else (53,))
    assert [spelled(entry.network) for entry in lets.resolvers] == (["192.0.2.53"] if needed else [])


def test_a_parent_still_knows_the_ssh_connection_that_sudo_dropped(host: Callable[..., Host]) -> None:
    seen = host(
        {
            "/proc/self/environ": "PATH=/bin\0SUDO_USER=ops\0",
            "/proc/self/status": "Name:\tpython3\nPPid:\t41\n",
            "/proc/41/environ": "SSH_CONNECTION=203.0.113.5 50000 192.0.2.2 2222\0",
            "/proc/41/status": "Name:\tsudo\nPPid:\t40\n",
            "/proc/40/environ": "SSH_CONNECTION=fe80::1%eth0 1 fe80::2%eth0 22\0SSH_CONNECTION_X=a b c d\0",
            "/proc/40/status": "Name:\tsshd\nPPid:\t0\n",
        }
    )
    assert management_exemptions.control_connections(seen) == [("203.0.113.5", 2222), ("fe80::1", 22)]


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


def test_a_resolved_source_is_remembered_while_it_is_a_source_and_never_asked_for_again(
    host: Callable[..., Host],
) -> None:
    seen = host({"/etc/apt/sources.list": "deb http://deb.example.org/debian x\n"})
    plan = section("203.0.113.0/24")
    first = collect(seen, plan, "", resolve=lambda name: ["203.0.113.80", "192.0.2.80"])
    boot_file = render(plan, first)
    remembered = [("203.0.113.80", "package source deb.example.org")]
    assert exempt(seen, plan, boot_file) == remembered
    assert exempt(seen, plan, boot_file, resolve=lambda name: []) == remembered
    assert exempt(host({"/etc/apt/sources.list": ""}), plan, boot_file) == []


def test_the_port_of_a_control_connection_is_remembered(host: Callable[..., Host]) -> None:
    seen = host({})
    plan = section("203.0.113.0/24")
    for ports in ([2222], [22], [2222, 443]):
        connections = [("192.0.2.9", port) for port in ports]
        boot_file = render(plan, collect(seen, plan, "", connections=connections))
        assert set(collect(seen, plan, boot_file).ssh_ports) == {22, *ports}


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


def test_whoever_manages_the_host_gets_past_rules_for_what_comes_in_and_is_remembered(
    host: Callable[..., Host],
) -> None:
    seen, plan = host({}), with_rules({"direction": "in", "verdict": "drop"})
    connections = [("198.51.100.9", 2222), ("2001:db8::9", 22), ("UNKNOWN", 22)]
    loaded = render(plan, collect(seen, plan, "", connections=connections))
    assert 'ip saddr 198.51.100.9 tcp dport 2222 accept comment "control connection"' in loaded
    assert 'ip6 saddr 2001:db8::9 tcp dport 22 accept comment "control connection"' in loaded
    assert render(plan, collect(seen, plan, loaded)) == loaded


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
    ("direction", "verdict", "addresses", "stays_open"),
    [
        pytest.param("out", "drop", [], ["203.0.113.1", "2001:db8::1"], id="everywhere: the ways out of both families"),
        pytest.param("out", "reject", ["0.0.0.0/0"], ["203.0.113.1"], id="of one family"),
        pytest.param("out", "drop", ["2001:db8::/32"], ["2001:db8::1"], id="of the other one"),
        pytest.param("out", "reject", ["198.51.100.0/24"], [], id="of a network without a gateway"),
        pytest.param("out", "accept", [], [], id="what refuses nothing"),
        pytest.param("forward", "drop", [], ["203.0.113.1", "2001:db8::1"], id="for guests"),
        pytest.param("forward", "drop", ["203.0.113.0/28"], ["203.0.113.1"], id="for guests, of one network"),
        pytest.param("in", "reject", [], [], id="what comes in says nothing of what goes out"),
    ],
)
def test_an_own_rule_leaves_the_host_its_gateways(
    host: Callable[..., Host], direction: str, verdict: str, addresses: list[str], stays_open: list[str]
) -> None:
    """A rule without addresses is for IPv6 as well: a host that has only that would be cut off and never come back."""
    plan = with_rules({"direction": direction, "verdict": verdict, "addresses": addresses})
    seen = host({"/proc/net/route": DEFAULT_ROUTE, "/proc/net/ipv6_route": ROUTE_6})
    assert exempt(seen, plan) == [(address, "default gateway") for address in stays_open]


@pytest.mark.parametrize(
    ("text", "ports"),
    [
        ("20000\t30000\n", (20000, 30000)),
        ("", (32768, 60999)),
        ("1024 65535", (1024, 65535)),
        ("20000\n", (32768, 60999)),
        ("1 2 3\n", (32768, 60999)),
    ],
)
def test_the_ports_from_which_a_host_opens_connections(
    host: Callable[..., Host], text: str, ports: tuple[int, int]
) -> None:
    """Answers to what the host began come to these; a range that is read wrongly cuts them off."""
    seen = host({"/proc/sys/net/ipv4/ip_local_port_range": text})
    assert collect(seen, section("203.0.113.0/24"), "").ephemeral == ports


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
def test_whom_a_forwarding_resolver_asks(host: Callable[..., Host], path: str, line: str, addresses: list[str]) -> None:
    """It is never cut off by the firewall."""
    assert management_exemptions.resolvers(host({path: f"# made\n{line}\n"})) == addresses


def test_the_beginnings_that_the_guide_gives_find_all_servers_of_its_example(
    host: Callable[..., Host], monkeypatch: pytest.MonkeyPatch
) -> None:
    guide = (Path(__file__).resolve().parents[5] / "docs/how-to/add-a-dns-filter.md").read_text()
    example, _, said = guide.partition("```yaml\n")[2].partition("```\n")
    beginnings = said.strip().partition("the beginnings are ")[2].partition(".\n")[0].split("`")[1::2]
    monkeypatch.setattr(management_exemptions, "FORWARDERS", [(["/etc/made.yml"], beginnings)])
    assert len(beginnings) == 3
    assert management_exemptions.resolvers(host({"etc/made.yml": example})) == ["192.0.2.1", "192.0.2.2", "192.0.2.3"]


@pytest.mark.parametrize(("length", "cut"), [(99, 0), (100, 0), (101, 1), (240, 140)])
def test_of_a_long_name_the_end_is_kept_which_says_whose_it_is(
    host: Callable[..., Host], length: int, cut: int
) -> None:
    """nft refuses a comment of more than 128 characters, and with it the whole table."""
    name = ("a" * 60 + ".") * 3 + "b" * 60
    name = (name[: length - len(".example")] + ".example").rjust(length, "a")
    seen = host({"/etc/apt/sources.list": f"deb http://{name}/debian x\n"})
    requests: list[str] = []

    def resolve(name_requested: str) -> list[str]:
        requests.append(name_requested)
        return ["203.0.113.80"]

    found = collect(seen, section("203.0.113.0/24"), "", resolve=resolve)
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


def test_who_may_ask_a_name_server_is_handed_on(host: Callable[..., Host]) -> None:
    """The rules let these through to port 53; without them, no name is found on the host any more."""
    assert tuple(collect(host({}), section(), "", askers=(953, 101)).askers) == (953, 101)
    assert tuple(collect(host({}), section(), "").askers) == ()
