"""What scheduled runs ask an inventory: which catalogues are refreshed where, and whose heads read of new requests."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from proscribe.controller.cli import Refused, inventory, scheduled
from proscribe.controller.cli.scheduled import catalogue
from proscribe.controller.compile.waivers.authority import Authority
from proscribe.controller.report.request_news import Department
from proscribe.controller.report.storage.requests_file import Request

OPTIONS = ["-i", "/srv/inventory", "--limit", "web"]


class Inventory:
    """An inventory, whose hosts each have catalogues; and the repository of it."""

    def __init__(self, root: Path, patch: pytest.MonkeyPatch) -> None:
        self.root = root.resolve()
        self.top = self.root / "policy"
        (self.top / "inventory").mkdir(parents=True)
        (self.top / "inventory/hosts.yml").touch()
        self.question: Any = SimpleNamespace(inventory=[], project=self.top, hosts=[], groups={"g": {"h"}})
        self.catalogues: dict[str, list[Path]] = {}
        self.arguments: Any = None
        self.sources: list[Path] = []
        self.repository: Any = SimpleNamespace(top=self.top)
        self.refreshed: list[Any] = []
        patch.setattr(inventory, "question", self.calls)
        patch.setattr(catalogue, "read_all", lambda hosts: {host.name: f"of {host.name}" for host in hosts})
        patch.setattr(catalogue, "catalogue_folders", self.folders)
        patch.setattr(catalogue, "repository_of", lambda source: self.sources.append(source) or self.repository)
        patch.setattr(catalogue.proposing, "newest", lambda top: f"newest of {top}")
        patch.setattr(catalogue, "_copied", lambda *given: self.refreshed.append(given) or {})
        patch.setattr(catalogue, "_refreshed", lambda listed, *_: self.refreshed.append(listed) or [])

    def calls(self, arguments: Any) -> Any:
        self.arguments = arguments
        self.question.hosts = [SimpleNamespace(name=name) for name in self.catalogues]
        return self.question

    def folders(self, question: Any, host: Any, restrictions: str) -> list[Path]:
        assert question is self.question and restrictions == f"of {host.name}"
        return self.catalogues[host.name]

    def refresh(self) -> None:
        assert catalogue.refresh(OPTIONS, lambda _: Refused) == (None, True)  # type: ignore[arg-type, return-value]
        assert (self.arguments.inventory, self.arguments.limit) == (["/srv/inventory"], "web")


@pytest.fixture
def calls(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Inventory:
    return Inventory(tmp_path, monkeypatch)


def test_each_catalogue_with_a_directory_in_the_inventorys_repository_is_refreshed_once(calls: Inventory) -> None:
    release, own, other = calls.root / "release", calls.top / "catalog", calls.top / "other"
    (calls.root / "link").symlink_to(calls.top)
    same = [release, calls.root / "link/catalog"]
    calls.catalogues = {"a": [release], "b": [release, own], "c": same, "d": [release, other, own], "e": [release, own]}
    calls.refresh()
    (repository, base, folders, _), *refreshed = calls.refreshed
    assert refreshed == folders == [(release, own), (release, other, own)]
    assert (repository, base) == (calls.repository, f"newest of {calls.top}")


def test_where_no_list_could_be_written_that_is_said(calls: Inventory) -> None:
    calls.catalogues = {"a": [calls.root / "release"]}
    with pytest.raises(Refused, match=f"no directory of the catalogue lies in {calls.top}; expected one of"):
        calls.refresh()
    calls.repository = None
    with pytest.raises(Refused, match=f"^{calls.top} lies in no git repository; expected one"):
        calls.refresh()


# -- requests ----------------------------------------------------------------------------------------------------------

NEW = Request("press01", "0f3a", "wong", "parrot", "Press calls", "2026-11-22T04:00:00Z", "inventory", "run1")
RUN: dict[str, Any] = {"id": "run1", "inventory": ["a b"], "playbook": "audit"}


class News:
    """A run that brought requests."""

    def __init__(self, patch: pytest.MonkeyPatch) -> None:
        self.requests: list[Request] = [NEW, NEW._replace(id="old", run="run0")]
        self.questions: list[Any] = []
        self.reported: list[Any] = []
        question = SimpleNamespace(hosts=["hosts"], groups={"groups": 1})
        news = scheduled.request_news
        patch.setattr(scheduled, "read_report", lambda directory: {"run": RUN})
        patch.setattr(scheduled.requests_file, "read", lambda reports: self.requests)
        patch.setattr(inventory, "question", lambda arguments: self.questions.append(arguments) or question)
        patch.setattr(scheduled, "read_all", lambda hosts: (*hosts, "read"))
        patch.setattr(scheduled, "folders_of_registers", lambda *given: given)
        patch.setattr(scheduled, "departments_of", lambda *given: {"press": ["press01"], "it": ["x", "y"]})
        patch.setattr(scheduled, "read_register", self.register)
        patch.setattr(news, "notification", lambda *given: self.reported.append(given) or "a notification")
        patch.setattr(news, "for_heads", lambda *given: self.reported.append(given) or ["a mail"])

    def register(self, folders: Any, groups: Any) -> dict[str, Authority]:
        (question, restrictions) = folders
        assert (question.hosts, restrictions, groups) == (["hosts"], ("hosts", "read"), {"groups": 1})
        return {"press": Authority("head", (), "head@example.org")}

    def __call__(self) -> Any:
        return scheduled.requests_of(Path("/r/run1"), Path("/r"), OPTIONS)


@pytest.fixture
def news(monkeypatch: pytest.MonkeyPatch) -> News:
    return News(monkeypatch)


def test_new_requests_are_reported_to_all_and_to_the_heads_of_departments(news: News) -> None:
    assert news() == ("a notification", ["a mail"])
    departments = {
        "press": Department(frozenset({"press01"}), "head@example.org"),
        "it": Department(frozenset({"x", "y"}), ""),
    }
    reported, mailed = news.reported
    assert reported == mailed and reported[:2] == ([NEW], departments)
    assert reported[2].endswith("requests -i 'a b'")
    assert [(one.inventory, one.limit) for one in news.questions] == [(["/srv/inventory"], "web")]


def test_without_new_requests_no_inventory_is_asked(news: News) -> None:
    news.requests = news.requests[1:]
    assert news() == (None, []) and news.questions == [] and news.reported == []


def refuse(error: Exception) -> Callable[..., Any]:
    def refusing(*_: Any) -> Any:
        raise error

    return refusing


@pytest.mark.parametrize("error", [OSError("no disk"), ValueError("no JSON"), Refused("no host")])
def test_why_requests_are_not_reported_is_said(
    news: News, error: Exception, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(scheduled, "read_register", refuse(error))
    assert news() == (None, [])
    assert capsys.readouterr() == ("", f"proscribe: new requests are not reported: {error}\n")
