"""Rollout: limits as written, batches, the decision before a change, and when a run stops."""

import json

import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st
from proscribe.controller.compile.restrictions.rollout_values import read_max_change
from proscribe.controller.rollout import (
    PreviousRun,
    RolloutDecision,
    RolloutHost,
    current_rollout,
    decide_rollout,
    evaluate_host,
    find_objection,
)
from proscribe.controller.rollout.current_rollout import read_previous_run
from proscribe.controller.rollout.limits import (
    compute_batch_sizes,
    count_allowed_hosts,
    count_allowed_removals,
)
from proscribe.controller.rollout.shares import has_only_user_problems

DEFAULTS = {"batches": "auto", "max_change": {"hosts": "25%", "removals": "auto"}, "max_failures": "10%"}
AMOUNT = st.one_of(st.integers(1, 50), st.integers(1, 100).map("{}%".format))
FLEETS = st.lists(
    st.builds(
        RolloutHost, st.uuids().map(str), st.sampled_from("xyz"), st.sampled_from([(), ("dns",)]), st.integers(0, 90)
    ),
    max_size=60,
    unique_by=lambda host: host.name,
)
CLAIMS = st.lists(st.integers(0, 60), min_size=1, max_size=50)
CANARY_2 = "stopped after the canary batch (2 hosts)"
TWO_FIRST = {"batches": (2, 10, 19)}  # of 31 hosts, three may be set aside
HERS, ROOTS, HOSTS = {"scope": "user:alice"}, {"scope": "pid:7 user:root"}, {"scope": "system"}
DRIFTED = {"record": {"plan": "p", "rules": []}, "drifted": ["dns"]}


def fleet(drifted, compliant=0, removals=0, plans=1):
    return [
        *(RolloutHost(f"d{n}", f"plan{n % plans}", ("dns",), removals) for n in range(drifted)),
        *(RolloutHost(f"c{n}", "plan0", (), 0) for n in range(compliant)),
    ]


@pytest.mark.parametrize(
    ("hosts", "answered", "allowed"),
    [("25%", 40, 10), ("25%", 1000, 250), ("0%", 1000, 10), (3, 1000, 3), ("unlimited", 9, None)],
)
def test_share_of_the_fleet_is_never_less_than_ten_hosts(hosts, answered, allowed):
    assert count_allowed_hosts({"hosts": hosts}, answered) == allowed


@pytest.mark.parametrize(
    ("hosts", "limits", "batches", "reach", "allow"),
    [
        (fleet(2), {}, (2,), 2, {}),  # the first run of a newcomer
        (fleet(10), {}, (2, 8), 10, {}),
        (fleet(12), {}, (2, 10), 2, {"hosts": 12}),
        (fleet(12, 38), {}, (2, 10), 12, {}),  # a quarter of 50
        # The value replaces the one before: it needs the hosts and keeps what else a team wrote.
        (fleet(12), {"max_change": {"hosts": 2, "removals": 7}}, (2, 10), 2, {"hosts": 12, "removals": 7}),
        (fleet(12, 36, removals=20), {}, (2, 10), 2, {"hosts": 12, "removals": 240}),
        (fleet(4, removals=1), {"max_change": {"hosts": 4, "removals": 0}}, (1, 3), 0, {"hosts": 4, "removals": 4}),
        (fleet(4), {"max_change": {"hosts": 0, "removals": "auto"}}, (1, 3), 0, {"hosts": 4}),  # a freeze
        (fleet(0, 5000), {}, (), 0, {}),
    ],
    ids=str,
)
def test_run_that_would_change_too_much_stops_after_a_canary_within_the_limit(hosts, limits, batches, reach, allow):
    decision = decide_rollout(hosts, {**DEFAULTS, **limits})
    assert (decision.batches, decision.reach, decision.allow) == (batches, reach, allow)
    assert bool(decision.stop) == bool(allow)


@given(st.one_of(st.just("auto"), st.lists(AMOUNT, min_size=1, max_size=5)), st.integers(0, 3000))
def test_batches_are_never_empty_and_hold_every_host_once(batches, total):
    sizes = compute_batch_sizes(batches, total)
    assert sum(sizes) == total and all(size > 0 for size in sizes)


def test_stop_message_counts_hosts_and_removals():
    hosts = [
        RolloutHost(f"h{n}", "plan", ("apps", "dns") if n < 900 else ("dns",), 30 if n < 900 else 0)
        for n in range(1200)
    ]
    before = PreviousRun("20261124T000000Z-enforce-1a2b", 1190)
    stop = decide_rollout(hosts, DEFAULTS, previous_run=before).stop
    for numbers in ("1,200 hosts of the 1,200", "(apps on 900, dns on 1,200)", "27,000 ", "300 hosts and 2", "1,190 "):
        assert numbers in stop
    assert "(20261124T000000Z-enforce-1a2b)" in stop


