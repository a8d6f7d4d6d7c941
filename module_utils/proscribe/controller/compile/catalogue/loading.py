"""The catalogue: what each service and each browser is made of, out of the entries of its directories."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any, TypeVar

from ....model.plan import format_canonical
from ....model.types.plan import ControlIdentifiers as OfControl
from ...policy_errors import PolicyError, PolicyErrors, close_to
from . import amendments, feeds, guard_list, known_good, signers
from .claims import Claimant, check_claims
from .entries import Compared, Decision, Identifiers, TenantControl, UnverifiedOfBrowser
from .feeds import Feed
from .files import Entry, read_entries
from .kinds import texts
from .release import Release, read_release
from .schema import CATEGORIES, PRIVATE, check_service


@dataclass(frozen=True)
class Service:
    """One service: catalog/<category>/<id>.yml. docs/catalogue.md says what each key means.

    Processes and paths are those of Linux. What is not set is empty.
    """

    id: str
    name: str
    names: tuple[str, ...]  # what people call it in their own script
    category: str
    vendor: str
    audience: str  # an entry without one (circumvention) is for consumers
    enforce: bool
    programs: str  # whom they serve: "private" or "both" (schema.PROGRAMS)
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
    windows_programs: tuple[str, ...]  # below a folder of programs: Tencent/Weixin/Weixin.exe
    windows_processes: tuple[str, ...]
    windows_registered: Mapping[str, tuple[str, ...]]  # by what it is: keys, names
    windows_publishers: Mapping[str, tuple[str, ...]]  # who signs: programs, appx
    windows_installers: tuple[str, ...]  # file names, with a * for what changes
    bundle_ids: tuple[str, ...]  # of applications on macOS
    mac_apps: tuple[str, ...]  # their file names: WhatsApp.app
    signing_ids: tuple[str, ...]  # of programs on macOS: EXAMPLE123:com.example.App
    team_ids: tuple[str, ...]  # of makers, all of whose programs on macOS are of the service
    desktop_files: tuple[str, ...]
    markers: Mapping[str, tuple[str, ...]]
    browser_extensions: Mapping[str, tuple[str, ...]]
    tenants: str
    tenant_control: TenantControl
    nxdomain_canaries: tuple[str, ...]
    front_doors: tuple[str, ...]  # addresses that a user types: host, or host/path
    decided: tuple[Decision, ...]  # what public lists have and the entry does not block
    overlaps_with: tuple[str, ...]
    retired: bool
    checked: str  # the day on which the entry was last compared with its sources; "" for never
    networks_checked: str  # the same of its networks
    compared: tuple[Compared, ...]  # with which publishers' lists, by `catalog refresh`
    checked_accepted: Mapping[str, str]  # for how long nobody has to check it: day, until, why; empty for not
    origins: Mapping[str, str]  # by value that an amendment brought: the file of the amendment
    notes: str
    unverified: Identifiers
    sources: tuple[str, ...]
    file: str


@dataclass(frozen=True)
class Browser:
    """One web browser of catalog/browsers.yml, on Linux."""

    id: str
    name: str
    packages: Mapping[str, tuple[str, ...]]
    processes: tuple[str, ...]
    paths: tuple[str, ...]
    policy_support: str
    policy_dir: Mapping[str, str]
    policy_file: Mapping[str, str]
    policy_fallbacks: tuple[str, ...]
    unverified: UnverifiedOfBrowser


Made = TypeVar("Made", Service, Browser)
_TUPLE, _TUPLES = "tuple[", "Mapping[str, tuple["  # how annotations begin


@dataclass(frozen=True)
class Catalogue:
    """All services, browsers and feeds, by id."""

    services: Mapping[str, Service]
    browsers: Mapping[str, Browser]
    feeds: Mapping[str, Feed]
    version: str  # a short digest of the content
    release: Release  # of the project's own part
    retired: tuple[str, ...]  # the places of keys that nothing reads any more

    # What controls search for, worked out once for all plans: by control, service and feeds. Nobody changes it.
    follows: dict[tuple[str, str, str | tuple[str, ...]], OfControl] = field(
        default_factory=dict, compare=False, repr=False
    )


def load(directories: Sequence[Path]) -> Catalogue:
    """Read the project's own catalogue (the first directory) and the organisation's own (the others).

    Each directory holds `<category>/<id>.yml`, and may hold `browsers.yml`, `amends/<id>.yml` (amendments.py),
    `feeds/<id>.yml` with its list (feeds.py), and `release.yml` (release.py). Raises PolicyErrors with every mistake.
    """
    errors: list[PolicyError] = []
    found: dict[str, dict[str, Entry]] = {"service": {}, "browser": {}, "feed": {}}
    retired: list[str] = []
    for rank, directory in enumerate(directories):
        changing: list[Entry] = []
        for entry in read_entries(directory, rank, errors):
            retired += entry.retired
            if entry.kind == "amendment":
                changing.append(entry)
            elif clash := _second(entry, found[entry.kind]):
                errors.append(clash)
            else:
                found[entry.kind][entry.id] = entry
        for amendment in changing:  # of this directory's own entries, too, and of those before
            _amend(found["service"], amendment, errors)
    services, browsers = found["service"], found["browser"]
    of_feeds = {id_: _feed(entry, services, errors) for id_, entry in found["feed"].items()}
    release = Release()
    for directory in directories[:1]:
        release, wrong = read_release(directory)
        errors += wrong
    claimants = {id_: _claimant(entry) for id_, entry in services.items()}
    ids = {file.stem for directory in directories for name in CATEGORIES for file in directory.glob(f"{name}/*.yml")}
    errors += [services[id_].error(mistake) for id_, mistake in check_claims(claimants, ids)]
    errors += [services[id_].error(mistake) for id_, mistake in signers.check(map(_signer, services.values()))]
    errors += _known_good(directories, services, [one for one in of_feeds.values() if one]) if not errors else []
    if errors:
        raise PolicyErrors(errors)
    content: list[object] = [{id_: entry.data for id_, entry in same.items()} for same in (services, browsers)]
    content.append({id_: one.values for id_, one in of_feeds.items() if one})
    return Catalogue(
        services=dict(sorted(_made(Service, map(_service, services.values())).items())),
        browsers=_made(Browser, (entry.data for entry in browsers.values())),
        feeds={id_: one for id_, one in sorted(of_feeds.items()) if one},
        version=hashlib.sha256(format_canonical(content).encode()).hexdigest()[:12],
        release=release,
        retired=tuple(dict.fromkeys(retired)),
    )


def _second(entry: Entry, same: Mapping[str, Entry]) -> PolicyError | None:
    """What is wrong with the id of an entry. A feed can say that it takes the place of an earlier directory's."""
    first = same.get(entry.id)
    replaces = entry.data.get("replaces") == "true"
    if first is None:
        expected = "no such key: no earlier directory has a feed of this id"
        return entry.error((("replaces",), "true", expected)) if replaces else None
    if replaces and first.rank < entry.rank:
        return None
    return entry.error((("id",), entry.id, f"an id of its own; {first.document.path} has this one"))


