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
HOOK = "#!/bin/sh\ntouch ../ran\n"
HOOKS = ("pre-commit", "post-commit", "post-checkout", "reference-transaction", "post-index-change", "fsmonitor")


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


def test_lists_become_a_commit_on_a_branch_and_nothing_else_changes(place: Place) -> None:
    for name in HOOKS:
        place.write(place.top / ".git/hooks" / name, HOOK)
        (place.top / ".git/hooks" / name).chmod(0o755)
    place.write(place.top / "notes.txt", "not committed\n")
    place.write(place.top / "catalog/feeds/birds.txt", "a.example\nmine.example\n")
    before, base = place.state(), place.git("rev-parse", "HEAD")
    (place.root / "ran").unlink(missing_ok=True)
    notification, complete = place.refresh(birds="b.example\n", nets="9.9.9.0/24\n")
    assert complete and notification and place.state() == before and not (place.root / "ran").exists()
    assert place.git("rev-parse", f"{BRANCH}^") == base
    assert place.git("diff", "--name-only", "HEAD", BRANCH).split() == [
        "catalog/amends/parrot.yml",
        "catalog/feeds/birds.txt",
        "catalog/feeds/birds.yml",
    ]
    assert place.git("show", f"{BRANCH}:catalog/feeds/birds.txt") == "b.example"
    assert place.git("log", "-1", "--format=%an %ae %cn %ce %s", BRANCH) == (
        f"Proscribe proscribe@localhost Proscribe proscribe@localhost Catalogue: lists of {TODAY}"
    )
    assert (place.release / "circumvention/parrot.yml").read_text() == ENTRY


def test_a_notification_says_what_to_do(place: Place) -> None:
    notification, _ = place.refresh(birds="b.example\n", nets="8.8.4.0/24\n")
    assert notification and notification.subject == "Proscribe: catalogue, 1 list changed"
    assert notification.lines == (
        "birds: 1 new, 1 gone in catalog/feeds/birds.txt",
        "  + b.example",
        "  - a.example",
        "1 list unchanged: only the days of checking are new",
        "",
        f"The branch {BRANCH} of {place.top} has the change; nothing is in effect before somebody merges it:",
        f"  git -C {place.top} diff HEAD...{BRANCH}",
        f"  git -C {place.top} push origin {BRANCH}",
    )
    assert notification.facts["branch"] == BRANCH and notification.facts["changed"] == ["birds"]


def test_a_list_that_is_wrong_is_reported_and_keeps_no_other_back(place: Place) -> None:
    notification, complete = place.refresh(nets="9.9.9.0/24\n")
    assert not complete and notification and notification.facts["refused"] == ["birds"]
    assert "birds: refused, nothing is changed: it could not be fetched" in notification.lines
    notification, complete = place.refresh(birds="<html>\n")
    assert not complete and notification and notification.facts["branch"] is None
    assert place.git("branch", "--list", "proscribe/*").split() == [BRANCH]


def test_a_branch_of_somebody_is_never_moved(place: Place) -> None:
    place.git("branch", BRANCH)
    place.refresh(birds="b.example\n", nets="8.8.4.0/24\n")
    assert place.git("rev-parse", BRANCH) == place.git("rev-parse", "HEAD")
    assert place.git("rev-parse", f"{BRANCH}-2^") == place.git("rev-parse", "HEAD")


def test_there_are_only_so_many_branches_of_a_day(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(proposing, "MOST", 1)
    place.git("branch", BRANCH)
    with pytest.raises(Refused, match="merge or delete them"):
        place.refresh(birds="b.example\n", nets="8.8.4.0/24\n")


def test_what_is_merged_is_no_news_on_the_same_day(place: Place) -> None:
    place.refresh(birds="b.example\n", nets="8.8.4.0/24\n")
    place.git("merge", "--quiet", "--ff-only", BRANCH)
    assert place.refresh(birds="b.example\n", nets="8.8.4.0/24\n") == (None, True)


def test_programs_of_the_repositorys_configuration_are_not_run(place: Place) -> None:
    place.git("config", "filter.bad.clean", "touch ../ran")
    place.git("config", "filter.bad.smudge", "touch ../ran")
    place.git("config", "core.fsmonitor", "touch ../ran")
    place.write(place.top / ".gitattributes", "*.txt text eol=crlf\n")
    place.commit()
    place.write(place.top / ".gitattributes", "* filter=bad\n")
    place.write(place.top / ".git/info/attributes", "* filter=bad\n")
    (place.root / "ran").unlink(missing_ok=True)
    place.refresh(birds="b.example\n", nets="8.8.4.0/24\n")
    assert not (place.root / "ran").exists()
    assert place.git("cat-file", "blob", f"{BRANCH}:catalog/feeds/birds.txt") == "b.example"


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
