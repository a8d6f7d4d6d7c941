"""Slices of a job, as an automation controller makes them: real runs over parts of an inventory, made one report."""

import json
import sqlite3
from pathlib import Path

import pytest
from checkout import REAL_ANSIBLE, clean_environment, launch, proscribe, read_states

pytestmark = pytest.mark.playbook

RESTRICTIONS = "  vars: {proscribe_categories: [], proscribe_services_include: [wechat]}\n"


class Sliced:
    """Inventories of the whole and of parts, one folder of reports, and the launcher."""

    def __init__(self, directory):
        self.directory = directory
        self.reports = directory / "reports"

    def inventory(self, *hosts):
        path = self.directory / f"{'-'.join(hosts)}.yml"
        lines = "".join(f"    {host}: {{ansible_connection: local}}\n" for host in hosts)
        path.write_text(f"press:\n  hosts:\n{lines}{RESTRICTIONS}")
        return str(path)

    def launch(self, *words):
        return proscribe(*words, reports=self.reports)

    def slice(self, *hosts, round_="awx_workflow_job_id=7"):
        """One job of a round, which an automation controller names by its workflow job: its run's id."""
        words = ("-i", self.inventory(*hosts), "--tags", "dns", "-e", "proscribe_history=off", "-e", round_)
        ended = self.launch("audit", *words)
        assert ended.code == 0, ended.said
        return (self.reports / "latest").readlink().name

    @property
    def latest(self):
        return dict(json.loads((self.reports / "latest" / "report.json").read_text()))

    @property
    def states(self):
        return read_states(self.reports)


def test_slices_become_one_report_with_every_host_accounted_for(tmp_path):
    sliced = Sliced(tmp_path)
    whole = sliced.inventory("web01", "web02", "web03")
    before = sliced.launch("audit", "-i", whole, "--tags", "dns")  # it must not stand for a slice that dies
    assert before.code == 0, before.said
    ids = [sliced.slice("web01"), sliced.slice("web02", round_="proscribe_round=7")]

    ended = sliced.launch("report", "--merge", "unmerged", "--since", "12h", "-i", whole, "--history", "sqlite")
    assert ended.code == 0, ended.said
    assert "is not merged: it is a run over the whole" in " ".join(ended.said.split())
    assert "coverage 2 of 3" in ended.said and sliced.latest["run"]["parts"] == ids
    assert sliced.states == {"web01": "noncompliant", "web02": "noncompliant", "web03": "unknown"}
    assert (sliced.reports / "latest" / "report.html").stat().st_size > 10_000
    known = sqlite3.connect(sliced.reports / "history.db").execute("SELECT id FROM proscribe_run ORDER BY finished")
    assert [id_ for (id_,) in known][1:] == [sliced.latest["run"]["id"]]

    # The slice that had died comes later, and the automation controller merges by its playbook.
    late = sliced.slice("web03")
    more = {"report_merge": ["unmerged"], "report_since": "12h", "report_history": "sqlite"}
    environment = clean_environment(PROSCRIBE_REPORTS=str(sliced.reports))
    words = ("playbooks/report.yml", "-i", whole, "-e", json.dumps(more))
    ended = launch(Path(REAL_ANSIBLE), *words, environment=environment)
    assert ended.code == 0, ended.said
    assert sliced.latest["run"]["parts"] == [late]  # the others are in a merged report already
    ended = sliced.launch("report", "--merge", *ids, late, "-i", whole)
    assert (ended.code, set(sliced.states.values())) == (0, {"noncompliant"}), ended.said
    assert sliced.latest["summary"]["coverage"]["numerator"] == 3
