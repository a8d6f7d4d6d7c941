"""The fleet state: the observation of a control that counts, alone and after later ones."""

from typing import Any

import pytest
from proscribe.controller.report.evaluation.fleet_state import FleetState, Observation
from proscribe.model.plan import CONTROLS

T1, T2, T3 = (f"2026-11-25T0{hour}:00:00Z" for hour in (1, 2, 3))
SWITCHED_OFF = Observation("off", state="not_applicable", counts=True)
STATES = {"apps/x": "noncompliant", "dns/y": "waived", "apps/z": "waived"}
WRONG = [{"rule": rule, "state": state} for rule, state in STATES.items()]
EARLIER = Observation(
    "enforce", "p", "noncompliant", T1, "r-02", 3, 1, True, (("apps/x", "noncompliant"), ("apps/z", "waived"))
)
DOUBTED = EARLIER._replace(evaluated=2, idle=0, counts=False, rules=(("apps/x", "noncompliant"), ("apps/z", "unknown")))


def make_run(finished: str = T2, **more: Any) -> dict[str, Any]:
    """Return a report of a run over its whole inventory."""
    facts = {"id": f"r-{finished[11:13]}", "mode": "audit", "finished": finished, "inventory": ["inv"], "left_out": 0}
    waivers = more.pop("waivers", ())
    return {"run": {**facts, "controls": list(CONTROLS), **more}, "waivers": waivers}


def make_control(state: str | None = "compliant", evaluated: int = 3, idle: int = 1, mode: str | None = "enforce",
            policy: str = "p") -> dict[str, Any]:  # fmt: skip
    return {"mode": mode, "policy": policy, "state": state, "evaluated": evaluated, "not_applicable": idle}


def make_record(
    host: str = "web01", state: str = "compliant", at: str | None = T1, rules: Any = (), **controls: Any
) -> dict[str, Any]:
    controls_ = {**dict.fromkeys(CONTROLS, make_control()), **controls}
    return {
        "host": host, "state": state, "checked_at": at, "rules_evaluated": 12, "rules": list(rules),
        "controls": controls_,
    }  # fmt: skip


def observe(
    report: dict[str, Any], record_: dict[str, Any], before: FleetState | None = None, name: str = "apps"
) -> Observation:
    of = before or FleetState()
    of.take(report, [record_])
    return of.hosts["web01"].observations[name]


@pytest.mark.parametrize(("at", "when"), [(T1, T1), (T3, T2), (None, T2)])
def test_an_observation_is_never_later_than_its_run(at, when):
    assert observe(make_run(), make_record(at=at)).at == when


@pytest.mark.parametrize(("control_", "expected"), [
    (make_control(None, 0, 0, mode="off"), SWITCHED_OFF),
    # Nothing says that the plan has it.
    (make_control(None, 0, 0, mode=None), Observation(state="not_applicable", at=T1, run="r-02", counts=True)),
    ({}, Observation(state="not_applicable", at=T1, run="r-02", counts=True)),
    # It did not answer for it.
    (make_control(None, 0, 0), Observation("enforce")),
    # A report that knows no modes says how it stands all the same; one that evaluated nothing does not.
    (make_control("compliant", 0, 0, mode=None), Observation("", "p", "compliant", T1, "r-02", 0, 0, True)),
    (make_control("unknown", 0, 0), Observation("enforce", "p", "unknown", T1, "r-02", 0, 0, False)),
])  # fmt: skip
def test_control_counts_by_its_record(control_, expected):
    assert observe(make_run(), make_record(apps=control_)) == expected


def test_control_that_was_off_is_not_observed():
    of = FleetState()
    of.take(make_run(), [make_record(apps=make_control(None, mode="off"))])
    assert observe(
        make_run(T3, controls=["dns"]), make_record(apps=make_control(None, mode="audit", policy="q")), of
    ) == Observation("audit", "q")


@pytest.mark.parametrize(("at", "attempts"), [(T2, {"firewall/x": 9}), ("2026-11-24T00:00:00Z", {"firewall/x": 5})])
def test_attempts_are_those_of_the_newest_look(at, attempts):
    of = FleetState()
    of.take(make_run(), [{**make_record(), "attempts": {"firewall/x": 5}}])
    of.take(make_run(T3), [{**make_record(at=at), "attempts": {"firewall/x": 9}}])
    assert of.hosts["web01"].attempts == attempts


@pytest.mark.parametrize(
    ("oldest", "good"), [({}, True), ({3600: T1}, True), ({3600: T2}, False), ({60: T2}, True), ({0: T2}, True)]
)
def test_an_observation_before_the_oldest_that_counts_says_nothing_good(oldest, good):
    of = FleetState()
    off = make_control(None, mode="off")
    of.take(make_run(stale_after=3600), [make_record(rules=WRONG, apps=make_control("noncompliant"), firewall=off)])
    (host,) = of.at(oldest)
    assert host.observations["apps"] == (EARLIER if good else DOUBTED)
    assert host.observations["dns"].state == ("compliant" if good else "unknown")
    assert host.observations["firewall"] == SWITCHED_OFF
    assert of.hosts["web01"].observations["apps"] == EARLIER, "tomorrow it is asked again"


def inventories_by_host(of: FleetState) -> dict[str, str]:
    return {name: host.inventory for name, host in of.hosts.items()}


def test_hosts_come_with_runs_and_go_with_a_whole_one_over_their_own_inventory():
    of = FleetState()
    assert of.take(make_run(), [make_record("a"), make_record("b")], ["c"]) is of
    assert inventories_by_host(of) == {"a": "inv", "b": "inv"}, "a whole run leaves nobody out"
    of.take(make_run(left_out=["c"]), [make_record("a")], ["c", "b"])
    assert inventories_by_host(of) == {"a": "inv", "b": "inv", "c": "inv"} and of.hosts["c"].state == "unknown"
    of.take(make_run(inventory=["lab"]), [make_record("x")])
    assert inventories_by_host(of) == {"a": "inv", "b": "inv", "c": "inv", "x": "lab"}
    of.take(make_run(controls=["dns"]), [make_record("a")])
    assert len(of.hosts) == 4, "one over some controls is over a part"
    of.take(make_run(), [make_record("a")])
    assert inventories_by_host(of) == {"a": "inv", "x": "lab"}
