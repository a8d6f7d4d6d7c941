"""Packages in environments of conda, mamba, micromamba and pixi.

An environment has a file `conda-meta/<name>-<version>-<build>.json` for each package. The observation runs none of
these tools. It looks for environments below the installer's directory and below ~/.conda. It also reads the list
~/.conda/environments.txt (conda's "Managing environments").

conda, mamba or micromamba removes a package as the owner of its environment. These tools also remove the packages that
depend on the removed package. Some also remove its dependencies. So each removal is simulated first (`--dry-run
--json`). A removal that would change other packages is refused.
"""

from __future__ import annotations

import itertools
import json
import os
from functools import partial
from typing import AbstractSet, Any, Callable, Iterator, Mapping, Sequence

from ....system import ControlError, Host, Process, User
from ...base import ControlAction
from .declaration import CoverageClaim, InstallRoute, PackageIdFormat, ReinstallCommands, SystemDeclaration
from .package import Package
from .place_checks import check_each, summarise_reasons
from .site_packages import accept_claimed_version
from .uninstall_actions import PackageTools, explain_foreign_ownership, make_uninstall_action, plan_package_removals

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


# -- removal

CONDA_TOOLS = ("conda", "mamba", "micromamba")
CONDA_ENVIRONMENT = {"CONDA_OFFLINE": "1", "MAMBA_OFFLINE": "1"}
MAX_SHOWN_PACKAGES = 5  # most packages that the reason for a refusal names
SIMULATION_TIMEOUT_SECONDS = 60


def plan_removal(host: Host, packages: Sequence[Package]) -> tuple[list[ControlAction], list[tuple[Package, str]]]:
    """Return the actions that remove packages of conda, and the packages that stay, each with the reason.

    A removal from the host's environment is simulated now. A removal from a user's environment is simulated just before
    it, because the user's tool runs without the host's lock.
    """
    tools = PackageTools(host)
    tool_errors: list[str] = []  # the error of the first simulation that failed; then no tool is run again

    def plan_package_removal(package: Package) -> ControlAction | str:
        prefix = package.handles[0]
        root = prefix.partition("/envs/")[0]
        places = [root, f"{root}/bin", f"{root}/lib", prefix, f"{prefix}/{METADATA_DIRECTORY}"]
        if reason := explain_foreign_ownership(host, package, package.path, places):
            return reason
        tool = _find_tool(tools, package, root)
        if not tool:
            return "neither conda, mamba nor micromamba is there to remove it with"
        if tool_errors:
            return tool_errors[0]
        argv = [tool, "remove", "--prefix", prefix, "--yes", "--offline"]
        find_objection = partial(
            _find_additional_changes,
            host,
            package,
            argv,
            {other_package.id for other_package in packages if other_package.handles[0] == prefix},
        )
        # a user's tool must not run while this run holds the host's lock, so its removal is simulated later
        if package.owner:
            return make_uninstall_action(
                host, package, [*argv, package.id], prefix, CONDA_ENVIRONMENT, find_objection=find_objection
            )
        try:
            reason = find_objection()
        except ControlError as error:
            tool_errors.append(str(error))
            raise
        return reason or make_uninstall_action(host, package, [*argv, package.id], prefix, CONDA_ENVIRONMENT)

    return plan_package_removals(packages, plan_package_removal)


def _find_tool(tools: PackageTools, package: Package, root: str) -> str:
    """Return the path of a conda, mamba or micromamba that can remove a package, or "".

    `root` is the installation that has the package's environment. For a package of the host, only the host's tools and
    those of `root` count.
    """
    for name in CONDA_TOOLS:
        installed_paths = [
            f"{place}/bin/{name}" for place in dict.fromkeys([root, *list_installation_roots(package.owner)])
        ]
        if package.owner:  # micromamba is a single program that its user can put anywhere
            tool = tools.find_tool(
                package, name, user_paths=[*installed_paths, f"~/.local/bin/{name}", f"~/bin/{name}"]
            )
        else:
            tool = tools.find_tool(package, name, installed_paths[:1])
        if tool:
            return tool
    return ""


def _find_additional_changes(host: Host, package: Package, argv: Sequence[str], removable_ids: AbstractSet[str]) -> str:
    """Describe the other packages that a removal would remove or install, or return "".

    Raises ControlError. `argv` is the removal command without the package; the tool simulates the removal and reports
    the packages. Packages in `removable_ids` do not count.
    """
    argv = [*argv, "--dry-run", "--json", package.id]
    result = host.run_command(
        argv, user=package.owner, environment=CONDA_ENVIRONMENT, timeout=SIMULATION_TIMEOUT_SECONDS
    )
    removed_names, installed_names = parse_dry_run(result.out)
    if result.rc or package.id not in removed_names:
        return f"{argv[0]} does not say what its removal would take along"
    other_names = [name for name in dict.fromkeys(removed_names) if name not in removable_ids]
    if other_names or installed_names:
        shown = ", ".join([*other_names, *(f"{name} (changed)" for name in installed_names)][:MAX_SHOWN_PACKAGES])
        return f"it would take along {shown}"
    return ""


def parse_dry_run(answer: str) -> tuple[list[str], list[str]]:
    """Return the names of the packages that a simulated removal would remove (unlink) and install (link).

    The JSON may follow other lines of output. Invalid output gives two empty lists.
    """
    try:
        document: Any = json.loads(answer[answer.index("{") :])
    except (ValueError, RecursionError):
        return [], []
    actions = document.get("actions") if isinstance(document, dict) else None
    return _list_package_names(actions, "UNLINK"), _list_package_names(actions, "LINK")


def _list_package_names(actions: Any, key: str) -> list[str]:
    """Return the package names in the list `actions[key]` of a simulation.

    "?" stands for an unreadable name.
    """
    raw_rows = actions.get(key) if isinstance(actions, dict) else None
    rows = raw_rows if isinstance(raw_rows, list) else []
    return [str(row.get("name", "?")) if isinstance(row, dict) else "?" for row in rows]


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
        reinstall=ReinstallCommands({"": "{tool} install --yes --prefix {place} {names}"}, version_separator="="),
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
                removal=CoverageClaim(
                    "conda, mamba or micromamba, as the owner, simulated first; refused where more would go",
                    "unit/host/controls/apps/test_systems_of_languages::test_removal_that_takes_more_along_is_refused",
                ),
                prevention=None,
                remaining_gap=(
                    "conda asks nobody. What pixi alone installed stays: reported. Environments made by "
                    "py-rattler; conda, mamba and micromamba could not be had and were not run: a script in "
                    "conda's place answered as its issues show it"
                ),
            ),
        ),
        traces=TRACES,
    ),
)
