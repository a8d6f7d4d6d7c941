"""The schemas of our own formats in a validator that others wrote: what the code makes fits, nothing is left out."""

import contextlib
import copy
import datetime
import json
from pathlib import Path

import fleets
import jsonschema
import pytest
import watched_hosts
import yaml
from event_runs import EventRuns
from export_fleet import ANSWERS, FINISHED, STATE, exported, hostile_answers
from made_export import decision
from pasts import bad, good, repaired, unseen, waived
from proscribe.controller.compile.catalogue import schema as catalogue_keys
from proscribe.controller.compile.catalogue.catalogue_loader import read_catalogue
from proscribe.controller.compile.catalogue.schema import CATEGORIES
from proscribe.controller.compile.plans.plan_compiler import compile_plan
from proscribe.controller.compile.restrictions import PREFIX, read_restrictions
from proscribe.controller.compile.waivers import document
from proscribe.controller.enforcement_points import export_directory, manifest
from proscribe.controller.enforcement_points.export_formats import EXPORT_FORMATS
from proscribe.controller.enforcement_points.point_observation import observe_points
from proscribe.controller.report.evaluation.reconciliation import make_run_report, reconcile_records
from proscribe.controller.report.exports.event_kinds import KINDS
from proscribe.controller.report.history import open_history
from proscribe.model.finding import STATES
from proscribe.model.plan import CONTROLS
from proscribe.wire.answers.record import read_record

PROJECT = Path(__file__).resolve().parents[2]
SCHEMAS = {path.name.split(".")[0]: json.loads(path.read_text()) for path in PROJECT.glob("docs/schema/*.json")}
SOME = {"controls": {"apps": "audit", "browser": "off"}, "tenants": {"google": ["example.org"], "microsoft": []}}
SERVICE = {"id": "owl_chat", "name": "Owl", "category": "instant_messaging", "vendor": "Owl Ltd"}
SERVICE |= {"audience": "consumer", "enforce": "true", "domains": ["owl.example"]}
SERVICE |= {"packages": {"apt": ["owl-chat"], "flatpak": ["example.owl.Chat"], "snap": ["owl-chat"]}}
MSSTORE = "Owl.Chat or msstore:123456789ABC"
SERVICE |= {"browser_extensions": {"chrome": ["a" * 32]}, "sources": ["https://owl.example/docs, 2026-11-01"]}


def closed(schema):
    """The schema with no room for a key that it does not describe: so that it cannot fall behind the code."""
    if isinstance(schema, list):
        return [closed(item) for item in schema]
    if not isinstance(schema, dict):
        return schema
    shut = {key: closed(value) for key, value in schema.items()}
    if "properties" in shut and isinstance(shut["properties"], dict):
        shut.setdefault("additionalProperties", False)
    return shut


def fits(name, value):
    validator = jsonschema.Draft202012Validator(closed(SCHEMAS[name]), format_checker=jsonschema.FormatChecker())
    assert [f"{error.json_path}: {error.message[:200]}" for error in validator.iter_errors(value)] == []


def fleet():
    run = fleets.run(tuple(STATE), waivers=fleets.WAIVERS, exports=["csv"])
    records = [read_record(host, answer) for host, answer in ANSWERS.items()]
    return run, reconcile_records(run["hosts"], records, {"gone": "unreachable: no route to host"})


@pytest.mark.parametrize("name", SCHEMAS)
def test_schema_of_a_format_is_valid_and_has_its_id(name):
    jsonschema.Draft202012Validator.check_schema(SCHEMAS[name])
    assert SCHEMAS[name]["$id"] == f"{name}.schema.json"


def test_records_of_each_state_of_a_run_that_changes_hosts_and_of_hostile_hosts_fit():
    for record in fleet()[1].records:
        fits("host-record", record)
    moved = {"control": "apps", "action": "quarantine /x as wechat-0123abcd", "quarantine_id": "wechat-0123abcd"}
    fits("host-record", {**fleet()[1].records[0], "actions": [{"control": "apps", "action": "remove wechat"}, moved]})
    for host, answer in hostile_answers().items():
        fits("host-record", read_record(host, answer))


