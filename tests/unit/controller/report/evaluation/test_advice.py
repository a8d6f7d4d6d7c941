"""What is proposed after a run, by how its hosts stand, and on which hosts each command is."""

from collections import Counter
from typing import Any

import pytest
from made_records import make_record, make_rule
from proscribe.controller.report.evaluation.advice import make_host_lists, propose_next_steps
from proscribe.model.finding import STATES

CALL = {"program": ["./p"], "word": "audit", "playbook": "", "options": ["-i", "prod"], "cwd": "", "withheld": []}
ENFORCED = {"apps": {"mode": "enforce", "state": "noncompliant"}}
AUDITED = {"apps": {"mode": "audit", "state": "noncompliant"}}


def make_bad_record(host: str, **more: Any) -> Any:
    return make_record(host, "noncompliant", controls=ENFORCED, **more)


def make_silent_record(host: str, reason: str = "no answer") -> Any:
    return make_record(host, "unknown", rules_evaluated=0, reason=reason)


def make_blind_record(host: str) -> Any:
    return make_record(host, "unknown", make_rule("apps/x", "unknown", "needs root"))


def make_report(records: Any, run: Any = None, **more: Any) -> Any:
    counts = Counter(record["state"] for record in records)
    facts = {"mode": "audit", "playbook": "audit", "command": CALL, "expected_hosts": 9, "limit": "", "left_out": 0}
    facts |= {"inventory": ["prod"], "controls": [], **(run or {})}
    summary = {"hosts": {state: counts[state] for state in STATES}}
    return {"run": facts, "summary": summary, "upcoming": [], **more}


def list_steps(records: Any, directory: str = "", **more: Any) -> list[str]:
    """Return the proposed steps, each with its command."""
    steps = propose_next_steps(make_report(records, **more), records, directory)
    return [f"{step.text} {step.command.line()}".strip() if step.command else step.text for step in steps]


LIMIT = "--limit web01"
TWO = [make_bad_record("web01"), make_record("web02")]
SEE = f"see what would change: ./p enforce --check --diff {LIMIT} -i prod"
CUT = {"interrupted": {"why": "killed", "closed_by": None}}
ALLOWED = """'{"proscribe_max_change": {"apps": 3}}'"""
FIRST = (
    "first put token into proscribe-secret-vars.yml (ansible-vault create makes one that is encrypted): "
    "this run had them on its command line, and what looks like a secret is not repeated here"
)
STOPPED: Any = {"not_reached": 2, "allow": {}, "set_aside": []}


@pytest.mark.parametrize(("records", "more", "steps"), [
    ([], {}, ["no host was selected: check the inventory (-i), the limit (-l) and the tags"]),
    ([], {"not_served": [{}]}, ["Proscribe serves none of these hosts: it observes no network devices"]),
    (TWO, {"department": {"name": "press"}}, []),
    (TWO, {}, [SEE, "the same without --check --diff corrects it"]),
    ([make_record("web01", "noncompliant", controls={**ENFORCED, "dns": AUDITED["apps"]})], {},
     [SEE, "the same without --check --diff corrects what is enforced"]),
    (TWO, {"run": {"mode": "check"}}, [f"nothing was changed; to make these changes: ./p audit {LIMIT} -i prod"]),
    (TWO, {"run": {"mode": "enforce"}},
     ["enforcing did not correct everything: see what was refused or is only audited, above"]),
    (TWO, {"run": {"command": {**CALL, "word": "", "playbook": "/srv/site.yml"}}},
     ["enforce by a play with the hosts and variables of site.yml: it corrects it"]),
    ([make_bad_record("web01", platform={"os": "windows"}), make_bad_record("web02", platform={"os": "macos"})], {},
     ["Windows hosts and Macs are only observed: correct them by their own management"]),
    ([make_bad_record("web01", platform={"os": "windows"}), make_record("web02", "noncompliant", controls=AUDITED)], {},
     ["what is noncompliant is only audited: enforcing leaves it as it is (proscribe_controls)"]),
    ([make_blind_record("web01"), make_record("web02")], {},
     [f"check as root what could not be observed (-K too if sudo asks for a password): ./p audit {LIMIT} -i prod -b"]),
    ([make_silent_record("web01"), make_record("web02")], {}, [f"ask it again: ./p audit {LIMIT} -i prod"]),
    ([make_silent_record("web01", "unreachable: x"), make_silent_record("web02")], {},
     ["ask these 2 hosts again, once reachable: ./p audit --limit web01,web02 -i prod"]),
    ([make_silent_record("web01")], {"run": {"command": {**CALL, "withheld": ["token"]}}},
     [FIRST, f"ask it again: ./p audit {LIMIT} -i prod"]),
    ([make_record("web01", "error")], {}, ["errors: correct what they name and run again; -v shows every task"]),
    ([*TWO, make_silent_record("web03")], {"run": CUT},
     ["go on with what was not done (1 host): ./p audit --limit web03 -i prod"]),
    ([*TWO, make_silent_record("web03")], {"run": {**CUT, "mode": "enforce"}},
     ["go on with what was not done (2 hosts): ./p audit --limit web01,web03 -i prod"]),
    (TWO, {"rollout": STOPPED, "run": {"limit": "web*"}},
     ["go on with the other 2 hosts, once the failure is corrected: ./p audit --limit 'web*' -i prod"]),
    (TWO, {"rollout": {**STOPPED, "not_reached": 1, "allow": {"apps": 3}}},
     ["see what would change on the other 1 host: ./p audit --check --diff -i prod",
     f"go on, if all of these changes are intended: ./p audit -i prod -e {ALLOWED}"]),
    (TWO, {"rollout": {**STOPPED, "not_reached": 0, "set_aside": [{"host": "web02"}]}},
     ["see what would change on the host that was set aside: ./p audit --check --diff --limit web02 -i prod"]),
    ([make_record("web01"), make_record("web02", "waived")], {"requests": {"waiting": 1}},
     ["1 request waits: ./p requests -i prod", "nothing: the ban is in effect on every host, but for waivers"]),
    ([make_record("web01", "repaired")], {"run": {"left_out": 2}, "not_served": [{}, {}]},
     ["nothing: the ban is in effect on this host that was selected that is served; 2 hosts not served"]),
    ([make_record("web01", "not_applicable", rules_evaluated=0)], {"run": {"expected_hosts": 1}},
     ["ask it again: ./p audit -i prod", "nothing: nothing is restricted"]),
    ([make_record("web01")], {"watch": {"closed_again": 1, "ended_on": 0, "frozen": 2, "stale": 0, "unobserved": 0}},
     ["nothing: the ban is in effect on this host",
     "read what happened between two runs: 1 host open in between and closed again, 2 hosts frozen"]),
])  # fmt: skip
def test_advice_fits_the_states_of_hosts(records, more, steps):
    assert list_steps(records, **more) == steps


