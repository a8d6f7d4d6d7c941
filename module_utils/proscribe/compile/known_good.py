"""Names that nobody may block: `known_good.txt` of a catalogue, and which entries would.

Updates, certificate authorities, time, identity, the front pages of the most used sites. The list is a net below the
rules of claims.py, which know the names that many services share; it finds the entry that takes one unaware. Pure but
for the reading of the list.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from ..policy_errors import PolicyErrors
from .catalogue import Catalogue, Service
from .claims import above
from .feeds import read_list
from .release import KNOWN_GOOD


class Blocked(NamedTuple):
    """A known-good name, and what blocks it: a service, and the name or the feed by which it does."""

    name: str
    service: str
    by: str


def read_known_good(directories: Sequence[Path]) -> list[str]:
    """The names of the lists in some catalogues. Raises PolicyErrors for a list that cannot be read."""
    found: list[str] = []
    for path in (directory / KNOWN_GOOD for directory in directories):
        if path.exists():
            names, errors = read_list(path, "hosts")
            if errors:
                raise PolicyErrors(errors)
            found += names
    return list(dict.fromkeys(found))


def blocked(catalogue: Catalogue, names: Iterable[str]) -> Iterator[Blocked]:
    """Which of some names an enforced service blocks, of the categories too that are banned only where asked for."""
    by: dict[str, list[tuple[str, str, frozenset[str]]]] = {}
    for service in catalogue.services.values():
        if service.enforce:
            allowed = frozenset(service.allow_domains)
            whole = [*service.domains, *(url for url in service.urls if "/" not in url), *_mail(service)]
            for domain in dict.fromkeys(whole):
                by.setdefault(domain, []).append((service.id, domain, allowed))
    for feed in catalogue.feeds.values():
        if catalogue.services[feed.service].enforce and feed.kind == "domains":
            for domain in feed.values:
                by.setdefault(domain, []).append((feed.service, f"the feed {feed.id}", frozenset()))
    for name in names:
        lines = above(name)
        for domain in lines:
            for service_id, which, allowed in by.get(domain, ()):
                if not allowed.intersection(lines):
                    yield Blocked(name, service_id, which)


def _mail(service: Service) -> list[str]:
    return [host for host in service.mail_hosts if host not in service.shared_domains]
