"""The report of one run, from the results of its tasks to its files and its exit code."""

import json
from types import SimpleNamespace

import pytest
from fleets import WECHAT, answer, clean_answer, run, wechat
from proscribe.controller.report.text.shell_commands import RunCall
from proscribe.controller.rollout import current_rollout
from proscribe_ansible import reported_run
from proscribe_ansible.exit_code import EXIT_FILE_VARIABLE, PlaybookExitCode
from proscribe_ansible.reported_run import ReportedPlaybookRun
from proscribe_ansible.terminal import RunTerminal


@pytest.fixture
def terminal(monkeypatch):
    """A terminal whose prints are in `said`, the warnings among them in `warned`, too."""
    made = RunTerminal()
    made.said, made.warned = [], []
    monkeypatch.delenv(EXIT_FILE_VARIABLE, raising=False)
    monkeypatch.setattr(reported_run.context, "CLIARGS", {})
    made.display = SimpleNamespace(
        verbosity=0,
        display=lambda text, **_: text and made.said.append(text),
        warning=lambda text: (made.said.append(text), made.warned.append(text)),
        error=lambda text: made.said.append(text),
        vvv=lambda text: None,
    )
    yield made
    current_rollout.begin_rollout(None)


def result(action, host, *, dry=False, task_vars=None, **said):
    """The result of a task, as Ansible hands it to a callback."""
    task = SimpleNamespace(action=action, check_mode=dry, vars=task_vars or {})
    return SimpleNamespace(task=task, host=SimpleNamespace(get_name=lambda: host), result=said)


def test_report_that_cannot_be_written_ends_with_a_code_of_its_own(terminal, tmp_path):
    codes = PlaybookExitCode(terminal)
    (tmp_path / "a.partial").mkdir()
    ReportedPlaybookRun(run(directory=str(tmp_path / "a.partial")), terminal, codes).end_run(failed=False)
    assert codes.compute_exit_code() == 250 and any("the report cannot be written" in text for text in terminal.said)


# -- results in the records

BAD = answer(wechat(WECHAT), evaluated=["dns/x"])
STOPPED = "stopped, because every host of a batch failed"
LIMITS = {"hosts": ["web01"], "batches": [1], "allow": {}, "set_aside": {}}


def enforced(terminal, tmp_path, *events, mode="enforce", hosts=("web01",), failed=False, **changes):
    """The report of a run with these events, and its records by host."""
    rolling = {"batches": "auto", "max_change": {"hosts": "100%", "removals": "auto"}, "max_failures": "100%"}
    facts = run(hosts, mode, directory=str(tmp_path / "r1.partial"), rollout=rolling, **changes)
    goes_on = ReportedPlaybookRun(facts, terminal, PlaybookExitCode(terminal))
    for event in events:
        event(goes_on)
    goes_on.end_run(failed)
    report = json.loads((tmp_path / "r1" / "report.json").read_text())
    lines = (tmp_path / "r1" / "hosts.jsonl").read_text().splitlines()
    return report, {one["host"]: one for one in map(json.loads, lines)}


def good(*what, **said):
    return lambda goes_on: goes_on.take_success(result(*what, **said))


def bad(*what, ignored=False, **said):
    return lambda goes_on: goes_on.take_failure(result(*what, **said), ignored)


def seen(record, host="web01"):
    return good("compliance_state", host, record=record, drifted=["apps"])


@pytest.mark.parametrize(
    ("event", "state", "reason"),
    [
        (seen(clean_answer()), "compliant", None),
        (good("collect_record", "web01", record=clean_answer()), "compliant", None),
        (bad("compliance_state", "web01", record=clean_answer(), msg="its gate"), "compliant", None),
        (good("debug", "web01", record=clean_answer()), "unknown", "no answer"),
        (bad("compliance_state", "web01", record="x", msg="no python"), "unknown", "failed: no python"),
        (bad("compliance_state", "web01", msg="no python", ignored=True), "unknown", "failed: no python"),
        (bad("debug", "web01", record=clean_answer(), msg="theirs"), "unknown", "failed: theirs"),
        (bad("debug", "web01", msg="theirs", ignored=True), "unknown", "no answer"),
        (bad("rollout", "web01", msg="a mistake"), "unknown", "failed: a mistake"),
    ],
)
def test_host_has_the_state_of_its_answer_and_is_unknown_without_one(terminal, tmp_path, event, state, reason):
    _, hosts = enforced(terminal, tmp_path, event, mode="audit")
    assert (hosts["web01"]["state"], hosts["web01"]["reason"]) == (state, reason)


