"""Collected events of a run: first and second looks, stops, plays, progress, and the callback that collects."""

import json
import os
import sys
import tempfile
from itertools import count
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from fleets import DIGEST, PROCESS, WECHAT, answer, clean_answer, no_policy, run, wechat
from hypothesis import given
from hypothesis import strategies as st
from proscribe.controller.report.collection import callback_state, journal_replay, plays
from proscribe.controller.report.collection.collector import Collector
from proscribe.controller.report.collection.invocation import (
    get_working_directory,
    may_be_secret,
    parse_arguments,
    read_call,
    select_repeated_options,
)
from proscribe.controller.report.collection.progress import ProgressLine, RunProgress
from proscribe.controller.report.run_end import unfinished_runs
from proscribe.controller.report.storage import journal, report_directory
from proscribe.controller.report.text.shell_commands import SECRETS_FILE, RunCall
from proscribe.model.plan import CONTROLS
from proscribe.wire import installation
from proscribe.wire.installation import COLLECTION

BAD = answer(wechat(WECHAT), evaluated=["apps/x"])
GOOD = clean_answer(checked_at="2026-11-25T00:30:09Z")
DECIDED = {"hosts": ["web01", "web02", "web03"], "batches": [1, 2], "allow": {"hosts": 3}, "set_aside": {}}
ASIDE = {**DECIDED, "hosts": ["web02", "web03"], "set_aside": {"web01": "set aside: it has 201 removals"}, "allow": {}}
COLLECTOR, OTHER = object(), object()
# The modules that change a host, with the control of each.
CHANGING = {
    "restricted_apps": "apps", "browser_policy": "browser", "host_firewall": "firewall", "dns_filter": "dns",
    "group_policy": "group_policy", "host_watch": "watch",
}  # fmt: skip
ROLE = "browser_policy"


def collect_record(mode, *events):
    collector = Collector(run(["web01"], mode))
    for name, *arguments in events:
        getattr(collector, name)("web01", *arguments)
    return collector.reconcile_hosts().records[0]


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
    record = collect_record("enforce", ("answered", BAD), changed, ("answered", GOOD))
    assert record["other_runs"] == [{"control": "apps", **other}]
    assert "other_runs" not in collect_record("enforce", ("answered", BAD), ("changed", "apps", {}), ("answered", GOOD))


def test_progress_counts_expected_hosts_once():
    collector = Collector(run(["web01", "web02", "web03"], "enforce"))
    for host, record in (("web01", BAD), ("web02", GOOD), ("stranger", BAD)):
        collector.answered(host, record)
    assert collector.count_progress() == (2, 1)
    collector.answered("web01", GOOD)
    assert collector.count_progress() == (2, 0)


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
    rollout = collector.measure_rollout()
    assert rollout is not None
    assert (rollout.not_reached, rollout.reason) == (("web02", "web03"), "stopped after the canary batch")
    assert rollout.make_rollout_report() == {
        "to_correct": 3, "batches": [1, 2], "not_reached": 2, "why": "stopped after the canary batch",
        "allow": {"hosts": 3}, "set_aside": [],
    }  # fmt: skip
    states = {record["host"]: record["state"] for record in collector.reconcile_hosts("2026-11-25T08:00:00Z").records}
    assert states == {"web01": "repaired", "web02": "noncompliant", "web03": "noncompliant", "web04": "compliant"}


def test_a_dry_run_sets_nobody_aside():
    collector = collect_stopped_run(**ASIDE)
    collector.run = {**collector.run, "mode": "check"}
    rollout = collector.measure_rollout()
    assert rollout is not None and rollout.set_aside == {}


@pytest.fixture(autouse=True)
def nothing_yet(monkeypatch):
    monkeypatch.setattr(callback_state, "_callback", callback_state._CallbackState())


def play_of_strategy(name: str, strategy: str = "linear", action: str = callback_state.COMPILE_ACTION) -> Any:
    task = SimpleNamespace(action=f"a.b.{action}")
    return SimpleNamespace(strategy=strategy, get_path=lambda: f"{name}.yml:1", get_tasks=lambda: [task], roles=[])


def is_linear(strategy: str) -> bool:
    return strategy == "linear"


def test_callback_collects_only_after_a_playbook_begins():
    assert not callback_state.has_collector()
    text = callback_state.describe_objections("/etc/ansible.cfg", "/srv/proscribe")
    assert "no host was touched" in text and "/etc/ansible.cfg: callbacks_enabled" in text
    assert text.count("/srv/proscribe") == 3
    assert "Ansible's configuration: callbacks_enabled" in callback_state.describe_objections("", "/srv/proscribe")


