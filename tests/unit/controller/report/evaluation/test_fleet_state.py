"""The fleet state, rule by rule: which observation of a control counts, and what becomes of it after later ones.

What every output makes of it is in test_fleet_state_outputs.py.
"""

from __future__ import annotations

from typing import Any

import pytest
from proscribe.controller.report.evaluation import fleet_state
from proscribe.controller.report.evaluation.fleet_state import NEVER, FleetState, Host, Observation
from proscribe.model.plan import CONTROLS

T1, T2, T3 = (f"2026-11-25T0{hour}:00:00Z" for hour in (1, 2, 3))
SHORT = {"id": "w2", "status": "active", "expires": T3, "hosts": []}  # a waiver with no more than it must have


def run(finished: str = T2, **more: Any) -> dict[str, Any]:
    """A report of a run over the whole of its inventory."""
    facts = {"id": f"r-{finished[11:13]}", "mode": "audit", "finished": finished, "inventory": ["inv"], "left_out": 0}
    waivers = more.pop("waivers", ())
    return {"run": {**facts, "controls": list(CONTROLS), **more}, "waivers": waivers}


def control(state: str | None = "compliant", evaluated: int = 3, idle: int = 1, mode: str | None = "enforce",
            policy: str = "p") -> dict[str, Any]:  # fmt: skip
    return {"mode": mode, "policy": policy, "state": state, "evaluated": evaluated, "not_applicable": idle}


def record(
    host: str = "web01", state: str = "compliant", at: str | None = T1, rules: Any = (), **controls: Any
) -> dict[str, Any]:
    controls_ = {**dict.fromkeys(CONTROLS, control()), **controls}
    return {
        "host": host,
        "state": state,
        "checked_at": at,
        "rules_evaluated": 12,
        "rules": list(rules),
        "controls": controls_,
    }


SWITCHED_OFF = Observation("off", state="not_applicable", counts=True)


def observation(
    report: dict[str, Any], record_: dict[str, Any], before: FleetState | None = None, name: str = "apps"
) -> Observation:
    """The observation of a control of web01 once a run has brought a record."""
    of = before or FleetState()
    of.take(report, [record_])
    return of.hosts["web01"].observations[name]


WRONG = [
    {"rule": "apps/x", "state": "noncompliant"},
    {"rule": "dns/y", "state": "waived"},
    {"rule": "apps/z", "state": "waived"},
]


@pytest.mark.parametrize(("at", "when"), [(T1, T1), (T3, T2), (None, T2)])
def test_an_observation_is_never_later_than_its_run(at: str | None, when: str) -> None:
    """A host's clock is the host's."""
    assert observation(run(), record(at=at)).at == when


@pytest.mark.parametrize(
    ("control_", "expected"),
    [
        (control(None, 0, 0, mode="off"), SWITCHED_OFF),
        # Nothing says that the plan has it.
        (control(None, 0, 0, mode=None), Observation(state="not_applicable", at=T1, run="r-02", counts=True)),
        ({}, Observation(state="not_applicable", at=T1, run="r-02", counts=True)),
        # It did not answer for it.
        (control(None, 0, 0), Observation("enforce")),
        # A report that knows no modes says how it stands all the same; one that evaluated nothing does not.
        (control("compliant", 0, 0, mode=None), Observation("", "p", "compliant", T1, "r-02", 0, 0, True)),
        (control("unknown", 0, 0), Observation("enforce", "p", "unknown", T1, "r-02", 0, 0, False)),
    ],
)
def test_what_a_control_is_worth_by_its_record(control_: dict[str, Any], expected: Observation) -> None:
    assert observation(run(), record(apps=control_)) == expected


def seen(state: str = "noncompliant", **more: Any) -> FleetState:
    """After a run at two o'clock, whose look was at one."""
    of = FleetState()
    of.take(run(), [record(rules=WRONG, apps=control(state, **more))])
    return of


EARLIER = Observation(
    "enforce", "p", "noncompliant", T1, "r-02", 3, 1, True, (("apps/x", "noncompliant"), ("apps/z", "waived"))
)
DOUBTED = EARLIER._replace(evaluated=2, idle=0, counts=False, rules=(("apps/x", "noncompliant"), ("apps/z", "unknown")))


