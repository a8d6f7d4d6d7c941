"""Package systems: places, declarations, answers on demand, and tools of an owner that remove packages."""

import functools
import importlib
import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple
from unittest import mock

import proscribe
import pytest
from derived.app_routes import HEAD, cells, routes, table
from derived.other_routes import ROUTES as OTHERS
from derived.package_systems import declared
from fake_tools import package_system
from made_users import ALICE, put, put_link, tree
from proscribe.controller.compile.reading.package_names import GUARDED, NAMES
from proscribe.controller.report.text.package_commands import COMMANDS
from proscribe.host.controls.apps import systems
from proscribe.host.controls.apps.systems import (
    brew,
    conda,
    dpkg,
    flatpak,
    guix,
    installed_packages,
    nix,
    npm,
    package_systems,
    pip,
    pipx,
    snap,
    uninstall_actions,
)
from proscribe.host.controls.apps.systems import uv as uv_tools
from proscribe.host.controls.apps.systems.on_demand_system import OnDemandSystem
from proscribe.host.controls.apps.systems.package import InstallBlock, Package, find_program_place
from proscribe.host.controls.apps.systems.user_links import read_link
from proscribe.host.controls.base import ControlAction
from proscribe.host.system import ControlError, Host, ObservationError, Process, ToolResult, User
from proscribe.model.removal_record import RemovedPackage

root_only = pytest.mark.skipif(os.geteuid() != 0, reason="needs root: makes what another user owns")
ROWS: dict[str, Any] = {system.MANAGER: system for system in package_systems.SYSTEMS}
ALL = [item.declared for item in declared()]
SPELLED = {item.catalogue_key: item.id_format for item in ALL if item.id_format}
HOME = "/home/alice"
STORE = f"/nix/store/{'a' * 32}-owl-1"
CONDA = f"{HOME}/miniconda3"
PIP_FOLDER = f"{HOME}/.local/lib/python3.9/site-packages"
OF_HOST = Package("npm", "owl", "1.0", ("owl",), path="/opt/owl")
OF_ALICE = OF_HOST._replace(owner=ALICE, path="/home/alice/owl")
OWN_TOOLS = ["~/bin/npm", "/opt/npm"]


class NotingHost(Host):
    """A host that notes what is read of it, but for what says which users there are."""

    def __init__(self, root: str) -> None:
        super().__init__(root)
        self.paths: list[str] = []
        for name in ("list_directory", "find_entry", "read_file"):
            setattr(self, name, functools.partial(self.note, getattr(self, name)))

    def note(self, real: Any, path: str, *limit: int) -> Any:
        if not path.startswith("/etc/passwd") and path not in ("/home", "/home/alice", "/home/bob"):
            self.paths.append(path)
        return real(path, *limit)


class Places(NamedTuple):
    """What is a package system's own, and what it reads: of the host, and of a user."""

    own: list[str] = []
    read: list[str] = []
    own_of_user: list[str] = []
    read_of_user: list[str] = []


def at_home(*paths: str) -> list[str]:
    return [f"/home/alice/{path}" for path in paths]


def conda_paths(*above: str) -> Iterator[str]:
    kinds = ("conda", "miniconda", "miniconda3", "anaconda", "anaconda3", "miniforge", "miniforge3", "mambaforge")
    yield from (f"{folder}{kind}" for folder in above for kind in kinds)


def brew_places(room: str) -> Places:
    common = ["/home/linuxbrew/.linuxbrew"]
    own = at_home(f".linuxbrew/{room}", f"homebrew/{room}")
    return Places([], common, own, [*common, *own])