def test_first_of_two_callbacks_collects_a_playbook():
    item, next_one = object(), object()
    assert callback_state.register_playbook(item, [], is_linear, COLLECTOR) and callback_state.has_collector()
    assert not callback_state.register_playbook(item, [], is_linear, OTHER)
    assert callback_state.register_playbook(item, [], is_linear, COLLECTOR), "the same may come again"
    assert callback_state.register_playbook(next_one, [], is_linear, OTHER)
    assert callback_state.describe_objections("", "") == ""


def test_the_play_that_runs_is_objected_to_too_and_once():
    bad, worse = play_of_strategy("a", "free"), play_of_strategy("b", "host_pinned", "debug")
    callback_state.register_playbook(object(), [bad], is_linear, COLLECTOR)
    callback_state.register_play(bad, is_linear)
    assert callback_state.describe_objections("", "").count("a.yml:1") == 1
    callback_state.register_play(worse, is_linear)
    text = callback_state.describe_objections("", "").split("\n")
    assert [line.partition(":")[0] for line in text[1:]] == ["a.yml", "b.yml"]
    callback_state.register_play(play_of_strategy("c"), is_linear)
    assert "b.yml" not in callback_state.describe_objections("", "")
    callback_state.register_playbook(object(), [], is_linear, COLLECTOR)
    assert callback_state.describe_objections("", "") == ""


def make_task(action: str, *tags: str, **args: str) -> Any:
    return SimpleNamespace(action=action, args=args, tags=tags)


def make_block(*tasks: Any, rescue: Any = (), always: Any = ()) -> Any:
    return SimpleNamespace(block=list(tasks), rescue=list(rescue), always=list(always))


def make_role(*blocks: Any, needs: Any = (), included: bool = False) -> Any:
    lists = {"get_task_blocks": lambda: list(blocks), "get_all_dependencies": lambda: list(needs)}
    return SimpleNamespace(**lists, from_include=included)


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
    assert plays.is_compiling_play(item) is compiles


def test_control_has_its_module(project):
    assert plays.CONTROL_BY_ACTION == CHANGING and {*CHANGING.values()} >= {*CONTROLS}
    assert all((project / "library" / f"{name}.py").is_file() for name in plays.CONTROL_BY_ACTION)


@pytest.mark.parametrize(("action", "concerns"), [
    *((name, False) for name in ("ping", "drift_schedule", "include_role")),
    *((name, True) for name in ("compile_plans", "compliance_state", "collect_record", "rollout", "quarantine")),
    *((name, True) for name in ("quarantine_choice", *CHANGING)),
])  # fmt: skip
def test_a_play_that_a_report_is_made_from(action, concerns):
    assert plays.has_report_task(make_play(PING, make_task(f"{COLLECTION}.{action}"))) is concerns


@pytest.mark.parametrize(("action", "schedules"), [("schedule_plan", True), ("compile_plans", False)])
def test_a_play_that_sets_up_scheduled_runs(action, schedules):
    assert plays.is_scheduling_play(make_play(PING, make_task(action))) is schedules


@pytest.mark.parametrize(("entry", "names"), [("main", ["dns_filter", f"{COLLECTION}.{ROLE}"]), ("lift", [ROLE])])
def test_the_roles_that_a_play_includes_while_it_runs(entry, names):
    item = make_play(
        PLANS, make_task("include_role", name="dns_filter"), make_task("include_role", name="others"),
        make_block(make_task("include_role", name=f"{COLLECTION}.{ROLE}", tasks_from="main.yml")),
        make_task("include_role", name=ROLE, tasks_from="lift"),
    )  # fmt: skip
    assert list(plays.iterate_included_roles(item, entry)) == names


def test_play_has_the_tags_of_its_tasks_and_a_file_without_line():
    tagged = make_play(make_task("ping", "a"), tags=["b"])
    other = make_play(make_block(make_task("ping", "c", "a")), tags=[5])
    assert plays.collect_tags([tagged, other]) == {"a", "b", "c", "5"}
    assert plays.collect_tags([]) == set()
    assert plays.get_playbook_path(make_play(place="/a:b/audit.yml:28")) == "/a:b/audit.yml"


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
    progress = RunProgress("audit", expected, rewriting, lambda: at)
    shown = []
    for at, heard in steps:  # noqa: B007 - the clock
        if text := progress.format_update(heard, 0):
            shown.append(heard)
            line = f"audit  {heard} of {expected} hosts"
            assert text == (f"\r\x1b[K{line}\r" if rewriting else f"{line}\n")
    assert shown == due


