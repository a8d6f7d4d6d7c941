"""What docs/exports.md has for Splunk and Elastic: every field is one of the event's, and a line is read as it says."""

import configparser
import datetime
import json
import re
from pathlib import Path

import pytest
import yaml
from export_fleet import exported
from proscribe.controller.report.exports.event_texts import MAX_LINE_BYTES

PROJECT = Path(__file__).resolve().parents[4]
PAGE = (PROJECT / "docs/exports.md").read_text(encoding="utf-8")
SECTION = PAGE.partition("### Splunk and Elastic\n")[2].partition("\n### ")[0]
BLOCKS = re.findall(r"```(\w+)\n(.*?)```", SECTION, re.DOTALL)
ELASTIC, SPLUNK = (
    [text for language, text in BLOCKS if language == "text" and text.startswith(first)]
    for first in ("FROM ", "sourcetype=")
)
KINDS = {
    one["properties"]["kind"]["const"]: one["properties"]
    for one in json.loads((PROJECT / "docs/schema/event.schema.json").read_text())["oneOf"]
}
# Of Splunk's language, what the queries name themselves, and values.
OF_SPLUNK = frozenset(
    re.findall(r"\w+", "sourcetype spath path output dedup sortby search IN table timechart span min")
)
NAMED = frozenset({"asset", "_time", "1d", "run", "host", "true", "error", "noncompliant", "unknown"})


def queries():
    """Each query with the kind of event that it is about, and the fields that it reads."""
    for text in ELASTIC:
        (kind,) = re.findall(r'proscribe\.kind == "(\w+)"', text)
        yield text, kind, re.findall(r"proscribe\.([a-z_.]+)", text)
    for text in SPLUNK:
        (kind,) = re.findall(r"kind=(\w+)", text)
        words = re.findall(r"[\w.]+", re.sub(r'"[^"]*"', "", text))
        yield text, kind, [word for word in words if word not in OF_SPLUNK | NAMED]


QUERIES = list(queries())
assert len(ELASTIC) == len(SPLUNK) == 2


def known(kind, field):
    properties = KINDS[kind]
    for name in field.split("."):
        if name not in properties:
            return False
        properties = properties[name].get("properties", {})
    return True


@pytest.mark.parametrize(("text", "kind", "fields"), QUERIES, ids=range(len(QUERIES)))
def test_every_field_is_one_of_the_event(text, kind, fields):
    assert len(fields) >= 3, text
    assert [field for field in fields if not known(kind, field)] == []
    states = re.findall(r"\b(error|noncompliant|unknown)\b", text)
    if kind == "host":
        assert set(states) == {"error", "noncompliant", "unknown"} <= set(KINDS["host"]["state"]["enum"])


def time_of(text, form):
    return datetime.datetime.strptime(text, form).replace(tzinfo=datetime.timezone.utc)


def test_splunk_finds_the_time_of_a_line_and_cuts_none(tmp_path):
    (text,) = [block for language, block in BLOCKS if language == "ini"]
    parser = configparser.RawConfigParser(delimiters=(" = ",))
    parser.read_string(text)
    settings = parser["proscribe:event"]
    assert int(settings["TRUNCATE"]) > MAX_LINE_BYTES
    for line in exported(tmp_path, ["events"])["events"].splitlines():
        time = re.search(re.escape(settings["TIME_PREFIX"]) + r'([^"]*)', line)
        assert time and time[1] == json.loads(line)["time"]
        assert time_of(time[1], settings["TIME_FORMAT"]) == datetime.datetime.fromisoformat(time[1])


def test_filebeat_knows_an_event_by_its_id():
    (text,) = [block for language, block in BLOCKS if language == "yaml"]
    (parser,) = yaml.safe_load(text)["filebeat.inputs"][0]["parsers"]
    assert "id" in KINDS["run"] and parser["ndjson"]["document_id"] == "id"
    assert all(f"{parser['ndjson']['target']}.{field}" in query for query, _, fields in QUERIES[:2] for field in fields)
