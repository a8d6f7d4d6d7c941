"""Merging Proscribe's part into the organisation's Firefox policies, and taking it out again. Pure.

Three documents show what belongs to whom: `base`, the organisation's as it was merged into; `written`, what came of
it; and `current`, what is there now. `without_ours` takes `current` and undoes in it just what led from `base` to
`written`: what is as it was written goes back to what it was before, and everything else is the organisation's later
edit and stays. So an edit of the merged file survives the next run and the lift, and of Proscribe nothing does.

The merge keeps every setting of the organisation. The lists of WebsiteFilter are joined. So are ExtensionSettings and
Preferences, entry by entry, and "*" of ExtensionSettings field by field. A Proxy of its own is kept and locked. What
else the plan asks for is replaced where it is weaker.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, NoReturn, Sequence

from ....model.plan import format_canonical
from ...system import WRITTEN_BY
from ..policy_tables import is_same_json, read_list, read_table
from .extension_settings import (
    ALLOWED_PERMISSIONS,
    BLOCKED_PERMISSIONS,
    EVERY,
    EXCEPTION,
    EXTENSION_SETTINGS,
    MODE,
    PERMISSIONS,
    blocking,
    excepting,
)
from .extension_settings import closes as closes_proxies
from .firefox import DNS, FILTER, NO_SPECULATION, PREFERENCES, SUPPORT_MENU, TENANTS
from .observed import MARK
from .settings import SETTINGS

if TYPE_CHECKING:
    from ..policy_tables import Policies

LISTS = ("Block", "Exceptions")
PROXY = "Proxy"
# Policies that are tables of many things: the organisation has its entries, and Proscribe its own.
TABLES = (EXTENSION_SETTINGS, PREFERENCES)


def parse(content: bytes) -> dict[str, object]:
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


def merge(base: Policies, ours: Policies) -> dict[str, object]:
    """The organisation's document with Proscribe's policies in it. `ours` is what firefox.policies returns."""
    policies = dict(read_table(base, "policies"))
    for name, value in ours.items():
        if name == FILTER:
            policies[name] = _joined(read_table(policies, name), read_table(ours, name))
        else:
            policies.update(still_required(policies, {name: value}))
    rest = {key: value for key, value in base.items() if key not in (MARK, "policies")}
    return {MARK: WRITTEN_BY, **rest, "policies": policies}


def still_required(policies: Policies, ours: Policies) -> dict[str, object]:
    """Return the policies that have to change so that they close what Proscribe's would close, as they have to be."""
    return {
        name: _joined_table(name, policies.get(name), value)
        for name, value in ours.items()
        if not closes(name, policies.get(name), value)
    }


def _joined(theirs: Policies, ours: Policies) -> dict[str, object]:
    joined = dict(theirs)
    for name in ours:
        listed = read_list(theirs, name)
        joined[name] = [*listed, *(entry for entry in read_list(ours, name) if entry not in listed)]
    return joined


def closes(name: str, theirs: object, ours: object) -> bool:
    """Whether a policy as it is closes what Proscribe's would close."""
    if name == TENANTS:
        return _narrower(theirs, ours)
    if name == SUPPORT_MENU and isinstance(theirs, dict) and theirs:  # the organisation's own entry closes nothing less
        return True
    if name == PROXY:  # the organisation's own, whatever it is, as long as users cannot change it
        return isinstance(theirs, dict) and theirs.get("Locked") is True and "Mode" in theirs
    if name == EXTENSION_SETTINGS:
        return (
            isinstance(theirs, dict)
            and isinstance(ours, dict)
            and is_same_json(_joined_extensions(theirs, ours), theirs)
        )
    if isinstance(ours, dict):
        return isinstance(theirs, dict) and all(key in theirs and is_same_json(theirs[key], ours[key]) for key in ours)
    return is_same_json(theirs, ours)


def _joined_table(name: str, theirs: object, ours: object) -> object:
    """Proscribe's entries beside the organisation's where a policy is a table of them, else in place of it."""
    if not isinstance(theirs, dict) or not isinstance(ours, dict):
        return ours
    if name == PROXY and "Mode" in theirs:
        return {**theirs, "Locked": True}
    if name == EXTENSION_SETTINGS:
        return _joined_extensions(theirs, ours)
    return {**theirs, **ours} if name in (DNS, *TABLES) else ours


def _joined_extensions(theirs: Policies, ours: Policies) -> dict[str, object]:
    """The organisation's ExtensionSettings with Proscribe's entries. An exception opens nothing that theirs block."""
    joined = dict(theirs)
    default = read_table(theirs, EVERY)
    for key in ours:
        entry = read_table(ours, key)
        mode = entry.get(MODE)
        if key == EVERY:
            added = {MODE: mode} if mode else {}
            if BLOCKED_PERMISSIONS in entry and not closes_proxies(default, of_all=True):
                added = {**added, BLOCKED_PERMISSIONS: blocking(default)[BLOCKED_PERMISSIONS]}
            joined[key] = {**default, **added}
        elif is_same_json(entry, EXCEPTION):
            if key not in theirs and not closes_proxies(default, of_all=True):
                joined[key] = excepting(default)
        elif not _answered(theirs.get(key), mode):
            joined[key] = entry
    return joined