AT = "2026-11-25T00:30:05Z"
EVERYTHING = {**fleets.clean_answer(), "catalog": "2026.11.1", "browsers": ["firefox"], "logged_in": ["alice"]}
EVERYTHING |= {"package_systems": ["dpkg"], "user_package_systems": ["nix"], "found_at": AT, "commit": "0" * 40}
EVERYTHING |= {"commit_trust": "first use", "requests": [watched_hosts.REQUEST], "requests_left_out": 1}
EVERYTHING["quarantine"] = {"items": 1, "bytes": 9, "oldest": AT, "owners": {"alice": 9}}
EVERYTHING["full_scan"] = {"at": AT, "runs": 3}
EVENTS = {"ended": [watched_hosts.ENDED], "frozen": watched_hosts.FROZEN, "renewed": None}
EVERYTHING["watch"] = watched_hosts.watch(watched_hosts.INCIDENT, **EVENTS)


def test_schema_describes_every_key_that_the_reader_lets_through():
    record = read_record("web01", EVERYTHING)
    of_the_run = {"actions", "not_observed_again", "other_runs"}
    assert record.keys() == SCHEMAS["host-record"]["properties"].keys() - of_the_run
    fits("host-record", record)


def test_reports_of_hosts_of_each_state_and_of_hosts_that_keep_themselves_in_line_fit():
    fits("report", make_run_report(*fleet(), FINISHED))
    run = fleets.run(tuple(watched_hosts.HOSTS))
    settled = reconcile_records(
        run["hosts"], [read_record(host, answer) for host, answer in watched_hosts.HOSTS.items()]
    )
    fits("report", make_run_report(run, settled, FINISHED))
    for record in settled.records:
        fits("host-record", record)


def test_a_report_with_exports_that_points_are_fed_with_fits(tmp_path):
    due = {"format": "rpz", "group": "", "plan": fleets.DIGEST, "why": "", "url": "", "key": "", "signers": []}
    run, settled = fleet()
    (tmp_path / "access.log").write_text("")
    point = {**due, "directory": str(tmp_path / "rpz"), "access_log": str(tmp_path / "access.log")}
    absent = observe_points({"points": [point]}, FINISHED)
    rendered = EXPORT_FORMATS["rpz"].render_export(decision())
    text = manifest.encode_manifest(manifest.make_manifest(EXPORT_FORMATS["rpz"], decision(), rendered))
    export_directory.write_export(tmp_path / "rpz", {**rendered.files, manifest.MANIFEST_NAME: text})
    written = observe_points({"points": [point]}, FINISHED)
    assert (absent[0]["state"], written[0]["state"]) == ("missing", "older")
    assert written[0]["fetched_by"] == {"since": None, "addresses": 0, "last": []}
    fits("report", {**make_run_report(run, settled, FINISHED), "points": [*absent, *written]})


def test_every_event_fits(tmp_path):
    verdict = {"gate": "noncompliant", "passed": False, "exit": 10, "reason": "not met"}
    past = EventRuns(open_history("sqlite", tmp_path))
    moved = {"control": "apps", "action": "quarantine /x as wechat-0123abcd", "quarantine_id": "wechat-0123abcd"}
    events = []
    for record in (bad(), waived(), unseen(), None, good(), repaired(), bad()):
        events += past.events({"web01": record}, verdict=verdict, only_changed=False)
    events += past.events({"web02": bad()}, mode="enforce", actions=[moved], left_out=[])
    texts = [exported(tmp_path, ["events"], not_served={"switch01": "a device"})["events"]]
    for hosts in (watched_hosts.HOSTS, hostile_answers()):
        texts.append(exported(tmp_path, ["events"], hosts, tuple(hosts))["events"])
    events += [json.loads(line) for text in texts for line in text.splitlines()]
    assert {event["kind"] for event in events} == {*KINDS}
    assert {event.get("state") for event in events} > {*STATES, "gone", "not_served"}
    for event in events:
        fits("event", event)
    assert not jsonschema.Draft202012Validator(SCHEMAS["event"]).is_valid({**events[0], "kind": "run"})


def test_the_documentation_names_every_key_of_an_event():
    text = (PROJECT / "docs" / "exports.md").read_text(encoding="utf-8").partition("\n## Events for a SIEM\n")[2]
    of_kind = {kind["properties"]["kind"]["const"]: kind["properties"] for kind in SCHEMAS["event"]["oneOf"]}
    keys = {key for kind in ("host", "rule", "between", "request") for key in of_kind[kind]}
    assert sorted(key for key in keys if f"`{key}`" not in text.partition("\n## ")[0]) == []


@pytest.mark.parametrize("values", [{}, {"effective_from": "2999-01-01"}, SOME])
def test_a_plan_of_the_whole_catalogue_fits(values):
    restrictions = read_restrictions({PREFIX + name: value for name, value in values.items()}, str)
    plan = compile_plan(read_catalogue((PROJECT / "catalog",)), restrictions, [], datetime.date(2026, 11, 25))
    assert set(plan["controls"]) == {control for control in CONTROLS if restrictions.controls[control] != "off"}
    fits("plan", plan)