@pytest.mark.parametrize(("name", "bad"), [("lift", "failed"), ("audit", "noncompliant"), ("enforce", "noncompliant")])
def test_progress_counts_failures_by_kind_of_run(name, bad):
    clock = count(0, 20)
    progress = RunProgress(name, 2000, False, lambda: next(clock))
    assert progress.format_update(1000, 0) == f"{name}  1,000 of 2,000 hosts\n"
    assert progress.format_update(1001, 1001) == f"{name}  1,001 of 2,000 hosts  1,001 {bad}\n"


def test_only_a_line_that_is_rewritten_is_taken_away():
    for text, away in (("\r\x1b[Kx\r", "\r\x1b[K"), ("x\n", ""), ("", "")):
        assert ProgressLine.register_text(text) == text
        assert (ProgressLine.is_shown, ProgressLine.remove_line(), ProgressLine.remove_line()) == (bool(away), away, "")


AS_VARIABLE = ("ssh_common_args", "ssh_extra_args", "sftp_extra_args", "scp_extra_args")
OPTIONS = {
    "-i": ("inventory", True), "--tags": ("tags", True), "--take": ("take", False), "-e": ("extra_vars", True),
    "-b": ("become", False), "-K": ("become_ask_pass", False), **{f"--{name}": (name, True) for name in AS_VARIABLE},
    **{f"--{name}": (name, False) for name in ("check", "diff", "step", "syntax", "listhosts", "listtasks",
     "listtags")},
    **{f"--{name}": (name, True) for name in ("subset", "start_at_task")},
}  # fmt: skip
FILE = ("-e", f"@{SECRETS_FILE}")
OURS = str(Path(__file__).resolve().parents[4] / "playbooks" / "enforce.yml")


@pytest.mark.parametrize(("typed", "words"), [
    (["-bK"], [("become", "-b", None), ("become_ask_pass", "-K", None)]),
    (["-biprod"], [("become", "-b", None), ("inventory", "-i", "prod")]),
    (["-i", "prod"], [("inventory", "-i", "prod")]),
    (["-i"], [("inventory", "-i", "")]),
    (["--tags=a=b"], [("tags", "--tags", "a=b")]),
    (["--tags"], [("tags", "--tags", "")]),
    (["--tag", "a"], [("tags", "--tag", "a")]),
    (["--ta", "a"], [("--ta", "--ta", None), ("", "a", None)]),  # it may be either of two
    (["-x"], [("-x", "-x", None)]),
    (["-", "a"], [("", "-", None), ("", "a", None)]),
    (["--", "-b", "--tags"], [("", "-b", None), ("", "--tags", None)]),
])  # fmt: skip
def test_words_are_options_with_their_values(typed, words):
    assert [tuple(word) for word in parse_arguments(typed, OPTIONS)] == words


@pytest.mark.parametrize(("typed", "options", "withheld"), [
    (["--check", "--diff", "--step", "--syntax", "--listhosts", "--listtasks", "--listtags"], (), ()),
    (["--subset", "web*", "--start_at_task", "x", "-b"], ("-b",), ()),
    (["-e", "a=1", "-b"], ("-e", "a=1", "-b"), ()),
    (["-e", "a=1 token=x", "-b"], (*FILE, "-b"), ("a", "token")),
    (["-b", "-e", "token=x", "-i", "p", "-e", "token=y pwd=z"], ("-b", "-i", "p", *FILE), ("token", "pwd")),
    (["-e", "'unclosed hunter2"], FILE, ("what an -e says that cannot be read",)),
    (["-e", "[1, token]"], FILE, ("what an -e says that cannot be read",)),
    (["-e", " {token: x, b: 1}"], FILE, ("token", "b")),
    (["-e", "@token"], ("-e", "@token"), ()),
    (["-i", "token=x"], ("-i", "token=x"), ()),
    *(([f"--{name}", "sshpass -p x"], FILE, (f"ansible_{name}",)) for name in AS_VARIABLE),
    (["--ssh_common_args", "-o User=a"], ("--ssh_common_args", "-o User=a"), ()),
])  # fmt: skip
def test_options_are_repeated_and_secrets_are_withheld(typed, options, withheld):
    assert select_repeated_options(parse_arguments(typed, OPTIONS)) == (options, withheld)


