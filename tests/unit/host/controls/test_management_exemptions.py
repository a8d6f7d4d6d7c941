"""The addresses and names that a host depends on, read from its files."""

import os
import re
import sys
from collections.abc import Callable
from typing import Any

import pytest
from file_hosts import make_host
from hypothesis import assume, given
from hypothesis import strategies as st
from proscribe.host.controls import management_exemptions
from proscribe.host.controls.apps.portable import desktop_entries
from proscribe.host.controls.apps.systems import flatpak_remotes, rpm_block, site_packages
from proscribe.host.controls.dns import names_to_block
from proscribe.host.controls.firewall import table_listing
from proscribe.host.controls.management_exemptions import (
    find_control_connections,
    read_gateways,
    read_resolvers,
    read_ssh_ports,
)
from proscribe.host.system import ControlError, Host, ObservationError

ZEROS, RESOLV_CONF = "0" * 32, "etc/resolv.conf"
NUMBER = int.from_bytes(bytes([203, 0, 113, 1]), sys.byteorder)
ROUTE = f"Iface Destination\neth0 {{}} {NUMBER:08X} {{}} 0 0 0 {{}}\n"
IPV6_ROUTE = f"{{}} {{}} {ZEROS} 00 fe800000000000000000000000000001 0 0 0 {{}} eth0\n"
FE80 = "fe80:0000:0000:0000:0000:0000:0000:0001"
OPTIONS = ("server=", "forward-addr:", "DNS=", "nameserver ", "forwarders:", "forwarders ")


@pytest.mark.parametrize(
    ("read", "path", "text", "found"),
    [
        (read_gateways, "proc/net/route", ROUTE.format("00000000", "0003", "00000000"), ["203.0.113.1"]),
        (read_gateways, "proc/net/route", ROUTE.format("00000000", "0001", "00000000"), []),
        (read_gateways, "proc/net/route", ROUTE.format("00000000", "0003", "000000FF"), []),
        (read_gateways, "proc/net/ipv6_route", IPV6_ROUTE.format(ZEROS, "00", "3"), [FE80]),
        (read_gateways, "proc/net/ipv6_route", IPV6_ROUTE.format(ZEROS, "00", "3").rsplit(" ", 2)[0], []),  # cut
        (read_gateways, "proc/net/ipv6_route", IPV6_ROUTE.format(ZEROS, "00", "1"), []),
        (read_gateways, "proc/net/ipv6_route", IPV6_ROUTE.format("2" + ZEROS[1:], "00", "3"), []),
        (read_resolvers, RESOLV_CONF, "nameserver 192.0.2.1\nnameserver\t::1\nnameserver ::1", ["192.0.2.1", "::1"]),
        (read_resolvers, RESOLV_CONF, "nameserver fe80::1%eth0", ["fe80::1"]),
        (read_resolvers, RESOLV_CONF, "search 192.0.2.1\nnameserver\n# nameserver 192.0.2.1", []),
        (read_resolvers, RESOLV_CONF, "nameserver 192.0.2", []),
        (read_resolvers, RESOLV_CONF, "nameserver g::1", []),
        (read_resolvers, RESOLV_CONF, "nameserver ::ffff:192.0.2.1", ["::ffff:192.0.2.1"]),
        (read_ssh_ports, "etc/ssh/sshd_config", "Port 65535\nPort 1\nport 1", [1, 65535]),
        (read_ssh_ports, "etc/ssh/sshd_config", "Port 65536\nPort 0\nPort", [22]),
        (read_ssh_ports, "etc/ssh/sshd_config", "listenaddress [2001:db8::1]:2200", [2200]),
        (read_ssh_ports, "etc/ssh/sshd_config", "ListenAddress 2001:db8::1\nListenAddress a.example", [22]),
        (read_ssh_ports, "etc/ssh/sshd_config", "GatewayPort 2200\nMatch Address 192.0.2.1:2200", [22]),
    ],
)
def test_addresses_and_ports_are_read_from_files(tmp_path, read, path, text, found):
    assert read(make_host(tmp_path, {path: text})) == found


