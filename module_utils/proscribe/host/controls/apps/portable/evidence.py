"""How a program is known for certain: by what is in it and around it, never by a name that its user has given.

Root takes nothing away on a name. A program has to be one by its content, with the rest of its app around it, or with
its maker's own mark in it. Where that is lacking, it is reported and left where it is.
"""

from __future__ import annotations

import re
import stat
import struct
from functools import partial
from typing import Collection, Mapping

from .....base import elf
from .....base.elf import ReadContent, is_elf
from .....base.tuples import NamedTuple
from ....system import Host, escape_text
from ..content import built_from
from . import appimage_contents, asar
from .names import Names
from .program_parts import ENTRY, FRAME, HEAD, LIBRARY, Own, Test, TooLarge, is_program

ALONE = "known by its name alone, so it is not moved"
NAMED = "known by the name in its package.json alone, so it is not moved"
PATH_ALONE = "known by its path alone, so it is not moved"
MOST_NAMES = 200  # of a directory that are checked
MOST_AROUND = 2_000  # names of a directory that are read for one program in it; an app has some hundred there
MOST_PARTS = 200  # that move one by one
SHOWN = 3  # names of what stays
PE_HEAD = 4096  # bytes that contain a Windows program's header
INI = 16 * 1024


class Known(NamedTuple):
    """How something is known."""

    why: str
    doubt: str = ""  # why it stays where it is; "" if it is certain
    own: bool = False  # the directory that it lies in is its app's alone


def content(host: Host, path: str) -> ReadContent:
    """What reads a file of the host in pieces."""
    return partial(host.read_range, path)


def image(host: Host, path: str, names: Names, service: str) -> Known:
    """An AppImage whose name is a service's."""
    doubt = appimage_contents.doubt(content(host, path), names.called[service])
    return Known("an AppImage of that name" if doubt else "an AppImage of that app, by what is in it", doubt)


def program(
    host: Host, path: str, names: Names, service: str, beside: Collection[str], at_a_path: bool = False
) -> Known | None:
    """A program whose name is a service's, with the names that lie beside it. None if it is another program.

    In a directory of the app's name, or at a path that the catalogue names, libraries beside it are enough.
    """
    directory, _, name = path.rpartition("/")
    read = content(host, path)
    markers = names.markers.get(service, {})
    binary = elf.read_elf(read)
    if known := tool(host, path, names, service):
        return known
    if service not in names.programs.get(name, ()):
        return None  # a word that many programs have
    if binary is None and not is_program(host.read_head(path, HEAD)):
        return None
    own = names.own(directory, service)
    signs = signs_in(host, directory, beside)
    if not signs and binary is not None and (own or at_a_path):
        signs = [one for one in sorted(beside) if LIBRARY.fullmatch(one) and _is(host, f"{directory}/{one}", is_elf)][
            :1
        ]
    others = [
        other
        for other in sorted(set(beside) - {name})
        if service in names.programs.get(other, ()) and elf.is_elf(host.read_head(f"{directory}/{other}", HEAD))
    ]
    if not signs and not (others and binary is not None):
        return Known("a program of that name", ALONE) if binary is not None else None
    why = f"a program of that name, beside {(signs or others)[0]}"
    electron = asar.read(content(host, f"{directory}/resources/app.asar")) if "resources" in beside else None
    if electron and electron.names:
        if not any(word.lower() in names.called[service] for word in electron.names):
            return Known(why, f"its package.json calls it {electron.names[0][:60]}, so it is not moved")
        return Known(f"{why}, and its package.json says so", own=True)
    if "gecko" in markers:
        if gecko(host, directory) not in markers["gecko"]:
            return Known(why, "its application.ini is of another vendor, so it is not moved")
        return Known(f"{why}, and its application.ini says so", own=True)
    return Known(why, own=own or at_a_path)


