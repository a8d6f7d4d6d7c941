"""How far a run reaches at once: the limits as they are written, the batches, the decision, and when it stops."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from proscribe.policy_errors import Expected
from proscribe.rollout import Before, Decision, Seen, decide, objection, seen
from proscribe.rollout.before import run_before
from proscribe.rollout.limits import (
    allowed_hosts,
    allowed_removals,
    batch_sizes,
    read_batches,
    read_max_change,
    read_max_failures,
)

DEFAULTS = {"batches": "auto", "max_change": {"hosts": "25%", "removals": "auto"}, "max_failures": "10%"}


def fleet(drifted: int, compliant: int = 0, removals: int = 0, plans: int = 1) -> list[Seen]:
    return [
        *(Seen(f"d{n}", f"plan{n % plans}", ("dns",), removals) for n in range(drifted)),
        *(Seen(f"c{n}", "plan0", (), 0) for n in range(compliant)),
    ]


# -- what may be written -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("value", "read_as"),
    [
        ("auto", "auto"),
        ([1, "10%", "100%"], (1, "10%", "100%")),
        (["5"], (5,)),  # as -e gives it
    ],
)
def test_batches_are_read(value: object, read_as: object) -> None:
    assert read_batches(value) == read_as


@pytest.mark.parametrize(
    ("value", "key"), [("10%", ""), ([], ""), ([0], "[0]"), ([1, "0%"], "[1]"), (["ten"], "[0]"), ([True], "[0]")]
)
def test_what_are_no_batches_is_told(value: object, key: str) -> None:
    with pytest.raises(Expected) as raised:
        read_batches(value)
    assert raised.value.key == key


@pytest.mark.parametrize(
    ("value", "hosts", "removals"),
    [
        ({}, "25%", "auto"),
        ({"hosts": 30}, 30, "auto"),
        ({"removals": 0}, "25%", 0),
        ({"hosts": "unlimited", "removals": "500"}, "unlimited", 500),
        ("unlimited", "unlimited", "unlimited"),
        ("300", 300, "auto"),
        ("50%", "50%", "auto"),
    ],
)
def test_max_change_is_read(value: object, hosts: object, removals: object) -> None:
    assert read_max_change(value) == {"hosts": hosts, "removals": removals}


@pytest.mark.parametrize(
    ("value", "key", "message"),
    [
        ({"host": 3}, ".host", "did you mean 'hosts'?"),
        ({"hosts": "101%"}, "", "a share such as '25%'"),
        ({"hosts": -1}, "", "a number of hosts"),
        ({"hosts": "auto"}, "", "unlimited"),
        ({"removals": "10%"}, ".removals", "a number of removals"),
        ({"hosts": "101%", "removals": 3}, ".hosts", "a share such as '25%'"),  # of two it is said which one
        ("much", "", "unlimited"),
        (None, "", "unlimited"),
    ],
)
def test_what_is_no_max_change_is_told(value: object, key: str, message: str) -> None:
    with pytest.raises(Expected) as raised:
        read_max_change(value)
    assert (raised.value.key, message in raised.value.expected) == (key, True)


@pytest.mark.parametrize("value", [3, "ten", "110%", None])
def test_max_failures_is_a_share(value: object) -> None:
    assert read_max_failures("10%") == "10%"
    with pytest.raises(Expected):
        read_max_failures(value)


# -- batches -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("batches", "total", "sizes"),
    [
        ("auto", 0, []),
        ("auto", 1, [1]),
        ("auto", 5, [5]),  # a canary would only take time
        ("auto", 6, [1, 5]),
        ("auto", 10, [1, 5, 4]),
        ("auto", 1000, [1, 5, 25, 125, 625, 219]),
        ("auto", 100_000, [1, 5, 25, 125, 625, 3125, 15625, 78125, 2344]),
        ((1, "10%", "100%"), 200, [1, 20, 179]),
        ((1, "10%"), 25, [1, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2]),  # the last one repeats
        (("10%",), 3, [1, 1, 1]),  # never empty
        ((50,), 20, [20]),
    ],
)
def test_hosts_are_corrected_in_growing_batches(batches: Any, total: int, sizes: list[int]) -> None:
    assert batch_sizes(batches, total) == sizes


AMOUNT = st.one_of(st.integers(1, 50), st.integers(1, 100).map("{}%".format))


@given(st.one_of(st.just("auto"), st.lists(AMOUNT, min_size=1, max_size=5)), st.integers(0, 3000))
def test_batches_are_never_empty_and_hold_every_host_once(batches: Any, total: int) -> None:
    sizes = batch_sizes(batches, total)
    assert sum(sizes) == total
    assert all(size > 0 for size in sizes)


# -- how much may change -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("hosts", "answered", "allowed"),
    [("25%", 2, 10), ("25%", 40, 10), ("25%", 1000, 250), ("0%", 1000, 10), (3, 1000, 3), ("unlimited", 9, None)],
)
def test_a_share_of_the_fleet_is_never_less_than_ten_hosts(hosts: Any, answered: int, allowed: int | None) -> None:
    assert allowed_hosts({"hosts": hosts}, answered) == allowed


@pytest.mark.parametrize(
    ("removals", "changing", "allowed"), [("auto", 10, None), ("auto", 11, 200), (5, 1, 5), ("unlimited", 99, None)]
)
def test_removals_count_by_themselves_from_eleven_hosts_on(removals: Any, changing: int, allowed: int | None) -> None:
    assert allowed_removals({"removals": removals}, changing) == allowed


@pytest.mark.parametrize(
    ("hosts", "limits", "batches", "reach", "allow"),
    [
        (fleet(2), {}, (2,), 2, {}),  # a newcomer's first run
        (fleet(10), {}, (1, 5, 4), 10, {}),
        (fleet(12), {}, (1, 5, 6), 1, {"hosts": 12}),
        (fleet(12, 38), {}, (1, 5, 6), 12, {}),  # a quarter of 50
        (fleet(12, 36, removals=20), {}, (1, 5, 6), 1, {"removals": 240}),
        (fleet(12, removals=20), {}, (1, 5, 6), 1, {"hosts": 12, "removals": 240}),
        (fleet(4, removals=1), {"max_change": {"hosts": 4, "removals": 0}}, (1, 3), 0, {"removals": 4}),
        (fleet(4), {"max_change": {"hosts": 3, "removals": "auto"}}, (1, 3), 1, {"hosts": 4}),
        (fleet(4), {"max_change": {"hosts": 0, "removals": "auto"}}, (1, 3), 0, {"hosts": 4}),  # a freeze
        (fleet(1), {"max_change": {"hosts": 0, "removals": "auto"}}, (1,), 0, {"hosts": 1}),
        (fleet(40), {"max_change": {"hosts": 12, "removals": "auto"}, "batches": (20,)}, (20, 20), 0, {"hosts": 40}),
        (fleet(0, 5000), {}, (), 0, {}),
    ],
    ids=str,
)
def test_a_run_that_would_change_too_much_stops_after_a_canary_that_is_within(
    hosts: list[Seen], limits: dict[str, Any], batches: tuple[int, ...], reach: int, allow: dict[str, int]
) -> None:
    decision = decide(hosts, {**DEFAULTS, **limits})
    assert (decision.batches, decision.reach, decision.allow) == (batches, reach, allow)
    assert bool(decision.stop) == bool(allow)


def test_what_would_have_happened_is_said_in_words() -> None:
    hosts = [Seen(f"h{n}", "plan", ("apps", "dns") if n < 9 else ("dns",), 30 if n < 9 else 0) for n in range(1200)]
    before = Before("20261124T000000Z-enforce-1a2b", 1190)
    assert decide(hosts, DEFAULTS, before=before).stop == (
        "the whole would change 1,200 hosts of the 1,200 that answered (apps on 9, dns on 1,200) and remove 270 "
        "programs, and proscribe_max_change allows 300 hosts and 200 removals; in the previous run "
        "(20261124T000000Z-enforce-1a2b), 1,190 of these hosts were compliant"
    )


def test_a_dry_run_is_one_batch_and_knows_where_a_real_one_would_stop() -> None:
    decision = decide(fleet(12), DEFAULTS, dry=True)
    assert (decision.batches, decision.reach, bool(decision.stop)) == ((12,), 1, True)


def test_hosts_of_different_plans_come_by_turns_the_most_common_kind_first() -> None:
    hosts = [Seen(name, plan, ("dns",), 0) for name, plan in [("a", "x"), ("b", "y"), ("c", "y"), ("d", "z")]]
    assert decide(hosts, DEFAULTS).hosts == ("b", "a", "d", "c")


FLEETS = st.lists(
    st.builds(Seen, st.uuids().map(str), st.sampled_from("xyz"), st.sampled_from([(), ("dns",)]), st.integers(0, 90)),
    max_size=60,
    unique_by=lambda host: host.name,
)
CHANGES = st.fixed_dictionaries(
    {
        "hosts": st.one_of(st.integers(0, 40), st.just("20%"), st.just("unlimited")),
        "removals": st.one_of(st.integers(0, 2000), st.just("auto"), st.just("unlimited")),
    }
)


@given(FLEETS, CHANGES, st.one_of(st.just("auto"), st.lists(AMOUNT, min_size=1, max_size=3)))
def test_whatever_the_fleet_no_more_is_changed_than_is_allowed(hosts: Any, max_change: Any, batches: Any) -> None:
    decision = decide(hosts, {"batches": batches, "max_change": max_change, "max_failures": "10%"})
    changed = decision.hosts[: decision.reach]
    removals = sum(host.removals for host in hosts if host.name in changed and host.drifted)
    drifted = [host.name for host in hosts if host.drifted]
    most = allowed_hosts(max_change, len(hosts)), allowed_removals(max_change, len(drifted))
    assert most[0] is None or len(changed) <= most[0]
    assert most[1] is None or removals <= most[1]
    assert sorted(decision.hosts) == sorted(drifted)
    assert sum(decision.batches) == len(drifted)


# -- from batch to batch -----------------------------------------------------------------------------------------------

GOING = Decision(
    hosts=tuple(f"d{n}" for n in range(31)),
    batches=(1, 5, 25),
    reach=31,
    changes={},
    stop="",
    max_failures="10%",
    allow={},
)


@pytest.mark.parametrize(
    ("changes", "first", "lost", "message"),
    [
        ({}, "d0", [], ""),
        ({}, "d1", [], ""),
        ({}, "d1", ["d0"], "stopped after the canary batch (1 host): 1 of 1 failed, and none may"),
        ({"batches": (3, 28)}, "d3", ["d1"], "stopped after the canary batch (3 hosts): 1 of 3 failed, and none may"),
        (
            {"batches": (1, 5, 5, 20)},
            "d6",
            ["d4"],
            "stopped after 6 hosts: 1 of 6 failed, and 10% (proscribe_max_failures) may",
        ),
        ({"batches": (1, 10, 20)}, "d11", ["d4"], ""),
        ({"batches": (1, 5, 25), "max_failures": "100%"}, "d6", ["d1", "d2", "d3", "d4", "d5"], ""),
        ({"reach": 1, "stop": "too many"}, "d0", [], ""),
        ({"reach": 1, "stop": "too many"}, "d1", [], "stopped after the canary batch (1 host): too many"),
        ({"reach": 0, "stop": "too many"}, "d0", [], "stopped before any change: too many"),
    ],
)
def test_a_batch_begins_only_where_nothing_is_against_it(
    changes: dict[str, Any], first: str, lost: list[str], message: str
) -> None:
    decision = GOING._replace(**changes)
    assert objection(decision, first, {host for host in decision.hosts if host not in lost}) == message


# -- what was observed -------------------------------------------------------------------------------------------------


def rule(name: str, state: str, *kinds: str) -> dict[str, Any]:
    return {"rule": name, "state": state, "findings": [{"kind": kind} for kind in kinds]}


@pytest.mark.parametrize(
    ("drifted", "removals"), [(["apps"], 3), (["dns"], 0)], ids=["apps are corrected", "apps are only audited"]
)
def test_removals_are_the_programs_that_correcting_would_take_away(drifted: list[str], removals: int) -> None:
    rules = [
        rule("apps/wechat", "noncompliant", "package", "package", "process"),
        rule("apps/signal", "noncompliant", "package"),
        rule("apps/line", "waived", "package"),
        rule("apps/gate", "noncompliant", "gate"),
        rule("dns/wechat", "noncompliant", "hosts_line"),
    ]
    answer = {"record": {"plan": "sha256:1", "rules": rules}, "drifted": drifted, "privileged": True}
    assert seen("web01", answer) == Seen("web01", "sha256:1", tuple(drifted), removals)


def test_the_run_before_says_how_these_hosts_stood(tmp_path: Path) -> None:
    assert run_before(tmp_path, ["a"]) is None
    directory = tmp_path / "r1"
    directory.mkdir()
    (directory / "report.json").write_text('{"run": {}}')
    states = {"a": "compliant", "b": "noncompliant", "c": "repaired", "d": "compliant"}
    lines = [json.dumps({"host": host, "state": state, "rules": []}) for host, state in states.items()]
    (directory / "hosts.jsonl").write_text("\n".join(lines))
    (tmp_path / "latest").symlink_to("r1")
    assert run_before(tmp_path, ["a", "b", "c", "new"]) == Before("r1", 2)
    (directory / "hosts.jsonl").write_text("half a li")
    assert run_before(tmp_path, ["a"]) is None