DONE = {"changed": True, "actions": ["removed wechat"], "refused": []}


@pytest.mark.parametrize(
    ("event", "actions", "errors"),
    [
        (good("restricted_apps", "web01", **DONE), [("apps", "removed wechat")], []),
        (bad("restricted_apps", "web01", msg="full", **DONE), [("apps", "removed wechat")], [("apps", "full")]),
        (good("debug", "web01", **DONE), [], []),
        (bad("debug", "web01", msg="theirs", **DONE), [], [("run", "theirs")]),
    ],
)
def test_record_has_the_actions_and_errors_of_its_host(terminal, tmp_path, event, actions, errors):
    _, hosts = enforced(terminal, tmp_path, seen(BAD), event, seen(clean_answer()))
    assert [(action["control"], action["action"]) for action in hosts["web01"]["actions"]] == actions
    assert [(error["control"], error["message"]) for error in hosts["web01"]["errors"]] == errors


@pytest.mark.parametrize("how", [good, bad])
@pytest.mark.parametrize("dry", [False, True])
def test_change_in_an_audit_is_an_error_unless_it_was_only_announced(terminal, tmp_path, how, dry):
    _, hosts = enforced(terminal, tmp_path, seen(BAD), how("restricted_apps", "web01", dry=dry, **DONE), mode="audit")
    assert len([error for error in hosts["web01"]["errors"] if "only audits" in error["message"]]) == (not dry)


def test_correction_is_decided_by_the_answers_of_hosts(terminal, tmp_path):
    enforced(terminal, tmp_path, seen(BAD))
    decision = current_rollout.make_decision(terminal.show_warning)
    assert decision and list(decision.hosts) == ["web01"] and decision.changes["removals"] == 1
    enforced(terminal, tmp_path / "audit", seen(BAD), mode="audit")
    assert current_rollout.make_decision(terminal.show_warning) is None


@pytest.mark.parametrize(
    ("failures", "errors"),
    [
        ([bad("dns_filter", "web01", msg="disk full")], [("dns", "disk full")]),
        ([], [("run", "Could not correct dns")]),  # its role failed outside of its module
    ],
)
def test_failed_control_is_reported_once(terminal, tmp_path, failures, errors):
    last = bad("fail", "web01", msg="Could not correct dns", task_vars={"proscribe_repeats_failures": True})
    _, hosts = enforced(terminal, tmp_path, seen(BAD), *failures, seen(BAD), last)
    assert hosts["web01"]["state"] == "error"
    assert [(error["control"], error["message"]) for error in hosts["web01"]["errors"]] == errors


@pytest.mark.parametrize(
    ("events", "rollout"),
    [
        ((good("rollout", "web01", rollout=LIMITS),), (1, [1], STOPPED)),
        ((good("rollout", "web01"),), None),
        ((good("debug", "web01", rollout=LIMITS),), None),
        ((bad("rollout", "web01", stopped=True, msg="too many", rollout=LIMITS),), (1, [1], "too many")),
        ((bad("rollout", "web01", stopped=True, msg="too many"),), None),
        ((lambda run: run.take_decision(SimpleNamespace(**LIMITS)),) * 2, (1, [1], STOPPED)),
    ],
)
def test_rollout_of_a_run_is_in_its_report(terminal, tmp_path, events, rollout):
    report, _ = enforced(terminal, tmp_path, seen(BAD), *events)
    found = report["run"].get("rollout") or report.get("rollout")
    assert (found and (found["to_correct"], found["batches"], found["why"])) == rollout


