"""The names that nobody may block: what the list has, what was left out of it, and which entries would block one."""

from __future__ import annotations

import datetime
import ipaddress
import re
from collections.abc import Iterable, Iterator
from pathlib import Path

import pytest
from made_catalogue import OWN
from proscribe.controller.compile.catalogue.feeds import read_list
from proscribe.controller.compile.catalogue.known_good import read_lists
from proscribe.controller.compile.catalogue.loading import Catalogue, load
from proscribe.controller.compile.catalogue.schema import AUDIENCES, CATEGORIES
from proscribe.controller.compile.plans.compiling import compile_plan
from proscribe.controller.compile.restrictions import read_restrictions
from proscribe.controller.policy_errors import PolicyErrors
from proscribe.host.controls.browser.rendering import Name, Verdicts
from proscribe.model.plan import RESTRICTED
from published_lists import KNOWN_GOOD, LeftOut, Section, blocked_on_purpose, left_out, patterns, sections

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
BLOCK = "Sign-in, payment, maps and widgets: "
BUILDING_BLOCKS = [one for one in sections() if one.title.startswith(BLOCK)]
NETWORKS = "198.51.0.0/16\n2001:4860::/32\n"


class Lists:
    """A catalogue with a guard, and an organisation's own directory beside it."""

    def __init__(self, root: Path) -> None:
        self.root, self.own = root / "catalog", root / "ours"
        self.write("catalog/known_good.txt", NAMES)
        self.write("catalog/known_good_networks.txt", NETWORKS)
        self.entry()

    def write(self, name: str, text: str) -> None:
        path = self.root.parent / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)

    def entry(self, domain: str = "finch.example", network: str = "203.0.113.0/24", enforce: str = "true") -> None:
        text = PARROT.format(domain=domain, network=network, enforce=enforce)
        self.write(f"catalog/{ENTRY}", text)

    def feed(self, where: str, kind: str, *values: str) -> None:
        self.write(f"{where}/feeds/birds.yml", FEED.format(kind=kind))
        self.write(f"{where}/feeds/birds.txt", "".join(f"{value}\n" for value in sorted(values)))

    def refused(self) -> str:
        """What a load says of the one mistake; "" for a catalogue that loads."""
        try:
            load([one for one in (self.root, self.own) if one.exists()])
        except PolicyErrors as wrong:
            (error,) = wrong.errors
            return str(error)
        return ""


@pytest.fixture
def lists(tmp_path: Path) -> Lists:
    return Lists(tmp_path)


@pytest.mark.parametrize(
    ("entry", "place", "needs"),
    [
        ({"domain": "www.gov.example"}, "domains[0]: found 'www.gov.example'", "www.gov.example"),
        ({"domain": "gov.example"}, "domains[0]: found 'gov.example'", "www.gov.example"),
        ({"domain": "gov.example", "enforce": "false"}, "domains[0]: found 'gov.example'", "www.gov.example"),
        ({"network": "198.51.100.7/32"}, "networks[0]: found '198.51.100.7/32'", "known_good_networks.txt"),
        ({"network": "2001:4860:4860::/48"}, "networks[0]: found '2001:4860:4860::/48'", "known_good_networks.txt"),
    ],
)
def test_an_entry_is_refused_with_its_line_and_what_needs_the_name(
    lists: Lists, entry: dict[str, str], place: str, needs: str
) -> None:
    lists.entry(**entry)
    said = lists.refused()
    assert re.search(rf"parrot.yml:\d+: {re.escape(place)}", said) and needs in said and "as: blocked" in said


def test_names_that_nobody_needs_and_those_that_an_entry_lets_through_are_blocked(lists: Lists) -> None:
    lists.write("catalog/known_good.txt", "time.finch.example\na.time.finch.example\n")
    assert lists.refused() == ""


