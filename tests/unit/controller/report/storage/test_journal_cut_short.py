"""Runs that are cut short, by real signals to a real ansible-playbook on a made project with canned answers: each is
closed with what it did, by itself or by the next run.
"""

from __future__ import annotations

import contextlib
import json
import os
import pty
import signal
import sqlite3
from pathlib import Path

import pytest
from canned_project import AUDIT, ENFORCE, LIFT, Project
from fleets import WECHAT, answer, clean_answer, run, wechat
from patience import LONGEST, until
from proscribe.controller.report.evaluation.unobserved import BEGUN, CORRECTED
from proscribe.controller.report.storage import journal

pytestmark = pytest.mark.slow

BAD = answer(wechat(WECHAT), evaluated=["apps/x"])
HOSTS = ["web01", "web02", "web03"]
CUT, NEXT = "20261125T003000Z-enforce-1a2b", "20261125T013000Z-audit-77c0"
REMOVED = {"changed": True, "actions": ["remove wechat"], "refused": []}


class Cut:
    """A run that has corrected web01, is correcting web02, and found web03 in order."""

    def __init__(self, path: Path) -> None:
        self.project = Project(path)
        self.waits = path / "waits"
        self.reports = path / "reports"

    def answers(self, id_: str, mode: str, observed, enforced=None):
        policies = {run()["hosts"]["web01"]: {"apps": {"mode": "enforce", "policy": "sha256:0123456789abcdef"}}}
        made = run(
            HOSTS,
            mode,
            id=id_,
            directory=str(self.reports / f"{id_}.partial"),
            inventory=[str(self.project.path / "hosts")],
            policies=policies,
            history="sqlite",
            history_keep=0,
        )
        observations = {
            host: {"record": record, "drifted": ["apps"] * (record is BAD), "privileged": True}
            for host, record in observed.items()
        }
        return {
            "compile_plans": {"all": {"proscribe_run": made}},
            "compliance_state": observations,
            "restricted_apps": enforced or {},
        }

    def begin(self, playbook: str = ENFORCE, *, mode: str = "enforce", **named):
        """Start it; returns the process when web01 was changed, and web02 is being changed."""
        observed = {"web01": BAD, "web02": BAD, "web03": clean_answer()}
        enforced = {"web01": REMOVED, "web02": {**REMOVED, "waits": str(self.waits)}}
        process = self.project.begin(playbook, self.answers(CUT, mode, observed, enforced), HOSTS, **named)
        until(lambda: self.waits.exists() and (mode == "lift" or self.noted('["changed","web01"')))
        return process

    def noted(self, text: str) -> bool:
        with contextlib.suppress(FileNotFoundError):
            return text in (self.reports / f"{CUT}.partial" / journal.FILE).read_text()
        return False

    def audit(self, observed):
        return self.project.run(AUDIT, self.answers(NEXT, "audit", observed), HOSTS)

    def report(self, id_: str):
        report, records = self.project.report(id_)
        return report["run"], report, records

    def incidents(self) -> set[tuple[str, str, str]]:
        """Of the history: host, state and how it ended."""
        with sqlite3.connect(self.reports / "history.db") as database:
            found = database.execute("SELECT host, state, coalesce(ended, '') FROM proscribe_episode")
            return set(found.fetchall())


def states(records):
    return {
        host: (record["state"], [(r["rule"], r["state"], r["reason"]) for r in record["rules"]])
        for host, record in records.items()
    }


CUT_STATES = {
    "web01": ("unknown", [("apps/wechat", "unknown", CORRECTED)]),
    "web02": ("unknown", [("apps/wechat", "unknown", BEGUN)]),
    "web03": ("compliant", []),
}


@pytest.fixture
def cut(tmp_path):
    made = Cut(tmp_path)
    yield made
    made.waits.unlink(missing_ok=True)  # a worker that is left waits for it


@pytest.mark.parametrize(
    ("number", "exit_file"),
    [(signal.SIGINT, False), (signal.SIGTERM, False), (signal.SIGHUP, False), (signal.SIGTERM, True)],
)
def test_a_run_that_gets_a_signal_closes_itself(cut, number, exit_file):
    process = cut.begin(environment=None if exit_file else {"PROSCRIBE_EXIT_FILE": ""})
    process.send_signal(number)
    said, errors = process.communicate(timeout=LONGEST)
    assert process.returncode == 14, errors
    if exit_file:
        assert cut.project.exit == "14"
    run_, report, records = cut.report(CUT)
    assert run_["interrupted"] == {"why": f"by {number.name}", "closed_by": None}
    assert run_["verdict"] == {
        "gate": None,
        "passed": False,
        "exit": 14,
        "reason": f"the run was interrupted: by {number.name}",
    }
    assert (run_["whole"], report["summary"]["coverage"]["numerator"]) == (False, 1)
    assert states(records) == CUT_STATES
    assert records["web01"]["actions"] == [{"control": "apps", "action": "remove wechat"}]
    assert records["web01"]["not_observed_again"] == ["apps"]
    assert " --limit web01,web02 play.yml -i hosts\n" in said
    assert "3 hosts: 2 unknown, 1 compliant   coverage 1 of 3 (33.3 %)" in said
    assert f"exit 14: the run was interrupted: by {number.name}" in said
    assert cut.incidents() == {("web01", "unknown", ""), ("web02", "unknown", "")}
    assert not list(cut.reports.glob("*.partial")) and not (cut.reports / CUT / journal.FILE).exists()
    assert "User interrupted execution" not in errors + said


