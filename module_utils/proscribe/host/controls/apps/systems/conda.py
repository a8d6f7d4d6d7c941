"""Packages in environments of conda, mamba, micromamba and pixi.

An environment has a file `conda-meta/<name>-<version>-<build>.json` for each package. The observation runs none of
these tools. It looks for environments below the installer's directory and below ~/.conda. It also reads the list
~/.conda/environments.txt (conda's "Managing environments").

Proscribe removes no package, because none of these tools could be tried. They also remove the packages that depend on
the removed package, and some remove its dependencies. So a package is reported, with the command of its owner.
"""

from __future__ import annotations

import itertools
import json
import os
from typing import AbstractSet, Callable, Iterator, Mapping, Sequence

from ....system import ControlError, Host, Process, User
from ...base import ControlAction
from .declaration import CoverageClaim, InstallRoute, PackageIdFormat, SystemDeclaration
from .package import Package
from .place_checks import check_each, summarise_reasons
from .site_packages import accept_claimed_version

MANAGER = "conda"
INSTALLATION_NAMES = (
    "conda",
    "miniconda",
    "miniconda3",
    "anaconda",
    "anaconda3",
    "miniforge",
    "miniforge3",
    "mambaforge",
)
TRACES = (
    *("~/.conda", "~/.pixi", "~/micromamba", "~/.local/share/mamba"),
    *(f"{above}/{name}" for above in ("~", "/opt", "/usr/local") for name in INSTALLATION_NAMES),
)
ENVIRONMENT_LIST = "/.conda/environments.txt"
METADATA_DIRECTORY = "conda-meta"
MAX_ENVIRONMENTS = 1000  # most environments that are checked for one user, and for the host
MAX_METADATA_BYTES = 1024 * 1024  # largest metadata file of a package, and largest environments.txt
MAX_PROGRAMS = 200  # most program files of one package that are kept
PROGRAM_PREFIXES = ("bin/", "sbin/", "libexec/", "lib/", "opt/", "share/")


def find_packages(host: Host, ids: AbstractSet[str]) -> tuple[list[Package], str]:
    """Return the packages among `ids` in the host's environments, and why some are unknown.

    The reason is "" if all could be checked.
    """
    return _find_in_environments(host, None, ids) if ids else ([], "")


def find_user_packages(host: Host, user: User, ids: AbstractSet[str]) -> tuple[list[Package], str]:
    """Return the packages among `ids` in a user's environments, and why some are unknown.

    The reason is "" if all could be checked.
    """
    return _find_in_environments(host, user, ids) if ids else ([], "")


def _find_in_environments(host: Host, user: User | None, ids: AbstractSet[str]) -> tuple[list[Package], str]:
    """Return the packages among `ids` in the environments of `user`, and why some are unknown.

    If `user` is None, the environments are the host's. The reason is "" if all could be checked. The name of a metadata
    file identifies a package. If the name inside the file differs, the file does not count. The first handle of a
    package is its environment; the other handles are its program files.
    """

    def check_environment(prefix: str) -> Iterator[Package]:
        for file in host.list_directory(f"{prefix}/{METADATA_DIRECTORY}"):
            name, version = parse_metadata_name(file)
            if (
                name in ids
                and (metadata := _read_metadata(host, f"{prefix}/{METADATA_DIRECTORY}/{file}")).get("name", name)
                == name
            ):
                version = accept_claimed_version(metadata.get("version")) or accept_claimed_version(version)
                path = f"{prefix}/{METADATA_DIRECTORY}/{file}"
                yield Package(MANAGER, name, version, (prefix, *list_program_files(metadata)), user, path)

    prefixes, gaps = _list_environments(host, user)
    packages, package_gaps = check_each(prefixes, check_environment)
    return packages, summarise_reasons([*gaps, *package_gaps])


def list_installation_roots(user: User | None) -> list[str]:
    """Return the directories in which conda may be installed.

    They are below the home of `user`. If `user` is None, they are directories of the host.
    """
    if user is None:
        return [place for place in TRACES if place[0] == "/"]
    return [user.home + place[1:] for place in TRACES if place[0] == "~"]


def _list_environments(host: Host, user: User | None) -> tuple[list[str], list[str]]:
    """Return the environments of `user` (None is the host), and the reasons why some could not be listed.

    Each installation of conda is itself an environment and may have others below `envs`. The environments in a user's
    list ~/.conda/environments.txt are added.
    """
    candidates, gaps = check_each(
        list_installation_roots(user),
        lambda root: [root, *(f"{root}/envs/{name}" for name in host.list_directory(f"{root}/envs"))],
    )
    if user:
        lines, list_gaps = check_each(
            [user.home + ENVIRONMENT_LIST], lambda path: (host.read_file(path, MAX_METADATA_BYTES) or b"").splitlines()
        )
        candidates, gaps = candidates + parse_environment_list(lines, user.home), gaps + list_gaps
    environments = list(dict.fromkeys(candidates))
    if len(environments) > MAX_ENVIRONMENTS:
        gaps.append(f"more than {MAX_ENVIRONMENTS} environments of conda: not all were checked")
    return environments[:MAX_ENVIRONMENTS], gaps


