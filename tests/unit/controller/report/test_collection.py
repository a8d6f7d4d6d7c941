"""Collected events of a run: first and second looks, stops, plays, progress, and the callback that collects."""

from itertools import count
from types import SimpleNamespace
from typing import Any

import pytest
from fleets import DIGEST, PROCESS, WECHAT, answer, clean_answer, no_policy, run, wechat
from proscribe.controller.report.collection import active, plays
from proscribe.controller.report.collection.events import Collector
from proscribe.controller.report.collection.progress import Line, Progress
from proscribe.model.plan import CONTROLS
from proscribe.wire.installation import COLLECTION

BAD = answer(wechat(WECHAT), evaluated=["apps/x"])
GOOD = clean_answer(checked_at="2026-11-25T00:30:09Z")
DECIDED = {"hosts": ["web01", "web02", "web03"], "batches": [1, 2], "allow": {"hosts": 3}, "set_aside": {}}
NOW = "2026-11-25T08:00:00Z"
ASIDE = {**DECIDED, "hosts": ["web02", "web03"], "set_aside": {"web01": "set aside: it has 201 removals"}, "allow": {}}
COLLECTOR, OTHER = object(), object()
# The modules that change a host, with the control of each.
CHANGING = {
    "restricted_apps": "apps", "browser_policy": "browser", "host_firewall": "firewall", "dns_filter": "dns",
    "group_policy": "group_policy", "host_watch": "watch",
}  # fmt: skip
ROLE = "browser_policy"
Steps = list[tuple[float, int]]  # seconds, and the hosts that came in by then


def collect_record(mode, *events):
    collector = Collector(run(["web01"], mode))
    for name, *arguments in events:
        getattr(collector, name)("web01", *arguments)
    return collector.fleet().records[0]


def test_host_that_several_roles_correct_is_reported_once_by_its_last_observation():
    collector = Collector(run(["web01"], "enforce"))
    for record in (BAD, BAD, GOOD):
        collector.changed("web01", "apps", {"actions": ["remove wechat"]})
        collector.answered("web01", record)
    assert [(record["host"], record["state"]) for record in collector.fleet().records] == [("web01", "repaired")]


def test_moved_file_is_reported_with_its_quarantine_id():
    moved = ["quarantine /home/alice/x as wechat-00000000 as wechat-0123abcd", "quarantine /home/alice/y", "end 311"]
    record = collect_record("enforce", ("answered", BAD), ("changed", "apps", {"actions": moved}), ("answered", GOOD))
    assert [action.get("quarantine_id") for action in record["actions"]] == ["wechat-0123abcd", None, None]
    # In check mode nothing has an id yet: what looks like one is a part of a user's path.
    record = collect_record("check", ("answered", BAD), ("changed", "apps", {"actions": moved}, True))
    assert not any("quarantine_id" in action for action in record["actions"])


def test_with_whom_a_run_shared_the_host_is_in_its_record():
    other = {"by": "run 7 of alice on ctl", "since": "2026-11-25T00:30:00Z", "waited": 3}
    changed = ("changed", "apps", {"actions": ["remove wechat"], "other_runs": [other]})
    assert collect_record("enforce", ("answered", BAD), changed, ("answered", GOOD))["other_runs"] == [
        {"control": "apps", **other}
    ]
    assert "other_runs" not in collect_record("enforce", ("answered", BAD), ("changed", "apps", {}), ("answered", GOOD))


def test_progress_counts_expected_hosts_once():
    collector = Collector(run(["web01", "web02", "web03"], "enforce"))
    collector.answered("web01", BAD)
    collector.answered("web02", GOOD)
    collector.answered("stranger", BAD)
    assert collector.progress() == (2, 1)
    collector.answered("web01", GOOD)
    assert collector.progress() == (2, 0)


def test_hosts_that_say_the_same_share_one_copy():
    collector = Collector(run(["web01", "web02"]))
    records = [collector.answered(host, answer(*no_policy(), wechat(WECHAT, PROCESS))) for host in ("web01", "web02")]
    assert all(mine is yours for mine, yours in zip(records[0]["rules"], records[1]["rules"], strict=True))
    assert collector.expected == {"web01": DIGEST, "web02": DIGEST}


def collect_stopped_run(**decided: Any) -> Collector:
    """Collect a run over four hosts, of which three have to be corrected."""
    collector = Collector(run([f"web{number:02}" for number in range(1, 5)], "enforce"))
    for number, host in enumerate(collector.expected):
        collector.answered(host, BAD if number < 3 else clean_answer())
    collector.decided({**DECIDED, **decided})
    return collector