def _answered(theirs: object, mode: object) -> bool:
    """Whether the organisation's own entry for an extension refuses it, or permits it, as Proscribe's would."""
    return isinstance(theirs, dict) and (theirs.get(MODE) == "blocked") == (mode == "blocked")


def _narrower(theirs: object, ours: object) -> bool:
    """Whether the organisation's own list of tenant domains allows no more than the plan."""
    return isinstance(theirs, str) and bool(theirs) and _domains(theirs) <= _domains(str(ours))


def _domains(text: str) -> set[str]:
    return {domain.strip().lower() for domain in text.split(",")}


def without_ours(current: Policies, base: Policies, written: Sequence[Policies]) -> dict[str, object]:
    """The organisation's document inside a merged one. `written` is what Proscribe wrote last; two documents, if it was
    interrupted between two writes and either may be there.
    """
    rest = {key: value for key, value in current.items() if key not in (MARK, "policies")}
    policies = _back(read_table(current, "policies"), read_table(base, "policies"), _tables(written, "policies"))
    if policies or "policies" in base:
        rest["policies"] = policies
    return rest


def _tables(documents: Sequence[Policies], name: str) -> list[dict[str, object]]:
    return [read_table(document, name) for document in documents]


def _back(current: Policies, base: Policies, written: Sequence[Policies]) -> dict[str, object]:
    rest: dict[str, object] = {}
    for name, value in current.items():
        if any(name in document and is_same_json(document[name], value) for document in written):
            if name in base:
                rest[name] = base[name]
        elif name in (FILTER, *TABLES) and isinstance(value, dict):
            back = {FILTER: _filter_back, EXTENSION_SETTINGS: _extensions_back}.get(name, _back)
            taken = back(value, read_table(base, name), _tables(written, name))
            if taken or name in base:
                rest[name] = taken
        else:
            rest[name] = value
    return rest


def _extensions_back(current: Policies, base: Policies, written: Sequence[Policies]) -> dict[str, object]:
    rest = _back(current, base, written)
    default = read_table(current, EVERY)
    if default and rest.get(EVERY) is default:  # a later edit of it
        rest[EVERY] = _default_back(default, read_table(base, EVERY), _tables(written, EVERY))
        if not rest[EVERY] and EVERY not in base:
            del rest[EVERY]
    return rest


def _default_back(current: Policies, base: Policies, written: Sequence[Policies]) -> dict[str, object]:
    """The entry "*" of ExtensionSettings without what Proscribe put there."""
    rest: dict[str, object] = {}
    for field, value in current.items():
        if field == BLOCKED_PERMISSIONS and isinstance(value, list):
            left = _list_back(field, value, base, written)
            if left or field in base:
                rest[field] = left
        elif not any(field in entry and is_same_json(entry[field], value) for entry in written):
            rest[field] = value
        elif field in base:
            rest[field] = base[field]
    return rest


def _list_back(name: str, current: list[object], base: Policies, written: Sequence[Policies]) -> list[object]:
    """A list without the entries that were written and are not the organisation's."""
    theirs = set(map(format_canonical, read_list(base, name)))
    ours = {format_canonical(entry) for table in written for entry in read_list(table, name)} - theirs
    return [entry for entry in current if format_canonical(entry) not in ours]


def _filter_back(current: Policies, base: Policies, written: Sequence[Policies]) -> dict[str, object]:
    rest = dict(current)
    for name in LISTS:
        value = current.get(name)
        if isinstance(value, list):
            rest[name] = _list_back(name, value, base, written)
            if not rest[name] and name not in base:
                del rest[name]
            elif not rest[name] and not isinstance(base.get(name), list):
                rest[name] = base[name]  # it was no list that Firefox would have taken, and ours was in its place
    return rest


def assumed_ours(current: Policies) -> list[Policies]:
    """What to take for `written` where that is lost: all of the settings that Proscribe manages."""
    policies = read_table(current, "policies")
    managed = {name for row in SETTINGS.values() for name in row.firefox} - {PROXY, *TABLES}
    ours = {name: policies[name] for name in sorted({FILTER, TENANTS, *managed}) if name in policies}
    refused = {MODE: "blocked"}
    locked = {*NO_SPECULATION, *(key for row in SETTINGS.values() for key in read_table(row.firefox, PREFERENCES))}
    for name in TABLES:
        table = read_table(policies, name)
        mine = {key: value for key, value in table.items() if is_same_json(value, refused) or key in locked}
        for key in table if name == EXTENSION_SETTINGS else ():
            entry = read_table(table, key)
            if key == EVERY and (blocked := _permissions_in(entry, BLOCKED_PERMISSIONS)):
                mine.setdefault(key, {BLOCKED_PERMISSIONS: blocked})
            elif _is_exception(entry):
                mine[key] = entry
        if isinstance(policies.get(name), dict):
            ours[name] = mine
    return [{"policies": ours}]


def _permissions_in(entry: Policies, field: str) -> list[str]:
    """The permissions of a field that Proscribe may have written there."""
    listed = read_list(entry, field)
    return [permission for permission in PERMISSIONS if permission in listed]


def _is_exception(entry: Policies) -> bool:
    """Whether an entry is an exception as Proscribe writes it, or an earlier version of it did."""
    mine = _permissions_in(entry, ALLOWED_PERMISSIONS)
    return bool(mine) and entry.get(ALLOWED_PERMISSIONS) == mine and set(entry) <= {MODE, ALLOWED_PERMISSIONS}
