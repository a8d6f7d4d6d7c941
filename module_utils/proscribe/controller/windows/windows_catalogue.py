"""An index of the plan's services by their names on Windows, for comparison with a host.

Paths, uninstall keys and app packages of the catalogue are certain. So are the keys that winget makes for portable
programs, which begin with the package id. Names alone are uncertain: name and publisher are those of the catalogue, or
the name is that of the service in its own script. The same applies to a path whose last part is an image name of the
catalogue.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping

from ...model.types.plan import PlanEntry
from .installed_programs import InstalledProgram, strip_volume
from .store_packages import AppPackage

BY_NAMES_DETAIL = "known by its names alone"
BY_IMAGE_DETAIL = "known by its image's name alone"
_NON_WORD_PATTERN = re.compile(r"[\W_]+")
# Endings of a publisher's name that differ between releases.
_COMPANY_KINDS = frozenset(
    ("ab", "ag", "bv", "co", "corp", "corporation", "gmbh", "inc", "limited", "llc", "ltd", "pte", "sa", "srl", "ug")
)
# Suffixes that installers append to a name: a version, an architecture, a scope, a language.
_TAIL_PATTERN = re.compile(
    r"(?:\s+|\s*\()(?:v?\d[\d.]*|x64|x86|arm64|64-bit|32-bit|user|machine|[a-z]{2}-[a-z]{2})\)?\s*$", re.I
)
# Suffixes that publishers append to the name of an app package.
_APP_TAIL_PATTERN = re.compile(r"(?:app|beta|desktop|messenger|oem|pc|uwp|win8|windows)+$")
MAX_TAILS = 4  # variants of a name that are compared, each with a suffix less
MAX_NAME_LENGTH = 200  # characters of a compared name


class WindowsCatalogue:
    """An index of the plan's services by their names on Windows."""

    def __init__(self, services: Mapping[str, PlanEntry]) -> None:
        self.services_by_path: dict[str, list[str]] = {}  # \vendor\program\program.exe
        self.services_by_image: dict[str, list[str]] = {}
        self.services_by_app: dict[str, list[str]] = {}  # app packages, by name or family
        self.services_by_winget_id: dict[str, list[str]] = {}  # by winget package id
        self.services_by_key: dict[str, list[str]] = {}  # by uninstall key
        self.services_by_script_name: dict[str, list[str]] = {}  # by name in the service's own script
        self.publishers_by_name: dict[str, list[tuple[str, str]]] = {}  # by name: publisher and service
        # Services without an app package, by likely names of such a package.
        self.services_by_app_name: dict[str, list[str]] = {}
        for service_id, entry in services.items():
            packages, registered_programs = entry.get("windows_packages", {}), entry.get("windows_registered", {})
            self._index_service(
                self.services_by_path, service_id, ["\\" + path.replace("/", "\\") for path in entry.get("windows", ())]
            )
            self._index_service(self.services_by_image, service_id, entry.get("windows_processes", ()))
            self._index_service(self.services_by_app, service_id, packages.get("appx", ()))
            self._index_service(self.services_by_winget_id, service_id, packages.get("winget", ()))
            self._index_service(self.services_by_key, service_id, registered_programs.get("keys", ()))
            self._index_service(
                self.services_by_script_name,
                service_id,
                [name for name in entry.get("names", ()) if not name.isascii()],
            )
            for text in registered_programs.get("names", ()):
                name, _, publisher = text.rpartition(" by ")
                self.publishers_by_name.setdefault(_normalise_name(name), []).append(
                    (_normalise_company(publisher), service_id)
                )
            if not packages.get("appx"):
                names = [entry["name"], *(text.rpartition(" by ")[0] for text in registered_programs.get("names", ()))]
                names += [image.rpartition(".")[0] for image in entry.get("windows_processes", ())]
                self._index_service(
                    self.services_by_app_name, service_id, dict.fromkeys(filter(None, map(_normalise_name, names)))
                )

    @staticmethod
    def _index_service(index: dict[str, list[str]], service_id: str, texts: Iterable[str]) -> None:
        for text in texts:
            index.setdefault(text.casefold(), []).append(service_id)

    def list_services_of_app(self, app: AppPackage) -> Iterator[str]:
        """Yield the services that have this app package in the catalogue."""
        for name in (app.name, app.family):
            yield from self.services_by_app.get(name.casefold(), ())

    def list_services_named_as(self, app: AppPackage) -> Iterator[str]:
        """Yield services without an app package in the catalogue that have the name of this package."""
        name = _normalise_name(app.name.rpartition(".")[2][:MAX_NAME_LENGTH])
        yield from dict.fromkeys(
            service_id
            for text in (name, _APP_TAIL_PATTERN.sub("", name))
            for service_id in self.services_by_app_name.get(text, ())
        )

    def find_services(self, program: InstalledProgram) -> dict[str, str]:
        """Return the services of a registered program, each with the reason for doubt; "" if it is certain."""
        doubts_by_service: dict[str, str] = {}
        for text in (program.icon, program.uninstall, program.program):
            path = text.strip().strip('"').casefold()
            path = path.partition(".exe")[0] + ".exe" if ".exe" in path else path
            for path_tail in _iterate_path_tails(path):
                doubts_by_service.update(dict.fromkeys(self.services_by_path.get(path_tail, ()), ""))
        program_folder = program.location.strip().strip('"').rstrip("\\").casefold()
        if program_folder:
            for path_tail, service_ids in self.services_by_path.items():
                if program_folder.endswith(path_tail.rpartition("\\")[0]):
                    doubts_by_service.update(dict.fromkeys(service_ids, ""))
        doubts_by_service.update(dict.fromkeys(self.services_by_key.get(program.key.casefold(), ()), ""))
        package, separator, _ = program.key.casefold().partition("_")
        doubts_by_service.update(dict.fromkeys(self.services_by_winget_id.get(package, ()) if separator else (), ""))
        family, _, _ = program.program.partition("!")  # the family for a started app package; else a path
        doubts_by_service.update(dict.fromkeys(self.services_by_app.get(family.casefold(), ()), ""))
        for service_id in self._find_services_by_name(program):
            doubts_by_service.setdefault(service_id, BY_NAMES_DETAIL)
        for service_id in self.services_by_image.get(program.program.rpartition("\\")[2].casefold(), ()):
            doubts_by_service.setdefault(service_id, BY_IMAGE_DETAIL)
        return doubts_by_service

    def _find_services_by_name(self, program: InstalledProgram) -> Iterator[str]:
        publisher = _normalise_company(program.publisher[:MAX_NAME_LENGTH])
        for name in iterate_names(program):
            yield from self.services_by_script_name.get(name.casefold(), ())
            for published_by, service_id in self.publishers_by_name.get(_normalise_name(name), ()):
                if publisher == published_by:
                    yield service_id


