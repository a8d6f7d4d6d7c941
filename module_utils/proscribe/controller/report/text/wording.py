"""The wording of the terminal and of the page: counts, lists, evidence, causes.

Every text of a host passes through `clean_text`. It may contain escape sequences, line breaks, or text from right to
left that imitates another text.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from ....base.duration import count_calendar_days, parse_moment
from ....base.lazy_patterns import compile_pattern
from ....model.finding import NOT_APPLICABLE
from ....model.types.record import FindingRecord
from ....model.types.report import CountShare, FleetReport, UnsearchedRule
from ....model.types.run import RunWaiver, WaiverRevocation
from ....wire.answers.value_readers import MAX_LINE_LENGTH, truncate_text

# most characters of the evidence, or of the causes, in a cell; hosts.jsonl has all
MAX_TEXT_LENGTH = 10 * MAX_LINE_LENGTH

MAX_NAMED_PLACES = 3  # most paths that are named for a finding

# Statuses of waivers for which remaining days are shown. A waiver with another status is idle for a reason that is not
# its time.
DATED_STATUSES = ("active", "not_yet_valid", "expired", "revoked")

# Prefixes that Ansible adds to messages, and that do not help an operator.
ANSIBLE_PREFIXES = compile_pattern(
    r"^(?:(?:Task failed|Module failed|Action failed|Failed to connect to the host via ssh): ?)+"
)

# Messages of `ssh` if sshd closes a new connection before the login. After a login, no such message appears.
CLOSED_BY_SSHD = compile_pattern(
    r"kex_exchange_identification|ssh_exchange_identification|banner exchange"
    r"|Exceeded MaxStartups|Not allowed at this time|Connection (?:closed|reset) by \S+ port \d+"
)
SSHD_HINT = (
    "sshd there may refuse new connections, because others that have not logged in fill MaxStartups. "
    "See it on the host: ps -C sshd -o args="
)

# The message of a host about a path that only root can read. Several such messages are merged, because they have the
# same cause.
ROOT_ONLY_MESSAGE = compile_pattern(r"(/.+) can only be read by root(?: \(and \d+ more\))?")

# Characters before and after a name that make it a part of a longer word. After a name, a full stop may end the
# sentence, so it does not count.
WORD_BEFORE, WORD_AFTER = compile_pattern(r"[\w.-]"), compile_pattern(r"[\w-]")

# The count of further names, in the text of a finding for several names. It is no part of the cause.
OTHER_NAMES_COUNT = compile_pattern(r"(?:, )?and \d+ more(?: of \d+ \w+)?(?:: )?")


def clean_text(content: object) -> str:
    """Return a text as a printable line.

    A space character becomes a blank, other characters a replacement sign.
    """
    text = str(content)
    if text.isprintable():
        return text
    return "".join(
        character if character.isprintable() else " " if character.isspace() else "\N{REPLACEMENT CHARACTER}"
        for character in text
    )


def make_host_label(name: str) -> str:
    """Return a printable text for a host's name that no other name has.

    `clean_text` makes the same text of several names. A program that identifies hosts by their names would then merge
    two hosts.
    """
    replacement = "\N{REPLACEMENT CHARACTER}"
    if name.isprintable() and replacement not in name:
        return name
    return "".join(
        character if character.isprintable() and character != replacement else f"{replacement}{{{ord(character):x}}}"
        for character in name
    )


def clean_message(text: object) -> str:
    """Return Ansible's message about a failure as a printable line without Ansible's prefixes."""
    return (
        ANSIBLE_PREFIXES.sub("", " ".join(clean_text(truncate_text(str(text), MAX_LINE_LENGTH)).split()))
        or "no message"
    )


def describe_unreachable(text: object) -> str:
    """Return Ansible's message about an unreachable host as a printable line.

    If sshd closed the connection before a login, the likely cause follows.
    """
    ansible_message = clean_message(text)
    return f"{ansible_message}. {SSHD_HINT}" if CLOSED_BY_SSHD.search(str(text)[:MAX_TEXT_LENGTH]) else ansible_message


def format_key(key: object) -> str:
    """Format a state, a status or a key as text: `not applicable`."""
    return str(key).replace("_", " ")


def format_readable_time(time: object) -> str:
    """Format a UTC time for readers, to the minute: `2026-11-25 08:00 UTC`.

    Other values stay as they are.
    """
    parts = re.fullmatch(r"(\d{4}-\d\d-\d\d)T(\d\d:\d\d):\d\d(?:\.\d+)?Z", str(time))
    return f"{parts[1]} {parts[2]} UTC" if parts else clean_text(time)


def format_count(number: int, noun: str) -> str:
    """Format a number with its noun: `1 host`, `2,000 hosts`."""
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def summarise_names(names: Sequence[str], max_names: int) -> str:
    """Format the first `max_names` names of a list, and the number of the remaining names."""
    shown_names = ", ".join(clean_text(name) for name in names[:max_names])
    return f"{shown_names} and {len(names) - max_names:,} more" if len(names) > max_names else shown_names


def find_waiver_end(expires: str, revoked: WaiverRevocation | None = None) -> str:
    """Return the end of a waiver (UTC): its expiry, or its revocation if that is earlier.

    `revoked` is None for a waiver that was not revoked.
    """
    return min(expires, (revoked and revoked.get("on")) or expires)


def count_days_left(waiver: RunWaiver, now: str) -> int | None:
    """Count the days from the UTC time `now` to the UTC day of a waiver's last second.

    The result is 0 for a waiver that ends on that day, and None for a waiver that has ended. Raises ValueError for an
    invalid time.
    """
    end_moment, current_moment = (
        parse_moment(find_waiver_end(waiver["expires"], waiver.get("revoked"))),
        parse_moment(now),
    )
    return None if end_moment <= current_moment else count_calendar_days(current_moment, end_moment)


def describe_time_left(waiver: RunWaiver, now: str) -> str:
    """Describe the remaining days of a waiver at the UTC time `now`: `5 days left`, `ends today`, `ended`.

    The text is "" for a waiver whose status has another reason than its time, and for invalid times.
    """
    if waiver["status"] not in DATED_STATUSES:
        return ""
    try:
        days = count_days_left(waiver, now)
    except ValueError:
        return ""
    near_texts = {None: "ended", 0: "ends today", 1: "ends tomorrow"}
    return near_texts.get(days) or f"{format_count(days or 0, 'day')} left"


def format_percent(share: CountShare) -> str:
    """Format a percentage: `50 %`, `99.9 %`; `nothing` if the whole is empty."""
    percentage = share["percent"]
    return "nothing" if percentage is None else f"{percentage:g} %"


def format_ratio(share: CountShare) -> str:
    """Format a ratio: `1 of 2 (50 %)`."""
    return f"{share['numerator']:,} of {share['denominator']:,} ({format_percent(share)})"


def find_finding_user(finding: FindingRecord) -> str:
    """Return the user to whom a finding belongs; "" for a finding of the whole system."""
    return str(finding["scope"] or "").partition("user:")[2]


def describe_finding(finding: FindingRecord) -> str:
    """Describe a finding in a few words: `dpkg wechat 4.0`, `process /opt/wechat/wechat (alice)`."""
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
    """Describe each finding in a few words.

    Findings that differ only in their path are merged. The merged text lists the paths: `file dropbox: ... (2 places:
    /srv/dropbox, /opt/dropbox)`.
    """
    paths_by_text: dict[str, list[str]] = {}
    for finding in findings:
        paths_by_text.setdefault(describe_finding(finding), []).append(finding["path"] or "")
    return [f"{text}{_describe_places(paths)}" for text, paths in paths_by_text.items()]


def _describe_places(paths: Sequence[str]) -> str:
    """Describe the different paths of equal findings; "" for a single finding."""
    places = list(dict.fromkeys(filter(None, paths)))
    if len(places) > 1:
        return f" ({len(places):,} places: {summarise_names(places, MAX_NAMED_PLACES)})"
    return f" ({len(paths):,} times)" if len(paths) > 1 else ""


def describe_idle_ban(report: FleetReport) -> str:
    """Describe why no rule of the ban applies to any host yet; "" if a rule applies somewhere.

    Such a ban is not the same as a ban that is in effect.
    """
    host_counts, expected_count = report["summary"]["hosts"], report["run"]["expected_hosts"]
    if not expected_count or host_counts[NOT_APPLICABLE] < expected_count:
        return ""
    days = sorted(announcement["effective_from"] for announcement in report["upcoming"])
    return f"the ban is not in force yet, it begins on {clean_text(days[0])}" if days else "nothing is restricted"


def group_by_control(rules: Iterable[UnsearchedRule] | None) -> dict[str, list[str]]:
    """Return the subjects of rules (services, or settings such as `running`), by control."""
    services_by_control: dict[str, list[str]] = {}
    for rule in rules or ():
        control, _, service = rule["rule"].partition("/")
        services_by_control.setdefault(control, []).append(service)
    return services_by_control


class SharedCause(NamedTuple):
    """The cause of a defect with its package system and path, without the name in the finding.

    Thus the defects of several rules can share the cause. `manager` and `path` are "" if the finding has none.
    """

    text: str
    manager: str = ""
    path: str = ""


def extract_cause(finding: FindingRecord) -> SharedCause:
    """Return the cause of a finding without the finding's name, so that rules can share the cause."""
    detail, finding_name = OTHER_NAMES_COUNT.sub("", str(finding["detail"] or "")), str(finding["id"] or "")
    text = replace_name(detail, finding_name) if finding_name else detail
    return SharedCause(
        clean_text(text or "not as required"), clean_text(finding["manager"] or ""), clean_text(finding["path"] or "")
    )


