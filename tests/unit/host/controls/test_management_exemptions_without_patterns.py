"""What an audit reads with methods of texts, where a pattern would say it in a line: the pattern is the reference."""

from __future__ import annotations

import re
from ipaddress import IPv4Address, IPv6Address
from pathlib import Path

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from proscribe.host.controls import management_exemptions
from proscribe.host.controls.apps.portable import desktop_entries
from proscribe.host.controls.apps.systems import flatpak_remotes, rpm_block, site_packages
from proscribe.host.controls.dns import desired
from proscribe.host.controls.firewall import listing
from proscribe.host.system import ControlError, Host

BLOCK = re.compile(
    rf"(?ms)^{re.escape(rpm_block.BEGIN)}.*?^{rpm_block.END}\n|\n?^{re.escape(rpm_block.BEGIN)}.*?^{rpm_block.END}\Z"
)
DNF = st.sampled_from(["[main]", f"{rpm_block.BEGIN}x", rpm_block.END, f"{rpm_block.END} ", "", "a=1"])
NAME = re.compile(r"(?=.{1,253}\Z)[a-z0-9_][a-z0-9_-]{0,62}(?:\.[a-z0-9_][a-z0-9_-]{0,62})*")
LABELS = st.text("ab0_-", max_size=3) | st.sampled_from(["a" * 63, "a" * 64, "A", "é", "a\n", "\n", "a/b", ""])
COUNTED = re.compile(r"counter refused[_-](\S+) \{\s+packets (\d+) bytes (\d+)")
COUNTERS = st.tuples(st.sampled_from(["_telegram", "-quic"]), st.integers(0, 3), st.sampled_from(["\n\t", "\t"]))


@given(st.lists(DNF).map("\n".join))
def test_our_block_in_dnfs_file(text: str) -> None:
    # At the end of a file that does not end in a line's end, the pattern takes what is between two blocks, too.
    assume(text.endswith("\n") or text.split("\n").count(rpm_block.END) < 2)
    assert rpm_block.without_excludes(text) == BLOCK.sub("", text)


@given(st.text("aB-_.", max_size=12))
def test_the_one_spelling_of_a_distribution(name: str) -> None:
    assert site_packages.normal(name) == re.sub(r"[-_.]+", "-", name).lower()


@given(st.lists(st.lists(LABELS, max_size=5).map(".".join), max_size=3))
def test_what_is_a_name(names: list[str]) -> None:
    if all(map(NAME.fullmatch, names)):
        assert desired.plain(names) == sorted(names)
    else:
        with pytest.raises(ControlError, match="for a name"):
            desired.plain(names)


@given(st.lists(COUNTERS, unique_by=lambda counter: counter[0]))
def test_what_was_refused(counters: list[tuple[str, int, str]]) -> None:
    text = "table inet proscribe {\n" + "".join(
        f"\tcounter refused{name} {{\n\t\tpackets {packets} bytes {60 * packets}{end}}}\n"
        for name, packets, end in counters
    )
    text += "\tcounter refused_none {\n\t}\n\tchain out {\n\t\tcounter name refused_telegram jump refuse\n\t}\n}\n"
    found = {name: (int(packets), int(size)) for name, packets, size in COUNTED.findall(text) if packets != "0"}
    assert listing.refusals(text) == found


@given(st.text("a %U@=/\t\u3000-", max_size=20))
def test_the_arguments_of_a_command_without_quotations(command: str) -> None:
    assert desktop_entries.arguments(command) == desktop_entries.arguments(f'"" {command}')


@given(st.text("aB_.-/é1", max_size=4), st.text("aB_.-/é1", max_size=4))
def test_a_remotes_names_that_can_be_parts_of_a_path(one: str, other: str) -> None:
    good = [re.fullmatch(r"[A-Za-z0-9][\w.-]*", name, re.ASCII) for name in (one, other)]
    assert flatpak_remotes.odd(flatpak_remotes.Remote(one, other, "")) is not all(good)


def host(root: Path, files: dict[str, str]) -> Host:
    for path, text in files.items():
        (root / path.lstrip("/")).parent.mkdir(parents=True, exist_ok=True)
        (root / path.lstrip("/")).write_text(text)
    return Host(str(root))


OPTIONS = ("server=", "forward-addr:", "DNS=", "nameserver ", "forwarders:", "forwarders ")


@given(st.lists(st.ip_addresses(), max_size=3))
def test_the_servers_of_a_hosts_own_resolver(addresses: list[IPv4Address | IPv6Address]) -> None:
    for line in ("server={}", "server = /example.org/{}#53", "forward-addr: {}@853#dns.example", "DNS=  {}%eth0#name",
                 "nameserver {}", "nameserver\t{}"):  # fmt: skip
        assert servers(*map(line.format, addresses)) == [str(one) for one in addresses]
    assert servers("DNS=192.0.2.1:853 [2001:db8::1]:853") == ["192.0.2.1", "2001:db8::1"]


def servers(*lines: str) -> list[str]:
    return list(management_exemptions._servers(lines, OPTIONS))


@pytest.mark.parametrize(
    ("lines", "found"),
    [
        (
            ["forwarders:", "- 192.0.2.1", "", "# ours", "- '2001:db8::1'", "port: 192.0.2.2", "- 192.0.2.3"],
            ["192.0.2.1", "2001:db8::1"],
        ),
        (["forwarders {", "192.0.2.1;", "192.0.2.2 port 53;", "};", "192.0.2.3;"], ["192.0.2.1", "192.0.2.2"]),
        (["forwarders { 192.0.2.1; 192.0.2.2; };", "192.0.2.3;"], ["192.0.2.1", "192.0.2.2"]),
        (["server=/a.example/#", "address=/a.example/192.0.2.1"], []),
    ],
)
def test_a_list_of_servers_may_have_lines_of_its_own(lines: list[str], found: list[str]) -> None:
    assert servers(*lines) == found


@pytest.mark.parametrize(
    ("line", "hosts"),
    [
        ("deb [arch=amd64] https://Deb.example.org/debian x", ["deb.example.org"]),
        ('Acquire::http::Proxy "http://user:x@proxy.example:3128";', ["proxy.example"]),
        (
            "URIs: http://203.0.113.9/d http://[2001:db8::9]:8080/x ftp://a.example",
            ["203.0.113.9", "2001:db8::9", "a.example"],
        ),
        ("mirrorlist=https://m.example/?u=http://b.example/", ["m.example", "b.example"]),
        ("Server = https://mirror.example/$repo/os/$arch", ["mirror.example"]),
        ("baseurl=https://$host.example/ file:///srv/x cdrom:[Debian]/ http:// http:///x http://-a/", []),
    ],
)
def test_where_packages_come_from(line: str, hosts: list[str]) -> None:
    assert list(management_exemptions._hosts_of_urls(line)) == hosts