NODE = [f"{prefix}/lib/node_modules" for prefix in ("/usr", "/usr/local")]
OWN_NODE = at_home(*(f"{prefix}/lib/node_modules" for prefix in (".local", ".npm-global", ".npm-packages")))
PYTHONS = ["/usr/lib", "/usr/lib64", "/usr/local/lib", "/usr/local/lib64"]
RPM = [
    f"{folder}/{name}"
    for folder in ("/usr/lib/sysimage/rpm", "/var/lib/rpm")
    for name in ("rpmdb.sqlite", "rpmdb.sqlite-wal", "Packages.db", "Packages")
]
CONDA_PATHS = [*conda_paths("/opt/", "/usr/local/")]
OWN_CONDA = at_home(".conda", ".pixi", "micromamba", ".local/share/mamba", *conda_paths(""))
NIX = "/nix/var/nix/profiles"
PIPX = at_home(".local/share/pipx/venvs", ".local/pipx/venvs")
PLACES = {
    "dpkg": Places(read=["/var/lib/dpkg/status"]),
    "flatpak": Places(
        ["/var/lib/flatpak"],
        ["/etc/flatpak/installations.d", "/var/lib/flatpak/app"],
        *(at_home(f".local/share/flatpak{inside}") for inside in ("", "/app")),
    ),
    "pacman": Places(read=["/var/lib/pacman/local"]),
    "rpm": Places(read=RPM),
    "snap": Places(read=["/var/lib/snapd/snaps"]),
    "npm": Places(NODE, NODE, OWN_NODE, [*at_home(".nvm/versions/node", ".npmrc"), *OWN_NODE]),
    "pip": Places([], PYTHONS * 2, [], at_home(".pyenv/versions", ".local/lib")),
    "pipx": Places(["/opt/pipx/venvs"], ["/opt/pipx/venvs"], PIPX, PIPX),
    "uv": Places([], [], at_home(".local/share/uv/tools"), at_home(".local/bin", ".local/share/uv/tools")),
    "brew": brew_places("Cellar"),
    "brew_cask": brew_places("Caskroom"),
    "conda": Places(
        read=[f"{path}/{name}" for name in ("envs", "conda-meta") for path in CONDA_PATHS],
        read_of_user=[f"{path}/{name}" for name in ("envs", "conda-meta") for path in OWN_CONDA]
        + at_home(".conda/environments.txt"),
    ),
    "guix": Places([], [], [], [*at_home(".guix-extra-profiles"), "/var/guix/profiles/per-user/alice"]),
    "nix": Places(
        [],
        [NIX, f"{NIX}/per-user/root"],
        at_home(".local/share/nix/root/nix/store", ".nix/store", ".nix-portable/nix/store"),
        [*at_home(".local/state/nix/profiles"), f"{NIX}/per-user/alice"],
    ),
    "waydroid": Places([], [], *(at_home(f".local/share/waydroid{inside}") for inside in ("", "/data/data"))),
}
ANSWERS: dict[str, Any] = {system.MANAGER: system for system in package_systems.SYSTEMS}
ANSWERS |= {
    system.MANAGER: system.load_system() for system in package_systems.ON_DEMAND
}  # without asking first whether it is there


@pytest.mark.parametrize("name", PLACES)
def test_system_reads_and_owns_these_places(tmp_path, name):
    system, root = ANSWERS[name], str(tree(tmp_path))
    host, home = NotingHost(root), NotingHost(root)
    assert system.find_packages(host, {"owl"}) == system.find_user_packages(home, ALICE, {"owl"}) == ([], "")
    own = [list(system.list_owned_directories(Host(root), user)) for user in (None, ALICE)]
    assert [*map(sorted, (own[0], host.paths, own[1], home.paths))] == [*map(sorted, PLACES[name])]
    unused = NotingHost(root)
    assert system.find_packages(unused, set()) == system.find_user_packages(unused, ALICE, set()) == ([], "")
    assert unused.paths == [], "where nothing is to be found, nothing is read"


