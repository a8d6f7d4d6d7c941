"""The catalogue: what each service and each browser is made of, read from YAML files and checked."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from ..plan import canonical
from ..policy_errors import Described, PolicyError, PolicyErrors, close_to
from . import guard_list
from .claims import Claimant, check_claims
from .schema import BROWSERS, CATEGORIES, Mistake, check_browser, check_service
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
    overlaps_with: tuple[str, ...]
    retired: bool
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
    """All services and browsers by id, the categories in the order of reports, and `version`, a short digest."""

    services: Mapping[str, Service]
    browsers: Mapping[str, Browser]
    categories: tuple[str, ...]
    version: str


def load(directories: Sequence[Path]) -> Catalogue:
    """Read the project's own catalogue (the first directory) and the organisation's own (the others).

    Each directory holds `<category>/<id>.yml`, and may hold `browsers.yml`. Raises PolicyErrors with every mistake.
    """
    errors: list[PolicyError] = []
    services: dict[str, _Entry] = {}
    browsers: dict[str, _Entry] = {}
    for rank, directory in enumerate(directories):
        for entry in _entries(directory, rank, errors):
            by_id = services if entry.kind == "service" else browsers
            if entry.id in by_id:
                first = by_id[entry.id].document.path
                errors.append(entry.error((("id",), entry.id, f"an id of its own; {first} has this one")))
            else:
                by_id[entry.id] = entry
    claimants = {id_: _claimant(entry) for id_, entry in services.items()}
    ids = {file.stem for directory in directories for file in directory.glob("*/*.yml")}
    errors += [services[id_].error(mistake) for id_, mistake in check_claims(claimants, ids)]
    if errors:
        raise PolicyErrors(errors)
    content = [{id_: entry.data for id_, entry in by_id.items()} for by_id in (services, browsers)]
    return Catalogue(
        services={id_: _service(services[id_]) for id_ in sorted(services)},
        browsers={id_: _browser(browsers[id_]) for id_ in sorted(browsers)},
        categories=CATEGORIES,
        version=hashlib.sha256(canonical(content).encode()).hexdigest()[:12],
    )


class _Entry(NamedTuple):
    """A well-formed entry, and where it is."""

    kind: str
    id: str
    data: Mapping[str, Any]
    document: Document
    place: KeyPath  # of the entry in its document
    rank: int  # of its directory

    def error(self, mistake: Mistake) -> PolicyError:
        path, value, expected = mistake
        return self.document.error((*self.place, *path), value, expected)


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
        mistakes = list(check_service(document.data))
        mistakes = mistakes or [*_misplaced(document.data, path), *guard_list.check(document.data)]
        errors += [document.error(*mistake) for mistake in mistakes]
        if not mistakes:
            yield _Entry("service", document.data["id"], document.data, document, (), rank)


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
        if path.is_dir() and path.name in CATEGORIES:
            candidates = [(file, "<service id>.yml") for file in _listed(path, errors)]
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
        return f"the folder of a category, one of {', '.join(CATEGORIES)}{close_to(file.name, CATEGORIES)}"
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
        overlaps_with=tuple(data.get("overlaps_with", ())),
        retired=data.get("retired") == "true",
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
