"""The notification of a scheduled run: the drift, its begin, its repetitions and the users who were logged in.

A run without changes has no notification. A lasting state is no news: an earlier notification reported its begin, and
the report lists it.
"""

from __future__ import annotations

import datetime
from collections.abc import Collection, Iterable, Mapping, Sequence
from email.message import EmailMessage
from typing import NamedTuple, TypedDict

from ...base.chat_text import HOSTS_HEADING, escape_chat_text, escape_json_texts, make_quoted_block
from ...base.duration import format_moment, parse_moment
from ...model.finding import COMPLIANT, ERROR, OPEN_STATES, REPAIRED
from ...model.types.record import HostRecord
from ...model.types.report import FleetReport
from .evaluation.scope import describe_interruption
from .evaluation.watch_remark_groups import ENDED, FROZEN, INCIDENT, WatchRemark, list_remarks
from .history import History
from .history import incident_entries as history_between
from .history import run_changes as history_news
from .text.wording import clean_text, describe_finding, format_count, format_readable_time, summarise_names

SCHEMA = "proscribe/notice/1"
PERIOD_DAYS = 30  # drifts of the last so many days are counted
MAX_LISTED_HOSTS = 20  # most hosts that a notification lists, each with its changes
MAX_LISTED_RULES = 8  # most rule groups, and most events between runs, that are listed for a host
MAX_NAMED_RULES = 3  # above this number, rules with the same cause are only counted
MAX_EVIDENCE_LENGTH = 160  # most characters of the evidence of a change
# Kinds of events between two runs that are reported. A stale plan is left out, because a separate rule reports it.
REPORTED_KINDS = (INCIDENT, ENDED, FROZEN)


class NotificationPayload(TypedDict):
    """The facts for a webhook, and a mail without its recipient."""

    facts: Mapping[str, object]
    message: str


class QuotedLines(NamedTuple):
    """Lines with texts that hosts or users wrote: file names, users, reasons, names of publishers.

    A chat shows these lines in a quoted block, so that it interprets nothing in them. `heading` stands above the block.
    """

    lines: Sequence[str]
    heading: str = HOSTS_HEADING


class Notification(NamedTuple):
    """A notification: its subject, its text for readers, and its facts for a webhook.

    The texts in `facts` are escaped, so that a chat interprets nothing in them.
    """

    subject: str
    lines: tuple[str, ...]
    facts: Mapping[str, object]

    def make_payload(self) -> NotificationPayload:
        """Return the facts for a webhook, and the text as a mail, for the playbook that sends both."""
        mail = EmailMessage()
        mail["Subject"] = self.subject
        mail["Auto-Submitted"] = "auto-generated"
        mail.set_content(self.text)
        return {"facts": self.facts, "message": mail.as_string()}

    @property
    def text(self) -> str:
        """The text of the notification, line by line."""
        return "\n".join(self.lines) + "\n"


def build_notification(subject: str, lines: Sequence[str | QuotedLines], **facts: object) -> Notification:
    """Build a notification from lines of text and from `facts` for a webhook.

    Texts that hosts or users wrote belong in QuotedLines. The key `text` is added to the facts: the text that a chat
    shows.
    """
    subject = clean_text(subject)
    plain_lines: list[str] = []
    chat_lines: list[str] = []
    for part in lines:
        cleaned = list(map(clean_text, part.lines if isinstance(part, QuotedLines) else [part]))
        plain_lines += cleaned
        chat_lines.append(
            make_quoted_block(part.heading, cleaned) if isinstance(part, QuotedLines) else escape_chat_text(*cleaned)
        )
    text = "\n".join([escape_chat_text(subject), "", *chat_lines])
    escaped = {key: escape_json_texts(fact_value) for key, fact_value in {"subject": subject, **facts}.items()}
    return Notification(subject, tuple(plain_lines), {"schema": SCHEMA, **escaped, "text": text})


class RuleChange(NamedTuple):
    """A changed rule of a host.

    `rule` is "" for the host as a whole.
    """

    rule: str
    state: str  # the state after the change
    what: str  # the change in words, such as its evidence
    since: str | None  # begin (UTC) of the incident; None if unknown
    found: str | None = None  # time (UTC) at which this run found the defect; None if it found none
    repaired: str | None = None  # time (UTC) at which the host was observed as compliant again; None if it was not
    times: int = 0  # number of drifts of the rule on the host in the last PERIOD_DAYS
    ended_waiver: str | None = None  # id of the waiver whose end caused the change