@pytest.mark.parametrize("item", declared(), ids=lambda item: item.file)
def test_tables_and_documents_have_what_a_system_declares(project, item):
    row, system = ROWS[item.declared.name], item.declared
    file = importlib.import_module(f"{systems.__name__}.{item.file}")
    answers = getattr(file, system.implementation) if system.implementation else file
    assert (row.load_system() if row in package_systems.ON_DEMAND else row) is answers
    assert getattr(answers, "MANAGER", getattr(answers, "manager", "")) == row.MANAGER == system.name
    assert (row.CATALOGUE_KEY, row in package_systems.HOST_WIDE_SYSTEMS) == (system.catalogue_key, system.is_host_wide)
    places = (tuple(system.traces), system.has_named_directories)
    assert (getattr(row, "traces", ()), getattr(row, "has_named_directories", False)) == places
    if ids := system.id_format:
        assert NAMES[system.catalogue_key] == (ids.id_pattern, ids.meaning) and ids.source
        assert re.fullmatch(ids.id_pattern, ids.valid_example) and ids.invalid_examples
        assert not [bad for bad in ids.invalid_examples if not bad or re.fullmatch(ids.id_pattern, bad)]
    of_key = [item for item in ALL if item.catalogue_key == system.catalogue_key]
    assert (system.catalogue_key in GUARDED) is any(item.is_guarded for item in of_key)
    how, ids = system.reinstall, SPELLED[system.catalogue_key]
    result = (
        (ids.id_pattern, how.name_pattern, how.version_separator, dict(how.commands), dict(how.mark_commands))
        if how
        else None
    )
    assert COMMANDS.get(system.name) == result
    assert bool(system.routes) is (system.name not in ("brew_cask", "pipx"))
    for route in system.routes:
        assert f"| {' | '.join(cells(route))} |\n" in (project / "docs/coverage_data.md").read_text(encoding="utf-8")
        for claim in filter(None, (route.detection, route.removal, route.prevention)):
            path, _, test = claim.test_name.partition("::")
            assert f"def {test}(" in (project / f"tests/{path}.py").read_text(encoding="utf-8")


def test_tables_know_no_other_system():
    assert NAMES.keys() == SPELLED.keys() and {*GUARDED} <= NAMES.keys()
    assert COMMANDS.keys() <= ROWS.keys() == {item.name for item in ALL}
    named = [system.MANAGER for system in package_systems.NAMED_DIRECTORY_SYSTEMS]
    assert named == ["guix", "nix"], "asked about accounts without a home, too"


PROGRAM = """
import json
import sys
sys.path.insert(0, sys.argv[1])
from proscribe.host.controls.apps.apps_observation import observe_apps
from proscribe.host.system import Host
packages = {key: ["x-y.z"] for key in json.loads(sys.argv[3])}
entry = {"name": "x", "mode": "enforce", "packages": packages, "processes": [], "paths": []}
observe_apps(Host(sys.argv[2]), {"mode": "enforce", "services": {"x": entry}, "settings": {}})
print(*sorted(name.rpartition(".")[2] for name in sys.modules if name.startswith("proscribe.host.controls.apps.")))
"""
FEW = {item.file for item in declared() if item.declared.traces} | {"store_paths"}


def loaded(root: Path) -> set[str]:
    source = Path(proscribe.__file__).parents[1]
    keys = json.dumps([system.CATALOGUE_KEY for system in package_systems.SYSTEMS])
    command = [sys.executable, "-I", "-c", PROGRAM, str(source), str(root), keys]
    return set(subprocess.run(command, capture_output=True, text=True, check=True).stdout.split())


def test_host_compiles_the_files_of_systems_that_it_has(tmp_path):
    root = tree(tmp_path)
    assert loaded(root) & FEW == set()
    put(root, "nix/var/nix/profiles/x")
    assert loaded(root) & FEW == {"nix", "store_paths"}


@pytest.mark.parametrize("system", package_systems.ON_DEMAND, ids=lambda system: system.MANAGER)
@pytest.mark.parametrize("error", [ObservationError("a dead mount"), ControlError("a link")])
def test_unseen_system_is_asked(tmp_path, monkeypatch, system, error):
    monkeypatch.setattr(Host, "find_entry", mock.Mock(side_effect=error))
    assert system.is_present(Host(str(tmp_path)), ALICE)