@pytest.mark.parametrize(("name", "value", "secret"), [
    ("a", "b", False),
    *((f"my_{word}", "b", True) for word in ("pass", "pwd", "SECRET", "token", "credential", "auth", "webhook")),
    *((f"my_{word}", "b", True) for word in ("vault", "cookie", "bearer", "key", "Key_x")),
    ("key_file", "b", False),
    ("token", True, False),
    ("a", {"token": "b"}, True),
    ("a", [{"b": [{"token": "c"}]}], True),
    ("a", "$ANSIBLE_VAULT;1.1", True),
    *(("a", f"{word}x", True) for word in ("gho_", "ghp_", "ghs_", "ghu_", "github_pat_", "glpat-", "xoxb-", "AKIA")),
    ("a", "eyJx", True),
    ("a", "https://u:p@host", True),
    ("a", "https://host/u:p", False),
    ("a", "0" * 31, False),
    ("a", "0aF" * 11, True),
    ("a", "aB3" * 8, True),
    ("a", "aB3" * 7, False),
    ("a", "ab3" * 8, False),
    ("a", "AB3" * 8, False),
    ("a", "aBc" * 8, False),
    ("a", None, False),
])  # fmt: skip
def test_value_like_a_secret_is_withheld(name, value, secret):
    assert may_be_secret(name, value) is secret


@pytest.mark.parametrize("within", [lambda value: [value], lambda value: {"b": value}, lambda value: (value,)])
@pytest.mark.parametrize(("levels", "secret"), [(20, False), (21, True)])
def test_value_that_is_too_deep_counts_as_a_secret(levels, secret, within):
    value: Any = "b"
    for _ in range(levels):
        value = within(value)
    assert may_be_secret("a", value) is secret


def test_call_of_a_run_names_its_configuration_and_ansible_as_a_module():
    environment = {"ANSIBLE_CONFIG": installation.CONFIGURATION_PATH, "ANSIBLE_BECOME": installation.CONFIGURATION_PATH}
    call = read_call(["ansible-playbook"], environment, OPTIONS, "/srv")
    assert call == RunCall(("env", f"ANSIBLE_BECOME={installation.CONFIGURATION_PATH}", "ansible-playbook"), cwd="/srv")
    argv = ["/lib/ansible/__main__.py", "playbook", "site.yml", "-b"]
    assert read_call(argv, {}, OPTIONS, "/srv").program == (sys.executable, "-m", "ansible", "playbook")
    assert read_call(argv, {}, OPTIONS, "/srv").options == ("-b",)


@pytest.mark.parametrize(("environment", "before"), [
    ({"HOME": "/root", "PROSCRIBE": "x"}, ()),
    ({"ANSIBLE_CONFIG": ""}, ()),
    ({"SUDO_COMMAND": "/usr/bin/bash"}, ()),
    ({"SUDO_COMMAND": "./p audit", "ANSIBLE_CONFIG": "/etc/my.cfg"}, ("sudo", "env", "ANSIBLE_CONFIG=/etc/my.cfg")),
])  # fmt: skip
def test_launcher_that_sudo_started_is_started_by_it_again(environment, before, monkeypatch):
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    call = read_call(["a", OURS], {**environment, "PROSCRIBE_CALLED": "./p"}, OPTIONS, "/srv")
    assert call.program == (*before, "./p")
    monkeypatch.setattr(os, "geteuid", lambda: 1000)  # who is not root was not started by sudo
    call = read_call(["a", OURS], {**environment, "PROSCRIBE_CALLED": "./p"}, OPTIONS, "/srv")
    assert call.program == (*before[before[:1] == ("sudo",) :], "./p")


def test_call_repeats_what_the_environment_says_of_its_scope():
    named = ["CONFIG", "INVENTORY", "RUN_TAGS", "SKIP_TAGS", "REMOTE_USER", "BECOME", "BECOME_METHOD", "BECOME_USER"]
    named += ["PRIVATE_KEY_FILE", "VAULT_PASSWORD_FILE", "VAULT_IDENTITY_LIST"]
    environment = dict.fromkeys([f"ANSIBLE_{name}" for name in (*named, "NOCOLOR")], "x")
    program = ("env", *(f"ANSIBLE_{name}=x" for name in named), "ansible-playbook")
    assert read_call(["ansible-playbook"], environment, OPTIONS, "/srv").program == program


