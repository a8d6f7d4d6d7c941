"""Which files of a directory are a program's own, by what is in them: of these and nothing else the quarantine takes.

A file counts if its name says what an app's file of that name has to hold, and it holds that: libraries and programs
are ELF files, Chromium's and Electron's resources have their headers, Gecko's are archives. Whatever is none of these
stays: documents, chats, profiles, sources, files of another owner, and what nobody has thought of.
"""

from __future__ import annotations

import os
import re
import stat
import struct
from typing import Callable, Collection, FrozenSet, Mapping

from .....base import elf
from .....base.tuples import NamedTuple
from ....system import Host
from . import asar

HEAD = 512  # bytes of a file that are checked
MOST = 5_000  # files of a directory, with all below it
DEEPEST = 40
LARGEST_TEXT = 32 * 1024 * 1024  # bytes; Chromium's licences take fifteen million
# Directories of a user's own in the middle of an app: profiles, chats, downloads, sources.
PERSONAL = frozenset(("data", "downloads", "profiles", "tdata", "user data", "userdata", ".git", ".hg", ".svn"))


def is_program(head: bytes) -> bool:
    return elf.is_elf(head) or head.startswith(b"#!/")


def is_pak(head: bytes) -> bool:
    """Chromium's resources: a version and how texts are written (ui/base/resource/data_pack.cc)."""
    return len(head) >= 9 and struct.unpack_from("<I", head)[0] in (4, 5) and head[4] in (0, 1, 2)


def is_icu(head: bytes) -> bool:
    """ICU's data (common/ucmndata.h): two magic bytes, and the format CmnD."""
    return head[2:4] == b"\xda\x27" and head[12:16] == b"CmnD"


def is_jar(head: bytes) -> bool:
    """A zip archive, or one of Gecko's, which begins with its table."""
    return head.startswith(b"PK\x03\x04") or head[4:8] == b"PK\x01\x02"


def is_snapshot(head: bytes) -> bool:
    """V8's snapshot: its version stands near the beginning (src/snapshot/snapshot.cc)."""
    return re.search(rb"\d+\.\d+\.\d+[.\d]*\0", head[:160]) is not None


def is_picture(head: bytes) -> bool:
    return head.startswith((b"\x89PNG\r\n", b"\0\0\1\0", b"icns"))


def _text(pattern: bytes) -> Callable[[bytes], bool]:
    beginning = re.compile(pattern)
    return lambda head: beginning.search(head) is not None


def _words(text: str) -> FrozenSet[str]:
    return frozenset(text.split())


Test = Callable[[bytes], bool]

# What lies beside the program of an app, and of nothing else: parts of Electron, CEF and Gecko, an unpacked AppImage's
# starter, Telegram's updater.
FRAME: Mapping[str, Test] = {
    "AppRun": is_program,
    "Updater": elf.is_elf,
    "chrome-sandbox": elf.is_elf,
    "chrome_100_percent.pak": is_pak,
    "icudtl.dat": is_icu,
    "libcef.so": elf.is_elf,
    "libffmpeg.so": elf.is_elf,
    "libxul.so": elf.is_elf,
    "omni.ja": is_jar,
    "resources.pak": is_pak,
    "snapshot_blob.bin": is_snapshot,
    "v8_context_snapshot.bin": is_snapshot,
}
_LICENCE = _text(rb"(?i)licen[cs]e|copyright")
_INI = _text(rb"^(?:[;#][^\n]*\n|\s)*\[")
# What else such apps have beside them, whatever their name.
FILES: Mapping[str, Test] = {
    **FRAME,
    "LICENSE": _LICENCE,
    "LICENSE.electron.txt": _LICENCE,
    "LICENSES.chromium.html": _LICENCE,
    "app-update.yml": _text(rb"(?m)^provider:"),
    "application.ini": _INI,
    "chrome.manifest": _text(rb"(?m)^(?:manifest|content|resource|locale) "),
    "crashreporter.ini": _INI,
    "defaults.ini": _INI,
    "dependentlibs.list": _text(rb"^lib[^\n]*\.so\n"),
    "package-type": _text(rb"^[a-z]{2,10}\n?$"),
    "platform.ini": _INI,
    "precomplete": _text(rb'^(?:rmdir|remove) "'),
    "qt.conf": _INI,
    "removed-files": _text(rb"^[\w./*-]+\n"),
    "update-settings.ini": _INI,
    "updater.ini": _INI,
    "version": _text(rb"^v?\d+\.\d+[\d.]*\s*$"),
    "vk_swiftshader_icd.json": _text(rb'^\s*\{\s*"file_format_version"'),
}
HELPERS = _words(
    """
    chrome_crashpad_handler conjure-client crashpad_handler crashreporter firefox-bin firefox.real glxtest lyrebird
    minidump-analyzer obfs4proxy pingsender plugin-container snowflake-client tor updater vaapitest webtunnel-client
    """
)
SCRIPTS = _words("abicheck chrome-wrapper execdesktop firefox start-tor-browser xdg-mime xdg-settings")
LIBRARY = re.compile(r"[^/]+\.(?:so(?:\.\d+)*|node)")
SUFFIXES: Mapping[str, Test] = {
    ".asar": asar.is_asar,
    ".ja": is_jar,
    ".pak": is_pak,
    ".qm": lambda head: head.startswith(b"\x3c\xb8\x64\x18\xca\xef\x9c\x95"),  # Qt's translations
}
ENTRY = _text(rb"(?m)^\[Desktop Entry\]")