@pytest.mark.parametrize("ids", [set(), {"x"}])
@pytest.mark.parametrize("present", [False, True])
def test_file_of_a_system_is_asked_for_wanted_traces_alone(root, ids, present):
    """To ask it means to compile it, which every audit would pay for."""
    for path in ("/trace/x", f"{ALICE.home}/trace/x") if present else ():
        put(root, path)
    host, inner = Host(str(root)), mock.Mock()
    inner.find_packages.return_value = inner.find_user_packages.return_value = ["p"], "b"
    inner.make_program_matcher.return_value = lambda process: "p"
    inner.list_owned_directories.return_value = ["t"]
    system = OnDemandSystem("x", "x", lambda: inner, ["/trace", "~/trace"])
    is_queried = bool(ids and present)
    answer = (["p"], "b") if is_queried else ([], "")
    assert system.find_packages(host, ids) == system.find_user_packages(host, ALICE, ids) == answer
    assert inner.find_packages.call_count == inner.find_user_packages.call_count == is_queried
    assert system.make_program_matcher(host, ids, [])(Process(1, "/x")) == ("p" if is_queried else "")
    of_user = system.make_program_matcher(host, ids, ["p"])(Process(1, "/x"))
    assert of_user == ("p" if ids else ""), "of a user's, there is one"
    assert system.plan_removal(host, ["p"]) is inner.plan_removal.return_value
    owned = [system.list_owned_directories(host, user) for user in (None, ALICE)]
    assert owned == ([["t"], ["t"]] if present else [(), ()])
    assert not system.has_named_directories and not system.is_block_applicable(host)
    assert system.make_block_parts(InstallBlock(ids, "contact")) == ()


@pytest.mark.parametrize(
    ("change", "is_queried"),
    [
        (lambda dpkg: None, False),
        (lambda dpkg: os.replace(dpkg / "new", dpkg / "status"), True),
        (lambda dpkg: (dpkg / "status").write_text("more"), True),
        (lambda dpkg: (dpkg / "updates/0000").touch(), True),
        (lambda dpkg: os.utime(dpkg / "status", ns=(1, 1)), True),
    ],
)
def test_dpkg_is_queried_again_after_a_change_of_its_database(host, monkeypatch, change, is_queried):
    monkeypatch.setattr(installed_packages, "SETTLED_NANOSECONDS", -(10**12))  # what was made a moment ago is old
    database, noted = Path(host.root) / "var/lib/dpkg", {}  # type: ignore[var-annotated]
    (database / "updates").mkdir()
    (database / "new").touch()
    host.packages = {"wechat": "ii"}
    packages, _ = installed_packages.find_installed_packages(host, dpkg, {"wechat"}, {}, noted)
    host.packages["wechat"] = "rc"
    change(database)
    again, _ = installed_packages.find_installed_packages(host, dpkg, {"wechat"}, json.loads(json.dumps(noted)), {})
    assert again == ([] if is_queried else packages) and packages == [Package("dpkg", "wechat", "1.0", ("wechat",))]


def test_package_has_a_place():
    files = {"/opt/owl": "/usr/bin/owl /opt/owl/files/owl /opt/x/y", "/usr/sbin/owl": "/usr/sbin/owl-b /usr/sbin/owl"}
    files |= {"/usr/games/owl": "/usr/games/owl /usr/share/owl /optional/owl", "": "/usr/lib/opt/owl"}
    assert {find_program_place(listed.split()): listed for listed in files.values()} == files


@pytest.mark.parametrize(("since", "is_noted"), [(1000, False), (1001, True)])
def test_answer_of_a_database_that_changed_just_now_is_not_noted(host, monkeypatch, since, is_noted):
    changed = os.stat(put(Path(host.root), "/db")).st_ctime_ns
    monkeypatch.setattr(installed_packages, "SETTLED_NANOSECONDS", 1000)
    monkeypatch.setattr(installed_packages.time, "time_ns", lambda: changed + since)
    noted: dict[str, Any] = {}
    installed_packages.find_installed_packages(host, package_system(DATABASE_FILES=("/db",)), {"x"}, {}, noted)
    assert bool(noted) is is_noted


@root_only
@pytest.mark.parametrize(
    ("name", "place"),
    [
        *(("flatpak", place) for place in (".local", ".local/share/flatpak", ".local/share/flatpak/app/owl")),
        *(("npm", place) for place in (".npm-global", ".npm-global/lib/node_modules")),
        ("pip", ".local"),
        *(("uv", place) for place in (".local/share/uv", ".local/share/uv/tools/owl")),
    ],
)
def test_place_behind_a_users_link_is_unseen(root, name, place):
    put_link(root, f"home/alice/{place}", "/usr")
    packages, unseen = ANSWERS[name].find_user_packages(Host(str(root)), ALICE, {"owl"})
    assert packages == [] and f"/home/alice/{place} is a link that uid 1000 made: not followed" in unseen


