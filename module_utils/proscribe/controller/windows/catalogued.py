"""What the plan's services are called on Windows, as it is compared with what a host has.

Certain are the paths and uninstall keys of the catalogue, and its app packages. So are the keys that winget makes for
portable programs, which begin with the package's id. A program may also be known by its names alone: name and publisher
are those that the catalogue has, or the name is what people call the service in their own script. A path's last part
may be an image name of the catalogue.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping

from ...model.types.plan import PlanEntry
from .installed import InstalledProgram, strip_volume
from .packages import AppPackage

BY_NAMES_DETAIL = "known by its names alone"
BY_IMAGE_DETAIL = "known by its image's name alone"
_NON_WORD_PATTERN = re.compile(r"[\W_]+")
# What a publisher's name ends with in one release and not in another.
_COMPANY_KINDS = frozenset(
    ("ab", "ag", "bv", "co", "corp", "corporation", "gmbh", "inc", "limited", "llc", "ltd", "pte", "sa", "srl", "ug")
)
# What installers put behind a name: a version, an architecture, whom it is for.
_TAIL_PATTERN = re.compile(
    r"(?:\s+|\s*\()(?:v?\d[\d.]*|x64|x86|arm64|64-bit|32-bit|user|machine|[a-z]{2}-[a-z]{2})\)?\s*$", re.I
)
# And what publishers put behind the name of an app package.
_APP_TAIL_PATTERN = re.compile(r"(?:app|beta|desktop|messenger|oem|pc|uwp|win8|windows)+$")
MAX_TAILS = 4  # times that a name is compared, each time without one more of them
MAX_NAME_LENGTH = 200  # characters of a name that is compared


class WindowsCatalogue:
    """What the plan's services are called on Windows, as it is compared."""

    def __init__(self, services: Mapping[str, PlanEntry]) -> None:
        self.services_by_path: dict[str, list[str]] = {}  # \vendor\program\program.exe
        self.services_by_image: dict[str, list[str]] = {}
        self.services_by_app: dict[str, list[str]] = {}  # app packages, by name or family
        self.services_by_winget_id: dict[str, list[str]] = {}  # of winget
        self.services_by_key: dict[str, list[str]] = {}  # of installers
        self.services_by_script_name: dict[str, list[str]] = {}  # in the services' own script
        self.publishers_by_name: dict[str, list[tuple[str, str]]] = {}  # by name: the publisher, and the service
        self.services_by_app_name: dict[str, list[str]] = {}  # those without an app package, by what one may be called
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
        """The services whose app package this is."""
        for name in (app.name, app.family):
            yield from self.services_by_app.get(name.casefold(), ())

    def list_services_named_as(self, app: AppPackage) -> Iterator[str]:
        """The services of which the catalogue has no app package, and this one may be: it has their name."""
        name = _normalise_name(app.name.rpartition(".")[2][:MAX_NAME_LENGTH])
        yield from dict.fromkeys(
            service_id
            for text in (name, _APP_TAIL_PATTERN.sub("", name))
            for service_id in self.services_by_app_name.get(text, ())
        )

    def find_services(self, program: InstalledProgram) -> dict[str, str]:
        """The services that something registered is, each with why it may be something else, "" where it is sure."""
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
        family, _, _ = program.program.partition("!")  # of what an app package has run; else it is a path
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
    """The name of what is registered, each time without one more version or the like behind it."""
    name = program.name[:MAX_NAME_LENGTH].strip()
    for _ in range(MAX_TAILS):
        yield name
        name = _TAIL_PATTERN.sub("", name)


def _normalise_company(publisher: str) -> str:
    """A publisher's name as it is compared: without what kind of company it is."""
    words = [_normalise_name(word) for word in publisher.split()]
    while len(words) > 1 and words[-1] in _COMPANY_KINDS:
        words.pop()
    return "".join(words)


def _normalise_name(text: str) -> str:
    """A name without case, blanks and signs."""
    return _NON_WORD_PATTERN.sub("", text.casefold())


def _iterate_path_tails(path: str) -> Iterator[str]:
    """A path, and what is left of it below each of its folders."""
    path_parts = path.split("\\")[-8:]
    for count in range(len(path_parts)):
        yield "\\" + "\\".join(path_parts[count:])


def find_program_folder(program: InstalledProgram) -> str:
    """Where a program lies, as folders are compared; "" where the key does not say."""
    folder = program.location.strip().strip('"').rstrip("\\")
    if not folder:
        start, extension, _ = program.icon.strip().strip('"').casefold().partition(".exe")
        folder = start.rpartition("\\")[0] if extension else ""
    path_below_volume = strip_volume(folder)
    return f"{path_below_volume}\\" if path_below_volume else ""
