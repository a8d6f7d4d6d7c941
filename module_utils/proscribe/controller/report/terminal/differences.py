"""Summaries of changes for readers: the numbers of added and removed items of each list, and the first items.

Pure. A policy file has a thousand entries. An operator who approves it needs its new and its removed blocks, and the
place of the whole text. Texts come from hosts, so each is read only once, whatever it contains.
"""

from __future__ import annotations

import difflib
import json
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple

from ....base.lazy_patterns import compile_pattern
from ..text.terminal_layout import clip_text
from ..text.wording import clean_text, format_count, summarise_names

MAX_PLAIN_LINES = 6  # most changed lines that are shown in full; more lines are summarised
MAX_NAMED_ITEMS = 3  # most items of a list that are named
ITEM_COLUMNS = 60  # most columns of a named item
MAX_CHANGE_KINDS = 40  # most different changes of a module's answer that are summarised
MAX_JSON_DEPTH = 20  # most levels of a JSON text that are summarised
MAX_COMPARED_LINE_PAIRS = (
    1_000_000  # The shortest difference is computed only up to this product of the two numbers of lines.
)

DNS_NAME = compile_pattern(r"(?:[a-z0-9_-]+\.)+[a-z][a-z0-9-]*", re.ASCII)
# lines in a set of nftables that are its properties, not its elements
SET_PROPERTY = compile_pattern("(?:type|flags) ")
COMMENT_PREFIXES = ("#", "//")
MIN_NAME_SHARE = 0.8  # least share of changed lines with a DNS name in a text that is summarised as names


class ModuleChange(NamedTuple):
    """A change by an Ansible module, with its changed lines.

    `heading` is the module's action in words. `is_complete` is false if the lines only summarise the change.
    """

    heading: str
    lines: tuple[str, ...] = ()
    is_complete: bool = True


def summarise_differences(
    differences: Sequence[Mapping[str, object]], actions: Sequence[object] = ()
) -> list[ModuleChange]:
    """Summarise the changes in a module's answer: its `actions`, and differences that belong to no action.

    A difference is {before_header, before, after_header, after}. Its header is the action to which it belongs, and
    `before` and `after` are the whole texts. Differences with the same header become a single change.
    """
    changes_by_heading: dict[str, ModuleChange] = {
        clean_text(action): ModuleChange(clean_text(action)) for action in actions
    }
    line_groups: set[tuple[str, ...]] = set()
    omitted_count = 0
    for difference in differences:
        text_before, text_after = _get_text(difference.get("before")), _get_text(difference.get("after"))
        if text_before == text_after:
            continue
        heading = clean_text(difference.get("after_header") or difference.get("before_header") or "")
        # A host may send any number of differences, so further headings are only counted.
        if heading not in changes_by_heading and len(changes_by_heading) >= len(actions) + MAX_CHANGE_KINDS:
            omitted_count += 1
            continue
        # Above MAX_CHANGE_KINDS different changes, a change is only a heading, without its lines.
        lines, is_complete = (
            _summarise_change(text_before, text_after) if len(line_groups) < MAX_CHANGE_KINDS else ((), False)
        )
        line_groups.add(tuple(lines))
        earlier_change = changes_by_heading.get(heading, ModuleChange(heading))
        changes_by_heading[heading] = ModuleChange(
            heading, (*earlier_change.lines, *lines), earlier_change.is_complete and is_complete
        )
    omitted_change = (
        [ModuleChange(f"... and {format_count(omitted_count, 'more change')}", is_complete=False)]
        if omitted_count
        else []
    )
    return [*changes_by_heading.values(), *omitted_change]


def format_changes(module_changes: Iterable[ModuleChange]) -> list[str]:
    """Format changes as lines, in their order.

    Equal changed lines are shown once, below all their headings.
    """
    changes_by_lines: dict[tuple[str, ...], list[ModuleChange]] = {}
    for change in module_changes:
        changes_by_lines.setdefault(change.lines or ("", change.heading), []).append(change)
    output_lines: list[str] = []
    for equal_changes in changes_by_lines.values():
        output_lines += [
            *(change.heading for change in equal_changes),
            *(f"  {line}" for line in equal_changes[0].lines),
        ]
    return output_lines


def format_full_differences(differences: Sequence[Mapping[str, object]]) -> Iterator[str]:
    """Yield the complete differences in the format of `diff -u`, as printable lines with their ends."""
    for difference in differences:
        lines_before, lines_after = (
            _split_lines(_get_text(difference.get("before"))),
            _split_lines(_get_text(difference.get("after"))),
        )
        if lines_before == lines_after:
            continue
        yield f"--- before: {clean_text(difference.get('before_header') or '')}\n"
        yield f"+++ after: {clean_text(difference.get('after_header') or '')}\n"
        for line in _make_unified_difference(lines_before, lines_after):
            yield clean_text(line.replace("\t", "    ")) + "\n"


