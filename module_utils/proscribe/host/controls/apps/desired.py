"""A plan's section on apps, inverted: for each package, path and program, its services."""

from __future__ import annotations

from typing import TYPE_CHECKING, Iterable, Mapping

from ....base.hashing import sha256
from ....model.finding import Finding, find_covering_waiver
from ....model.plan import compute_once, inherit_cache
from .portable.names import Names
from .systems.registry import SYSTEMS

if TYPE_CHECKING:
    from ....model.types.plan import PlanEntry, PlanSection

# What else than packages an entry has to look for. A file name that only follows from a package's, or from the
# service's id, is looked for too. But nobody has seen such a file.
EVIDENCE = ("processes", "paths", "desktop_files", "markers", "windows", "web_hosts", "copies")
UNMANAGED_BROWSERS = "unmanaged-browsers"  # the rule of browsers that no policy reaches


class Desired:
    """What to look for, each with the services that name it.

    A name that a waived service shares with others is searched for the waived one only: a waiver that let an
    app be installed and another rule that removed it again would contradict each other.
    """

    def __init__(self, section: PlanSection) -> None:
        browsers = section["settings"].get("unmanaged_browsers")
        more = {UNMANAGED_BROWSERS: browsers} if browsers else {}
        self.services: Mapping[str, PlanEntry] = inherit_cache(section, {**section["services"], **more})
        self.full_scan_every: int = section["settings"].get("full_scan_every", 7)
        self.network_homes: str = section["settings"].get("network_homes", "unknown")
        self.packages: Mapping[str, Mapping[str, list[str]]]
        self.paths: Mapping[str, list[str]]
        self.names: Mapping[str, list[str]]
        self.packages, self.paths, self.names = compute_once(section, "apps/wanted", self._indexes)

    def _indexes(self) -> tuple[dict[str, dict[str, list[str]]], dict[str, list[str]], dict[str, list[str]]]:
        entries = self.services.items()
        packages = {
            system.MANAGER: self._index({id_: e["packages"].get(system.CATALOGUE_KEY, ()) for id_, e in entries})
            for system in SYSTEMS
        }
        paths = self._index({id_: entry["paths"] for id_, entry in entries})
        return packages, paths, self._index({id_: entry["processes"] for id_, entry in entries})

    def _index(self, named: Mapping[str, Iterable[str]]) -> dict[str, list[str]]:
        index: dict[str, list[str]] = {}
        for service, identifiers in named.items():
            for identifier in identifiers:
                index.setdefault(identifier, []).append(service)
        for identifier, services in index.items():
            index[identifier] = self.claimed(services)
        return index

    @property
    def by_package_only(self) -> Mapping[str, list[str]]:
        """The services of which nothing but packages is known, each with the systems that know its packages."""
        found: dict[str, list[str]] = compute_once(self.services, "apps/by package only", self._by_package_only)
        return found

    def _by_package_only(self) -> dict[str, list[str]]:
        found = {}
        for id_, entry in self.services.items():
            if not any(entry.get(key) for key in EVIDENCE):
                found[id_] = [s.MANAGER for s in SYSTEMS if entry["packages"].get(s.CATALOGUE_KEY)]
        return found

    def claimed(self, services: list[str]) -> list[str]:
        """Of services that share a name, those for which it is searched."""
        return [s for s in services if self.services[s]["mode"] == "waived"] or services

    def stamp(self, names: Names) -> str:
        """A digest of the names that are searched."""

        def work_out() -> str:
            packages = [f"{manager} {id_}" for manager, index in self.packages.items() for id_ in index]
            return sha256("\n".join(sorted([*names.all, *names.stems, *names.titles, *packages])).encode()).hexdigest()

        return str(compute_once(self.services, "apps/stamp", work_out))

    def restricted(self, manager: str) -> set[str]:
        """The packages of one system that enforcing keeps off the host. What is restricted for some users only is none
        of these: an install block does not know for whom a package is.
        """
        found: set[str] = compute_once(self.services, f"apps/restricted {manager}", lambda: self._restricted(manager))
        return found

    def _restricted(self, manager: str) -> set[str]:
        return {id_ for id_, services in self.packages[manager].items() if self.for_everybody(services)}

    def enforced(self, services: list[str]) -> list[str]:
        return [service for service in services if self.services[service]["mode"] == "enforce"]

    def for_everybody(self, services: list[str]) -> list[str]:
        """Those that are enforced, whoever has them."""
        return [service for service in self.enforced(services) if "only" not in self.services[service]]

    def permitted(self, manager: str) -> dict[str, list[str]]:
        """The versions of restricted packages that somebody's waiver lets in, whoever uses them."""
        found: dict[str, list[str]] = {}
        for id_ in self.restricted(manager):
            exceptions = [e for s in self.packages[manager][id_] for e in self.services[s].get("exceptions", ())]
            versions = {v for e in exceptions if set(e) == {"waiver", "versions"} for v in e["versions"]}
            found.update({id_: sorted(versions)} if versions else {})
        return found

    def closed_paths(self) -> list[str]:
        """The host's paths that no package may bring: those of which no waiver lets anything in for everybody."""
        found: list[str] = compute_once(self.services, "apps/closed paths", self._closed_paths)
        return found

    def _closed_paths(self) -> list[str]:
        return [
            path
            for path, services in self.paths.items()
            if path.startswith("/")
            and self.for_everybody(services)
            and all("users" in e for s in services for e in self.services[s].get("exceptions", ()))
        ]

    def holders(self, services: list[str], finding: Finding, place: str = "") -> list[str]:
        """The services that something seen belongs to: if a waiver covers it for some of them, these alone."""
        return [s for s in services if find_covering_waiver(self.services[s], finding, place)] or services
