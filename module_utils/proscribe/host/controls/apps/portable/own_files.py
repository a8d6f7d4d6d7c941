"""Identification of the files in a directory that belong to a program. The quarantine takes only these files.

A file counts if its name implies a type of content, and the file has that content. Libraries and programs are ELF
files; Chromium's and Electron's resources have their headers; Gecko's are archives. Everything else stays: documents,
chats, profiles, sources, files of another owner, and unforeseen files.
"""

from __future__ import annotations

import os
import re
import stat
import struct
from typing import Callable, Collection, FrozenSet, Mapping

from .....base import elf
from .....base.named_tuple import NamedTuple
from ....system import Host
from . import asar

HEAD_BYTES = 512
MAX_FILES = 5_000  # most files that are checked in an app's directory and below it
MAX_DEPTH = 40  # levels of directories that are checked
MAX_TEXT_BYTES = 32 * 1024 * 1024  # the licences of Chromium have fifteen million bytes
# Directories in an app's directory that hold data of the user: profiles, chats, downloads, sources.
PERSONAL_DIRECTORIES = frozenset(
    ("data", "downloads", "profiles", "tdata", "user data", "userdata", ".git", ".hg", ".svn")
)


def is_program_head(head: bytes) -> bool:
    return elf.is_elf(head) or head.startswith(b"#!/")


def is_chromium_pak(head: bytes) -> bool:
    """Return whether a file has resources of Chromium: its head has a known version and a known encoding.

    Source: ui/base/resource/data_pack.cc.
    """
    return len(head) >= 9 and struct.unpack_from("<I", head)[0] in (4, 5) and head[4] in (0, 1, 2)


def is_icu_data(head: bytes) -> bool:
    """Return whether a file has data of ICU (common/ucmndata.h), by two magic bytes and the format CmnD."""
    return head[2:4] == b"\xda\x27" and head[12:16] == b"CmnD"


def is_zip_archive(head: bytes) -> bool:
    """Return whether a file is a zip archive, or an archive of Gecko, which begins with its table of files."""
    return head.startswith(b"PK\x03\x04") or head[4:8] == b"PK\x01\x02"


def is_v8_snapshot(head: bytes) -> bool:
    """Return whether a file is a snapshot of V8: a version is near its beginning (src/snapshot/snapshot.cc)."""
    return re.search(rb"\d+\.\d+\.\d+[.\d]*\0", head[:160]) is not None


def is_picture_file(head: bytes) -> bool:
    return head.startswith((b"\x89PNG\r\n", b"\0\0\1\0", b"icns"))


def _make_text_test(pattern: bytes) -> Callable[[bytes], bool]:
    """Make the function that returns whether the beginning of a file matches `pattern`."""
    beginning = re.compile(pattern)
    return lambda head: beginning.search(head) is not None


def _split_words(text: str) -> FrozenSet[str]:
    return frozenset(text.split())


ContentTest = Callable[[bytes], bool]

