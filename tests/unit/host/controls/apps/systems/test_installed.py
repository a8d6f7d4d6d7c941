"""When a package system is queried again: not while its database stays as it was."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from made_host import MadeHost
from made_tools import package_system
from made_users import ALICE, put
from proscribe.host.controls.apps.systems import installed
from proscribe.host.controls.apps.systems.package import Package

FOUND = [Package("npm", "wechat", "1", ("a", "b"), path="/p"), Package("npm", "viber")]
FILES = ("/db", "/db-wal")


class Questions:
    """A package system with a database of two files, and how often it was queried."""

    def __init__(self, host: MadeHost, blind: str = "") -> None:
        self.host, self.blind, self.times = host, blind, 0
        self.system = package_system(DATABASE_FILES=FILES, query=self.query)

    def query(self, host: Any, ids: Any) -> Any:
        assert (host, ids) == (self.host, {"wechat"})
        self.times += 1
        return FOUND, self.blind

    def now(self, earlier: Any) -> tuple[Any, Any, int]:
        """The answer, what is noted, and how often anybody was asked."""
        noted: dict[str, Any] = {}
        self.times = 0
        answer = installed.installed(self.host, self.system, {"wechat"}, earlier, noted)
        return answer, noted, self.times


@pytest.fixture(autouse=True)
def settled(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(installed, "SETTLED", -(10**12))  # what was made a moment ago is old


@pytest.mark.parametrize("files", [FILES, FILES[:1], FILES[1:]])
def test_the_answer_stays_while_the_database_does(host: MadeHost, files: tuple[str, ...]) -> None:
    for file in files:
        put(Path(host.root), file, "one")
    questions = Questions(host)
    answer, noted, times = questions.now({})
    assert (answer, times) == ((FOUND, ""), 1)
    saved = json.loads(json.dumps(noted))
    assert questions.now(saved) == ((FOUND, ""), {"npm": tuple(saved["npm"])}, 0)


def test_which_systems_are_there_of_the_host_and_of_a_user(host: MadeHost, monkeypatch: pytest.MonkeyPatch) -> None:
    def named(name: str, *there: Any) -> Any:
        return package_system(MANAGER=name, there=lambda on, user: on is host and user in there)

    monkeypatch.setattr(installed, "OF_THE_HOST", [named("a", None), named("b", ALICE)])
    monkeypatch.setattr(installed, "ON_DEMAND", [named("c", None), named("d", ALICE), named("e", None, ALICE)])
    assert installed.present(host) == ["a", "c", "e"]
    assert installed.brought_by(host, ALICE) == ["d", "e"]
