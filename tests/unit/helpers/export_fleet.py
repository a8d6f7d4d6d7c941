"""A made fleet with a host of each kind, and its exports: for the tests of the exports, here and in real readers."""

import fleets
from fleets import PROCESS, WAIVERS, WECHAT, wechat
from proscribe.controller.report.evaluation.reconciliation import make_run_report, reconcile_records
from proscribe.controller.report.exports import list_default_names, list_export_formats, write_exports
from proscribe.model.finding import STATES, Finding, RuleVerdict, judge_rule
from proscribe.wire.answers.record import read_record

FINISHED = "2026-11-25T00:31:00Z"
WAIVED = {"mode": "waived", "waiver": "press-office"}
UPCOMING = {"mode": "upcoming", "effective_from": "2027-01-01"}

# One host of each kind, and what it answers; "gone" does not answer, "other" answers for another plan.
ANSWERS = {
    "holds": fleets.clean_answer(),
    "broken": fleets.answer(wechat(WECHAT, PROCESS), evaluated=["apps/line", "dns/line"])
    | {"attempts": {"firewall/telegram": 40}},
    "blind": fleets.answer(RuleVerdict("apps/wechat", "unknown", reason="needs root"), evaluated=["apps/line"]),
    "failed": fleets.answer(evaluated=["apps/line"], errors=[{"control": "dns", "message": "it broke"}])
    | {"state": "error"},
    "excused": fleets.answer(wechat(WECHAT, entry=WAIVED), evaluated=["apps/line"])
    | {"attempts": {"firewall/telegram": 2}},
    "mended": fleets.answer(evaluated=["apps/line"])
    | {"state": "repaired", "rules": [wechat(WECHAT).convert_to_dict() | {"state": "repaired"}], "rules_evaluated": 2},
    "early": fleets.answer(judge_rule("apps/wechat", UPCOMING, [WECHAT])),
    "idle": fleets.answer(judge_rule("apps/wechat", UPCOMING, [])),
    "other": fleets.clean_answer(digest=fleets.OTHER_DIGEST),
}
STATE = {
    "holds": "compliant", "broken": "noncompliant", "blind": "unknown", "failed": "error", "excused": "waived",
    "mended": "repaired", "early": "not_applicable", "idle": "not_applicable", "other": "unknown", "gone": "unknown",
}  # fmt: skip
# Text that would break out of one format or the other, in every place where a host can put some.
HOSTILE = "=cmd|' /C calc'!A0,\x00\x1b[31m\r\n]]></testcase><a b=\"c\">\\{}\ud800\u202e\ufffe "
# Names of hosts that people cannot tell apart, and of which a cleaned text is sometimes the same.
ALIKE = [
    "web\u200b1", "web\u200c1", "web\ufffd1", "web\x001", "web\u00a01", "web 1", "Web 1", "web\ufffd{200b}1", "web\t1",
]  # fmt: skip


def exported(directory, names=None, answers=ANSWERS, hosts=tuple(STATE), **changes):
    """Return the exports of a fleet as texts by name."""
    names = list_default_names() if names is None else names
    run = fleets.run(hosts, **{"waivers": WAIVERS, **changes})
    records = [read_record(host, answer) for host, answer in answers.items()]
    fleet = reconcile_records(run["hosts"], records, {"gone": "unreachable: no route to host"})
    report = make_run_report(run, fleet, FINISHED)
    paths = write_exports(directory, report, fleet.records, names)
    assert [path.name for path in paths] == [list_export_formats()[name].file_name for name in names]
    return {name: path.read_bytes().decode() for name, path in zip(names, paths)}


def hostile_answers():
    """Return hosts whose every text is hostile, in each state."""
    return {f"{state}{HOSTILE}": hostile_answer(HOSTILE, state) for state in STATES}


def hostile_answer(text, state="noncompliant"):
    """Return an answer whose every text is the given one."""
    finding = Finding(*[text] * len(Finding._fields))
    verdict = RuleVerdict(f"apps/{text}", state, (finding, finding), text, text)
    answer = fleets.answer(verdict, errors=[{"control": "dns", "message": text}], checked_at=text)
    return {**answer, "platform": {"os": text, "version": text}}
