"""The hosts with their evidence as JSON for the page's script: every text, finding, rule and part once, then numbers.

    {"states": [state], "finished": time, "texts": [text], "findings": [[text; one for each field of a finding]],
     "rules": [[rule, state, waiver, reason, [finding], setting]], "parts": [[control, state, group, [rule], audited]],
     "groups": [title], "departments": [text], "platforms": [[key, value, ...]], "errors": [[control, message, ...]],
     "actions": [[control, action, ...]], "controls": [[control, its mode and state, ...]],
     "hosts": [[name, state, [part], [department], platform, checked_at, reason, rules evaluated, not applicable,
                plan, milliseconds, errors, actions, {part, or -1 for the host: since}, [rule, attempts, ...],
                controls, [event between two runs, ...]]]}

A number stands for a place in the list of its kind; -1 for nothing. Trailing nothings of a host are left out.
`setting` is 1 for a rule that is no service's. `audited` is 1 for a part that no run corrects.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Iterator, Mapping

from ....model.finding import STATES, Finding
from ....model.types.record import ControlRecord, RuleRecord
from ..evaluation.groups import FindingGroup, GroupPart
from ..evaluation.modes import AUDIT, ENFORCE, OFF
from ..text.wording import clean, host_label, in_words
from .breakdown import Breakdown, Host
from .since_last_run import sentence

# How much evidence the page carries, in characters; beyond it a rule stands there without its findings.
MOST_EVIDENCE = 8_000_000
MODES = {ENFORCE: "enforced", AUDIT: "only audited"}
MOST_EVENTS = 50  # between two runs, of one host
MOST_ATTEMPTS = 10  # rules of a host of which it says how often they refused something


class Texts:
    """Texts, each once."""

    def __init__(self) -> None:
        self.numbers: dict[str, int] = {}

    def number(self, value: object) -> int:
        """The number of a text, cleaned; -1 for none."""
        if value is None or value == "":
            return -1
        return self.numbers.setdefault(clean(value), len(self.numbers))


class Lists:
    """Lists of numbers, each once."""

    def __init__(self) -> None:
        self.numbers: dict[tuple[int, ...], int] = {}

    def number(self, values: Iterable[int]) -> int:
        """The number of a list; -1 for an empty one."""
        key = tuple(values)
        return self.numbers.setdefault(key, len(self.numbers)) if key else -1


def script_data(breakdown: Breakdown, finished: str, most: int = MOST_EVIDENCE) -> Iterator[str]:
    """The data, piece by piece, safe inside a `script` element."""
    texts, findings = Texts(), Lists()
    departments: dict[str, int] = {}
    lists = {"platforms": Lists(), "errors": Lists(), "actions": Lists(), "controls": Lists()}
    rules = list(_rules(breakdown.rules, texts, findings, most, breakdown.settings))
    parts = [_part(part, texts) for part in breakdown.parts]
    yield '{"states":' + _json(STATES)
    yield ',\n"finished":' + _json(clean(finished))
    yield ',\n"fields":' + _json(Finding._fields)
    yield ',\n"rules":' + _json(rules)
    yield ',\n"parts":' + _json(parts)
    yield ',\n"groups":' + _json([_title(group) for group in breakdown.groups])
    yield ',\n"hosts":['
    for number, host in enumerate(breakdown.hosts):
        yield (",\n" if number else "\n") + _json(_host(host, texts, departments, lists))
    yield "]"
    for name, numbered in lists.items():
        yield f',\n"{name}":' + _json(list(numbered.numbers))
    yield ',\n"departments":' + _json(list(departments))
    yield ',\n"findings":' + _json(list(findings.numbers))
    yield ',\n"texts":' + _json(list(texts.numbers))
    yield "}"


def _json(value: object) -> str:
    """JSON without the characters that end a `script` element or begin a comment in one."""
    plain = json.dumps(value, separators=(",", ":"), ensure_ascii=False)
    return plain.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")


def _rules(
    rules: Iterable[RuleRecord], texts: Texts, findings: Lists, most: int, settings: Collection[str]
) -> Iterator[list[object]]:
    spent = 0
    for rule in rules:
        spent += sum(len(str(value)) for finding in rule["findings"] for value in finding.values() if value)
        found: list[int] | None = None
        if spent <= most:
            found = [findings.number(texts.number(f.get(key)) for key in Finding._fields) for f in rule["findings"]]
        waiver, reason = texts.number(rule["waiver"]), texts.number(rule["reason"])
        name, state = texts.number(rule["rule"]), STATES.index(rule["state"])
        yield [name, state, waiver, reason, found, int(rule["rule"] in settings)]


def _part(part: GroupPart, texts: Texts) -> list[object]:
    group = -1 if part.group is None else part.group
    return [texts.number(part.control), STATES.index(part.state), group, part.rules, int(part.is_audited)]


def _title(group: FindingGroup) -> list[str]:
    """What a group is about, and why: as it is said of one host."""
    return [
        clean(f"{group.subject}, {group.rules_text}" if group.rules_text else group.subject),
        clean(group.causes_text),
    ]


def _most(attempts: Mapping[str, int]) -> list[tuple[str, int]]:
    return sorted(attempts.items(), key=lambda item: (-item[1], item[0]))[:MOST_ATTEMPTS]


def _controls(controls: Mapping[str, ControlRecord]) -> Iterator[tuple[str, str]]:
    """What of each control is done on the host, and how it stands, in words."""
    for name, control in controls.items():
        if mode := control.get("mode"):
            state = in_words(control.get("state") or "not checked in this run")
            yield name, mode if mode == OFF else f"{MODES[mode]}: {state}"


def _host(host: Host, texts: Texts, departments: dict[str, int], lists: Mapping[str, Lists]) -> list[object]:
    record, actions = host.record, host.record.get("actions", ())
    row: list[object] = [
        host_label(host.name),
        STATES.index(host.state),
        host.parts,
        [departments.setdefault(clean(name), len(departments)) for name in host.departments],
        lists["platforms"].number(texts.number(item) for pair in record["platform"].items() for item in pair),
        texts.number(record["checked_at"]),
        texts.number(record.get("reason")),
        record["rules_evaluated"],
        record["rules_not_applicable"],
        texts.number(record["plan"]),
        -1 if record["duration_ms"] is None else record["duration_ms"],
        lists["errors"].number(texts.number(text) for e in record["errors"] for text in (e["control"], e["message"])),
        lists["actions"].number(texts.number(text) for a in actions for text in (a["control"], a["action"])),
        {number: texts.number(when) for number, when in host.since.items()},
        [item for rule, times in _most(record.get("attempts", {})) for item in (texts.number(rule), times)],
        lists["controls"].number(texts.number(item) for pair in _controls(record.get("controls", {})) for item in pair),
        [texts.number(sentence(one)) for one in host.remarks[:MOST_EVENTS]],
    ]
    while row[-1] in (-1, {}, []):
        row.pop()
    return row