class HostNews(NamedTuple):
    """The changes and events of a host that a notification reports."""

    record: HostRecord
    rule_changes: list[RuleChange]
    remarks: list[WatchRemark]


class RunHistory(NamedTuple):
    """The facts about a run that only the history has."""

    incident_changes: Sequence[history_news.IncidentChange] = ()
    drift_counts: Mapping[tuple[str, str], int] = {}  # (host, rule) -> number of drifts in the last PERIOD_DAYS
    is_first_run: bool = False  # true if no earlier run over the inventory is stored, so nothing can have drifted
    # (host, control) with a new plan in this run: a defect there is no drift
    new_plans: frozenset[tuple[str, str]] = frozenset()
    no_longer_waived: frozenset[tuple[str, str]] = frozenset()  # (host, rule) that a waiver permitted before this run
    # By host: ids of the events between two runs that no earlier run reported.
    new_remark_ids: Mapping[str, frozenset[str]] = {}


def read_run_history(history: History | None, report: FleetReport) -> RunHistory | None:
    """Read from the history database what changed with the run of `report`; None without a history.

    The result has incidents, drifts, new plans, ended waivers and new events between two runs. Raises HistoryError.
    """
    if history is None:
        return None
    run_id, finished = report["run"]["id"], report["run"]["finished"]
    since = format_moment(parse_moment(finished) - datetime.timedelta(days=PERIOD_DAYS))
    with history.database.open_for_reading() as session:
        return RunHistory(
            history_news.list_incident_changes(session, run_id),
            history_news.count_drifts(session, run_id, since),
            history_news.is_first_run(session, run_id),
            history_news.list_new_plan_controls(session, run_id),
            history_news.list_unwaived_rules(session, run_id),
            history_between.list_changed_ids(session, run_id),
        )


def make_run_notification(
    report: FleetReport, records: Iterable[HostRecord], run_history: RunHistory | None, report_directory: str
) -> Notification | None:
    """Make the notification of a run; None if nothing changed and the run was not stopped.

    Without a history database, `run_history` is None and every defect counts as new. `report_directory` is named in the
    text.
    """
    news_by_host: dict[str, HostNews] = {}
    incident_changes = {
        (change.host, change.rule): change for change in (run_history.incident_changes if run_history else ())
    }
    for record in records:
        rule_changes = [
            _add_ended_waiver(report, record["host"], rule_change, run_history)
            for rule_change in _list_rule_changes(record, incident_changes, run_history)
        ]
        host_news = HostNews(record, rule_changes, _select_remarks(record, run_history))
        if host_news.rule_changes or host_news.remarks:
            news_by_host[record["host"]] = host_news
    # (host, rule) of each change, without rules that are compliant again
    broken = {
        (host, rule_change.rule)
        for host, host_news in news_by_host.items()
        for rule_change in host_news.rule_changes
        if rule_change.state != COMPLIANT
    }
    repeated_drift = history_news.select_repeated_drift(run_history.drift_counts, broken) if run_history else {}
    stop_reason = describe_interruption(report)
    if not news_by_host and not stop_reason:
        return None
    lines: list[str | QuotedLines] = [f"The run was stopped: {stop_reason}", ""] if stop_reason else []
    if news_by_host:
        lines.append(
            QuotedLines(
                [
                    line
                    for host_news in list(news_by_host.values())[:MAX_LISTED_HOSTS]
                    for line in _format_host_lines(host_news)
                ]
            )
        )
    if len(news_by_host) > MAX_LISTED_HOSTS:
        lines.append(f"... and {format_count(len(news_by_host) - MAX_LISTED_HOSTS, 'more host')}")
    if repeated_drift:
        lines += [
            "",
            f"Repeated drift, so something there reverts the correction: {summarise_names(list(repeated_drift), 10)}",
        ]
    lines += ["", f"The whole report: {report_directory}/report.html"]
    return build_notification(
        _format_subject(news_by_host, stop_reason, run_history),
        lines,
        run=report["run"]["id"],
        finished=report["run"]["finished"],
        report=report_directory,
        hosts=[_make_host_facts(host_news) for host_news in list(news_by_host.values())[: MAX_LISTED_HOSTS * 5]],
        number_of_hosts=len(news_by_host),
        again_and_again=sorted(repeated_drift),
        stopped=stop_reason or None,
    )