def test_every_service_of_the_catalogue_fits():
    files = [file for category in CATEGORIES for file in sorted(PROJECT.glob(f"catalog/{category}/*.yml"))]
    assert len(files) > 150
    for file in files:
        entry = yaml.safe_load(file.read_text(encoding="utf-8"))
        days = {key: str(entry[key]) for key in ("checked", "networks_checked") if key in entry}  # JSON has no days
        fits("service", {**entry, **days})


@pytest.mark.parametrize(
    ("change", "good"),
    [
        ({}, True),
        ({"unverified": {"packages": {"rpm": ["owl"]}}}, True),
        *(({"sources": None}, False), ({"category": "chat"}, False), ({"enforce": "perhaps"}, False)),
        *(({"domains": []}, False), ({"domains": "owl.example"}, False), ({"packages": {"deb": ["owl"]}}, False)),
        *(({"packages": {manager: [name]}}, False) for manager, name in (("snap", "owl--chat"), ("winget", MSSTORE))),
        ({"browser_extensions": {"chrome": ["a" * 33]}}, False),
        ({"tenant_control": {"headers": [{"value": "x"}]}}, False),
    ],
)
def test_a_service_fits_where_the_code_takes_it(change, good):
    value = {key: item for key, item in {**SERVICE, **change}.items() if item is not None}
    assert (list(catalogue_keys.check_service(value)) == []) is good
    read_as_yaml = {**value, "enforce": {"true": True}.get(value["enforce"], value["enforce"])}
    assert jsonschema.Draft202012Validator(SCHEMAS["service"]).is_valid(read_as_yaml) is good


WAIVER = """\
id: press-whatsapp
services: [whatsapp]
controls: [apps]
groups: [press]
users: [alice]
versions: [4.0.1-1]
paths: [/opt/wechat/wechat]
reason: Press enquiries come in over WhatsApp
risk: Files received there are not scanned
compensating_controls: [the host stands in a network of its own]
ticket: ITS-4711
requested_by: chan.tai.man
requested_on: 2026-11-01T10:00:00+08:00
approved_by: head.of.press
approved_on: 2026-11-02T10:00:00+08:00
valid_from: 2026-11-03T00:00:00+08:00
expires: 2027-04-30T18:00:00+08:00
review_by: 2026-12-01T18:00:00+08:00
revoked: {on: 2026-12-02T09:00:00+08:00, by: head.of.press, why: no longer needed}
"""


@pytest.mark.parametrize(
    ("change", "good"),
    [
        ({}, True),
        ({"groups": None, "zones": ["internal"]}, True),
        ({"groups": None}, False),  # for no host at all
        *(({"expires": f"2027-04-30T{time}"}, False) for time in ("18:00:00", "25:00:00Z")),
        *(({"controls": ["app"]}, False), ({"services": ["Whats App"]}, False), ({"users": ["1000"]}, False)),
        *(({"paths": ["/opt/../wechat"]}, False), ({"risk": "x" * 1001}, False), ({"exires": "2027"}, False)),
        ({"revoked": {"on": "2026-12-02T09:00:00+08:00", "by": "head.of.press"}}, False),
    ],
)
def test_a_waiver_fits_where_the_code_takes_it(tmp_path, change, good):
    value = yaml.load(WAIVER, Loader=yaml.BaseLoader)
    value = {key: item for key, item in {**value, **change}.items() if item is not None}
    assert jsonschema.Draft202012Validator(SCHEMAS["waiver"]).is_valid(value) is good
    file = tmp_path / "press-whatsapp.yml"
    file.write_text(yaml.safe_dump(copy.deepcopy(value)))
    with contextlib.nullcontext() if good else pytest.raises(document.PolicyErrors):
        document.read_waiver(file)


@pytest.mark.parametrize(("name", "heading"), [("report", "report.json"), ("host-record", "hosts.jsonl")])
def test_the_documentation_names_every_key(name, heading):
    text = (PROJECT / "docs" / "report.md").read_text(encoding="utf-8")
    section = text.partition(f"\n## {heading}\n")[2].partition("\n## ")[0]
    properties = SCHEMAS[name]["properties"]
    keys = [*properties, *properties.get("run", {}).get("properties", ())]
    assert [key for key in keys if f"`{key}`" not in section] == []