@root_only
@pytest.mark.parametrize("system", package_systems.ON_DEMAND, ids=lambda system: system.MANAGER)
def test_system_behind_a_users_link_does_not_count_as_absent(root, system):
    traces = [trace[2:] for trace in system.traces if trace.startswith("~/.") and "/" in trace[3:]]
    for above in {os.path.dirname(trace) for trace in traces}:
        place = put_link(root, f"{ALICE.home}/{above}", "/usr")
        assert system.is_present(Host(str(root)), ALICE)
        place.unlink()


def test_present_systems_are_those_of_the_host_or_of_a_user(host, monkeypatch):
    def named(name: str, *present: Any) -> Any:
        return package_system(MANAGER=name, is_present=lambda on, user: on is host and user in present)

    monkeypatch.setattr(installed_packages, "HOST_WIDE_SYSTEMS", [named("a", None), named("b", ALICE)])
    monkeypatch.setattr(installed_packages, "ON_DEMAND", [named("c", None), named("d", ALICE), named("e", None, ALICE)])
    assert installed_packages.list_present_systems(host) == ["a", "c", "e"]
    assert installed_packages.list_user_systems(host, ALICE) == ["d", "e"]


@root_only
def test_link_has_its_target_unless_it_lies_behind_a_users_link(root, monkeypatch):
    host = Host(str(root))
    put(root, "home/alice/file")
    put_link(root, "home/alice/to", "../bob//x/", 0)
    put_link(root, "home/alice/folder/to", "/etc", 0)
    put_link(root, "home/alice/behind", f"{root}/home/alice/folder")
    targets = {"to": "../bob//x/", "folder/to": "/etc", "file": "", "missing": "", "missing/to": "", "file/to": ""}
    for path, target in {**targets, "behind/to": ""}.items():
        assert read_link(host, f"/home/alice/{path}") == target, path
    monkeypatch.setattr(os, "readlink", mock.Mock(side_effect=PermissionError(13, "not for you")))
    with pytest.raises(ObservationError, match="^/home/alice/to cannot be read: not for you$"):
        read_link(host, "/home/alice/to")


def package(manager: str, path: str, *handles: str, owner: User | None = ALICE, id_: str = "owl") -> Package:
    return Package(manager, id_, "1", handles, owner, path)


