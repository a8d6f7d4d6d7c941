"""A waiver is worth the same in every output: plans, report, page, table, explain, list, verify, every export.

The cases are those of `waiver_cases`. On every host of the test organisation every control finds every service. So the
outputs report what is open as waived, and all else as noncompliant. The tests read each output back and compare it with
the case.
"""

from __future__ import annotations

import pytest
from made_waivers import NOW, Keys, at
from proscribe.controller.cli import explain, inventory, waiver
from proscribe.controller.compile.waivers.standing import STATUSES
from proscribe.controller.policy_errors import PolicyErrors
from proscribe.controller.report.page import document
from proscribe.controller.report.terminal import summary
from proscribe.model.finding import Finding
from proscribe.model.types.run import Revoked, RunWaiver
from waiver_cases import CASES, MISTAKES, OPEN, SIGNED, Case
from waiver_outputs import Outputs, Shown, parsed

FOUND = Finding("package", "made", manager="dpkg", version="1.0", scope="system")
OF_ALICE = Finding("package", "made", manager="flatpak", version="1.0", scope="user:alice", path="/home/alice/made")


def test_the_schema_of_the_report_describes_just_what_is_said_of_a_waiver(organisation, monkeypatch, capsys):
    organisation.waiver(revoked={"on": "2026-11-24T08:00:00Z", "by": "head.of.press", "why": "over"})
    (compiled,) = organisation.run()["waivers"]
    (reported,) = Outputs(organisation, NOW, FOUND, monkeypatch, capsys).report["waivers"]
    assert reported.keys() == RunWaiver.__annotations__.keys()
    assert reported["revoked"].keys() == Revoked.__annotations__.keys()
    assert reported.keys() - compiled.keys() == {"days_left"}


def test_there_are_many_cases():
    assert len(CASES) + len(SIGNED) + len(MISTAKES) >= 80
    assert {case.status for case in [*CASES, *SIGNED]} == set(STATUSES)


@pytest.mark.parametrize("case", [*CASES, *SIGNED], ids=lambda case: case.shows)
def test_every_output_says_what_a_case_is_worth_and_what_it_opens(organisation, case, key_folder, monkeypatch, capsys):
    file = organisation.waiver(**case.waiver)
    organisation.approvers(case.approvers)
    organisation.variables = case.variables
    if case.signing:
        Keys(key_folder, organisation.inventory).follow(case.signing, file, monkeypatch)
    outputs = Outputs(organisation, case.now, FOUND, monkeypatch, capsys)
    opened = expected(case)
    (entry,) = outputs.report["waivers"]
    assert case.why in entry["why"]
    for name, said in outputs.all().items():
        status = case.status
        if name == "explain" and not entry["hosts"]:
            status = "active"  # it speaks of hosts, and this one is for none: nothing to remark
        assert said == Shown(said.status and status, said.opened if said.opened is None else opened), name
    # And who reads the report alone can see it: what is open is waived, and everything else counts.
    rules = outputs.report["summary"]["rules"]
    assert (rules["waived"], rules["noncompliant"]) == (len(opened), 5 * 12 - len(opened))


def expected(case: Case) -> frozenset[tuple[str, str]]:
    services = case.waiver.get("services", ["whatsapp"])
    # What the table says of whatsapp on each host holds for the service that a case is about.
    opened = OPEN if case.status == "active" and "whatsapp" not in services else case.opened
    return frozenset(
        (host, f"{control}/{service}")
        for host, controls in opened.items()
        for control in controls
        for service in services
    )


PARTS = [
    ("a user", {"users": ["alice"], "controls": ["apps", "firewall"]}, OF_ALICE, FOUND),
    ("a version", {"versions": ["1.0"], "controls": ["apps"]}, FOUND, FOUND._replace(version="1.1")),
    ("a path", {"paths": ["/home/alice/made"], "controls": ["apps"]}, OF_ALICE, OF_ALICE._replace(path="/opt/made")),
]


@pytest.mark.parametrize(("part", "changes", "inside", "outside"), PARTS, ids=[row[0] for row in PARTS])
def test_a_waiver_for_a_part_covers_that_part_in_every_output(
    organisation, part, changes, inside, outside, monkeypatch, capsys
):
    organisation.waiver(**changes)
    opened = frozenset(("press01", f"{control}/whatsapp") for control in changes["controls"])
    for name, said in Outputs(organisation, NOW, inside, monkeypatch, capsys).all().items():
        assert said == Shown(said.status and "active", said.opened if said.opened is None else opened), name


@pytest.mark.parametrize(("part", "changes", "inside", "outside"), PARTS, ids=[row[0] for row in PARTS])
def test_what_lies_outside_the_part_counts_in_every_output_about_hosts(
    organisation, part, changes, inside, outside, monkeypatch, capsys
):
    organisation.waiver(**changes)
    said = Outputs(organisation, NOW, outside, monkeypatch, capsys).all()
    for name in ("report.json", "report.csv", "junit.xml", "report.sarif", "oscal.json"):
        assert said[name].opened == frozenset(), name


def test_a_waiver_that_will_be_taken_back_ends_then_in_every_output(organisation, monkeypatch, capsys):
    organisation.waiver(revoked={"on": "2026-11-26T08:00:00Z", "by": "head.of.press", "why": "it will be over"})
    outputs = Outputs(organisation, NOW, FOUND, monkeypatch, capsys)
    texts = {path.name: path.read_text(encoding="utf-8") for path in outputs.folder.iterdir()}
    assert 'proscribe_waiver_expiry_timestamp_seconds{waiver="w1",status="active"} 1795680000' in texts["metrics.prom"]
    assert '"deadline":"2026-11-26T08:00:00Z"' in texts["oscal.json"]
    assert "until 2026-11-26 08:00 UTC" in "".join(document.page(outputs.report, outputs.records))
    table = " ".join(summary.render(outputs.report, outputs.records, summary.Screen(200, 100)).split())
    assert "waiver w1 active ends tomorrow, until 2026-11-26 08:00 UTC: whatsapp on press01" in table
    arguments = parsed(waiver, ["list"])
    arguments.run_subcommand(arguments, at(NOW))
    assert "1 day left, until 2026-11-26 08:00:00 UTC" in " ".join(capsys.readouterr().out.split())


@pytest.mark.parametrize("mistake", MISTAKES, ids=lambda mistake: mistake.shows)
def test_a_mistake_stops_the_run_and_every_word_with_one_message(organisation, mistake, monkeypatch):
    file = organisation.waiver(**mistake.waiver)
    if mistake.twice:
        organisation.waiver("w1.yaml")
    organisation.approvers(mistake.approvers)
    question = organisation.question()
    monkeypatch.setattr(inventory, "question", lambda arguments: question)
    before = file.read_bytes()
    said = set()
    for words in (None, ["list"], ["list", "--json"], ["expire-soon"], ["verify"], ["sign", "w1"], "whatsapp"):
        with pytest.raises(PolicyErrors) as wrong:
            if words is None:
                organisation.run()
            elif isinstance(words, str):
                explain.run(parsed(explain, [words, "--at", NOW]))
            else:
                arguments = parsed(waiver, words)
                arguments.run_subcommand(arguments, at(NOW))
        said.add(str(wrong.value))
    (message,) = said
    assert mistake.message in message
    assert str(organisation.inventory) in message
    assert file.read_bytes() == before and not (organisation.root / "reports").exists()
