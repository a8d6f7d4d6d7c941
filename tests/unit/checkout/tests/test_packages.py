"""tests/packages finds packages of an archive that nobody has decided: its readers, its words, its decisions."""

import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from properties import examples

PROJECT = Path(__file__).resolve().parents[4]
sys.path.append(str(PROJECT / "tests/packages"))

import archives  # noqa: E402
import judging  # noqa: E402
from archives import Package  # noqa: E402

INDEX = """\
Package: vpnc
Version: 0.5.3
Description: Cisco-compatible VPN client
Tag: network::vpn, role::program,
 scope::utility
Section: net

Package: nicotine
Provides: something,
 something-else
Section: contrib/net
Description: graphical client for the Soulseek peer-to-peer network
"""
NAMES = st.from_regex(r"[a-z0-9][a-z0-9+.-]{1,20}", fullmatch=True)
WORDS = st.text(st.characters(min_codepoint=33, max_codepoint=0x2FFF, exclude_characters="\x7f\x85\u2028\u2029"))
TAGS = st.frozensets(st.from_regex(r"[a-z]{1,8}::[a-z]{1,8}", fullmatch=True))
PACKAGES = st.builds(Package, NAMES, WORDS.filter(lambda text: bool(text.strip())), NAMES, TAGS)


def read(text):
    return list(archives.read_index(text.split("\n"), "index"))


def write(package):
    fields = {"Section": package.section, "Tag": ",\n ".join(sorted(package.tags)), "Description": package.summary}
    return "".join(f"{key}: {value}\n" for key, value in {"Package": package.name, **fields}.items())


def test_index_is_read_as_debian_writes_it():
    tags = frozenset(["network::vpn", "role::program", "scope::utility"])
    assert read(INDEX) == [
        Package("vpnc", "Cisco-compatible VPN client", "net", tags),
        Package("nicotine", "graphical client for the Soulseek peer-to-peer network", "net"),
    ]
    assert read("") == read("\n \n\n") == []


@pytest.mark.slow
@given(st.lists(PACKAGES, max_size=5))
@examples(300)
def test_written_packages_are_read_again(packages):
    assert read("\n".join(map(write, packages))) == packages


@given(st.text())
@examples(1000)
def test_any_text_is_read_or_refused_with_its_place(text):
    try:
        assert all(package.name and package.summary for package in read(text))
    except archives.Unreadable as error:
        assert str(error).startswith("index:")


@pytest.mark.parametrize(
    ("text", "error"),
    (
        ("\nDescription: x\n", "index:2: found a package without Package"),
        ("Package: vpnc\nPackage: tor\n", "index:2: found 'Package: tor'"),
        ("Package: vpnc\n<html>\n", "index:2: found '<html>'"),
        ("Package: Vpnc\nDescription: x\n", "index:1: found 'Vpnc', expected a Debian package name"),
    ),
)
def test_index_without_its_form_is_refused(text, error):
    with pytest.raises(archives.Unreadable, match=error):
        read(text)


@pytest.mark.parametrize(
    ("package", "topics"),
    (
        (Package("webext-foxyproxy", "Advanced proxy management for Firefox", "web"), ["proxy"]),
        (Package("x", "a program", "net", frozenset(["network::vpn"])), ["vpn"]),
        (Package("sstp-client", "Connect to a server", "net"), ["vpn"]),
        (Package("linphone-cli", "SIP softphone - console-only client", "sound"), ["messaging"]),
        (Package("nicotine", "graphical client for the Soulseek peer-to-peer network", "net"), ["storage"]),
        (Package("x", "send INSTANT-MESSAGES to people", "net"), ["messaging"]),
        # Other meanings, servers, and what nobody starts
        (Package("storm", "a torrential rain of anonymised data", "net"), []),
        (Package("hitch", "scalable TLS proxy", "web"), []),
        (Package("libpurple0t64", "multi-protocol instant messaging library", "libs"), []),
        (Package("vpnc-doc", "Cisco-compatible VPN client, manual", "doc"), []),
    ),
    ids=lambda value: value.name if isinstance(value, Package) else "",
)
def test_words_select_packages_by_topic(package, topics):
    assert judging.words_of().topics_of(package) == topics


SUMMARIES = {"vpnc": "a VPN client", "own-vpn": "the VPN", "dns-vpn-a": "VPN over DNS", "dns-vpn-b": "VPN over DNS"}
ARCHIVE = {name: Package(name, summary, "net") for name, summary in {**SUMMARIES, "kept": "a calendar"}.items()}


@pytest.mark.parametrize(
    ("decided", "elsewhere", "catalogue", "expected"),
    (
        (["own-vpn", "dns-vpn-*", "kept"], ["of-a-vendor"], ["vpnc", "of-a-vendor"], []),
        (["own-vpn", "dns-vpn-a"], [], ["vpnc"], ["undecided: dns-vpn-b (vpn): VPN over DNS"]),
        (["dns-*", "own-vpn", "g*"], [], ["vpnc"], ["decided: g*: the archive has none"]),
        (["own-vpn", "dns-*"], [], ["vpnc", "dns-vpn-b"], ["decided: dns-*: is in the catalogue"]),
        (["own-vpn", "dns-*"], [], ["vpnc", "lost"], [f"catalogue: lost: {judging.ABSENT}"]),
        (
            ["own-vpn", "dns-*"],
            ["vpnc", "old"],
            ["vpnc"],
            ["elsewhere: old: is not in the catalogue", "elsewhere: vpnc: the archive has it"],
        ),
    ),
)
def test_undecided_packages_and_stale_decisions_are_listed(decided, elsewhere, catalogue, expected):
    assert judging.mistakes(ARCHIVE, judging.words_of(), judging.Decisions(decided, elsewhere), catalogue) == expected


def test_catalogue_contradicts_no_decision(own_catalogue):
    named = {name for service in own_catalogue.services.values() for name in service.packages.get("apt", ())}
    assert judging.against_catalogue(judging.decisions_of(judging.DECISIONS / "apt.yml"), named) == []
