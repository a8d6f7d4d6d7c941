"""Certain identification of a program: by content and files beside it, never by a name that a user chose.

Root moves nothing because of a name alone. A program must have the content of a program. It also needs other files of
its app beside it, or the mark of its maker in it. Without that evidence, the program is reported and left in place.
"""

from __future__ import annotations

import re
import stat
import struct
from functools import partial
from typing import Collection, Mapping

from .....base import elf
from .....base.elf import ReadContent, is_elf
from .....base.named_tuple import NamedTuple
from ....system import Host, escape_text
from ..process_content import describe_go_package
from . import appimage_contents, asar
from .app_names import AppNames
from .own_files import (
    FRAME_FILES,
    HEAD_BYTES,
    LIBRARY_PATTERN,
    ContentTest,
    DirectoryTooLarge,
    OwnFiles,
    is_desktop_entry,
    is_program_head,
)

NAME_ONLY_DOUBT = "known by its name alone, so it is not moved"
PACKAGE_NAME_DOUBT = "known by the name in its package.json alone, so it is not moved"
PATH_ONLY_DOUBT = "known by its path alone, so it is not moved"
MAX_CHECKED_NAMES = 200  # a directory is searched for a program among at most this many of its files
MAX_NEIGHBOUR_NAMES = 2_000  # most names that are read in the directory of a program; an app has a few hundred files
MAX_MOVED_PARTS = 200  # most files and directories of an app that move one by one
MAX_NAMED_LEFTOVERS = 3  # most files that stay and that a finding names
PE_HEAD_BYTES = 4096  # enough for the header of a Windows program
MAX_INI_BYTES = 16 * 1024


class AppEvidence(NamedTuple):
    """Evidence that identifies a portable app, and its doubt."""

    reason: str  # the evidence as a text for the finding
    doubt: str = ""  # why the app may be something else, so that it stays in place; "" if it is certain
    is_own_directory: bool = False  # the directory of the program belongs to the app alone


def make_file_reader(host: Host, path: str) -> ReadContent:
    """Return the function that reads a file of the host in pieces."""
    return partial(host.read_range, path)


def identify_appimage(host: Host, path: str, names: AppNames, service: str) -> AppEvidence:
    """Return the evidence for an AppImage whose name is that of a service's app."""
    doubt = appimage_contents.explain_appimage_doubt(make_file_reader(host, path), names.names_by_service[service])
    return AppEvidence("an AppImage of that name" if doubt else "an AppImage of that app, by what is in it", doubt)


def identify_program(
    host: Host, path: str, names: AppNames, service: str, neighbours: Collection[str], is_at_known_path: bool = False
) -> AppEvidence | None:
    """Return the evidence for a program whose name is that of a service, or None if it is another program.

    The best evidence is the mark of its maker in it. Otherwise files beside it count: frame files (parts of Electron or
    Gecko, for example), or other programs of the app. `neighbours` are the names of the files beside it. A library
    beside it is enough in a directory with the app's name, or at a path of the catalogue (`is_at_known_path`). The
    names in the app's own package.json or application.ini may contradict all this.
    """
    directory, _, name = path.rpartition("/")
    read_content = make_file_reader(host, path)
    markers = names.markers.get(service, {})
    binary = elf.read_elf(read_content)
    if evidence := identify_marked_tool(host, path, names, service):
        return evidence
    if service not in names.programs.get(name, ()):
        # `names.marked_programs` has the name: other programs have it too, and this program has no mark of its maker
        return None
    if binary is None and not is_program_head(host.read_head(path, HEAD_BYTES)):
        return None
    is_own_directory = names.is_own_directory(directory, service)
    frame_signs = find_frame_signs(host, directory, neighbours)
    if not frame_signs and binary is not None and (is_own_directory or is_at_known_path):
        frame_signs = [
            neighbour
            for neighbour in sorted(neighbours)
            if LIBRARY_PATTERN.fullmatch(neighbour) and _has_content(host, f"{directory}/{neighbour}", is_elf)
        ][:1]
    other_programs = [
        other_program
        for other_program in sorted(set(neighbours) - {name})
        if service in names.programs.get(other_program, ())
        and elf.is_elf(host.read_head(f"{directory}/{other_program}", HEAD_BYTES))
    ]
    if not frame_signs and not (other_programs and binary is not None):
        return AppEvidence("a program of that name", NAME_ONLY_DOUBT) if binary is not None else None
    reason = f"a program of that name, beside {(frame_signs or other_programs)[0]}"
    asar_package = (
        asar.read_asar(make_file_reader(host, f"{directory}/resources/app.asar")) if "resources" in neighbours else None
    )
    if asar_package and asar_package.names:
        if not any(word.lower() in names.names_by_service[service] for word in asar_package.names):
            return AppEvidence(reason, f"its package.json calls it {asar_package.names[0][:60]}, so it is not moved")
        return AppEvidence(f"{reason}, and its package.json says so", is_own_directory=True)
    if "gecko" in markers:
        if read_gecko_vendor(host, directory) not in markers["gecko"]:
            return AppEvidence(reason, "its application.ini is of another vendor, so it is not moved")
        return AppEvidence(f"{reason}, and its application.ini says so", is_own_directory=True)
    return AppEvidence(reason, is_own_directory=is_own_directory or is_at_known_path)


