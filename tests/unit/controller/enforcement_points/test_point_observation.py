"""Rows of a report for exports that an organisation feeds to its points: state of each directory by the run's plan."""

import argparse
import datetime
import json
import os
from pathlib import Path

import pytest
from file_hosts import write_files
from proscribe.controller.cli import export, inventory
from proscribe.controller.compile.plans.due_exports import list_due_points
from proscribe.controller.compile.plans.host_plans import compile_hosts
from proscribe.controller.compile.restrictions.export_settings import FedExport
from proscribe.controller.enforcement_points.point_observation import observe_points

from unit.controller.cli.test_export import INVENTORY, WAIVER

AT = datetime.datetime(2026, 11, 27, 8, tzinfo=datetime.timezone.utc)


class Points:
    def __init__(self, root):
        self.root, self.out, self.manifest = root, root / "out", root / "out/manifest.json"
        write_files(root, {"waivers/w1.yml": WAIVER, "approvers.yml": "office: {head: head}\n"})
        self.feeds()

    def feeds(self, group="office", format_="rpz", variables="", **more):
        fed = {"format": format_, "directory": str(self.out), "group": group, **more}
        text = INVENTORY.replace("proscribe_exports_fed: [rpz, nft]", f"proscribe_exports_fed: [{json.dumps(fed)}]")
        (self.root / "hosts.yml").write_text(text.replace("  vars:\n", f"  vars:\n    {variables}\n", 1))
        self.fed = FedExport(format_, str(self.out), group)

    def question(self, group="", served=True, limit=""):
        parser = argparse.ArgumentParser()
        inventory.add_inventory_options(parser)
        arguments = parser.parse_args(["-i", str(self.root / "hosts.yml"), "--limit", limit])
        return inventory.read_compile_input(arguments, group=group, only_served=served)

    def write(self, now=AT):
        export.update_export(self.fed, compile_hosts(self.question(self.fed.group, served=False), now), now)

    def row(self, now=AT, limit=""):
        """As a run over the hosts that Proscribe serves has it."""
        question = self.question(limit=limit)
        points = list_due_points(question, compile_hosts(question, now), now)
        (found,) = observe_points({"points": points}, now.strftime("%Y-%m-%dT%H:%M:%SZ"))
        return dict(found)


@pytest.fixture
def points(tmp_path):
    return Points(tmp_path)


def edited(points, **changes):
    points.manifest.write_text(json.dumps({**json.loads(points.manifest.read_text()), **changes}))


FOUND = {
    "as it was written": (lambda p: None, "current", ""),
    "a link to an export": (
        lambda p: p.out.symlink_to(p.out.rename(p.root / "x")),
        "unknown",
        "is no directory (links are not followed)",
    ),
    "a file": (lambda p: (p.out.rename(p.root / "x"), p.out.write_text("x")), "unknown", "is no directory"),
    "nothing": (lambda p: p.out.rename(p.root / "x"), "missing", "there is no "),
    "no manifest": (lambda p: p.manifest.unlink(), "unknown", "manifest.json in"),
    "a pipe as manifest": (lambda p: (p.manifest.unlink(), os.mkfifo(p.manifest)), "unknown", "manifest.json in"),
    "a manifest of nobody's": (lambda p: p.manifest.write_text("[" * 10**5), "unknown", "is none of an"),
    "a plan without end": (lambda p: edited(p, plan="x" * 10**6), "unknown", "is none of an export"),
    "a changed file": (lambda p: (p.out / "proscribe.rpz").write_text(""), "changed", "proscribe.rpz was changed"),
    "another format": (lambda p: edited(p, format="nft"), "changed", "it has an export nft of group office"),
    "another group": (lambda p: edited(p, group="\x1b[31m"), "changed", "it has an export rpz of group ??31m"),
    "another plan": (lambda p: edited(p, plan="sha256:" + "0" * 64), "older", "it is from plan sha256:000000000000"),
    "another service": (lambda p: p.feeds(variables="proscribe_services_exclude: [line]"), "older", "that of thi"),
    "unsigned": (lambda p: p.feeds(variables="proscribe_exports_key: /key"), "not_signed", "no manifest.json.sig"),
}


