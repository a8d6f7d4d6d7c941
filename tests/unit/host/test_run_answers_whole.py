"""The two runs over a host, each with all that it answers, and whom they call."""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from proscribe.host import run
from proscribe.host.controls.base import Action, Changes, Refusal
from proscribe.host.controls.browser import probe
from proscribe.host.controls.group_policy import identity
from proscribe.host.macos import observing
from proscribe.host.system import ControlError, Host, Unseen, sessions
from proscribe.host.watch import heartbeat, installed
from proscribe.host.watch.state import summary
from proscribe.model import plan as plans
from proscribe.model.finding import COMPLIANT, ERROR, MOST_FINDINGS, NONCOMPLIANT, Finding, Verdict, host_record
from proscribe.model.removed import Removed

FOUND = Finding("package", "wechat")
SECTION = {"mode": "enforce", "services": {"wechat": {"name": "WeChat", "mode": "enforce"}}, "settings": {}}
PLATFORM = {"os": "debian"}
OWL = Removed("dpkg", "owl", "1", "system", "owl")


def plan(*controls: str, **more: Any) -> Any:
    sections = {name: {**SECTION, "nothing_known": ["a", "b"]} for name in controls}
    return plans.sealed({"schema": plans.SCHEMA, "contact": "x", "controls": sections, **more})


