"""An index of the plan's services by their identifiers on Windows, to recognise the software of a host.

Paths, uninstall keys and app packages of the catalogue are certain. The uninstall keys that winget makes for portable
programs begin with the package id, and are certain too. A match by name alone is uncertain: name and publisher are
those of the catalogue, or the name is that of the service in its own script. A match by the file name of a program
alone is uncertain, too.
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
# Legal forms at the end of a company's name. Releases of a program may differ in them.
_COMPANY_KINDS = frozenset(
    ("ab", "ag", "bv", "co", "corp", "corporation", "gmbh", "inc", "limited", "llc", "ltd", "pte", "sa", "srl", "ug")
)
# A suffix that an installer appends to a program's name: a version, an architecture, a scope or a language.
_TAIL_PATTERN = re.compile(
    r"(?:\s+|\s*\()(?:v?\d[\d.]*|x64|x86|arm64|64-bit|32-bit|user|machine|[a-z]{2}-[a-z]{2})\)?\s*$", re.I
)
# Suffixes that publishers append to the name of an app package.
_APP_TAIL_PATTERN = re.compile(r"(?:app|beta|desktop|messenger|oem|pc|uwp|win8|windows)+$")
MAX_TAILS = 4  # most variants of a name that are compared; each has a suffix less than the variant before
MAX_NAME_LENGTH = 200  # most characters of a name that is compared


class WindowsCatalogue:
    """An index of the plan's services by their identifiers on Windows.

    The keys of each index are identifiers in lower case, the values are lists of service ids.
    """

    def __init__(self, services: Mapping[str, PlanEntry]) -> None:
        self.services_by_path: dict[str, list[str]] = {}  # \vendor\program\program.exe
        self.services_by_image: dict[str, list[str]] = {}  # by file name of a program
        self.services_by_app: dict[str, list[str]] = {}  # by name or family of an app package
        self.services_by_winget_id: dict[str, list[str]] = {}  # by winget package id
        self.services_by_key: dict[str, list[str]] = {}  # by uninstall key
        self.services_by_script_name: dict[str, list[str]] = {}  # by name in the service's own script
        # by program name: pairs of publisher and service id
        self.publishers_by_name: dict[str, list[tuple[str, str]]] = {}
        # Services of which the catalogue has no app package, by the likely name of an app package.
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
        """Add a service to an index under each of these identifiers."""
        for text in texts:
            index.setdefault(text.casefold(), []).append(service_id)

    def list_services_of_app(self, app: AppPackage) -> Iterator[str]:
        """Yield the services to which the catalogue assigns this app package, by its name or family."""
        for name in (app.name, app.family):
            yield from self.services_by_app.get(name.casefold(), ())

    def list_services_named_as(self, app: AppPackage) -> Iterator[str]:
        """Yield the services whose name resembles the name of this app package.

        Only services of which the catalogue has no app package are compared. Such a match is doubtful.
        """
        name = _normalise_name(app.name.rpartition(".")[2][:MAX_NAME_LENGTH])
        yield from dict.fromkeys(
            service_id
            for text in (name, _APP_TAIL_PATTERN.sub("", name))
            for service_id in self.services_by_app_name.get(text, ())
        )

    def find_services(self, program: InstalledProgram) -> dict[str, str]:
        """Return the services to which a program of a host belongs.

        Key: service id. Value: the reason why the match is doubtful; "" for a certain match.
        """
        doubts_by_service: dict[str, str] = {}
        for text in (program.icon, program.uninstall, program.program):
            path = text.strip().strip('"').casefold()
            # A command has options after the path, an icon has a number.
            path = path.partition(".exe")[0] + ".exe" if ".exe" in path else path
            for path_tail in _iterate_path_tails(path):
                doubts_by_service.update(dict.fromkeys(self.services_by_path.get(path_tail, ()), ""))
        program_folder = program.location.strip().strip('"').rstrip("\\").casefold()
        if program_folder:
            for path_tail, service_ids in self.services_by_path.items():
                # The program lies in the folder that the catalogue names.
                if program_folder.endswith(path_tail.rpartition("\\")[0]):
                    doubts_by_service.update(dict.fromkeys(service_ids, ""))
        doubts_by_service.update(dict.fromkeys(self.services_by_key.get(program.key.casefold(), ()), ""))
        # The uninstall key of a portable program of winget begins with the package id and an underscore.
        package, separator, _ = program.key.casefold().partition("_")
        doubts_by_service.update(dict.fromkeys(self.services_by_winget_id.get(package, ()) if separator else (), ""))
        # for a started app package, the text before "!" is its family; otherwise `program` is a path
        family, _, _ = program.program.partition("!")
        doubts_by_service.update(dict.fromkeys(self.services_by_app.get(family.casefold(), ()), ""))
        for service_id in self._find_services_by_name(program):
            doubts_by_service.setdefault(service_id, BY_NAMES_DETAIL)
        for service_id in self.services_by_image.get(program.program.rpartition("\\")[2].casefold(), ()):
            doubts_by_service.setdefault(service_id, BY_IMAGE_DETAIL)
        return doubts_by_service

    def _find_services_by_name(self, program: InstalledProgram) -> Iterator[str]:
        """Yield the services to which a program belongs by its names.

        Name and publisher must match, or the name in the service's own script (such as Chinese).
        """
        publisher = _normalise_company(program.publisher[:MAX_NAME_LENGTH])
        for name in iterate_names(program):
            yield from self.services_by_script_name.get(name.casefold(), ())
            for catalogue_publisher, service_id in self.publishers_by_name.get(_normalise_name(name), ()):
                if publisher == catalogue_publisher:
                    yield service_id


def iterate_names(program: InstalledProgram) -> Iterator[str]:
    """Yield the name of a program, then the name without its last suffix (such as a version), and so on."""
    name = program.name[:MAX_NAME_LENGTH].strip()
    for _ in range(MAX_TAILS):
        yield name
        name = _TAIL_PATTERN.sub("", name)


def _normalise_company(publisher: str) -> str:
    """Return a publisher's name without the company's legal form (Inc, GmbH), to compare it with others."""
    words = [_normalise_name(word) for word in publisher.split()]
    while len(words) > 1 and words[-1] in _COMPANY_KINDS:
        words.pop()
    return "".join(words)


def _normalise_name(text: str) -> str:
    """Return a name in lower case and without blanks and punctuation."""
    return _NON_WORD_PATTERN.sub("", text.casefold())


def _iterate_path_tails(path: str) -> Iterator[str]:
    """Yield the ends of a path: the last eight parts, the last seven, and so on to the file name."""
    path_parts = path.split("\\")[-8:]
    for count in range(len(path_parts)):
        yield "\\" + "\\".join(path_parts[count:])


def find_program_folder(program: InstalledProgram) -> str:
    """Return the folder of a program for comparison: in lower case and without drive.

    Returns "" if the program's registry key does not have the folder.
    """
    folder = program.location.strip().strip('"').rstrip("\\")
    if not folder:
        start, extension, _ = program.icon.strip().strip('"').casefold().partition(".exe")
        folder = start.rpartition("\\")[0] if extension else ""
    path_below_volume = strip_volume(folder)
    return f"{path_below_volume}\\" if path_below_volume else ""
