"""Package systems that few hosts have cost the other hosts only a check for their traces."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import proscribe
import pytest
from derived.package_systems import declared
from made_users import ALICE, put, tree
from proscribe.host.controls.apps.systems.on_demand import OnDemand
from proscribe.host.controls.apps.systems.package import Block
from proscribe.host.controls.apps.systems.registry import BY_NAME, ON_DEMAND, SYSTEMS
from proscribe.host.system import ControlError, Host, Process, Unseen

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
FEW = {one.file for one in declared() if one.declared.traces} | {"store_paths"}


def loaded(root: Path) -> set[str]:
    source = Path(proscribe.__file__).parents[1]
    keys = json.dumps([system.CATALOGUE_KEY for system in SYSTEMS])
    command = [sys.executable, "-I", "-c", PROGRAM, str(source), str(root), keys]
    return set(subprocess.run(command, capture_output=True, text=True, check=True).stdout.split())


def test_a_host_without_them_compiles_none_of_their_files(tmp_path: Path) -> None:
    assert loaded(tree(tmp_path)) & FEW == set()


def test_a_host_of_root_alone_compiles_what_is_there(tmp_path: Path) -> None:
    root = tree(tmp_path)
    put(root, "nix/var/nix/profiles/x")
    assert loaded(root) & FEW == {"nix", "store_paths"}


@pytest.mark.parametrize("error", [Unseen("a dead mount"), ControlError("a link")])
@pytest.mark.parametrize("system", ON_DEMAND, ids=lambda system: system.MANAGER)
def test_what_cannot_be_seen_is_asked_about(tmp_path: Path, monkeypatch, system, error: Exception) -> None:
    """Who is asked says why nothing is known; were it not asked, nothing would say so."""

    def refuse(self: Host, path: str) -> None:
        raise error

    monkeypatch.setattr(Host, "stat", refuse)
    assert system.there(Host(str(tmp_path)), ALICE)


@pytest.mark.parametrize("ids", [set(), {"x"}])
@pytest.mark.parametrize("there", [False, True])
def test_its_file_is_asked_only_where_something_is_there_and_looked_for(tmp_path: Path, ids, there: bool) -> None:
    """To ask it means to compile it, which every audit would pay for."""
    root = tree(tmp_path)
    if there:
        put(root, "/trace/x")
        put(root, f"{ALICE.home}/trace/x")
    host, queried = Host(str(root)), []
    inner = SimpleNamespace(
        query=lambda *what: queried.append(what) or (["p"], "b"),
        query_of=lambda *what: queried.append(what) or (["p"], "b"),
        programs=lambda *what: queried.append(what) or (lambda process: "p"),
        owned_directories=lambda *what: queried.append(what) or ["t"],
        removal=lambda *what: what,
    )
    system = OnDemand("x", "x", lambda: inner, ["/trace", "~/trace"])
    assert not system.by_name
    is_queried = bool(ids and there)
    for what in ((host, ids), (host, ALICE, ids)):
        answer = (system.query_of if ALICE in what else system.query)(*what)
        assert (answer, queried) == ((["p"], "b") if is_queried else ([], ""), [what] if is_queried else [])
        queried.clear()
    assert system.programs(host, ids, [])(Process(1, "/x")) == ("p" if is_queried else "")
    assert system.programs(host, ids, ["p"])(Process(1, "/x")) == ("p" if ids else ""), "of a user's, there is one"
    assert queried == [(host, ids, packages) for packages, is_one in (([], is_queried), (["p"], ids)) if is_one]
    assert system.removal(host, ["p"]) == (host, ["p"])
    queried.clear()
    assert [system.owned_directories(host, user) for user in (None, ALICE)] == ([["t"], ["t"]] if there else [(), ()])
    assert queried == ([(host, None), (host, ALICE)] if there else [])
    assert not system.gated(host) and system.block_parts(Block(ids, "contact")) == ()


def test_these_keep_what_a_user_has_below_his_name() -> None:
    """An account without a home is asked about them, and about no other."""
    assert [system.MANAGER for system in BY_NAME] == ["guix", "nix"]
