"""Scheduled refresh of the catalogue and of fed exports."""

import argparse
import datetime
import json
import subprocess

import pytest
import yaml
from proscribe.controller.cli import CommandError, export, inventory, scheduled
from proscribe.controller.cli.catalog.download import FetchedList, FetchError
from proscribe.controller.cli.diff.revision import Repository
from proscribe.controller.cli.scheduled import branch_commit, catalogue_refresh, fed_exports
from proscribe.controller.compile.plans.host_plans import compile_hosts
from proscribe.controller.compile.restrictions.export_settings import FedExport
from proscribe.controller.policy_errors import PolicyError, PolicyErrors
from proscribe.controller.report.notification import Notification
from refusals import make_refusal

from unit.controller.cli.test_export import INVENTORY

ENTRY = (
    "---\nid: parrot\nname: Parrot\ncategory: circumvention\nvendor: Example\nclass: vpn\nenforce: true\n"
    "domains: [parrot.example]\nnetworks: [8.8.4.0/24]\nnetworks_checked: 2026-01-02\nchecked: 2026-01-02\n"
    "sources: [a test]\n"
)
FEED = "---\nid: birds\nname: Birds\nservice: parrot\nkind: domains\nchecked: 2026-01-02\nsources:\n  - a test\n"
TODAY = datetime.datetime.now(datetime.timezone.utc).date()
BRANCH = f"proscribe/catalogue-{TODAY}"


class Place:
    def __init__(self, root, monkeypatch):
        self.root, self.top, self.release = root, root / "policy", root / "release"
        self.lists = {}
        self.folders = [(self.release, self.top / "catalog")]
        self.write(self.release / "circumvention/parrot.yml", ENTRY)
        self.write(self.top / "catalog/feeds/birds.yml", FEED)
        self.write(self.top / "catalog/feeds/birds.txt", "a.example\n")
        self.publishers(self.top / "catalog", ("birds", "feed", "birds"))
        self.publishers(self.release, ("nets", "networks", "parrot"))
        self.git("init", "--quiet", "--initial-branch=main")
        self.commit()
        find_folders = lambda _: (Repository(self.top), self.folders)  # noqa: E731
        monkeypatch.setattr(catalogue_refresh, "_find_catalogue_folders", find_folders)

    def write(self, path, text):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)

    def publishers(self, folder, *rows):
        usual = {"format": "lines", "least": "1"}
        listed = [{**usual, "id": i, "into": into, "of": of, "url": f"https://x.example/{i}"} for i, into, of in rows]
        self.write(folder / "publishers.yml", yaml.safe_dump(listed))

    def git(self, *words):
        who = ["-c", "user.name=a", "-c", "user.email=a@x.example"]
        argv = ["git", *who, *words]
        return subprocess.run(argv, cwd=self.top, check=True, capture_output=True, text=True).stdout.strip()

    def commit(self):
        self.git("add", "--all")
        self.git("commit", "--quiet", "--message=policy")

    def fetched(self, publisher):
        if publisher.id not in self.lists:
            raise FetchError("it could not be fetched")
        return FetchedList(self.lists[publisher.id], TODAY, "a" * 64)

    def refresh(self, **lists):
        self.lists = lists
        return catalogue_refresh.refresh_on_branch((), self.fetched)

    def state(self):
        """Return the files and what git has checked out; objects and branches of git may change."""
        files = {path: path.read_bytes() for path in self.top.rglob("*") if path.is_file() and ".git" not in path.parts}
        return {**files, **{name: (self.top / ".git" / name).read_bytes() for name in ("index", "HEAD")}}


@pytest.fixture
def place(tmp_path, monkeypatch):
    return Place(tmp_path, monkeypatch)


def test_refreshed_lists_become_a_commit_on_a_branch_and_change_nothing_else(place):
    for name in ("pre-commit", "post-commit", "post-checkout", "reference-transaction", "post-index-change"):
        place.write(place.top / ".git/hooks" / name, "#!/bin/sh\ntouch ../ran\n")
        (place.top / ".git/hooks" / name).chmod(0o755)
    place.write(place.top / "notes.txt", "not committed\n")
    place.write(place.top / "catalog/feeds/birds.txt", "a.example\nmine.example\n")
    before, base = place.state(), place.git("rev-parse", "HEAD")
    (place.root / "ran").unlink(missing_ok=True)
    notification, complete = place.refresh(birds="b.example\n", nets="8.8.4.0/24\n9.9.9.0/24\n")
    assert complete and notification.subject == "Proscribe: catalogue, 2 lists changed"
    assert notification.lines == (
        "nets: 1 new, 0 gone in catalog/amends/parrot.yml",
        "  + 9.9.9.0/24",
        "birds: 1 new, 1 gone in catalog/feeds/birds.txt",
        "  + b.example",
        "  - a.example",
        "",
        f"The branch {BRANCH} of {place.top} has the change; nothing is in effect before somebody merges it:",
        f"  git -C {place.top} diff HEAD...{BRANCH}",
        f"  git -C {place.top} push origin {BRANCH}",
    )
    files = ["catalog/amends/parrot.yml", "catalog/feeds/birds.txt", "catalog/feeds/birds.yml"]
    facts = {key: notification.facts[key] for key in ("branch", "files", "changed", "refused")}
    assert facts == {"branch": BRANCH, "files": files, "changed": ["nets", "birds"], "refused": []}
    message = place.git("log", "-1", "--format=%B", BRANCH).splitlines()
    assert message == [f"Catalogue: lists of {TODAY}", "", *notification.lines[:5]]
    assert place.state() == before and not (place.root / "ran").exists()
    assert place.git("rev-parse", f"{BRANCH}^") == base
    assert place.git("diff", "--name-only", "HEAD", BRANCH).split() == files
    modes = place.git("ls-tree", "-r", BRANCH).split()[::4]
    assert {*modes} == {"100644"}
    assert place.git("show", f"{BRANCH}:catalog/feeds/birds.txt") == "b.example"
    author = place.git("log", "-1", "--format=%an %ae %cn %ce", BRANCH)
    assert author == "Proscribe proscribe@localhost Proscribe proscribe@localhost"
    assert (place.release / "circumvention/parrot.yml").read_text() == ENTRY