class Layout(NamedTuple):
    """What of a directory moves."""

    whole: bool
    parts: list[str]  # paths; each with all below it
    stays: list[str]  # what does not, below the directory


class TooLarge(Exception):
    """A directory with more in it than is searched."""


class Own:
    """What is a program's own: by the app's names, its owner, and what its manifest lists with its size, by path."""

    def __init__(
        self,
        programs: Collection[str],
        entries: Collection[str],
        uid: int,
        listed: Mapping[str, int] | None = None,
        pictures: bool = False,
    ) -> None:
        self.programs, self.entries, self.uid, self.listed = programs, entries, uid, listed or {}
        self.pictures = pictures
        self.count = 0

    def layout(self, host: Host, directory: str) -> Layout:
        """What moves of a directory. Raises TooLarge, and as the host's door does."""
        parts: list[str] = []
        stays: list[str] = []
        whole = self._inside(host, directory, directory, parts, stays, 0)
        return Layout(whole, parts, [path[len(directory) + 1 :] for path in stays])

    def unlike(self, host: Host, path: str, original: str) -> str:
        """Why what stands at a path, and was at another one, is not the program's own; "" if all of it is."""
        try:
            self.count = 0
            stays: list[str] = []
            if self._all(host, path, original, [], stays, 0):
                return ""
            return f"there is something in it that is not the program's: {stays[0][len(path) + 1 :] or 'itself'}"
        except TooLarge as error:
            return str(error)

    def _all(self, host: Host, path: str, original: str, parts: list[str], stays: list[str], depth: int) -> bool:
        """Whether all that stands at a path is the program's. What is goes to `parts`, what is not to `stays`."""
        self.count += 1
        if self.count > MOST or depth > DEEPEST:
            raise TooLarge(f"there is more in it than is searched ({MOST} files, {DEEPEST} directories deep)")
        seen = host.find_entry(path)
        name = original.rpartition("/")[2]
        if seen is None:
            return True
        if stat.S_ISDIR(seen.st_mode) and seen.st_uid == self.uid and name.lower() not in PERSONAL:
            inner: list[str] = []
            if self._inside(host, path, original, inner, stays, depth):
                parts.append(path)
                return True
            parts += inner
            return False
        if self._is_own(host, path, original, name, seen):
            parts.append(path)
            return True
        stays.append(path)
        return False

    def _inside(self, host: Host, path: str, original: str, parts: list[str], stays: list[str], depth: int) -> bool:
        names = host.list_directory(path)
        if not names:
            stays.append(path)  # an empty directory proves nothing
            return False
        top = host.find_entry(path)
        own = top is not None and top.st_uid == self.uid
        for name in names:
            own = self._all(host, f"{path}/{name}", f"{original}/{name}", parts, stays, depth + 1) and own
        return own

    def _is_own(self, host: Host, path: str, original: str, name: str, seen: os.stat_result) -> bool:
        if seen.st_uid != self.uid:
            return False
        if stat.S_ISLNK(seen.st_mode):
            with host.open_directory(path.rpartition("/")[0]) as above:
                target = os.readlink(path.rpartition("/")[2], dir_fd=above)
            return "/" not in target and LIBRARY.fullmatch(name) is not None
        if not stat.S_ISREG(seen.st_mode):
            return False
        if original in self.listed:
            return seen.st_size == self.listed[original]
        test = self._test(name)
        return test is not None and seen.st_size <= _most(test) and test(host.read_head(path, HEAD))

    def _test(self, name: str) -> Test | None:
        """What a file of that name has to be, to be an app's."""
        if self.pictures:
            return is_picture if name.endswith((".png", ".ico", ".icns")) else None
        if name in FILES:
            return FILES[name]
        if LIBRARY.fullmatch(name):
            return elf.is_elf
        if name in HELPERS:
            return elf.is_elf
        if name in self.programs or name in SCRIPTS:
            return is_program
        if name in self.entries:
            return ENTRY
        return next((test for suffix, test in SUFFIXES.items() if name.endswith(suffix)), None)


def _most(test: Test) -> int:
    """How large a file may be that is known by a test: programs, libraries and archives as large as they are."""
    return 1 << 62 if test in _LARGE else LARGEST_TEXT


_LARGE = frozenset([is_program, elf.is_elf, is_jar, asar.is_asar, is_pak])
