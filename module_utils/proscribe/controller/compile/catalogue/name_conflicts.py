"""Checks that no service blocks a name of permitted services, and that no two share a domain by accident.

The worst mistake of a catalogue is to block too much. A single line is enough for it: `domains: [google.com]`.
"""

from __future__ import annotations

import functools
from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping
from itertools import chain
from typing import NamedTuple

from ...policy_errors import propose_similar_names
from ..reading.document_schema import Mistake
from ..reading.yaml_file import KeyPath

# Names that no entry may block, whether the project's or the organisation's, with what depends on them. Sources:
# complaints about block lists that had such names (AdGuardHome, NextDNS), and the endpoint lists of Microsoft 365 and
# Google Workspace.
SHARED_NAMES: Mapping[str, str] = {
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


_OVERLAP_HINT = "name each other in overlaps_with if both are meant"


class Claimant(NamedTuple):
    """The names that an entry blocks, shares or allows."""

    id: str
    rank: int  # of its directory: 0 is the project's own
    domains: list[str]
    urls: list[str]
    mail_hosts: list[str]
    shared_domains: list[str]
    allowed_domains: list[str]
    overlapping_ids: list[str]

    def iterate_blocked_names(self) -> Iterator[tuple[str, int, str]]:
        """Yield (key, index, name) for each name that the entry blocks together with all names below it."""
        for key, names in (("domains", self.domains), ("urls", self.urls), ("mail_hosts", self.mail_hosts)):
            yield from ((key, index, name) for index, name in enumerate(names) if "/" not in name)


# The entries that block a name. Key: the id of an entry; value: the entry, and the first key and index of the name.
_Blockers = dict[str, tuple[Claimant, str, int]]


def list_name_and_parents(name: str) -> list[str]:
    """Return a name and all names above it: a.b.example gives a.b.example, b.example, example."""
    labels = name.split(".")
    return [".".join(labels[index:]) for index in range(len(labels))]


def find_shared_name(name: str) -> tuple[str, str] | None:
    """Return the first of SHARED_NAMES at or below a name, with the text about its users; None if there is none.

    Blocking the name would block the shared name, too.
    """
    return _index_shared_names().get(name)


@functools.cache
def _index_shared_names() -> dict[str, tuple[str, str]]:
    """Return the results of `find_shared_name` for all names at or above one of SHARED_NAMES."""
    index: dict[str, tuple[str, str]] = {}
    for shared_name, dependents in SHARED_NAMES.items():
        for name in list_name_and_parents(shared_name):
            index.setdefault(name, (shared_name, dependents))
    return index


def check_claims(claimants: Mapping[str, Claimant], ids: Collection[str]) -> list[tuple[str, Mistake]]:
    """Return the mistakes between entries, each with the id of the entry that has to change.

    `ids` are all services that `overlaps_with` may name, including services with other mistakes. Each value is reported
    once, with the first reason in the order of the checks below. For example, google.com is one of SHARED_NAMES, and is
    also above the domains of five services.
    """
    claimed_by: dict[str, list[Claimant]] = defaultdict(list)
    blockers: dict[str, _Blockers] = defaultdict(dict)
    for claimant in claimants.values():
        for domain in claimant.domains:
            claimed_by[domain].append(claimant)
        for key, index, name in claimant.iterate_blocked_names():
            blockers[name].setdefault(claimant.id, (claimant, key, index))
    all_claimants = claimants.values()
    mistakes = chain(
        ((entry.id, mistake) for entry in all_claimants for mistake in _check_overlaps(entry, ids)),
        ((entry.id, mistake) for entry in all_claimants for mistake in _check_allowed_domains(entry)),
        ((entry.id, mistake) for entry in all_claimants for mistake in _check_shared_names(entry)),
        (pair for entry in all_claimants for pair in _check_blocked_shared_domains(entry, blockers)),
        (pair for entry in all_claimants for pair in _check_duplicate_domains(entry, claimed_by)),
    )
    first_mistakes: dict[tuple[str, KeyPath], tuple[str, Mistake]] = {}
    for id_, mistake in mistakes:
        first_mistakes.setdefault((id_, mistake[0]), (id_, mistake))
    return list(first_mistakes.values())


def _check_overlaps(claimant: Claimant, ids: Collection[str]) -> Iterator[Mistake]:
    """Yield a mistake for each id in `overlaps_with` that is unknown or the entry's own."""
    for index, overlap_id in enumerate(claimant.overlapping_ids):
        if overlap_id not in ids or overlap_id == claimant.id:
            yield (
                ("overlaps_with", index),
                overlap_id,
                f"the id of another service{propose_similar_names(overlap_id, ids)}",
            )


def _check_shared_names(claimant: Claimant) -> Iterator[Mistake]:
    """Yield the names that the entry blocks although they are in SHARED_NAMES or above such a name."""
    for key, index, name in claimant.iterate_blocked_names():
        if match := find_shared_name(name):
            shared_name, dependents = match
            yield (key, index), name, f"a name of this service alone: {shared_name} carries {dependents}"


def _check_allowed_domains(claimant: Claimant) -> Iterator[Mistake]:
    """Yield a mistake for each name in `allow_domains` that is not below a domain of the entry."""
    for index, name in enumerate(claimant.allowed_domains):
        if not set(list_name_and_parents(name)[1:]) & set(claimant.domains):
            yield ("allow_domains", index), name, "a name below one of the entry's own domains"


def _check_duplicate_domains(
    claimant: Claimant, claimed_by: Mapping[str, list[Claimant]]
) -> Iterator[tuple[str, Mistake]]:
    """Yield a mistake for each domain of `claimant` at or below a domain of another entry.

    Each mistake has the id of the entry to change. `claimed_by` has the entries with each domain. Entries that agree to
    the overlap in `overlaps_with` are left out.
    """
    for index, domain in enumerate(claimant.domains):
        for name in list_name_and_parents(domain):
            for other_claimant in claimed_by.get(name, ()):
                if other_claimant.id == claimant.id or _is_overlap_agreed(claimant, other_claimant):
                    continue
                if name == domain and (other_claimant.rank, other_claimant.id) > (claimant.rank, claimant.id):
                    continue  # reported once, at the other entry
                if claimant.rank < other_claimant.rank:  # the entry of the later directory has to change
                    position = other_claimant.domains.index(name)
                    yield other_claimant.id, (("domains", position), name, _describe_taken_domain(claimant.id, domain))
                else:
                    yield claimant.id, (("domains", index), domain, _describe_taken_domain(other_claimant.id, name))


def _describe_taken_domain(owner_id: str, name: str) -> str:
    return f"a domain that no other service has: {owner_id} has {name} ({_OVERLAP_HINT})"


def _check_blocked_shared_domains(
    claimant: Claimant, blockers: Mapping[str, _Blockers]
) -> Iterator[tuple[str, Mistake]]:
    """Yield a mistake for each domain that `claimant` declares as shared and that it or another entry blocks.

    Permitted services use a shared domain. `blockers` has the entries that block each name. Each mistake has the id of
    the entry to change.
    """
    for index, shared_domain in enumerate(claimant.shared_domains):
        parent_names = set(list_name_and_parents(shared_domain))
        for name in list_name_and_parents(shared_domain):
            for blocker, key, position in blockers.get(name, {}).values():
                if parent_names & set(blocker.allowed_domains):
                    continue
                if blocker.id == claimant.id:
                    # A mail host may be shared: the entry has it for mail clients, and nothing blocks it.
                    if key != "mail_hosts" or name != shared_domain:
                        explanation = (
                            f"shared_domains[{index}] says that {shared_domain} is shared (or except that "
                            f"in allow_domains)"
                        )
                        yield blocker.id, ((key, position), name, f"a name of this service alone: {explanation}")
                elif _is_overlap_agreed(claimant, blocker):
                    continue
                elif claimant.rank > blocker.rank:
                    conflict = f"{blocker.id} blocks {name} ({_OVERLAP_HINT})"
                    yield (
                        claimant.id,
                        (("shared_domains", index), shared_domain, f"a name that no service blocks: {conflict}"),
                    )
                else:
                    explanation = f"{claimant.id} says that {shared_domain} is shared ({_OVERLAP_HINT})"
                    yield blocker.id, ((key, position), name, f"a name of this service alone: {explanation}")


def _is_overlap_agreed(first: Claimant, second: Claimant) -> bool:
    """Return True if the entries agree to an overlap in `overlaps_with`.

    Entries of the same rank must name each other. An entry of the project cannot know those of the organisation, so
    there the organisation's entry is enough.
    """
    if first.rank == second.rank:
        return second.id in first.overlapping_ids and first.id in second.overlapping_ids
    higher_ranked, lower_ranked = (first, second) if first.rank > second.rank else (second, first)
    return lower_ranked.id in higher_ranked.overlapping_ids