BREW_OPTIONS = {
    f"HOMEBREW_NO_{key}": "1" for key in ("ANALYTICS", "AUTO_UPDATE", "AUTOREMOVE", "ENV_HINTS", "INSTALL_FROM_API")
}
UV_OPTIONS = {"UV_NO_CONFIG": "1", "UV_OFFLINE": "1", "UV_NO_PROGRESS": "1", "UV_PYTHON_DOWNLOADS": "never"}
NPM_WORDS = "--ignore-scripts --offline --no-audit --no-fund --no-update-notifier --loglevel=error owl"
NIX_OPTIONS = {"NIX_CONFIG": "experimental-features = nix-command\nsubstitute = false"}
SYSTEM_PATH = "/usr/sbin:/usr/bin:/sbin:/bin:/usr/local/sbin:/usr/local/bin"
PIP_OPTIONS = {f"PIP_{key}": "1" for key in ("BREAK_SYSTEM_PACKAGES", "DISABLE_PIP_VERSION_CHECK", "NO_INPUT")}
PIP_OPTIONS["PIP_REQUIRE_VIRTUALENV"] = "0"
FORMULA, CASK = package("brew", f"{HOME}/b/owl", f"{HOME}/b"), package("brew_cask", f"{HOME}/b/owl", f"{HOME}/b")
UV_TOOL = package("uv", f"{HOME}/t/Owl/lib/python3.13/site-packages/owl", "Owl", id_="Owl")
NPM = package("npm", f"{HOME}/n/lib/node_modules/owl", f"{HOME}/n")
NPM_OF_ROOT = package("npm", "/usr/local/lib/node_modules/owl", "/usr/local", owner=None)
NIX_PACKAGE, NIX_ENV = (package("nix", STORE, f"{HOME}/p", how, "") for how in ("profile", "env"))
GUIX = package("guix", STORE, f"{HOME}/my p", "profile")
CONDA_ENV = package("conda", f"{CONDA}/envs/e/conda-meta/owl-1-0.json", f"{CONDA}/envs/e")
PIP, PIP_OF_ROOT = package("pip", f"{PIP_FOLDER}/owl-1"), package("pip", "/usr/lib/python3.13/owl-1", owner=None)
PYENV = package("pip", f"{HOME}/.pyenv/versions/3/lib/python3.12/site-packages/owl-1")
PIPX_PACKAGE = package("pipx", f"{HOME}/.local/pipx/venvs/owl/lib/x", "owl")
PIPX_OF_ROOT = package("pipx", "/opt/pipx/venvs/owl/lib/x", "owl", owner=None)
CALLS: list[Any] = [
    (brew.FORMULAE, FORMULA, f"{HOME}/b/bin/brew", "uninstall --formula --force owl", BREW_OPTIONS),
    (brew.CASKS, CASK, f"{HOME}/b/bin/brew", "uninstall --cask owl", BREW_OPTIONS),
    *(
        (uv_tools, UV_TOOL, tool, "tool uninstall Owl", {**UV_OPTIONS, "UV_TOOL_DIR": f"{HOME}/t"})
        for tool in ("/usr/bin/uv", f"{HOME}/.local/bin/uv", f"{HOME}/.cargo/bin/uv")
    ),
    *(
        (npm, NPM, tool, f"uninstall --global --prefix {HOME}/n {NPM_WORDS}", {"PATH": f"{HOME}/n/bin:{SYSTEM_PATH}"})
        for tool in ("/usr/bin/npm", f"{HOME}/n/bin/npm")
    ),
    # Root's npm runs nothing out of a prefix.
    (npm, NPM_OF_ROOT, "/usr/bin/npm", f"uninstall --global --prefix /usr/local {NPM_WORDS}", {"PATH": SYSTEM_PATH}),
    (nix, NIX_PACKAGE, f"{HOME}/.nix-profile/bin/nix", f"profile remove --profile {HOME}/p {STORE}", NIX_OPTIONS),
    (nix, NIX_ENV, "/nix/var/nix/profiles/default/bin/nix-env", f"--profile {HOME}/p -e {STORE}", NIX_OPTIONS),
    (pip, PIP, "/usr/bin/python3.9", "-m pip uninstall --yes owl", PIP_OPTIONS),
    (pip, PIP_OF_ROOT, "/usr/bin/python3.13", "-I -m pip uninstall --yes owl", PIP_OPTIONS),
    (pipx, PIPX_PACKAGE, f"{HOME}/.local/bin/pipx", "uninstall owl",
     {"PIPX_HOME": f"{HOME}/.local/pipx", "PIPX_BIN_DIR": f"{HOME}/.local/bin", "USE_EMOJI": "0"}),
    (pipx, PIPX_OF_ROOT, "/usr/bin/pipx", "uninstall owl",
     {"PIPX_HOME": "/opt/pipx", "PIPX_BIN_DIR": "/usr/local/bin", "USE_EMOJI": "0"}),
    (pip, PYENV, f"{HOME}/.pyenv/versions/3/bin/python3.12", "-m pip uninstall --yes owl", PIP_OPTIONS),
]  # fmt: skip