def _make_host_facts(host_news: HostNews) -> dict[str, object]:
    """Return the facts about a host for machines, with at most five times as many entries as the text has."""
    return {
        "host": host_news.record["host"],
        "logged_in": list(host_news.record.get("logged_in", ())),
        "number_of_changes": len(host_news.rule_changes),
        "still_not_in_order": len(_list_unchanged_rules(host_news)),
        "changes": [rule_change._asdict() for rule_change in host_news.rule_changes[: MAX_LISTED_RULES * 5]],
        "between_runs": [_make_remark_facts(remark) for remark in host_news.remarks[: MAX_LISTED_RULES * 5]],
    }


def _select_remarks(record: HostRecord, run_history: RunHistory | None) -> list[WatchRemark]:
    """Return the events between two runs on a host that no earlier run reported.

    Without a history, all events in the record are returned.
    """
    reported_remarks = [remark for remark in list_remarks(record) if remark.kind in REPORTED_KINDS]
    if run_history is None:
        return reported_remarks
    new_ids = run_history.new_remark_ids.get(record["host"], frozenset())
    return [remark for remark in reported_remarks if history_between.identify_remark(remark) in new_ids]


def _make_remark_facts(remark: WatchRemark) -> dict[str, object]:
    """Return the facts about an event between two runs for machines; the keys are fields of WatchRemark."""
    facts = {key: getattr(remark, key) for key in ("kind", "rule", "program", "user", "first", "last", "times")}
    return {**facts, "users": list(remark.users), "text": clean_text(remark.text)}


def _list_rule_changes(
    record: HostRecord,
    incident_changes: Mapping[tuple[str, str], history_news.IncidentChange],
    run_history: RunHistory | None,
) -> Iterable[RuleChange]:
    """Yield the rules of a host that the notification reports: new defects, corrections, ended defects.

    `incident_changes` has the incidents that began or ended in this run, by (host, rule). Without a history, every
    defect and every correction counts as new. The rule "" stands for the host as a whole.
    """
    host = record["host"]
    drift_counts = run_history.drift_counts if run_history else {}
    listed_rules = {rule["rule"] for rule in record["rules"]}
    for rule in record["rules"]:
        name, state = rule["rule"], rule["state"]
        change = incident_changes.get((host, name))
        # Skip a rule that is in order, and a rule whose state the history already had before this run.
        if state not in (*OPEN_STATES, REPAIRED) or (run_history is not None and change is None):
            continue
        first_evidence = describe_finding(rule["findings"][0]) if rule["findings"] else clean_text(rule["reason"] or "")
        more_findings = len(rule["findings"]) - 1
        description = f"{first_evidence} and {more_findings} more" if more_findings > 0 else first_evidence
        found_at = record.get("found_at") or record["checked_at"]
        repaired_at = record["checked_at"] if state == REPAIRED else None
        yield RuleChange(
            name,
            state,
            description,
            change.opened if change else found_at,
            found_at,
            repaired_at,
            drift_counts.get((host, name), 0),
        )
    # The host as a whole: it began or ceased to answer. Without a history, a host without an answer counts as a change.
    change = incident_changes.get((host, ""))
    if change is not None or (run_history is None and not record["rules_evaluated"]):
        end_state = change.ended if change else ""
        description = record["reason"] or (change.evidence if change else "")
        if change and end_state:
            description = (
                f"{'no error any more' if change.state == ERROR else 'observed again'} (before: {change.evidence})"
            )
        yield RuleChange(
            "", COMPLIANT if end_state else record["state"], clean_text(description), change.opened if change else None
        )
    # Rules that the record does not list any more, because they are compliant again.
    for (changed_host, name), change in incident_changes.items() if run_history else ():
        if changed_host == host and name and name not in listed_rules and change.ended in (COMPLIANT, REPAIRED):
            description, drift_count = (
                clean_text(f"compliant again: {change.evidence}"),
                drift_counts.get((host, name), 0),
            )
            yield RuleChange(
                name, COMPLIANT, description, change.opened, repaired=record["checked_at"], times=drift_count
            )