def test_a_dry_run_is_one_batch_and_knows_where_a_real_one_would_stop():
    decision = decide_rollout(fleet(12), DEFAULTS, is_dry_run=True)
    assert (decision.batches, decision.reach, bool(decision.stop)) == ((12,), 2, True)
    decision = decide_rollout(
        fleet(11), DEFAULTS, is_dry_run=True
    )  # it shows all of the changes, and whom a real one would leave out
    assert (decision.batches, len(decision.hosts), [*decision.set_aside]) == ((11,), 11, ["d10"])


HOST_LIMITS = st.one_of(st.integers(1, 60), st.just("25%"), st.just("unlimited"))
REMOVALS = st.one_of(st.integers(0, 500), st.just("auto"), st.just("unlimited"))
LIMITS = st.fixed_dictionaries({"hosts": HOST_LIMITS, "removals": REMOVALS})


@pytest.mark.slow
@given(FLEETS, LIMITS, st.one_of(st.just("auto"), st.lists(AMOUNT, min_size=1, max_size=3)))
def test_no_more_is_changed_than_is_allowed(hosts, max_change, batches):
    decision = decide_rollout(hosts, {"batches": batches, "max_change": max_change, "max_failures": "10%"})
    changed = decision.hosts[: decision.reach]
    removals = sum(host.removal_count for host in hosts if host.name in changed and host.drifted_controls)
    drifted = [host.name for host in hosts if host.drifted_controls]
    most = count_allowed_hosts(max_change, len(hosts)), count_allowed_removals(max_change, len(decision.hosts))
    assert most[0] is None or len(changed) <= most[0]
    assert most[1] is None or removals <= most[1]
    assert sorted([*decision.hosts, *decision.set_aside]) == sorted(drifted)
    assert sum(decision.batches) == len(decision.hosts)


def claiming(*removals, plan="p"):
    """Hosts c0, c1, ... that differ, each with so many programs to remove."""
    return [RolloutHost(f"c{n}", plan, ("apps",), many) for n, many in enumerate(removals)]


@given(CLAIMS, LIMITS, st.integers(0, 10**12), st.integers(0, 50))
def test_one_host_alone_stops_no_run_and_costs_at_most_one_other_its_turn(honest, max_change, claim, place):
    limits = {**DEFAULTS, "max_change": max_change}
    fleet = [*claiming(*honest), *(RolloutHost(f"well{n}", "p", (), 0) for n in range(9))]
    assume(not decide_rollout(fleet, limits).stop and not decide_rollout(fleet, limits).set_aside)
    fleet.insert(place, RolloutHost("hostile", "q", ("apps", "dns"), claim))
    decision = decide_rollout(fleet, limits)
    assert (decision.stop, decision.reach) == ("", len(decision.hosts))
    assert len({f"c{n}" for n in range(len(honest))} - {*decision.hosts}) <= 1


@given(CLAIMS, LIMITS, st.integers(10**6, 10**12), st.integers(10**6, 10**12), st.sampled_from(["0%", "10%", "100%"]))
def test_no_number_that_is_printed_is_what_one_host_claimed(honest, max_change, one, other, failures):
    limits = {**DEFAULTS, "max_change": max_change, "max_failures": failures}
    with_one, with_other = (decide_rollout(claiming(*honest, claim), limits) for claim in (one, other))
    assert with_one.allow == with_other.allow
    assert all(limit == "unlimited" or limit < 10**6 for limit in with_one.allow.values())


@settings(suppress_health_check=[HealthCheck.filter_too_much])  # most limits stop nothing
@given(CLAIMS, LIMITS)
def test_the_limit_that_is_printed_lets_the_hosts_go_on_that_were_not_set_aside(honest, max_change):
    before = decide_rollout(claiming(*honest), {**DEFAULTS, "max_change": max_change})
    assume(before.stop)
    left = [host for host in claiming(*honest) if host.name in before.hosts]
    again = decide_rollout(left, {**DEFAULTS, "max_change": read_max_change(before.allow)})
    assert not again.stop


SIZES = {"batches": (1, 5, 25), "reach": 31, "max_failures": "10%"}
GOING = RolloutDecision(hosts=tuple(f"d{n}" for n in range(31)), changes={}, stop="", allow={}, set_aside={}, **SIZES)


