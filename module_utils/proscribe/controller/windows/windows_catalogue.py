"""An index of the plan's services by their identifiers on Windows, to recognise the software of a host.

Paths, uninstall keys and app packages of the catalogue are certain. The uninstall keys that winget makes for portable
programs begin with the package id, and are certain too. A match by name alone has a detail that says so: name and
publisher are those of the catalogue, or the name is that of the service in its own script. The same holds for a match
by a file name that only this service has.

A file name that programs of others have, too, is no match by itself. The path or the publisher decides. A match is
doubtful if neither is known. A doubtful match makes a rule unknown.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import NamedTuple

from ...model.types.plan import PlanEntry
from .installed_programs import STORE_FOLDER, InstalledProgram, extract_program_path, strip_volume
from .store_packages import AppPackage

BY_NAMES_DETAIL = "known by its names alone"
BY_IMAGE_DETAIL = "known by its image's name alone"
BY_PUBLISHER_DETAIL = "known by its image's name and publisher"
SHARED_IMAGE_REASON = "whether a program whose name programs of others have, too, is this service is not known"
NO_PUBLISHER_REASON = "whether a program of the same name without a publisher is this service is not known"
_NON_WORD_PATTERN = re.compile(r"[\W_]+")
# Legal forms at the end of a company's name. Releases of a program may differ in them.
_COMPANY_KINDS = frozenset(
    (
        *("ab", "ag", "bv", "co", "corp", "corporation", "gmbh", "inc", "limited", "llc", "ltd", "pte", "sa", "sarl"),
        *("srl", "ug"),
    )
)
# The years that some publishers write in front of their name: 2010-2024 Viber Media S.a.r.l
_YEARS_PATTERN = re.compile(r"(?:(?:\(c\)|\u00a9|copyright)\s*)?\d{4}(?:\s*-\s*\d{4})?\s+", re.I)
# Folders in which only administrators install programs. A program below them is of the service only if its folder is.
_PROTECTED_FOLDERS = ("\\program files\\", "\\program files (x86)\\", "\\windows\\")
# A suffix that an installer appends to a program's name: a version, an architecture, a scope or a language.
_TAIL_PATTERN = re.compile(
    r"(?:\s+|\s*\()(?:v?\d[\d.]*|x64|x86|arm64|64-bit|32-bit|user|machine|[a-z]{2}-[a-z]{2})\)?\s*$", re.I
)
# Suffixes that publishers append to the name of an app package.
_APP_TAIL_PATTERN = re.compile(r"(?:app|beta|desktop|messenger|oem|pc|uwp|win8|windows)+$")
MAX_TAILS = 4  # most variants of a name that are compared; each has a suffix less than the variant before
MAX_NAME_LENGTH = 200  # most characters of a name that is compared


class ServiceMatch(NamedTuple):
    """Evidence that a program belongs to a service."""

    detail: str = ""  # how the program is known; "" for a certain identifier
    doubt: str = ""  # the reason why the program may be another; "" for none


class WindowsCatalogue:
    """An index of the plan's services by their identifiers on Windows.

    The keys of each index are identifiers in lower case, the values are lists of service ids.
    """

    def __init__(self, services: Mapping[str, PlanEntry]) -> None:
        self.services_by_path: dict[str, list[str]] = {}  # \vendor\program\program.exe
        self.services_by_image: dict[str, list[str]] = {}  # by file name of a program that only the service has
        # by file name of a program that programs of others have, too
        self.services_by_shared_image: dict[str, list[str]] = {}
        self.publishers_by_service: dict[str, set[str]] = {}  # names of publishers, as _normalise_company returns them
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
            shared_images = entry.get("windows_shared_processes", ())
            self._index_service(self.services_by_image, service_id, entry.get("windows_processes", ()))
            self._index_service(self.services_by_shared_image, service_id, shared_images)
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
            publishers = [text.rpartition(" by ")[2] for text in registered_programs.get("names", ())]
            publishers += [_get_organisation(text) for text in entry.get("windows_publishers", {}).get("programs", ())]
            self.publishers_by_service[service_id] = set(map(_normalise_company, publishers))
            if not packages.get("appx"):
                names = [entry["name"], *(text.rpartition(" by ")[0] for text in registered_programs.get("names", ()))]
                images = (*entry.get("windows_processes", ()), *shared_images)
                names += [image.rpartition(".")[0] for image in images]
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

    def find_services(self, program: InstalledProgram) -> dict[str, ServiceMatch]:
        """Return the services to which a program of a host belongs, by service id.

        The first match of a service counts. A match without a doubt replaces a doubtful match.
        """
        match_by_service: dict[str, ServiceMatch] = {}
        for service_id, match in self._iterate_matches(program):
            if match_by_service.setdefault(service_id, match).doubt and not match.doubt:
                match_by_service[service_id] = match
        return match_by_service

    def _iterate_matches(self, program: InstalledProgram) -> Iterator[tuple[str, ServiceMatch]]:
        """Yield each match of a program with a service; the matches without a detail come first."""
        paths = [path for path in map(extract_program_path, (program.icon, program.uninstall, program.program)) if path]
        for path in paths:
            for path_tail in _iterate_path_tails(path):
                for service_id in self.services_by_path.get(path_tail, ()):
                    yield service_id, self._judge_path(program, service_id, path)
        if folder := program.location.strip().strip('"').rstrip("\\").casefold():
            for path, service_ids in self.services_by_path.items():
                # The program lies in the folder that the catalogue names.
                if folder.endswith(path.rpartition("\\")[0]):
                    for service_id in service_ids:
                        yield service_id, self._judge_path(program, service_id, path)
        # Windows does not list a program whose key has no value. An uninstaller has left such a key behind.
        certain_ids = [*self.services_by_key.get(program.key.casefold(), ())] if any(program[1:]) else []
        # The uninstall key of a portable program of winget begins with the package id and an underscore.
        package, separator, _ = program.key.casefold().partition("_")
        certain_ids += self.services_by_winget_id.get(package, ()) if separator else ()
        # for a started app package, the text before "!" is its family; otherwise `program` is a path
        certain_ids += self.services_by_app.get(program.program.partition("!")[0].casefold(), ())
        yield from ((service_id, ServiceMatch()) for service_id in certain_ids)
        yield from self._find_services_by_name(program)
        yield from self._find_services_by_image(program, paths)

    def _judge_path(self, program: InstalledProgram, service_id: str, path: str) -> ServiceMatch:
        """Return the match of a program whose path is in the catalogue.

        It is doubtful if the file name is shared and the publisher is not of the service.
        """
        is_shared = service_id in self.services_by_shared_image.get(path.rpartition("\\")[2], ())
        is_other = is_shared and self._has_publisher(program, service_id) is False
        return ServiceMatch(doubt=SHARED_IMAGE_REASON) if is_other else ServiceMatch()

    def _has_publisher(self, program: InstalledProgram, service_id: str) -> bool | None:
        """Return True if a program has a publisher of the service, None if either publisher is unknown."""
        publisher = _normalise_company(program.publisher[:MAX_NAME_LENGTH])
        publishers = self.publishers_by_service[service_id]
        return publisher in publishers if publisher and publishers else None

    def _find_services_by_image(
        self, program: InstalledProgram, paths: Iterable[str]
    ) -> Iterator[tuple[str, ServiceMatch]]:
        """Yield the services to which a program belongs by the file name of one of its paths."""
        for path in dict.fromkeys(paths):
            image = path.rpartition("\\")[2]
            for service_id in self.services_by_image.get(image, ()):
                yield service_id, ServiceMatch(BY_IMAGE_DETAIL)
            for service_id in self.services_by_shared_image.get(image, ()):
                has_publisher = self._has_publisher(program, service_id)
                if has_publisher:
                    yield service_id, ServiceMatch(BY_PUBLISHER_DETAIL)
                elif has_publisher is None and not _is_of_another(program, path):
                    yield service_id, ServiceMatch(BY_IMAGE_DETAIL, SHARED_IMAGE_REASON)

    def _find_services_by_name(self, program: InstalledProgram) -> Iterator[tuple[str, ServiceMatch]]:
        """Yield the services to which a program belongs by its names.

        Name and publisher must match, or the name in the service's own script (such as Chinese). Without a publisher,
        the match is doubtful.
        """
        publisher = _normalise_company(program.publisher[:MAX_NAME_LENGTH])
        for name in iterate_names(program):
            for service_id in self.services_by_script_name.get(name.casefold(), ()):
                yield service_id, ServiceMatch(BY_NAMES_DETAIL)
            for catalogue_publisher, service_id in self.publishers_by_name.get(_normalise_name(name), ()):
                if publisher == catalogue_publisher:
                    yield service_id, ServiceMatch(BY_NAMES_DETAIL)
                elif not publisher:
                    yield service_id, ServiceMatch(BY_NAMES_DETAIL, NO_PUBLISHER_REASON)


def _is_of_another(program: InstalledProgram, path: str) -> bool:
    """Return True if the path or the name shows that a program with a shared file name is of another vendor.

    The path is not in the catalogue, and the publisher is unknown.
    """
    path_below_volume = strip_volume(path)
    if path_below_volume.startswith(_PROTECTED_FOLDERS) and not path_below_volume.startswith(STORE_FOLDER):
        return True
    image_name = _normalise_name(path.rpartition("\\")[2].removesuffix(".exe"))
    return bool(program.name) and not _normalise_name(program.name[:MAX_NAME_LENGTH]).startswith(image_name)


def iterate_names(program: InstalledProgram) -> Iterator[str]:
    """Yield the name of a program, then the name without its last suffix (such as a version), and so on."""
    name = program.name[:MAX_NAME_LENGTH].strip()
    for _ in range(MAX_TAILS):
        yield name
        name = _TAIL_PATTERN.sub("", name)


def _normalise_company(publisher: str) -> str:
    """Return a publisher's name without years and the company's legal form (Inc, GmbH), to compare it with others."""
    words = [_normalise_name(word) for word in _YEARS_PATTERN.sub("", publisher.strip(), count=1).split()]
    while len(words) > 1 and words[-1] in _COMPANY_KINDS:
        words.pop()
    return "".join(words)


def _get_organisation(signer: str) -> str:
    """Return the organisation of a signer in AppLocker's notation, such as PARROT LTD of `O=PARROT LTD, C=AU`."""
    return signer.removeprefix("O=").partition("\\")[0].partition(", L=")[0].partition(", S=")[0].partition(", C=")[0]


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
