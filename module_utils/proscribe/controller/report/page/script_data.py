"""The hosts with their evidence as JSON for the page's script. Each text, finding, rule and part is stored once.

    {"states": [state], "finished": time, "texts": [text], "findings": [[text; one for each field of a finding]],
    "fields": [name of a field of a finding],
    "rules": [[rule, state, waiver, reason, [finding], setting]], "parts": [[control, state, group, [rule], audited]],
    "groups": [title], "departments": [text], "platforms": [[key, value, ...]], "errors": [[control, message, ...]],
    "actions": [[control, action, ...]], "controls": [[control, its mode and state, ...]],
    "hosts": [[name, state, [part], [department], platform, checked_at, reason, rules evaluated, not applicable,
               plan, milliseconds, errors, actions, {part, or -1 for the host: since}, [rule, attempts, ...],
               controls, [event between two runs, ...]]]}

A number is an index of the list of its kind; -1 means no value. Missing values at the end of a host are left out.
`setting` is 1 for a rule that belongs to no service. A part has rules of a host that share a control and a state, or an
error of the host. `audited` is 1 for a part that no run corrects.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Iterator, Mapping

from ....model.finding import STATES, Finding
from ....model.types.record import ControlRecord, RuleRecord
from ..evaluation.control_modes import AUDIT, ENFORCE, OFF
from ..evaluation.finding_groups import FindingGroup, GroupPart
from ..text.wording import clean_text, format_key, make_host_label
from .breakdown import FleetBreakdown, PageHost
from .watch_remarks import describe_remark

# Most characters of evidence on the page. Rules beyond this limit have no findings there.
MAX_EVIDENCE_CHARACTERS = 8_000_000
MODE_TEXTS = {ENFORCE: "enforced", AUDIT: "only audited"}
MAX_HOST_REMARKS = 50  # most events between two runs for a host
MAX_HOST_ATTEMPTS = 10  # most rules of a host whose numbers of refused attempts are shown


class NumberedTexts:
    """A list of distinct texts, each with a number: its index.

    `numbers` has the texts as keys, in their order.
    """

    def __init__(self) -> None:
        self.numbers: dict[str, int] = {}

    def assign_text_number(self, content: object) -> int:
        """Return the number of a text, and add the text if it is new; -1 for None or ""."""
        if content is None or content == "":
            return -1
        return self.numbers.setdefault(clean_text(content), len(self.numbers))


class NumberedLists:
    """A list of distinct lists of numbers, each with a number: its index.

    `numbers` has these lists as keys.
    """

    def __init__(self) -> None:
        self.numbers: dict[tuple[int, ...], int] = {}

    def assign_list_number(self, numbers: Iterable[int]) -> int:
        """Return the number of a list, and add the list if it is new; -1 for an empty list."""
        key = tuple(numbers)
        return self.numbers.setdefault(key, len(self.numbers)) if key else -1


def generate_script_data(
    breakdown: FleetBreakdown, finished: str, max_characters: int = MAX_EVIDENCE_CHARACTERS
) -> Iterator[str]:
    """Yield the script's data as pieces of JSON that are safe inside a `script` element.

    `finished` is the end of the run. Evidence beyond `max_characters` is left out.
    """
    texts, findings = NumberedTexts(), NumberedLists()
    departments: dict[str, int] = {}
    numbered_lists = {
        "platforms": NumberedLists(),
        "errors": NumberedLists(),
        "actions": NumberedLists(),
        "controls": NumberedLists(),
    }
    rules = list(_encode_rules(breakdown.rules, texts, findings, max_characters, breakdown.setting_rules))
    parts = [_encode_part(part, texts) for part in breakdown.parts]
    yield '{"states":' + _encode_script_json(STATES)
    yield ',\n"finished":' + _encode_script_json(clean_text(finished))
    yield ',\n"fields":' + _encode_script_json(Finding._fields)
    yield ',\n"rules":' + _encode_script_json(rules)
    yield ',\n"parts":' + _encode_script_json(parts)
    yield ',\n"groups":' + _encode_script_json([_make_group_title(group) for group in breakdown.groups])
    yield ',\n"hosts":['
    for number, host in enumerate(breakdown.hosts):
        yield (",\n" if number else "\n") + _encode_script_json(_encode_host(host, texts, departments, numbered_lists))
    yield "]"
    # Encoding the hosts has added texts and lists to these, so they are written last.
    for name, numbered_list in numbered_lists.items():
        yield f',\n"{name}":' + _encode_script_json(list(numbered_list.numbers))
    yield ',\n"departments":' + _encode_script_json(list(departments))
    yield ',\n"findings":' + _encode_script_json(list(findings.numbers))
    yield ',\n"texts":' + _encode_script_json(list(texts.numbers))
    yield "}"


def _encode_script_json(content: object) -> str:
    """Encode a value as JSON, with escapes for the characters that could end the `script` element."""
    json_text = json.dumps(content, separators=(",", ":"), ensure_ascii=False)
    return json_text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")


def _encode_rules(
    rules: Iterable[RuleRecord],
    texts: NumberedTexts,
    findings: NumberedLists,
    max_characters: int,
    setting_rules: Collection[str],
) -> Iterator[list[object]]:
    """Yield each rule as [rule, state, waiver, reason, findings, setting], with numbers.

    Rules beyond `max_characters` of evidence have None as findings.
    """
    character_count = 0
    for rule in rules:
        character_count += sum(
            len(str(field_value)) for finding in rule["findings"] for field_value in finding.values() if field_value
        )
        finding_numbers: list[int] | None = None
        if character_count <= max_characters:
            finding_numbers = [
                findings.assign_list_number(texts.assign_text_number(finding.get(key)) for key in Finding._fields)
                for finding in rule["findings"]
            ]
        waiver, reason = texts.assign_text_number(rule["waiver"]), texts.assign_text_number(rule["reason"])
        name, state = texts.assign_text_number(rule["rule"]), STATES.index(rule["state"])
        yield [name, state, waiver, reason, finding_numbers, int(rule["rule"] in setting_rules)]


def _encode_part(part: GroupPart, texts: NumberedTexts) -> list[object]:
    """Encode a part as [control, state, group, rules, audited], with numbers.

    The group is -1 for none.
    """
    group = -1 if part.group is None else part.group
    return [texts.assign_text_number(part.control), STATES.index(part.state), group, part.rules, int(part.is_audited)]


def _make_group_title(group: FindingGroup) -> list[str]:
    """Return the title of a group of findings for the script: its subject with its rules, and its causes."""
    return [
        clean_text(f"{group.subject}, {group.rules_text}" if group.rules_text else group.subject),
        clean_text(group.causes_text),
    ]


def _select_attempts(attempts: Mapping[str, int]) -> list[tuple[str, int]]:
    """Return the (rule, number of refused attempts) of the rules with the most attempts, at most ten."""
    return sorted(attempts.items(), key=lambda attempt: (-attempt[1], attempt[0]))[:MAX_HOST_ATTEMPTS]


def _describe_controls(controls: Mapping[str, ControlRecord]) -> Iterator[tuple[str, str]]:
    """Yield (control, its mode and state in words) for each control of a host."""
    for name, control in controls.items():
        if mode := control.get("mode"):
            state = format_key(control.get("state") or "not checked in this run")
            yield name, mode if mode == OFF else f"{MODE_TEXTS[mode]}: {state}"


def _encode_host(
    host: PageHost, texts: NumberedTexts, departments: dict[str, int], numbered_lists: Mapping[str, NumberedLists]
) -> list[object]:
    """Encode a host as a row of texts and numbers, in the order that the module's docstring shows.

    Empty values at the end of the row are left out. New texts, departments and lists are added to the arguments.
    """
    record, actions = host.record, host.record.get("actions", ())
    row: list[object] = [
        make_host_label(host.name),
        STATES.index(host.state),
        host.parts,
        [departments.setdefault(clean_text(name), len(departments)) for name in host.departments],
        numbered_lists["platforms"].assign_list_number(
            texts.assign_text_number(text) for pair in record["platform"].items() for text in pair
        ),
        texts.assign_text_number(record["checked_at"]),
        texts.assign_text_number(record.get("reason")),
        record["rules_evaluated"],
        record["rules_not_applicable"],
        texts.assign_text_number(record["plan"]),
        -1 if record["duration_ms"] is None else record["duration_ms"],
        numbered_lists["errors"].assign_list_number(
            texts.assign_text_number(text)
            for error in record["errors"]
            for text in (error["control"], error["message"])
        ),
        numbered_lists["actions"].assign_list_number(
            texts.assign_text_number(text) for action in actions for text in (action["control"], action["action"])
        ),
        {number: texts.assign_text_number(start_time) for number, start_time in host.start_times.items()},
        [
            number
            for rule, attempt_count in _select_attempts(record.get("attempts", {}))
            for number in (texts.assign_text_number(rule), attempt_count)
        ],
        numbered_lists["controls"].assign_list_number(
            texts.assign_text_number(text) for pair in _describe_controls(record.get("controls", {})) for text in pair
        ),
        [texts.assign_text_number(describe_remark(remark)) for remark in host.remarks[:MAX_HOST_REMARKS]],
    ]
    while row[-1] in (-1, {}, []):
        row.pop()
    return row