def iterate_names(program: InstalledProgram) -> Iterator[str]:
    """Yield the name of a program, each time without another suffix such as a version."""
    name = program.name[:MAX_NAME_LENGTH].strip()
    for _ in range(MAX_TAILS):
        yield name
        name = _TAIL_PATTERN.sub("", name)


def _normalise_company(publisher: str) -> str:
    """Return a publisher's name for comparison, without the legal form of the company."""
    words = [_normalise_name(word) for word in publisher.split()]
    while len(words) > 1 and words[-1] in _COMPANY_KINDS:
        words.pop()
    return "".join(words)


def _normalise_name(text: str) -> str:
    """Return a name without case, blanks and punctuation."""
    return _NON_WORD_PATTERN.sub("", text.casefold())


def _iterate_path_tails(path: str) -> Iterator[str]:
    """Yield a path, and its remainder below each of its folders."""
    path_parts = path.split("\\")[-8:]
    for count in range(len(path_parts)):
        yield "\\" + "\\".join(path_parts[count:])


def find_program_folder(program: InstalledProgram) -> str:
    """Return the folder of a program for comparison; "" if its key does not have it."""
    folder = program.location.strip().strip('"').rstrip("\\")
    if not folder:
        start, extension, _ = program.icon.strip().strip('"').casefold().partition(".exe")
        folder = start.rpartition("\\")[0] if extension else ""
    path_below_volume = strip_volume(folder)
    return f"{path_below_volume}\\" if path_below_volume else ""
