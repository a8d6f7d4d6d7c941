"""What an AppImage says of itself by what is in it: its desktop entry, update information and programs.

An AppImage of type 2 is an ELF file with a squashfs archive behind it (AppImageSpec, draft 2). Its name is its user's
word; what is in it was put there by whoever built it. That is compared with all that the catalogue calls an app.
"""

from __future__ import annotations

from typing import Collection, Sequence

from .....base import elf
from .....base.elf import ReadContent
from . import asar
from .desktop_entries import parse, started
from .squashfs import Archive, Unreadable

ENTRY = 64 * 1024  # bytes of a desktop entry
ALIKE = 2  # places in which an app has to be named, so that it is more than another one of the same name.
# Of a desktop entry (Desktop Menu Specification). A messenger, or the client of a cloud or a tunnel, is none of these.
OTHERS = frozenset(("Game", "Education", "Science", "Graphics", "AudioVideo", "Audio", "Video", "Development"))
OURS = "Network"


def doubt(content: ReadContent, called: Collection[str]) -> str:
    """Why an AppImage may be another app than one that is called so; "" if what is in it says that it is that one.

    `called` are names in small letters: of programs, desktop entries, packages.
    """
    try:
        named, categories = _said(content, called)
    except Unreadable as error:
        return f"known by its name alone, since {error}, so it is not moved"
    if named < ALIKE:
        return "known by its name alone: what is in it does not say that it is this app, so it is not moved"
    if OURS not in categories and (other := sorted(OTHERS.intersection(categories))):
        return f"its own desktop entry says that it is something else ({other[0]}), so it is not moved"
    return ""


def _said(content: ReadContent, called: Collection[str]) -> tuple[int, set[str]]:
    """In how many places it is named as the app is, and the categories of its desktop entry."""
    program = elf.read_elf(content)
    if program is None:
        raise Unreadable("it is no program")
    update = elf.read_section_text(content, program, ".upd_info").lower()
    archive = Archive(content, program.end)
    names = [name for name, _ in archive.listed(archive.node(archive.root))]
    entries = [name for name in names if name.endswith(".desktop")]
    if len(entries) != 1:
        raise Unreadable("it has no desktop entry" if not entries else "it has more than one desktop entry")
    node = archive.find(entries[0])
    text = archive.head(node, ENTRY).decode("utf-8", "replace") if node else ""
    values = _values(text)
    commands = [started(command)[0].rpartition("/")[2] for command in parse(text).commands[:20]]
    places: Sequence[Sequence[str]] = (
        [entries[0][: -len(".desktop")]],
        commands,
        [values.get("StartupWMClass", "")],
        _package(archive, names),
        update.split("|"),  # gh-releases-zsync|owner|repository|latest|file (AppImageSpec)
        _programs(archive, names, called),
    )
    named = sum(any(word.lower() in called for word in said) for said in places)
    return named, {word for word in values.get("Categories", "").split(";") if word}


def _values(text: str) -> dict[str, str]:
    """The keys of a desktop entry's own group."""
    inside = False
    found: dict[str, str] = {}
    for line in text.splitlines():
        if line.startswith("["):
            inside = line.strip() == "[Desktop Entry]"
        elif inside and "=" in line:
            key, _, value = line.partition("=")
            found.setdefault(key.strip(), value.strip())
    return found


def _package(archive: Archive, names: Collection[str]) -> list[str]:
    """What an Electron app's package.json calls it."""
    node = archive.find("resources/app.asar") if "resources" in names else None
    if node is None:
        return []
    head = archive.head(node, asar.LARGEST)
    package = asar.read(lambda offset, size: head[offset : offset + size])
    return package.names if package else []


def _programs(archive: Archive, names: Collection[str], called: Collection[str]) -> list[str]:
    """Programs of the app's names, at the root or in usr/bin."""
    found = []
    folder = archive.find("usr/bin") if "usr" in names else None
    inner = [name for name, _ in archive.listed(folder)] if folder else []
    places = [(name, name) for name in names] + [(name, f"usr/bin/{name}") for name in inner]
    for name, path in [place for place in places if place[0].lower() in called][:4]:
        node = archive.find(path)
        if node and elf.is_elf(archive.head(node, elf.HEADER_BYTES)):
            found.append(name)
    return found