def electron_app(host: Host, path: str, names: Names, shared: Collection[str]) -> dict[str, Known]:
    """Return the services that the code of an Electron app is of, whatever its program is called: by the names in the
    package.json of the archive at `path`, or at `path` itself. Nothing moves out of a directory that is `shared`.
    """
    directory = path.rpartition("/resources/")[0]
    packed = path.endswith(".asar")
    archive = asar.read(content(host, path)) if packed else None
    words = archive.names if archive else [] if packed else asar.read_package(content(host, path))
    called = {(word[: -len(".desktop")] if word.endswith(".desktop") else word).lower() for word in words}
    services = {service: called & own for service, own in names.called.items() if not called.isdisjoint(own)}
    beside = host.list_directory(directory) if services else []
    signs = signs_in(host, directory, beside)
    certain = packed and directory not in (*shared, *names.program_folders)
    known: dict[str, Known] = {}
    for service, words_of in services.items() if signs else ():
        own = [name for name in beside if service in names.programs.get(name, ())]
        if packed or not any(_is(host, f"{directory}/{name}", is_elf) for name in own):  # else it is known by that one
            why = f"an Electron app whose package.json calls it {min(words_of)}, beside {signs[0]}"
            known[service] = Known(why, "" if certain and _is_particular(words_of) else NAMED, own=True)
    return known


def _is_particular(words: Collection[str]) -> bool:
    """Whether no other app has such names by chance: two of them, or one of several words."""
    return len(words) > 1 or any(not word.isalnum() for word in words)


def tool(host: Host, path: str, names: Names, service: str) -> Known | None:
    """A program that its maker's mark is in, whatever it is called; None if there is none of this service."""
    modules = names.markers.get(service, {}).get("go", ())
    binary = elf.read_elf(content(host, path)) if modules else None
    package = elf.read_go_package(content(host, path), binary) if binary else ""
    return Known(built_from(package)) if elf.is_built_from(package, modules) else None


def around(host: Host, directory: str, names: Names, name: str) -> set[str]:
    """The names in a directory that may say what a program of that name in it is. Those that do so by themselves are
    looked for one by one, so that nobody hides them among many others.
    """
    services = {*names.programs.get(name, ()), *names.marked.get(name, ())}
    words = {name, "resources", *FRAME, *(other for service in services for other in names.programs_of(service))}
    there = {one for one in words if host.find_entry(f"{directory}/{one}")}
    return there.union(host.list_first_names(directory, MOST_AROUND))


def sign(host: Host, directory: str) -> str:
    """A part of an app's frame that lies in a directory; "" for none."""
    return next(iter(signs_in(host, directory, FRAME)), "")


def signs_in(host: Host, directory: str, names: Collection[str]) -> list[str]:
    return [name for name in sorted(FRAME.keys() & set(names)) if _is(host, f"{directory}/{name}", FRAME[name])]


def gecko(host: Host, directory: str) -> str:
    """The vendor in a Gecko program's application.ini; "" for none."""
    found = re.search(rb"(?m)^Vendor=([^\r\n]{1,80})", host.read_head(f"{directory}/application.ini", INI))
    return found[1].decode("utf-8", "replace").strip() if found else ""


def named(host: Host, path: str, own: bool) -> Known | None:
    """A file at a path that the catalogue names. Only where nobody but root can have put it is that enough; `own` says
    whether its directory has the app's name.
    """
    if not _is(host, path, is_program):
        return None
    return _by_path(host, path, own)


def named_directory(host: Host, path: str) -> Known | None:
    """A directory that the catalogue names, with a program in it; without one it is nothing of an app's."""
    names = host.list_directory(path)[:MOST_NAMES]
    if not any(_is(host, f"{path}/{name}", is_elf) for name in names):
        return None
    return _by_path(host, path, own=True)


def _by_path(host: Host, path: str, own: bool) -> Known:
    if only_root(host, path):
        return Known("the catalogue names this path, and root put it there", own=own)
    return Known("the catalogue names this path", PATH_ALONE)


def only_root(host: Host, path: str) -> bool:
    """Whether nobody but root can have put something at a path."""
    while path:
        seen = host.find_entry(path)
        if seen is None or host.describe_write_access(path, seen):
            return False
        path = path.rpartition("/")[0]
    return True


def unpacked(host: Host, directory: str, name: str, beside: Collection[str]) -> Known | None:
    """A directory of an app's name with its desktop entry: reported if it has a program in it."""
    if not ENTRY(host.read_head(f"{directory}/{name}", INI)):
        return None
    if not any(_is(host, f"{directory}/{one}", is_elf) for one in sorted(beside)[:MOST_NAMES]):
        return None
    return Known(f"an unpacked app, with its {name}", "known by its desktop entry alone, so it is not moved")