def test_strict_dns_over_tls_is_read_from_resolved(tmp_path):
    conf = "etc/systemd/resolved.conf"
    for value, strict in (("yes", True), ("true", True), ("no", False), ("yes\nDNSOverTLS=no", False)):
        made = make_host(tmp_path, {conf: f"DNSOverTLS={value}\nDNS = x\nXDNSOverTLS=yes\n"})
        assert management_exemptions.is_resolver_tls_required(made) is strict, value
    later = make_host(tmp_path, {conf: "DNSOverTLS=yes\n", f"{conf}.d/a.conf": "DNSOverTLS=no\n"})
    assert management_exemptions.is_resolver_tls_required(later) is False


def test_unreadable_process_ends_the_search_for_connections(tmp_path, monkeypatch):
    connection = "SSH_CONNECTION=192.0.2.{} 5 192.0.2.9 22"
    files = {
        "proc/self/environ": connection.format(1),
        "proc/101/environ": "",
        "proc/102/environ": connection.format(2),
    }
    parents = {"self": 101, "101": 102, "102": 0}
    files |= {f"proc/{pid}/status": f"Name:\tx\nPPid:\t{parent}\n" for pid, parent in parents.items()}
    made = make_host(tmp_path, files)
    (tmp_path / "proc/101/environ").write_bytes(b"A=\xff\0" + connection.format(3).encode())
    assert find_control_connections(made) == [(f"192.0.2.{number}", 22) for number in (1, 3, 2)]
    (tmp_path / "proc/101/environ").unlink()
    assert find_control_connections(made) == [(f"192.0.2.{number}", 22) for number in (1, 2)]
    (tmp_path / "proc/102/status").unlink()
    assert find_control_connections(made) == [(f"192.0.2.{number}", 22) for number in (1, 2)]
    read = Host.read_file
    for error in (ObservationError("not yours"), OSError("gone")):
        monkeypatch.setattr(Host, "read_file", refusing(error, lambda path: "101" in path, read))
        assert find_control_connections(made) == [("192.0.2.1", 22)]


def refusing(error: Exception, concerns: Callable[[str], bool], otherwise: Callable[..., Any]) -> Callable[..., Any]:
    def ask(self: Host, path: str, *words: Any) -> Any:
        if concerns(path):
            raise error
        return otherwise(self, path, *words)

    return ask


@pytest.mark.parametrize("error", [ObservationError("not yours"), ControlError("a device")])
@pytest.mark.parametrize("what", ["list_directory", "read_text"])
def test_unreadable_file_or_folder_names_no_source(tmp_path, monkeypatch, what, error):
    files = {"etc/apt/sources.list.d/a": "http://a.example", "etc/yum.repos.d/b": "http://b.example"}
    made = make_host(tmp_path, files)
    assert management_exemptions.read_package_sources(made) == ["a.example", "b.example"]
    monkeypatch.setattr(Host, what, refusing(error, lambda path: "apt" in path, getattr(Host, what)))
    assert management_exemptions.read_package_sources(made) == ["b.example"]


def test_own_names_come_from_kernel_and_file(tmp_path):
    host = make_host(tmp_path, {"etc/hostname": "Web01.Example.org\n\n"})
    assert management_exemptions.read_own_names(host) == {os.uname().nodename.lower(), "web01.example.org"}


BLOCK = re.compile(
    rf"(?ms)^{re.escape(rpm_block.BLOCK_BEGIN)}.*?^{rpm_block.BLOCK_END}\n|\n?^{re.escape(rpm_block.BLOCK_BEGIN)}.*?^{rpm_block.BLOCK_END}\Z"
)
DNF = st.sampled_from(["[main]", f"{rpm_block.BLOCK_BEGIN}x", rpm_block.BLOCK_END, f"{rpm_block.BLOCK_END} ", "", "a"])
NAME = re.compile(r"(?=.{1,253}\Z)[a-z0-9_][a-z0-9_-]{0,62}(?:\.[a-z0-9_][a-z0-9_-]{0,62})*")
LABELS = st.text("ab0_-", max_size=3) | st.sampled_from(["a" * 63, "a" * 64, "A", "é", "a\n", "\n", "a/b", ""])
COUNTED = re.compile(r"counter refused[_-](\S+) \{\s+packets (\d+) bytes (\d+)")
COUNTERS = st.tuples(st.sampled_from(["_telegram", "-quic"]), st.integers(0, 3), st.sampled_from(["\n\t", "\t"]))