def replace_name(text: str, name: str) -> str:
    """Replace a name in a text by `(name)`, where the name is a whole word.

    This is no regular expression, because that would compare the whole name at each place of the text.
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
    """Describe causes in a text, each clause once: `no such file (chromium, firefox)`."""
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
    """Merge the clauses about paths that only root can read into one clause with the first paths.

    The other clauses are unchanged. The merged clause has the place of the first clause about such a path.
    """
    places = {clause: match[1] for clause in clauses if (match := ROOT_ONLY_MESSAGE.fullmatch(clause))}
    if len(places) < 2:
        return list(clauses)
    first_clause = next(iter(places))
    names = list(dict.fromkeys(places.values()))
    # A host that could not list all its paths ends the message with `(and 3 more)`.
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
    """Format a cause with its path, if all places share one, and with its package systems or browsers."""
    paths = list(dict.fromkeys(shared_cause.path for shared_cause in shared_causes if shared_cause.path))
    if len(paths) == 1 and paths[0] not in text:
        text += f" in {paths[0]}"
    # The finding of a file that several browsers read names them as `firefox,librewolf`.
    names = dict.fromkeys(name for shared_cause in shared_causes for name in shared_cause.manager.split(","))
    managers = [name for name in names if name and name not in text]
    return f"{text} ({', '.join(managers)})" if managers else text
