"""The record of a platform that is only observed."""

import time
from typing import Any

import pytest
from proscribe.host.controls.observe_only import chosen, record_of
from proscribe.host.system import ControlError
from proscribe.model.finding import COMPLIANT, NONCOMPLIANT, RECORD_SCHEMA, Finding, Verdict

PLATFORM = {"os": "macos", "release": "15"}
SECTION = {"services": {"mail": {}, "chat": {}}}
PLAN: dict[str, Any] = {
    "digest": "sha256:1",
    "controls": {"apps": {**SECTION, "nothing_known": ["x", "y"]}, "dns": SECTION, "browser": SECTION},
}


@pytest.mark.parametrize(("only", "names"), [([], ["apps", "browser", "dns"]), (["firewall"], [])])
def test_observed_controls_follow_plan_and_choice(only, names):
    assert sorted(chosen(PLAN, only)) == names


def test_record_has_observed_failed_and_unobserved_controls(monkeypatch):
    def fail() -> list[Verdict]:
        raise ControlError("out of reach")

    observed = [Verdict("apps/chat", NONCOMPLIANT, (Finding("process", "chat"),)), Verdict("apps/mail", COMPLIANT)]
    monkeypatch.setattr(time, "monotonic", lambda: 12.3456)
    observers = {"apps": lambda: observed, "dns": fail}
    record = record_of(PLAN, ["apps", "dns", "browser"], observers, PLATFORM, "2026-11-30T06:00:00Z", 10.0)
    nowhere = "browser is not observed on macOS"
    rules = [(item["rule"], item["state"], item["reason"], len(item["findings"])) for item in record.pop("rules")]
    assert rules == [
        ("apps/chat", "noncompliant", None, 1),
        ("browser/chat", "unknown", nowhere, 0),
        ("browser/mail", "unknown", nowhere, 0),
        ("dns/chat", "error", "out of reach", 0),
        ("dns/mail", "error", "out of reach", 0),
    ]
    counted = {name: (count["evaluated"], count["not_applicable"]) for name, count in record.pop("controls").items()}
    assert counted == {"apps": (4, 2), "browser": (2, 0), "dns": (2, 0)}
    assert record == {
        "schema": RECORD_SCHEMA,
        "state": "error",
        "plan": "sha256:1",
        "checked_at": "2026-11-30T06:00:00Z",
        "platform": PLATFORM,
        "rules_evaluated": 8,
        "rules_not_applicable": 2,
        "attempts": {},
        "errors": [{"control": "dns", "message": "out of reach"}],
        "duration_ms": 2346,
    }


def test_the_catalogue_is_named_where_the_plan_names_it():
    plan = {**PLAN, "catalog": {"digest": "sha256:2"}}
    record = record_of(plan, ["apps", "dns"], {"apps": list}, {"os": "windows"}, "", time.monotonic())
    assert record["catalog"] == {"digest": "sha256:2"}
    assert [rule["reason"] for rule in record["rules"]] == ["dns is not observed on Windows"] * 2
