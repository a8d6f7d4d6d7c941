"""The scheduled refresh of the catalogue: a commit on a branch, and what is checked out stays as it is."""

from __future__ import annotations

import argparse
import datetime
import subprocess
from collections.abc import Mapping
from pathlib import Path

import pytest
import yaml
from proscribe.controller.cli import Refused, scheduled
from proscribe.controller.cli.catalog.fetching import Fetched, NotFetched
from proscribe.controller.cli.catalog.publishers import Publisher
from proscribe.controller.cli.diff.revision import Repository
from proscribe.controller.cli.scheduled import catalogue, proposing
from proscribe.controller.report.notification import Notification

ENTRY = """\
---
id: parrot
name: Parrot
category: circumvention
vendor: Example
class: vpn
enforce: true
domains:
  - parrot.example
networks:
  - 8.8.4.0/24
networks_checked: 2026-01-02
checked: 2026-01-02
sources:
  - a test
"""
FEED = "---\nid: birds\nname: Birds\nservice: parrot\nkind: domains\nchecked: 2026-01-02\nsources:\n  - a test\n"
TODAY = datetime.datetime.now(datetime.timezone.utc).date()
BRANCH = f"proscribe/catalogue-{TODAY}"


class Place:
    """A policy repository with a catalogue of its own, and a release outside of it."""

    def __init__(self, root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.root, self.top, self.release = root, root / "policy", root / "release"
        self.lists: dict[str, str] = {}
        self.folders = [(self.release, self.top / "catalog")]
        self.write(self.release / "circumvention/parrot.yml", ENTRY)
        self.write(self.top / "catalog/feeds/birds.yml", FEED)
        self.write(self.top / "catalog/feeds/birds.txt", "a.example\n")
        self.publishers(self.top / "catalog", ("birds", "feed", "birds"))
        self.publishers(self.release, ("nets", "networks", "parrot"))
        self.git("init", "--quiet", "--initial-branch=main")
        self.commit()
        monkeypatch.setattr(catalogue, "_folders", lambda _: (Repository(self.top), self.folders))

    def write(self, path: Path, text: str) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)

    def publishers(self, folder: Path, *rows: tuple[str, str, str]) -> None:
        usual = {"format": "lines", "least": "1"}
        listed = [{**usual, "id": i, "into": into, "of": of, "url": f"https://x.example/{i}"} for i, into, of in rows]
        self.write(folder / "publishers.yml", yaml.safe_dump(listed))

    def git(self, *words: str) -> str:
        who = ["-c", "user.name=a", "-c", "user.email=a@x.example"]
        return subprocess.run(
            ["git", *who, *words], cwd=self.top, check=True, capture_output=True, text=True
        ).stdout.strip()

    def commit(self) -> None:
        self.git("add", "--all")
        self.git("commit", "--quiet", "--message=policy")

    def fetched(self, publisher: Publisher) -> Fetched:
        if publisher.id not in self.lists:
            raise NotFetched("it could not be fetched")
        return Fetched(self.lists[publisher.id], TODAY, "a" * 64)

    def refresh(self, **lists: str) -> tuple[Notification | None, bool]:
        self.lists = lists
        return catalogue.refresh((), self.fetched)

    def state(self) -> Mapping[str, object]:
        """What is checked out, and where: all but the objects and the branches of git."""
        files = {
            str(path): path.read_bytes() for path in self.top.rglob("*") if path.is_file() and ".git" not in path.parts
        }
        return {**files, "index": (self.top / ".git/index").read_bytes(), "head": (self.top / ".git/HEAD").read_bytes()}


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Place:
    return Place(tmp_path, monkeypatch)


def test_there_are_only_so_many_branches_of_a_day(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(proposing, "MOST", 1)
    place.git("branch", BRANCH)
    with pytest.raises(Refused, match="merge or delete them"):
        place.refresh(birds="b.example\n", nets="8.8.4.0/24\n")


def test_what_is_merged_is_no_news_on_the_same_day(place: Place) -> None:
    place.refresh(birds="b.example\n", nets="8.8.4.0/24\n")
    place.git("merge", "--quiet", "--ff-only", BRANCH)
    assert place.refresh(birds="b.example\n", nets="8.8.4.0/24\n") == (None, True)


def test_a_directory_that_is_not_committed_is_refused(place: Place) -> None:
    place.write(place.top / "more/feeds/birds.yml", FEED)
    place.folders = [(place.release, place.top / "more")]
    with pytest.raises(Refused, match="more is not in the newest commit"):
        place.refresh()


@pytest.mark.parametrize(
    ("complete", "sent", "code"), [(True, True, 0), (True, False, 76), (False, True, 1), (False, False, 1)]
)
def test_its_exit_code(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], complete: bool, sent: bool, code: int
) -> None:
    message = Notification("a subject", ("a line",), {})
    monkeypatch.setattr(catalogue, "refresh", lambda _: (message, complete))
    monkeypatch.setattr(scheduled, "send", lambda *_: sent)
    assert scheduled.run(argparse.Namespace(what="catalog", options=[])) == code
    assert capsys.readouterr().out == "a subject\na line\n\n"
    monkeypatch.setattr(catalogue, "refresh", lambda _: (None, True))
    assert scheduled.run(argparse.Namespace(what="catalog", options=[])) == 0


def test_what_keeps_it_from_being_refreshed_is_reported(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    sent: list[Notification] = []

    def refuses(_: object) -> None:
        raise Refused("/srv/policy lies in no git repository")

    monkeypatch.setattr(catalogue, "refresh", refuses)
    monkeypatch.setattr(scheduled, "send", lambda message, _: not sent.append(message))
    assert scheduled.run(argparse.Namespace(what="catalog", options=[])) == 1
    assert "/srv/policy lies in no git repository" in capsys.readouterr().out
    (message,) = sent
    assert message.subject == "Proscribe: the catalogue was not refreshed" and message.facts["refreshed"] is False
    lines = ("/srv/policy lies in no git repository", "", "No list was read, and the catalogue stays as it is.")
    assert message.lines == lines
