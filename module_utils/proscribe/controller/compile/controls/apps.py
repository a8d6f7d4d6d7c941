"""The part of plans for the control `apps`: identifiers of services, and settings."""

from __future__ import annotations

from collections.abc import Iterable

from ....model.types.plan import AppIdentifiers, ControlIdentifiers, ControlSettings
from ..catalogue.catalogue_loader import Service
from ..reading.package_names import NAMES
from ..reading.windows_signing import derive_publisher_id
from ..restrictions import Restrictions
from .compiler import ControlCompiler, convert_to_lists, drop_empty_keys, is_below

# PACKAGE_SYSTEMS: hosts search for packages with these systems. Packages of Windows hosts are compared on the
# controller. The catalogue also has names for Chocolatey, which no control uses.
PACKAGE_SYSTEMS = tuple(sorted(NAMES))
WINDOWS_PACKAGE_SYSTEMS = ("appx", "winget")


def list_app_identifiers(service: Service) -> ControlIdentifiers:
    """Return the identifiers by which hosts find the programs and the web apps of a service."""
    identifiers: ControlIdentifiers = {
        "packages": _list_packages(service, PACKAGE_SYSTEMS),
        "processes": list(service.processes),
        "paths": list(service.paths),
        "desktop_files": list(service.desktop_files),
        "markers": convert_to_lists(service.markers),
        "windows": list(service.windows_programs),
        "windows_processes": list(service.windows_processes),
        "windows_shared_processes": list(service.windows_shared_processes),
        "windows_registered": convert_to_lists(service.windows_registered),
        "windows_packages": _list_packages(service, WINDOWS_PACKAGE_SYSTEMS),
        "windows_publishers": _list_publishers(service),
        "windows_installers": list(service.windows_installers),
        "bundle_ids": list(service.bundle_ids),
        "mac_apps": list(service.mac_apps),
        "signing_ids": list(service.signing_ids),
        "team_ids": list(service.team_ids),
        "web_hosts": [
            *service.domains,
            *(url for url in service.urls if "/" in url or not is_below(url, service.domains)),
        ],
        "web_allow": list(service.allow_domains),
    }
    if not any(content for key, content in identifiers.items() if key != "web_allow"):
        # A service's name alone detects too little. With it alone, a host without findings would wrongly be reported
        # as compliant.
        return {}
    identifiers["names"] = list(service.names)
    return drop_empty_keys(identifiers, required_keys=("packages", "processes", "paths"))


def _list_publishers(service: Service) -> dict[str, list[str]]:
    """Return the publishers of a service's Windows programs (`programs`) and of its app packages (`appx`).

    App packages have the form `publisher\\name`. A package is left out if its publisher is not in the catalogue.
    """
    publisher_by_id = {
        derive_publisher_id(publisher): publisher for publisher in service.windows_publishers.get("appx", ())
    }
    families = [name.rpartition("_") for name in service.packages.get("appx", ())]
    apps = [f"{publisher_by_id[id_]}\\{name}" for name, _, id_ in families if id_ in publisher_by_id]
    return drop_empty_keys({"programs": list(service.windows_publishers.get("programs", ())), "appx": apps})


def _list_packages(service: Service, systems: Iterable[str]) -> dict[str, list[str]]:
    return {system: list(service.packages[system]) for system in systems if service.packages.get(system)}


def _make_settings(restrictions: Restrictions, is_upcoming: bool) -> ControlSettings:
    """Return the settings of the control `apps`.

    If the ban is not yet in force (`is_upcoming`), they block nothing.
    """
    settings: ControlSettings = {
        "user_notice": restrictions.user_notice,
        "refusal_notice": restrictions.refusal_notice,
        "grace": restrictions.end_grace,
        "quarantine_keep": restrictions.quarantine_keep,
        "exec_control": "off" if is_upcoming else restrictions.exec_control,
        "applocker": restrictions.applocker,
        "full_scan_every": restrictions.full_scan_every,
        "network_homes": restrictions.network_homes,
    }
    if restrictions.requests and not is_upcoming:
        # Imported here, because it loads all of `apps`, which the compilation needs for nothing else.
        from ....host.controls.apps.requests import command_text

        settings["requests"] = command_text.hash_command()
    return settings


COMPILER = ControlCompiler(
    list_identifiers=list_app_identifiers,
    make_settings=_make_settings,
    identifier_types=(AppIdentifiers,),
)