@pytest.mark.parametrize("where", ["catalog", "ours"])
@pytest.mark.parametrize(
    ("kind", "good", "bad"),
    [("domains", "duck.example", "hsbc.example"), ("networks", "203.0.113.0/24", "198.51.9.0/24")],
)
def test_a_feed_is_refused_with_its_line(lists: Lists, where: str, kind: str, good: str, bad: str) -> None:
    lists.feed(where, kind, good)
    assert lists.refused() == ""
    lists.feed(where, kind, good, bad)
    number = sorted((good, bad)).index(bad) + 1
    assert f"{where}/feeds/birds.txt:{number}: found '{bad}'" in lists.refused()


@pytest.mark.parametrize(
    ("key", "value"), [("domains", "gov.example"), ("networks", "198.51.100.0/24"), ("networks", "2001:4860:7::/48")]
)
def test_an_amendment_is_refused_where_it_adds_the_value_and_can_say_that_it_is_meant(
    lists: Lists, key: str, value: str
) -> None:
    adds = f"add:\n  {key}: [{value}]\n"
    lists.write("ours/amends/parrot.yml", AMENDED.format(what=adds))
    assert f"ours/amends/parrot.yml:5: add.{key}[0]: found '{value}'" in lists.refused()
    meant = f"decided:\n  - names: ['{value}']\n    as: blocked\n    why: Ministry order 7\n"
    lists.write("ours/amends/parrot.yml", AMENDED.format(what=adds + meant))
    assert lists.refused() == ""


def test_an_organisation_has_lists_of_its_own(lists: Lists) -> None:
    lists.write("ours/known_good.txt", "www.finch.example\n")
    assert "www.finch.example of known_good.txt" in lists.refused()
    lists.write("ours/known_good.txt", "no name\n")
    assert "ours/known_good.txt:1: found 'no name'" in lists.refused()


def test_an_organisation_names_what_is_reserved_for_its_own_networks(lists: Lists) -> None:
    lists.write("ours/known_good.txt", "wiki.corp.internal\nnas.home.arpa\nprinter.local\n")
    assert lists.refused() == ""


@pytest.mark.parametrize("name", ["chat.corp.internal", "corp.internal", "printer.local", "build.test"])
def test_a_name_of_the_organisations_own_network_is_refused_unless_it_says_that_it_is_meant(
    lists: Lists, name: str
) -> None:
    lists.feed("ours", "domains", "duck.example", name)
    zone = name.rpartition(".")[2]
    assert f"found '{name}', expected a name of the Internet: those below .{zone} " in lists.refused()
    meant = f"decided:\n  - names: [{name}]\n    as: blocked\n    why: the old chat\n"
    lists.write("ours/amends/parrot.yml", AMENDED.format(what=f"add:\n  domains: [{name}]\n{meant}"))
    assert lists.refused() == ""


@pytest.mark.parametrize(
    ("domain", "needs"),
    [
        ("blogspot.com", "blogspot.com"),
        ("herokuapp.com", "herokuapp.com"),
        ("uk.com", "uk.com"),
        ("a-customer.blogspot.com", ""),
        ("a-customer.herokuapp.com", ""),
    ],
)
def test_a_domain_below_which_each_customer_has_a_name_is_refused_and_a_customers_is_not(
    lists: Lists, domain: str, needs: str
) -> None:
    lists.write("catalog/known_good.txt", KNOWN_GOOD.read_text())
    lists.entry(domain=domain)
    assert bool(needs) == (f"found '{domain}', expected a name of this service alone: {needs}" in lists.refused())
    lists.entry()
    lists.feed("ours", "domains", "duck.example", domain)
    assert bool(needs) == (f"found '{domain}'" in lists.refused())


def test_the_list_is_sorted_below_its_headings_and_has_each_name_once() -> None:
    found = sections()
    assert [one.title for one in found if one.names != sorted(one.names) or not one.source] == []
    names = [name for one in found for name in one.names]
    assert len(names) == len(set(names)) and names == read_list(KNOWN_GOOD, "hosts")[0]


