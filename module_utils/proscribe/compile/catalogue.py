"""The catalogue: what each service and each browser is made of, read from YAML files and checked."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from ..plan import canonical
from ..policy_errors import Described, PolicyError, PolicyErrors, close_to
from . import amendments, feeds, guard_list
from .claims import Claimant, check_claims
from .feeds import Feed
from .release import FILE as RELEASE_FILE
from .release import KNOWN_GOOD, PUBLISHERS, Release, read_release
from .schema import AMENDMENT, BROWSERS, CATEGORIES, FEED, Mistake, check_browser, check_service
from .yaml_file import Document, KeyPath, read_yaml

BROWSERS_FILE = "browsers.yml"


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
    desktop_files: tuple[str, ...]
    markers: Mapping[str, tuple[str, ...]]
    user_data: tuple[str, ...]
    browser_extensions: Mapping[str, tuple[str, ...]]
    tenants: str
    tenant_control: Mapping[str, Any]
    nxdomain_canaries: tuple[str, ...]
    front_doors: tuple[str, ...]  # addresses that a user types: host, or host/path
    decided: tuple[Mapping[str, Any], ...]  # {names, as, why}: what public lists have and the entry does not block
    overlaps_with: tuple[str, ...]
    retired: bool
    checked: str  # the day on which the entry was last compared with its sources; "" for never
    networks_checked: str  # the same of its networks
    origins: Mapping[str, str]  # by value that an amendment brought: the file of the amendment
    notes: str
    unverified: Mapping[str, Any]
    sources: tuple[str, ...]
    file: str


@dataclass(frozen=True)
class Browser:
    """One web browser of catalog/browsers.yml, on Linux."""

    id: str
    name: str
    engine: str
    packages: Mapping[str, tuple[str, ...]]
    processes: tuple[str, ...]
    paths: tuple[str, ...]
    user_data: tuple[str, ...]
    policy_support: str
    policy_dir: Mapping[str, str]
    policy_file: Mapping[str, str]
    policy_fallbacks: tuple[str, ...]
    notes: str
    unverified: Mapping[str, Any]
    sources: tuple[str, ...]
    file: str


@dataclass(frozen=True)
class Catalogue:
    """All services, browsers and feeds by id, the categories in the order of reports, `version`, a short digest of the
    content, and the release of the project's own part.
    """

    services: Mapping[str, Service]
    browsers: Mapping[str, Browser]
    feeds: Mapping[str, Feed]
    categories: tuple[str, ...]
    version: str
    release: Release


def load(directories: Sequence[Path]) -> Catalogue:
    """Read the project's own catalogue (the first directory) and the organisation's own (the others).

    Each directory holds `<category>/<id>.yml`, and may hold `browsers.yml`, `amends/<id>.yml` (amendments.py),
    `feeds/<id>.yml` with its list (feeds.py), and `release.yml` (release.py). Raises PolicyErrors with every mistake.
    """
    errors: list[PolicyError] = []
    found: dict[str, dict[str, _Entry]] = {"service": {}, "browser": {}, "feed": {}}
    for rank, directory in enumerate(directories):
        changing: list[_Entry] = []
        for entry in _entries(directory, rank, errors):
            if entry.kind == "amendment":
                changing.append(entry)
            elif entry.id in (same := found[entry.kind]):
                first = same[entry.id].document.path
                errors.append(entry.error((("id",), entry.id, f"an id of its own; {first} has this one")))
            else:
                same[entry.id] = entry
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
    if errors:
        raise PolicyErrors(errors)
    content: list[Any] = [{id_: entry.data for id_, entry in same.items()} for same in (services, browsers)]
    content.append({id_: one.values for id_, one in of_feeds.items() if one})
    return Catalogue(
        services={id_: _service(services[id_]) for id_ in sorted(services)},
        browsers={id_: _browser(browsers[id_]) for id_ in sorted(browsers)},
        feeds={id_: one for id_, one in sorted(of_feeds.items()) if one},
        categories=CATEGORIES,
        version=hashlib.sha256(canonical(content).encode()).hexdigest()[:12],
        release=release,
    )


def _amend(services: dict[str, _Entry], amendment: _Entry, errors: list[PolicyError]) -> None:
    """Put the amended entry in the place of the entry; a service that is not there is a mistake."""
    entry = services.get(amendment.id)
    if entry is None:
        expected = f"the id of a service{close_to(amendment.id, services)}"
        errors.append(amendment.error((("amends",), amendment.id, expected)))
        return
    changed, mistakes = amendments.amended(entry.data, entry.origins, amendment.document)
    errors += [amendment.error(mistake) for mistake in mistakes]
    new = entry._replace(data=changed.data, origins=changed.origins, rank=max(entry.rank, amendment.rank))
    wrong = [] if mistakes else [*check_service(new.data), *guard_list.check(new.data)]
    errors += [new.error(mistake) for mistake in wrong]
    if not mistakes and not wrong:
        services[amendment.id] = new


def _feed(entry: _Entry, services: Mapping[str, _Entry], errors: list[PolicyError]) -> Feed | None:
    if entry.data["service"] not in services:
        expected = f"the id of a service{close_to(entry.data['service'], services)}"
        errors.append(entry.error((("service",), entry.data["service"], expected)))
        return None
    feed, wrong = feeds.read_feed(entry.document)
    errors += wrong
    return feed


class _Entry(NamedTuple):
    """A well-formed entry, and where it is."""

    kind: str
    id: str
    data: Mapping[str, Any]
    document: Document
    place: KeyPath  # of the entry in its document
    rank: int  # of its directory; of an amended entry, that of the amendment
    origins: amendments.Origins = {}  # of the values that amendments brought

    def error(self, mistake: Mistake) -> PolicyError:
        return amendments.placed(mistake, self.document, self.place, self.origins)


def _entries(directory: Path, rank: int, errors: list[PolicyError]) -> Iterator[_Entry]:
    """The well-formed entries of a directory; what is wrong with the others is added to `errors`."""
    for path in _files(directory, errors):
        try:
            document = read_yaml(path)
        except PolicyError as error:
            errors.append(error)
            continue
        if path.name == BROWSERS_FILE and path.parent == directory:
            yield from _browsers(document, rank, errors)
            continue
        if path.parent.name in (amendments.FOLDER, feeds.FOLDER):
            yield from _beside(document, rank, errors)
            continue
        mistakes = list(check_service(document.data))
        mistakes = mistakes or [*_misplaced(document.data, path), *guard_list.check(document.data)]
        errors += [document.error(*mistake) for mistake in mistakes]
        if not mistakes:
            yield _Entry("service", document.data["id"], document.data, document, (), rank)


def _beside(document: Document, rank: int, errors: list[PolicyError]) -> Iterator[_Entry]:
    """An amendment, or what describes a feed."""
    path = document.path
    if path.parent.name == feeds.FOLDER:
        mistakes, key, kind = list(FEED.check(document.data, ())), "id", "feed"
    else:
        mistakes, key, kind = list(AMENDMENT.check(document.data, ())), "amends", "amendment"
    if not mistakes and document.data[key] != path.stem:
        mistakes.append(((key,), document.data[key], f"{path.stem}, the name of its file"))
    errors += [document.error(*mistake) for mistake in mistakes]
    if not mistakes:
        yield _Entry(kind, document.data[key], document.data, document, (), rank)


def _browsers(document: Document, rank: int, errors: list[PolicyError]) -> Iterator[_Entry]:
    mistakes = list(BROWSERS.check(document.data, ()))
    entries = document.data["browsers"] if not mistakes else []
    for index, entry in enumerate(entries):
        mistakes += [(("browsers", index, *path), value, expected) for path, value, expected in check_browser(entry)]
        yield _Entry("browser", entry["id"], entry, document, ("browsers", index), rank)
    errors += [document.error(*mistake) for mistake in mistakes]


def _files(directory: Path, errors: list[PolicyError]) -> Iterator[Path]:
    """The YAML files of a directory, in order.

    What should not be there is a mistake: a file that nobody reads is a part of the ban that nobody enforces. Hidden
    files, Markdown and editors' backups (`~`) are left alone.
    """
    root = directory.resolve()
    for path in _listed(directory, errors):
        if path.is_dir() and path.name in (*CATEGORIES, amendments.FOLDER):
            candidates = [(file, "<service id>.yml") for file in _listed(path, errors)]
        elif path.is_dir() and path.name == feeds.FOLDER:
            candidates = [(file, "<feed id>.yml") for file in _listed(path, errors) if file.suffix != ".txt"]
        elif path.name in (RELEASE_FILE, KNOWN_GOOD, PUBLISHERS):
            continue  # release.py, known_good.py and `catalog refresh` read them
        else:
            candidates = [(path, BROWSERS_FILE)]
        for file, name in candidates:
            if expected := _unwelcome(file, name, root):
                errors.append(PolicyError(str(file), "", file.name, expected))
            else:
                yield file


def _unwelcome(file: Path, name: str, root: Path) -> str:
    """Why a file cannot be read as what should be in its place: what was expected instead, or "" if it can."""
    if file.is_dir() and name == BROWSERS_FILE:
        folders = (*CATEGORIES, amendments.FOLDER, feeds.FOLDER)
        return f"the folder of a category, one of {', '.join(folders)}{close_to(file.name, folders)}"
    if name == BROWSERS_FILE and file.name != BROWSERS_FILE:
        return f"{BROWSERS_FILE} or <category>/<service id>.yml"
    if file.suffix != ".yml" or not file.is_file():  # a pipe would keep the load waiting
        return f"a file named {name}" + (", not .yaml" if file.suffix == ".yaml" else "")
    return "" if file.resolve().is_relative_to(root) else "a file of this directory, not a link out of it"


def _listed(directory: Path, errors: list[PolicyError]) -> list[Path]:
    try:
        paths = sorted(directory.iterdir())
    except OSError as error:
        errors.append(PolicyError(str(directory), "", Described(error.strerror), "a directory that can be read"))
        return []
    return [path for path in paths if not path.name.startswith(".") and not path.name.endswith(("~", ".md"))]


def _misplaced(data: Mapping[str, Any], path: Path) -> Iterator[Mistake]:
    for key, expected, what in (("id", path.stem, "file"), ("category", path.parent.name, "folder")):
        if data[key] != expected:
            yield (key,), data[key], f"{expected}, the name of its {what}"


def _claimant(entry: _Entry) -> Claimant:
    keys = ("domains", "urls", "mail_hosts", "shared_domains", "allow_domains", "overlaps_with")
    return Claimant(entry.id, entry.rank, *(entry.data.get(key, []) for key in keys))


def _service(entry: _Entry) -> Service:
    data = entry.data
    return Service(
        id=entry.id,
        name=data["name"],
        names=tuple(data.get("names", ())),
        category=data["category"],
        vendor=data["vendor"],
        audience=data.get("audience", "consumer"),
        enforce=data["enforce"] == "true",
        service_class=data.get("class", ""),
        domains=tuple(data.get("domains", ())),
        urls=tuple(data.get("urls", ())),
        mail_hosts=tuple(data.get("mail_hosts", ())),
        shared_domains=tuple(data.get("shared_domains", ())),
        allow_domains=tuple(data.get("allow_domains", ())),
        networks=tuple(data.get("networks", ())),
        networks_note=data.get("networks_note", ""),
        packages=_tuples(data.get("packages", {})),
        processes=tuple(data.get("processes", {}).get("linux", ())),
        paths=tuple(data.get("paths", {}).get("linux", ())),
        windows_programs=tuple(_windows_programs(data.get("paths", {}).get("windows", ()))),
        desktop_files=tuple(data.get("desktop_files", ())),
        markers=_tuples(data.get("markers", {})),
        user_data=tuple(data.get("user_data", ())),
        browser_extensions=_tuples(data.get("browser_extensions", {})),
        tenants=data.get("tenants", ""),
        tenant_control=data.get("tenant_control", {}),
        nxdomain_canaries=tuple(data.get("nxdomain_canaries", ())),
        front_doors=tuple(data.get("front_doors", ())),
        decided=tuple(data.get("decided", ())),
        overlaps_with=tuple(data.get("overlaps_with", ())),
        retired=data.get("retired") == "true",
        checked=data.get("checked", ""),
        networks_checked=data.get("networks_checked", ""),
        origins={value: str(document.path) for (_, value), (document, _) in entry.origins.items()},
        notes=data.get("notes", ""),
        unverified=data.get("unverified", {}),
        sources=tuple(data["sources"]),
        file=str(entry.document.path),
    )


def _windows_programs(paths: Sequence[str]) -> Iterator[str]:
    """The programs among some paths of Windows, without the variable or the drive that each begins with."""
    for path in paths:
        below = path.replace("\\", "/").partition("/")[2]
        if "/" in below and below.lower().endswith(".exe"):
            yield below


def _browser(entry: _Entry) -> Browser:
    data = entry.data
    return Browser(
        id=entry.id,
        name=data["name"],
        engine=data.get("engine", ""),
        packages=_tuples(data["packages"]),
        processes=tuple(data["processes"]),
        paths=tuple(data.get("paths", ())),
        user_data=tuple(data.get("user_data", ())),
        policy_support=data["policy_support"],
        policy_dir=data.get("policy_dir", {}),
        policy_file=data.get("policy_file", {}),
        policy_fallbacks=tuple(data.get("policy_fallbacks", ())),
        notes=data.get("notes", ""),
        unverified=data.get("unverified", {}),
        sources=tuple(data["sources"]),
        file=str(entry.document.path),
    )


def _tuples(lists: Mapping[str, Sequence[str]]) -> dict[str, tuple[str, ...]]:
    return {key: tuple(items) for key, items in lists.items()}
