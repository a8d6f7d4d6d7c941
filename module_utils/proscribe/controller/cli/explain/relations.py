"""Which services of the catalogue a question is about, and by what. Pure."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from ....base.folding import fold_name
from ....host.controls.browser.rendering import SiteName, is_covering, list_covering_hosts, parse_site_name
from ....host.controls.firewall.carried import carried_in, carriers
from ....host.controls.firewall.rule_text import Network
from ...compile.catalogue.claims import SHARED_NAMES
from ...compile.catalogue.feeds import Feed
from ...compile.catalogue.loading import Catalogue, Service
from ...compile.plans.identifiers import is_below
from ...compile.reading import grammar
from ...policy_errors import close_to
from ...report.text.wording import some
from .. import Refused
from . import file_names
from .question import Question

SERVICE, PROGRAM, NAME, ADDRESS, FILE = "service", "program", "name", "address", "file"
# One that the catalogue does not have; also in what a relation names: `chrome extension <id>`.
EXTENSION = "extension"


# The names that the compiler lets no service block, and those above one: each with the name that says why.
NEVER_BLOCKED: dict[str, str] = {}
for _shared in SHARED_NAMES:
    for _name in list_covering_hosts(_shared):
        NEVER_BLOCKED.setdefault(_name, _shared)
NEVER_BLOCKED.update({_name: _name for _name in SHARED_NAMES})


class Relation(NamedTuple):
    """A service that a question touches. `how` is `is`, `program`, `file`, `blocks`, `allows`, `address`,
    `shares`, `refused` or `unverified`; `what` is the identifier that fits.
    """

    service: Service
    how: str
    what: str


class Subject(NamedTuple):
    """What a question turned out to be about."""

    kind: str  # SERVICE, PROGRAM, NAME, ADDRESS, FILE or EXTENSION
    question: Question
    relations: tuple[Relation, ...]

    def services(self, *how: str) -> list[Service]:
        """The services that are touched in one of those ways, each once."""
        found = {r.service.id: r.service for r in self.relations if r.how in how}
        return list(found.values())


def subject(question: Question, catalogue: Catalogue) -> Subject:
    """Find out what a question is about. Raises Refused for a word that is neither known nor can be a name in DNS."""
    services = [catalogue.services[id_] for id_ in sorted(catalogue.services)]
    if question.network is not None:
        of_entries = [relation for service in services for relation in _of_address(question, service)]
        return Subject(ADDRESS, question, (*of_entries, *_of_feeds(question, catalogue)))
    as_id = re.sub(r"[\s-]+", "_", question.word.lower())
    if as_id in catalogue.services:
        return Subject(SERVICE, question, (Relation(catalogue.services[as_id], "is", as_id),))
    by_name = [relation for service in services for relation in _of_host(question, service)] if question.host else []
    by_name += _of_feeds(question, catalogue)
    programs = [relation for service in services for relation in _of_program(question.word, service)]
    if by_name:
        return Subject(NAME, question, (*by_name, *programs))
    if programs:
        return Subject(PROGRAM, question, tuple(programs))
    fits = dict.fromkeys(id_ for id_, _ in file_names.fitting(question.word, file_names.of_catalogue(catalogue)))
    if fits or file_names.is_file(question.word):
        of_file = tuple(Relation(catalogue.services[id_], "file", question.word) for id_ in fits)
        return Subject(FILE, question, of_file)
    word = fold_name(question.word)
    same = [Relation(s, "is", called) for s in services for called in (s.name, *s.names) if fold_name(called) == word]
    if same:
        return Subject(SERVICE, question, tuple(same))
    if question.host:
        return Subject(NAME, question, ())
    if not all(mistake(question.word) for mistake in (grammar.check_chrome_extension, grammar.check_firefox_extension)):
        return Subject(EXTENSION, question, ())
    raise Refused(
        f"{question.word!r} is neither a service nor a program of the catalogue, nor a host name with a dot in it"
        f"{close_to(as_id, catalogue.services)}"
    )


def remarks(about: Subject) -> list[str]:
    """What is to be said of a question whatever the host: what nobody blocks and why, what a host keeps, and which file
    of the organisation's brought a value.
    """
    return [*_open_to_all(about), *_origins(about)]


def _origins(about: Subject) -> list[str]:
    """Values that the organisation's own amendments brought."""
    found = [(one, one.what.rpartition(" ")[2]) for one in about.relations]
    return [
        f"{what} of {one.service.name} comes from {file}."
        for one, what in found
        if (file := one.service.origins.get(what))
    ]


