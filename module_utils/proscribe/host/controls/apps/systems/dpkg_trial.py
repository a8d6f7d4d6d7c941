"""Trial of dpkg's install block: each dpkg that people and apt would run is asked to install a trial package.

The trial package is an empty package that says that it provides a restricted package. So the block has to refuse it.
dpkg calls its hooks, and so the block, before it opens its database. The trial gives dpkg a database path at which
nothing can exist. So without a refusal, dpkg fails at its database and changes nothing. (With `--no-act` dpkg would
call no hooks.) The trial package is a file that exists only in memory. Tried with dpkg 1.21, 1.22 and 1.23.
"""

from __future__ import annotations

import os
from typing import Iterator, Sequence

from ....system import ControlError, Host, ObservationError
from ..blocks.parts import explain_foreign_access
from ..blocks.trial_cache import (
    PROGRAM_DIRECTORIES,
    TRIAL_PACKAGE_NAME,
    follow_path_links,
    list_directory_entries,
    list_program_paths,
    open_memory_file,
)

IMPOSSIBLE_DATABASE = "/proc/none"  # not even root can create it
REFUSAL_TEXT = f"does not allow {TRIAL_PACKAGE_NAME} "
# A shell of root searches these directories before the distribution's directories.
LOCAL_PROGRAM_DIRECTORIES = ("/usr/local/sbin", "/usr/local/bin")
CONFIGURATION_DIRECTORIES = ("/etc/dpkg", "/etc/dpkg/dpkg.cfg.d")
# Directories of the distribution in which Proscribe puts files of the block.
SHARED_DIRECTORIES = (
    *CONFIGURATION_DIRECTORIES,
    "/usr/libexec",
)
APT_CONFIGURATION = ("/etc/apt/apt.conf.d",)
# Programs that the block's script runs, and programs that run that script.
USED_TOOLS = (
    *("sh", "timeout", "tr", "grep", "xargs", "awk", "dpkg", "dpkg-deb", "dpkg-query", "readlink", "tar", "sed"),
    *("find", "logger", "apt-config"),
)
APT_CONFIG = "/usr/bin/apt-config"
TRIAL_TIMEOUT_SECONDS = 30


def list_dependencies(host: Host) -> Iterator[str]:
    """Yield the paths of the programs and configuration files on which the result of the trial depends."""
    yield from (f"{folder}/dpkg" for folder in LOCAL_PROGRAM_DIRECTORIES)
    yield from list_program_paths(host, USED_TOOLS)
    yield from list_directory_entries(host, [*CONFIGURATION_DIRECTORIES, *APT_CONFIGURATION])
    yield from (*SHARED_DIRECTORIES, "/root/.dpkg.cfg", "/etc/apt/apt.conf")
    if host.find_entry(APT_CONFIG):
        yield from follow_path_links(host, [_read_apt_settings(host)[0]])


def find_open_routes(host: Host, restricted: str) -> str:
    """Describe each dpkg program that does not refuse a package which provides `restricted`, or return "".

    The text also names directories of the block that accounts other than root can change. Raises ObservationError.
    """
    with open_memory_file(build_trial_package(restricted)) as path:
        passing_names = [dpkg_name for dpkg_name, argv in _list_dpkg_commands(host) if _is_passed(host, argv, path)]
    changed_folders = [
        f"{folder}: {reason}" for folder in SHARED_DIRECTORIES if (reason := explain_foreign_access(host, folder))
    ]
    return "; ".join(
        [
            *changed_folders,
            *(f"{dpkg_name} installs a made package that the block has to refuse" for dpkg_name in passing_names),
        ]
    )