def test_warnings_of_the_end_are_printed_and_earlier_ones_are_not_repeated(terminal, tmp_path):
    aside = good("rollout", "web01", rollout={**LIMITS, "hosts": [], "set_aside": {"web01": "too much"}})
    report, _ = enforced(terminal, tmp_path, seen(BAD), aside, warnings=["a waiver ends today"])
    early, late = report["warnings"]
    assert early == "a waiver ends today" and "web01" in late
    assert [" ".join(text.split()) for text in terminal.warned] == [late]


# -- a lift

WECHAT_IS = {"manager": "dpkg", "id": "wechat", "version": "4.1", "scope": "system", "name": "wechat", "how": "apt-get"}


def lift(terminal, tmp_path, *events, failed=False, **changes):
    """What is printed at the end of a run that lifts, and its exit code."""
    codes = PlaybookExitCode(terminal)
    facts = run(("web01", "web02"), "lift", directory=str(tmp_path / "reports/r1.partial"), **changes)
    goes_on = ReportedPlaybookRun(facts, terminal, codes)
    for event in events:
        event(goes_on)
    goes_on.end_run(failed)
    return "\n".join(terminal.said).strip().splitlines(), codes.compute_exit_code()


LIFTED = good("dns_filter", "web01", actions=["removed the filter"])
GONE = good("restricted_apps", "web01", actions=[], removed=[WECHAT_IS])


def test_dry_lift_and_one_that_reaches_no_host_lift_nothing(terminal, tmp_path, monkeypatch):
    assert lift(terminal, tmp_path, failed=True)[1] is None
    said, code = lift(terminal, tmp_path / "failed", bad("dns_filter", "web01", msg="disk full"))
    assert "not lifted on web01: disk full" in said and said[-1] == "nothing was lifted: no host was reached"
    assert code == 12
    terminal.said.clear()
    monkeypatch.setitem(reported_run.context.CLIARGS, "check", True)
    said, code = lift(terminal, tmp_path, LIFTED, GONE)
    assert said[0] == "would lift on 1 of 2 hosts (1 action); nothing was changed"
    assert not any("all of it" in line for line in said) and not (tmp_path / "reports").exists()


@pytest.mark.parametrize(
    ("changes", "apart", "again"),
    [
        ({"limit": "web*"}, [], ["this enforces it again:", "  ./proscribe enforce --limit 'web*' -i inventory/prod"]),
        (
            {"controls": ["dns"], "not_served": {"web09": "its system"}},
            ["not served, and left alone: web09, its system"],
            [],
        ),
    ],
)
def test_lift_says_where_the_ban_is_no_more_and_what_brings_it_back(terminal, tmp_path, changes, apart, again):
    changes |= {"command": RunCall(("ansible-playbook",), playbook="/srv/own.yml").make_document()} if apart else {}
    said, code = lift(terminal, tmp_path, LIFTED, GONE, **changes)
    head = f"lifted on 1 of 2 hosts (1 action); the ban is not in force there{' for dns' * bool(apart)}"
    assert said[0] == head and [line for line in said if line in again] == again
    assert "not lifted on web02: no answer" in said and [line for line in said if "not served" in line] == apart
    assert (said[-1], code) == ("1 host failed: web02", 2)
    (file,) = tmp_path.glob("reports/lifts/*/lift.json")
    assert "".join(f"all of it: {file}".split()) in "".join(" ".join(said).split())
    hosts = {host["host"]: host for host in json.loads(file.read_text())["hosts"]}
    assert [hosts[name]["lifted"] for name in ("web01", "web02")] == [True, False]
    assert [package["name"] for package in hosts["web01"]["removed"]] == ["wechat"]


def test_interrupted_lift_says_so(terminal, tmp_path):
    said, code = lift(
        terminal, tmp_path, LIFTED, lambda run: setattr(run.collector, "interruption_reason", "by Ctrl-C")
    )
    assert (said[-1], code) == ("the run was interrupted: by Ctrl-C", 14)