@pytest.mark.parametrize(("system", "item", "tool", "words", "environment"), CALLS)
def test_tool_of_an_owner_is_called_with_these_words(root, monkeypatch, system, item, tool, words, environment):
    put(root, tool, mode=0o755)
    put(root, f"{item.path}/INSTALLER" if system is pip else item.path, "pip\n")
    ran: list[Any] = []

    def run(argv: Sequence[str], **options: Any) -> ToolResult:
        ran.append(([*argv], options))
        return ToolResult(0, "", "")

    monkeypatch.setattr(nix, "find_user_packages", lambda *_: ([item], ""))
    ((action,), refused) = system.plan_removal(Host(str(root), run), [item])
    assert refused == [] and [gone.tool for gone in action.removed_packages] == [tool]
    with pytest.raises(ControlError, match="is still there"):
        action.apply()
    argv, options = ran[-1]
    assert argv == [tool, *words.split(" ")]
    assert options == {"user": item.owner, "environment": environment, "timeout": 300}
    assert len(ran) == 1 + (item is PIP_OF_ROOT)


@pytest.mark.parametrize(
    ("system", "item", "reason"),
    [
        (brew.FORMULAE, FORMULA, f"Homebrew's own brew is not in {HOME}/b/bin"),
        (brew.FORMULAE, FORMULA._replace(owner=None), f"{HOME}/b is root's, and Homebrew does not run for root"),
        (uv_tools, UV_TOOL, "uv itself is not installed on this host"),
        (npm, NPM, "npm itself is not installed on this host"),
        (nix, NIX_ENV, "nix-env is not installed on this host"),
        (pipx, PIPX_PACKAGE, "pipx itself is not installed on this host"),
        (flatpak, package("flatpak", ""), "flatpak itself is not installed on this host"),
        (snap, package("snap", "", "owl"), "snap itself is not installed on this host"),
        (guix, GUIX, "Proscribe removes no package of Guix: its user runs `guix package '--profile=/home/alice/my p' "
                     "--remove=owl`"),
        (conda, CONDA_ENV, "Proscribe removes no package of conda: its user runs `conda remove --prefix "
                           "/home/alice/miniconda3/envs/e owl`, or the tool that made the environment"),
        (conda, package("conda", "/opt/conda/conda-meta/owl-1-0.json", "/opt/conda", owner=None),
         "Proscribe removes no package of conda: root runs `conda remove --prefix /opt/conda owl`, or the tool that "
         "made the environment"),
    ],
)  # fmt: skip
def test_package_without_its_tool_stays(root, system, item, reason):
    put(root, item.path or "/x")
    host = Host(str(root), mock.Mock(side_effect=ControlError("missing")))
    assert system.plan_removal(host, [item]) == ([], [(item, reason)])


class OwnedTools:
    def __init__(self, *good: str) -> None:
        self.good, self.ran = good, []  # type: ignore[var-annotated]

    def __call__(self, argv: Sequence[str], **options: Any) -> ToolResult:
        self.ran.append((" ".join(argv), options))
        if argv[0] == "/gone":
            raise ControlError("it is gone")
        return ToolResult(0 if argv[0] in self.good else 1, "", "")


@root_only
def test_root_runs_no_tool_of_a_users(root):
    os.chown(put(root, "/usr/local/npm", mode=0o755), ALICE.uid, -1)
    put_link(root, "home/alice/link", "/usr")
    tools = uninstall_actions.PackageTools(Host(str(root), OwnedTools()))
    assert tools.find_tool(OF_HOST, "npm", ["/usr/local/npm"]) == ""
    assert tools.find_tool(OF_ALICE, "npm", ["/home/alice/link/bin/npm", "/usr/local/npm"]) == "/usr/local/npm"


def test_a_users_own_tool_is_chosen_by_its_place_and_not_run(root):
    tools = OwnedTools()
    of = uninstall_actions.PackageTools(Host(str(root), tools)).find_tool
    put(root, "/opt/npm", mode=0o755)
    assert [of(OF_ALICE, "npm", user_paths=["/gone", *OWN_TOOLS]) for _ in range(2)] == ["/opt/npm", "/opt/npm"]
    put_link(root, "home/alice/profile", "/nix")
    assert of(OF_ALICE, "npm", user_paths=["~/profile/bin/npm"]) == "/home/alice/profile/bin/npm"  # of nix and guix
    assert of(OF_ALICE, "npm") == "" and tools.ran == []


