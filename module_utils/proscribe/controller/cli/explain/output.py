"""Output of `./proscribe explain`, as text and as JSON."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence

from ....model.plan import CONTROLS
from ...report.text.terminal_layout import apply_styles, format_table_row, wrap_indented_text, wrap_text
from ...report.text.wording import clean_text, format_count, format_key, summarise_names
from ...report.text.wording import format_readable_time as times
from .answer_texts import CONCERNED_KINDS, MAX_NAMED_HOSTS, AnswerGroup
from .reasons import DECIDING_CONTROLS
from .reasons.reason import AUDITED, BLOCKED, DEPENDS, OFF, OPEN, STATUSES, Reason
from .relations import ADDRESS, NAME, Subject, list_remarks

SCHEMA = "proscribe/explanation/1"
STATUS_COLOURS = {BLOCKED: "red", DEPENDS: "yellow", AUDITED: "yellow"}


def format_headline(subject: Subject, groups: Sequence[AnswerGroup]) -> str:
    """Return the headline: the subject, its services, the answer with numbers of hosts, and their last states."""
    counts: dict[str, int] = {}
    for group in groups:
        counts[_describe_status(group.answer)] = counts.get(_describe_status(group.answer), 0) + len(group.hosts)
    total = sum(counts.values())
    services = subject.list_services(*CONCERNED_KINDS)
    service_text = (
        f" ({summarise_names([f'{service.name}: {service.id}' for service in services], 3)})" if services else ""
    )
    if len(counts) == 1:
        (status_text,) = counts
        host_text = "on every host asked for" if total > 1 else f"on {groups[0].hosts[0]}"
        answer = f"{status_text} {host_text}"
    else:
        answer = ", ".join(f"{status_text} on {count:,} of {total:,} hosts" for status_text, count in counts.items())
    unknown_note = "" if subject.relations else "; no service of the catalogue has it"
    return clean_text(
        f"{subject.question.text}{service_text}: policy: {answer}{unknown_note}{_format_last_seen(groups, total)}"
    )


def _format_last_seen(groups: Sequence[AnswerGroup], total: int) -> str:
    """Return the last observed states of the hosts with counts and the oldest time; "" without observations.

    `total` is the number of all hosts. Hosts without a record are counted as never seen. The answer has this text
    because the policy alone does not show the state of a host.
    """
    observations = [observation for group in groups for observation in group.observations]
    if not observations:
        return ""
    states = Counter(state for _, state in observations)
    state_texts = [f"{counts:,} {format_key(state)}" for state, counts in states.most_common()]
    if len(observations) < total:
        state_texts.append(f"{total - len(observations):,} never")
    if total == 1:
        return f"; last seen {times(observations[0][0])}: {format_key(observations[0][1])}"
    return f"; last seen: {', '.join(state_texts)} (the oldest {times(min(observations)[0])})"


def _describe_status(status: str) -> str:
    """Return an answer in the words of the headline: a control that is off counts as open there."""
    return {OFF: OPEN, DEPENDS: "it depends (see below)"}.get(status, status)


def format_explanation(subject: Subject, groups: Sequence[AnswerGroup], width: int, colours: bool) -> str:
    """Return the explanation as text: the short answer, then each group of hosts with the reasons of every control."""
    lines = [apply_styles(line, "bold", colours=colours) for line in wrap_text(format_headline(subject, groups), width)]
    lines += [line for remark in list_remarks(subject) for line in wrap_text(clean_text(remark), width)]
    widths = (2 + max(map(len, CONTROLS)), max(map(len, STATUSES)))
    for group in groups:
        host_prefix = f"on {format_count(len(group.hosts), 'host')}: " if len(group.hosts) > 1 else "on "
        lines += ["", *wrap_text(host_prefix + summarise_names(group.hosts, MAX_NAMED_HOSTS), width)]
        lines += wrap_indented_text(_describe_known_facts(group), width) if subject.kind != ADDRESS else []
        for control, answer in group.controls.items():
            is_decisive = subject.kind in (NAME, ADDRESS) and control in DECIDING_CONTROLS[NAME]
            # A control that decides about this kind of subject has a line even without a reason; others have none.
            reasons = answer.reasons or [Reason(answer.status, _format_no_match(subject))] * is_decisive
            control_label = f"  {control}"
            for reason in reasons:
                status_note = "" if reason.status == answer.status else f"({reason.status}) "
                status = answer.status if control_label else ""
                row_lines = format_table_row(
                    control_label, status, status_note + clean_text(reason.text), widths, width
                )
                lines += [_mark_status_colour(row_lines[0], status, colours), *row_lines[1:]]
                control_label = ""
        if group.point_answers:
            point_text = ", ".join(map(str, group.point_answers))
            lines += wrap_indented_text(f"also given to: {clean_text(point_text)}", width)
        lines += wrap_indented_text(_describe_lifts(group), width) if group.lifted_hosts else []
        lines += [line for note in group.notes for line in wrap_indented_text(clean_text(note), width)]
    return "\n".join(lines)


def _describe_known_facts(group: AnswerGroup) -> str:
    """Return a text: the age of the known package systems and browsers, and the number of unobserved hosts.

    For an unobserved host, the answer covers every package system and browser.
    """
    unknown_count = len(group.hosts) - group.known_count
    facts_note = (
        f"package systems and browsers as of {times(group.oldest_time)}"
        if group.known_count and group.oldest_time
        else ""
    )
    hosts = "this host" if len(group.hosts) == 1 else f"these {len(group.hosts):,} hosts"
    hosts, place_text = (
        (hosts, "") if unknown_count == len(group.hosts) else (f"{unknown_count:,} of {hosts}", "there ")
    )
    unobserved_note = (
        f"No run has observed {hosts} yet; {place_text}the answer covers every package system and browser."
    )
    return " ".join(filter(None, (f"({facts_note})" if facts_note else "", unobserved_note if unknown_count else "")))


def _describe_lifts(group: AnswerGroup) -> str:
    """Return a text about the hosts of a group from which the ban was lifted: the policy is not in effect there.

    It names at most MAX_NAMED_HOSTS hosts, and counts the rest.
    """
    host_texts = [
        f"{clean_text(host)}: {clean_text(lift_text)}" for host, lift_text in group.lifted_hosts[:MAX_NAMED_HOSTS]
    ]
    more_note = (
        [f"and {format_count(len(group.lifted_hosts) - MAX_NAMED_HOSTS, 'more host')}"]
        if len(group.lifted_hosts) > MAX_NAMED_HOSTS
        else []
    )
    return f"not in effect there until the next enforce: {'; '.join([*host_texts, *more_note])}"


def _format_no_match(subject: Subject) -> str:
    """Return the reason of a control in which nothing matches the subject."""
    return "nothing restricted here fits" if subject.relations else "not restricted"


def _mark_status_colour(line: str, status: str, colours: bool) -> str:
    """Return a line with the colour of its status; unchanged for a status without a colour."""
    return (
        line.replace(f" {status}", " " + apply_styles(status, STATUS_COLOURS[status], colours=colours), 1)
        if status in STATUS_COLOURS
        else line
    )


def make_explanation_document(subject: Subject, groups: Iterable[AnswerGroup]) -> dict[str, object]:
    """Return the explanation as data for --json. docs/explain.md describes the format."""
    question = subject.question
    return {
        "schema": SCHEMA,
        "asked": {
            "text": question.text,
            "kind": subject.kind,
            "host": question.host or None,
            "path": question.path or None,
            "port": question.port,
            "network": str(question.network) if question.network is not None else None,
        },
        "services": [
            {"service": service.id, "name": service.name, "category": service.category, "by": kind, "what": identifier}
            for service, kind, identifier in subject.relations
        ],
        "remarks": list_remarks(subject),
        "answers": [_make_group_entry(group) for group in groups],
    }


def _make_group_entry(group: AnswerGroup) -> dict[str, object]:
    """Return the answer of a group of hosts as data for --json.

    None stands for a missing service, waiver, reason or time.
    """
    return {
        "answer": group.answer,
        "hosts": list(group.hosts),
        "facts": {"hosts": group.known_count, "oldest": group.oldest_time or None},
        "lifted": [{"host": host, "text": text} for host, text in group.lifted_hosts],
        "controls": {
            control: {
                "answer": answer.status,
                "reasons": [
                    {
                        "answer": reason.status,
                        "text": reason.text,
                        "service": reason.service or None,
                        "waiver": reason.waiver or None,
                    }
                    for reason in answer.reasons
                ],
            }
            for control, answer in group.controls.items()
        },
        "given_to": [
            {"format": point.format, "answer": point.answer or None, "why": point.reason or None}
            for point in group.point_answers
        ],
        "notes": list(group.notes),
    }