def test_file_of_a_lift_that_cannot_be_written_is_a_warning(terminal, tmp_path):
    (tmp_path / "reports").touch()
    said, code = lift(terminal, tmp_path, LIFTED, GONE)
    assert any("what this run lifted is in no file" in line for line in said) and code == 2
    assert not any("all of it" in line for line in said)


# -- quarantines

ROW = {
    "host": "web01", "id": "wechat-00000001", "group": "", "services": ["wechat"], "bytes": 5000, "finished": True,
    "path": "/home/alice/WeChat.AppImage", "user": "alice", "kind": "appimage", "taken_at": "2026-11-20T08:00:00Z",
    "kept_until": "2027-02-18T08:00:00Z", "next_run": {"state": "stays", "why": "covered by waiver w1"},
}  # fmt: skip
LISTED = {"quarantined": [ROW], "broken": [], "left_out": 0}


def run_quarantine(terminal, tmp_path, *events, do="list", form="table", rows=(ROW,), failed=False):
    """What is printed at the end of a run over quarantines, and its exit code."""
    codes = PlaybookExitCode(terminal)
    goes_on = ReportedPlaybookRun(run(mode="quarantine", directory=str(tmp_path / "r1.partial")), terminal, codes)
    answer_ = {"asked": {}, "hosts": ["web01", "web02"], "do": do, "format": form}
    for event in (good("quarantine_choice", "web01", **answer_), *events):
        event(goes_on)
    good("quarantine_choice", "web01", rows=list(rows), ids={})(goes_on)
    good("quarantine_choice", "web01", skipped=True)(goes_on)
    good("debug", "web01", rows=[])(goes_on)
    goes_on.end_run(failed)
    assert list(tmp_path.iterdir()) == [], "it writes no report"
    return "\n".join(terminal.said).strip().splitlines(), codes.compute_exit_code()


def test_list_has_items_of_hosts_and_names_those_without_an_answer(terminal, tmp_path):
    events = [
        good("quarantine", "web01", **LISTED),
        lambda one: one.take_unreachable(result("quarantine", "web02", msg="no route")),
    ]
    said, code = run_quarantine(terminal, tmp_path, *events)
    assert said[-2:] == ["1 item, 5,000 B; 1 of 2 hosts answered", "unknown: web02: unreachable: no route"]
    assert any("wechat-00000001" in line for line in said) and code is None


@pytest.mark.parametrize(
    ("event", "failed", "code", "why"),
    [
        (good("debug", "web01", **LISTED), False, 12, "no answer"),
        (good("debug", "web01", asked={}, hosts=[], do="prune", format=""), False, 12, "no answer"),
        (bad("quarantine", "web01", msg="disk full"), False, 12, "disk full"),
        (bad("quarantine", "web01", msg="disk full"), True, None, "disk full"),
        (bad("quarantine", "web01", msg="disk full", **LISTED), False, None, None),
    ],
)
def test_exit_code_of_a_list_depends_on_an_answer(terminal, tmp_path, event, failed, code, why):
    said, found = run_quarantine(terminal, tmp_path, event, failed=failed)
    assert found == code and (f"unknown: web01: {why}" in said) == bool(why)


@pytest.mark.parametrize(("do", "code"), [("list", 2), ("restore", None)])
def test_entry_that_cannot_be_read_is_a_mistake_of_a_list(terminal, tmp_path, do, code):
    event = good("quarantine", "web01", quarantined=[], broken=[{"id": "odd", "why": "no JSON"}], left_out=0)
    assert run_quarantine(terminal, tmp_path, event, do=do)[1] == code


def test_list_for_machines_is_one_document(terminal, tmp_path):
    said, _ = run_quarantine(terminal, tmp_path, good("quarantine", "web01", **LISTED), form="json")
    document = json.loads("\n".join(said))
    assert [one["state"] for one in document["hosts"]] == ["listed", "unknown"] and document["items"] == [ROW]
    assert said[1].startswith('  "'), "people read it too"