class Scripted:
    """All controls, which say and would do what the test gives them."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, host: Host) -> None:
        self.host = host
        self.called: list[Any] = []
        self.seen: dict[str, Any] = {}  # by control: verdicts, or an error
        self.changes = Changes()
        monkeypatch.setattr(run, "control", self.control)

    def control(self, name: str) -> Any:
        def observe(host: Host, plan: Any) -> list[Verdict]:
            self.called.append(name)
            seen: Any = self.seen.get(name, [Verdict(f"{name}/wechat", COMPLIANT)])
            if isinstance(seen, Exception):
                raise seen
            return list(seen)

        return SimpleNamespace(
            observe=observe, enforce=lambda host, plan: self.changes, lift=lambda host, plan: self.changes
        )


@pytest.fixture
def host(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Host:
    (tmp_path / "run").mkdir()
    monkeypatch.setattr(Host, "privileged", True)
    monkeypatch.setattr(Host, "system", "Linux")
    monkeypatch.setattr(Host, "platform", lambda self: PLATFORM)
    now = time.struct_time((2026, 11, 27, 8, 0, 0, 4, 331, 0))
    clock = SimpleNamespace(gmtime=lambda: now, monotonic=iter(range(1000)).__next__, strftime=time.strftime)
    monkeypatch.setattr(run, "time", clock)
    return Host(str(tmp_path))


@pytest.fixture
def made(host: Host, monkeypatch: pytest.MonkeyPatch) -> Scripted:
    return Scripted(monkeypatch, host)


def record(compiled: Any, verdicts: Sequence[Verdict], controls: Sequence[str], **more: Any) -> dict[str, Any]:
    found = host_record(
        plan_digest=compiled["digest"],
        checked_at="2026-11-27T08:00:00Z",
        platform=PLATFORM,
        verdicts=verdicts,
        errors=more.pop("errors", []),
        duration_ms=1000,
        nothing_known=dict.fromkeys(controls, 2),
    )
    return {**found, **more}


@pytest.mark.parametrize("name", ["apps", "browser", "firewall", "dns", "group_policy"])
def test_each_control_is_its_own_code(name: str) -> None:
    module: Any = run.control(name)
    assert module.__name__ == f"proscribe.host.controls.{name}"


def test_all_that_an_observation_says(made: Scripted, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sessions, "users", lambda host: ["alice"])
    compiled = plan("dns", "apps", "firewall", catalog={"date": "2026-11-01"})
    wrong = Verdict("apps/wechat", NONCOMPLIANT, (FOUND,), drifted=True)
    made.seen = {"apps": [wrong], "dns": ControlError("broken"), "firewall": Unseen("hidden")}
    made.host.record_fields["full_scan"] = {"at": "now"}  # type: ignore[assignment]
    said, drifted = run.observe(made.host, compiled)
    verdicts = [
        wrong,
        Verdict("firewall/wechat", "unknown", reason="hidden"),
        Verdict("dns/wechat", ERROR, reason="broken"),
    ]
    assert said == record(
        compiled,
        verdicts,
        ["apps", "firewall", "dns"],
        errors=[{"control": "dns", "message": "broken"}],
        full_scan={"at": "now"},
        catalog={"date": "2026-11-01"},
        logged_in=["alice"],
    )
    assert (drifted, made.called) == (["apps"], ["apps", "firewall", "dns"])


@pytest.mark.parametrize(("only", "probed"), [([], True), (["browser"], True), (["dns"], False)])
def test_browsers_are_started_on_request_alone(
    made: Scripted, monkeypatch: pytest.MonkeyPatch, only: list[str], probed: bool
) -> None:
    verdict = Verdict("browser/probe", NONCOMPLIANT, (FOUND,))
    monkeypatch.setattr(probe, "check_by_probe", lambda host, plan: verdict)
    said, _ = run.observe(made.host, plan("browser", "dns"), only, probe=True)
    assert ("browser/probe" in [rule["rule"] for rule in said["rules"]]) is probed
    assert "browser/probe" not in [rule["rule"] for rule in run.observe(made.host, plan("browser"), only)[0]["rules"]]


def test_what_cannot_be_seen_beside_them_is_none(host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    def unseen(*_: object) -> None:
        raise Unseen("closed")

    monkeypatch.setattr(Host, "stat", unseen)
    assert not run.has_watch(host, plan("apps"), []) and run.has_watch(host, plan("apps", watch={}), [])


@pytest.mark.parametrize("objects", [["A", "B c"], None])
def test_objects_of_group_policy_are_rules_of_their_own(made: Scripted, objects: list[str] | None) -> None:
    (Path(made.host.root) / "var/lib/proscribe/group_policy").mkdir(parents=True)
    (Path(made.host.root) / "var/lib/proscribe/group_policy/state.json").touch()
    beside = {} if objects is None else {"group_policy": {"objects": [{"name": name} for name in objects]}}
    made.seen = {"group_policy": Unseen("hidden")}
    said, _ = run.observe(made.host, plan("apps", **beside))
    found = [rule["rule"] for rule in said["rules"]]
    assert found == [f"group_policy/{identity.slug(name)}" for name in objects or ()]
    made.seen = {"group_policy": [Verdict("group_policy/a", NONCOMPLIANT, (FOUND,), drifted=True)]}
    assert run.observe(made.host, plan("apps", **beside))[1] == ["group_policy"]


# -- the answers of modules


def test_all_that_compliance_state_answers(made: Scripted) -> None:
    compiled = plan("apps")
    answer = run.compliance_state(made.host, compiled, [], "incomplete", False)
    whole = record(compiled, [Verdict("apps/wechat", COMPLIANT)], ["apps"])
    assert answer == {"changed": False, "record": whole, "drifted": [], "privileged": True}
    assert made.host.learns is False
    made.seen = {"apps": [Verdict("apps/wechat", NONCOMPLIANT, (FOUND,))]}
    answer = run.compliance_state(made.host, compiled, [], "noncompliant", True, remember=True)
    assert {key: answer.get(key) for key in ("failed", "msg", "changed", "drifted")} == {
        "failed": True,
        "msg": "this host is noncompliant, which proscribe_compliance_gate does not allow",
        "changed": False,
        "drifted": [],
    }
    assert made.host.learns is True
    answer = run.compliance_state(made.host, {**compiled, "contact": "y"}, [], "never", False)
    assert answer["changed"] is False and answer["failed"] is True and "digest" in answer["msg"]
    assert answer.keys() == {"changed", "failed", "msg"}


@pytest.mark.parametrize("error", [None, ControlError("no"), Unseen("no")])
@pytest.mark.parametrize(("remember", "renewed"), [(True, True), (False, False)])
def test_a_run_that_remembers_renews_what_the_watch_holds(
    made: Scripted, monkeypatch: pytest.MonkeyPatch, error: Exception | None, remember: bool, renewed: bool
) -> None:
    called: list[Any] = []

    def renew(*words: Any) -> None:
        called.append(words)
        if error:
            raise error

    monkeypatch.setattr(installed, "renew", renew)
    monkeypatch.setattr(installed, "observe", lambda *words: [])
    monkeypatch.setattr(heartbeat, "Heartbeat", lambda host: None)
    monkeypatch.setattr(summary, "summary", lambda host, plan: {})
    compiled = plan("apps", watch={})
    answer = run.compliance_state(made.host, compiled, [], "never", False, remember=remember, watch={"a": 1})  # type: ignore[typeddict-item]
    assert called == [(made.host, compiled, {"a": 1})] * renewed and answer["record"]["state"] == COMPLIANT


@pytest.mark.parametrize("fits", [True, False])
def test_a_mac_answers_with_code_of_its_own(made: Scripted, monkeypatch: pytest.MonkeyPatch, fits: bool) -> None:
    def record_of(host: Host, plan: Any, only: Any) -> dict[str, Any]:
        if not fits:
            raise ValueError("another plan")
        return {"state": ERROR, "of": [plan["digest"], only]}

    monkeypatch.setattr(Host, "system", "Darwin")
    monkeypatch.setattr(observing, "record_of", record_of)
    compiled = plan("apps")
    assert run.compliance_state(made.host, compiled, ["apps"], "noncompliant", True) == {
        "lacking": True,
        "system": "Darwin",
    }
    answer = run.compliance_state(made.host, compiled, ["apps"], "noncompliant", True, macos=True)
    if fits:
        assert answer == {
            "changed": False,
            "record": {"state": ERROR, "of": [compiled["digest"], ["apps"]]},
            "drifted": [],
            "privileged": True,
            "failed": True,
            "msg": "this host is error, which proscribe_compliance_gate does not allow",
        }
    else:
        assert answer == {"changed": False, "failed": True, "msg": "another plan"}
    nothing: dict[str, Any] = {"changed": False, "actions": [], "diff": [], "refused": [], "findings": []}
    assert run.change(made.host, compiled, "apps", lift=True) == nothing
    with pytest.raises(ControlError, match="Darwin cannot be enforced yet; see docs/coverage.md"):
        run.change(made.host, compiled, "apps")


def test_all_that_a_change_answers(made: Scripted) -> None:
    after: list[str] = []
    done = Action("remove", "owl", lambda: after.append("removed"), "owl 1\n")
    left = Action("remove", "elk", lambda: None, "elk 1\n", user="ann", rules=["apps/a", "apps/b"])
    made.seen = {"apps": [Verdict("apps/a", NONCOMPLIANT, (FOUND,) * (MOST_FINDINGS + 1)), Verdict("apps/b", ERROR)]}
    made.changes = Changes(
        [done, left],
        [Refusal("apps/a", "yak", "on hold")],
        notes=["a note"],
        afterwards=lambda: after.append("saved"),
        removed=[OWL],
    )

    def doing(changes: Changes) -> Any:
        changes.actions[0].apply()
        return {"left": [(left, "it is busy")], "pending": {"by": 5}}

    compiled = plan("apps")
    answer: Any = run.change(made.host, compiled, "apps", doing=doing)
    assert answer == {
        "changed": True,
        "actions": ["remove owl"],
        "diff": [{"before_header": "remove owl", "after_header": "remove owl", "before": "owl 1\n", "after": ""}],
        "refused": [
            {"rule": "apps/a", "subject": "yak", "reason": "on hold"},
            *(
                {"rule": f"apps/{one}", "subject": "elk", "reason": "ann's, could not be changed: it is busy"}
                for one in "ab"
            ),
        ],
        "findings": [FOUND.as_dict()] * MOST_FINDINGS,
        "pending": {"by": 5},
        "notes": ["a note"],
        "removed": [OWL._asdict()],
    }
    assert after == ["removed", "saved"]
    dry: Any = run.change(made.host, compiled, "apps", doing=doing, dry_run=True)
    assert dry["actions"] == ["remove owl", "remove elk"] and "pending" not in dry
    assert after == ["removed", "saved"]
    made.changes = Changes(notes=["a note"])
    assert "notes" not in run.change(made.host, compiled, "apps")


def test_what_is_beside_the_controls_is_enforced_without_a_section_and_lifted(made: Scripted) -> None:
    made.seen = {"group_policy": []}
    made.changes = Changes([Action("write", "a", lambda: None)])
    assert run.change(made.host, plan("apps"), "group_policy")["actions"] == ["write a"]
    assert run.change(made.host, plan("apps"), "dns")["actions"] == []
    assert run.change(made.host, plan("apps"), "dns", lift=True)["actions"] == ["write a"]
    assert made.called == ["group_policy"]
