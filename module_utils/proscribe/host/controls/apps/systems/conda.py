"""Packages in environments of conda, mamba, micromamba and pixi: `conda-meta/<name>-<version>-<build>.json` in each.

None of them is asked. Where environments lie: below the installer's directory, below ~/.conda, and wherever
~/.conda/environments.txt lists one (conda's "Managing environments").

conda, mamba or micromamba removes a package, as the owner of its environment. Removing one takes along what needs it,
and some tools what it needed. So each is simulated first (`--dry-run --json`), and refused where more would go.
"""

from __future__ import annotations

import itertools
import json
import os
from functools import partial
from typing import AbstractSet, Any, Callable, Iterator, Mapping, Sequence

from ....system import ControlError, Host, Process, User
from ...base import ControlAction
from .as_owner import OwnTools, others_have, removals, uninstall
from .declaration import Claim, Declared, Ids, Reinstall, Route
from .each_place import check_each, summarise_reasons
from .package import Package
from .site_packages import claimed_version

MANAGER = "conda"
ROOTS = ("conda", "miniconda", "miniconda3", "anaconda", "anaconda3", "miniforge", "miniforge3", "mambaforge")
TRACES = (
    *("~/.conda", "~/.pixi", "~/micromamba", "~/.local/share/mamba"),
    *(f"{above}/{name}" for above in ("~", "/opt", "/usr/local") for name in ROOTS),
)
LISTED = "/.conda/environments.txt"
META = "conda-meta"
MOST = 1000  # environments of one user
LARGEST = 1024 * 1024  # bytes of what is said of a package
MOST_PROGRAMS = 200  # of a package
PROGRAMS = ("bin/", "sbin/", "libexec/", "lib/", "opt/", "share/")


def query(host: Host, ids: AbstractSet[str]) -> tuple[list[Package], str]:
    return _query(host, None, ids) if ids else ([], "")


def query_of(host: Host, user: User, ids: AbstractSet[str]) -> tuple[list[Package], str]:
    return _query(host, user, ids) if ids else ([], "")


def _query(host: Host, user: User | None, ids: AbstractSet[str]) -> tuple[list[Package], str]:
    def check(prefix: str) -> Iterator[Package]:
        for file in host.list_directory(f"{prefix}/{META}"):
            name, version = parse_name(file)
            if name in ids and (said := _said(host, f"{prefix}/{META}/{file}")).get("name", name) == name:
                version = claimed_version(said.get("version")) or claimed_version(version)
                path = f"{prefix}/{META}/{file}"
                yield Package(MANAGER, name, version, (prefix, *programs_in(said)), user, path)

    prefixes, unseen = _environments(host, user)
    found, blind = check_each(prefixes, check)
    return found, summarise_reasons([*unseen, *blind])


def roots(user: User | None) -> list[str]:
    """Where installations are, of the host or of a user."""
    if user is None:
        return [place for place in TRACES if place[0] == "/"]
    return [user.home + place[1:] for place in TRACES if place[0] == "~"]


def _environments(host: Host, user: User | None) -> tuple[list[str], list[str]]:
    """The base of each installation, the environments below it, and those that a user's list has; and why that is not
    all.
    """
    below, unseen = check_each(
        roots(user), lambda root: [root, *(f"{root}/envs/{n}" for n in host.list_directory(f"{root}/envs"))]
    )
    if user:
        lines, blind = check_each(
            [user.home + LISTED], lambda path: (host.read_file(path, LARGEST) or b"").splitlines()
        )
        below, unseen = below + parse(lines, user.home), unseen + blind
    found = list(dict.fromkeys(below))
    if len(found) > MOST:
        unseen.append(f"more than {MOST} environments of conda: not all were checked")
    return found[:MOST], unseen


def parse(lines: Sequence[bytes], home: str) -> list[str]:
    """The environments below a home that a list of them names."""
    paths = (line.decode("utf-8", "replace").strip() for line in lines)
    return [p for p in paths if p.startswith(home + "/") and p == os.path.normpath(p) and p.isprintable()]


def parse_name(file: str) -> tuple[str, str]:
    """Name and version out of `<name>-<version>-<build>.json`; empty for another file."""
    stem, dot, kind = file.rpartition(".")
    parts = stem.rsplit("-", 2)
    return (parts[0], parts[1]) if dot and kind == "json" and len(parts) == 3 else ("", "")


def _said(host: Host, path: str) -> Mapping[str, object]:
    """What is said of a package; empty where that cannot be read: the name of its file says what it is."""
    try:
        said = json.loads(host.read_file(path, LARGEST) or b"")
    except (ValueError, RecursionError, ControlError):
        return {}
    return said if isinstance(said, dict) else {}


def programs_in(said: Mapping[str, object]) -> list[str]:
    """The files of a package that may be its programs, relative to the environment."""
    files = said.get("files")
    listed = (file for file in files if isinstance(file, str)) if isinstance(files, list) else ()
    return [file for file in itertools.islice(listed, 20 * MOST_PROGRAMS) if file.startswith(PROGRAMS)][:MOST_PROGRAMS]


def owned_directories(host: Host, user: User | None) -> list[str]:
    """The environments: what lies in one goes with it, or stays with it."""
    if user is None:
        return [root for root in roots(None) if host.find_entry(f"{root}/{META}")]
    environments, _ = _environments(host, user)
    return check_each(environments, lambda path: [path] if host.find_entry(f"{path}/{META}") else [])[0]