@pytest.mark.parametrize("one", left_out(), ids=lambda one: f"{one.service} {one.names[0]}")
def test_what_was_left_out_is_blocked_by_the_service_that_is_named(own_catalogue: Catalogue, one: LeftOut) -> None:
    service = own_catalogue.services[one.service]
    hosts = {*service.mail_hosts, *_whole(service.urls)}
    for name in one.names:
        above = {name.split(".", count)[-1] for count in range(name.count(".") + 1)}
        assert above & set(service.domains) or name in hosts
        assert not one.below or name.endswith(one.below.removeprefix("*"))
    assert service.enforce and not set(one.names) & set(read_lists([OWN])[0].names)


def test_nothing_below_a_pattern_of_a_publisher_is_blocked_but_what_was_left_out(own_catalogue: Catalogue) -> None:
    enforced = [one for one in own_catalogue.services.values() if one.enforce]
    hosts = {host for one in enforced for host in (*one.domains, *one.mail_hosts, *_whole(one.urls))}
    hosts |= {name for feed in own_catalogue.feeds.values() if feed.kind == "domains" for name in feed.values}
    ends = tuple(pattern.removeprefix("*") for pattern in patterns())
    decided = {name for one in left_out() for name in one.names}
    assert len(ends) > 100 and sorted(host for host in hosts - decided if host.endswith(ends)) == []


class Everything:
    """A plan that restricts whatever the catalogue has, and what each of its services closes by name."""

    def __init__(self, catalogue: Catalogue) -> None:
        restrictions = {
            "proscribe_categories": list(CATEGORIES),
            "proscribe_audiences": list(AUDIENCES),
            "proscribe_services_include": [id_ for id_, one in catalogue.services.items() if not one.enforce],
        }
        plan = compile_plan(catalogue, read_restrictions(restrictions, str), (), datetime.date(2026, 11, 29))
        sections = [plan["controls"][control]["services"] for control in ("browser", "dns")]
        modes = {id_: entry["mode"] for section in sections for id_, entry in section.items()}
        assert {one.id for one in catalogue.services.values() if one.domains or one.urls} <= set(modes)
        assert set(modes.values()) <= set(RESTRICTED)
        self._each = [(id_, Verdicts({id_: entry})) for section in sections for id_, entry in section.items()]

    def closed_by(self, host: str) -> set[str]:
        return {id_ for id_, verdicts in self._each if verdicts.blocked(Name(host))}


@pytest.fixture(scope="module")
def everything(own_catalogue: Catalogue) -> Everything:
    return Everything(own_catalogue)


@pytest.mark.parametrize("vendor", BUILDING_BLOCKS, ids=lambda one: one.title.removeprefix(BLOCK))
def test_what_other_sites_load_is_open_with_everything_restricted_or_the_entry_says_why(
    own_catalogue: Catalogue, everything: Everything, vendor: Section
) -> None:
    meant = blocked_on_purpose(own_catalogue)
    said = {name: meant.get(name, set()) for name in vendor.names}
    assert said and {name: everything.closed_by(name) for name in vendor.names} == said


def test_the_list_has_the_building_blocks_of_every_vendor_that_was_closed_whole() -> None:
    names = {name for vendor in BUILDING_BLOCKS for name in vendor.names}
    assert names >= {"accounts.kakao.com", "access.line.me", "api.weixin.qq.com", "id.vk.com", "oauth.mail.ru"}


@pytest.mark.parametrize("address", ["147.92.191.1/32", "2400:dcc0::1/128"])
def test_networks_with_building_blocks_are_in_no_entry(own_catalogue: Catalogue, address: str) -> None:
    """They are LINE's, whose sign-in and scripts other sites load."""
    networks = {network for one in own_catalogue.services.values() for network in one.networks}
    networks |= {value for feed in own_catalogue.feeds.values() if feed.kind == "networks" for value in feed.values}
    one = ipaddress.ip_network(address)
    found = [ipaddress.ip_network(network) for network in networks]
    assert found and [other for other in found if other.version == one.version and other.supernet_of(one)] == []


def _whole(urls: Iterable[str]) -> Iterator[str]:
    """The hosts that browsers block whole."""
    return (url for url in urls if "/" not in url)