def test_hosts_whose_turn_did_not_come_are_named_with_why():
    collector = collect_stopped_run()
    collector.changed("web01", "apps", {"actions": ["remove wechat"]})
    collector.answered("web01", clean_answer())
    collector.stopped("stopped after the canary batch")
    rollout = collector.rollout()
    assert rollout is not None
    assert (rollout.not_reached, rollout.why) == (("web02", "web03"), "stopped after the canary batch")
    assert rollout.as_dict() == {
        "to_correct": 3, "batches": [1, 2], "not_reached": 2, "why": "stopped after the canary batch",
        "allow": {"hosts": 3}, "set_aside": [],
    }  # fmt: skip
    states = {record["host"]: record["state"] for record in collector.fleet(NOW).records}
    assert states == {"web01": "repaired", "web02": "noncompliant", "web03": "noncompliant", "web04": "compliant"}


def test_a_dry_run_sets_nobody_aside():
    collector = collect_stopped_run(**ASIDE)
    collector.run = {**collector.run, "mode": "check"}
    rollout = collector.rollout()
    assert rollout is not None and rollout.set_aside == {}


@pytest.fixture(autouse=True)
def nothing_yet(monkeypatch):
    monkeypatch.setattr(active, "_watch", active._Watch())


def play_of_strategy(name: str, strategy: str = "linear", action: str = active.COMPILING) -> Any:
    task = SimpleNamespace(action=f"a.b.{action}")
    return SimpleNamespace(strategy=strategy, get_path=lambda: f"{name}.yml:1", get_tasks=lambda: [task], roles=[])


def is_linear(strategy: str) -> bool:
    return strategy == "linear"


def test_callback_collects_only_after_a_playbook_begins():
    assert not active.collected()
    text = active.objection("/etc/ansible.cfg", "/srv/proscribe")
    assert "no host was touched" in text and "/etc/ansible.cfg: callbacks_enabled" in text
    assert text.count("/srv/proscribe") == 3
    assert "Ansible's configuration: callbacks_enabled" in active.objection("", "/srv/proscribe")


def test_first_of_two_callbacks_collects_a_playbook():
    item, next_one = object(), object()
    assert active.begins(item, [], is_linear, COLLECTOR) and active.collected()
    assert not active.begins(item, [], is_linear, OTHER)
    assert active.begins(item, [], is_linear, COLLECTOR), "the same may come again"
    assert active.begins(next_one, [], is_linear, OTHER)
    assert active.objection("", "") == ""


def test_the_play_that_runs_is_objected_to_too_and_once():
    bad, worse = play_of_strategy("a", "free"), play_of_strategy("b", "host_pinned", "debug")
    active.begins(object(), [bad], is_linear, COLLECTOR)
    active.plays_now(bad, is_linear)
    assert active.objection("", "").count("a.yml:1") == 1
    active.plays_now(worse, is_linear)
    text = active.objection("", "").split("\n")
    assert [line.partition(":")[0] for line in text[1:]] == ["a.yml", "b.yml"]
    active.plays_now(play_of_strategy("c"), is_linear)
    assert "b.yml" not in active.objection("", "")
    active.begins(object(), [], is_linear, COLLECTOR)
    assert active.objection("", "") == ""


def make_task(action: str, *tags: str, **args: str) -> Any:
    return SimpleNamespace(action=action, args=args, tags=tags)


def make_block(*tasks: Any, rescue: Any = (), always: Any = ()) -> Any:
    return SimpleNamespace(block=list(tasks), rescue=list(rescue), always=list(always))


def make_role(*blocks: Any, needs: Any = (), included: bool = False) -> Any:
    return SimpleNamespace(
        get_task_blocks=lambda: list(blocks), get_all_dependencies=lambda: list(needs), from_include=included
    )


def make_play(*tasks: Any, roles: Any = (), tags: Any = (), place: str = "/p/audit.yml:3") -> Any:
    return SimpleNamespace(get_tasks=lambda: list(tasks), roles=roles, tags=tags, get_path=lambda: place)


PING, PLANS = make_task("ansible.builtin.ping"), make_task("proscribe.proscribe.compile_plans")


@pytest.mark.parametrize(("item", "compiles"), [
    (make_play(PING), False),
    (make_play(make_task("compile_plans")), True),
    (make_play(make_block(PING, make_block(PLANS))), True),
    (make_play(make_block(PING, rescue=[PLANS])), True),
    (make_play(PING, roles=[make_role(make_block(PING), needs=[make_role(make_block(PLANS))])]), True),
    # its tasks are the play's, where it is imported
    (make_play(roles=[make_role(make_block(PLANS), included=True)]), False),
    (make_play(roles=None), False),
    (make_play(make_task("compile_plans_of_others")), False),
])  # fmt: skip
def test_a_play_that_compiles_plans(item, compiles):
    assert plays.compiles(item) is compiles