def parse_environment_list(lines: Sequence[bytes], home: str) -> list[str]:
    """Return the environments in the lines of an environments.txt.

    Paths outside the directory `home` are left out.
    """
    paths = (line.decode("utf-8", "replace").strip() for line in lines)
    return [
        path for path in paths if path.startswith(home + "/") and path == os.path.normpath(path) and path.isprintable()
    ]


def parse_metadata_name(file: str) -> tuple[str, str]:
    """Return name and version of a package from the name of its metadata file.

    The file name is `<name>-<version>-<build>.json`. Another file name gives ("", "").
    """
    stem, dot, kind = file.rpartition(".")
    parts = stem.rsplit("-", 2)
    return (parts[0], parts[1]) if dot and kind == "json" and len(parts) == 3 else ("", "")


def _read_metadata(host: Host, path: str) -> Mapping[str, object]:
    """Return the metadata of a package, or {} if its file is unreadable.

    The caller can still identify the package by the name of the file.
    """
    try:
        metadata = json.loads(host.read_file(path, MAX_METADATA_BYTES) or b"")
    except (ValueError, RecursionError, ControlError):
        return {}
    return metadata if isinstance(metadata, dict) else {}


def list_program_files(metadata: Mapping[str, object]) -> list[str]:
    """Return the files of a package that may be programs, relative to its environment.

    The metadata lists all files. At most MAX_PROGRAMS files are returned.
    """
    files = metadata.get("files")
    file_names = (file for file in files if isinstance(file, str)) if isinstance(files, list) else ()
    return [file for file in itertools.islice(file_names, 20 * MAX_PROGRAMS) if file.startswith(PROGRAM_PREFIXES)][
        :MAX_PROGRAMS
    ]


def list_owned_directories(host: Host, user: User | None) -> list[str]:
    """Return the environments of `user`, or the host's installations of conda if `user` is None.

    Only conda itself removes files inside these directories. The file scan moves no file out of them.
    """
    if user is None:
        return [root for root in list_installation_roots(None) if host.find_entry(f"{root}/{METADATA_DIRECTORY}")]
    environments, _ = _list_environments(host, user)
    return check_each(environments, lambda path: [path] if host.find_entry(f"{path}/{METADATA_DIRECTORY}") else [])[0]


def make_program_matcher(host: Host, ids: AbstractSet[str], packages: Sequence[Package]) -> Callable[[Process], str]:
    """Make the function that returns the restricted package of a running program, or "".

    A program belongs to a package if the package's metadata lists the program's file. Packages in a user's environment
    identify only programs that this user runs.
    """
    files = {f"{package.handles[0]}/{file}": package for package in packages for file in package.handles[1:]}

    def find_package(process: Process) -> str:
        package = files.get(process.exe)
        if package is None or not host.has_host_root(process):
            return ""
        return package.id if package.owner is None or host.find_process_uid(process) == package.owner.uid else ""

    return find_package


def plan_removal(host: Host, packages: Sequence[Package]) -> tuple[list[ControlAction], list[tuple[Package, str]]]:
    """Return no action, and each package with the reason: the owner of its environment removes it."""
    return [], [(package, _explain_refusal(package)) for package in packages]


def _explain_refusal(package: Package) -> str:
    import shlex  # only an enforcing run needs this import

    owner = "its user" if package.owner else "root"
    command = shlex.join(["conda", "remove", "--prefix", package.handles[0], package.id])
    return f"Proscribe removes no package of conda: {owner} runs `{command}`, or the tool that made the environment"


DECLARED = (
    SystemDeclaration(
        name=MANAGER,
        catalogue_key="conda",
        id_format=PackageIdFormat(
            id_pattern=r"[a-z0-9_][a-z0-9._-]{0,99}",
            meaning="a conda package name in lower case: letters, digits, . _ -, without channel",
            source="conda's CEP 26",
            valid_example="telegram-send",
            invalid_examples=("conda-forge::x", "X", "-x", "a/b", "a b"),
        ),
        reinstall=None,
        routes=(
            InstallRoute(
                route=(
                    "conda, mamba, micromamba, pixi: environments below the usual directories, and those that "
                    "`~/.conda/environments.txt` lists"
                ),
                detection=CoverageClaim(
                    "`conda-meta` in each; programs that run by the package's list of files",
                    "unit/host/controls/apps/test_systems_of_languages::test_an_environment_anywhere_in_the_home_that_conda_has_listed",
                ),
                removal=None,
                prevention=None,
                remaining_gap=(
                    "conda asks nobody. An enforcing run names the command that removes it. Environments made by "
                    "py-rattler: conda, mamba, micromamba and pixi could not be had and were not run"
                ),
            ),
        ),
        traces=TRACES,
    ),
)
