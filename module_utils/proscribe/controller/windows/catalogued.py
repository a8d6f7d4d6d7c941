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
from .installed import Installed, below_volume
from .packages import App

BY_NAMES = "known by its names alone"
BY_IMAGE = "known by its image's name alone"
_NO_WORD = re.compile(r"[\W_]+")
# What a publisher's name ends with in one release and not in another.
_COMPANY = frozenset(
    ("ab", "ag", "bv", "co", "corp", "corporation", "gmbh", "inc", "limited", "llc", "ltd", "pte", "sa", "srl", "ug")
)
# What installers put behind a name: a version, an architecture, whom it is for.
_TAIL = re.compile(
    r"(?:\s+|\s*\()(?:v?\d[\d.]*|x64|x86|arm64|64-bit|32-bit|user|machine|[a-z]{2}-[a-z]{2})\)?\s*$", re.I
)
# And what publishers put behind the name of an app package.
_APP_TAIL = re.compile(r"(?:app|beta|desktop|messenger|oem|pc|uwp|win8|windows)+$")
TAILS = 4  # times that a name is compared, each time without one more of them
LONGEST_NAME = 200  # characters of a name that is compared


class Catalogued:
    """What the plan's services are called on Windows, as it is compared."""

    def __init__(self, services: Mapping[str, PlanEntry]) -> None:
        self.programs: dict[str, list[str]] = {}  # \vendor\program\program.exe
        self.images: dict[str, list[str]] = {}
        self.apps: dict[str, list[str]] = {}  # app packages, by name or family
        self.ids: dict[str, list[str]] = {}  # of winget
        self.keys: dict[str, list[str]] = {}  # of installers
        self.names: dict[str, list[str]] = {}  # in the services' own script
        self.published: dict[str, list[tuple[str, str]]] = {}  # by name: the publisher, and the service
        self.called: dict[str, list[str]] = {}  # those without an app package, by what one may be called
        for id_, entry in services.items():
            packages, registered = entry.get("windows_packages", {}), entry.get("windows_registered", {})
            self._note(self.programs, id_, ["\\" + path.replace("/", "\\") for path in entry.get("windows", ())])
            self._note(self.images, id_, entry.get("windows_processes", ()))
            self._note(self.apps, id_, packages.get("appx", ()))
            self._note(self.ids, id_, packages.get("winget", ()))
            self._note(self.keys, id_, registered.get("keys", ()))
            self._note(self.names, id_, [name for name in entry.get("names", ()) if not name.isascii()])
            for text in registered.get("names", ()):
                name, _, publisher = text.rpartition(" by ")
                self.published.setdefault(_word(name), []).append((_company(publisher), id_))
            if not packages.get("appx"):
                names = [entry["name"], *(text.rpartition(" by ")[0] for text in registered.get("names", ()))]
                names += [image.rpartition(".")[0] for image in entry.get("windows_processes", ())]
                self._note(self.called, id_, dict.fromkeys(filter(None, map(_word, names))))

    @staticmethod
    def _note(index: dict[str, list[str]], service: str, texts: Iterable[str]) -> None:
        for text in texts:
            index.setdefault(text.casefold(), []).append(service)

    def services_of_app(self, app: App) -> Iterator[str]:
        """The services whose app package this is."""
        for name in (app.name, app.family):
            yield from self.apps.get(name.casefold(), ())

    def services_called_as(self, app: App) -> Iterator[str]:
        """The services of which the catalogue has no app package, and this one may be: it has their name."""
        name = _word(app.name.rpartition(".")[2][:LONGEST_NAME])
        yield from dict.fromkeys(
            service for text in (name, _APP_TAIL.sub("", name)) for service in self.called.get(text, ())
        )

    def services_of(self, one: Installed) -> dict[str, str]:
        """The services that something registered is, each with why it may be something else, "" where it is sure."""
        found: dict[str, str] = {}
        for text in (one.icon, one.uninstall, one.program):
            path = text.strip().strip('"').casefold()
            path = path.partition(".exe")[0] + ".exe" if ".exe" in path else path
            for program in _tails(path):
                found.update(dict.fromkeys(self.programs.get(program, ()), ""))
        folder = one.location.strip().strip('"').rstrip("\\").casefold()
        if folder:
            for program, services in self.programs.items():
                if folder.endswith(program.rpartition("\\")[0]):
                    found.update(dict.fromkeys(services, ""))
        found.update(dict.fromkeys(self.keys.get(one.key.casefold(), ()), ""))
        package, there, _ = one.key.casefold().partition("_")
        found.update(dict.fromkeys(self.ids.get(package, ()) if there else (), ""))
        family, _, _ = one.program.partition("!")  # of what an app package has run; else it is a path
        found.update(dict.fromkeys(self.apps.get(family.casefold(), ()), ""))
        for service in self._by_names(one):
            found.setdefault(service, BY_NAMES)
        for service in self.images.get(one.program.rpartition("\\")[2].casefold(), ()):
            found.setdefault(service, BY_IMAGE)
        return found

    def _by_names(self, one: Installed) -> Iterator[str]:
        publisher = _company(one.publisher[:LONGEST_NAME])
        for name in names_of(one):
            yield from self.names.get(name.casefold(), ())
            for published_by, service in self.published.get(_word(name), ()):
                if publisher == published_by:
                    yield service


def names_of(one: Installed) -> Iterator[str]:
    """The name of what is registered, each time without one more version or the like behind it."""
    name = one.name[:LONGEST_NAME].strip()
    for _ in range(TAILS):
        yield name
        name = _TAIL.sub("", name)


def _company(publisher: str) -> str:
    """A publisher's name as it is compared: without what kind of company it is."""
    words = [_word(word) for word in publisher.split()]
    while len(words) > 1 and words[-1] in _COMPANY:
        words.pop()
    return "".join(words)


def _word(text: str) -> str:
    """A name without case, blanks and signs."""
    return _NO_WORD.sub("", text.casefold())


def _tails(path: str) -> Iterator[str]:
    """A path, and what is left of it below each of its folders."""
    steps = path.split("\\")[-8:]
    for count in range(len(steps)):
        yield "\\" + "\\".join(steps[count:])


def folder_of(one: Installed) -> str:
    """Where a program lies, as folders are compared; "" where the key does not say."""
    folder = one.location.strip().strip('"').rstrip("\\")
    if not folder:
        start, ended, _ = one.icon.strip().strip('"').casefold().partition(".exe")
        folder = start.rpartition("\\")[0] if ended else ""
    below = below_volume(folder)
    return f"{below}\\" if below else ""
