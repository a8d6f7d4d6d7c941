"""Match of a file's name with the services for which the file scan of a host checks such a file. Pure."""

from __future__ import annotations

from collections.abc import Iterator

from ....host.controls.apps.portable import appimage
from ....host.controls.apps.portable.app_names import AppNames
from ....host.controls.apps.portable.scan import SCANNED_PLACES, SYSTEM_HOMES
from ...compile.catalogue.catalogue_loader import Catalogue
from ...compile.controls.apps import list_app_identifiers

# Kinds of match of a file's name with the names of a service's app.
APPIMAGE, STEM, WINDOWS, PROGRAM, DESKTOP = "appimage", "name", "windows", "program", "desktop"
FILE_SUFFIXES = (appimage.IMAGE_SUFFIX, ".exe")  # a word with such an end is no host name
LOCAL_PREFIX = "/usr/local/"  # the only part of /usr that belongs to no package system

CONTENT_SHOWS, NEVER_MOVED = "what is in it shows that", ""  # evidence that a scan needs to move a file


def is_file(word: str) -> bool:
    """Return whether a word can only be a file's name or path."""
    return word.lower().endswith(FILE_SUFFIXES) or word.startswith(("/", "~/"))


def is_scanned(word: str) -> bool:
    """Return whether the file scan covers a path. A bare name counts as covered: it may be in any directory."""
    if "/" not in word or word.startswith(("~/", LOCAL_PREFIX, *(f"{place}/" for place in SCANNED_PLACES))):
        return True
    return word.startswith("/") and not word.startswith(tuple(f"{place}/" for place in SYSTEM_HOMES))


def match_file_name(word: str, names: AppNames) -> Iterator[tuple[str, str]]:
    """Yield (service id, kind of match) for each service whose app may have a file of this name.

    `word` is a name or a path, of which only the last part counts. `names` has the names for which the file scan of a
    host searches.
    """
    name = word.rpartition("/")[2]
    if name.lower().endswith(appimage.IMAGE_SUFFIX):
        for service in names.find_image_services(name):
            yield service, APPIMAGE
    elif name in names.windows_paths:
        for service in names.windows_paths[name]:
            yield service, WINDOWS
    elif name in names.programs or name in names.marked_programs:
        # A program of `marked_programs` counts in a scan only if the file has the mark of its maker.
        for service in dict.fromkeys([*names.programs.get(name, ()), *names.marked_programs.get(name, ())]):
            yield service, PROGRAM
    elif name in names.desktop_files:
        for service in names.desktop_files[name]:
            yield service, DESKTOP
    elif name not in names.all_names:
        # The name may still have additions to a program's name, such as a version or `linux`. The stem is without them.
        for service in names.services_by_stem.get(appimage.make_name_stem(name), ()):
            yield service, STEM


def collect_names(catalogue: Catalogue) -> AppNames:
    """Return the names of programs and files of all services of a catalogue, restricted or not."""
    entries = {service_id: list_app_identifiers(service) for service_id, service in catalogue.services.items()}
    return AppNames({service_id: entry for service_id, entry in entries.items() if entry})


def describe_file_scan(match_kind: str, name: str, service: str, mode: str) -> str:
    """Return a sentence: where the file scan searches for such a file, and whether an enforcing run moves it.

    `match_kind` is a kind from match_file_name. `service` is a name for messages. `mode` is the mode of the service's
    entry in the plan: only `enforce` moves files to quarantine.
    """
    everywhere = f"homes, {', '.join(SCANNED_PLACES)}"
    kind, place, proof = {
        APPIMAGE: (f"an AppImage called {name}", everywhere, CONTENT_SHOWS),
        PROGRAM: (f"a program called {name}", everywhere, "what is in it and around it shows that"),
        DESKTOP: (
            f"a desktop entry called {name}",
            "directories of the app's name, with a program in them",
            NEVER_MOVED,
        ),
        STEM: (
            f"an AppImage or a tool called {name}",
            "Downloads, Desktop, bin and the like, /opt and /tmp",
            CONTENT_SHOWS,
        ),
        WINDOWS: (
            f"a Windows program called {name}",
            "Wine prefixes",
            "it lies where that one's does",
        ),
    }[match_kind]
    move_note = (
        f", and moved to quarantine where {proof}"
        if mode == "enforce" and proof != NEVER_MOVED
        else "; it is not moved"
    )
    return f"{kind} is looked for in {place}: it is reported as {service}'s{move_note}"