@pytest.mark.slow
@pytest.mark.parametrize("what", FOUND)
def test_directory_of_an_export_has_a_state(points, what):
    do, state, why = FOUND[what]
    points.write()
    do(points)
    row = points.row()
    assert (why in "; ".join(row.pop("why")), row.pop("plan") is None) == (True, state in ("unknown", "missing"))
    seen = {"written": "2026-11-27T08:00:00Z", "valid_until": "2026-12-24T18:00:00Z", "older": state == "older"}
    seen |= {"expired": False, "fetched_by_unknown": "no access_log is named for it in proscribe_exports_fed"}
    unseen = {**dict.fromkeys(seen), "fetched_by_unknown": "its files are not known"}
    named = {"format": "rpz", "directory": str(points.out), "group": "office", "signed_with": None, "fetched_by": None}
    assert row == {**named, "state": state, **(unseen if state in ("unknown", "missing") else seen)}


@pytest.mark.parametrize(
    ("place", "error"),
    [("iterdir", PermissionError(13, "Permission denied")), ("lstat", OSError(116, "Stale file handle"))],
)
def test_a_directory_that_may_not_be_read_is_unknown(points, monkeypatch, place, error):
    points.write()
    real = getattr(Path, place)

    def refused(path):
        if path == points.out:
            raise error
        return real(path)

    monkeypatch.setattr(Path, place, refused)
    row = points.row()
    assert (row["state"], row["written"], row["plan"]) == ("unknown", None, None)
    assert row["why"] == [f"{points.out} cannot be read: {error.strerror}"]


@pytest.mark.slow
def test_an_end_makes_it_expired_and_older(points):
    points.write()
    end = datetime.datetime(2026, 12, 24, 18, tzinfo=datetime.timezone.utc)
    before = points.row(end - datetime.timedelta(seconds=1))
    assert (before["state"], before["older"], before["expired"]) == ("current", False, False)
    after = points.row(end)
    assert (after["state"], after["older"], after["expired"]) == ("expired", True, True)
    assert after["why"][0] == "it was valid until 2026-12-24T18:00:00Z"
    points.write(end)
    assert points.row(end)["state"] == "current"


@pytest.mark.slow
@pytest.mark.parametrize(
    ("group", "variables", "why"),
    [
        ("", "", "the hosts desk1 and kiosk1 have different policies"),
        ("nobody", "", "expected a group of the inventory"),
        ("empty", "", "no host was chosen"),
        ("office", "proscribe_controls: {dns: 'off'}", "nothing to export: dns is off"),
    ],
)
def test_point_without_a_decision_is_unknown_and_stops_no_run(points, group, variables, why):
    points.write()
    points.feeds(group, variables=variables)
    if group != "office":
        edited(points, group=group)
    row = points.row()
    assert (row["state"], row["older"]) == ("unknown", None), row
    assert why in row["why"][0] and "this run has no plan to compare it with" in row["why"][0]


@pytest.mark.slow
def test_a_log_that_cannot_be_read_is_said_and_changes_no_state(points):
    points.write()
    assert points.row()["fetched_by_unknown"].startswith("no access_log is named")
    points.feeds(access_log=str(points.root / "access.log"), url="/guests")
    row = points.row()
    assert (row["state"], row["fetched_by"]) == ("current", None)
    assert row["fetched_by_unknown"].endswith("access.log cannot be read: No such file or directory")
    (points.root / "access.log").write_text("")
    row = points.row()
    assert (row["fetched_by"], row["fetched_by_unknown"]) == ({"since": None, "addresses": 0, "last": []}, "")
