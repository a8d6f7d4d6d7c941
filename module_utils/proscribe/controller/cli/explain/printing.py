"""An explanation as text, and as JSON."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence

from ....model.plan import CONTROLS
from ...report.text.layout import indented, paint, row, wrap
from ...report.text.wording import clean, counted, in_words, some
from ...report.text.wording import moment as times
from .answering import CONCERNED, MOST_HOSTS, Group
from .reasons import DECIDING
from .reasons.reason import AUDITED, BLOCKED, DEPENDS, OFF, OPEN, STATUSES, Reason
from .relations import ADDRESS, NAME, Subject, remarks

SCHEMA = "proscribe/explanation/1"
COLOUR = {BLOCKED: "red", DEPENDS: "yellow", AUDITED: "yellow"}


def headline(about: Subject, groups: Sequence[Group]) -> str:
    """The short answer."""
    counts: dict[str, int] = {}
    for group in groups:
        counts[_is(group.answer)] = counts.get(_is(group.answer), 0) + len(group.hosts)
    total = sum(counts.values())
    services = about.services(*CONCERNED)
    who = f" ({some([f'{service.name}: {service.id}' for service in services], 3)})" if services else ""
    if len(counts) == 1:
        (said,) = counts
        where = "on every host asked for" if total > 1 else f"on {groups[0].hosts[0]}"
        answer = f"{said} {where}"
    else:
        answer = ", ".join(f"{said} on {count:,} of {total:,} hosts" for said, count in counts.items())
    unknown = "" if about.relations else "; no service of the catalogue has it"
    return clean(f"{about.question.word}{who}: policy: {answer}{unknown}{_last_seen(groups, total)}")


def _last_seen(groups: Sequence[Group], total: int) -> str:
    """What the newest observations of the hosts said: the policy alone says nothing of them. "" where there is none."""
    seen = [one for group in groups for one in group.seen]
    if not seen:
        return ""
    states = Counter(state for _, state in seen)
    said = [f"{counts:,} {in_words(state)}" for state, counts in states.most_common()]
    if len(seen) < total:
        said.append(f"{total - len(seen):,} never")
    if total == 1:
        return f"; last seen {times(seen[0][0])}: {in_words(seen[0][1])}"
    return f"; last seen: {', '.join(said)} (the oldest {times(min(seen)[0])})"


def _is(status: str) -> str:
    return {OFF: OPEN, DEPENDS: "it depends (see below)"}.get(status, status)


def render(about: Subject, groups: Sequence[Group], width: int, colours: bool) -> str:
    """The answer as text: the short one, then each group of hosts with every control's reasons."""
    lines = [paint(line, "bold", colours=colours) for line in wrap(headline(about, groups), width)]
    lines += [line for remark in remarks(about) for line in wrap(clean(remark), width)]
    widths = (2 + max(map(len, CONTROLS)), max(map(len, STATUSES)))
    for group in groups:
        several = f"on {counted(len(group.hosts), 'host')}: " if len(group.hosts) > 1 else "on "
        lines += ["", *wrap(several + some(group.hosts, MOST_HOSTS), width)]
        lines += indented(_of_hosts(group), width) if about.kind != ADDRESS else []
        for control, answer in group.controls.items():
            decides_here = about.kind in (NAME, ADDRESS) and control in DECIDING[NAME]
            reasons = answer.reasons or [Reason(answer.status, _nothing(about))] * decides_here
            first = f"  {control}"
            for reason in reasons:
                aside = "" if reason.status == answer.status else f"({reason.status}) "
                status = answer.status if first else ""
                text = row(first, status, aside + clean(reason.text), widths, width)
                lines += [_painted(text[0], status, colours), *text[1:]]
                first = ""
        if group.given:
            also = ", ".join(map(str, group.given))
            lines += indented(f"also given to: {clean(also)}", width)
        lines += indented(_lifted(group), width) if group.lifted else []
        lines += [line for note in group.notes for line in indented(clean(note), width)]
    return "\n".join(lines)


def _of_hosts(group: Group) -> str:
    """How much is known of the hosts of a group, besides their plan."""
    missing = len(group.hosts) - group.known
    since = f"package systems and browsers as of {times(group.oldest)}" if group.known and group.oldest else ""
    hosts = "this host" if len(group.hosts) == 1 else f"these {len(group.hosts):,} hosts"
    hosts, there = (hosts, "") if missing == len(group.hosts) else (f"{missing:,} of {hosts}", "there ")
    unobserved = f"No run has observed {hosts} yet; {there}the answer covers every package system and browser."
    return " ".join(filter(None, (f"({since})" if since else "", unobserved if missing else "")))


def _lifted(group: Group) -> str:
    """Say of which hosts of a group the ban was lifted, so that the policy is not in effect there."""
    named = [f"{clean(host)}: {clean(words)}" for host, words in group.lifted[:MOST_HOSTS]]
    more = [f"and {counted(len(group.lifted) - MOST_HOSTS, 'more host')}"] if len(group.lifted) > MOST_HOSTS else []
    return f"not in effect there until the next enforce: {'; '.join([*named, *more])}"


def _nothing(about: Subject) -> str:
    return "nothing restricted here fits" if about.relations else "not restricted"


def _painted(line: str, status: str, colours: bool) -> str:
    return (
        line.replace(f" {status}", " " + paint(status, COLOUR[status], colours=colours), 1)
        if status in COLOUR
        else line
    )


def as_json(about: Subject, groups: Iterable[Group]) -> dict[str, object]:
    """The explanation for machines."""
    question = about.question
    return {
        "schema": SCHEMA,
        "asked": {
            "text": question.word,
            "kind": about.kind,
            "host": question.host or None,
            "path": question.path or None,
            "port": question.port,
            "network": str(question.network) if question.network is not None else None,
        },
        "services": [
            {"service": one.id, "name": one.name, "category": one.category, "by": how, "what": what}
            for one, how, what in about.relations
        ],
        "remarks": remarks(about),
        "answers": [_answer(group) for group in groups],
    }


def _answer(group: Group) -> dict[str, object]:
    return {
        "answer": group.answer,
        "hosts": list(group.hosts),
        "facts": {"hosts": group.known, "oldest": group.oldest or None},
        "lifted": [{"host": host, "text": text} for host, text in group.lifted],
        "controls": {
            control: {
                "answer": answer.status,
                "reasons": [
                    {
                        "answer": one.status,
                        "text": one.text,
                        "service": one.service or None,
                        "waiver": one.waiver or None,
                    }
                    for one in answer.reasons
                ],
            }
            for control, answer in group.controls.items()
        },
        "given_to": [
            {"format": one.format, "answer": one.answer or None, "why": one.why or None} for one in group.given
        ],
        "notes": list(group.notes),
    }
