"""Merging Proscribe's part into the organisation's Firefox policies, and taking it out again. Pure.

Three documents show what belongs to whom: `base`, the organisation's as it was merged into; `written`, what came of
it; and `current`, what is there now. `without_ours` takes `current` and undoes in it just what led from `base` to
`written`: what is as it was written goes back to what it was before, and everything else is the organisation's later
edit and stays. So an edit of the merged file survives the next run and the lift, and of Proscribe nothing does.

The merge keeps every setting of the organisation. The lists of WebsiteFilter are joined, and so are ExtensionSettings
and Preferences, entry by entry, and "*" of ExtensionSettings field by field; a Proxy of its own is kept and locked;
what else the plan asks for is replaced where it is weaker.
"""

from __future__ import annotations

import json
from typing import Any, Mapping, NoReturn, Sequence

from ....model.plan import canonical
from ...system import WRITTEN_BY
from .extension_settings import (
    ALLOWED_PERMISSIONS,
    BLOCKED_PERMISSIONS,
    EVERY,
    EXCEPTION,
    EXTENSION_SETTINGS,
    MODE,
    PERMISSION,
    blocking,
    entry_of,
    excepting,
)
from .extension_settings import closes as closes_proxies
from .firefox import DNS, FILTER, NO_SPECULATION, PREFERENCES, SUPPORT_MENU, TENANTS
from .observed import MARK
from .settings import SETTINGS

LISTS = ("Block", "Exceptions")
PROXY = "Proxy"
# Policies that are tables of many things: the organisation has its entries, and Proscribe its own.
TABLES = (EXTENSION_SETTINGS, PREFERENCES)
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
        elif not closes(name, policies.get(name), value):
            policies[name] = _joined_table(name, policies.get(name), value)
    rest = {key: value for key, value in base.items() if key not in (MARK, "policies")}
    return {MARK: WRITTEN_BY, **rest, "policies": policies}


def _joined(theirs: Any, ours: Mapping[str, list[str]]) -> dict[str, Any]:
    joined = dict(theirs) if isinstance(theirs, dict) else {}
    for name, entries in ours.items():
        listed = _list(joined, name)
        joined[name] = [*listed, *(entry for entry in entries if entry not in listed)]
    return joined


def closes(name: str, theirs: Any, ours: Any) -> bool:
    """Whether a policy as it is closes what Proscribe's would close."""
    if name == TENANTS:
        return _narrower(theirs, ours)
    if name == SUPPORT_MENU and isinstance(theirs, dict) and theirs:  # the organisation's own entry closes nothing less
        return True
    if name == PROXY:  # the organisation's own, whatever it is, as long as users cannot change it
        return isinstance(theirs, dict) and theirs.get("Locked") is True and "Mode" in theirs
    if name == EXTENSION_SETTINGS:
        return isinstance(theirs, dict) and same(_joined_extensions(theirs, ours), theirs)
    if isinstance(ours, dict):
        return isinstance(theirs, dict) and all(key in theirs and same(theirs[key], ours[key]) for key in ours)
    return same(theirs, ours)


def _joined_table(name: str, theirs: Any, ours: Any) -> Any:
    """Proscribe's entries beside the organisation's where a policy is a table of them, else in place of it."""
    if name == PROXY and isinstance(theirs, dict) and "Mode" in theirs:
        return {**theirs, "Locked": True}
    if name == EXTENSION_SETTINGS and isinstance(theirs, dict):
        return _joined_extensions(theirs, ours)
    return {**theirs, **ours} if name in (DNS, *TABLES) and isinstance(theirs, dict) else ours


def _joined_extensions(theirs: Mapping[str, Any], ours: Mapping[str, Any]) -> dict[str, Any]:
    """The organisation's ExtensionSettings with Proscribe's entries. An exception opens nothing that theirs block."""
    joined = dict(theirs)
    default = entry_of(theirs, EVERY)
    for key, entry in ours.items():
        mode = entry.get(MODE)
        if key == EVERY:
            added = {MODE: mode} if mode else {}
            if BLOCKED_PERMISSIONS in entry and not closes_proxies(default, of_all=True):
                added = {**added, BLOCKED_PERMISSIONS: blocking(default)[BLOCKED_PERMISSIONS]}
            joined[key] = {**default, **added}
        elif same(entry, EXCEPTION):
            if key not in theirs and not closes_proxies(default, of_all=True):
                joined[key] = excepting(default)
        elif not _answered(theirs.get(key), mode):
            joined[key] = entry
    return joined


def _answered(theirs: Any, mode: Any) -> bool:
    """Whether the organisation's own entry for an extension refuses it, or permits it, as Proscribe's would."""
    return isinstance(theirs, dict) and (theirs.get(MODE) == "blocked") == (mode == "blocked")


def _narrower(theirs: Any, ours: str) -> bool:
    """Whether the organisation's own list of tenant domains allows no more than the plan."""
    return isinstance(theirs, str) and bool(theirs) and _domains(theirs) <= _domains(ours)


