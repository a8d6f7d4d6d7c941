"""Is the block of the rpm family in effect? rpm is asked to test the installation of a made package that provides a
restricted one. The settings by which dnf and zypper would let go of the guard, or of their own lists, are read.

`rpm --test` checks all that an installation checks, and changes nothing. The front ends are not run: they load what
their repositories have, and end up with rpm.
"""

from __future__ import annotations

from typing import Iterator

from ....system import ControlError, Host, ObservationError
from ..blocks.tries import TRIAL_PACKAGE_NAME, list_directory_entries, list_program_paths, open_memory_file
from .rpm_conflicts import GUARD
from .rpm_database import DATABASE_FILES

DNF = "/etc/dnf/dnf.conf"
DNF5 = ("/etc/dnf/libdnf5.conf.d", "/usr/share/dnf5/libdnf.conf.d")  # files beside it
ZYPP = "/etc/zypp/zypp.conf"
# The settings of [main] without which the block is whole: of a host whose administrator has set one of them, nobody
# knows that it is. "": whatever is set.
LETS_GO = {
    **dict.fromkeys(("disable_excludes", "protected_packages"), (DNF, *DNF5)),
    **dict.fromkeys(("locksfile.apply", "locksfile.path"), (ZYPP,)),
}
HARMLESS = {"locksfile.apply": ("yes", "true", "1", "on"), "locksfile.path": ("/etc/zypp/locks",)}
LIMIT = 30  # seconds


def depends(host: Host) -> Iterator[str]:
    yield from DATABASE_FILES
    yield from list_program_paths(host, ["rpm"])
    yield from list_directory_entries(host, ["/etc/rpm", "/etc/popt.d", *DNF5])
    yield from (DNF, ZYPP, "/etc/rpmrc", "/etc/popt", "/root/.popt", "/root/.rpmrc", "/root/.rpmmacros")


def open_to(host: Host, restricted: str) -> str:
    """What would let a restricted package in; "" for nothing. Raises Unseen and ControlError."""
    found = [*_let_go(host)]
    return "; ".join(
        [*found, *(["rpm installs a made package that conflicts with the guard"] * _passes(host, restricted))]
    )


def _let_go(host: Host) -> Iterator[str]:
    for path in (DNF, *(f"{folder}/{name}" for folder in DNF5 for name in host.list_directory(folder)), ZYPP):
        for line in (host.read_text(path) or "").splitlines():
            key, _, value = (word.strip() for word in line.partition("="))
            known = any(path.startswith(place) for place in LETS_GO.get(key, ()))
            if known and value and value.lower() not in HARMLESS.get(key, ()):
                yield f"{path} sets {key}, so that the block may be passed: remove it"


def _passes(host: Host, restricted: str) -> bool:
    from .rpm_guard import package

    try:
        with open_memory_file(package((), "0", "trial", name=TRIAL_PACKAGE_NAME, provides=restricted)) as path:
            answer = host.run_command(["rpm", "-i", "--test", "--nosignature", path], timeout=LIMIT)
    except ControlError as error:
        raise ObservationError(str(error)) from None
    if answer.rc and GUARD in answer.err and "conflicts" in answer.err:
        return False
    if not answer.rc:
        return True
    raise ObservationError(f"rpm could not be tried: {' '.join(answer.err.split())[-200:]}")