@pytest.mark.parametrize(
    ("changes", "first", "lost", "message"),
    [
        ({}, "d1", [], ""),
        ({}, "d1", ["d0"], "stopped after the canary batch (1 host): 1 of 1 failed, and none may"),
        # One host that fails is its own affair, if another one was corrected; two are the fleet's.
        ({"batches": (2, 29)}, "d2", ["d1"], ""),
        ({"batches": (2, 29)}, "d2", ["d0", "d1"], f"{CANARY_2}: 2 of 2 failed, and 1 may"),
        ({"batches": (1, 5, 5, 20)}, "d6", ["d4", "d5"], "stopped after 6 hosts: 2 of 6 failed, and 10% "),
        # A team that says none means none.
        ({"batches": (2, 29), "max_failures": "0%"}, "d2", ["d0"], f"{CANARY_2}: 1 of 2 failed, and none may"),
        ({"batches": (2, 4, 25), "max_failures": "0%"}, "d6", ["d4"], "stopped after 6 hosts: 1 of 6 failed, and 0% "),
        ({"batches": (1, 5, 25), "max_failures": "100%"}, "d6", ["d1", "d2", "d3", "d4", "d5"], ""),
        ({"reach": 1, "stop": "too many"}, "d1", [], "stopped after the canary batch (1 host): too many"),
        ({"reach": 0, "stop": "too many"}, "d0", [], "stopped before any change: too many"),
    ],
)
def test_a_batch_begins_only_where_nothing_is_against_it(changes, first, lost, message):
    decision = GOING._replace(**changes)
    found = find_objection(decision, first, {host for host in decision.hosts if host not in lost})
    assert found.startswith(message) and bool(found) == bool(message), found


@pytest.mark.parametrize(
    ("changes", "first", "lost", "aside", "message"),
    [
        (TWO_FIRST, "d2", [], ["d0", "d1"], ""),  # nobody has tried anything, and the next batch does
        # The one that tried it failed: that is no sign that the change is good.
        (TWO_FIRST, "d2", ["d0"], ["d1"], f"{CANARY_2}: 1 of 1 failed, and none may"),
        # The first batch that tries anything is the canary.
        (TWO_FIRST, "d12", ["d5"], ["d0", "d1"], ""),
        (TWO_FIRST, "d12", ["d5", "d6"], ["d0", "d1"], "stopped after 12 hosts: 2 of 10 failed, and 1 may"),
        ({**TWO_FIRST, "max_failures": "50%"}, "d12", ["d5", "d6"], ["d0", "d1"], "stopped after 12 hosts: 2 of 10"),
        # More than few are no affair of single hosts: each further one has failed.
        (TWO_FIRST, "d12", [], ["d0", "d4", "d5", "d6"], ""),
        (TWO_FIRST, "d12", [], ["d0", "d4", "d5", "d6", "d7"], "stopped after 12 hosts: 2 of 9 failed, and 10%"),
        # One that failed too has failed.
        (TWO_FIRST, "d2", ["d0", "d1"], ["d0", "d1"], f"{CANARY_2}: 2 of 2 failed, and 1"),
        # A team that says none means none.
        ({**TWO_FIRST, "max_failures": "0%"}, "d2", [], ["d0"], f"{CANARY_2}: 1 of 2 fai"),
    ],
)
def test_hosts_that_are_set_aside_neither_fail_nor_pass_as_long_as_they_are_few(changes, first, lost, aside, message):
    decision = GOING._replace(**changes)
    said = find_objection(decision, first, {host for host in decision.hosts if host not in lost}, aside)
    assert said.startswith(message) and bool(said) == bool(message), said


@pytest.mark.parametrize(
    ("gate", "rules", "errors", "held"),
    [
        ("noncompliant", {"apps/a": ("noncompliant", [HERS])}, [], True),
        ("noncompliant", {"apps/a": ("noncompliant", [HERS, {"kind": "more", "scope": None}])}, [], True),
        ("incomplete", {"apps/a": ("noncompliant", [HERS]), "apps/b": ("unknown", [])}, [], False),
        ("noncompliant", {"apps/a": ("noncompliant", [HERS]), "dns/b": ("noncompliant", [HOSTS])}, [], False),
        ("noncompliant", {"apps/a": ("noncompliant", [ROOTS])}, [], False),
        ("noncompliant", {"apps/a": ("noncompliant", [{"kind": "more", "scope": None}])}, [], False),
        ("noncompliant", {"apps/a": ("error", [HERS])}, [], False),
        ("noncompliant", {"apps/a": ("noncompliant", [HERS])}, [{"control": "dns", "message": "x"}], False),
        ("noncompliant", {}, [], False),
    ],
)
def test_users_alone_keep_a_host_from_its_gate(gate, rules, errors, held):
    listed = [
        {"rule": name, "state": state, "findings": [{"kind": "package", **finding} for finding in findings]}
        for name, (state, findings) in rules.items()
    ]
    assert has_only_user_problems({"rules": listed, "errors": errors}, gate) is held