def test_branch_of_somebody_else_is_never_moved(place, monkeypatch):
    place.git("branch", BRANCH)
    place.refresh(birds="b.example\n", nets="8.8.4.0/24\n")
    assert place.git("rev-parse", BRANCH) == place.git("rev-parse", "HEAD") == place.git("rev-parse", f"{BRANCH}-2^")
    monkeypatch.setattr(branch_commit, "_has_branch", lambda *_: False)  # it is made a moment later
    with pytest.raises(CommandError, match=f"git update-ref in {place.top}: .*reference already exists"):
        place.refresh(birds="b.example\n", nets="8.8.4.0/24\n")
    assert place.git("rev-parse", BRANCH) == place.git("rev-parse", "HEAD")


def test_wrong_list_is_reported_and_keeps_no_other_back(place):
    notification, complete = place.refresh(nets="9.9.9.0/24\n")
    assert not complete and notification.subject == "Proscribe: catalogue, 1 list changed, 1 refused"
    assert (notification.facts["refused"], notification.facts["changed"]) == (["birds"], ["nets"])
    assert notification.lines[3] == "birds: refused, nothing is changed: it could not be fetched"
    notification, complete = place.refresh(birds="<html>\n")
    assert not complete and notification.facts["branch"] is None and notification.facts["files"] == []
    assert len(notification.lines) == 2 and place.git("branch", "--list", "proscribe/*").split() == [BRANCH]


def test_programs_of_the_configuration_of_a_repository_are_not_run(place):
    for name in ("filter.bad.clean", "filter.bad.smudge", "core.fsmonitor"):
        place.git("config", name, "touch ../ran")
    place.write(place.top / ".gitattributes", "*.txt text eol=crlf\n")
    place.commit()
    for name in (".gitattributes", ".git/info/attributes"):
        place.write(place.top / name, "* filter=bad\n")
    (place.root / "ran").unlink(missing_ok=True)
    place.refresh(birds="b.example\n", nets="8.8.4.0/24\n")
    assert not (place.root / "ran").exists()
    assert place.git("cat-file", "blob", f"{BRANCH}:catalog/feeds/birds.txt") == "b.example"


def test_there_are_only_so_many_branches_of_a_day(place, monkeypatch):
    monkeypatch.setattr(branch_commit, "MAX_BRANCHES", 1)
    place.git("branch", BRANCH)
    with pytest.raises(CommandError, match="merge or delete them"):
        place.refresh(birds="b.example\n", nets="8.8.4.0/24\n")


def test_merged_refresh_is_no_news_on_the_same_day(place):
    place.refresh(birds="b.example\n", nets="8.8.4.0/24\n")
    place.git("merge", "--quiet", "--ff-only", BRANCH)
    assert place.refresh(birds="b.example\n", nets="8.8.4.0/24\n") == (None, True)


def test_a_directory_that_is_not_committed_is_refused(place):
    place.write(place.top / "more/feeds/birds.yml", FEED)
    place.folders = [(place.release, place.top / "more")]
    with pytest.raises(CommandError, match="more is not in the newest commit"):
        place.refresh()


@pytest.mark.parametrize(
    ("complete", "sent", "code"), [(True, True, 0), (True, False, 76), (False, True, 1), (False, False, 1)]
)
def test_refresh_ends_with_a_code_for_its_outcome(monkeypatch, capsys, complete, sent, code):
    message = Notification("a subject", ("a line",), {})
    monkeypatch.setattr(catalogue_refresh, "refresh_on_branch", lambda _: (message, complete))
    monkeypatch.setattr(scheduled, "send_notification", lambda *_: sent)
    assert scheduled.run(argparse.Namespace(what="catalog", options=[])) == code
    assert capsys.readouterr().out == "a subject\na line\n\n"
    monkeypatch.setattr(catalogue_refresh, "refresh_on_branch", lambda _: (None, True))
    assert scheduled.run(argparse.Namespace(what="catalog", options=[])) == 0


