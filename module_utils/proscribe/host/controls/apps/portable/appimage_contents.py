"""Identification of an AppImage by its content: its desktop entry, update information and programs.

An AppImage of type 2 is an ELF file, with a squashfs archive behind it (AppImageSpec, draft 2). A user can choose the
name of the file, but its builder chose its content. The content is compared with all names that the catalogue has for
an app.
"""

from __future__ import annotations

from typing import Collection, Sequence

from .....base import elf
from .....base.elf import ReadContent
from . import asar
from .desktop_entries import parse_launcher, parse_started_program
from .squashfs import SquashfsArchive, UnreadableArchive

MAX_ENTRY_BYTES = 64 * 1024  # bytes of a desktop entry that are read
MIN_NAMED_PLACES = 2  # least number of places in an AppImage that must name the app: a single place may be chance
# Categories of desktop entries (Desktop Menu Specification) that no messenger and no client of a cloud or tunnel has.
OTHER_CATEGORIES = frozenset(
    ("Game", "Education", "Science", "Graphics", "AudioVideo", "Audio", "Video", "Development")
)
NETWORK_CATEGORY = "Network"


def explain_appimage_doubt(content: ReadContent, app_names: Collection[str]) -> str:
    """Explain why an AppImage may be another app than its file name says, or return "".

    "" means that the content confirms the name. `app_names` are the names of the app's programs, desktop entries and
    packages, in lower case. The categories of the desktop entry must fit a restricted app too.
    """
    try:
        named_places, categories = _read_appimage_identity(content, app_names)
    except UnreadableArchive as error:
        return f"known by its name alone, since {error}, so it is not moved"
    if named_places < MIN_NAMED_PLACES:
        return "known by its name alone: what is in it does not say that it is this app, so it is not moved"
    if NETWORK_CATEGORY not in categories and (other_categories := sorted(OTHER_CATEGORIES.intersection(categories))):
        return f"its own desktop entry says that it is something else ({other_categories[0]}), so it is not moved"
    return ""


def _read_appimage_identity(content: ReadContent, app_names: Collection[str]) -> tuple[int, set[str]]:
    """Return how many places in an AppImage have a name of the app, and the categories of its desktop entry.

    Three places belong to the desktop entry: its file name, its commands and its window class. The others are
    package.json, the update information and the programs. Raises UnreadableArchive.
    """
    program = elf.read_elf(content)
    if program is None:
        raise UnreadableArchive("it is no program")
    update = elf.read_section_text(content, program, ".upd_info").lower()
    archive = SquashfsArchive(content, program.end)
    names = [name for name, _ in archive.list_directory(archive.read_node(archive.root_reference))]
    entries = [name for name in names if name.endswith(".desktop")]
    if len(entries) != 1:
        raise UnreadableArchive("it has no desktop entry" if not entries else "it has more than one desktop entry")
    node = archive.find_node(entries[0])
    text = archive.read_head(node, MAX_ENTRY_BYTES).decode("utf-8", "replace") if node else ""
    values = _parse_entry_values(text)
    commands = [parse_started_program(command)[0].rpartition("/")[2] for command in parse_launcher(text).commands[:20]]
    places: Sequence[Sequence[str]] = (
        [entries[0][: -len(".desktop")]],
        commands,
        [values.get("StartupWMClass", "")],
        _read_package_names(archive, names),
        update.split("|"),  # gh-releases-zsync|owner|repository|latest|file (AppImageSpec)
        _find_named_programs(archive, names, app_names),
    )
    named_places = sum(any(word.lower() in app_names for word in place_words) for place_words in places)
    return named_places, {word for word in values.get("Categories", "").split(";") if word}


def _parse_entry_values(text: str) -> dict[str, str]:
    """Return, by key, the values of a desktop entry's main group, which is [Desktop Entry]."""
    is_inside = False
    values: dict[str, str] = {}
    for line in text.splitlines():
        if line.startswith("["):
            is_inside = line.strip() == "[Desktop Entry]"
        elif is_inside and "=" in line:
            key, _, entry_value = line.partition("=")
            values.setdefault(key.strip(), entry_value.strip())
    return values


def _read_package_names(archive: SquashfsArchive, names: Collection[str]) -> list[str]:
    """Return the app's names in the package.json of an Electron app, or [] without a package.json."""
    node = archive.find_node("resources/app.asar") if "resources" in names else None
    if node is None:
        return []
    head = archive.read_head(node, asar.MAX_HEADER_BYTES)
    package = asar.read_asar(lambda offset, size: head[offset : offset + size])
    return package.names if package else []


def _find_named_programs(archive: SquashfsArchive, names: Collection[str], app_names: Collection[str]) -> list[str]:
    """Return the names of programs with a name of the app, at the archive's root or in usr/bin.

    `names` are the names at the root. At most four files with such a name are read.
    """
    programs = []
    folder = archive.find_node("usr/bin") if "usr" in names else None
    bin_names = [name for name, _ in archive.list_directory(folder)] if folder else []
    places = [(name, name) for name in names] + [(name, f"usr/bin/{name}") for name in bin_names]
    for name, path in [place for place in places if place[0].lower() in app_names][:4]:
        node = archive.find_node(path)
        if node and elf.is_elf(archive.read_head(node, elf.HEADER_BYTES)):
            programs.append(name)
    return programs
