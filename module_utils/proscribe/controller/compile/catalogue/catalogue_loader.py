"""The loading of the catalogue: services and browsers built from the entries of its directories."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any, TypeVar

from ....model.plan import format_canonical
from ....model.types.plan import ControlIdentifiers as OfControl
from ...policy_errors import PolicyError, PolicyErrors, propose_similar_names
from ..reading.document_schema import get_key_texts
from . import amendments, feeds, guard_list, known_good, signers
from .entry_files import CatalogueEntry, read_entries
from .entry_types import Compared, Decision, ServiceIdentifiers, TenantControl, UnverifiedBrowserData
from .feeds import Feed
from .name_conflicts import Claimant, check_claims
from .release import CatalogueRelease, read_release
from .schema import CATEGORIES, PRIVATE, check_service


@dataclass(frozen=True)
class Service:
    """A service of the catalogue: catalog/<category>/<id>.yml. docs/catalogue.md describes the keys.

    `processes` and `paths` are those of Linux. A missing key gives an empty value.
    """

    id: str
    name: str
    names: tuple[str, ...]  # names that users write in their own alphabet
    category: str
    vendor: str
    audience: str  # "consumer" for an entry without the key (circumvention)
    enforce: bool
    programs: str  # the accounts that the service's programs serve: "private" or "both" (schema.PROGRAM_AUDIENCES)
    service_class: str
    domains: tuple[str, ...]
    urls: tuple[str, ...]
    mail_hosts: tuple[str, ...]
    shared_domains: tuple[str, ...]
    allow_domains: tuple[str, ...]
    networks: tuple[str, ...]
    networks_note: str
    packages: Mapping[str, tuple[str, ...]]
    processes: tuple[str, ...]
    paths: tuple[str, ...]
    windows_programs: tuple[str, ...]  # paths below a folder of programs: Tencent/Weixin/Weixin.exe
    windows_processes: tuple[str, ...]  # image names that only this service has
    windows_shared_processes: tuple[str, ...]  # image names that programs of others have, too
    # entries in Windows' list of installed programs, by kind: `keys`, `names`
    windows_registered: Mapping[str, tuple[str, ...]]
    windows_publishers: Mapping[str, tuple[str, ...]]  # signers of files, by kind: `programs`, `appx` (Store packages)
    windows_installers: tuple[str, ...]  # file names of installers, with a * for the part that changes
    bundle_ids: tuple[str, ...]  # of applications on macOS
    mac_apps: tuple[str, ...]  # file names of applications on macOS: WhatsApp.app
    signing_ids: tuple[str, ...]  # of programs on macOS: EXAMPLE123:com.example.App
    team_ids: tuple[str, ...]  # Apple team ids of vendors whose programs on macOS all belong to the service
    desktop_files: tuple[str, ...]
    markers: Mapping[str, tuple[str, ...]]
    browser_extensions: Mapping[str, tuple[str, ...]]
    tenants: str
    tenant_control: TenantControl
    nxdomain_canaries: tuple[str, ...]
    front_doors: tuple[str, ...]  # addresses that a user types: host, or host/path
    # A person's decisions: names of public lists that the entry leaves open, and known good names that it blocks.
    decided: tuple[Decision, ...]
    overlaps_with: tuple[str, ...]
    retired: bool
    checked: str  # the day on which the entry was last compared with its sources; "" for never
    networks_checked: str  # the day of the last comparison of its networks; "" for never
    compared: tuple[Compared, ...]  # comparisons with publishers' lists, written by `catalog refresh`
    checked_accepted: Mapping[str, str]  # a person's acceptance of an old check: day, until, why; {} if there is none
    origins: Mapping[str, str]  # key: a value that an amendment added; value: the file of the amendment
    notes: str
    unverified: ServiceIdentifiers
    sources: tuple[str, ...]
    file: str


@dataclass(frozen=True)
class Browser:
    """A web browser on Linux, from catalog/browsers.yml."""

    id: str
    name: str
    packages: Mapping[str, tuple[str, ...]]
    processes: tuple[str, ...]
    paths: tuple[str, ...]
    policy_support: str
    policy_dir: Mapping[str, str]
    policy_file: Mapping[str, str]
    policy_fallbacks: tuple[str, ...]
    unverified: UnverifiedBrowserData


Made = TypeVar("Made", Service, Browser)
_TUPLE_PREFIX, _TUPLE_MAPPING_PREFIX = "tuple[", "Mapping[str, tuple["  # beginnings of the fields' type annotations


@dataclass(frozen=True)
class Catalogue:
    """All services, browsers and feeds (long lists of a service's names or networks), by id."""

    services: Mapping[str, Service]
    browsers: Mapping[str, Browser]
    feeds: Mapping[str, Feed]
    version: str  # a short digest of the content
    release: CatalogueRelease  # of Proscribe's catalogue, which is the first directory
    retired: tuple[str, ...]  # places of retired keys (retired_keys.py)

    # The identifiers that controls search for, computed once for all plans. Key: control, service and feeds.
    identifier_cache: dict[tuple[str, str, str | tuple[str, ...]], OfControl] = field(
        default_factory=dict, compare=False, repr=False
    )


def read_catalogue(directories: Sequence[Path]) -> Catalogue:
    """Read Proscribe's catalogue (the first directory) and the organisation's catalogues (the other directories).

    Each directory holds `<category>/<id>.yml`, and may hold `browsers.yml`, `amends/<id>.yml` (amendments.py) and
    `feeds/<id>.yml` with its list (feeds.py). Only the first directory's `release.yml` is read (release.py). Raises
    PolicyErrors with every mistake.
    """
    errors: list[PolicyError] = []
    entries_by_kind: dict[str, dict[str, CatalogueEntry]] = {"service": {}, "browser": {}, "feed": {}}
    retired: list[str] = []
    for rank, directory in enumerate(directories):
        changes: list[CatalogueEntry] = []
        for entry in read_entries(directory, rank, errors):
            retired += entry.retired
            if entry.kind == "amendment":
                changes.append(entry)
            elif clash := _check_duplicate_id(entry, entries_by_kind[entry.kind]):
                errors.append(clash)
            else:
                entries_by_kind[entry.kind][entry.id] = entry
        # applied last: an amendment may change entries of this directory and of earlier directories
        for amendment in changes:
            _apply_amendment(entries_by_kind["service"], amendment, errors)
    services, browsers = entries_by_kind["service"], entries_by_kind["browser"]
    feeds_by_id = {id_: _read_feed(entry, services, errors) for id_, entry in entries_by_kind["feed"].items()}
    release = CatalogueRelease()
    for directory in directories[:1]:
        release, release_errors = read_release(directory)
        errors += release_errors
    claimants = {id_: _make_claimant(entry) for id_, entry in services.items()}
    ids = {file.stem for directory in directories for name in CATEGORIES for file in directory.glob(f"{name}/*.yml")}
    errors += [services[id_].make_error(mistake) for id_, mistake in check_claims(claimants, ids)]
    errors += [
        services[id_].make_error(mistake)
        for id_, mistake in signers.check_signers(map(_make_signer, services.values()))
    ]
    errors += (
        _check_known_good(directories, services, [feed for feed in feeds_by_id.values() if feed]) if not errors else []
    )
    if errors:
        raise PolicyErrors(errors)
    content: list[object] = [{id_: entry.data for id_, entry in entries.items()} for entries in (services, browsers)]
    content.append({id_: feed.values for id_, feed in feeds_by_id.items() if feed})
    return Catalogue(
        services=dict(sorted(_make_objects(Service, map(_make_service_values, services.values())).items())),
        browsers=_make_objects(Browser, (entry.data for entry in browsers.values())),
        feeds={id_: feed for id_, feed in sorted(feeds_by_id.items()) if feed},
        version=hashlib.sha256(format_canonical(content).encode()).hexdigest()[:12],
        release=release,
        retired=tuple(dict.fromkeys(retired)),
    )


def _check_duplicate_id(entry: CatalogueEntry, same_kind: Mapping[str, CatalogueEntry]) -> PolicyError | None:
    """Return an error if an earlier entry of this kind has the id of `entry`; None otherwise.

    `same_kind` has the earlier entries by id. A feed with `replaces: true` may replace the feed with its id of an
    earlier directory. If no earlier directory has such a feed, `replaces` is an error.
    """
    first_entry = same_kind.get(entry.id)
    replaces = entry.data.get("replaces") == "true"
    if first_entry is None:
        expected = "no such key: no earlier directory has a feed of this id"
        return entry.make_error((("replaces",), "true", expected)) if replaces else None
    if replaces and first_entry.rank < entry.rank:
        return None
    return entry.make_error((("id",), entry.id, f"an id of its own; {first_entry.document.path} has this one"))


def _apply_amendment(services: dict[str, CatalogueEntry], amendment: CatalogueEntry, errors: list[PolicyError]) -> None:
    """Apply an amendment (an organisation's changes to a service) to the service's entry in `services`.

    If the service is unknown or the result has mistakes, add the mistakes to `errors` and change nothing.
    """
    entry = services.get(amendment.id)
    if entry is None:
        expected = f"the id of a service{propose_similar_names(amendment.id, services)}"
        errors.append(amendment.make_error((("amends",), amendment.id, expected)))
        return
    amended, mistakes = amendments.apply_amendment(entry.data, entry.origins, amendment.document)
    errors += [amendment.make_error(mistake) for mistake in mistakes]
    new_entry = entry._replace(data=amended.data, origins=amended.origins, rank=max(entry.rank, amendment.rank))
    entry_mistakes = (
        [] if mistakes else [*check_service(new_entry.data), *guard_list.check_guarded_names(new_entry.identifiers)]
    )
    errors += [new_entry.make_error(mistake) for mistake in entry_mistakes]
    if not mistakes and not entry_mistakes:
        services[amendment.id] = new_entry


def _read_feed(entry: CatalogueEntry, services: Mapping[str, CatalogueEntry], errors: list[PolicyError]) -> Feed | None:
    """Read a feed with its list of values.

    If its service is unknown or its list has mistakes, add the mistakes to `errors` and return None.
    """
    service_id = str(entry.data["service"])
    if service_id not in services:
        errors.append(
            entry.make_error(
                (("service",), service_id, f"the id of a service{propose_similar_names(service_id, services)}")
            )
        )
        return None
    feed, feed_errors = feeds.read_feed(entry.document)
    errors += feed_errors
    return feed


def _check_known_good(
    directories: Sequence[Path], services: Mapping[str, CatalogueEntry], loaded_feeds: Sequence[Feed]
) -> list[PolicyError]:
    """Return an error for each value of an entry or feed that would block a known good name or network."""
    lists, errors = known_good.read_known_good_lists(directories)
    if errors:
        return errors
    feeds_by_id = {conflict.id: conflict for conflict in loaded_feeds}
    for conflict in known_good.find_conflicts(
        {id_: entry.data for id_, entry in services.items()}, loaded_feeds, lists
    ):
        expected = known_good.describe_expected(conflict)
        if conflict.feed_id:
            errors.append(feeds.make_value_error(feeds_by_id[conflict.feed_id], conflict.identifier, expected))
        else:
            errors.append(services[conflict.service_id].make_error((conflict.path, conflict.identifier, expected)))
    return errors


def _make_claimant(entry: CatalogueEntry) -> Claimant:
    """Return the names of a service's entry, for the checks between entries (name_conflicts.py)."""
    keys = ("domains", "urls", "mail_hosts", "shared_domains", "allow_domains", "overlaps_with")
    return Claimant(entry.id, entry.rank, *(get_key_texts(entry.data, key) for key in keys))


def _make_signer(entry: CatalogueEntry) -> signers.ProgramSigner:
    """Return the signers of a service's programs on macOS, for the checks between entries (signers.py)."""
    return signers.ProgramSigner(
        entry.id, entry.rank, get_key_texts(entry.data, "signing_ids"), get_key_texts(entry.data, "team_ids")
    )


def _make_service_values(entry: CatalogueEntry) -> Mapping[str, object]:
    """Return the values of the fields of `Service`, from the checked entry of a service."""
    data: Any = entry.data  # the data was checked
    processes, paths = data.get("processes", {}), data.get("paths", {})
    return {
        **data,
        "audience": data.get("audience", "consumer"),
        "enforce": data["enforce"] == "true",
        "programs": data.get("programs", PRIVATE),
        "service_class": data.get("class", ""),
        "processes": processes.get("linux", ()),
        "paths": paths.get("linux", ()),
        "windows_programs": tuple(_list_windows_programs(paths.get("windows", ()))),
        "windows_processes": processes.get("windows", ()),
        "windows_shared_processes": processes.get("windows_shared", ()),
        "mac_apps": processes.get("macos", ()),
        "windows_registered": data.get("registered", {}),
        "windows_publishers": data.get("publishers", {}),
        "windows_installers": data.get("installers", ()),
        "retired": data.get("retired") == "true",
        "origins": {identifier: str(document.path) for (_, identifier), (document, _) in entry.origins.items()},
        "file": str(entry.document.path),
    }


def _list_windows_programs(paths: Sequence[str]) -> Iterator[str]:
    """Yield the .exe files among Windows paths, without the leading variable or drive.

    Files directly below the variable or drive are left out.
    """
    for path in paths:
        below = path.replace("\\", "/").partition("/")[2]
        if "/" in below and below.lower().endswith(".exe"):
            yield below


def _make_objects(kind: type[Made], all_values: Iterable[Mapping[str, object]]) -> dict[str, Made]:
    """Build objects of a dataclass, each from a mapping of field names to values, and return them by id, in order.

    A missing field gets "", () or {}, by its type.
    """
    empty: dict[str, object] = {
        member.name: "" if member.type == "str" else () if str(member.type).startswith(_TUPLE_PREFIX) else {}
        for member in fields(kind)
    }
    rows = [[values.get(name, empty_value) for name, empty_value in empty.items()] for values in all_values]
    return {member.id: member for member in build_objects(kind, rows)}


def build_objects(kind: type[Made], rows: Sequence[list[Any]]) -> list[Made]:
    """Build the objects of a dataclass from rows of YAML or JSON values, where each tuple is a list."""
    types = [str(member.type) for member in fields(kind)]
    tuple_indices = [index for index, type_ in enumerate(types) if type_.startswith(_TUPLE_PREFIX)]
    mapping_indices = [index for index, type_ in enumerate(types) if type_.startswith(_TUPLE_MAPPING_PREFIX)]
    for row in rows:
        for index in tuple_indices:
            row[index] = tuple(row[index])
        for index in mapping_indices:
            row[index] = {key: tuple(items) for key, items in row[index].items()}
    return [kind(*row) for row in rows]