def test_a_terminal_that_is_closed_costs_no_report(cut):
    ours, its = pty.openpty()
    process = cut.begin(terminal=its)
    os.close(its)
    os.close(ours)  # and the kernel sends SIGHUP
    process.wait(timeout=LONGEST)
    run_, _, records = cut.report(CUT)
    assert (run_["interrupted"]["why"], states(records)) == ("by SIGHUP", CUT_STATES)
    assert cut.project.exit == "14"


LATER = '- name: A later play\n  hosts: "{{ nobody_has_set_it }}"\n  tasks: []\n'


def test_an_error_of_ansibles_in_a_later_play_closes_the_run_too(cut):
    process = cut.begin(ENFORCE + LATER)
    cut.waits.unlink()
    _, errors = process.communicate(timeout=LONGEST)
    assert (process.returncode, cut.project.exit) == (14, "14"), errors
    assert "nobody_has_set_it" in errors
    run_, _, records = cut.report(CUT)
    assert run_["interrupted"]["why"] == "by an error of Ansible's"
    assert records["web01"]["actions"]


def test_an_interrupted_lift_says_where_it_was_not_lifted(cut):
    process = cut.begin(LIFT, mode="lift")
    until(lambda: cut.waits.exists())
    process.send_signal(signal.SIGINT)
    said, errors = process.communicate(timeout=LONGEST)
    assert (process.returncode, cut.project.exit) == (14, "14"), errors
    assert "not lifted on web02: no answer" in said


def killed(cut) -> None:
    """Kill the run, and let its workers end."""
    process = cut.begin()
    process.kill()
    process.wait(timeout=LONGEST)
    cut.waits.unlink()
    path = cut.reports / f"{CUT}.partial" / journal.FILE
    until(lambda: "FLOCK" not in locks_of(path))


def locks_of(path: Path) -> str:
    """The kernel's locks on a file."""
    number = f":{path.stat().st_ino} "
    return "".join(line for line in Path("/proc/locks").read_text().splitlines() if number in line)


def test_a_run_that_is_killed_is_closed_by_the_next_one_which_says_what_it_repaired(cut):
    killed(cut)
    assert not (cut.reports / CUT).exists()
    done = cut.audit({"web01": clean_answer(), "web02": BAD, "web03": clean_answer()})
    said = " ".join(done.stderr.split())
    assert f"the run {CUT} came to no end: it was killed, or its machine went down." in said
    assert "It corrected 1 host (web01). Not observed again: 2 hosts (web01, web02)." in said

    run_, _, records = cut.report(CUT)
    assert run_["interrupted"] == {"why": "it was killed, or its machine went down", "closed_by": NEXT}
    assert (run_["verdict"]["exit"], states(records)) == (14, CUT_STATES)

    _, report, records = cut.report(NEXT)
    assert states(records) == {
        "web01": ("repaired", [("apps/wechat", "repaired", f"{CORRECTED} by {CUT}; compliant now")]),
        "web02": ("noncompliant", [("apps/wechat", "noncompliant", None)]),
        "web03": ("compliant", []),
    }
    assert records["web01"]["rules"][0]["findings"][0]["id"] == "wechat"
    assert ("web01", "unknown", "repaired") in cut.incidents()
    assert os.readlink(cut.reports / "newest") == NEXT
    assert not (cut.reports / "corrected.json").exists()


def test_a_run_that_goes_on_is_not_closed_by_another(cut):
    process = cut.begin()
    try:
        done = cut.audit(dict.fromkeys(HOSTS, clean_answer()))
        assert done.returncode == 0 and "came to no end" not in done.stderr
        assert cut.noted('["began","web02"')
    finally:
        cut.waits.unlink()
        process.communicate(timeout=LONGEST)
    assert process.returncode == 0
    assert cut.report(CUT)[0]["interrupted"] is None


TEAR = {
    "half a line": lambda text: text[:-20],
    "half a line of the middle": lambda text: text.replace('["changed","web01"', '["chan'),
    "zeros, as after a power cut": lambda text: text + "\0" * 4096,
    "an event that is none": lambda text: text + '["forget"]\n[]\n{}\n["began"]\n["began",1,2]\n["_of","web01"]\n',
    "other hosts": lambda text: text + '["failed","other",null,"x"]\n["decided",{"hosts":5}]\n',
    "deep nesting": lambda text: text + "[" * 100_000 + "\n",
}


@pytest.mark.parametrize("name", TEAR)
def test_a_half_written_journal_yields_what_it_contains(cut, name):
    killed(cut)
    path = cut.reports / f"{CUT}.partial" / journal.FILE
    path.write_text(TEAR[name](path.read_text()))
    cut.audit(dict.fromkeys(HOSTS, clean_answer()))
    _, _, records = cut.report(CUT)
    assert set(records) == set(HOSTS)
    assert records["web03"]["state"] == "compliant"
    assert records["web02"]["state"] == "unknown"


EMPTY = {
    "nothing": "",
    "no run": "[1,2]\n",
    "a run that is none": '[{"id":"x"},{"kernel":"x"}]\n',
}


@pytest.mark.parametrize("name", EMPTY)
def test_a_journal_that_says_no_run_is_left_alone(cut, name):
    directory = cut.reports / f"{CUT}.partial"
    directory.mkdir(parents=True)
    said = {**json.loads(json.dumps(journal.here())), "locked": True}
    (directory / journal.FILE).write_text(EMPTY[name].replace('{"kernel":"x"}', json.dumps(said)))
    done = cut.audit(dict.fromkeys(HOSTS, clean_answer()))
    assert done.returncode == 0, done.stderr
    assert directory.exists()
    assert ("cannot be closed" in done.stderr) == (name == "a run that is none")