def test_control_has_its_module(project):
    assert plays.ENFORCING == CHANGING and {*CHANGING.values()} >= {*CONTROLS}
    assert all((project / "library" / f"{name}.py").is_file() for name in plays.ENFORCING)


@pytest.mark.parametrize(("action", "concerns"), [
    *((name, False) for name in ("ping", "drift_schedule", "include_role")),
    *((name, True) for name in ("compile_plans", "compliance_state", "collect_record", "rollout", "quarantine")),
    *((name, True) for name in ("quarantine_choice", *CHANGING)),
])  # fmt: skip
def test_a_play_that_a_report_is_made_from(action, concerns):
    assert plays.concerns(make_play(PING, make_task(f"{COLLECTION}.{action}"))) is concerns


@pytest.mark.parametrize(("action", "schedules"), [("schedule_plan", True), ("compile_plans", False)])
def test_a_play_that_sets_up_scheduled_runs(action, schedules):
    assert plays.schedules(make_play(PING, make_task(action))) is schedules


@pytest.mark.parametrize(("entry", "names"), [("main", ["dns_filter", f"{COLLECTION}.{ROLE}"]), ("lift", [ROLE])])
def test_the_roles_that_a_play_includes_while_it_runs(entry, names):
    item = make_play(
        PLANS, make_task("include_role", name="dns_filter"), make_task("include_role", name="others"),
        make_block(make_task("include_role", name=f"{COLLECTION}.{ROLE}", tasks_from="main.yml")),
        make_task("include_role", name=ROLE, tasks_from="lift"),
    )  # fmt: skip
    assert list(plays.included(item, entry)) == names


def test_play_has_the_tags_of_its_tasks_and_a_file_without_line():
    tagged = make_play(make_task("ping", "a"), tags=["b"])
    assert plays.tags_of([tagged, make_play(make_block(make_task("ping", "c", "a")), tags=[5])]) == {"a", "b", "c", "5"}
    assert plays.tags_of([]) == set()
    assert plays.file_of(make_play(place="/a:b/audit.yml:28")) == "/a:b/audit.yml"


@pytest.mark.parametrize(("expected", "rewriting", "steps", "due"), [
    pytest.param(1, True, [(1.0, 1)], [], id="one host"),
    pytest.param(3, True, [(0.0, 1), (0.05, 2), (0.06, 3)], [3], id="too early, but for the last"),
    pytest.param(9, True, [(0.1, 1), (0.15, 2), (0.2, 3)], [1, 3], id="a tenth of a second later"),
    pytest.param(9, True, [(1.0, 4), (2.0, 4), (3.0, 3), (4.0, 5)], [4, 5], id="only more than before"),
    pytest.param(9, False, [(0.0, 1), (1.0, 8)], [], id="no tenths of so few"),
    pytest.param(10, False, [(0.0, 1), (0.0, 2), (0.0, 10)], [1, 2], id="tenths, but for the last"),
    pytest.param(21, False, [(0.0, 2), (0.0, 3), (0.0, 5), (0.0, 6)], [3, 6], id="tenths since the line before"),
    pytest.param(9, False, [(14.9, 1), (15.0, 2), (29.9, 3), (30.0, 4)], [2, 4], id="every 15 seconds"),
    pytest.param(9, False, [(15.0, 1), (40.0, 9)], [1], id="the report follows at once"),
])  # fmt: skip
def test_progress_line_is_due_by_hosts_and_time(expected, rewriting, steps, due):
    at = 0.0
    progress = Progress("audit", expected, rewriting, lambda: at)
    shown = []
    for at, heard in steps:  # noqa: B007 - the clock
        if text := progress.update(heard, 0):
            shown.append(heard)
            line = f"audit  {heard} of {expected} hosts"
            assert text == (f"\r\x1b[K{line}\r" if rewriting else f"{line}\n")
    assert shown == due


@pytest.mark.parametrize(("name", "bad"), [("lift", "failed"), ("audit", "noncompliant"), ("enforce", "noncompliant")])
def test_progress_counts_failures_by_kind_of_run(name, bad):
    clock = count(0, 20)
    progress = Progress(name, 2000, False, lambda: next(clock))
    assert progress.update(1000, 0) == f"{name}  1,000 of 2,000 hosts\n"
    assert progress.update(1001, 1001) == f"{name}  1,001 of 2,000 hosts  1,001 {bad}\n"


def test_only_a_line_that_is_rewritten_is_taken_away():
    for text, away in (("\r\x1b[Kx\r", "\r\x1b[K"), ("x\n", ""), ("", "")):
        assert Line.put(text) == text
        assert (Line.shown, Line.away(), Line.away()) == (bool(away), away, "")