def _amend(services: dict[str, Entry], amendment: Entry, errors: list[PolicyError]) -> None:
    """Put the amended entry in the place of the entry; a service that is not there is a mistake."""
    entry = services.get(amendment.id)
    if entry is None:
        expected = f"the id of a service{close_to(amendment.id, services)}"
        errors.append(amendment.error((("amends",), amendment.id, expected)))
        return
    changed, mistakes = amendments.amended(entry.data, entry.origins, amendment.document)
    errors += [amendment.error(mistake) for mistake in mistakes]
    new = entry._replace(data=changed.data, origins=changed.origins, rank=max(entry.rank, amendment.rank))
    wrong = [] if mistakes else [*check_service(new.data), *guard_list.check(new.identifiers)]
    errors += [new.error(mistake) for mistake in wrong]
    if not mistakes and not wrong:
        services[amendment.id] = new


def _feed(entry: Entry, services: Mapping[str, Entry], errors: list[PolicyError]) -> Feed | None:
    service = str(entry.data["service"])
    if service not in services:
        errors.append(entry.error((("service",), service, f"the id of a service{close_to(service, services)}")))
        return None
    feed, wrong = feeds.read_feed(entry.document)
    errors += wrong
    return feed


def _known_good(directories: Sequence[Path], services: Mapping[str, Entry], found: Sequence[Feed]) -> list[PolicyError]:
    """What of the entries and feeds blocks something that nobody may block."""
    lists, errors = known_good.read_lists(directories)
    if errors:
        return errors
    of_feeds = {one.id: one for one in found}
    for one in known_good.blocked({id_: entry.data for id_, entry in services.items()}, found, lists):
        expected = known_good.expected(one)
        if one.feed:
            errors.append(feeds.placed(of_feeds[one.feed], one.value, expected))
        else:
            errors.append(services[one.service].error((one.path, one.value, expected)))
    return errors