def identify_electron_app(
    host: Host, path: str, names: AppNames, shared_directories: Collection[str]
) -> dict[str, AppEvidence]:
    """Return, by service, the evidence for an Electron app, whatever the name of its program is.

    The evidence is the app's names in its package.json. `path` is that file, or the archive `app.asar` that contains
    it. An app directly in one of the `shared_directories`, such as a home, is doubtful: it has no directory of its own.
    Return {} for the app of no service.
    """
    directory = path.rpartition("/resources/")[0]
    is_packed = path.endswith(".asar")
    asar_package = asar.read_asar(make_file_reader(host, path)) if is_packed else None
    words = (
        asar_package.names
        if asar_package
        else []
        if is_packed
        else asar.read_package_names(make_file_reader(host, path))
    )
    app_names = {(word[: -len(".desktop")] if word.endswith(".desktop") else word).lower() for word in words}
    services = {
        service: app_names & own_names
        for service, own_names in names.names_by_service.items()
        if not app_names.isdisjoint(own_names)
    }
    neighbours = host.list_directory(directory) if services else []
    frame_signs = find_frame_signs(host, directory, neighbours)
    is_certain = is_packed and directory not in (*shared_directories, *names.program_folders)
    evidence_by_service: dict[str, AppEvidence] = {}
    for service, service_words in services.items() if frame_signs else ():
        own_names = [name for name in neighbours if service in names.programs.get(name, ())]
        if is_packed or not any(
            _has_content(host, f"{directory}/{name}", is_elf) for name in own_names
        ):  # otherwise identify_program identifies the app by its program
            reason = f"an Electron app whose package.json calls it {min(service_words)}, beside {frame_signs[0]}"
            evidence_by_service[service] = AppEvidence(
                reason,
                "" if is_certain and _is_particular_name(service_words) else PACKAGE_NAME_DOUBT,
                is_own_directory=True,
            )
    return evidence_by_service


def _is_particular_name(words: Collection[str]) -> bool:
    """Return whether no other app has these names by chance: two names, or a name with a hyphen, dot or blank."""
    return len(words) > 1 or any(not word.isalnum() for word in words)


def identify_marked_tool(host: Host, path: str, names: AppNames, service: str) -> AppEvidence | None:
    """Return the evidence for a program that has the mark of its maker, under any name.

    Return None without a mark.
    """
    modules = names.markers.get(service, {}).get("go", ())
    binary = elf.read_elf(make_file_reader(host, path)) if modules else None
    package = elf.read_go_package(make_file_reader(host, path), binary) if binary else ""
    return AppEvidence(describe_go_package(package)) if elf.is_built_from(package, modules) else None


def list_neighbours(host: Host, directory: str, names: AppNames, name: str) -> set[str]:
    """Return the names in a directory that may identify the program `name` there.

    Only the first MAX_NEIGHBOUR_NAMES names of the directory are read. Names that may be evidence are also checked one
    by one. So a user cannot hide them among many other files.
    """
    services = {*names.programs.get(name, ()), *names.marked_programs.get(name, ())}
    words = {
        name,
        "resources",
        *FRAME_FILES,
        *(program_name for service in services for program_name in names.list_programs(service)),
    }
    present_names = {word for word in words if host.find_entry(f"{directory}/{word}")}
    return present_names.union(host.list_first_names(directory, MAX_NEIGHBOUR_NAMES))


def find_frame_sign(host: Host, directory: str) -> str:
    """Return the name of a frame file in a directory, or "" if it has none.

    Frame files are parts of Electron or Gecko, for example, and are only beside the program of an app.
    """
    return next(iter(find_frame_signs(host, directory, FRAME_FILES)), "")


def find_frame_signs(host: Host, directory: str, names: Collection[str]) -> list[str]:
    """Return those of `names` in a directory that are frame files (parts of Electron or Gecko) by name and content."""
    return [
        name
        for name in sorted(FRAME_FILES.keys() & set(names))
        if _has_content(host, f"{directory}/{name}", FRAME_FILES[name])
    ]


