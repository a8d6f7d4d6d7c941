"""Runs that are cut short by real signals to ansible-playbook: each is closed with what it did, by itself or later."""

import contextlib
import os
import pty
import signal
import sqlite3
import subprocess
from pathlib import Path
from typing import Any

import pytest
from canned_project import AUDIT, ENFORCE, LIFT, Project
from fleets import DIGEST, WECHAT, answer, clean_answer, run, wechat
from patience import LONGEST, until

pytestmark = pytest.mark.slow
BAD = answer(wechat(WECHAT), evaluated=["apps/x"])
HOSTS = ["web01", "web02", "web03"]
CUT, NEXT = "20261125T003000Z-enforce-1a2b", "20261125T013000Z-audit-77c0"
REMOVED = {"changed": True, "actions": ["remove wechat"], "refused": []}
CORRECTED = "corrected, not observed again"
BEGUN = "its correction began and gave no answer, not observed again"
CUT_STATES = {"web01": ("unknown", [("unknown", CORRECTED)]), "web02": ("unknown", [("unknown", BEGUN)])}
CUT_STATES["web03"] = ("compliant", [])


class CutRun:
    """A run that has corrected web01, is correcting web02, and found web03 compliant."""

    def __init__(self, path: Path) -> None:
        self.project = Project(path)
        self.waits = path / "waits"
        self.reports = path / "reports"
        self.journal = self.reports / f"{CUT}.partial" / "journal.jsonl"

    def answers(self, id_: str, mode: str, observed: Any, enforced: Any = None) -> Any:
        facts = run(
            HOSTS, mode, id=id_, directory=str(self.reports / f"{id_}.partial"), history="sqlite", history_keep=0,
            inventory=[str(self.project.path / "hosts")],
            policies={DIGEST: {"apps": {"mode": "enforce", "policy": "sha256:0123456789abcdef"}}},
        )  # fmt: skip
        states = {host: {"record": item, "drifted": ["apps"] * (item is BAD)} for host, item in observed.items()}
        states = {host: {**state, "privileged": True} for host, state in states.items()}
        plans = {"all": {"proscribe_run": facts}}
        return {"compile_plans": plans, "compliance_state": states, "restricted_apps": enforced or {}}

    def begin(self, playbook: str = ENFORCE, mode: str = "enforce", **options: Any) -> subprocess.Popen[str]:
        """Start the run; return its process when web01 was changed and web02 is being changed."""
        observed = {"web01": BAD, "web02": BAD, "web03": clean_answer()}
        enforced = {"web01": REMOVED, "web02": {**REMOVED, "waits": str(self.waits)}}
        process = self.project.begin(playbook, self.answers(CUT, mode, observed, enforced), HOSTS, **options)
        until(lambda: self.waits.exists() and (mode == "lift" or self.has_noted('["changed","web01"')))
        return process

    def has_noted(self, text: str) -> bool:
        with contextlib.suppress(FileNotFoundError):
            return text in self.journal.read_text()
        return False

    def kill(self) -> None:
        """Kill the run, and let its workers end."""
        process = self.begin()
        process.kill()
        process.wait(timeout=LONGEST)
        self.waits.unlink()
        number = f":{self.journal.stat().st_ino} "
        until(lambda: not any(number in line for line in Path("/proc/locks").read_text().splitlines()))

    def audit(self, observed: Any) -> subprocess.CompletedProcess[str]:
        return self.project.run(AUDIT, self.answers(NEXT, "audit", observed), HOSTS)

    def states(self, id_: str) -> dict[str, Any]:
        records = self.project.report(id_)[1]
        rules = {host: [(rule["state"], rule["reason"]) for rule in of["rules"]] for host, of in records.items()}
        return {host: (record["state"], rules[host]) for host, record in records.items()}


@pytest.fixture
def cut(tmp_path):
    result = CutRun(tmp_path)
    yield result
    result.waits.unlink(missing_ok=True)  # a worker that is left waits for it