def test_reason_against_a_refresh_is_reported(monkeypatch, capsys):
    sent, refusal = [], make_refusal(CommandError("/srv/policy lies in no git repository"))
    monkeypatch.setattr(catalogue_refresh, "refresh_on_branch", refusal)
    monkeypatch.setattr(scheduled, "send_notification", lambda message, _: not sent.append(message))
    assert scheduled.run(argparse.Namespace(what="catalog", options=[])) == 1
    assert "/srv/policy lies in no git repository" in capsys.readouterr().out
    (message,) = sent
    assert message.subject == "Proscribe: the catalogue was not refreshed" and message.facts["refreshed"] is False
    lines = ("/srv/policy lies in no git repository", "", "No list was read, and the catalogue stays as it is.")
    assert message.lines == lines


@pytest.fixture
def renew(tmp_path):
    (tmp_path / "hosts.yml").write_text(INVENTORY)

    def renewed(fed):
        parser = argparse.ArgumentParser()
        inventory.add_inventory_options(parser)
        arguments = parser.parse_args(["-i", str(tmp_path / "hosts.yml")])
        now = datetime.datetime(2026, 11, 27, 8, tzinfo=datetime.timezone.utc)
        question = inventory.read_compile_input(arguments, group=fed.group, only_served=False)
        return export.update_export(fed, compile_hosts(question, now), now)

    return renewed


@pytest.mark.slow
def test_export_of_another_owner_stays(renew, tmp_path):
    renew(FedExport("unbound", str(tmp_path / "out"), "office"))
    with pytest.raises(CommandError, match="has an export unbound of group office; expected another directory"):
        renew(FedExport("rpz", str(tmp_path / "out"), "office"))
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine/notes").write_text("mine")
    with pytest.raises(CommandError, match="is not empty, and no earlier export"):
        renew(FedExport("rpz", str(tmp_path / "mine"), "office"))
    assert (tmp_path / "mine/notes").read_text() == "mine"


OFFICE = {"format": "rpz", "directory": "out", "group": "office"}


@pytest.mark.parametrize(("fed", "said"), [(None, None), ([], None), ([OFFICE], "1 export written again")])
def test_a_run_says_which_exports_it_renews(renew, tmp_path, fed, said):
    fed = fed and [{**OFFICE, "directory": str(tmp_path / "out")}]
    (tmp_path / "report").mkdir()
    report = {"schema": "proscribe/report/1", "run": {"exports_fed": fed}}
    (tmp_path / "report/report.json").write_text(json.dumps(report))
    options = ["-i", str(tmp_path / "hosts.yml"), "--limit", "kiosk1"]
    notification = fed_exports.update_exports(tmp_path / "report", options)
    assert (notification and notification.subject) == (said and f"Proscribe: {said}")
    if notification:
        assert notification.facts["not_written"] == []
        assert f"  {tmp_path}/out (rpz of group office): there was none" in notification.lines


def test_one_that_cannot_be_written_keeps_no_other_back(tmp_path, monkeypatch):
    fed = [{"format": name, "directory": f"/srv/{name}", "group": group} for name, group in
           (("rpz", "office"), ("nft", "office"), ("pac", ""), ("hosts", ""), ("unbound", "guests"))]  # fmt: skip
    (tmp_path / "report.json").write_text(json.dumps({"run": {"exports_fed": fed}}))
    calls = []
    outcomes = {"rpz": ["a", "b"], "nft": [], "pac": CommandError("no"), "hosts": OSError("full")}

    def question(arguments, **how):
        calls.append((arguments.inventory, arguments.limit, how["group"], how["only_served"]))
        if how["group"] == "guests":
            raise PolicyErrors([PolicyError("a.yml:1", "b", "c", "d")])
        return "question"

    def renew(fed, compiled, now):
        if isinstance(outcomes[fed.format], Exception):
            raise outcomes[fed.format]
        return outcomes[fed.format]

    monkeypatch.setattr(inventory, "read_compile_input", question)
    monkeypatch.setattr(fed_exports, "compile_hosts", lambda *_: "compiled")
    monkeypatch.setattr(fed_exports, "add_signing", lambda *_: "compiled")
    monkeypatch.setattr(export, "update_export", renew)
    notification = fed_exports.update_exports(tmp_path, ["-i", "x,", "--limit", "kiosk1"])
    assert notification.subject == "Proscribe: 3 exports not written, 1 export written again"
    assert notification.facts["written"] == [{**fed[0], "why": "a", "differences": 2}]
    whys = [(export["format"], export["why"]) for export in notification.facts["not_written"]]
    assert whys == [("pac", "no"), ("hosts", "full"), ("unbound", "a.yml:1: b: found 'c', expected d")]
    assert calls == [(["x,"], "", group, False) for group in ("office", "", "guests")]
    outcomes |= {"rpz": [], "pac": [], "hosts": []}
    (tmp_path / "report.json").write_text(json.dumps({"run": {"exports_fed": fed[:4]}}))
    assert fed_exports.update_exports(tmp_path, ["-i", "x,"]) is None
