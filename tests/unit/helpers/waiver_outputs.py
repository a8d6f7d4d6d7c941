"""What each output says of a waiver, read back in one shape: what it is worth, and what it opens where."""

from __future__ import annotations

import argparse
import csv
import json
import re
import xml.etree.ElementTree as ET
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from made_waivers import NETWORKS, Organisation, at
from proscribe.controller.cli import explain, inventory, waiver
from proscribe.controller.compile.plans.hosts import compile_hosts
from proscribe.controller.compile.plans.run import compile_run
from proscribe.controller.report.collection.events import Collector
from proscribe.controller.report.evaluation.reconcile import fleet_report
from proscribe.controller.report.exports import formats, usual, write
from proscribe.controller.report.page import document
from proscribe.controller.report.terminal import summary
from proscribe.model.finding import Finding, Verdict, host_record, judge
from proscribe.model.plan import CONTROLS

Opened = frozenset[tuple[str, str]]  # hosts and rules
ID = "w1"


class Shown(NamedTuple):
    """What an output says; None is what it does not report."""

    status: str | None
    opened: Opened | None


class Outputs:
    """A run over a test organisation, on whose hosts everything restricted was found, and all outputs of that run."""

    def __init__(
        self,
        organisation: Organisation,
        now: str,
        found: Finding,
        monkeypatch: pytest.MonkeyPatch,
        capsys: pytest.CaptureFixture[str],
    ) -> None:
        self._organisation, self._now, self._capsys = organisation, now, capsys
        question = organisation.question()
        monkeypatch.setattr(inventory, "question", lambda arguments: question)
        self.plans = compile_hosts(question, at(now))
        run = compile_run(question, at(now))
        collector = Collector(run)
        for host, digest in self.plans.hosts.items():
            collector.answered(host, _answer(self.plans.plans[digest], digest, run["started"], found))
        fleet = collector.fleet()
        self.report = fleet_report(run, fleet, run["started"])
        self.records = list(fleet.records)
        self.folder = Path(organisation.root, "exports")
        self.folder.mkdir()
        write(self.folder, self.report, self.records, usual())

    def all(self) -> dict[str, Shown]:
        """By the name of the output."""
        return {
            "plans": Shown(None, self._plans()),
            "report.json": self._json(),
            "report.html": Shown(self._page(), None),
            "terminal": Shown(self._terminal(), None),
            "explain": self._explain(),
            "waiver list": self._list(),
            "waiver list, for people": Shown(self._list_as_text(), None),
            "waiver verify": Shown(self._word("verify", "--json")["waivers"][0]["status"], None),
            "report.csv": Shown(None, self._csv()),
            "junit.xml": Shown(None, self._junit()),
            "metrics.prom": self._prometheus(),
            "report.sarif": self._sarif(),
            "oscal.json": self._oscal(),
        }

    def _plans(self) -> Opened:
        return frozenset(
            (host, f"{control}/{service}")
            for host, digest in self.plans.hosts.items()
            for control, section in self.plans.plans[digest]["controls"].items()
            for service, entry in section["services"].items()
            if entry.get("waiver") == ID or any(one["waiver"] == ID for one in entry.get("exceptions", ()))
        )

    def _json(self) -> Shown:
        (entry,) = self.report["waivers"]
        assert entry["waives"] == (entry["status"] == "active")
        listed = {(record["host"], rule["rule"]): rule for record in self.records for rule in record["rules"]}
        for rule in listed.values():
            assert (rule["state"], rule["waiver"]) in {("waived", ID), ("noncompliant", None)}
        return Shown(entry["status"], frozenset(key for key, rule in listed.items() if rule["waiver"]))

    def _page(self) -> str:
        page = "".join(document.page(self.report, self.records))
        standing = re.search(rf'data-waiver="{ID}"><summary><span class="state"><svg.*?</svg>([a-z ]+)', page)
        assert standing
        return standing[1].strip().replace(" ", "_")

    def _terminal(self) -> str:
        table = summary.render(self.report, self.records, summary.Screen(200, 1000))
        return _after(rf"waiver {ID}", table)

    def _explain(self) -> Shown:
        """`open` for what it says is open by the waiver, and the status out of the remark for what waives nothing."""
        status, opened = "active", set()
        for service in NETWORKS:
            explain.run(parsed(explain, [service, "--json", "--at", self._now]))
            for group in json.loads(self._capsys.readouterr().out)["answers"]:
                for note in group["notes"]:
                    if said := re.match(rf"waiver {ID}\b.* waives nothing \(([a-z ]+)\)", note):
                        status = said[1].replace(" ", "_")
                opened |= {
                    (host, f"{control}/{service}")
                    for host in group["hosts"]
                    for control, answer in group["controls"].items()
                    for reason in answer["reasons"]
                    if reason["waiver"] == ID and reason["service"] == service
                }
        return Shown(status, frozenset(opened))

    def _word(self, *words: str) -> Any:
        return json.loads(self._words(*words))

    def _words(self, *words: str) -> str:
        arguments = parsed(waiver, words)
        arguments.run_subcommand(arguments, at(self._now))
        return self._capsys.readouterr().out

    def _list(self) -> Shown:
        (entry,) = self._word("list", "--json")["waivers"]
        assert (entry["seconds_left"] > 0) == (entry["status"] in ("active", "not_yet_valid"))
        opened = {
            (host, f"{control}/{service}")
            for host in entry["hosts"]
            for control in entry["controls"]
            for service in entry["services"]
        }
        return Shown(entry["status"], frozenset(opened) if entry["waives"] else frozenset())

    def _list_as_text(self) -> str:
        return _after(rf"^{ID}", self._words("list"))

    def _csv(self) -> Opened:
        with (self.folder / formats()["csv"].file).open(encoding="utf-8", newline="") as stream:
            rows = list(csv.DictReader(stream))
        assert {(row["state"], row["waiver"]) for row in rows} <= {("waived", ID), ("noncompliant", "")}
        return frozenset((row["host"], row["rule"]) for row in rows if row["waiver"])

    def _junit(self) -> Opened:
        cases = list(ET.parse(self.folder / formats()["junit"].file).iter("testcase"))
        skipped = [case for case in cases if (one := case.find("skipped")) is not None and ID in one.attrib["message"]]
        assert len(skipped) + sum(case.find("failure") is not None for case in cases) == len(cases)
        return frozenset((case.attrib["classname"], case.attrib["name"]) for case in skipped)

    def _prometheus(self) -> Shown:
        text = (self.folder / formats()["prometheus"].file).read_text(encoding="utf-8")
        (status,) = re.findall(rf'^proscribe_waiver_hosts{{waiver="{ID}",status="(\w+)"}}', text, re.MULTILINE)
        # It counts the hosts of a rule and does not name them; the number of each is held against the report's.
        counts = re.findall(r'^proscribe_rule_hosts{rule="(.+?)",state="waived"} (\d+)$', text, re.MULTILINE)
        waived = _by_rule(self._json().opened or ())
        assert {rule: int(count) for rule, count in counts if int(count)} == waived
        return Shown(status, None)

    def _sarif(self) -> Shown:
        (run,) = json.loads((self.folder / formats()["sarif"].file).read_text(encoding="utf-8"))["runs"]
        (entry,) = run["properties"]["waivers"]
        opened = set()
        for result in run["results"]:
            assert result["kind"] == "fail"
            for suppression in result.get("suppressions", ()):
                assert suppression["justification"].startswith(f"{ID}: ")
                host = result["locations"][0]["logicalLocations"][0]["fullyQualifiedName"]
                opened.add((host, result["ruleId"]))
        return Shown(entry["status"], frozenset(opened))

    def _oscal(self) -> Shown:
        document = json.loads((self.folder / formats()["oscal"].file).read_text(encoding="utf-8"))
        (result,) = document["assessment-results"]["results"]
        (entry,) = [prop for prop in result["props"] if prop["name"] == "waiver"]
        names = {
            item["uuid"]: item["props"][0]["value"]
            for item in result["local-definitions"]["inventory-items"]
        }  # fmt: skip
        opened = set()
        for observation in result["observations"]:
            props = {prop["name"]: prop["value"] for prop in observation["props"]}
            if props.get("waiver") == ID:
                assert props["state"] == "waived"
                opened |= {(names[subject["subject-uuid"]], props["rule"]) for subject in observation["subjects"]}
        risks = {risk["title"]: risk["status"] for risk in result.get("risks", ())}
        assert risks == ({f"Waiver {ID}": "deviation-approved"} if opened else {})
        return Shown(entry["class"].replace("-", "_"), frozenset(opened))


