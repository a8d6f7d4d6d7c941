"""Trial of the install block of the rpm family: rpm tests the installation of a package that has to be refused.

The trial package is empty, and says that it provides a restricted package. The guard, Proscribe's empty package,
conflicts with it. With some settings, dnf may remove the guard, or dnf and zypper may ignore their own lists. Such
settings are read from their files. `rpm --test` checks everything that an installation checks, and changes nothing. The
front ends are not run: they load the data of their repositories, and use rpm in the end.
"""

from __future__ import annotations

from typing import Iterator

from ....system import ControlError, Host, ObservationError
from ..blocks.trial_cache import TRIAL_PACKAGE_NAME, list_directory_entries, list_program_paths, open_memory_file
from .guard_conflicts import GUARD_PACKAGE
from .rpm_database import DATABASE_FILES

DNF_CONFIGURATION = "/etc/dnf/dnf.conf"
# Directories of dnf5's further configuration.
DNF5_DIRECTORIES = ("/etc/dnf/libdnf5.conf.d", "/usr/share/dnf5/libdnf.conf.d")
ZYPP_CONFIGURATION = "/etc/zypp/zypp.conf"
# By setting of [main]: the files that can have it. If an administrator has set one, the block may be incomplete.
RISKY_SETTINGS = {
    **dict.fromkeys(("disable_excludes", "protected_packages"), (DNF_CONFIGURATION, *DNF5_DIRECTORIES)),
    **dict.fromkeys(("locksfile.apply", "locksfile.path"), (ZYPP_CONFIGURATION,)),
}
HARMLESS_VALUES = {"locksfile.apply": ("yes", "true", "1", "on"), "locksfile.path": ("/etc/zypp/locks",)}
TRIAL_TIMEOUT_SECONDS = 30


def list_dependencies(host: Host) -> Iterator[str]:
    """Yield the paths of the programs and configuration files on which the result of the trial depends."""
    yield from DATABASE_FILES
    yield from list_program_paths(host, ["rpm"])
    yield from list_directory_entries(host, ["/etc/rpm", "/etc/popt.d", *DNF5_DIRECTORIES])
    yield from (
        DNF_CONFIGURATION,
        ZYPP_CONFIGURATION,
        "/etc/rpmrc",
        "/etc/popt",
        "/root/.popt",
        "/root/.rpmrc",
        "/root/.rpmmacros",
    )


def find_open_routes(host: Host, restricted: str) -> str:
    """Describe the routes by which a restricted package could be installed in spite of the block, or return "".

    `restricted` is the name of a package. Raises ObservationError and ControlError.
    """
    problems = [*_find_risky_settings(host)]
    return "; ".join(
        [*problems, *(["rpm installs a made package that conflicts with the guard"] * _is_passed(host, restricted))]
    )


def _find_risky_settings(host: Host) -> Iterator[str]:
    """Yield a message for each setting of dnf or zypper by which the block may be ineffective."""
    for path in (
        DNF_CONFIGURATION,
        *(f"{folder}/{name}" for folder in DNF5_DIRECTORIES for name in host.list_directory(folder)),
        ZYPP_CONFIGURATION,
    ):
        for line in (host.read_text(path) or "").splitlines():
            key, _, setting = (word.strip() for word in line.partition("="))
            is_risky = any(path.startswith(prefix) for prefix in RISKY_SETTINGS.get(key, ()))
            if is_risky and setting and setting.lower() not in HARMLESS_VALUES.get(key, ()):
                yield f"{path} sets {key}, so that the block may be passed: remove it"


def _is_passed(host: Host, restricted: str) -> bool:
    """Return whether rpm would install a package that provides `restricted`, so that the guard has no effect.

    Raises ObservationError if rpm reports another error than the conflict with the guard.
    """
    from .rpm_guard_package import build_package

    try:
        with open_memory_file(build_package((), "0", "trial", name=TRIAL_PACKAGE_NAME, provides=restricted)) as path:
            result = host.run_command(["rpm", "-i", "--test", "--nosignature", path], timeout=TRIAL_TIMEOUT_SECONDS)
    except ControlError as error:
        raise ObservationError(str(error)) from None
    if result.rc and GUARD_PACKAGE in result.err and "conflicts" in result.err:
        return False
    if not result.rc:
        return True
    raise ObservationError(f"rpm could not be tried: {' '.join(result.err.split())[-200:]}")