def _add_ended_waiver(
    report: FleetReport, host: str, rule_change: RuleChange, run_history: RunHistory | None
) -> RuleChange:
    """Return the change with the id of the waiver whose end caused it, or unchanged if no waiver did."""
    control, _, service = rule_change.rule.partition("/")
    if (
        run_history is None
        or (host, rule_change.rule) not in run_history.no_longer_waived
        or rule_change.state not in (*OPEN_STATES, REPAIRED)
    ):
        return rule_change
    for waiver in report["waivers"]:
        is_covered = host in waiver["hosts"] and service in waiver["services"] and control in waiver["controls"]
        if is_covered and waiver["status"] in ("expired", "revoked"):
            return rule_change._replace(
                ended_waiver=waiver["id"], what=f"waiver {waiver['id']} ended: {rule_change.what}"
            )
    return rule_change


def _list_unchanged_rules(host_news: HostNews) -> list[str]:
    """Return the rules of a host that are still not compliant and did not change in this run."""
    notified_rules = {rule_change.rule for rule_change in host_news.rule_changes}
    return [
        rule["rule"]
        for rule in host_news.record["rules"]
        if rule["state"] in OPEN_STATES and rule["rule"] not in notified_rules
    ]


def _format_subject(news_by_host: Mapping[str, HostNews], stop_reason: str, run_history: RunHistory | None) -> str:
    """Format the subject line: for each kind of change, the number of hosts that have it.

    A host may count for several kinds. `stop_reason` is why the run ended early; "" if it did not.
    """
    # host -> states of its changed rules
    states = {
        host: {rule_change.state for rule_change in host_news.rule_changes} for host, host_news in news_by_host.items()
    }
    # hosts with a corrected rule, and those of them that are wholly in order now
    corrected_hosts = {host for host, changed_states in states.items() if REPAIRED in changed_states}
    repaired_hosts = {host for host in corrected_hosts if news_by_host[host].record["state"] not in OPEN_STATES}
    new_plans = run_history.new_plans if run_history else frozenset()
    drifted_hosts = {
        host
        for host in repaired_hosts
        if any(_has_drifted(host, rule_change, new_plans) for rule_change in news_by_host[host].rule_changes)
    }
    noncompliant_count = sum(bool(changed_states - {REPAIRED, COMPLIANT}) for changed_states in states.values())
    remark_lists = [host_news.remarks for host_news in news_by_host.values() if host_news.remarks]
    closed_count = sum(
        any(remark.kind == INCIDENT and not remark.open_now for remark in remarks) for remarks in remark_lists
    )
    ended_count = sum(any(remark.kind == ENDED for remark in remarks) for remarks in remark_lists)
    frozen_count = sum(any(remark.kind == FROZEN for remark in remarks) for remarks in remark_lists)
    compliant_count = sum(changed_states == {COMPLIANT} for changed_states in states.values())
    is_first_run = bool(run_history and run_history.is_first_run)
    # hosts on which every correction followed the end of a waiver
    waivers_ended = {
        host
        for host in repaired_hosts
        if all(
            rule_change.ended_waiver for rule_change in news_by_host[host].rule_changes if rule_change.state == REPAIRED
        )
    }
    verbs = {
        "closed at the end of a waiver": waivers_ended,
        "corrected for the first time": repaired_hosts - waivers_ended if is_first_run else (),
        "corrected after drift": () if is_first_run else drifted_hosts - waivers_ended,
        "corrected": () if is_first_run else repaired_hosts - drifted_hosts - waivers_ended,
        "partly corrected": corrected_hosts - repaired_hosts,
    }
    parts = [
        *(f"{format_count(len(hosts), 'host')} {verb}" for verb, hosts in verbs.items() if hosts),
        *([f"{format_count(noncompliant_count, 'host')} newly not compliant"] if noncompliant_count else []),
        *([f"{format_count(compliant_count, 'host')} compliant again"] if compliant_count else []),
        *([f"{format_count(closed_count, 'host')} open in between and closed again"] if closed_count else []),
        *([f"programs ended on {format_count(ended_count, 'host')}"] if ended_count else []),
        *([f"{format_count(frozen_count, 'host')} frozen"] if frozen_count else []),
        *(["stopped before all hosts were corrected"] if stop_reason else []),
    ]
    return "Proscribe: " + ", ".join(parts or [f"events between two runs on {format_count(len(remark_lists), 'host')}"])