def _open_to_all(about: Subject) -> list[str]:
    if about.services("address"):
        return ["A host that hangs on such an address (gateway, resolver, source of packages) keeps it."]
    if about.services("blocks"):
        return []
    said = []
    host = about.question.host
    using = [service.name for service in about.services("shares")]
    nearest = next((one for one in list_covering_hosts(host) if one in SHARED_NAMES), "")
    if using:
        others = f" ({SHARED_NAMES[nearest]})" if nearest else ""
        verb, whose = ("uses", "its entry does") if len(using) == 1 else ("use", "their entries do")
        said.append(f"{some(using, 3)} {verb} it, and so do others{others}: {whose} not block it.")
    if host in NEVER_BLOCKED:
        said.append(f"It stands for {SHARED_NAMES[NEVER_BLOCKED[host]]}: no service may block the whole of {host}.")
    elif nearest and not using:
        lies = f"It lies below {nearest} ({SHARED_NAMES[nearest]}), which no service may block"
        said.append(f"{lies}; one may block this name, and none does.")
    for relation in about.relations:
        for decision in relation.service.decided if relation.how in ("shares", "refused") else ():
            if relation.what in decision["names"]:
                said.append(f"{relation.service.name} leaves {relation.what} open: {decision['why']}.")
        if relation.how == "unverified":
            whose = f"{relation.what} is said to be {relation.service.name}'s"
            said.append(f"{whose}, which nobody has verified: unverified names are not blocked.")
    return said


def _of_host(question: Question, service: Service) -> Iterator[Relation]:
    host = question.host
    own = (*service.domains, *service.mail_hosts, *service.nxdomain_canaries)
    pages = [url for url in service.urls if is_covering(parse_site_name(url), SiteName(host, question.path))]
    blocked = _closest(host, [domain for domain in own if domain not in service.shared_domains]) or "".join(pages[:1])
    if blocked:
        yield Relation(service, "blocks", blocked)
        if allowed := _closest(host, service.allow_domains):
            yield Relation(service, "allows", allowed)
        return
    if shared := _closest(host, service.shared_domains):
        yield Relation(service, "shares", shared)
    refused = [name for decision in service.decided if decision["as"] == "refused" for name in decision["names"]]
    if decided := _closest(host, refused):
        yield Relation(service, "refused", decided)
    if unsure := _closest(host, service.unverified.get("domains", ())):
        yield Relation(service, "unverified", unsure)


def _closest(host: str, domains: Sequence[str]) -> str:
    return max((domain for domain in domains if is_below(host, [domain])), key=len, default="")


def _of_feeds(question: Question, catalogue: Catalogue) -> Iterator[Relation]:
    """The feeds that have a name or an address."""
    for feed in catalogue.feeds.values():
        service = catalogue.services[feed.service]
        if (
            feed.kind == "domains"
            and question.host
            and (name := _closest(question.host, _above_in(question.host, feed)))
        ):
            yield Relation(service, "blocks", name)
        elif feed.kind == "networks" and question.network is not None:
            networks = _networks_of(question)
            for text in feed.values:
                if any(ipaddress.ip_network(text).overlaps(network) for network in networks):
                    yield Relation(service, "address", text)


def _above_in(host: str, feed: Feed) -> list[str]:
    """The names of a feed that are this one or above it, the closest first."""
    values = frozenset(feed.values)
    return [one for one in list_covering_hosts(host) if one in values]


def _of_address(question: Question, service: Service) -> Iterator[Relation]:
    networks = _networks_of(question)
    for text in service.networks:
        if any(ipaddress.ip_network(text).overlaps(network) for network in networks):
            yield Relation(service, "address", text)


def _networks_of(question: Question) -> list[Network]:
    """Return the network of a question, and those that it carries to translators whose prefix everybody uses."""
    return [question.network, *carried_in(question.network, carriers(()))] if question.network is not None else []


def _of_program(word: str, service: Service) -> Iterator[Relation]:
    for system, packages in service.packages.items():
        if word in packages:
            yield Relation(service, "program", f"{system} {word}")
    if word in service.processes or word in (path.rpartition("/")[2] for path in service.paths):
        yield Relation(service, "program", f"process {word}")
    elif word in service.markers.get("programs", ()):
        yield Relation(service, "program", f"program {word} with its maker's mark")
    for path in service.paths:
        if word == path or word.startswith(f"{path}/"):
            yield Relation(service, "program", f"path {path}")
    if word in service.desktop_files:
        yield Relation(service, "program", f"desktop entry {word}")
    for browser, extensions in service.browser_extensions.items():
        if word in extensions:
            yield Relation(service, "program", f"{browser} {EXTENSION} {word}")