@pytest.mark.parametrize(("hosts", "run", "directory", "limit"), [
    (["a", "b", "c", "d"], {}, "/r", " --limit a,b,c,d"),
    (["a", "b", "c", "d", "e"], {}, "/r", " --limit @/r/unknown.txt"),
    (["a", "b", "c", "d", "e"], {"limit": "x,y,x"}, "", " --limit x,y"),
    (["a b"], {"limit": "x"}, "/r", " --limit x"),
    (["a:b"], {}, "/r", ""),
    (["a"], {"expected_hosts": 1}, "/r", ""),
    (["a", "b", "c", "d", "e"], {"expected_hosts": 5, "limit": "x"}, "/r", " --limit x"),
])  # fmt: skip
def test_command_names_few_hosts_and_a_file_of_many(hosts, run, directory, limit):
    (step,) = list_steps([make_silent_record(host) for host in hosts], directory, run=run)
    assert step.partition(": ")[2] == f"./p audit{limit} -i prod"


def test_hosts_that_are_too_many_for_a_command_are_files_by_what_they_are():
    wrong, lost = [f"b{number}" for number in range(5)], [f"s{number}" for number in range(5)]
    records = [*map(make_bad_record, wrong), *map(make_silent_record, lost), make_record("web01")]
    lists = {"noncompliant.txt": wrong, "unknown.txt": lost}
    assert make_host_lists(make_report(records)["run"], records) == lists
    assert make_host_lists(make_report(records, CUT)["run"], records) == {"not_done.txt": lost, **lists}
    both: Any = make_report(records, {**CUT, "mode": "enforce"})["run"]
    assert make_host_lists(both, records) == {"not_done.txt": [*wrong, *lost], **lists}
    assert make_host_lists(both, [*records[:4], *records[5:9]])["not_done.txt"] == [*wrong[:4], *lost[:4]]
    assert list(make_host_lists(both, [*records[:4], *records[5:9]])) == ["not_done.txt"]
    rollout: Any = {**STOPPED, "allow": {}}
    (step,) = list_steps(records[:1], "/r", rollout=rollout)
    assert step.endswith("./p audit --limit @/r/not_reached.txt -i prod")
    aside = {**STOPPED, "not_reached": 0, "set_aside": [{"host": host} for host in lost]}
    assert "--limit @/r/set_aside.txt" in list_steps(records[:1], "/r", rollout=aside)[0]
    assert "--limit @/r/not_done.txt" in list_steps(records, "/r", run={**CUT, "expected_hosts": 20})[0]
    assert "--limit @/r/noncompliant.txt" in list_steps(records[:5], "/r")[0]
