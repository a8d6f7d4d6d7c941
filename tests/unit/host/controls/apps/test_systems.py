"""Package systems: their places on a host that has none, their declarations, and their answers on demand."""

import functools
import importlib
import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple
from unittest import mock

import proscribe
import pytest
from derived.package_systems import declared
from fake_tools import package_system
from made_users import ALICE, put, tree
from proscribe.controller.compile.reading.package_names import GUARDED, NAMES
from proscribe.controller.report.text.package_commands import COMMANDS
from proscribe.host.controls.apps import systems
from proscribe.host.controls.apps.systems import dpkg, installed
from proscribe.host.controls.apps.systems.on_demand import OnDemand
from proscribe.host.controls.apps.systems.package import Block
from proscribe.host.controls.apps.systems.registry import BY_NAME, OF_THE_HOST, ON_DEMAND, SYSTEMS
from proscribe.host.controls.apps.systems.user_links import link
from proscribe.host.system import ControlError, Host, Process, Unseen


class NotingHost(Host):
    """A host that notes what is read of it, but for what says which users there are."""

    def __init__(self, root: str) -> None:
        super().__init__(root)
        self.paths: list[str] = []
        for name in ("list", "stat", "read"):
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


def conda(*above: str) -> Iterator[str]:
    kinds = ("conda", "miniconda", "miniconda3", "anaconda", "anaconda3", "miniforge", "miniforge3", "mambaforge")
    yield from (f"{folder}{kind}" for folder in above for kind in kinds)