@pytest.mark.parametrize(("words", "launcher", "call"), [
    (["site.yml", "-b", "more.yml"], "./p", RunCall(("a",), "", "site.yml", ("more.yml", "-b"), "/srv")),
    ([OURS, "more.yml", "-b"], "./p", RunCall(("./p",), "enforce", "", ("-b", "more.yml"), "/srv")),
    ([OURS, "-e", "token=x"], "./p", RunCall(("./p",), "enforce", "", FILE, "/srv", ("token",))),
])  # fmt: skip
def test_a_call_is_of_the_launcher_only_with_its_own_playbook(words, launcher, call):
    assert read_call(["a", *words], {"PROSCRIBE_CALLED": launcher}, OPTIONS, "/srv") == call


def test_the_directory_has_the_name_that_the_shell_has_for_it(tmp_path, monkeypatch):
    (tmp_path / "real").mkdir()
    (tmp_path / "name").symlink_to("real")
    monkeypatch.chdir(tmp_path / "real")
    here = os.getcwd()
    directories = {
        str(tmp_path / "name"): str(tmp_path / "name"), "": here, ".": here, "/": here, "/nosuch/place": here,
    }  # fmt: skip
    assert {name: get_working_directory({"PWD": name}) for name in directories} == directories
    assert get_working_directory({}) == here


HOSTS = ["web01", "web02", "other"]
ID, BY = "20261125T003000Z-enforce-1a2b", "20261125T013000Z-audit-77c0"
RECORDS = (answer(wechat(WECHAT), evaluated=["apps/x"]), clean_answer(), {"schema": "no record"})
RESULTS = (
    {"actions": ["remove wechat", "end 311"], "refused": []},
    {"actions": [], "refused": [{"rule": "apps/wechat", "subject": "wechat", "reason": "others need it"}]},
    {"msg": "a module that broke"},
)
CHANGED_CONTROLS = ("apps", "browser", "watch")
EVENTS = st.one_of(
    st.tuples(st.just("answered"), st.sampled_from(HOSTS), st.sampled_from(RECORDS)),
    st.tuples(st.sampled_from(["began", "skipped"]), st.sampled_from(HOSTS), st.sampled_from(CHANGED_CONTROLS)),
    st.tuples(st.just("changed"), st.sampled_from(HOSTS), st.sampled_from(CHANGED_CONTROLS), st.sampled_from(RESULTS),
              st.booleans()),
    st.tuples(st.just("failed"), st.sampled_from(HOSTS), st.sampled_from([None, *CHANGED_CONTROLS]),
              st.sampled_from(["x", "y z"])),
    st.tuples(st.just("unreachable"), st.sampled_from(HOSTS), st.just("timed out")),
    st.tuples(st.just("decided"),
              st.just({"hosts": ["web01"], "batches": [1], "allow": {"removals": "unlimited"},
                       "set_aside": {"web02": "x"}})),
    st.tuples(st.just("stopped"), st.just("stopped after the canary batch")),
)  # fmt: skip


def empty_and_mark(file: Path) -> None:
    os.truncate(file, 0)
    file.chmod(0o1640)


WRONG = {
    "its report is there already": lambda path: (path.with_suffix("") / "in the way").mkdir(parents=True),
    "its journal could not be written": lambda path: empty_and_mark(path / journal.FILE),
    "it is another run's": lambda path: path.rename(path.with_name(f"{BY}.partial")),
}


def feed(collector: Collector, events) -> Collector:
    for name, *arguments in events:
        getattr(collector, name)(*arguments)
    return collector


def observe(collector: Collector):
    fleet = collector.reconcile_hosts()
    return [record for record in fleet.records if record["host"] != "other"], collector.measure_rollout()


@given(st.lists(EVENTS, max_size=12), st.sampled_from(["enforce", "check", "audit"]))
def test_a_journal_is_read_as_the_run_that_wrote_it(events, mode):
    result = run(["web01", "web02"], mode, id=ID)
    with tempfile.TemporaryDirectory() as folder:
        written = Collector(result)
        writer = journal.RunJournal(Path(folder), result)
        written.store_event = writer.write_event
        feed(written, events)
        writer.close()
        with (Path(folder) / journal.FILE).open() as lines:
            (run_, _), *noted = map(json.loads, lines)
    again = journal_replay.rebuild_collector(run_, noted)
    assert observe(again) == observe(written)
    assert "other" not in again.host_states