def _has_drifted(host: str, rule_change: RuleChange, new_plans: Collection[tuple[str, str]]) -> bool:
    """Return whether this run corrected a rule that was compliant in the previous run, under the same plan.

    A rule that a waiver permitted until now has not drifted.
    """
    return (
        rule_change.state == REPAIRED
        and not _has_begun_earlier(rule_change)
        and not (rule_change.ended_waiver or (host, rule_change.rule.partition("/")[0]) in new_plans)
    )


def _has_begun_earlier(rule_change: RuleChange) -> bool:
    """Return whether the incident of a rule began before this run observed the host."""
    return bool(rule_change.since and rule_change.found) and str(rule_change.since) < str(rule_change.found)


def _format_host_lines(host_news: HostNews) -> Iterable[str]:
    """Yield the lines about a host: changes by cause, events between two runs, defects from before."""
    record, remarks = host_news.record, host_news.remarks
    logged_in = record.get("logged_in")
    yield f"{record['host']}{f' (logged in: {summarise_names(logged_in, 5)})' if logged_in else ''}"
    changes_by_cause: dict[tuple[str, ...], list[RuleChange]] = {}
    for rule_change in host_news.rule_changes:
        control = rule_change.rule.partition("/")[0]
        # Group the rules by control, because a missing policy file affects a hundred rules. Each app stays separate.
        subject = rule_change.rule if control == "apps" else control
        # the host's changes with the same values are in one line
        cause = (
            subject,
            rule_change.state,
            str(rule_change.since),
            str(rule_change.times),
            str(rule_change.ended_waiver),
        )
        changes_by_cause.setdefault(cause, []).append(rule_change)
    for group in list(changes_by_cause.values())[:MAX_LISTED_RULES]:
        yield f"  {_format_change_group(group)}"
    if len(changes_by_cause) > MAX_LISTED_RULES:
        yield (
            f"  ... and more: {format_count(sum(map(len, list(changes_by_cause.values())[MAX_LISTED_RULES:])), 'rule')}"
        )
    for remark in remarks[:MAX_LISTED_RULES]:
        program_of_user = f"{remark.rule}, {remark.program} of {remark.user}"
        yield f"  {program_of_user if remark.kind == ENDED else remark.rule or 'the watcher'}: {remark.text}"
    if len(remarks) > MAX_LISTED_RULES:
        yield f"  ... and more between two runs: {format_count(len(remarks) - MAX_LISTED_RULES, 'event')}"
    if unchanged_rules := _list_unchanged_rules(host_news):
        controls = {rule.partition("/")[0] for rule in unchanged_rules}
        error_messages = [error["message"] for error in record["errors"] if error["control"] in controls][:1]
        yield (
            f"  still not compliant: "
            f"{': '.join([_summarise_rules(unchanged_rules), *map(_shorten_text, error_messages)])}"
        )


def _summarise_rules(rules: Sequence[str]) -> str:
    """Format a few rules by their names, and more than MAX_NAMED_RULES as a number for each control."""
    if len(rules) <= MAX_NAMED_RULES:
        return summarise_names(rules, MAX_NAMED_RULES)
    controls = [rule.partition("/")[0] for rule in rules]
    return ", ".join(format_count(controls.count(control), f"{control} rule") for control in dict.fromkeys(controls))


def _format_change_group(group: Sequence[RuleChange]) -> str:
    """Format the changed rules of a host that have the same cause as one line."""
    first_change = group[0]
    name = _summarise_rules([rule_change.rule for rule_change in group])
    state = "corrected" if first_change.state == REPAIRED else first_change.state
    time_text = f"since {format_readable_time(first_change.since)}" if first_change.since else ""
    if first_change.state == REPAIRED:
        since_text = f", {time_text}" if _has_begun_earlier(first_change) else ""
        time_text = (
            f"found {_format_instant(first_change.found)}, corrected "
            f"{_format_instant(first_change.repaired)}{since_text}"
        )
    count_text = f" (time {first_change.times} in {PERIOD_DAYS} days)" if first_change.times > 1 else ""
    detail = "; ".join(part for part in (_shorten_text(first_change.what), time_text) if part)
    return f"{name or 'the host'}: {state}{count_text}{f': {detail}' if detail else ''}"


def _format_instant(time: object) -> str:
    """Format a UTC time for readers, to the second."""
    return clean_text(time).replace("T", " ").replace("Z", " UTC")


def _shorten_text(text: str) -> str:
    return text if len(text) <= MAX_EVIDENCE_LENGTH else f"{text[:MAX_EVIDENCE_LENGTH]}..."