@given(st.lists(DNF).map("\n".join))
def test_our_block_in_dnfs_file(text):
    # At the end of a file that does not end in a line's end, the pattern takes what is between two blocks, too.
    assume(text.endswith("\n") or text.split("\n").count(rpm_block.BLOCK_END) < 2)
    assert rpm_block.strip_excludes(text) == BLOCK.sub("", text)


@given(st.text("aB-_.", max_size=12))
def test_the_one_spelling_of_a_distribution(name):
    assert site_packages.normalise_name(name) == re.sub(r"[-_.]+", "-", name).lower()


@given(st.lists(st.lists(LABELS, max_size=5).map(".".join), max_size=3))
def test_names_match_the_pattern(names):
    if all(map(NAME.fullmatch, names)):
        assert names_to_block.sort_valid_names(names) == sorted(names)
    else:
        with pytest.raises(ControlError, match="for a name"):
            names_to_block.sort_valid_names(names)


@given(st.lists(COUNTERS, unique_by=lambda counter: counter[0]))
def test_refused_packets_match_the_pattern(counters):
    text = "table inet proscribe {\n" + "".join(
        f"\tcounter refused{name} {{\n\t\tpackets {packets} bytes {60 * packets}{end}}}\n"
        for name, packets, end in counters
    )
    text += "\tcounter refused_none {\n\t}\n\tchain out {\n\t\tcounter name refused_telegram jump refuse\n\t}\n}\n"
    found = {name: (int(packets), int(size)) for name, packets, size in COUNTED.findall(text) if packets != "0"}
    assert table_listing.parse_refusal_counts(text) == found


@given(st.text("a %U@=/\t\u3000-", max_size=20))
def test_the_arguments_of_a_command_without_quotations(command):
    assert desktop_entries.parse_arguments(command) == desktop_entries.parse_arguments(f'"" {command}')


@given(st.text("aB_.-/é1", max_size=4), st.text("aB_.-/é1", max_size=4))
def test_a_remotes_names_that_can_be_parts_of_a_path(one, other):
    good = [re.fullmatch(r"[A-Za-z0-9][\w.-]*", name, re.ASCII) for name in (one, other)]
    assert flatpak_remotes.has_odd_name(flatpak_remotes.FlatpakRemote(one, other, "")) is not all(good)


def servers(*lines: str) -> list[str]:
    return list(management_exemptions._read_servers(lines, OPTIONS))


@given(st.lists(st.ip_addresses(), max_size=3))
def test_servers_of_a_hosts_own_resolver_are_read(addresses):
    domain, tls = "server = /example.org/{}#53", "forward-addr: {}@853#dns.example"
    for line in ("server={}", domain, tls, "DNS=  {}%eth0#name", "nameserver {}", "nameserver\t{}"):
        assert servers(*map(line.format, addresses)) == [str(item) for item in addresses]


@pytest.mark.parametrize(
    ("lines", "found"),
    [
        (["forwarders:", "- 192.0.2.1", "", "#", "- '::1'", "port: 192.0.2.2", "- 192.0.2.3"], ["192.0.2.1", "::1"]),
        (["forwarders {", "192.0.2.1;", "192.0.2.2 port 53;", "};", "192.0.2.3;"], ["192.0.2.1", "192.0.2.2"]),
        (["forwarders { 192.0.2.1; 192.0.2.2; };", "192.0.2.3;"], ["192.0.2.1", "192.0.2.2"]),
        (["server=/a.example/#", "address=/a.example/192.0.2.1"], []),
        (["DNS=192.0.2.1:853 [2001:db8::1]:853"], ["192.0.2.1", "2001:db8::1"]),
    ],
)
def test_list_of_servers_may_have_lines_of_its_own(lines, found):
    assert servers(*lines) == found


def test_hosts_of_package_sources_are_read():
    lines = {
        "deb [arch=amd64] https://Deb.example.org/debian x": ["deb.example.org"],
        'Acquire::http::Proxy "http://user:x@proxy.example:3128";': ["proxy.example"],
        "URIs: http://192.0.2.9/d http://[2001:db8::9]:80/x ftp://a.b": ["192.0.2.9", "2001:db8::9", "a.b"],
        "mirrorlist=https://m.example/?u=http://b.example/": ["m.example", "b.example"],
        "baseurl=https://$host.example/ file:///srv/x cdrom:[Debian]/ http:// http:///x http://-a/": [],
    }
    assert {line: list(management_exemptions._find_url_hosts(line)) for line in lines} == lines