def programs(host: Host, ids: AbstractSet[str], packages: Sequence[Package]) -> Callable[[Process], str]:
    """By the files that a package has in its environment. A user's environment says it of his own programs only."""
    files = {f"{package.handles[0]}/{file}": package for package in packages for file in package.handles[1:]}

    def program(process: Process) -> str:
        package = files.get(process.exe)
        if package is None or not host.has_host_root(process):
            return ""
        return package.id if package.owner is None or host.find_process_uid(process) == package.owner.uid else ""

    return program


# -- removal

TOOLS = ("conda", "mamba", "micromamba")
ENVIRONMENT = {"CONDA_OFFLINE": "1", "MAMBA_OFFLINE": "1"}
SHOWN = 5  # of what would go as well
PATIENCE = 60  # seconds until a simulation has to be there


def removal(host: Host, packages: Sequence[Package]) -> tuple[list[ControlAction], list[tuple[Package, str]]]:
    tools = OwnTools(host)
    silent: list[str] = []  # why a tool has not answered: then no more is asked of it

    def one(package: Package) -> ControlAction | str:
        prefix = package.handles[0]
        root = prefix.partition("/envs/")[0]
        places = [root, f"{root}/bin", f"{root}/lib", prefix, f"{prefix}/{META}"]
        if reason := others_have(host, package, package.path, places):
            return reason
        tool = _tool(tools, package, root)
        if not tool:
            return "neither conda, mamba nor micromamba is there to remove it with"
        if silent:
            return silent[0]
        argv = [tool, "remove", "--prefix", prefix, "--yes", "--offline"]
        more = partial(_more, host, package, argv, {p.id for p in packages if p.handles[0] == prefix})
        if package.owner:  # whose tool runs without the host's lock
            return uninstall(host, package, [*argv, package.id], prefix, ENVIRONMENT, why_not=more)
        try:
            reason = more()
        except ControlError as error:
            silent.append(str(error))
            raise
        return reason or uninstall(host, package, [*argv, package.id], prefix, ENVIRONMENT)

    return removals(packages, one)


def _tool(tools: OwnTools, package: Package, root: str) -> str:
    for name in TOOLS:
        installed = [f"{place}/bin/{name}" for place in dict.fromkeys([root, *roots(package.owner)])]
        if package.owner:  # micromamba is a lone program, which lies where its user put it
            tool = tools.of(package, name, own=[*installed, f"~/.local/bin/{name}", f"~/bin/{name}"])
        else:
            tool = tools.of(package, name, installed[:1])
        if tool:
            return tool
    return ""


def _more(host: Host, package: Package, argv: Sequence[str], going: AbstractSet[str]) -> str:
    """What else than packages that go anyway would go or come, as the tool itself says; "" for nothing. Raises
    ControlError.
    """
    argv = [*argv, "--dry-run", "--json", package.id]
    result = host.run_command(argv, user=package.owner, environment=ENVIRONMENT, timeout=PATIENCE)
    gone, come = parse_dry_run(result.out)
    if result.rc or package.id not in gone:
        return f"{argv[0]} does not say what its removal would take along"
    others = [name for name in dict.fromkeys(gone) if name not in going]
    if others or come:
        shown = ", ".join([*others, *(f"{name} (changed)" for name in come)][:SHOWN])
        return f"it would take along {shown}"
    return ""


def parse_dry_run(answer: str) -> tuple[list[str], list[str]]:
    """The names of what a dry run would unlink and link, out of its JSON, which lines for people may precede."""
    try:
        said: Any = json.loads(answer[answer.index("{") :])
    except (ValueError, RecursionError):
        return [], []
    actions = said.get("actions") if isinstance(said, dict) else None
    return _names(actions, "UNLINK"), _names(actions, "LINK")


def _names(actions: Any, key: str) -> list[str]:
    listed = actions.get(key) if isinstance(actions, dict) else None
    rows = listed if isinstance(listed, list) else []
    return [str(row.get("name", "?")) if isinstance(row, dict) else "?" for row in rows]


DECLARED = (
    Declared(
        name=MANAGER,
        key="conda",
        ids=Ids(
            pattern=r"[a-z0-9_][a-z0-9._-]{0,99}",
            meaning="a conda package name in lower case: letters, digits, . _ -, without channel",
            source="conda's CEP 26",
            good="telegram-send",
            bad=("conda-forge::x", "X", "-x", "a/b", "a b"),
        ),
        reinstall=Reinstall({"": "{tool} install --yes --prefix {place} {names}"}, pin="="),
        routes=(
            Route(
                route=(
                    "conda, mamba, micromamba, pixi: environments below the usual directories, and those that "
                    "`~/.conda/environments.txt` lists"
                ),
                seen=Claim(
                    "`conda-meta` in each; programs that run by the package's list of files",
                    "unit/host/controls/apps/test_systems_of_languages::test_an_environment_anywhere_in_the_home_that_conda_has_listed",
                ),
                removed=Claim(
                    "conda, mamba or micromamba, as the owner, simulated first; refused where more would go",
                    "unit/host/controls/apps/test_systems_of_languages::test_removal_that_takes_more_along_is_refused",
                ),
                prevented=None,
                left=(
                    "conda asks nobody. What pixi alone installed stays: reported. Environments made by "
                    "py-rattler; conda, mamba and micromamba could not be had and were not run: a script in "
                    "conda's place answered as its issues show it"
                ),
            ),
        ),
        traces=TRACES,
    ),
)