# -- one change --------------------------------------------------------------------------------------------------------


def _summarise_change(text_before: str, text_after: str) -> tuple[Sequence[str], bool]:
    """Summarise a changed text in lines, and return whether these lines show the whole change."""
    old_lines, new_lines = _split_lines(text_before), _split_lines(text_after)
    removed, added = (
        list((Counter(old_lines) - Counter(new_lines)).elements()),
        list((Counter(new_lines) - Counter(old_lines)).elements()),
    )
    if not removed and not added:
        return ["the same lines in another order"], False
    if len(removed) + len(added) <= MAX_PLAIN_LINES:
        return [clean_text(f"{sign}{line}") for sign, lines in (("-", removed), ("+", added)) for line in lines], True
    # Each function returns None for a text of another kind than its own. Otherwise count the lines.
    for summarise in (_summarise_json, _summarise_names, _summarise_sections):
        if (summary := summarise(text_before, text_after, removed, added)) is not None:
            return summary, False
    return _format_items("line", removed, added), False


def _format_items(noun: str, removed: Sequence[str], added: Sequence[str], heading: str = "") -> list[str]:
    """Format items as `URLBlocklist: 2 added: a.example, b.example`, or as `1 line removed: x`.

    `heading` names the list of the items. Without a heading, `noun` says what the items are.
    """
    texts = []
    for verb, entries in (("added", added), ("removed", removed)):
        if entries:
            count = f"{heading}: {len(entries):,}" if heading else format_count(len(entries), noun)
            # Comments and empty lines come last, because only the first entries are shown.
            ordered_entries = sorted(entries, key=lambda entry: not entry.strip() or entry.startswith(COMMENT_PREFIXES))
            clipped_entries = [clip_text(clean_text(entry.strip()), ITEM_COLUMNS) for entry in ordered_entries]
            texts.append(f"{count} {verb}: {summarise_names(clipped_entries, MAX_NAMED_ITEMS)}")
    return texts


def _summarise_names(
    text_before: str, text_after: str, removed: Sequence[str], added: Sequence[str]
) -> list[str] | None:
    """Summarise a text with a DNS name in nearly every line, such as a hosts file; None for other texts.

    Lines and names are counted separately, because the same name may be in two lines.
    """
    matches = [DNS_NAME.search(line) for line in (*removed, *added)]
    if sum(match is not None for match in matches) < MIN_NAME_SHARE * len(matches):
        return None
    dns_names = [match[0] if match else "" for match in matches]
    old_names, new_names = ({*dns_names[: len(removed)]} - {""}, {*dns_names[len(removed) :]} - {""})
    lines = [
        f"{format_count(len(lines), 'line')} {verb}"
        for verb, lines in (("added", added), ("removed", removed))
        if lines
    ]
    return [", ".join(lines), *_format_items("name", sorted(old_names - new_names), sorted(new_names - old_names))]


def _summarise_sections(
    text_before: str, text_after: str, removed: Sequence[str], added: Sequence[str]
) -> list[str] | None:
    """Summarise an nftables table: the elements of each set, and the other sections by their headings.

    A section is an indented list of lines below its heading. Returns None for a text without sets, and for a text in
    which no section differs.
    """
    old_sections, new_sections = _parse_sections(text_before), _parse_sections(text_after)
    # A set has a line for its type or its flags. Without such a line, a section named `set ...` is no set of nftables.
    headings = list(dict.fromkeys([*new_sections, *old_sections]))
    set_headings = [
        heading
        for heading in headings
        if heading.startswith("set ")
        and any(map(SET_PROPERTY.match, [*old_sections.get(heading, ()), *new_sections.get(heading, ())]))
    ]
    if not set_headings:
        return None
    texts: list[str] = []
    for heading in set_headings:
        elements_before, elements_after = (
            Counter(line for line in sections.get(heading, ()) if not SET_PROPERTY.match(line))
            for sections in (old_sections, new_sections)
        )
        texts += _format_items(
            "",
            list((elements_before - elements_after).elements()),
            list((elements_after - elements_before).elements()),
            clean_text(heading),
        )
    other_headings = [heading for heading in headings if heading not in set_headings]
    for verb, changed_headings in (
        ("added", [heading for heading in other_headings if heading not in old_sections]),
        ("removed", [heading for heading in other_headings if heading not in new_sections]),
        (
            "changed",
            [
                section_heading
                for section_heading in other_headings
                if section_heading in old_sections
                and section_heading in new_sections
                and old_sections[section_heading] != new_sections[section_heading]
            ],
        ),
    ):
        texts += (
            [
                f"{format_count(len(changed_headings), 'other part')} {verb}: "
                f"{summarise_names(changed_headings, MAX_NAMED_ITEMS)}"
            ]
            if changed_headings
            else []
        )
    return texts or None


