"""Desired state of `apps`: packages, paths and program names of a plan, each with its services."""

from __future__ import annotations

from typing import TYPE_CHECKING, Iterable, Mapping

from ....base.hashing import sha256
from ....model.finding import Finding, find_covering_waiver
from ....model.plan import compute_once, inherit_cache
from .portable.app_names import AppNames
from .systems.package_systems import SYSTEMS

if TYPE_CHECKING:
    from ....model.types.plan import PlanEntry, PlanSection

# Keys of a service whose values identify the app without a package system. A service without any of them can be on a
# host only as a package. The scan also searches file names that it derives from package names and service ids. These do
# not count here: no source shows that such files exist.
EVIDENCE_KEYS = ("processes", "paths", "desktop_files", "markers", "windows", "web_hosts", "copies")
UNMANAGED_BROWSERS_ID = "unmanaged-browsers"  # id of the service for browsers to which no policy of Proscribe applies


class DesiredApps:
    """Packages, paths and program names to search for, each with the services that name it.

    A waived service may share a name with other services. Such a name is searched for the waived service only.
    Otherwise a waiver would permit an app, and the rule of another service would remove that app.

    `services` are the plan's services by id, and the restricted browsers. `full_scan_every` is the number of enforcing
    runs after which a file scan reads everything. `network_homes` is "scan" if homes on remote file systems are
    scanned. The indexes `packages` (first by package system), `paths` and `names` (program names) have lists of
    services.
    """

    def __init__(self, section: PlanSection) -> None:
        browsers = section["settings"].get("unmanaged_browsers")
        browser_entries = {UNMANAGED_BROWSERS_ID: browsers} if browsers else {}
        self.services: Mapping[str, PlanEntry] = inherit_cache(section, {**section["services"], **browser_entries})
        self.full_scan_every: int = section["settings"].get("full_scan_every", 7)
        self.network_homes: str = section["settings"].get("network_homes", "unknown")
        self.packages: Mapping[str, Mapping[str, list[str]]]
        self.paths: Mapping[str, list[str]]
        self.names: Mapping[str, list[str]]
        self.packages, self.paths, self.names = compute_once(section, "apps/wanted", self._build_indexes)

    def _build_indexes(self) -> tuple[dict[str, dict[str, list[str]]], dict[str, list[str]], dict[str, list[str]]]:
        """Return three indexes to services: packages by package system, paths, and program names."""
        entries = self.services.items()
        packages = {
            system.MANAGER: self._build_index(
                {service_id: entry["packages"].get(system.CATALOGUE_KEY, ()) for service_id, entry in entries}
            )
            for system in SYSTEMS
        }
        paths = self._build_index({service_id: entry["paths"] for service_id, entry in entries})
        return packages, paths, self._build_index({service_id: entry["processes"] for service_id, entry in entries})

    def _build_index(self, identifiers_by_service: Mapping[str, Iterable[str]]) -> dict[str, list[str]]:
        """Return, by identifier, the services to search for with it: the waived ones, or else all that name it."""
        index: dict[str, list[str]] = {}
        for service, identifiers in identifiers_by_service.items():
            for identifier in identifiers:
                index.setdefault(identifier, []).append(service)
        for identifier, services in index.items():
            index[identifier] = self.choose_claimed_services(services)
        return index

    @property
    def package_only_services(self) -> Mapping[str, list[str]]:
        """Services with no identifiers but packages, each with the systems that know its packages."""
        services: dict[str, list[str]] = compute_once(
            self.services, "apps/by package only", self._find_package_only_services
        )
        return services

    def _find_package_only_services(self) -> dict[str, list[str]]:
        """Compute the property `package_only_services`, which is computed once for a plan."""
        systems_by_service = {}
        for service_id, entry in self.services.items():
            if not any(entry.get(key) for key in EVIDENCE_KEYS):
                systems_by_service[service_id] = [
                    system.MANAGER for system in SYSTEMS if entry["packages"].get(system.CATALOGUE_KEY)
                ]
        return systems_by_service

    def choose_claimed_services(self, services: list[str]) -> list[str]:
        """Return which of `services`, which share a name, the name is searched for: the waived ones, or else all."""
        return [service for service in services if self.services[service]["mode"] == "waived"] or services

    def make_names_stamp(self, names: AppNames) -> str:
        """Return a digest of all names that the file scan searches for.

        The memory of earlier scans has the digest. If it differs, the next scan reads everything.
        """

        def make_stamp() -> str:
            packages = [f"{manager} {package_id}" for manager, index in self.packages.items() for package_id in index]
            return sha256(
                "\n".join(
                    sorted([*names.all_names, *names.services_by_stem, *names.services_by_title, *packages])
                ).encode()
            ).hexdigest()

        return str(compute_once(self.services, "apps/stamp", make_stamp))

    def find_restricted_packages(self, manager: str) -> set[str]:
        """Return the ids of a package system's packages that its install block has to refuse.

        Packages that are restricted for some users only are left out. The reason is that an install block does not know
        the user of a package.
        """
        package_ids: set[str] = compute_once(
            self.services, f"apps/restricted {manager}", lambda: self._find_restricted_packages(manager)
        )
        return package_ids

    def _find_restricted_packages(self, manager: str) -> set[str]:
        return {
            package_id
            for package_id, services in self.packages[manager].items()
            if self.choose_unlimited_services(services)
        }

    def choose_enforced_services(self, services: list[str]) -> list[str]:
        """Return those of `services` whose restriction is enforced, not only reported or waived."""
        return [service for service in services if self.services[service]["mode"] == "enforce"]

    def choose_unlimited_services(self, services: list[str]) -> list[str]:
        """Return those of `services` that are enforced for every user."""
        return [service for service in self.choose_enforced_services(services) if "only" not in self.services[service]]

    def find_permitted_versions(self, manager: str) -> dict[str, list[str]]:
        """Return the versions that a waiver permits for everybody, by id of the restricted package."""
        versions_by_package: dict[str, list[str]] = {}
        for package_id in self.find_restricted_packages(manager):
            exceptions = [
                exception
                for service in self.packages[manager][package_id]
                for exception in self.services[service].get("exceptions", ())
            ]
            # other keys, such as `users`, would limit the exception to a part of the installations
            versions = {
                version
                for exception in exceptions
                if set(exception) == {"waiver", "versions"}
                for version in exception["versions"]
            }
            versions_by_package.update({package_id: sorted(versions)} if versions else {})
        return versions_by_package

    def find_closed_paths(self) -> list[str]:
        """Return the absolute paths at which no package may install a file.

        They are paths of services that are restricted for every user. A path is left out if a waiver for everybody
        permits a part of its service.
        """
        paths: list[str] = compute_once(self.services, "apps/closed paths", self._find_closed_paths)
        return paths

    def _find_closed_paths(self) -> list[str]:
        """Compute the result of `find_closed_paths`, which is computed once for a plan."""
        return [
            path
            for path, services in self.paths.items()
            if path.startswith("/")
            and self.choose_unlimited_services(services)
            and all(
                "users" in exception
                for service in services
                for exception in self.services[service].get("exceptions", ())
            )
        ]

    def choose_holder_services(self, services: list[str], finding: Finding, place: str = "") -> list[str]:
        """Return the services under which a finding counts: those with a waiver that covers it, or else all.

        `place` is the installation path of a running program, which a waiver may name; "" if there is none.
        """
        return [
            service for service in services if find_covering_waiver(self.services[service], finding, place)
        ] or services