def _domains(text: str) -> set[str]:
    return {domain.strip().lower() for domain in text.split(",")}


def without_ours(current: Document, base: Document, written: Sequence[Document]) -> dict[str, Any]:
    """The organisation's document inside a merged one. `written` is what Proscribe wrote last; two documents, if it was
    interrupted between two writes and either may be there.
    """
    rest = {key: value for key, value in current.items() if key not in (MARK, "policies")}
    policies = _back(
        current.get("policies", {}), base.get("policies", {}), [document.get("policies", {}) for document in written]
    )
    if policies or "policies" in base:
        rest["policies"] = policies
    return rest


def _back(current: Document, base: Document, written: Sequence[Document]) -> dict[str, Any]:
    rest: dict[str, Any] = {}
    for name, value in current.items():
        if any(name in document and same(document[name], value) for document in written):
            if name in base:
                rest[name] = base[name]
        elif name == FILTER and isinstance(value, dict):
            before = base.get(name)
            taken = _filter_back(value, before if isinstance(before, dict) else {}, [d.get(name) for d in written])
            if taken or name in base:
                rest[name] = taken
        elif name in TABLES and isinstance(value, dict):
            before = base.get(name)
            earlier = [table for d in written if isinstance(table := d.get(name), dict)]
            taken = _table_back(name, value, before if isinstance(before, dict) else {}, earlier)
            if taken or name in base:
                rest[name] = taken
        else:
            rest[name] = value
    return rest


def _table_back(name: str, current: Document, base: Document, written: Sequence[Document]) -> dict[str, Any]:
    rest = _back(current, base, written)
    default = entry_of(current, EVERY)
    if name == EXTENSION_SETTINGS and default and rest.get(EVERY) is default:  # a later edit of it
        rest[EVERY] = _default_back(default, entry_of(base, EVERY), [entry_of(table, EVERY) for table in written])
        if not rest[EVERY] and EVERY not in base:
            del rest[EVERY]
    return rest


def _default_back(current: Document, base: Document, written: Sequence[Document]) -> dict[str, Any]:
    """The entry "*" of ExtensionSettings without what Proscribe put there."""
    rest: dict[str, Any] = {}
    for field, value in current.items():
        earlier = [entry[field] for entry in written if field in entry]
        theirs = set(map(canonical, _list(base, field)))
        if field == BLOCKED_PERMISSIONS and isinstance(value, list):
            ours = {canonical(one) for listed in earlier if isinstance(listed, list) for one in listed} - theirs
            left = [one for one in value if canonical(one) not in ours]
            if left or field in base:
                rest[field] = left
        elif not any(same(one, value) for one in earlier):
            rest[field] = value
        elif field in base:
            rest[field] = base[field]
    return rest


def _filter_back(current: Document, base: Document, written: Sequence[Any]) -> dict[str, Any]:
    rest = dict(current)
    for name in LISTS:
        theirs = _list(base, name)
        ours = {canonical(entry) for document in written for entry in _list(document, name) if entry not in theirs}
        if isinstance(rest.get(name), list):
            rest[name] = [entry for entry in rest[name] if canonical(entry) not in ours]
            if not rest[name] and name not in base:
                del rest[name]
            elif not rest[name] and not isinstance(base.get(name), list):
                rest[name] = base[name]  # it was no list that Firefox would have taken, and ours was in its place
    return rest


def _list(document: Any, name: str) -> list[Any]:
    value = document.get(name) if isinstance(document, dict) else None
    return value if isinstance(value, list) else []


def assumed_ours(current: Document) -> list[Document]:
    """What to take for `written` where that is lost: all of the settings that Proscribe manages."""
    policies = current.get("policies", {})
    managed = {name for row in SETTINGS.values() for name in row.firefox} - {PROXY, *TABLES}
    ours = {name: policies[name] for name in sorted({FILTER, TENANTS, *managed}) if name in policies}
    tables = {name: policies[name] for name in TABLES if isinstance(policies.get(name), dict)}
    refused = {"installation_mode": "blocked"}
    locked = {*NO_SPECULATION, *(key for row in SETTINGS.values() for key in row.firefox.get(PREFERENCES, ()))}
    for name, table in tables.items():
        ours[name] = {key: value for key, value in table.items() if same(value, refused) or key in locked}
    for key, entry in tables.get(EXTENSION_SETTINGS, {}).items():
        if key == EVERY and PERMISSION in _list(entry, BLOCKED_PERMISSIONS):
            ours[EXTENSION_SETTINGS].setdefault(key, {BLOCKED_PERMISSIONS: [PERMISSION]})
        elif _list(entry, ALLOWED_PERMISSIONS) == [PERMISSION] and set(entry) <= {MODE, ALLOWED_PERMISSIONS}:
            ours[EXTENSION_SETTINGS][key] = entry
    return [{"policies": ours}]