def test_what_was_off_was_never_observed() -> None:
    of = FleetState()
    of.take(run(), [record(apps=control(None, mode="off"))])
    assert observation(
        run(T3, controls=["dns"]), record(apps=control(None, mode="audit", policy="q")), of
    ) == Observation("audit", "q")


@pytest.mark.parametrize(("at", "attempts"), [(T2, {"firewall/x": 9}), ("2026-11-24T00:00:00Z", {"firewall/x": 5})])
def test_attempts_are_those_of_the_newest_look(at: str, attempts: dict[str, int]) -> None:
    of = FleetState()
    of.take(run(), [{**record(), "attempts": {"firewall/x": 5}}])
    of.take(run(T3), [{**record(at=at), "attempts": {"firewall/x": 9}}])
    assert of.hosts["web01"].attempts == attempts


# -- a host ------------------------------------------------------------------------------------------------------------


def test_a_host_that_nobody_has_seen() -> None:
    host = Host("web01", "inv")
    assert host == Host("web01", "inv", NEVER, {}, 0) and list(NEVER) == list(CONTROLS)
    assert (host.state, host.seen, host.checked_at) == ("unknown", False, "")


@pytest.mark.parametrize(
    ("oldest", "good"),
    [({}, True), ({3600: T1}, True), ({3600: T2}, False), ({60: T2}, True), ({0: T2}, True)],
)
def test_an_observation_before_the_oldest_that_counts_says_nothing_good(oldest: dict[int, str], good: bool) -> None:
    of = FleetState()
    off = control(None, mode="off")
    of.take(run(stale_after=3600), [record(rules=WRONG, apps=control("noncompliant"), firewall=off)])
    (host,) = of.at(oldest)
    assert host.observations["apps"] == (EARLIER if good else DOUBTED)
    assert host.observations["dns"].state == ("compliant" if good else "unknown")
    assert host.observations["firewall"] == SWITCHED_OFF
    assert of.hosts["web01"].observations["apps"] == EARLIER, "tomorrow it is asked again"


# -- inventories -------------------------------------------------------------------------------------------------------


def everyone(of: FleetState) -> dict[str, str]:
    return {name: host.inventory for name, host in of.hosts.items()}


def test_hosts_come_with_runs_and_go_with_a_whole_one_over_their_own_inventory() -> None:
    of = FleetState()
    assert of.take(run(), [record("a"), record("b")], ["c"]) is of
    assert everyone(of) == {"a": "inv", "b": "inv"}, "a whole run leaves nobody out"
    of.take(run(left_out=["c"]), [record("a")], ["c", "b"])
    assert everyone(of) == {"a": "inv", "b": "inv", "c": "inv"} and of.hosts["c"].state == "unknown"
    of.take(run(inventory=["lab"]), [record("x")])
    assert everyone(of) == {"a": "inv", "b": "inv", "c": "inv", "x": "lab"}
    of.take(run(controls=["dns"]), [record("a")])
    assert len(of.hosts) == 4, "one over some controls is over a part"
    of.take(run(), [record("a")])
    assert everyone(of) == {"a": "inv", "x": "lab"}


def test_an_inventory_without_a_host_is_known_all_the_same() -> None:
    of = FleetState().take(run(waivers=[SHORT]), [])
    assert (of.hosts, of.whole, [one["id"] for one in of.waivers["inv"]]) == ({}, {"inv": T2}, ["w2"])


# -- thousands of hosts ------------------------------------------------------------------------------------------------


def test_what_many_hosts_list_is_one_object(monkeypatch: pytest.MonkeyPatch) -> None:
    of = FleetState()
    rules = [dict(rule) for rule in WRONG]
    of.take(run(), [record("a", rules=rules), record("b", rules=rules), record("c", rules=[dict(r) for r in rules])])
    lists = [of.hosts[name].observations["apps"].rules for name in "abc"]
    assert lists[0] is lists[1] is lists[2] and len(of._same) == 2
    monkeypatch.setattr(fleet_state, "REMEMBERED", 7)
    more = [[dict(rule) for rule in WRONG] for _ in range(3)]
    for number, rules in enumerate(more):
        of.take(run(), [record("a", rules=rules)])
        assert len(of._same) == (1, 2, 1)[number], "it is begun anew when it is too much"
    assert of.hosts["a"].observations["apps"].rules == lists[0]
