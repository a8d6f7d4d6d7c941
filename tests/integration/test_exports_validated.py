"""The exports in readers that others wrote: of a fleet with a host of each kind, of none, and of hostile hosts."""

import csv
import json
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import jsonschema
import junitparser
import machine
import pytest
import watched_hosts
from conftest import missing, require_tool
from export_fleet import ALIKE, ANSWERS, STATE, exported, hostile_answer, hostile_answers
from lxml import etree
from patience import LONGEST
from prometheus_client.parser import text_string_to_metric_families

PROJECT = Path(__file__).resolve().parents[2]
SCHEMAS = Path(__file__).parent / "schemas"
HOSTILE = hostile_answers()
WATCHED = watched_hosts.HOSTS
FLEETS = {
    "each kind": (ANSWERS, tuple(STATE)),
    "none": ({}, ()),
    "hostile": (HOSTILE, tuple(HOSTILE)),
    "watched": (WATCHED, tuple(WATCHED)),
    "alike": (dict.fromkeys(ALIKE, ANSWERS["broken"]), tuple(ALIKE)),
}


@pytest.fixture(scope="module", params=FLEETS)
def fleet(request, tmp_path_factory):
    """The folder of a fleet's exports, and the number of its hosts."""
    folder = tmp_path_factory.mktemp("exports")
    answers, hosts = FLEETS[request.param]
    exported(folder, answers=answers, hosts=hosts)
    return folder, len(hosts)


# What a spreadsheet may take for a formula, alone or behind what ends a cell or a line somewhere.
FORMULAS = ["=1+1", "+1+1", "-1+1", "@SUM(1,1)", "=cmd|' /C calc'!A0", '=WEBSERVICE("http://127.0.0.1:9/")', "＝1+1"]
BEFORE = ["", *" \t\r\n\0", *'"', '",', '"\r\n', *"\ufeff\u00a0\u200b\u2028\u202e\u3000"]
BEFORE += [f"x{end}{more}" for end in (",", ";", "|", "\t", '";', '"|') for more in ("", " ", '"', end)]
CALC = "table:formula="
SEPARATORS = ["44", "59", "9", "124", "44/59/9", "44/59/9/MRG"]  # of LibreOffice's import: , ; tab |


@pytest.mark.nightly
@pytest.mark.parametrize("separators", SEPARATORS)
def test_libreoffice_finds_no_formula_in_the_csv(tmp_path, separators):
    """Whatever hosts say, and wherever the spreadsheet of whoever opens it splits the rows."""
    soffice = require_tool("soffice")
    said = [f"{before}{formula}" for before in BEFORE for formula in FORMULAS]
    answers = {f"h{number}{text}": hostile_answer(text) for number, text in enumerate(said)}
    answers |= {text: hostile_answer(text) for text in said}
    exported(tmp_path, ["csv"], answers, tuple(answers))
    assert CALC not in calc(soffice, tmp_path / "report.csv", separators)
    (tmp_path / "formula.csv").write_text(f"a{chr(int(separators.split('/')[0]))}=1+1\n")
    assert CALC in calc(soffice, tmp_path / "formula.csv", separators), "no formula is found where there is one"


def calc(soffice, path, separators):
    profile = f"-env:UserInstallation={(path.parent / 'profile').as_uri()}"
    reader = f"--infilter=CSV:{separators},34,76,1"
    command = [soffice, profile, "--headless", reader, "--convert-to", "fods", "--outdir", str(path.parent), str(path)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=LONGEST)
    assert path.with_suffix(".fods").exists(), done.stdout + done.stderr
    return path.with_suffix(".fods").read_text(encoding="utf-8")


def test_csv_and_junit_have_each_host_once_and_junit_fits_its_schema(fleet):
    folder, hosts = fleet
    with (folder / "report.csv").open(encoding="utf-8", newline="") as stream:
        rows = list(csv.DictReader(stream, strict=True))
    assert all(None not in row and None not in row.values() for row in rows)
    assert len({row["host"] for row in rows}) == hosts
    schema = etree.XMLSchema(etree.parse(str(SCHEMAS / "junit-10.xsd")))  # of Jenkins
    schema.assertValid(etree.parse(str(folder / "junit.xml")))
    suites = list(junitparser.JUnitXml.fromfile(str(folder / "junit.xml")))
    assert len(suites) == hosts
    for suite in suites:
        numbers = suite.tests, suite.failures, suite.errors, suite.skipped
        suite.update_statistics()  # counts the cases
        assert (suite.tests, suite.failures, suite.errors, suite.skipped) == numbers


def test_prometheus_reads_the_metrics(fleet):
    folder, hosts = fleet
    families = list(text_string_to_metric_families((folder / "metrics.prom").read_text(encoding="utf-8")))
    samples = {family.name: family.samples for family in families}
    counters = {family.name for family in families if family.type == "counter"}
    assert counters <= {"proscribe_watch_ended"} and all(family.documentation for family in families)
    assert all(family.type == "gauge" for family in families if family.name not in counters)
    assert len(samples["proscribe_host_state"]) == hosts
    assert len({sample.labels["host"] for sample in samples["proscribe_host_state"]}) == hosts
    assert sum(sample.value for sample in samples["proscribe_hosts"]) == hosts
    assert [sample.value for sample in samples["proscribe_expected_hosts"]] == [hosts]


def test_promtool_has_nothing_to_say_of_the_metrics(fleet):
    with (fleet[0] / "metrics.prom").open("rb") as stream:
        command = [require_tool("promtool"), "check", "metrics"]
        done = subprocess.run(command, stdin=stream, capture_output=True, text=True)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_sarif_fits_the_schema(fleet):
    schema = json.loads((SCHEMAS / "sarif-2.1.0-rtm.5.json").read_text())
    log = json.loads((fleet[0] / "report.sarif").read_text(encoding="utf-8"))
    jsonschema.Draft4Validator(schema, format_checker=jsonschema.FormatChecker()).validate(log)


@pytest.fixture(scope="module")
def trestle():
    """The program of compliance-trestle, in an environment of its own."""
    needed = tomllib.loads((PROJECT / "pyproject.toml").read_text())["project"]["optional-dependencies"]["test-oscal"]
    environment = machine.made("OSCAL", machine.CACHE / "trestle", sys.executable, needed)
    if environment.missing:
        missing(f"needs compliance-trestle: {environment.missing}")
    return environment.tool("trestle")


def test_oscal_is_valid(fleet, trestle, tmp_path):
    file = tmp_path / "assessment-results/run/assessment-results.json"
    for words in (["init", "-loc"], ["validate", "-f", str(file)]):
        done = subprocess.run([trestle, *words], cwd=tmp_path, capture_output=True, text=True)
        assert done.returncode == 0, done.stdout + done.stderr
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes((fleet[0] / "oscal.json").read_bytes())
    assert "VALID" in done.stdout + done.stderr


def test_the_bench_of_a_large_fleet_runs():
    bench = [sys.executable, str(PROJECT / "tests" / "bench" / "report_scale.py"), "--hosts", "2000"]
    done = subprocess.run([*bench, "--limit-mb", "200"], capture_output=True, text=True, timeout=LONGEST)
    assert done.returncode == 0, done.stdout + done.stderr
    assert re.search(r"^together +[0-9.]+ ", done.stdout, re.M)
