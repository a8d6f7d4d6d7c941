"""Who may block which name: no service takes a name that permitted services depend on, and no two take one unaware.

The worst mistake a catalogue can make is to block too much, and it is made with one line: `domains: [google.com]`.
"""

from __future__ import annotations

import functools
from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping
from itertools import chain
from typing import NamedTuple

from ...policy_errors import close_to
from ..reading.yaml_file import KeyPath
from .kinds import Mistake

# Names that no entry may block, the project's or the organisation's, and what depends on them. Sources: the complaints
# about block lists that took them (AdGuardHome, NextDNS), and the endpoint lists of Microsoft 365 and Google Workspace.
SHARED: Mapping[str, str] = {
    "google.com": "search, maps and the sign-in of other sites",
    "accounts.google.com": "the sign-in of other sites",
    "googleapis.com": "the programs of every Google service, and Android",
    "storage.googleapis.com": "other companies' files and programs",
    "gstatic.com": "pages and captchas all over the web",
    "googleusercontent.com": "downloads and pictures of every Google service",
    "microsoft.com": "Windows, Microsoft 365 and their updates",
    "live.com": "the sign-in to Microsoft accounts, the Store and the activation of Windows",
    "login.live.com": "the sign-in to Microsoft accounts",
    "microsoftonline.com": "the sign-in to Microsoft 365",
    "login.microsoftonline.com": "the sign-in to Microsoft 365",
    "msauth.net": "the sign-in to Microsoft accounts",
    "graph.microsoft.com": "every program that uses Microsoft 365",
    "office.com": "Microsoft 365",
    "office365.com": "Microsoft 365",
    "outlook.office365.com": "Exchange Online",
    "sharepoint.com": "SharePoint and OneDrive for Business",
    "windows.net": "half of the web, in Azure",
    "blob.core.windows.net": "other companies' files and programs",
    "azureedge.net": "other companies' sites",
    "apple.com": "updates and the management of Apple devices",
    "icloud.com": "the management of Apple devices",
    "amazon.com": "a shop",
    "amazonaws.com": "half of the web",
    "s3.amazonaws.com": "other companies' files and programs",
    "cloudfront.net": "other companies' sites",
    "cloudflare.com": "the protection of other companies' sites",
    "akamai.net": "other companies' sites",
    "akamaiedge.net": "other companies' sites",
    "akamaized.net": "other companies' sites",
    "akamaihd.net": "other companies' sites",
    "fastly.net": "other companies' sites",
    "qq.com": "news, mail and security updates beside the messenger",
    "github.io": "other people's sites",
    "debian.org": "the packages of Debian",
    "ubuntu.com": "the packages of Ubuntu",
    "fedoraproject.org": "the packages of Fedora",
    "archlinux.org": "the packages of Arch Linux",
    "flathub.org": "flatpaks",
    "snapcraft.io": "snaps",
}


_IF_MEANT = "name each other in overlaps_with if both are meant"


class Claimant(NamedTuple):
    """What an entry says about names."""

    id: str
    rank: int  # of its directory: 0 is the project's own
    domains: list[str]
    urls: list[str]
    mail_hosts: list[str]
    shared: list[str]
    allowed: list[str]
    overlaps: list[str]

    def blocked(self) -> Iterator[tuple[str, int, str]]:
        """Each name that is blocked with all below it: key, index, name."""
        for key, names in (("domains", self.domains), ("urls", self.urls), ("mail_hosts", self.mail_hosts)):
            yield from ((key, index, name) for index, name in enumerate(names) if "/" not in name)


# The entries that block a name, each once, with the first key and index that says so.
_Blockers = dict[str, tuple[Claimant, str, int]]


def above(name: str) -> list[str]:
    """A name and all names above it: a.b.example gives a.b.example, b.example, example."""
    labels = name.split(".")
    return [".".join(labels[index:]) for index in range(len(labels))]


def carried(name: str) -> tuple[str, str] | None:
    """What would be lost with a name and all below it: the first of SHARED among these, and what depends on that."""
    return _carried().get(name)


@functools.cache
def _carried() -> dict[str, tuple[str, str]]:
    found: dict[str, tuple[str, str]] = {}
    for shared, what in SHARED.items():
        for name in above(shared):
            found.setdefault(name, (shared, what))
    return found