def brew(room: str) -> Places:
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
CONDA = [*conda("/opt/", "/usr/local/")]
OWN_CONDA = at_home(".conda", ".pixi", "micromamba", ".local/share/mamba", *conda(""))
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
    "brew": brew("Cellar"),
    "brew_cask": brew("Caskroom"),
    "conda": Places(
        [],
        [f"{path}/{name}" for name in ("envs", "conda-meta") for path in CONDA],
        [],
        [
            *(f"{path}/envs" for path in OWN_CONDA),
            *at_home(".conda/environments.txt"),
            *(f"{path}/conda-meta" for path in OWN_CONDA),
        ],
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
ANSWERS: dict[str, Any] = {system.MANAGER: system for system in SYSTEMS}
ANSWERS |= {system.MANAGER: system.inner() for system in ON_DEMAND}  # without asking first whether it is there


@pytest.mark.parametrize("name", PLACES)
def test_system_reads_and_owns_these_places(tmp_path, name):
    system, root = ANSWERS[name], str(tree(tmp_path))
    host, home = NotingHost(root), NotingHost(root)
    assert system.query(host, {"owl"}) == system.query_of(home, ALICE, {"owl"}) == ([], "")
    own = [list(system.owned_directories(Host(root), user)) for user in (None, ALICE)]
    assert Places(own[0], host.paths, own[1], home.paths) == PLACES[name]
    unused = NotingHost(root)
    assert system.query(unused, set()) == system.query_of(unused, ALICE, set()) == ([], "")
    assert unused.paths == [], "where nothing is to be found, nothing is read"


ROWS: dict[str, Any] = {system.MANAGER: system for system in SYSTEMS}
ALL = [item.declared for item in declared()]
SPELLED = {item.key: item.ids for item in ALL if item.ids}


@pytest.mark.parametrize("item", declared(), ids=lambda item: item.file)
def test_registry_row_is_as_its_file_declares(item):
    row, system = ROWS[item.declared.name], item.declared
    file = importlib.import_module(f"{systems.__name__}.{item.file}")
    answers = getattr(file, system.answers) if system.answers else file
    assert (row.inner() if row in ON_DEMAND else row) is answers
    assert getattr(answers, "MANAGER", getattr(answers, "manager", "")) == row.MANAGER == system.name
    assert (row.CATALOGUE_KEY, row in OF_THE_HOST) == (system.key, system.of_the_host)
    assert (getattr(row, "traces", ()), getattr(row, "by_name", False)) == (tuple(system.traces), system.by_name)


@pytest.mark.parametrize("key", SPELLED)
def test_controller_spells_names_as_declared(key):
    ids = SPELLED[key]
    assert NAMES[key] == (ids.pattern, ids.meaning)
    assert re.fullmatch(ids.pattern, ids.good) and ids.bad
    assert not [bad for bad in ids.bad if not bad or re.fullmatch(ids.pattern, bad)]
    assert (key in GUARDED) is any(item.guarded for item in ALL if item.key == key)


@pytest.mark.parametrize("name", ROWS)
def test_controller_reinstalls_as_declared(name):
    (system,) = [item for item in ALL if item.name == name]
    how, ids = system.reinstall, SPELLED[system.key]
    result = (ids.pattern, how.name, how.pin, dict(how.commands), dict(how.marks)) if how else None
    assert COMMANDS.get(name) == result


def test_tables_know_no_other_system():
    assert NAMES.keys() == SPELLED.keys() and {*GUARDED} <= NAMES.keys()
    assert COMMANDS.keys() <= ROWS.keys() == {item.name for item in ALL}
    assert [system.MANAGER for system in BY_NAME] == ["guix", "nix"], "asked about accounts without a home, too"


PROGRAM = """
import json
import sys
sys.path.insert(0, sys.argv[1])
from proscribe.host.controls.apps.observed import observe_apps
from proscribe.host.system import Host
packages = {key: ["x-y.z"] for key in json.loads(sys.argv[3])}
entry = {"name": "x", "mode": "enforce", "packages": packages, "processes": [], "paths": []}
observe_apps(Host(sys.argv[2]), {"mode": "enforce", "services": {"x": entry}, "settings": {}})
print(*sorted(name.rpartition(".")[2] for name in sys.modules if name.startswith("proscribe.host.controls.apps.")))
"""
FEW = {item.file for item in declared() if item.declared.traces} | {"store_paths"}


def loaded(root: Path) -> set[str]:
    source = Path(proscribe.__file__).parents[1]
    keys = json.dumps([system.CATALOGUE_KEY for system in SYSTEMS])
    command = [sys.executable, "-I", "-c", PROGRAM, str(source), str(root), keys]
    return set(subprocess.run(command, capture_output=True, text=True, check=True).stdout.split())


def test_host_compiles_the_files_of_systems_that_it_has(tmp_path):
    root = tree(tmp_path)
    assert loaded(root) & FEW == set()
    put(root, "nix/var/nix/profiles/x")
    assert loaded(root) & FEW == {"nix", "store_paths"}


@pytest.mark.parametrize("system", ON_DEMAND, ids=lambda system: system.MANAGER)
@pytest.mark.parametrize("error", [Unseen("a dead mount"), ControlError("a link")])
def test_unseen_system_is_asked(tmp_path, monkeypatch, system, error):
    """The system itself says why nothing is known."""
    monkeypatch.setattr(Host, "stat", mock.Mock(side_effect=error))
    assert system.there(Host(str(tmp_path)), ALICE)


@pytest.mark.parametrize("ids", [set(), {"x"}])
@pytest.mark.parametrize("present", [False, True])
def test_file_of_a_system_is_asked_for_wanted_traces_alone(root, ids, present):
    """To ask it means to compile it, which every audit would pay for."""
    for place in ("/trace/x", f"{ALICE.home}/trace/x") if present else ():
        put(root, place)
    host, inner = Host(str(root)), mock.Mock()
    inner.query.return_value = inner.query_of.return_value = ["p"], "b"
    inner.programs.return_value = lambda process: "p"
    inner.owned_directories.return_value = ["t"]
    system = OnDemand("x", "x", lambda: inner, ["/trace", "~/trace"])
    is_queried = bool(ids and present)
    answer = (["p"], "b") if is_queried else ([], "")
    assert system.query(host, ids) == system.query_of(host, ALICE, ids) == answer
    assert inner.query.call_count == inner.query_of.call_count == is_queried
    assert system.programs(host, ids, [])(Process(1, "/x")) == ("p" if is_queried else "")
    assert system.programs(host, ids, ["p"])(Process(1, "/x")) == ("p" if ids else ""), "of a user's, there is one"
    assert system.removal(host, ["p"]) is inner.removal.return_value
    assert [system.owned_directories(host, user) for user in (None, ALICE)] == ([["t"], ["t"]] if present else [(), ()])
    assert not system.by_name and not system.gated(host) and system.block_parts(Block(ids, "contact")) == ()


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
    monkeypatch.setattr(installed, "SETTLED", -(10**12))  # what was made a moment ago is old
    place, noted = Path(host.root) / "var/lib/dpkg", {}  # type: ignore[var-annotated]
    (place / "updates").mkdir()
    (place / "new").touch()
    host.packages = {"wechat": "ii"}
    packages, _ = installed.installed(host, dpkg, {"wechat"}, {}, noted)
    host.packages["wechat"] = "rc"
    change(place)
    again, _ = installed.installed(host, dpkg, {"wechat"}, json.loads(json.dumps(noted)), {})
    assert again == ([] if is_queried else packages) and packages


@pytest.mark.parametrize(("since", "is_noted"), [(1000, False), (1001, True)])
def test_answer_of_a_database_that_changed_just_now_is_not_noted(host, monkeypatch, since, is_noted):
    changed = os.stat(put(Path(host.root), "/db")).st_ctime_ns
    monkeypatch.setattr(installed, "SETTLED", 1000)
    monkeypatch.setattr(installed.time, "time_ns", lambda: changed + since)
    noted: dict[str, Any] = {}
    installed.installed(host, package_system(DATABASE_FILES=("/db",)), {"x"}, {}, noted)
    assert bool(noted) is is_noted


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root: makes another user's link")
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
    path = root / "home/alice" / place
    path.parent.mkdir(parents=True, exist_ok=True)
    path.symlink_to("/usr")
    os.lchown(path, ALICE.uid, ALICE.gid)
    packages, unseen = ANSWERS[name].query_of(Host(str(root)), ALICE, {"owl"})
    assert packages == [] and f"/home/alice/{place} is a link that uid 1000 made: not followed" in unseen


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root: makes another user's link")
@pytest.mark.parametrize("system", ON_DEMAND, ids=lambda system: system.MANAGER)
def test_system_behind_a_users_link_does_not_count_as_absent(root, system):
    for trace in [trace for trace in system.traces if trace.startswith("~/.") and "/" in trace[3:]]:
        above = (root / (ALICE.home + trace[1:]).lstrip("/")).parent
        above.parent.mkdir(parents=True, exist_ok=True)
        if not above.is_symlink():
            above.symlink_to("/usr")
            os.lchown(above, ALICE.uid, ALICE.gid)
        assert system.there(Host(str(root)), ALICE)


def test_present_systems_are_those_of_the_host_or_of_a_user(host, monkeypatch):
    def named(name: str, *present: Any) -> Any:
        return package_system(MANAGER=name, there=lambda on, user: on is host and user in present)

    monkeypatch.setattr(installed, "OF_THE_HOST", [named("a", None), named("b", ALICE)])
    monkeypatch.setattr(installed, "ON_DEMAND", [named("c", None), named("d", ALICE), named("e", None, ALICE)])
    assert installed.present(host) == ["a", "c", "e"]
    assert installed.brought_by(host, ALICE) == ["d", "e"]


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root: makes another user's link")
def test_link_has_its_target_unless_it_lies_behind_a_users_link(root, monkeypatch):
    home, host = root / "home/alice", Host(str(root))
    put(root, "home/alice/file")
    (home / "to").symlink_to("../bob//x/")
    (home / "folder").mkdir()
    (home / "folder/to").symlink_to("/etc")
    (home / "behind").symlink_to(home / "folder")
    os.lchown(home / "behind", 1000, 1000)
    targets = {"to": "../bob//x/", "folder/to": "/etc", "file": "", "missing": "", "missing/to": "", "file/to": ""}
    for path, target in {**targets, "behind/to": ""}.items():
        assert link(host, f"/home/alice/{path}") == target, path

    def refuse(*_: object, **__: object) -> str:
        raise PermissionError(13, "not for you")

    monkeypatch.setattr(os, "readlink", refuse)
    with pytest.raises(Unseen, match="^/home/alice/to cannot be read: not for you$"):
        link(host, "/home/alice/to")
