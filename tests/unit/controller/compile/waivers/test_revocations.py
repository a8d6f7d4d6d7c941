"""Memory of revocations: the plan store, the history and git."""

import os
import shutil
import subprocess
from pathlib import Path
from typing import Any, cast

import pytest
from proscribe.base.duration import spelled
from proscribe.controller.report.history import exceptions, open_history
from proscribe.model.types.report import Report
from proscribe.wire.store import PLANS
from waiver_cases import OPEN, SHUT
from waiver_organisation import NOW, OURS, Keys, Organisation, at

REVOKED = {"on": "2026-11-20T09:00:00+08:00", "by": "head.of.press", "why": "no longer needed"}
LATER = "2026-11-26T08:00:00+00:00"
ENVIRONMENT = {**os.environ, "GIT_CONFIG_NOSYSTEM": "1", "GIT_CONFIG_GLOBAL": os.devnull}
WHY = "head.of.press revoked it on 2026-11-20: no longer needed. The file was restored without that"


class Signed:
    """The made waiver, signed by the head of press, and its bytes as they were signed."""

    def __init__(self, organisation: Organisation, keys: Keys) -> None:
        self.organisation, self.keys = organisation, keys
        organisation.variables = {"waiver_signatures": "required"}
        self.key = keys.make("head")
        keys.allow("head.of.press", self.key, OURS)
        self.file = organisation.waiver()
        keys.sign(self.file, self.key)
        self._old = self.file.read_bytes(), Path(f"{self.file}.sig").read_bytes()

    def revoke(self, **changes: str) -> None:
        self.organisation.waiver(revoked={**REVOKED, **changes})

    def restore(self) -> None:
        for path, content in zip((self.file, Path(f"{self.file}.sig")), self._old, strict=True):
            path.write_bytes(content)

    def git(self, *words: str) -> None:
        settings = ("user.name=a", "user.email=a@example.org", "commit.gpgSign=false", "init.defaultBranch=main")
        argv = ["git", *(part for setting in settings for part in ("-c", setting)), *words]
        subprocess.run(argv, cwd=self.organisation.inventory, env=ENVIRONMENT, check=True, capture_output=True)

    def commit(self, message: str) -> None:
        self.git("add", "-A")
        self.git("commit", "-q", "-m", message)

    def commit_revocation(self) -> None:
        self.git("init", "-q")
        self.commit("a waiver")
        self.revoke()
        self.commit("revoke it")

    @property
    def reports(self) -> Path:
        return self.organisation.root / "reports"

    def record(self, now: str) -> None:
        found: Any = self.organisation.run(now)
        run = {"inventory": [str(self.organisation.inventory)], "finished": spelled(at(now)), "whole": True}
        history = open_history("sqlite", self.reports)
        assert history is not None
        with history.database.writing() as session:
            exceptions.waivers(session, cast("Report", {"run": run, "waivers": found["waivers"]}))


@pytest.fixture
def signed(organisation, key_folder):
    return Signed(organisation, Keys(key_folder, organisation.inventory))


def check_refused(signed: Signed, now: str = LATER) -> str:
    """Check that the waiver waives nothing, and return why."""
    assert signed.organisation.opened(now=now) == SHUT
    run = signed.organisation.run(now)
    (waiver,) = run["waivers"]
    assert waiver["status"] == "revoked" and not waiver["waives"]
    (warning,) = [text for text in run["warnings"] if "w1" in text]
    assert warning.startswith(f"waiver w1 waives nothing: {waiver['why']}")
    return str(waiver["why"])


def test_a_revocation_that_a_run_has_seen_is_remembered_after_the_old_bytes_came_back(signed):
    assert signed.organisation.opened() == OPEN
    signed.revoke()
    signed.organisation.run()
    signed.restore()
    assert check_refused(signed).startswith(WHY)
    assert check_refused(signed, "2026-12-20T08:00:00+00:00").startswith(WHY)  # each run remembers it again


def test_the_history_remembers_where_the_plan_store_is_new(signed):
    signed.revoke()
    signed.record(NOW)
    shutil.rmtree(signed.reports / PLANS)
    signed.restore()
    assert check_refused(signed).startswith(WHY)


@pytest.mark.parametrize("hidden", ["", "reset file", "merge", "replace", "graft"])
def test_the_history_of_git_remembers_where_no_run_came_between(signed, hidden):
    signed.commit_revocation()
    # The merge results in the file before the revocation: git leaves the revocation out of a short log.
    if hidden == "merge":
        signed.git("checkout", "-q", "-b", "side", "HEAD~1")
        signed.git("commit", "-q", "--allow-empty", "-m", "nothing")
        signed.git("merge", "-q", "-s", "ours", "-m", "merge", "main")
    elif hidden == "replace":
        signed.git("replace", "--graft", "HEAD")
    elif hidden == "graft":
        info = signed.organisation.inventory / ".git/info"
        info.mkdir(exist_ok=True)
        argv = ["git", "rev-parse", "HEAD"]
        head = subprocess.run(argv, cwd=info.parents[1], capture_output=True, text=True, check=True).stdout
        (info / "grafts").write_text(head)
    signed.restore()
    if hidden != "reset file":  # there the old bytes are not committed
        signed.git("add", "-A")
        signed.git("commit", "-q", "--allow-empty", "-m", "restore it")
    assert check_refused(signed).startswith(WHY)


def test_revocation_in_git_is_remembered_after_its_history_was_rewritten(signed):
    signed.commit_revocation()
    signed.restore()
    assert check_refused(signed).startswith(WHY)
    signed.git("reset", "-q", "--hard", "HEAD~1")
    assert check_refused(signed).startswith(WHY)


@pytest.mark.parametrize(
    "spoil",
    [
        lambda git: (git / "HEAD").write_text("nonsense"),
        lambda git: shutil.rmtree(git / "objects"),
        lambda git: (git / "config").write_text("[core\n"),
    ],
)
def test_a_repository_that_git_cannot_read_stops_no_run(signed, spoil):
    signed.git("init", "-q")
    signed.commit("a waiver")
    spoil(signed.organisation.inventory / ".git")
    assert signed.organisation.opened() == OPEN
