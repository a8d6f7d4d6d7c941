"""From the last release to this code on a host that the last one enforced, and back: docs/how-to/upgrade.md."""

import json
import shutil
import subprocess

import pytest
from machines import ANSIBLE, PROJECT, booted, read_records, without_ansible
from patience import LONGEST
from processes import MERGED
from test_collection import FAKE_APP

pytestmark = [pytest.mark.whole_hosts, pytest.mark.steps]

# While there is no release, the code of so many changes ago takes its place.
CHANGES_AGO = 150
VARIABLES = {"proscribe_categories": ["instant_messaging"], "proscribe_watch": "1h"}
IN_LINE = {"compliant", "repaired"}


def git(*words):
    done = subprocess.run(["git", "-C", str(PROJECT), *words], capture_output=True, text=True, check=False)
    return done.stdout.strip() if done.returncode == 0 else ""


def last_release():
    """The newest tag before this commit, or the commit in its place."""
    here = git("describe", "--tags", "--abbrev=0", "--match=v[0-9]*", "HEAD^")
    return here or git("rev-list", "--first-parent", "--max-count=1", f"--skip={CHANGES_AGO}", "HEAD")


class Fleet:
    """The host, with the two checkouts that control it."""

    def __init__(self, host, before):
        self.host, self.before = host, before
        self.inventory = host._inventory(**VARIABLES)
        self.reports = before.parent / "reports"

    def run(self, checkout, word, *options):
        own = {"PROSCRIBE_ANSIBLE_PLAYBOOK": f"{ANSIBLE}-playbook", "PROSCRIBE_REPORTS": str(self.reports)}
        argv = [str(checkout / "proscribe"), word, "-i", self.inventory, *options]
        done = subprocess.run(argv, env={**without_ansible(), **own}, cwd=checkout, timeout=LONGEST, **MERGED)
        assert done.returncode == 0, done.stdout
        return str(done.stdout)

    def enforce_twice(self, checkout):
        """Audit, enforce, and find nothing to correct."""
        self.run(checkout, "audit")
        assert self.record()["state"] not in ("error", "unknown"), self.record()["rules"]
        self.run(checkout, "enforce")
        assert self.record()["state"] in IN_LINE and self.record()["errors"] == []
        self.run(checkout, "enforce")
        assert self.record()["state"] == "compliant"

    def record(self):
        return read_records(self.reports)[self.host.name]

    def traces(self):
        names = self.host.run("find", "/", "-xdev", "-name", "*proscribe*", "-not", "-path", "/proc/*").splitlines()
        return names + [line for line in self.host.run("nft", "list", "tables").splitlines() if "proscribe" in line]


@pytest.fixture(scope="module")
def fleet(tmp_path_factory):
    release = last_release()
    assert release, "the history of this checkout is too short for the last release: git fetch --unshallow --tags"
    before = tmp_path_factory.mktemp("before") / "proscribe"
    subprocess.run(["git", "clone", "--quiet", "--shared", "--no-checkout", str(PROJECT), str(before)], check=True)
    subprocess.run(["git", "-C", str(before), "checkout", "--quiet", release], check=True)
    with booted("upgrade") as (host,):
        yield Fleet(host, before)


def test_the_last_release_enforces(fleet):
    fleet.host.run("sh", "-c", FAKE_APP, "sh", "telegram-desktop")
    assert fleet.traces() == []
    fleet.run(fleet.before, "enforce")
    assert fleet.record()["state"] in IN_LINE and fleet.traces()
    shutil.copytree(fleet.reports, fleet.reports.with_name("reports-before"), symlinks=True)


def test_this_code_takes_over(fleet):
    fleet.run(PROJECT, "enforce", "--check", "--diff")
    fleet.enforce_twice(PROJECT)
    assert json.loads((fleet.reports / "latest/report.json").read_text())["run"]["version"][:1].isdigit()


def test_the_last_release_takes_back_over_and_this_code_lifts_it(fleet):
    """The last release, with the copy of the reports; both may audit meanwhile."""
    shutil.rmtree(fleet.reports)
    fleet.reports.with_name("reports-before").rename(fleet.reports)
    fleet.enforce_twice(fleet.before)
    fleet.run(PROJECT, "enforce")  # this code lifts what both have written
    fleet.run(PROJECT, "lift")
    assert fleet.traces() == []