@given(st.lists(EVENTS, max_size=6), st.integers(0, 3000))
def test_half_a_journal_never_makes_a_host_better_than_it_was_said_to_be(events, cut):
    noted = []
    collector = Collector(run(["web01", "web02"], "enforce", id=ID))
    collector.store_event = lambda *event: noted.append(json.loads(json.dumps(event)))
    feed(collector, events)
    lines = "".join(json.dumps(event) + "\n" for event in noted)[:cut]
    whole = [json.loads(line) for line in lines.splitlines(keepends=True) if line.endswith("\n")]
    half = journal_replay.rebuild_collector(collector.run, whole)
    half.interruption_reason = unfinished_runs.KILLED_REASON
    for record in half.reconcile_hosts().records:
        if not any(event[:2] == ["answered", record["host"]] for event in whole):
            assert record["state"] == "unknown"


BROKEN = {
    "answered": [(), ("web01",), ("web01", 5), (5, RECORDS[1])],
    "began": [("web01",), ("web01", "nosuch"), ("web01", "apps", "x")], "skipped": [("web01", None)],
    "changed": [("web01", "apps", {}), ("web01", "apps", [], False), ("web01", "apps", {"actions": "x"}, False),
                ("web01", "apps", {"actions": [5]}, False),
                ("web01", "apps", {"refused": [{"rule": "x", "subject": "y"}]}, False),
                ("web01", "apps", {"refused": ["x"]}, False), ("web01", "apps", {}, "no"),
                ("web01", "nosuch", {}, False)],
    "failed": [("web01", "nosuch", "x"), ("web01", None, 5), ("web01", None)],
    "unreachable": [("web01", None), ("web01",)],
    "decided": [([],), ({"hosts": ["web01"], "batches": [1]},), ({"hosts": [5], "batches": [1], "allow": {}},),
                ({"hosts": ["web01"], "batches": ["1"], "allow": {}},),
                ({"hosts": ["web01"], "batches": [1], "allow": {"hosts": "some"}},),
                ({"hosts": ["web01"], "batches": [1], "allow": {}, "set_aside": {"web02": 5}},),
                ({"hosts": ["web01"], "batches": [1], "allow": {}, "set_aside": []},)],
    "stopped": [(5,), ()], "nosuch": [()], "fleet": [()],
}  # fmt: skip


@pytest.mark.parametrize(("event", "values"), [(event, item) for event, all_ in BROKEN.items() for item in all_])
def test_reading_ends_with_the_first_event_that_is_none(event, values):
    good = ["unreachable", "web01", "timed out"], ["unreachable", "web02", "timed out"]
    begun = run(["web01", "web02"], "enforce", id=ID)
    again = journal_replay.rebuild_collector(begun, [good[0], [], [event, *values], good[1]])
    assert {host: heard.reason for host, heard in again.host_states.items()} == {"web01": "unreachable: timed out"}
    assert again.measure_rollout() is None


def leave_run(reports: Path) -> Path:
    """Leave a run that began to correct web01 and has not reached web02; return its directory."""
    result = run(["web01", "web02"], "enforce", id=ID)
    collector = Collector(result)
    writer = journal.RunJournal(report_directory.ReportDirectory(reports / f"{ID}.partial").partial, result)
    collector.store_event = writer.write_event
    feed(collector, [("answered", "web01", RECORDS[0]), ("began", "web01", "apps")])
    writer.close()
    return reports / f"{ID}.partial"


@pytest.mark.parametrize("name", WRONG)
def test_run_that_cannot_be_closed_stays_and_is_reported(tmp_path, name):
    WRONG[name](leave_run(tmp_path))
    wrong: list[str] = []
    list(unfinished_runs.close_unfinished_runs(tmp_path, BY, wrong.append))
    assert any(("cannot be closed" in text or "cannot be written" in text) for text in wrong)
    assert list(tmp_path.glob("*.partial/journal.jsonl"))


@pytest.mark.parametrize(("mode", "why", "done", "reason"), [
    (0o640, "it was killed, or its machine went down", "It corrected no host.", "not reached"),
    (0o1640, "its journal or its report could not be written", "", "not known whether it was reached"),
])  # fmt: skip
def test_closed_run_knows_of_hosts_that_its_journal_lacks_where_it_has_all_events(tmp_path, mode, why, done, reason):
    (leave_run(tmp_path) / journal.FILE).chmod(mode)
    (closed,) = unfinished_runs.close_unfinished_runs(tmp_path, BY, [].append)
    assert f"{ID} came to no end: {why}. {done}" in closed.text
    assert ("Not known whether done: 2 hosts" if mode == 0o1640 else "Not done: 2 hosts") in closed.text
    assert str(closed.run.records[1]["reason"]).startswith(reason)
    assert closed.run.report["run"]["interrupted"] == {"why": why, "closed_by": BY}
