"""How things are said, on the terminal and in the page alike: counts, lists, evidence, causes.

Everything that came from a host passes through `clean_text`: it may hold escape sequences, line breaks, or text that is
written from right to left to look like something else.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from ....base.duration import count_calendar_days, parse_moment
from ....base.patterns import compile_pattern
from ....model.finding import NOT_APPLICABLE
from ....model.types.record import FindingRecord
from ....model.types.report import CountShare, FleetReport
from ....model.types.run import RunWaiver, WaiverRevocation
from ....wire.replies.shapes import MAX_LINE_LENGTH, truncate_text

MAX_TEXT_LENGTH = (
    10 * MAX_LINE_LENGTH
)  # characters of evidence, or of causes, that are said in one place; the rest is in hosts.jsonl

MAX_NAMED_PLACES = 3  # places of one thing that are named

# The statuses of waivers whose days count. Any other waives nothing for another reason than its time.
DATED_STATUSES = ("active", "not_yet_valid", "expired", "revoked")

# What `ansible` puts before a message; it does not help an operator.
ANSIBLE_PREFIXES = compile_pattern(
    r"^(?:(?:Task failed|Module failed|Action failed|Failed to connect to the host via ssh): ?)+"
)

# What `ssh` says where sshd closes a new connection before anybody logs in. Who logs in sees none of it.
CLOSED_BY_SSHD = compile_pattern(
    r"kex_exchange_identification|ssh_exchange_identification|banner exchange"
    r"|Exceeded MaxStartups|Not allowed at this time|Connection (?:closed|reset) by \S+ port \d+"
)
SSHD_HINT = (
    "sshd there may refuse new connections, because others that have not logged in fill MaxStartups. "
    "See it on the host: ps -C sshd -o args="
)

# What a host reports of a place that an ordinary user cannot read. There are many of them, for one cause.
ROOT_ONLY_MESSAGE = compile_pattern(r"(/.+) can only be read by root(?: \(and \d+ more\))?")

# What a name goes on with, to the left and to the right; a full stop may end a sentence.
WORD_BEFORE, WORD_AFTER = compile_pattern(r"[\w.-]"), compile_pattern(r"[\w-]")

# What a finding says when it stands for several names of one service; how many they are is no part of the cause.
OTHER_NAMES_COUNT = compile_pattern(r"(?:, )?and \d+ more(?: of \d+ \w+)?(?:: )?")


def clean_text(content: object) -> str:
    """One line of printable text: any space becomes a blank, a character that does not print a replacement sign."""
    text = str(content)
    if text.isprintable():
        return text
    return "".join(
        character if character.isprintable() else " " if character.isspace() else "\N{REPLACEMENT CHARACTER}"
        for character in text
    )


def make_host_label(name: str) -> str:
    """Return a host's name as a printable text that no other name has. `clean_text` makes one text of many names, and a
    reader that knows hosts by their names would then take two for one.
    """
    replacement = "\N{REPLACEMENT CHARACTER}"
    if name.isprintable() and replacement not in name:
        return name
    return "".join(
        character if character.isprintable() and character != replacement else f"{replacement}{{{ord(character):x}}}"
        for character in name
    )


def clean_message(text: object) -> str:
    """What Ansible says of a failure, in one line and without its standing prefixes."""
    return (
        ANSIBLE_PREFIXES.sub("", " ".join(clean_text(truncate_text(str(text), MAX_LINE_LENGTH)).split()))
        or "no message"
    )


def describe_unreachable(text: object) -> str:
    """What Ansible says of a host that it cannot reach, and the likely cause where sshd closed the connection."""
    ansible_message = clean_message(text)
    return f"{ansible_message}. {SSHD_HINT}" if CLOSED_BY_SSHD.search(str(text)[:MAX_TEXT_LENGTH]) else ansible_message


def format_key(key: object) -> str:
    """A state, a status or a key in words: `not applicable`."""
    return str(key).replace("_", " ")


def format_readable_time(time: object) -> str:
    """A UTC time as people read it, to the minute: `2026-11-25 08:00 UTC`; anything else as it is."""
    parts = re.fullmatch(r"(\d{4}-\d\d-\d\d)T(\d\d:\d\d):\d\d(?:\.\d+)?Z", str(time))
    return f"{parts[1]} {parts[2]} UTC" if parts else clean_text(time)


def format_count(number: int, noun: str) -> str:
    """`1 host`, `2,000 hosts`."""
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def summarise_names(names: Sequence[str], max_names: int) -> str:
    """The first names of a list, and how many more there are."""
    shown_names = ", ".join(clean_text(name) for name in names[:max_names])
    return f"{shown_names} and {len(names) - max_names:,} more" if len(names) > max_names else shown_names


def find_waiver_end(expires: str, revoked: WaiverRevocation | None = None) -> str:
    """When a waiver of a report ends, a UTC time: with its revocation, where that comes before its end."""
    return min(expires, (revoked and revoked.get("on")) or expires)


def count_days_left(waiver: RunWaiver, now: str) -> int | None:
    """How many days a waiver is still good for at a UTC time: from that day to the day of its last second, both UTC.

    0 for one that ends on that day, None for one that has ended. Raises ValueError for what is no time of ours.
    """
    end_moment, current_moment = (
        parse_moment(find_waiver_end(waiver["expires"], waiver.get("revoked"))),
        parse_moment(now),
    )
    return None if end_moment <= current_moment else count_calendar_days(current_moment, end_moment)


def describe_time_left(waiver: RunWaiver, now: str) -> str:
    """Return `count_days_left` in words; "" for a waiver that never was good for anything."""
    if waiver["status"] not in DATED_STATUSES:
        return ""
    try:
        days = count_days_left(waiver, now)
    except ValueError:
        return ""
    near_texts = {None: "ended", 0: "ends today", 1: "ends tomorrow"}
    return near_texts.get(days) or f"{format_count(days or 0, 'day')} left"


def format_percent(share: CountShare) -> str:
    """`50 %`, `99.9 %`; `nothing` where there is nothing to take a part of."""
    percentage = share["percent"]
    return "nothing" if percentage is None else f"{percentage:g} %"


def format_ratio(share: CountShare) -> str:
    """`1 of 2 (50 %)`."""
    return f"{share['numerator']:,} of {share['denominator']:,} ({format_percent(share)})"


def find_finding_user(finding: FindingRecord) -> str:
    """The user a finding belongs to; "" for the system."""
    return str(finding["scope"] or "").partition("user:")[2]


def describe_finding(finding: FindingRecord) -> str:
    """One finding in a few words: `dpkg wechat 4.0`, `process /opt/wechat/wechat (alice)`."""
    if finding["kind"] == "process":
        words: Sequence[str | None] = ("process", finding["path"] or finding["id"])
    else:
        words = (finding["manager"] or finding["kind"], finding["id"] or finding["path"], finding["version"])
    text = " ".join(filter(None, words))
    if find_finding_user(finding):
        text += f" ({find_finding_user(finding)})"
    if finding["detail"]:
        text += f": {finding['detail']}"
    return clean_text(text)


def describe_findings(findings: Iterable[FindingRecord]) -> list[str]:
    """Findings in a few words each; those that are alike but for their place are one, with the places:
    `file dropbox: ... (2 places: /srv/dropbox, /opt/dropbox)`.
    """
    paths_by_text: dict[str, list[str]] = {}
    for finding in findings:
        paths_by_text.setdefault(describe_finding(finding), []).append(finding["path"] or "")
    return [f"{text}{_describe_places(paths)}" for text, paths in paths_by_text.items()]


def _describe_places(paths: Sequence[str]) -> str:
    places = list(dict.fromkeys(filter(None, paths)))
    if len(places) > 1:
        return f" ({len(places):,} places: {summarise_names(places, MAX_NAMED_PLACES)})"
    return f" ({len(paths):,} times)" if len(paths) > 1 else ""


def describe_idle_ban(report: FleetReport) -> str:
    """What to say where no rule applies to any host, which is not the same as a ban that holds; "" elsewhere."""
    host_counts, expected_count = report["summary"]["hosts"], report["run"]["expected_hosts"]
    if not expected_count or host_counts[NOT_APPLICABLE] < expected_count:
        return ""
    days = sorted(announcement["effective_from"] for announcement in report["upcoming"])
    return f"the ban is not in force yet, it begins on {clean_text(days[0])}" if days else "nothing is restricted"


def group_unsearchable_services(report: FleetReport) -> dict[str, list[str]]:
    """By control: the services of which nothing is known to look for, on some host."""
    services_by_control: dict[str, list[str]] = {}
    for unsearchable in report.get("nothing_known") or ():
        control, _, service = unsearchable["rule"].partition("/")
        services_by_control.setdefault(control, []).append(service)
    return services_by_control


class SharedCause(NamedTuple):
    """Why a policy does not hold, and where, without the one name that a finding is about."""

    text: str
    manager: str = ""
    path: str = ""


def extract_cause(finding: FindingRecord) -> SharedCause:
    """The cause that a finding shares with those of other rules: all of it but the name that it is about."""
    detail, finding_name = OTHER_NAMES_COUNT.sub("", str(finding["detail"] or "")), str(finding["id"] or "")
    text = replace_name(detail, finding_name) if finding_name else detail
    return SharedCause(
        clean_text(text or "not as required"), clean_text(finding["manager"] or ""), clean_text(finding["path"] or "")
    )


def replace_name(text: str, name: str) -> str:
    """The text with `(name)` for that name, where it stands as a word of its own. An expression that looks for both
    would try each place of the text with all of the name.
    """
    parts: list[str] = []
    copied_until = 0
    while (name_start := text.find(name, copied_until)) >= 0:
        end = name_start + len(name)
        is_whole_word = not WORD_BEFORE.match(text[max(name_start - 1, 0) : name_start]) and not WORD_AFTER.match(
            text[end : end + 1]
        )
        parts += [text[copied_until:name_start], "(name)" if is_whole_word else name]
        copied_until = end
    return "".join(parts) + text[copied_until:]


def describe_causes(all_causes: Sequence[SharedCause]) -> str:
    """Causes in words, each clause once: `no such file (chromium, firefox)`, `not valid in /etc/a.json (chromium)`."""
    causes_by_text: dict[str, list[SharedCause]] = {}
    for shared_cause in all_causes:
        causes_by_text.setdefault(shared_cause.text, []).append(shared_cause)
    clauses = dict.fromkeys(
        clause
        for text, shared_causes in causes_by_text.items()
        for clause in _format_cause(text, shared_causes).split("; ")
    )
    return truncate_text("; ".join(_merge_places(list(clauses))), MAX_TEXT_LENGTH)


def _merge_places(clauses: Sequence[str]) -> list[str]:
    """Return clauses with one for all places that only root can read. It names the first places."""
    places = {clause: match[1] for clause in clauses if (match := ROOT_ONLY_MESSAGE.fullmatch(clause))}
    if len(places) < 2:
        return list(clauses)
    first_clause = next(iter(places))
    names = list(dict.fromkeys(places.values()))
    others_text = (
        " and others" if len(names) > MAX_NAMED_PLACES or any(clause.endswith(")") for clause in places) else ""
    )
    merged = f"{', '.join(names[:MAX_NAMED_PLACES])}{others_text} can only be read by root"
    return [
        merged if clause == first_clause else clause
        for clause in clauses
        if clause == first_clause or clause not in places
    ]


def _format_cause(text: str, shared_causes: Sequence[SharedCause]) -> str:
    paths = list(dict.fromkeys(shared_cause.path for shared_cause in shared_causes if shared_cause.path))
    if len(paths) == 1 and paths[0] not in text:
        text += f" in {paths[0]}"
    # A file that several browsers read comes as `firefox,librewolf`.
    names = dict.fromkeys(name for shared_cause in shared_causes for name in shared_cause.manager.split(","))
    managers = [name for name in names if name and name not in text]
    return f"{text} ({', '.join(managers)})" if managers else text