def _parse_sections(text: str) -> dict[str, list[str]]:
    """Return the indented lines of a text by the heading above them."""
    sections: dict[str, list[str]] = {}
    lines: list[str] = []
    for line in text.splitlines():
        if line[:1].isspace():
            lines.append(line.strip())
        else:
            lines = sections.setdefault(line.strip(), [])
    return sections


def _summarise_json(
    text_before: str, text_after: str, removed: Sequence[str], added: Sequence[str]
) -> list[str] | None:
    """Summarise a JSON object: changes of each list, and of the other settings.

    Returns None for other texts.
    """
    flat_settings: list[dict[str, list[str] | str]] = []  # of the text before and of the text after: path -> value
    for text in (text_before, text_after):
        try:
            document = json.loads(text) if text.strip() else {}
            if not isinstance(document, dict):
                return None
            flat_settings.append(dict(_flatten_json(document, "")))
        except (ValueError, RecursionError):
            return None
    list_settings = [
        {path: setting for path, setting in settings.items() if isinstance(setting, list)} for settings in flat_settings
    ]
    values_before, values_after = (
        {path: setting for path, setting in settings.items() if isinstance(setting, str)} for settings in flat_settings
    )
    texts: list[str] = []
    for path in dict.fromkeys([*list_settings[1], *list_settings[0]]):
        old_entries, new_entries = Counter(list_settings[0].get(path, ())), Counter(list_settings[1].get(path, ()))
        texts += _format_items(
            "",
            list((old_entries - new_entries).elements()),
            list((new_entries - old_entries).elements()),
            clean_text(path),
        )
    changed_settings = [
        f"{path}: {values_before[path]} -> {values_after[path]}"
        for path in values_after
        if path in values_before and values_before[path] != values_after[path]
    ]
    texts += _format_items(
        "setting",
        [path for path in values_before if path not in values_after],
        [path for path in values_after if path not in values_before],
    )
    if changed_settings:
        clipped_changes = [clip_text(clean_text(change), ITEM_COLUMNS) for change in changed_settings]
        count = format_count(len(changed_settings), "setting")
        texts.append(f"{count} changed: {summarise_names(clipped_changes, MAX_NAMED_ITEMS)}")
    return texts or ["the same settings in another form"]


def _flatten_json(node: object, path: str) -> Iterator[tuple[str, list[str] | str]]:
    """Yield (path, value) for each list and each simple value within a JSON value.

    `path` has the keys above `node`, separated by full stops. A value is JSON text, except for a text in a list, which
    stays as it is. Raises ValueError for a value with more than MAX_JSON_DEPTH levels.
    """
    if path.count(".") > MAX_JSON_DEPTH:
        raise ValueError("too deep")
    if isinstance(node, dict):
        for key, child in node.items():
            # The key `policies` is left out of paths, because all of Firefox's settings are below it.
            yield from _flatten_json(child, f"{path}.{key}" if path and path != "policies" else str(key))
    elif isinstance(node, list):
        yield path, [child if isinstance(child, str) else json.dumps(child) for child in node]
    else:
        yield path, json.dumps(node)


# -- the whole text ----------------------------------------------------------------------------------------------------


def _make_unified_difference(lines_before: Sequence[str], lines_after: Sequence[str]) -> Iterator[str]:
    """Yield the lines of a unified difference, without its two headings.

    For large texts, all lines between the equal lines at both ends count as changed. The shortest difference would take
    time with the square of their length.
    """
    if len(lines_before) * len(lines_after) <= MAX_COMPARED_LINE_PAIRS:
        yield from list(difflib.unified_diff(lines_before, lines_after, lineterm=""))[2:]
        return
    common_start, min_length = 0, min(len(lines_before), len(lines_after))
    while common_start < min_length and lines_before[common_start] == lines_after[common_start]:
        common_start += 1
    common_end = 0
    while common_end < min_length - common_start and lines_before[-1 - common_end] == lines_after[-1 - common_end]:
        common_end += 1
    old_lines, new_lines = (
        lines_before[common_start : len(lines_before) - common_end],
        lines_after[common_start : len(lines_after) - common_end],
    )
    # `diff` gives an empty range the number of the line before it, so 1 is added only to a range with lines.
    yield f"@@ -{common_start + bool(old_lines)},{len(old_lines)} +{common_start + bool(new_lines)},{len(new_lines)} @@"
    yield from (f"-{line}" for line in old_lines)
    yield from (f"+{line}" for line in new_lines)


def _split_lines(text: str) -> list[str]:
    """Return the lines of a text.

    A line break at its end begins no further line.
    """
    return text.split("\n")[: -1 if text.endswith("\n") else None] if text else []


def _get_text(content: object) -> str:
    return content if isinstance(content, str) else ""
