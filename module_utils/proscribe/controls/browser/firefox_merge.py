"""Merging Proscribe's part into the organisation's Firefox policies, and taking it out again. Pure.

Three documents tell what belongs to whom: `base`, the organisation's as it was merged into; `written`, what came of
it; and `current`, what stands there now. `without_ours` takes `current` and undoes in it just what led from `base` to
`written`: what is as it was written goes back to what it was before, and everything else is the organisation's later
edit and stays. So an edit of the merged file survives the next run and the lift, and of Proscribe nothing does.

The merge keeps every setting of the organisation. The lists of WebsiteFilter are joined; DNSOverHTTPS and
AllowedDomainsForApps are replaced where they are weaker than what the plan asks for.
"""

from __future__ import annotations

import json
from typing import Any, Mapping, NoReturn, Sequence

from ...host import WRITTEN_BY
from ...plan import canonical
from .firefox import DNS, DNS_OFF, FILTER, TENANTS
from .sight import MARK

LISTS = ("Block", "Exceptions")
Document = Mapping[str, Any]


def parse(content: bytes) -> dict[str, Any]:
    """A policies.json as strictly as Firefox reads it. Raises ValueError, saying what is wrong with it."""

    def refuse(text: str) -> NoReturn:
        raise ValueError(f"{text} is not JSON")

    try:
        document = json.loads(content.decode("utf-8"), parse_constant=refuse)
        json.dumps(document, allow_nan=False)  # a number too large for Python would be written as Infinity
    except RecursionError:
        raise ValueError("nested too deeply") from None
    if not isinstance(document, dict):
        raise ValueError("not an object")
    if not isinstance(document.get("policies", {}), dict):
        raise ValueError('its "policies" is not an object')
    return document


def same(one: Any, other: Any) -> bool:
    """Whether two JSON values are the same, whatever the order of their keys (to Python alone, 1 is true)."""
    return canonical(one) == canonical(other)


def merge(base: Document, ours: Document) -> dict[str, Any]:
    """The organisation's document with Proscribe's policies in it. `ours` is what firefox.policies returns."""
    policies = dict(base.get("policies", {}))
    for name, value in ours.items():
        if name == FILTER:
            policies[name] = _joined(policies.get(name), value)
        elif name == DNS:
            policies[name] = _dns(policies.get(name))
        elif not _narrower(policies.get(name), value):
            policies[name] = value
    rest = {key: value for key, value in base.items() if key not in (MARK, "policies")}
    return {MARK: WRITTEN_BY, **rest, "policies": policies}


def _joined(theirs: Any, ours: Mapping[str, list[str]]) -> dict[str, Any]:
    joined = dict(theirs) if isinstance(theirs, dict) else {}
    for name, entries in ours.items():
        listed = _list(joined, name)
        joined[name] = [*listed, *(entry for entry in entries if entry not in listed)]
    return joined


def dns_is_off(value: Any) -> bool:
    """Whether a DNSOverHTTPS policy leaves a user no way to switch it on."""
    return isinstance(value, dict) and value.get("Enabled") is False and value.get("Locked") is True


def _dns(theirs: Any) -> Any:
    return theirs if dns_is_off(theirs) else {**(theirs if isinstance(theirs, dict) else {}), **DNS_OFF}


def _narrower(theirs: Any, ours: str) -> bool:
    """Whether the organisation's own list of tenant domains allows no more than the plan."""
    return isinstance(theirs, str) and bool(theirs) and _domains(theirs) <= _domains(ours)


def _domains(text: str) -> set[str]:
    return {domain.strip().lower() for domain in text.split(",")}


def without_ours(current: Document, base: Document, written: Sequence[Document]) -> dict[str, Any]:
    """The organisation's document inside a merged one. `written` is what Proscribe wrote last; two documents, if it was
    interrupted between two writes and either may stand there.
    """
    kept = {key: value for key, value in current.items() if key not in (MARK, "policies")}
    policies = _back(
        current.get("policies", {}), base.get("policies", {}), [document.get("policies", {}) for document in written]
    )
    if policies or "policies" in base:
        kept["policies"] = policies
    return kept


def _back(current: Document, base: Document, written: Sequence[Document]) -> dict[str, Any]:
    kept: dict[str, Any] = {}
    for name, value in current.items():
        if any(name in document and same(document[name], value) for document in written):
            if name in base:
                kept[name] = base[name]
        elif name == FILTER and isinstance(value, dict):
            before = base.get(name)
            taken = _filter_back(value, before if isinstance(before, dict) else {}, [d.get(name) for d in written])
            if taken or name in base:
                kept[name] = taken
        else:
            kept[name] = value
    return kept


def _filter_back(current: Document, base: Document, written: Sequence[Any]) -> dict[str, Any]:
    kept = dict(current)
    for name in LISTS:
        theirs = _list(base, name)
        ours = {canonical(entry) for document in written for entry in _list(document, name) if entry not in theirs}
        if isinstance(kept.get(name), list):
            kept[name] = [entry for entry in kept[name] if canonical(entry) not in ours]
            if not kept[name] and name not in base:
                del kept[name]
            elif not kept[name] and not isinstance(base.get(name), list):
                kept[name] = base[name]  # it was no list that Firefox would have taken, and ours stood in its place
    return kept


def _list(document: Any, name: str) -> list[Any]:
    value = document.get(name) if isinstance(document, dict) else None
    return value if isinstance(value, list) else []


def assumed_ours(current: Document) -> list[Document]:
    """What to take for `written` where that is lost: all of the settings that Proscribe manages."""
    policies = current.get("policies", {})
    return [{"policies": {name: policies[name] for name in (FILTER, DNS, TENANTS) if name in policies}}]