def read_gecko_vendor(host: Host, directory: str) -> str:
    """Return the vendor in the application.ini of a Gecko program, such as Firefox, or ""."""
    match = re.search(rb"(?m)^Vendor=([^\r\n]{1,80})", host.read_head(f"{directory}/application.ini", MAX_INI_BYTES))
    return match[1].decode("utf-8", "replace").strip() if match else ""


def identify_named_file(host: Host, path: str, is_own_directory: bool) -> AppEvidence | None:
    """Return the evidence for a file whose path is in the catalogue, or None if the file is no program.

    The evidence is doubtful if somebody else than root can have put the file there. `is_own_directory` is true if the
    file's directory has the app's name.
    """
    if not _has_content(host, path, is_program_head):
        return None
    return _identify_by_path(host, path, is_own_directory)


def identify_named_directory(host: Host, path: str) -> AppEvidence | None:
    """Return the evidence for a directory whose path is in the catalogue, or None if no program is in it."""
    names = host.list_directory(path)[:MAX_CHECKED_NAMES]
    if not any(_has_content(host, f"{path}/{name}", is_elf) for name in names):
        return None
    return _identify_by_path(host, path, is_own_directory=True)


def _identify_by_path(host: Host, path: str, is_own_directory: bool) -> AppEvidence:
    """Return the evidence for a file or directory at a path of the catalogue.

    The evidence is doubtful if users can write there.
    """
    if is_root_only(host, path):
        return AppEvidence("the catalogue names this path, and root put it there", is_own_directory=is_own_directory)
    return AppEvidence("the catalogue names this path", PATH_ONLY_DOUBT)


def is_root_only(host: Host, path: str) -> bool:
    """Return whether nobody but root can have put the file or directory at a path there.

    A missing path gives False.
    """
    while path:
        status = host.find_entry(path)
        if status is None or host.describe_write_access(path, status):
            return False
        path = path.rpartition("/")[0]
    return True


def identify_unpacked_app(host: Host, directory: str, name: str, neighbours: Collection[str]) -> AppEvidence | None:
    """Return the evidence for a directory with the name of an app and its desktop entry, the file `name`.

    Return None if the file is no desktop entry, or if no program is beside it. The evidence is doubtful, so the app is
    reported but not moved. `neighbours` are the names in the directory.
    """
    if not is_desktop_entry(host.read_head(f"{directory}/{name}", MAX_INI_BYTES)):
        return None
    if not any(
        _has_content(host, f"{directory}/{neighbour}", is_elf) for neighbour in sorted(neighbours)[:MAX_CHECKED_NAMES]
    ):
        return None
    return AppEvidence(f"an unpacked app, with its {name}", "known by its desktop entry alone, so it is not moved")


def identify_windows_program(host: Host, path: str, is_known_path: bool) -> AppEvidence | None:
    """Return the evidence for a Windows program in a Wine prefix, or None if the file is no Windows program.

    The program is certain at a path of the catalogue with another Windows binary beside it.
    """
    if not is_windows_binary(host, path):
        return None
    if not is_known_path:
        return AppEvidence("a Windows program of that name", NAME_ONLY_DOUBT)
    directory, _, name = path.rpartition("/")
    libraries = [
        library_name
        for library_name in host.list_first_names(directory, MAX_NEIGHBOUR_NAMES)
        if library_name != name and library_name.lower().endswith((".dll", ".exe"))
    ]
    for library in libraries[:20]:
        if is_windows_binary(host, f"{directory}/{library}"):
            return AppEvidence(f"a Windows program at the path that the catalogue names, beside {library}")
    return AppEvidence("a Windows program at the path that the catalogue names", NAME_ONLY_DOUBT)


def is_windows_binary(host: Host, path: str) -> bool:
    """Return whether a file is a program or a library of Windows, by its two headers (PE Format)."""
    status = host.find_entry(path)
    if status is None or not stat.S_ISREG(status.st_mode):
        return False
    head = host.read_head(path, PE_HEAD_BYTES)
    if len(head) < 64 or head[:2] != b"MZ":
        return False
    offset = struct.unpack_from("<I", head, 60)[0]
    return head[offset : offset + 4] == b"PE\0\0" and len(head) >= offset + 24


def list_unpacked_files(host: Host, directory: str) -> dict[str, int]:
    """Return the files in `app.asar.unpacked` of an Electron app: their absolute paths, with their sizes.

    The archive `app.asar` lists these files.
    """
    asar_package = asar.read_asar(make_file_reader(host, f"{directory}/resources/app.asar"))
    unpacked_sizes = asar_package.unpacked_sizes if asar_package else {}
    return {f"{directory}/resources/app.asar.unpacked/{path}": size for path, size in unpacked_sizes.items()}