def test_package_has_an_action_or_a_reason():
    action, errors = ControlAction("remove", "a", str), [ControlError("raised"), ObservationError("raised")]
    packages = [Package("npm", id_) for id_ in "abcde"]
    actions, refused = uninstall_actions.plan_package_removals(
        packages, mock.Mock(side_effect=[action, "said", *errors, action])
    )
    assert actions == [action, action] and refused == list(zip(packages[1:4], ["said", "raised", "raised"]))


@pytest.mark.parametrize(
    ("package", "places", "changeable", "why"),
    [
        (OF_HOST, ["/opt/own", "/opt/none"], {}, ""),
        (OF_HOST, ["/opt/own", "/opt/open"], {}, "users may write to /opt/open, and root runs nothing of theirs"),
        (OF_HOST, ["/opt/none", "/opt/own"], {"/opt/own": "/opt"}, "users may write to /opt, and root runs nothing"),
        (OF_ALICE, ["/opt/own"], {"/opt/own": "/opt"}, ""),
    ],
)
def test_root_runs_nothing_out_of_a_place_that_users_can_change(root, monkeypatch, package, places, changeable, why):
    host = Host(str(root), OwnedTools())
    put(root, "/opt/own/x")
    put(root, "/opt/open", mode=0o666)
    monkeypatch.setattr(host, "find_changeable_part", lambda place: changeable.get(place, ""))
    answer = uninstall_actions.explain_foreign_ownership(host, package, "/x", places)
    assert answer.startswith(why) and bool(answer) is bool(why)


def test_uninstall_runs_the_tool_as_the_owner(root):
    tools, place = OwnedTools("npm"), put(root, OF_ALICE.path)
    host = Host(str(root), lambda argv, **options: (tools(argv, **options), place.unlink())[0])
    action = uninstall_actions.make_uninstall_action(host, OF_ALICE, ["npm", "rm"], "/home/alice", {"A": "b"})
    assert (str(action), action.before) == ("remove owl (user:alice) from /home/alice", "owl 1.0\n")
    (gone,) = action.removed_packages
    assert gone == RemovedPackage("npm", "owl", "1.0", "user:alice", "owl", tool="npm", place="/home/alice", at=gone.at)
    action.apply()
    action.apply()  # it went along with another one
    assert tools.ran == [("npm rm", {"user": ALICE, "environment": {"A": "b"}, "timeout": 300})]


def test_uninstall_fails_with_its_tool(root):
    host = Host(str(root), OwnedTools())
    action = uninstall_actions.make_uninstall_action(host, OF_HOST, ["npm"], "/opt", is_still_installed=lambda: True)
    with pytest.raises(ControlError, match="ended with 1"):
        action.apply()


# The table of installation routes: each claim in it names an existing test, and docs/coverage_data.md shows it.
ROUTES = routes()


def test_coverage_data_shows_the_table(project):
    assert table() in (project / "docs/coverage_data.md").read_text(encoding="utf-8")


def test_a_system_that_leaves_traces_has_no_install_block():
    """Its file is compiled only where something is installed, so it is never asked for one (on_demand_system.py)."""
    traced = [item for item in declared() if item.declared.traces]
    modules = {item.file: importlib.import_module(f"{systems.__name__}.{item.file}") for item in traced}
    assert [name for name, module in modules.items() if hasattr(module, "make_block_parts")] == []
    assert [route.route for item in traced for route in item.declared.routes if route.prevention] == []


@pytest.mark.parametrize("row", OTHERS, ids=lambda row: row.route[:20])
def test_claim_of_a_row_names_a_test(project, row):
    for claim in filter(None, (row.detection, row.removal, row.prevention)):
        path, _, name = claim.test_name.partition("::")
        assert claim.statement and f"def {name}(" in (project / f"tests/{path}.py").read_text(encoding="utf-8")


def test_unseen_route_is_neither_removed_nor_silently_open():
    for row in ROUTES:
        assert row.detection or not (row.removed or row.prevention), row.route
        assert row.remaining_gap or (row.removed and row.prevention), row.route


def test_cells_do_not_break_the_table():
    rows = table().splitlines()
    assert len(rows) == len(ROUTES) + 2 and {row.count("|") for row in rows} == {len(HEAD) + 1}