def windows(host: Host, path: str, known_path: bool) -> Known | None:
    """A Windows program in a Wine prefix."""
    if not is_windows(host, path):
        return None
    if not known_path:
        return Known("a Windows program of that name", ALONE)
    directory, _, name = path.rpartition("/")
    libraries = [
        one
        for one in host.list_first_names(directory, MOST_AROUND)
        if one != name and one.lower().endswith((".dll", ".exe"))
    ]
    for library in libraries[:20]:
        if is_windows(host, f"{directory}/{library}"):
            return Known(f"a Windows program at the path that the catalogue names, beside {library}")
    return Known("a Windows program at the path that the catalogue names", ALONE)


def is_windows(host: Host, path: str) -> bool:
    """Whether a file is a program or a library of Windows, by its two headers (PE Format)."""
    seen = host.find_entry(path)
    if seen is None or not stat.S_ISREG(seen.st_mode):
        return False
    head = host.read_head(path, PE_HEAD)
    if len(head) < 64 or head[:2] != b"MZ":
        return False
    at = struct.unpack_from("<I", head, 60)[0]
    return head[at : at + 4] == b"PE\0\0" and len(head) >= at + 24


def listed(host: Host, directory: str) -> dict[str, int]:
    """The files beside an Electron app's archive that it names, by path, with the size of each."""
    electron = asar.read(content(host, f"{directory}/resources/app.asar"))
    unpacked = electron.unpacked if electron else {}
    return {f"{directory}/resources/app.asar.unpacked/{path}": size for path, size in unpacked.items()}


def own(names: Names, service: str, uid: int, known: Mapping[str, int], pictures: bool = False) -> Own:
    """What recognises an app's own files, for a program of that owner; with `pictures` a browser's of a web app."""
    if pictures:
        return Own((), (), uid, pictures=True)
    return Own(names.programs_of(service), names.entries_of(service), uid, known)


def moving(
    host: Host, directory: str, program: str, names: Names, service: str, uid: int
) -> tuple[list[str], str, str]:
    """What of an app's directory moves, the program first (nothing if all of it does); what stays, in words; and why
    nothing moves at all.
    """
    whole, parts, stays, nothing = _moving(host, directory, own(names, service, uid, listed(host, directory)))
    if whole and directory not in names.program_folders:
        return [], "", ""
    if program == directory:
        return parts, stays, nothing
    return [program, *(one for one in parts if one != program)][:MOST_PARTS], stays, ""


def moving_web_app(host: Host, directory: str, uid: int) -> tuple[list[str], str, str]:
    """The same of a browser's folder of a web app, which has its pictures."""
    whole, parts, stays, nothing = _moving(host, directory, Own((), (), uid, pictures=True))
    return [] if whole else parts, stays, nothing


def _moving(host: Host, directory: str, of: Own) -> tuple[bool, list[str], str, str]:
    """Whether all of a directory is a program's own; what is; what stays, in words; and why nothing is."""
    try:
        layout = of.layout(host, directory)
    except TooLarge as error:
        return False, [], f"the rest stays: {error}", f"{error}, so it is not moved"
    if not layout.parts:
        return False, [], "", "nothing in it shows that it is a program's own, so it is not moved"
    cut = layout.parts[MOST_PARTS:]
    more = f" and {len(layout.stays) - SHOWN} more" if layout.stays[SHOWN:] else ""
    left = ", ".join(escape_text(path) or "an empty directory" for path in layout.stays[:SHOWN]) + more
    also = "; ".join(filter(None, [left, f"{len(cut)} more parts" if cut else ""]))
    stays = f"stays, since it is not the program's own: {also}" if also else ""
    return layout.whole, layout.parts[:MOST_PARTS], stays, ""


def unlike(host: Host, path: str, original: str, kind: str, names: Names, service: str, of: Own) -> str:
    """Why what was moved from its original path is not what was seen there; "" if it is. Asked where only root reaches
    it, so that nobody changes it any more by its name.
    """
    seen = host.find_entry(path)
    if seen is None:
        return "it is gone"
    if kind in ("tree", "web_app"):
        return of.unlike(host, path, original)
    if seen.st_uid != of.uid:
        return "it is somebody else's"
    if kind == "appimage":
        return image(host, path, names, service).doubt
    if kind == "wine":
        return "" if is_windows(host, path) else "it is no program of Windows"
    if not _is(host, path, is_program):
        return "it is no program"
    known = original.rpartition("/")[2] in names.programs or tool(host, path, names, service)
    return "" if known else "it is another program"


def _is(host: Host, path: str, test: Test) -> bool:
    seen = host.find_entry(path)
    return seen is not None and stat.S_ISREG(seen.st_mode) and test(host.read_head(path, HEAD))