def check_claims(claimants: Mapping[str, Claimant], ids: Collection[str]) -> list[tuple[str, Mistake]]:
    """What is wrong between entries: the id of the entry that has to change, and the mistake.

    `ids` are the services that may be named, those too that something else is wrong with.
    A value is reported once, with the gravest reason: google.com is above the domains of five services too.
    """
    claimed_by: dict[str, list[Claimant]] = defaultdict(list)
    blockers: dict[str, _Blockers] = defaultdict(dict)
    for claimant in claimants.values():
        for domain in claimant.domains:
            claimed_by[domain].append(claimant)
        for key, index, name in claimant.blocked():
            blockers[name].setdefault(claimant.id, (claimant, key, index))
    everyone = claimants.values()
    found = chain(
        ((one.id, mistake) for one in everyone for mistake in _unknown_overlaps(one, ids)),
        ((one.id, mistake) for one in everyone for mistake in _allows_elsewhere(one)),
        ((one.id, mistake) for one in everyone for mistake in _takes_shared(one)),
        (pair for one in everyone for pair in _blocked_though_shared(one, blockers)),
        (pair for one in everyone for pair in _claimed_twice(one, claimed_by)),
    )
    first: dict[tuple[str, KeyPath], tuple[str, Mistake]] = {}
    for id_, mistake in found:
        first.setdefault((id_, mistake[0]), (id_, mistake))
    return list(first.values())


def _unknown_overlaps(claimant: Claimant, ids: Collection[str]) -> Iterator[Mistake]:
    for index, other in enumerate(claimant.overlaps):
        if other not in ids or other == claimant.id:
            yield ("overlaps_with", index), other, f"the id of another service{close_to(other, ids)}"


def _takes_shared(claimant: Claimant) -> Iterator[Mistake]:
    """Names of SHARED, or above one, that the entry would block."""
    for key, index, name in claimant.blocked():
        if found := carried(name):
            shared, what = found
            yield (key, index), name, f"a name of this service alone: {shared} carries {what}"


def _allows_elsewhere(claimant: Claimant) -> Iterator[Mistake]:
    for index, name in enumerate(claimant.allowed):
        if not set(above(name)[1:]) & set(claimant.domains):
            yield ("allow_domains", index), name, "a name below one of the entry's own domains"


def _claimed_twice(claimant: Claimant, claimed_by: Mapping[str, list[Claimant]]) -> Iterator[tuple[str, Mistake]]:
    """Domains of the entry that equal, or lie below, a domain of another one, and the two do not name each other."""
    for index, domain in enumerate(claimant.domains):
        for name in above(domain):
            for other in claimed_by.get(name, ()):
                if other.id == claimant.id or _agreed(claimant, other):
                    continue
                if name == domain and (other.rank, other.id) > (claimant.rank, claimant.id):
                    continue  # reported at the other one, once
                if claimant.rank < other.rank:  # the later directory has to give way
                    position = other.domains.index(name)
                    yield other.id, (("domains", position), name, _not_taken(claimant.id, domain))
                else:
                    yield claimant.id, (("domains", index), domain, _not_taken(other.id, name))


def _not_taken(other: str, name: str) -> str:
    return f"a domain that no other service has: {other} has {name} ({_IF_MEANT})"


def _blocked_though_shared(claimant: Claimant, blockers: Mapping[str, _Blockers]) -> Iterator[tuple[str, Mistake]]:
    """Shared domains of the entry that it, or another one, blocks though they carry permitted services."""
    for index, shared in enumerate(claimant.shared):
        named = set(above(shared))
        for name in above(shared):
            for other, key, position in blockers.get(name, {}).values():
                if named & set(other.allowed):
                    continue
                if other.id == claimant.id:
                    # A mail host may be shared: the entry names it for mail clients, and nothing blocks it.
                    if key != "mail_hosts" or name != shared:
                        says = f"shared_domains[{index}] says that {shared} is shared (or except that in allow_domains)"
                        yield other.id, ((key, position), name, f"a name of this service alone: {says}")
                elif _agreed(claimant, other):
                    continue
                elif claimant.rank > other.rank:
                    blocks = f"{other.id} blocks {name} ({_IF_MEANT})"
                    yield claimant.id, (("shared_domains", index), shared, f"a name that no service blocks: {blocks}")
                else:
                    says = f"{claimant.id} says that {shared} is shared ({_IF_MEANT})"
                    yield other.id, ((key, position), name, f"a name of this service alone: {says}")


def _agreed(one: Claimant, other: Claimant) -> bool:
    """Whether two entries know of each other. The project's own entries cannot know the organisation's, so there the
    organisation's word is enough."""
    if one.rank == other.rank:
        return other.id in one.overlaps and one.id in other.overlaps
    later, earlier = (one, other) if one.rank > other.rank else (other, one)
    return earlier.id in later.overlaps
