"""The starts that are verified by the plans: all that these may enforce at some hour."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from proscribe.host.controls.apps.systems.package import Package
from proscribe.host.controls.apps.systems.registry import SYSTEMS
from proscribe.host.system import Host
from proscribe.host.watch import restricted as restricted_module
from proscribe.host.watch.restricted import Restricted, sets

BARE: dict[str, Any] = {"mode": "enforce", "packages": {}, "processes": [], "paths": []}


def section(**services: dict[str, Any]) -> Any:
    entries = {id_: {**BARE, "name": id_.title(), **entry} for id_, entry in services.items()}
    return {"mode": "enforce", "services": entries, "settings": {}}


def test_sets_have_the_services_of_all_plans(tmp_path):
    host = Host(str(tmp_path))
    sections = [section(owl={"paths": ["/opt/owl"]}), section(elf={"paths": ["/opt/elf"]})]
    seen = sets(host, sections, Restricted(host, None))
    assert seen["exact"] == ["/opt/elf", "/opt/owl"] and {"elf", "owl"} <= set(seen["parts"])


def test_packages_of_root_count_as_the_hosts(tmp_path, monkeypatch):
    def query_of(host, user, ids):
        queried.append((user.name, [*ids]))
        return [packages[user.name]], ""

    (tmp_path / "etc").mkdir()
    (tmp_path / "etc/passwd").write_text("root:x:0:0::/root:/bin/sh\nann:x:1000:1000::/home/ann:/bin/sh\n")
    packages = {user: Package("flatpak", "owl", path=f"/opt/{user}") for user in ("root", "ann", "all")}
    queried = []
    system = SimpleNamespace(MANAGER="flatpak", DATABASE_FILES=(), query_of=query_of)
    none = SimpleNamespace(MANAGER="snap", DATABASE_FILES=(), query_of=lambda *_: pytest.fail("nothing is looked for"))
    monkeypatch.setattr(restricted_module, "SYSTEMS", (system, none))
    monkeypatch.setattr(restricted_module, "installed", lambda host, restricted, ids, *_: ([packages["all"]], ""))
    restricted = Restricted(Host(str(tmp_path)), section(owl={"packages": {"flatpak": ["owl"]}}))
    assert queried == [("root", ["owl"])]
    assert restricted.packages == [(["owl"], packages["all"]), (["owl"], packages["root"])]


def test_sets_have_names_of_packages_and_databases(tmp_path):
    host = Host(str(tmp_path))
    databases = [path for system in SYSTEMS for path in system.DATABASE_FILES]
    (tmp_path / Path(databases[0]).parent.relative_to("/")).mkdir(parents=True)
    folder, restricted = str(Path(databases[0]).parent), Restricted(host, section(owl={}))
    paths = ("/opt/Owl/night", "", "/usr/var")
    restricted.packages = [(["owl"], Package("apt", "owl", path=path)) for path in paths]
    seen = sets(host, [section(owl={})], restricted)
    assert "night" in seen["parts"] and "" not in seen["parts"] and "var" not in seen["parts"]
    assert seen["files"] == [path for path in databases if str(Path(path).parent) == folder]