def make_own_files(
    names: AppNames, service: str, uid: int, file_sizes: Mapping[str, int], has_pictures: bool = False
) -> OwnFiles:
    """Make the recogniser of the files that belong to a service's app, and whose owner is `uid`.

    `file_sizes` are sizes by path of further files of the app, which its archive lists. With `has_pictures`, the
    recogniser is for a web app that a browser installed: its files are pictures.
    """
    if has_pictures:
        return OwnFiles((), (), uid, has_pictures=True)
    return OwnFiles(names.list_programs(service), names.list_desktop_entries(service), uid, file_sizes)


def choose_moved_parts(
    host: Host, directory: str, program: str, names: AppNames, service: str, uid: int
) -> tuple[list[str], str, str]:
    """Return (parts, text about the rest, reason) for an app's directory that is to move into the quarantine.

    The parts are the files and directories that move, `program` first; [] means that the whole directory moves. The
    text describes what stays, "" for nothing. The reason says why nothing moves, and is "" if something moves.
    """
    is_whole, parts, leftovers, refusal = _split_directory(
        host, directory, make_own_files(names, service, uid, list_unpacked_files(host, directory))
    )
    # a folder with programs of many apps stays, even if all files in it now are those of one app
    if is_whole and directory not in names.program_folders:
        return [], "", ""
    if program == directory:  # the directory itself was identified, so no file of it is the program
        return parts, leftovers, refusal
    return [program, *(part for part in parts if part != program)][:MAX_MOVED_PARTS], leftovers, ""


def choose_moved_web_app(host: Host, directory: str, uid: int) -> tuple[list[str], str, str]:
    """Return (parts, text about the rest, reason) for a web app's folder that is to move into the quarantine.

    The results are as in `choose_moved_parts`. The folder has the pictures with which a browser installed the web app.
    """
    is_whole, parts, leftovers, refusal = _split_directory(host, directory, OwnFiles((), (), uid, has_pictures=True))
    return [] if is_whole else parts, leftovers, refusal


def _split_directory(host: Host, directory: str, own_files: OwnFiles) -> tuple[bool, list[str], str, str]:
    """Return (whether everything in a directory belongs to the app, parts that do, text about the rest, refusal).

    The parts are files and directories. The text is "" if there is no rest. The refusal says why nothing moves, and is
    "" otherwise.
    """
    try:
        layout = own_files.make_layout(host, directory)
    except DirectoryTooLarge as error:
        return False, [], f"the rest stays: {error}", f"{error}, so it is not moved"
    if not layout.parts:
        return False, [], "", "nothing in it shows that it is a program's own, so it is not moved"
    cut_parts = layout.parts[MAX_MOVED_PARTS:]
    more_text = (
        f" and {len(layout.leftovers) - MAX_NAMED_LEFTOVERS} more" if layout.leftovers[MAX_NAMED_LEFTOVERS:] else ""
    )
    leftover_text = (
        ", ".join(escape_text(path) or "an empty directory" for path in layout.leftovers[:MAX_NAMED_LEFTOVERS])
        + more_text
    )
    details = "; ".join(filter(None, [leftover_text, f"{len(cut_parts)} more parts" if cut_parts else ""]))
    leftovers = f"stays, since it is not the program's own: {details}" if details else ""
    return layout.is_whole, layout.parts[:MAX_MOVED_PARTS], leftovers, ""


def explain_moved_difference(
    host: Host, path: str, original: str, kind: str, names: AppNames, service: str, own_files: OwnFiles
) -> str:
    """Explain why a file or directory that was moved into the quarantine is not the observed app, or return "".

    `path` is its path now, which only root can reach. So nobody can exchange the content any more. `original` is the
    path before the move. `kind` is that of the app, as in PortableApp.
    """
    status = host.find_entry(path)
    if status is None:
        return "it is gone"
    if kind in ("tree", "web_app"):
        return own_files.find_foreign_content(host, path, original)
    if status.st_uid != own_files.uid:
        return "it is somebody else's"
    if kind == "appimage":
        return identify_appimage(host, path, names, service).doubt
    if kind == "wine":
        return "" if is_windows_binary(host, path) else "it is no program of Windows"
    if not _has_content(host, path, is_program_head):
        return "it is no program"
    is_known = original.rpartition("/")[2] in names.programs or identify_marked_tool(host, path, names, service)
    return "" if is_known else "it is another program"


def _has_content(host: Host, path: str, test: ContentTest) -> bool:
    """Return whether a path has a regular file whose beginning passes a test."""
    status = host.find_entry(path)
    return status is not None and stat.S_ISREG(status.st_mode) and test(host.read_head(path, HEAD_BYTES))