def _claimant(entry: Entry) -> Claimant:
    keys = ("domains", "urls", "mail_hosts", "shared_domains", "allow_domains", "overlaps_with")
    return Claimant(entry.id, entry.rank, *(texts(entry.data, key) for key in keys))


def _signer(entry: Entry) -> signers.Signer:
    return signers.Signer(entry.id, entry.rank, texts(entry.data, "signing_ids"), texts(entry.data, "team_ids"))


def _service(entry: Entry) -> Mapping[str, object]:
    data: Any = entry.data  # which was checked
    processes, paths = data.get("processes", {}), data.get("paths", {})
    return {
        **data,
        "audience": data.get("audience", "consumer"),
        "enforce": data["enforce"] == "true",
        "programs": data.get("programs", PRIVATE),
        "service_class": data.get("class", ""),
        "processes": processes.get("linux", ()),
        "paths": paths.get("linux", ()),
        "windows_programs": tuple(_windows_programs(paths.get("windows", ()))),
        "windows_processes": processes.get("windows", ()),
        "mac_apps": processes.get("macos", ()),
        "windows_registered": data.get("registered", {}),
        "windows_publishers": data.get("publishers", {}),
        "windows_installers": data.get("installers", ()),
        "retired": data.get("retired") == "true",
        "origins": {value: str(document.path) for (_, value), (document, _) in entry.origins.items()},
        "file": str(entry.document.path),
    }


def _windows_programs(paths: Sequence[str]) -> Iterator[str]:
    """The programs among some paths of Windows, without the variable or the drive that each begins with."""
    for path in paths:
        below = path.replace("\\", "/").partition("/")[2]
        if "/" in below and below.lower().endswith(".exe"):
            yield below


def _made(kind: type[Made], all_values: Iterable[Mapping[str, object]]) -> dict[str, Made]:
    """The objects of a dataclass, by id and in order, out of values by field; what a field has none of is empty."""
    empty: dict[str, object] = {
        one.name: "" if one.type == "str" else () if str(one.type).startswith(_TUPLE) else {} for one in fields(kind)
    }
    rows = [[values.get(name, nothing) for name, nothing in empty.items()] for values in all_values]
    return {one.id: one for one in objects(kind, rows)}


def objects(kind: type[Made], rows: Sequence[list[Any]]) -> list[Made]:
    """The objects of a dataclass out of its values as YAML and JSON have them, where each tuple is a list."""
    types = [str(one.type) for one in fields(kind)]
    plain = [number for number, type_ in enumerate(types) if type_.startswith(_TUPLE)]
    keyed = [number for number, type_ in enumerate(types) if type_.startswith(_TUPLES)]
    for row in rows:
        for number in plain:
            row[number] = tuple(row[number])
        for number in keyed:
            row[number] = {key: tuple(items) for key, items in row[number].items()}
    return [kind(*row) for row in rows]