def _list_dpkg_commands(host: Host) -> Iterator[tuple[str, Sequence[str]]]:
    """Yield each dpkg that people or apt would run, as (name for messages, command).

    The dpkg that apt runs is yielded too if it is another program, or if apt runs it with options. Raises
    ObservationError if apt runs it in another root directory, because it cannot be tried there.
    """
    known_paths = set()
    for folder in (*LOCAL_PROGRAM_DIRECTORIES, *PROGRAM_DIRECTORIES):
        path = f"{folder}/dpkg"
        if os.access(path, os.X_OK) and (real_path := os.path.realpath(path)) not in known_paths:
            known_paths.add(real_path)
            yield path, [path]
    if host.find_entry(APT_CONFIG):
        path, options, chroot = _read_apt_settings(host)
        if chroot not in ("", "/"):
            raise ObservationError(f"apt runs dpkg in {chroot} (DPkg::Chroot-Directory)")
        if options or os.path.realpath(path) not in known_paths:
            yield f"{' '.join([path, *options])}, which apt runs,", [path, *options]


def _read_apt_settings(host: Host) -> tuple[str, list[str], str]:
    """Return apt's settings for dpkg: path of the program, its options, and its root directory.

    The root directory is apt's DPkg::Chroot-Directory; "" if apt does not set it.
    """
    path, options, chroot = "/usr/bin/dpkg", [], ""
    for line in host.read_command_output([APT_CONFIG, "dump"], timeout=TRIAL_TIMEOUT_SECONDS).splitlines():
        key, _, setting = line.partition(" ")
        setting = setting[1:-2] if setting[:1] == '"' and setting.endswith('";') else ""  # the line is KEY "VALUE";
        if key == "Dir::Bin::dpkg":
            path = setting
        elif key.startswith("DPkg::Options::"):
            options.append(setting)
        elif key == "DPkg::Chroot-Directory":
            chroot = setting
    return path, options, chroot


def _is_passed(host: Host, argv: Sequence[str], package: str) -> bool:
    """Return whether the dpkg command `argv` lets the package file `package` pass, so that the block has no effect.

    A dpkg that accepts the package fails at its database, and its error message has the path IMPOSSIBLE_DATABASE.
    Raises ObservationError for any other error.
    """
    try:
        result = host.run_command(
            [*argv, f"--admindir={IMPOSSIBLE_DATABASE}", "--unpack", package], timeout=TRIAL_TIMEOUT_SECONDS
        )
    except ControlError as error:
        raise ObservationError(str(error)) from None
    if REFUSAL_TEXT in result.err:
        return False
    if IMPOSSIBLE_DATABASE in result.err:
        return True
    output = " ".join((result.err or result.out).split())[-200:]
    raise ObservationError(f"{argv[0]} could not be tried: it ended with {result.rc}: {output}")


def build_trial_package(restricted: str) -> bytes:
    """Return the bytes of an empty deb package that provides the package name `restricted` (deb(5))."""
    control = (
        f"Package: {TRIAL_PACKAGE_NAME}\nVersion: 0\nArchitecture: all\nMaintainer: Proscribe <root@localhost>\n"
        f"Provides: {restricted}\nDescription: tries whether this host refuses it\n"
    ).encode()
    members = (
        ("debian-binary", b"2.0\n"),
        ("control.tar", _build_tar("./control", control)),
        ("data.tar", bytes(10240)),
    )
    return b"!<arch>\n" + b"".join(
        f"{name:<16}{0:<12}{0:<6}{0:<6}{100644:<8}{len(content):<10}`\n".encode() + content + b"\n" * (len(content) % 2)
        for name, content in members
    )


def _build_tar(name: str, content: bytes) -> bytes:
    """Return a tar archive (ustar) with a single file.

    Python's module `tarfile` is not used: it takes longer to load.
    """
    fields = (name.encode().ljust(100, b"\0"), b"0000644\0", b"0000000\0", b"0000000\0", b"%011o\0" % len(content))
    header = b"".join(fields) + b"00000000000\0" + b" " * 8 + b"0" + bytes(100) + b"ustar\x0000"
    header = header.ljust(512, b"\0")
    header = header[:148] + b"%06o\0 " % sum(header) + header[156:]
    return header + content.ljust(-(-len(content) // 512) * 512, b"\0") + bytes(1024)