def test_findings_of_a_user_count_once_for_a_rule():
    def of(name, *scopes):
        found = [{"kind": "package", "scope": scope} for scope in scopes]
        return {"rule": name, "state": "noncompliant", "findings": found}

    rules = [of("apps/wechat", "user:al", "user:al", "user:bo", "system", "system", None), of("apps/line", "user:al")]
    answer = {"record": {"plan": "p", "rules": rules}, "drifted": ["apps"], "privileged": True}
    assert evaluate_host("web01", "p", answer).removal_count == 2 + 3 + 1


STATES = {"a": "compliant", "b": "repaired", "c": "waived", "d": "not_applicable", "e": "noncompliant"}
STATES |= {"f": "unknown", "g": "unreachable"}


@pytest.fixture
def report(tmp_path):
    directory = tmp_path / "r1"
    directory.mkdir()
    (directory / "report.json").write_text('{"run": {}}')
    lines = [json.dumps({"host": host, "state": state, "rules": []}) for host, state in STATES.items()]
    (directory / "hosts.jsonl").write_text("\n".join(lines))
    (tmp_path / "latest").symlink_to("r1")
    return directory


@pytest.mark.parametrize(("hosts", "well"), [("abcdefg", 4), ("c", 1), (["new"], 0)])
def test_the_run_before_says_how_these_hosts_stood(report, hosts, well):
    assert read_previous_run(report.parent, list(hosts)) == PreviousRun("r1", well)


def test_missing_or_broken_earlier_run_is_none(report, tmp_path):
    assert read_previous_run(tmp_path / "none", ["a"]) is None
    file = report / "hosts.jsonl"
    file.write_text("half a li")
    assert read_previous_run(tmp_path, ["a"]) is None
    file.unlink()
    file.symlink_to("report.json")  # no link is followed
    assert read_previous_run(tmp_path, ["a"]) is None


@pytest.fixture
def warned():
    yield []
    current_rollout.begin_rollout(None)


def begins(reports, mode="enforce", hosts=4, most="100%", plans="p" * 11):
    limits = {"batches": [1, "100%"], "max_change": {"hosts": most, "removals": "auto"}, "max_failures": "10%"}
    names = {f"h{number}": plan for number, plan in zip(range(1, hosts + 1), plans)}
    current_rollout.begin_rollout(
        {"mode": mode, "hosts": names, "rollout": limits, "directory": str(reports / "run.partial")}
    )


def test_answer_after_the_decision_changes_nothing(tmp_path, warned):
    begins(tmp_path)
    current_rollout.record_host_answer("h1", DRIFTED)
    before = current_rollout.make_decision(warned.append)
    current_rollout.record_host_answer("h1", {**DRIFTED, "drifted": []})
    current_rollout.record_host_answer("h2", DRIFTED)
    assert current_rollout.make_decision(warned.append) == before


def test_a_host_that_was_set_aside_is_none_of_the_run_that_follows(tmp_path, warned):
    begins(tmp_path)
    current_rollout.record_set_aside("h1")
    assert current_rollout.list_set_aside_hosts() == {"h1"}
    begins(tmp_path)
    assert current_rollout.list_set_aside_hosts() == frozenset()


@pytest.mark.parametrize(
    ("mode", "batches", "says"),
    [("check", (4,), ["a run without --check would stop after the canary batch (1 host)"]), ("enforce", (1, 3), [])],
)
def test_a_dry_run_says_where_a_real_one_would_stop(tmp_path, warned, mode, batches, says):
    begins(tmp_path, mode, most=1)
    for number in range(1, 5):
        current_rollout.record_host_answer(f"h{number}", DRIFTED)
    decision = current_rollout.make_decision(warned.append)
    assert decision is not None and (decision.reach, decision.batches) == (1, batches)
    assert [text.partition(":")[0] for text in warned] == says
    current_rollout.make_decision(warned.append)
    assert len(warned) == len(says), "once"


def test_a_dry_run_says_whom_a_real_one_would_leave_out(tmp_path, warned):
    begins(tmp_path, "check", hosts=11, most=10)
    for number in range(1, 12):
        current_rollout.record_host_answer(f"h{number}", DRIFTED)
    decision = current_rollout.make_decision(warned.append)
    assert decision is not None and decision.stop == ""
    why = "it has 0 removals, and with it the whole is more than proscribe_max_change allows (10 hosts)"
    assert warned == [f"a run without --check would leave out h11: set aside and left as found: {why}"]