# Frame files: files that are only beside the program of an app. They are parts of Electron, CEF and Gecko, the starter
# of an unpacked AppImage, and Telegram's updater.
FRAME_FILES: Mapping[str, ContentTest] = {
    "AppRun": is_program_head,
    "Updater": elf.is_elf,
    "chrome-sandbox": elf.is_elf,
    "chrome_100_percent.pak": is_chromium_pak,
    "icudtl.dat": is_icu_data,
    "libcef.so": elf.is_elf,
    "libffmpeg.so": elf.is_elf,
    "libxul.so": elf.is_elf,
    "omni.ja": is_zip_archive,
    "resources.pak": is_chromium_pak,
    "snapshot_blob.bin": is_v8_snapshot,
    "v8_context_snapshot.bin": is_v8_snapshot,
}
_is_licence = _make_text_test(rb"(?i)licen[cs]e|copyright")
_is_ini = _make_text_test(rb"^(?:[;#][^\n]*\n|\s)*\[")
# Files that may be beside the program of an app, whatever the app's name is.
KNOWN_FILES: Mapping[str, ContentTest] = {
    **FRAME_FILES,
    "LICENSE": _is_licence,
    "LICENSE.electron.txt": _is_licence,
    "LICENSES.chromium.html": _is_licence,
    "app-update.yml": _make_text_test(rb"(?m)^provider:"),
    "application.ini": _is_ini,
    "chrome.manifest": _make_text_test(rb"(?m)^(?:manifest|content|resource|locale) "),
    "crashreporter.ini": _is_ini,
    "defaults.ini": _is_ini,
    "dependentlibs.list": _make_text_test(rb"^lib[^\n]*\.so\n"),
    "package-type": _make_text_test(rb"^[a-z]{2,10}\n?$"),
    "platform.ini": _is_ini,
    "precomplete": _make_text_test(rb'^(?:rmdir|remove) "'),
    "qt.conf": _is_ini,
    "removed-files": _make_text_test(rb"^[\w./*-]+\n"),
    "update-settings.ini": _is_ini,
    "updater.ini": _is_ini,
    "version": _make_text_test(rb"^v?\d+\.\d+[\d.]*\s*$"),
    "vk_swiftshader_icd.json": _make_text_test(rb'^\s*\{\s*"file_format_version"'),
}
# Further ELF programs that apps have beside their own program, and further scripts.
HELPER_PROGRAMS = _split_words(
    """
    chrome_crashpad_handler conjure-client crashpad_handler crashreporter firefox-bin firefox.real glxtest lyrebird
    minidump-analyzer obfs4proxy pingsender plugin-container snowflake-client tor updater vaapitest webtunnel-client
    """
)
SCRIPT_NAMES = _split_words("abicheck chrome-wrapper execdesktop firefox start-tor-browser xdg-mime xdg-settings")
LIBRARY_PATTERN = re.compile(r"[^/]+\.(?:so(?:\.\d+)*|node)")
TESTS_BY_SUFFIX: Mapping[str, ContentTest] = {
    ".asar": asar.is_asar_archive,
    ".ja": is_zip_archive,
    ".pak": is_chromium_pak,
    ".qm": lambda head: head.startswith(b"\x3c\xb8\x64\x18\xca\xef\x9c\x95"),  # translations of Qt
}
is_desktop_entry = _make_text_test(rb"(?m)^\[Desktop Entry\]")


class DirectoryLayout(NamedTuple):
    """Division of an app's directory into the parts that move into the quarantine and the rest."""

    is_whole: bool  # everything in the directory belongs to the app
    parts: list[str]  # paths that move, each with everything below it
    leftovers: list[str]  # paths that stay, relative to the directory


class DirectoryTooLarge(Exception):
    """Error: a directory has more content than the search reads."""


