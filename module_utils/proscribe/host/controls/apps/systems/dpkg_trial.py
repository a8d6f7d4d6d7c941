"""Is the block of dpkg in effect? A made package is given to each dpkg that people and apt would run, as they would.

dpkg calls its hooks before it opens its database, and here the database is in a place where nothing can be. So a block
that refuses does so as always, and where nothing refuses, dpkg ends at its database, having changed nothing. (With
`--no-act` it calls no hooks.) The package is a file in memory alone. Tried with dpkg 1.21, 1.22 and 1.23.
"""

from __future__ import annotations

import os
from typing import Iterator, Sequence

from ....system import ControlError, Host, ObservationError
from ..blocks.parts import explain_foreign_access
from ..blocks.tries import (
    PROGRAM_DIRECTORIES,
    TRIAL_PACKAGE_NAME,
    follow_path_links,
    list_directory_entries,
    list_program_paths,
    open_memory_file,
)

NOWHERE = "/proc/none"  # not even root can make it
REFUSED = f"does not allow {TRIAL_PACKAGE_NAME} "
# Where a shell of root's searches before the system's own directories.
BEFORE = ("/usr/local/sbin", "/usr/local/bin")
CONFIGURATION = ("/etc/dpkg", "/etc/dpkg/dpkg.cfg.d")
SHARED = (*CONFIGURATION, "/usr/libexec")  # directories of the distribution's that the block has something in
APT_CONFIGURATION = ("/etc/apt/apt.conf.d",)
# What the block's script runs, and what runs it.
TOOLS = (
    *("sh", "timeout", "tr", "grep", "xargs", "awk", "dpkg", "dpkg-deb", "dpkg-query", "readlink", "tar", "sed"),
    *("find", "logger", "apt-config"),
)
APT_CONFIG = "/usr/bin/apt-config"
LIMIT = 30  # seconds


def depends(host: Host) -> Iterator[str]:
    yield from (f"{folder}/dpkg" for folder in BEFORE)
    yield from list_program_paths(host, TOOLS)
    yield from list_directory_entries(host, [*CONFIGURATION, *APT_CONFIGURATION])
    yield from (*SHARED, "/root/.dpkg.cfg", "/etc/apt/apt.conf")
    if host.find_entry(APT_CONFIG):
        yield from follow_path_links(host, [_of_apt(host)[0]])


def open_to(host: Host, restricted: str) -> str:
    """Which dpkg would install a package that provides a restricted one, and who else could see to that; "" for none.
    Raises Unseen.
    """
    with open_memory_file(archive(restricted)) as path:
        passing = [said for said, argv in _roads(host) if _passes(host, argv, path)]
    changed = [f"{folder}: {why}" for folder in SHARED if (why := explain_foreign_access(host, folder))]
    return "; ".join([*changed, *(f"{said} installs a made package that the block has to refuse" for said in passing)])


def _roads(host: Host) -> Iterator[tuple[str, Sequence[str]]]:
    """Each dpkg that would be run, with what it is called."""
    known = set()
    for folder in (*BEFORE, *PROGRAM_DIRECTORIES):
        path = f"{folder}/dpkg"
        if os.access(path, os.X_OK) and (real := os.path.realpath(path)) not in known:
            known.add(real)
            yield path, [path]
    if host.find_entry(APT_CONFIG):
        path, options, chroot = _of_apt(host)
        if chroot not in ("", "/"):
            raise ObservationError(f"apt runs dpkg in {chroot} (DPkg::Chroot-Directory)")
        if options or os.path.realpath(path) not in known:
            yield f"{' '.join([path, *options])}, which apt runs,", [path, *options]


def _of_apt(host: Host) -> tuple[str, list[str], str]:
    """The dpkg that apt runs, its options, and where it is run."""
    path, options, chroot = "/usr/bin/dpkg", [], ""
    for line in host.read_command_output([APT_CONFIG, "dump"], timeout=LIMIT).splitlines():
        key, _, value = line.partition(" ")
        value = value[1:-2] if value[:1] == '"' and value.endswith('";') else ""
        if key == "Dir::Bin::dpkg":
            path = value
        elif key.startswith("DPkg::Options::"):
            options.append(value)
        elif key == "DPkg::Chroot-Directory":
            chroot = value
    return path, options, chroot


def _passes(host: Host, argv: Sequence[str], package: str) -> bool:
    """Whether a dpkg goes on with a package, as far as its database. Raises Unseen where it ends before."""
    try:
        answer = host.run_command([*argv, f"--admindir={NOWHERE}", "--unpack", package], timeout=LIMIT)
    except ControlError as error:
        raise ObservationError(str(error)) from None
    if REFUSED in answer.err:
        return False
    if NOWHERE in answer.err:
        return True
    said = " ".join((answer.err or answer.out).split())[-200:]
    raise ObservationError(f"{argv[0]} could not be tried: it ended with {answer.rc}: {said}")


def archive(restricted: str) -> bytes:
    """A package that has nothing in it but that it provides a restricted one (deb(5))."""
    control = (
        f"Package: {TRIAL_PACKAGE_NAME}\nVersion: 0\nArchitecture: all\nMaintainer: Proscribe <root@localhost>\n"
        f"Provides: {restricted}\nDescription: tries whether this host refuses it\n"
    ).encode()
    members = (("debian-binary", b"2.0\n"), ("control.tar", _tar("./control", control)), ("data.tar", bytes(10240)))
    return b"!<arch>\n" + b"".join(
        f"{name:<16}{0:<12}{0:<6}{0:<6}{100644:<8}{len(content):<10}`\n".encode() + content + b"\n" * (len(content) % 2)
        for name, content in members
    )


def _tar(name: str, content: bytes) -> bytes:
    """One file as a tar archive (ustar), which takes less than to load the module."""
    fields = (name.encode().ljust(100, b"\0"), b"0000644\0", b"0000000\0", b"0000000\0", b"%011o\0" % len(content))
    head = b"".join(fields) + b"00000000000\0" + b" " * 8 + b"0" + bytes(100) + b"ustar\x0000"
    head = head.ljust(512, b"\0")
    head = head[:148] + b"%06o\0 " % sum(head) + head[156:]
    return head + content.ljust(-(-len(content) // 512) * 512, b"\0") + bytes(1024)