@pytest.mark.parametrize(("number", "exit_file"), [(signal.SIGINT, False), (signal.SIGTERM, True)])
def test_a_run_that_gets_a_signal_closes_itself(cut, number, exit_file):
    process = cut.begin(environment=None if exit_file else {"PROSCRIBE_EXIT_FILE": ""})
    process.send_signal(number)
    output, errors = process.communicate(timeout=LONGEST)
    assert process.returncode == 14 and (not exit_file or cut.project.exit == "14"), errors
    report, records = cut.project.report(CUT)
    assert report["run"]["interrupted"] == {"why": f"by {number.name}", "closed_by": None}
    assert (report["run"]["verdict"]["passed"], report["run"]["verdict"]["exit"]) == (False, 14)
    assert (report["run"]["whole"], report["summary"]["coverage"]["numerator"]) == (False, 1)
    assert cut.states(CUT) == CUT_STATES
    assert records["web01"]["actions"] == [{"control": "apps", "action": "remove wechat"}]
    assert " --limit web01,web02 play.yml -i hosts\n" in output and f"interrupted: by {number.name}" in output
    with sqlite3.connect(cut.reports / "history.db") as database:
        assert {*database.execute("SELECT host, state FROM proscribe_episode")} == {
            ("web01", "unknown"), ("web02", "unknown"),
        }  # fmt: skip
    assert not list(cut.reports.glob("*.partial")) and not (cut.reports / CUT / "journal.jsonl").exists()


def test_a_terminal_that_is_closed_costs_no_report(cut):
    ours, its = pty.openpty()
    process = cut.begin(terminal=its)
    os.close(its)
    os.close(ours)  # and the kernel sends SIGHUP
    process.wait(timeout=LONGEST)
    assert cut.project.report(CUT)[0]["run"]["interrupted"]["why"] == "by SIGHUP"
    assert (cut.states(CUT), cut.project.exit) == (CUT_STATES, "14")


def test_an_interrupted_lift_says_where_it_was_not_lifted(cut):
    process = cut.begin(LIFT, mode="lift")
    process.send_signal(signal.SIGINT)
    output, errors = process.communicate(timeout=LONGEST)
    assert (process.returncode, cut.project.exit) == (14, "14"), errors
    assert "not lifted on web02: no answer" in output


def test_a_killed_run_is_closed_by_the_next_one_which_says_what_it_repaired(cut):
    cut.kill()
    assert not (cut.reports / CUT).exists()
    done = cut.audit({"web01": clean_answer(), "web02": BAD, "web03": clean_answer()})
    assert "It corrected 1 host (web01). Not observed again: 2 hosts (web01, web02)." in " ".join(done.stderr.split())
    why = "it was killed, or its machine went down"
    assert cut.project.report(CUT)[0]["run"]["interrupted"] == {"why": why, "closed_by": NEXT}
    assert cut.states(CUT) == CUT_STATES
    assert cut.states(NEXT) == {
        "web01": ("repaired", [("repaired", f"{CORRECTED} by {CUT}; compliant now")]),
        "web02": ("noncompliant", [("noncompliant", None)]), "web03": ("compliant", []),
    }  # fmt: skip
    assert os.readlink(cut.reports / "newest") == NEXT and not (cut.reports / "corrected.json").exists()


def test_a_run_that_goes_on_is_not_closed_by_another(cut):
    process = cut.begin()
    done = cut.audit(dict.fromkeys(HOSTS, clean_answer()))
    assert done.returncode == 0 and "came to no end" not in done.stderr
    cut.waits.unlink()
    process.communicate(timeout=LONGEST)
    assert process.returncode == 0 and cut.project.report(CUT)[0]["run"]["interrupted"] is None


@pytest.mark.parametrize("tear", [
    lambda text: text[:-20],
    lambda text: text.replace('["changed","web01"', '["chan'),
    lambda text: text + "\0" * 4096,  # as after a power cut
], ids=["end", "middle", "zeros"])  # fmt: skip
def test_a_half_written_journal_yields_its_hosts(cut, tear):
    cut.kill()
    cut.journal.write_text(tear(cut.journal.read_text()))
    cut.audit(dict.fromkeys(HOSTS, clean_answer()))
    assert {host: state for host, (state, _) in cut.states(CUT).items() if host != "web01"} == {
        "web02": "unknown", "web03": "compliant",
    }  # fmt: skip
