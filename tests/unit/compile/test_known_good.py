"""The names that nobody may block: what the list has, what was left out of it, and which entries would block one."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

import pytest
from made_catalogue import OWN, Made
from proscribe.compile.catalogue import Catalogue, load
from proscribe.compile.feeds import read_list
from proscribe.compile.known_good import Blocked, blocked, read_known_good
from published_lists import KNOWN_GOOD, LeftOut, left_out, patterns, sections

SOCIAL = """\
---
id: finch
name: Finch
category: social_media
vendor: Example
audience: consumer
enforce: {enforce}
domains: [finch.example]
allow_domains: [time.finch.example]
front_doors: [www.finch.example]
sources: [a test]
"""


def test_no_enforced_entry_of_any_category_blocks_a_known_good_name(own_catalogue: Catalogue) -> None:
    assert list(blocked(own_catalogue, read_known_good([OWN]))) == []


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
        by = {found.service for found in blocked(own_catalogue, [name])}
        assert one.service in by or name in hosts
        assert not one.below or name.endswith(one.below.removeprefix("*"))
    assert service.enforce and not set(one.names) & set(read_known_good([OWN]))


def test_nothing_below_a_pattern_of_a_publisher_is_blocked_but_what_was_left_out(own_catalogue: Catalogue) -> None:
    enforced = [one for one in own_catalogue.services.values() if one.enforce]
    hosts = {host for one in enforced for host in (*one.domains, *one.mail_hosts, *_whole(one.urls))}
    hosts |= {name for feed in own_catalogue.feeds.values() if feed.kind == "domains" for name in feed.values}
    ends = tuple(pattern.removeprefix("*") for pattern in patterns())
    decided = {name for one in left_out() for name in one.names}
    assert len(ends) > 100 and sorted(host for host in hosts - decided if host.endswith(ends)) == []


def test_a_category_that_is_banned_only_where_asked_for_counts_too(tmp_path: Path) -> None:
    names = ["www.finch.example", "time.finch.example", "a.time.finch.example"]
    found = [Blocked("www.finch.example", "finch", "finch.example")]
    for enforce, expected in (("true", found), ("false", [])):
        directory = Made(tmp_path)(SOCIAL.format(enforce=enforce), "social_media/finch.yml")
        assert list(blocked(load([directory]), names)) == expected


def _whole(urls: Iterable[str]) -> Iterator[str]:
    """The hosts that browsers block whole."""
    return (url for url in urls if "/" not in url)