def _answer(plan: Mapping[str, Any], digest: str, moment: str, found: Finding) -> dict[str, Any]:
    """What a host answers on which every control finds everything that its plan restricts."""
    verdicts: list[Verdict] = [
        judge(f"{control}/{service}", entry, [found])
        for control, section in plan["controls"].items()
        for service, entry in section["services"].items()
    ]
    assert len(verdicts) == len(CONTROLS) * len(NETWORKS)
    return host_record(
        plan_digest=digest, checked_at=moment, platform={}, verdicts=verdicts, errors=(), duration_ms=1
    )  # fmt: skip


def _after(name: str, text: str) -> str:
    """The state that stands behind a name in a table, as the report spells it."""
    found = re.search(rf"{name} +([A-Za-z ]+?)  ", text, re.MULTILINE)
    assert found, text
    return found[1].lower().replace(" ", "_")


def _by_rule(opened: Iterable[tuple[str, str]]) -> dict[str, int]:
    counts: dict[str, int] = {}
    for _, rule in opened:
        counts[rule] = counts.get(rule, 0) + 1
    return counts


def parsed(word: Any, words: Iterable[str]) -> argparse.Namespace:
    """The arguments of a command, as somebody types them."""
    parser = argparse.ArgumentParser()
    word.add_arguments(parser)
    return parser.parse_args(list(words))
