"""The subject of a question: the catalogue services that it concerns, and the matching identifiers. Pure."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from ....base.name_folding import fold_name
from ....host.controls.browser.site_rules import SiteName, is_covering, list_covering_hosts, parse_site_name
from ....host.controls.firewall.carried_addresses import list_carried_networks, list_carriers
from ....host.controls.firewall.rule_syntax import Network
from ...compile.catalogue.catalogue_loader import Catalogue, Service
from ...compile.catalogue.feeds import Feed
from ...compile.catalogue.name_conflicts import SHARED_NAMES
from ...compile.controls.compiler import is_below
from ...compile.reading import grammar
from ...policy_errors import propose_similar_names
from ...report.text.wording import summarise_names
from .. import CommandError
from . import file_names
from .question import Question

SERVICE, PROGRAM, NAME, ADDRESS, FILE = "service", "program", "name", "address", "file"
# Kind of a subject: a browser extension that the catalogue does not have. The word is also part of the identifier of
# every Relation for an extension: `chrome extension <id>`.
EXTENSION = "extension"


# Key: a name that no service may block as a whole, because it is in SHARED_NAMES or a parent domain of such a name.
# Value: the name in SHARED_NAMES that has the reason.
NEVER_BLOCKED: dict[str, str] = {}
for _shared in SHARED_NAMES:
    for _name in list_covering_hosts(_shared):
        NEVER_BLOCKED.setdefault(_name, _shared)
NEVER_BLOCKED.update({_name: _name for _name in SHARED_NAMES})


class Relation(NamedTuple):
    """A service that a question concerns, with the kind of relation and the identifier that matches the question.

    `kind` is one of:

    - `is`: the question names the service itself.
    - `program`: the service has the program, package or browser extension.
    - `file`: the file scan checks a file of that name for the service.
    - `blocks`, `allows`: the service blocks the name or page, or an exception of the service leaves the name open.
    - `address`: a network of the service has the address.
    - `shares`: the service uses the name, and so do others. So the service does not block the name.
    - `refused`: the catalogue records a decision against blocking the name.
    - `unverified`: nobody has verified that the name belongs to the service, so the name is not blocked.
    """

    service: Service
    kind: str
    identifier: str


class Subject(NamedTuple):
    """The subject of a question: its kind, and its relations to services of a catalogue."""

    kind: str  # SERVICE, PROGRAM, NAME, ADDRESS, FILE or EXTENSION
    question: Question
    relations: tuple[Relation, ...]

    def list_services(self, *kinds: str) -> list[Service]:
        """Return the services with a relation of these kinds, each once."""
        services = {relation.service.id: relation.service for relation in self.relations if relation.kind in kinds}
        return list(services.values())


def find_subject(question: Question, catalogue: Catalogue) -> Subject:
    """Find the subject of a question: the services of a catalogue that it concerns.

    A question is compared in this order: network or address, service id, host name, program, file name, service name,
    extension id. Any other host name is a subject without services. Raises CommandError for any other word.
    """
    services = [catalogue.services[service_id] for service_id in sorted(catalogue.services)]
    if question.network is not None:
        entry_relations = [relation for service in services for relation in _find_address_relations(question, service)]
        return Subject(ADDRESS, question, (*entry_relations, *_find_feed_relations(question, catalogue)))
    possible_id = re.sub(r"[\s-]+", "_", question.text.lower())
    if possible_id in catalogue.services:
        return Subject(SERVICE, question, (Relation(catalogue.services[possible_id], "is", possible_id),))
    name_relations = (
        [relation for service in services for relation in _find_host_relations(question, service)]
        if question.host
        else []
    )
    name_relations += _find_feed_relations(question, catalogue)
    programs = [relation for service in services for relation in _find_program_relations(question.text, service)]
    if name_relations:
        return Subject(NAME, question, (*name_relations, *programs))
    if programs:
        return Subject(PROGRAM, question, tuple(programs))
    file_services = dict.fromkeys(
        service_id for service_id, _ in file_names.match_file_name(question.text, file_names.collect_names(catalogue))
    )
    if file_services or file_names.is_file(question.text):
        file_relations = tuple(
            Relation(catalogue.services[service_id], "file", question.text) for service_id in file_services
        )
        return Subject(FILE, question, file_relations)
    folded_text = fold_name(question.text)
    named_relations = [
        Relation(service, "is", service_name)
        for service in services
        for service_name in (service.name, *service.names)
        if fold_name(service_name) == folded_text
    ]
    if named_relations:
        return Subject(SERVICE, question, tuple(named_relations))
    if question.host:
        return Subject(NAME, question, ())
    if not all(
        find_mistake(question.text)
        for find_mistake in (grammar.check_chrome_extension, grammar.check_firefox_extension)
    ):
        return Subject(EXTENSION, question, ())
    raise CommandError(
        f"{question.text!r} is neither a service nor a program of the catalogue, nor a host name with a dot in it"
        f"{propose_similar_names(possible_id, catalogue.services)}"
    )


def list_remarks(subject: Subject) -> list[str]:
    """Return the sentences about a subject that apply on every host, whatever its plan.

    They explain why names stay open, and which addresses a host may still use. They also name the organisation's file
    from which an identifier comes.
    """
    return [*_describe_open_names(subject), *_describe_origins(subject)]


def _describe_origins(subject: Subject) -> list[str]:
    """Return a sentence for each matching identifier that an amendment file of the organisation added."""
    brought_values = [(relation, relation.identifier.rpartition(" ")[2]) for relation in subject.relations]
    return [
        f"{identifier} of {relation.service.name} comes from {file}."
        for relation, identifier in brought_values
        if (file := relation.service.origins.get(identifier))
    ]


def _describe_open_names(subject: Subject) -> list[str]:
    """Return sentences about names that stay open, and about addresses that a host itself still needs.

    The result is [] if a service blocks the name. For a shared name, the sentences name the services that use it.
    """
    if subject.list_services("address"):
        return ["A host that hangs on such an address (gateway, resolver, source of packages) keeps it."]
    if subject.list_services("blocks"):
        return []
    lines = []
    host = subject.question.host
    sharing_names = [service.name for service in subject.list_services("shares")]
    nearest = next((parent_name for parent_name in list_covering_hosts(host) if parent_name in SHARED_NAMES), "")
    if sharing_names:
        others_note = f" ({SHARED_NAMES[nearest]})" if nearest else ""
        verb, owner_text = ("uses", "its entry does") if len(sharing_names) == 1 else ("use", "their entries do")
        lines.append(
            f"{summarise_names(sharing_names, 3)} {verb} it, and so do others{others_note}: {owner_text} not block it."
        )
    if host in NEVER_BLOCKED:
        lines.append(f"It stands for {SHARED_NAMES[NEVER_BLOCKED[host]]}: no service may block the whole of {host}.")
    elif nearest and not sharing_names:
        position_text = f"It lies below {nearest} ({SHARED_NAMES[nearest]}), which no service may block"
        lines.append(f"{position_text}; one may block this name, and none does.")
    for relation in subject.relations:
        for decision in relation.service.decided if relation.kind in ("shares", "refused") else ():
            if relation.identifier in decision["names"]:
                lines.append(f"{relation.service.name} leaves {relation.identifier} open: {decision['why']}.")
        if relation.kind == "unverified":
            owner_text = f"{relation.identifier} is said to be {relation.service.name}'s"
            lines.append(f"{owner_text}, which nobody has verified: unverified names are not blocked.")
    return lines


def _find_host_relations(question: Question, service: Service) -> Iterator[Relation]:
    """Yield the relations of a service to the host name, or to the page, in a question.

    If the service blocks the name, only its own exceptions are of interest. Otherwise the relations explain why the
    name stays open.
    """
    host = question.host
    service_names = (*service.domains, *service.mail_hosts, *service.nxdomain_canaries)
    pages = [url for url in service.urls if is_covering(parse_site_name(url), SiteName(host, question.path))]
    blocking_name = _find_closest_domain(
        host, [domain for domain in service_names if domain not in service.shared_domains]
    ) or "".join(pages[:1])
    if blocking_name:
        yield Relation(service, "blocks", blocking_name)
        if allowed_name := _find_closest_domain(host, service.allow_domains):
            yield Relation(service, "allows", allowed_name)
        return
    if shared_name := _find_closest_domain(host, service.shared_domains):
        yield Relation(service, "shares", shared_name)
    refused_names = [name for decision in service.decided if decision["as"] == "refused" for name in decision["names"]]
    if refused_name := _find_closest_domain(host, refused_names):
        yield Relation(service, "refused", refused_name)
    if unverified_name := _find_closest_domain(host, service.unverified.get("domains", ())):
        yield Relation(service, "unverified", unverified_name)


def _find_closest_domain(host: str, domains: Sequence[str]) -> str:
    """Return the longest of some domains that is the host or a parent of it; "" for none."""
    return max((domain for domain in domains if is_below(host, [domain])), key=len, default="")


def _find_feed_relations(question: Question, catalogue: Catalogue) -> Iterator[Relation]:
    """Yield a relation for each feed (list of a service's names or networks) with the question's name or address."""
    for feed in catalogue.feeds.values():
        service = catalogue.services[feed.service]
        if (
            feed.kind == "domains"
            and question.host
            and (name := _find_closest_domain(question.host, _select_parent_names(question.host, feed)))
        ):
            yield Relation(service, "blocks", name)
        elif feed.kind == "networks" and question.network is not None:
            networks = _list_networks(question)
            for text in feed.values:
                if any(ipaddress.ip_network(text).overlaps(network) for network in networks):
                    yield Relation(service, "address", text)


def _select_parent_names(host: str, feed: Feed) -> list[str]:
    """Return the names of a feed that are the host or a parent of it, the closest first."""
    values = frozenset(feed.values)
    return [parent_name for parent_name in list_covering_hosts(host) if parent_name in values]


def _find_address_relations(question: Question, service: Service) -> Iterator[Relation]:
    """Yield a relation for each network of a service that overlaps the network in a question."""
    networks = _list_networks(question)
    for text in service.networks:
        if any(ipaddress.ip_network(text).overlaps(network) for network in networks):
            yield Relation(service, "address", text)


def _list_networks(question: Question) -> list[Network]:
    """Return the network of a question, and the IPv4 networks that are reached through it; [] for a name.

    An IPv6 network may have the prefix of a translator (NAT64), which forwards its connections to IPv4 addresses.
    """
    return (
        [question.network, *list_carried_networks(question.network, list_carriers(()))]
        if question.network is not None
        else []
    )


def _find_program_relations(word: str, service: Service) -> Iterator[Relation]:
    """Yield the relations of a service to a word that names a package, program, path or browser extension."""
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
