"""Corrections by the watch where one user has many restricted packages."""

import contextlib
import json
import os
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import fleets
import pytest
from made_plans import make_section
from proscribe.controller.report.evaluation.reconciliation import make_run_report, reconcile_records
from proscribe.controller.report.exports import list_default_names, write_exports
from proscribe.host import host_operations
from proscribe.host.controls.base import Changes, ControlAction
from proscribe.host.system import ControlError, Host, ToolResult
from proscribe.host.watch import installation, watch_observation
from proscribe.host.watch.correction import LimitedChanges
from proscribe.host.watch.own_observation import HostOperations, observe_host
from proscribe.host.watch.state import journal, watch_files
from proscribe.wire.answers.record import read_record
from watch_host import ROOT, Made, given, plan

pytestmark = ROOT

ALICE, BOB = 61235, 61236  # numbers that no account of this machine has
CONTROLLER: Any = {"release": watch_observation.make_release_name(b" -ISXutf8\n# x\n", b"code")}
RUN: Any = fleets.run(["web01"], "audit")
LEFT = "the watch removes at most 25 packages of one user at once, and alice has more: the next run of the controller"
LEFT += " removes them"
MINE = plan(controls={"apps": make_section("apps", {"wechat": {"packages": {"npm": ["wechaty"]}}})})


class Homes(Made):
    """A watched host with homes, in which npm removes what it is asked to."""

    def answer(self, argv: Sequence[str], **options: Any) -> ToolResult:
        if "uninstall" not in argv:
            return super().answer(argv, **options)
        prefix = argv[argv.index("--prefix") + 1]
        shutil.rmtree(f"{self.root}{prefix}/lib/node_modules/{argv[-1]}")
        return ToolResult(0, "", "")

    def install(self, name: str, uid: int, versions: int) -> list[Path]:
        """Install a restricted package for a user in so many versions of Node."""
        home = Path(self.root) / "home" / name
        packages = [home / f".nvm/versions/node/v{version}/lib/node_modules/wechaty" for version in range(versions)]
        for package in packages:
            package.mkdir(parents=True)
            (package / "package.json").write_text('{"name": "wechaty", "version": "1.20.2"}')
            npm = package.parents[2] / "bin/npm"
            npm.parent.mkdir()
            npm.touch(0o755)
        for place, directories, names in os.walk(home):
            for path in (place, *(f"{place}/{entry}" for entry in (*directories, *names))):
                os.chown(path, uid, uid)
        return packages


@pytest.fixture
def host(made):
    homes = Homes(made.root)
    accounts = [f"{name}:x:{uid}:{uid}::/home/{name}:/bin/sh\n" for name, uid in (("alice", ALICE), ("bob", BOB))]
    homes.write_file("/etc/passwd", "".join(accounts))
    installation.change(homes, MINE, given(MINE))
    return homes


def observe_itself(host: Host) -> dict[str, Any]:
    """Have the host observe and correct itself once, and return the record that it stored."""
    known = watch_files.read_settings(host)
    assert known
    observe_host(
        host, known, HostOperations(host_operations.observe, host_operations.change), lambda _: None, lambda *_: None
    )
    return dict(json.loads(host.read_text(watch_files.RECORD_PATH) or "{}"))


def audit(host: Host) -> dict[str, Any]:
    host.record_fields = {}  # a run is another process
    return dict(host_operations.observe(host, MINE, watch=CONTROLLER)[0])


def corrections(record: dict[str, Any]) -> list[tuple[str, str, str, str]]:
    return [
        (rule["state"], finding["kind"], finding["scope"] or "", finding["detail"])
        for rule in record["rules"]
        if rule["rule"] == "watch/corrections"
        for finding in rule["findings"]
    ]


@pytest.mark.slow
def test_26_packages_of_one_user_are_reported_and_others_are_corrected(host):
    hers, his = host.install("alice", ALICE, 26), host.install("bob", BOB, 1)
    record = observe_itself(host)
    assert not his[0].exists(), "bob's package went"
    assert all(package.exists() for package in hers), "of alice's none went: a mistake of the policy may be the cause"
    expected = [("noncompliant", "correction", "user:alice", LEFT)]
    assert corrections(record) == expected and corrections(audit(host)) == expected
    observe_itself(host)
    failed = [(line["control"], line["message"]) for line in journal.read_journal(host)[0] if line["event"] == "failed"]
    assert failed == [("apps", f"alice: {LEFT}")], "the journal has it once"

    shutil.rmtree(hers[0])  # 25 are within her share, so the next observation removes them
    assert corrections(observe_itself(host)) == [("repaired", "correction", "user:alice", LEFT)]
    assert not any(package.exists() for package in hers) and corrections(audit(host)) == []


@pytest.mark.slow
def test_every_output_names_packages_that_the_watch_did_not_correct(host, tmp_path):
    host.install("alice", ALICE, 26)
    observe_itself(host)
    answer = audit(host)
    fleet = reconcile_records({"web01": answer["plan"]}, [read_record("web01", answer)], {})
    report = make_run_report({**RUN, "hosts": {"web01": answer["plan"]}}, fleet, "2026-11-27T03:10:00Z")
    directory = tmp_path / "report"
    directory.mkdir()
    texts = {
        path.name: path.read_text() for path in write_exports(directory, report, fleet.records, list_default_names())
    }
    texts["hosts.jsonl"] = json.dumps(fleet.records)
    assert [name for name, text in texts.items() if "watch/corrections" not in text] == []


def remove(count: int, user: str, done: list[str], verb: str = "remove") -> ControlAction:
    rules = ["apps/wechat"]
    return ControlAction(verb, "packages", lambda: done.append(user or "host"), "a 1\n" * count, user=user, rules=rules)


@pytest.mark.parametrize(
    ("counts", "removed", "left", "stopped"),
    [
        ({"": 25, "alice": 25, "bob": 25}, ["host", "alice", "bob"], [], False),
        ({"": 26, "alice": 25, "bob": 26}, ["alice"], ["bob"], True),
        ({"": 1, **{f"u{number}": 26 for number in range(50)}}, ["host"], [f"u{n}" for n in range(50)], False),
    ],
)
def test_owner_of_too_many_packages_keeps_nobody_else_from_correction(counts, removed, left, stopped, monkeypatch):
    monkeypatch.setattr("proscribe.host.controls.change_execution._apply_for_user", lambda action, _: action.apply())
    done, limited = [], LimitedChanges()
    actions = [remove(count, user, done) for user, count in counts.items()]
    actions += [remove(99, "alice", done, "end"), remove(99, "", done, "write")]
    message = r"^26 packages .* at most 25 .*: the next run of the controller"
    with pytest.raises(ControlError, match=message) if stopped else contextlib.nullcontext():
        limited(Changes(actions))
    assert done == [*removed, "alice", "host"], "programs are ended and blocks set all the same"
    assert [action.user for action, _ in limited.unchanged] == left
