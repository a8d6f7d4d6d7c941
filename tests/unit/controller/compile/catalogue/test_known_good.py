"""The names that nobody may block: what the list has, what was left out of it, and which entries would block one."""

import ipaddress
from pathlib import Path

import pytest
from file_hosts import write_files
from proscribe.controller.compile.catalogue.catalogue_loader import read_catalogue
from proscribe.controller.policy_errors import PolicyErrors
from published_lists import KNOWN_GOOD, left_out, patterns

PARROT = """\
---
id: parrot
name: Parrot
category: social_media
vendor: Example
audience: consumer
enforce: "{enforce}"
domains: [{domain}]
allow_domains: [time.{domain}]
networks: [{network}]
front_doors: [{domain}]
sources: [a test]
"""
ENTRY = "social_media/parrot.yml"
FEED = "id: birds\nname: Birds\nservice: parrot\nkind: {kind}\nchecked: 2026-01-02\nsources: [a test]\n"
AMENDED = "---\namends: parrot\nsources: [a test]\n{what}"
NAMES = "# public bodies\nwww.gov.example\nhsbc.example\n"


class Lists:
    """A catalogue with a guard, and an organisation's own directory beside it."""

    def __init__(self, root: Path) -> None:
        self.root, self.own = root / "catalog", root / "ours"
        self.write("catalog/known_good.txt", NAMES)
        self.write("catalog/known_good_networks.txt", "198.51.0.0/16\n2001:4860::/32\n")
        self.entry()

    def write(self, name: str, text: str) -> None:
        write_files(self.root.parent, {name: text})

    def entry(self, domain: str = "finch.example", network: str = "203.0.113.0/24", enforce: str = "true") -> None:
        text = PARROT.format(domain=domain, network=network, enforce=enforce)
        self.write(f"catalog/{ENTRY}", text)

    def feed(self, where: str, kind: str, *values: str) -> None:
        self.write(f"{where}/feeds/birds.yml", FEED.format(kind=kind))
        self.write(f"{where}/feeds/birds.txt", "".join(f"{value}\n" for value in sorted(values)))

    def refused(self) -> str:
        """Return the one mistake of a load; "" for none."""
        try:
            read_catalogue([item for item in (self.root, self.own) if item.exists()])
        except PolicyErrors as wrong:
            (error,) = wrong.errors
            return str(error)
        return ""


@pytest.fixture
def lists(tmp_path):
    return Lists(tmp_path)


@pytest.mark.parametrize("where", ["catalog", "ours"])
@pytest.mark.parametrize(
    ("kind", "good", "bad"),
    [("domains", "duck.example", "hsbc.example"), ("networks", "203.0.113.0/24", "198.51.9.0/24")],
)
def test_a_feed_is_refused_with_its_line(lists, where, kind, good, bad):
    lists.feed(where, kind, good)
    assert lists.refused() == ""
    lists.feed(where, kind, good, bad)
    number = sorted((good, bad)).index(bad) + 1
    assert f"{where}/feeds/birds.txt:{number}: found '{bad}'" in lists.refused()


def test_an_organisation_has_lists_of_its_own(lists):
    lists.write("ours/known_good.txt", "www.finch.example\n")
    assert "www.finch.example of known_good.txt" in lists.refused()
    lists.write("ours/known_good.txt", "no name\n")
    assert "ours/known_good.txt:1: found 'no name'" in lists.refused()


@pytest.mark.parametrize("where", ["catalog", "ours"])
def test_a_file_name_that_programs_of_others_have_is_refused_and_named_as_shared_it_is_not(lists, where):
    lists.write(f"{where}/known_good_programs.txt", "messenger.exe\n")
    amended = "add:\n  processes:\n    {key}: [Parrot.exe, Messenger.exe]\n"
    lists.write("ours/amends/parrot.yml", AMENDED.format(what=amended.format(key="windows")))
    assert "found 'Messenger.exe', expected this name under windows_shared: programs of others" in lists.refused()
    lists.write("ours/amends/parrot.yml", AMENDED.format(what=amended.format(key="windows_shared")))
    assert lists.refused() == ""


@pytest.mark.parametrize(
    ("installer", "is_refused"),
    [
        ("t4setup*.exe", True),
        ("T4Setup.exe", True),
        ("t4se*tup.exe", True),
        ("t4setup*x.exe", False),
        ("t4s*t4setup.exe", False),
    ],
)
def test_an_installer_whose_file_name_programs_of_others_have_is_refused(lists, installer, is_refused):
    lists.write("catalog/known_good_programs.txt", "t4a.exe\nt4setup.exe\n")
    lists.write("ours/amends/parrot.yml", AMENDED.format(what=f"add:\n  installers: ['{installer}']\n"))
    assert lists.refused().count("expected a file name of this installer alone: programs of others") == is_refused


@pytest.mark.parametrize("name", ["corp.internal", "printer.local", "build.test"])
def test_a_name_of_the_organisations_own_network_is_refused_unless_it_says_that_it_is_meant(lists, name):
    lists.feed("ours", "domains", "duck.example", name)
    zone = name.rpartition(".")[2]
    assert f"found '{name}', expected a name of the Internet: those below .{zone} " in lists.refused()
    meant = f"decided:\n  - names: [{name}]\n    as: blocked\n    why: the old chat\n"
    lists.write("ours/amends/parrot.yml", AMENDED.format(what=f"add:\n  domains: [{name}]\n{meant}"))
    assert lists.refused() == ""


@pytest.mark.parametrize(
    ("domain", "needs"), [("blogspot.com", "blogspot.com"), ("uk.com", "uk.com"), ("a-customer.blogspot.com", "")]
)
def test_a_domain_below_which_each_customer_has_a_name_is_refused_and_a_customers_is_not(lists, domain, needs):
    lists.write("catalog/known_good.txt", KNOWN_GOOD.read_text())
    lists.entry(domain=domain)
    assert bool(needs) == (f"found '{domain}', expected a name of this service alone: {needs}" in lists.refused())
    lists.entry()
    lists.feed("ours", "domains", "duck.example", domain)
    assert bool(needs) == (f"found '{domain}'" in lists.refused())


def test_names_below_a_publishers_pattern_are_not_blocked(own_catalogue):
    enforced = [item for item in own_catalogue.services.values() if item.enforce]
    hosts = {host for item in enforced for host in (*item.domains, *item.mail_hosts, *item.urls) if "/" not in host}
    hosts |= {name for feed in own_catalogue.feeds.values() if feed.kind == "domains" for name in feed.values}
    ends = tuple(pattern.removeprefix("*") for pattern in patterns())
    decided = {name for item in left_out() for name in item.names}
    assert len(ends) > 100 and sorted(host for host in hosts - decided if host.endswith(ends)) == []


@pytest.mark.parametrize("address", ["147.92.191.1/32", "2400:dcc0::1/128"])
def test_networks_with_building_blocks_are_in_no_entry(own_catalogue, address):
    networks = {network for item in own_catalogue.services.values() for network in item.networks}
    networks |= {value for feed in own_catalogue.feeds.values() if feed.kind == "networks" for value in feed.values}
    item = ipaddress.ip_network(address)
    result = [ipaddress.ip_network(network) for network in networks]
    assert result and [other for other in result if other.version == item.version and other.supernet_of(item)] == []