class OwnFiles:
    """Recogniser of the files that belong to a program.

    `programs` and `entries` are the names of the app's programs and desktop entries. All files must belong to `uid`.
    `listed_sizes` are sizes by path of further files, which the app's archive lists. With `has_pictures`, the app is a
    web app that a browser installed: only its pictures are recognised.
    """

    def __init__(
        self,
        programs: Collection[str],
        entries: Collection[str],
        uid: int,
        listed_sizes: Mapping[str, int] | None = None,
        has_pictures: bool = False,
    ) -> None:
        self.programs, self.entries, self.uid, self.listed_sizes = programs, entries, uid, listed_sizes or {}
        self.has_pictures = has_pictures
        self.file_count = 0

    def make_layout(self, host: Host, directory: str) -> DirectoryLayout:
        """Return the parts of an app's directory that belong to the app, and the rest.

        Raises DirectoryTooLarge, ObservationError and ControlError.
        """
        parts: list[str] = []
        leftovers: list[str] = []
        is_whole = self._is_inside_own(host, directory, directory, parts, leftovers, 0)
        return DirectoryLayout(is_whole, parts, [path[len(directory) + 1 :] for path in leftovers])

    def find_foreign_content(self, host: Host, path: str, original: str) -> str:
        """Explain why some of the content at a path does not belong to the program, or return "".

        The content was moved there from the path `original`, whose names decide.
        """
        try:
            self.file_count = 0
            leftovers: list[str] = []
            if self._is_all_own(host, path, original, [], leftovers, 0):
                return ""
            return f"there is something in it that is not the program's: {leftovers[0][len(path) + 1 :] or 'itself'}"
        except DirectoryTooLarge as error:
            return str(error)

    def _is_all_own(
        self, host: Host, path: str, original: str, parts: list[str], leftovers: list[str], depth: int
    ) -> bool:
        """Return whether everything at a path belongs to the program.

        A missing path counts as belonging to it. Paths that belong to it are added to `parts`, other paths to
        `leftovers`. A whole directory is a single part. `original` is the path before a move into the quarantine, or
        else `path` itself. `depth` counts the directories above. Raises DirectoryTooLarge.
        """
        self.file_count += 1
        if self.file_count > MAX_FILES or depth > MAX_DEPTH:
            raise DirectoryTooLarge(
                f"there is more in it than is searched ({MAX_FILES} files, {MAX_DEPTH} directories deep)"
            )
        status = host.find_entry(path)
        name = original.rpartition("/")[2]
        if status is None:
            return True
        if stat.S_ISDIR(status.st_mode) and status.st_uid == self.uid and name.lower() not in PERSONAL_DIRECTORIES:
            inner_parts: list[str] = []
            if self._is_inside_own(host, path, original, inner_parts, leftovers, depth):
                parts.append(path)
                return True
            parts += inner_parts
            return False
        if self._is_own(host, path, original, name, status):
            parts.append(path)
            return True
        leftovers.append(path)
        return False

    def _is_inside_own(
        self, host: Host, path: str, original: str, parts: list[str], leftovers: list[str], depth: int
    ) -> bool:
        """Return whether everything in a directory belongs to the program. An empty directory does not.

        Paths that belong to it are added to `parts`, other paths to `leftovers`. The other parameters are those of
        `_is_all_own`.
        """
        names = host.list_directory(path)
        if not names:
            leftovers.append(path)  # an empty directory proves nothing
            return False
        status = host.find_entry(path)
        is_own = status is not None and status.st_uid == self.uid
        for name in names:
            is_own = (
                self._is_all_own(host, f"{path}/{name}", f"{original}/{name}", parts, leftovers, depth + 1) and is_own
            )
        return is_own

    def _is_own(self, host: Host, path: str, original: str, name: str, status: os.stat_result) -> bool:
        """Return whether a file or link belongs to the program, by its owner, its name and its size or content.

        `original` is the path before a move.
        """
        if status.st_uid != self.uid:
            return False
        # a link belongs to the program only if it names a library, and another file of the same directory
        if stat.S_ISLNK(status.st_mode):
            with host.open_directory(path.rpartition("/")[0]) as parent:
                target = os.readlink(path.rpartition("/")[2], dir_fd=parent)
            return "/" not in target and LIBRARY_PATTERN.fullmatch(name) is not None
        if not stat.S_ISREG(status.st_mode):
            return False
        if original in self.listed_sizes:
            return status.st_size == self.listed_sizes[original]
        test = self._choose_test(name)
        return test is not None and status.st_size <= _choose_max_bytes(test) and test(host.read_head(path, HEAD_BYTES))

    def _choose_test(self, name: str) -> ContentTest | None:
        """Return the content test for a file of that name, or None if no file of the app has such a name."""
        if self.has_pictures:
            return is_picture_file if name.endswith((".png", ".ico", ".icns")) else None
        if name in KNOWN_FILES:
            return KNOWN_FILES[name]
        if LIBRARY_PATTERN.fullmatch(name):
            return elf.is_elf
        if name in HELPER_PROGRAMS:
            return elf.is_elf
        if name in self.programs or name in SCRIPT_NAMES:
            return is_program_head
        if name in self.entries:
            return is_desktop_entry
        return next((test for suffix, test in TESTS_BY_SUFFIX.items() if name.endswith(suffix)), None)


def _choose_max_bytes(test: ContentTest) -> int:
    """Return the largest size in bytes that a file with this content test may have.

    Programs, libraries and archives have no limit, for which a huge number stands.
    """
    return 1 << 62 if test in _UNLIMITED_TESTS else MAX_TEXT_BYTES


_UNLIMITED_TESTS = frozenset([is_program_head, elf.is_elf, is_zip_archive, asar.is_asar_archive, is_chromium_pak])
