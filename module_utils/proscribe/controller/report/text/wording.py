"""How things are said, on the terminal and in the page alike: counts, lists, evidence, causes.

Everything that came from a host passes through `clean`: it may hold escape sequences, line breaks, or text that is
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

MUCH = (
    10 * MAX_LINE_LENGTH
)  # characters of evidence, or of causes, that are said in one place; the rest is in hosts.jsonl

FEW = 3  # places of one thing that are named

# The statuses of waivers whose days count. Any other waives nothing for another reason than its time.
LASTING = ("active", "not_yet_valid", "expired", "revoked")

# What `ansible` puts before a message; it does not help an operator.
PREFIXES = compile_pattern(
    r"^(?:(?:Task failed|Module failed|Action failed|Failed to connect to the host via ssh): ?)+"
)

# What `ssh` says where sshd closes a new connection before anybody logs in. Who logs in sees none of it.
CLOSED_BY_SSHD = compile_pattern(
    r"kex_exchange_identification|ssh_exchange_identification|banner exchange"
    r"|Exceeded MaxStartups|Not allowed at this time|Connection (?:closed|reset) by \S+ port \d+"
)
SSHD_REFUSES = (
    "sshd there may refuse new connections, because others that have not logged in fill MaxStartups. "
    "See it on the host: ps -C sshd -o args="
)

# What a host reports of a place that an ordinary user cannot read. There are many of them, for one cause.
ROOT_ONLY = compile_pattern(r"(/.+) can only be read by root(?: \(and \d+ more\))?")

# What a name goes on with, to the left and to the right; a full stop may end a sentence.
BEFORE, AFTER = compile_pattern(r"[\w.-]"), compile_pattern(r"[\w-]")

# What a finding says when it stands for several names of one service; how many they are is no part of the cause.
ALONGSIDE = compile_pattern(r"(?:, )?and \d+ more(?: of \d+ \w+)?(?:: )?")


def clean(value: object) -> str:
    """One line of printable text: any space becomes a blank, a character that does not print a replacement sign."""
    text = str(value)
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() else " " if c.isspace() else "\N{REPLACEMENT CHARACTER}" for c in text)


def host_label(name: str) -> str:
    """Return a host's name as a printable text that no other name has. `clean` makes one text of many names, and a
    reader that knows hosts by their names would then take two for one.
    """
    replacement = "\N{REPLACEMENT CHARACTER}"
    if name.isprintable() and replacement not in name:
        return name
    return "".join(c if c.isprintable() and c != replacement else f"{replacement}{{{ord(c):x}}}" for c in name)


def message(text: object) -> str:
    """What Ansible says of a failure, in one line and without its standing prefixes."""
    return PREFIXES.sub("", " ".join(clean(truncate_text(str(text), MAX_LINE_LENGTH)).split())) or "no message"


def unreachable(text: object) -> str:
    """What Ansible says of a host that it cannot reach, and the likely cause where sshd closed the connection."""
    said = message(text)
    return f"{said}. {SSHD_REFUSES}" if CLOSED_BY_SSHD.search(str(text)[:MUCH]) else said


def in_words(key: object) -> str:
    """A state, a status or a key in words: `not applicable`."""
    return str(key).replace("_", " ")


def moment(time: object) -> str:
    """A UTC time as people read it, to the minute: `2026-11-25 08:00 UTC`; anything else as it is."""
    parts = re.fullmatch(r"(\d{4}-\d\d-\d\d)T(\d\d:\d\d):\d\d(?:\.\d+)?Z", str(time))
    return f"{parts[1]} {parts[2]} UTC" if parts else clean(time)


def counted(number: int, noun: str) -> str:
    """`1 host`, `2,000 hosts`."""
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def some(names: Sequence[str], most: int) -> str:
    """The first names of a list, and how many more there are."""
    shown = ", ".join(clean(name) for name in names[:most])
    return f"{shown} and {len(names) - most:,} more" if len(names) > most else shown


def end_of(expires: str, revoked: WaiverRevocation | None = None) -> str:
    """When a waiver of a report ends, a UTC time: with its revocation, where that comes before its end."""
    return min(expires, (revoked and revoked.get("on")) or expires)


def days_left(waiver: RunWaiver, at: str) -> int | None:
    """How many days a waiver is still good for at a UTC time: from that day to the day of its last second, both UTC.

    0 for one that ends on that day, None for one that has ended. Raises ValueError for what is no time of ours.
    """
    end, now = parse_moment(end_of(waiver["expires"], waiver.get("revoked"))), parse_moment(at)
    return None if end <= now else count_calendar_days(now, end)


def left(waiver: RunWaiver, at: str) -> str:
    """Return `days_left` in words; "" for a waiver that never was good for anything."""
    if waiver["status"] not in LASTING:
        return ""
    try:
        days = days_left(waiver, at)
    except ValueError:
        return ""
    near = {None: "ended", 0: "ends today", 1: "ends tomorrow"}
    return near.get(days) or f"{counted(days or 0, 'day')} left"


def percent(share: CountShare) -> str:
    """`50 %`, `99.9 %`; `nothing` where there is nothing to take a part of."""
    value = share["percent"]
    return "nothing" if value is None else f"{value:g} %"


def ratio(share: CountShare) -> str:
    """`1 of 2 (50 %)`."""
    return f"{share['numerator']:,} of {share['denominator']:,} ({percent(share)})"


def owner(finding: FindingRecord) -> str:
    """The user a finding belongs to; "" for the system."""
    return str(finding["scope"] or "").partition("user:")[2]


def evidence(finding: FindingRecord) -> str:
    """One finding in a few words: `dpkg wechat 4.0`, `process /opt/wechat/wechat (alice)`."""
    if finding["kind"] == "process":
        words: Sequence[str | None] = ("process", finding["path"] or finding["id"])
    else:
        words = (finding["manager"] or finding["kind"], finding["id"] or finding["path"], finding["version"])
    text = " ".join(filter(None, words))
    if owner(finding):
        text += f" ({owner(finding)})"
    if finding["detail"]:
        text += f": {finding['detail']}"
    return clean(text)


def evidences(findings: Iterable[FindingRecord]) -> list[str]:
    """Findings in a few words each; those that are alike but for their place are one, with the places:
    `file dropbox: ... (2 places: /srv/dropbox, /opt/dropbox)`.
    """
    alike: dict[str, list[str]] = {}
    for finding in findings:
        alike.setdefault(evidence(finding), []).append(finding["path"] or "")
    return [f"{text}{_times(paths)}" for text, paths in alike.items()]


def _times(paths: Sequence[str]) -> str:
    places = list(dict.fromkeys(filter(None, paths)))
    if len(places) > 1:
        return f" ({len(places):,} places: {some(places, FEW)})"
    return f" ({len(paths):,} times)" if len(paths) > 1 else ""


def not_in_force(report: FleetReport) -> str:
    """What to say where no rule applies to any host, which is not the same as a ban that holds; "" elsewhere."""
    hosts, expected = report["summary"]["hosts"], report["run"]["expected_hosts"]
    if not expected or hosts[NOT_APPLICABLE] < expected:
        return ""
    days = sorted(item["effective_from"] for item in report["upcoming"])
    return f"the ban is not in force yet, it begins on {clean(days[0])}" if days else "nothing is restricted"


def nothing_known(report: FleetReport) -> dict[str, list[str]]:
    """By control: the services of which nothing is known to look for, on some host."""
    found: dict[str, list[str]] = {}
    for one in report.get("nothing_known") or ():
        control, _, service = one["rule"].partition("/")
        found.setdefault(control, []).append(service)
    return found


class Cause(NamedTuple):
    """Why a policy does not hold, and where, without the one name that a finding is about."""

    text: str
    manager: str = ""
    path: str = ""


def cause(finding: FindingRecord) -> Cause:
    """The cause that a finding shares with those of other rules: all of it but the name that it is about."""
    detail, id_ = ALONGSIDE.sub("", str(finding["detail"] or "")), str(finding["id"] or "")
    text = without_name(detail, id_) if id_ else detail
    return Cause(clean(text or "not as required"), clean(finding["manager"] or ""), clean(finding["path"] or ""))


def without_name(text: str, name: str) -> str:
    """The text with `(name)` for that name, where it stands as a word of its own. An expression that looks for both
    would try each place of the text with all of the name.
    """
    parts: list[str] = []
    done = 0
    while (begin := text.find(name, done)) >= 0:
        end = begin + len(name)
        whole = not BEFORE.match(text[max(begin - 1, 0) : begin]) and not AFTER.match(text[end : end + 1])
        parts += [text[done:begin], "(name)" if whole else name]
        done = end
    return "".join(parts) + text[done:]


def causes(shared: Sequence[Cause]) -> str:
    """Causes in words, each clause once: `no such file (chromium, firefox)`, `not valid in /etc/a.json (chromium)`."""
    places: dict[str, list[Cause]] = {}
    for one in shared:
        places.setdefault(one.text, []).append(one)
    clauses = dict.fromkeys(clause for text, found in places.items() for clause in _cause(text, found).split("; "))
    return truncate_text("; ".join(_with_places_merged(list(clauses))), MUCH)


def _with_places_merged(clauses: Sequence[str]) -> list[str]:
    """Return clauses with one for all places that only root can read. It names the first places."""
    places = {clause: match[1] for clause in clauses if (match := ROOT_ONLY.fullmatch(clause))}
    if len(places) < 2:
        return list(clauses)
    first = next(iter(places))
    names = list(dict.fromkeys(places.values()))
    rest = " and others" if len(names) > FEW or any(clause.endswith(")") for clause in places) else ""
    merged = f"{', '.join(names[:FEW])}{rest} can only be read by root"
    return [merged if clause == first else clause for clause in clauses if clause == first or clause not in places]


def _cause(text: str, found: Sequence[Cause]) -> str:
    paths = list(dict.fromkeys(one.path for one in found if one.path))
    if len(paths) == 1 and paths[0] not in text:
        text += f" in {paths[0]}"
    # A file that several browsers read comes as `firefox,librewolf`.
    names = dict.fromkeys(name for one in found for name in one.manager.split(","))
    managers = [name for name in names if name and name not in text]
    return f"{text} ({', '.join(managers)})" if managers else text
