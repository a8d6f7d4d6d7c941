"""Merging Proscribe's part into the organisation's Firefox policies, and taking it out again. Pure.

Three documents show what belongs to whom: `base`, the organisation's as it was merged into; `written`, what came of
it; and `current`, what is there now. `remove_own_policies` takes `current` and undoes in it just what led from `base` to
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
    ALLOWED_PERMISSIONS_FIELD,
    BLOCKED_PERMISSIONS_FIELD,
    EVERY_EXTENSION,
    EXCEPTION_ENTRY,
    EXTENSION_SETTINGS,
    MODE_FIELD,
    PERMISSIONS,
    make_blocking_default,
    make_exception,
)
from .extension_settings import is_blocking_permissions as closes_proxies
from .firefox import (
    DNS_OVER_HTTPS,
    NO_SPECULATION_PREFERENCE,
    PREFERENCES_POLICY,
    SUPPORT_MENU_POLICY,
    TENANT_DOMAINS,
    WEBSITE_FILTER,
)
from .observed import POLICY_MARK
from .settings import SETTINGS

if TYPE_CHECKING:
    from ..policy_tables import Policies

FILTER_LISTS = ("Block", "Exceptions")
PROXY_POLICY = "Proxy"
# Policies that are tables of many things: the organisation has its entries, and Proscribe its own.
TABLE_POLICIES = (EXTENSION_SETTINGS, PREFERENCES_POLICY)


def parse_policies(content: bytes) -> dict[str, object]:
    """A policies.json as strictly as Firefox reads it. Raises ValueError, saying what is wrong with it."""

    def refuse_constant(text: str) -> NoReturn:
        raise ValueError(f"{text} is not JSON")

    try:
        document = json.loads(content.decode("utf-8"), parse_constant=refuse_constant)
        json.dumps(document, allow_nan=False)  # a number too large for Python would be written as Infinity
    except RecursionError:
        raise ValueError("nested too deeply") from None
    if not isinstance(document, dict):
        raise ValueError("not an object")
    if not isinstance(document.get("policies", {}), dict):
        raise ValueError('its "policies" is not an object')
    return document


def merge_policies(base: Policies, own_policies: Policies) -> dict[str, object]:
    """The organisation's document with Proscribe's policies in it. `own_policies` is what firefox.policies returns."""
    policies = dict(read_table(base, "policies"))
    for name, policy_value in own_policies.items():
        if name == WEBSITE_FILTER:
            policies[name] = _join_filters(read_table(policies, name), read_table(own_policies, name))
        else:
            policies.update(list_required_changes(policies, {name: policy_value}))
    other_keys = {key: policy_value for key, policy_value in base.items() if key not in (POLICY_MARK, "policies")}
    return {POLICY_MARK: WRITTEN_BY, **other_keys, "policies": policies}


def list_required_changes(policies: Policies, own_policies: Policies) -> dict[str, object]:
    """Return the policies that have to change so that they close what Proscribe's would close, as they have to be."""
    return {
        name: _join_table(name, policies.get(name), policy_value)
        for name, policy_value in own_policies.items()
        if not is_closing(name, policies.get(name), policy_value)
    }


def _join_filters(foreign_filter: Policies, own_filter: Policies) -> dict[str, object]:
    joined_filter = dict(foreign_filter)
    for name in own_filter:
        foreign_entries = read_list(foreign_filter, name)
        joined_filter[name] = [
            *foreign_entries,
            *(entry for entry in read_list(own_filter, name) if entry not in foreign_entries),
        ]
    return joined_filter


def is_closing(name: str, foreign_value: object, own_value: object) -> bool:
    """Whether a policy as it is closes what Proscribe's would close."""
    if name == TENANT_DOMAINS:
        return _is_narrower(foreign_value, own_value)
    if (
        name == SUPPORT_MENU_POLICY and isinstance(foreign_value, dict) and foreign_value
    ):  # the organisation's own entry closes nothing less
        return True
    if name == PROXY_POLICY:  # the organisation's own, whatever it is, as long as users cannot change it
        return isinstance(foreign_value, dict) and foreign_value.get("Locked") is True and "Mode" in foreign_value
    if name == EXTENSION_SETTINGS:
        return (
            isinstance(foreign_value, dict)
            and isinstance(own_value, dict)
            and is_same_json(_join_extensions(foreign_value, own_value), foreign_value)
        )
    if isinstance(own_value, dict):
        return isinstance(foreign_value, dict) and all(
            key in foreign_value and is_same_json(foreign_value[key], own_value[key]) for key in own_value
        )
    return is_same_json(foreign_value, own_value)


def _join_table(name: str, foreign_value: object, own_value: object) -> object:
    """Proscribe's entries beside the organisation's where a policy is a table of them, else in place of it."""
    if not isinstance(foreign_value, dict) or not isinstance(own_value, dict):
        return own_value
    if name == PROXY_POLICY and "Mode" in foreign_value:
        return {**foreign_value, "Locked": True}
    if name == EXTENSION_SETTINGS:
        return _join_extensions(foreign_value, own_value)
    return {**foreign_value, **own_value} if name in (DNS_OVER_HTTPS, *TABLE_POLICIES) else own_value


def _join_extensions(foreign_settings: Policies, own_settings: Policies) -> dict[str, object]:
    """The organisation's ExtensionSettings with Proscribe's entries. An exception opens nothing that theirs block."""
    joined_settings = dict(foreign_settings)
    default = read_table(foreign_settings, EVERY_EXTENSION)
    for key in own_settings:
        entry = read_table(own_settings, key)
        mode = entry.get(MODE_FIELD)
        if key == EVERY_EXTENSION:
            added_fields = {MODE_FIELD: mode} if mode else {}
            if BLOCKED_PERMISSIONS_FIELD in entry and not closes_proxies(default, is_default=True):
                added_fields = {
                    **added_fields,
                    BLOCKED_PERMISSIONS_FIELD: make_blocking_default(default)[BLOCKED_PERMISSIONS_FIELD],
                }
            joined_settings[key] = {**default, **added_fields}
        elif is_same_json(entry, EXCEPTION_ENTRY):
            if key not in foreign_settings and not closes_proxies(default, is_default=True):
                joined_settings[key] = make_exception(default)
        elif not _is_answered(foreign_settings.get(key), mode):
            joined_settings[key] = entry
    return joined_settings


def _is_answered(foreign_entry: object, mode: object) -> bool:
    """Whether the organisation's own entry for an extension refuses it, or permits it, as Proscribe's would."""
    return isinstance(foreign_entry, dict) and (foreign_entry.get(MODE_FIELD) == "blocked") == (mode == "blocked")


def _is_narrower(foreign_value: object, own_value: object) -> bool:
    """Whether the organisation's own list of tenant domains allows no more than the plan."""
    return (
        isinstance(foreign_value, str)
        and bool(foreign_value)
        and _parse_domains(foreign_value) <= _parse_domains(str(own_value))
    )


def _parse_domains(text: str) -> set[str]:
    return {domain.strip().lower() for domain in text.split(",")}


def remove_own_policies(current: Policies, base: Policies, written_documents: Sequence[Policies]) -> dict[str, object]:
    """The organisation's document inside a merged one. `written_documents` is what Proscribe wrote last; two documents, if it was
    interrupted between two writes and either may be there.
    """
    remaining_keys = {key: value for key, value in current.items() if key not in (POLICY_MARK, "policies")}
    policies = _restore_table(
        read_table(current, "policies"), read_table(base, "policies"), _read_tables(written_documents, "policies")
    )
    if policies or "policies" in base:
        remaining_keys["policies"] = policies
    return remaining_keys


def _read_tables(documents: Sequence[Policies], name: str) -> list[dict[str, object]]:
    return [read_table(document, name) for document in documents]


def _restore_table(current: Policies, base: Policies, written_tables: Sequence[Policies]) -> dict[str, object]:
    restored_table: dict[str, object] = {}
    for name, current_value in current.items():
        if any(name in document and is_same_json(document[name], current_value) for document in written_tables):
            if name in base:
                restored_table[name] = base[name]
        elif name in (WEBSITE_FILTER, *TABLE_POLICIES) and isinstance(current_value, dict):
            restore = {WEBSITE_FILTER: _restore_filter, EXTENSION_SETTINGS: _restore_extensions}.get(
                name, _restore_table
            )
            restored_value = restore(current_value, read_table(base, name), _read_tables(written_tables, name))
            if restored_value or name in base:
                restored_table[name] = restored_value
        else:
            restored_table[name] = current_value
    return restored_table


def _restore_extensions(current: Policies, base: Policies, written_tables: Sequence[Policies]) -> dict[str, object]:
    restored_table = _restore_table(current, base, written_tables)
    default = read_table(current, EVERY_EXTENSION)
    if default and restored_table.get(EVERY_EXTENSION) is default:  # a later edit of it
        restored_table[EVERY_EXTENSION] = _restore_default(
            default, read_table(base, EVERY_EXTENSION), _read_tables(written_tables, EVERY_EXTENSION)
        )
        if not restored_table[EVERY_EXTENSION] and EVERY_EXTENSION not in base:
            del restored_table[EVERY_EXTENSION]
    return restored_table


def _restore_default(current: Policies, base: Policies, written_entries: Sequence[Policies]) -> dict[str, object]:
    """The entry "*" of ExtensionSettings without what Proscribe put there."""
    restored_entry: dict[str, object] = {}
    for field, current_value in current.items():
        if field == BLOCKED_PERMISSIONS_FIELD and isinstance(current_value, list):
            remaining_entries = _restore_list(field, current_value, base, written_entries)
            if remaining_entries or field in base:
                restored_entry[field] = remaining_entries
        elif not any(field in entry and is_same_json(entry[field], current_value) for entry in written_entries):
            restored_entry[field] = current_value
        elif field in base:
            restored_entry[field] = base[field]
    return restored_entry


def _restore_list(
    name: str, current_entries: list[object], base: Policies, written_tables: Sequence[Policies]
) -> list[object]:
    """A list without the entries that were written and are not the organisation's."""
    foreign_entries = set(map(format_canonical, read_list(base, name)))
    own_entries = {
        format_canonical(entry) for table in written_tables for entry in read_list(table, name)
    } - foreign_entries
    return [entry for entry in current_entries if format_canonical(entry) not in own_entries]


def _restore_filter(current: Policies, base: Policies, written_filters: Sequence[Policies]) -> dict[str, object]:
    restored_filter = dict(current)
    for name in FILTER_LISTS:
        current_value = current.get(name)
        if isinstance(current_value, list):
            restored_filter[name] = _restore_list(name, current_value, base, written_filters)
            if not restored_filter[name] and name not in base:
                del restored_filter[name]
            elif not restored_filter[name] and not isinstance(base.get(name), list):
                restored_filter[name] = base[
                    name
                ]  # it was no list that Firefox would have taken, and ours was in its place
    return restored_filter


def guess_written_policies(current: Policies) -> list[Policies]:
    """What to take for `written` where that is lost: all of the settings that Proscribe manages."""
    policies = read_table(current, "policies")
    managed_policies = {name for setting in SETTINGS.values() for name in setting.firefox} - {
        PROXY_POLICY,
        *TABLE_POLICIES,
    }
    own_policies = {
        name: policies[name] for name in sorted({WEBSITE_FILTER, TENANT_DOMAINS, *managed_policies}) if name in policies
    }
    refused_entry = {MODE_FIELD: "blocked"}
    locked_preferences = {
        *NO_SPECULATION_PREFERENCE,
        *(key for setting in SETTINGS.values() for key in read_table(setting.firefox, PREFERENCES_POLICY)),
    }
    for name in TABLE_POLICIES:
        table = read_table(policies, name)
        own_entries = {
            key: table_value
            for key, table_value in table.items()
            if is_same_json(table_value, refused_entry) or key in locked_preferences
        }
        for key in table if name == EXTENSION_SETTINGS else ():
            entry = read_table(table, key)
            if key == EVERY_EXTENSION and (
                blocked_permissions := _list_own_permissions(entry, BLOCKED_PERMISSIONS_FIELD)
            ):
                own_entries.setdefault(key, {BLOCKED_PERMISSIONS_FIELD: blocked_permissions})
            elif _is_exception(entry):
                own_entries[key] = entry
        if isinstance(policies.get(name), dict):
            own_policies[name] = own_entries
    return [{"policies": own_policies}]


def _list_own_permissions(entry: Policies, field: str) -> list[str]:
    """The permissions of a field that Proscribe may have written there."""
    field_permissions = read_list(entry, field)
    return [permission for permission in PERMISSIONS if permission in field_permissions]


def _is_exception(entry: Policies) -> bool:
    """Whether an entry is an exception as Proscribe writes it, or an earlier version of it did."""
    own_permissions = _list_own_permissions(entry, ALLOWED_PERMISSIONS_FIELD)
    return (
        bool(own_permissions)
        and entry.get(ALLOWED_PERMISSIONS_FIELD) == own_permissions
        and set(entry) <= {MODE_FIELD, ALLOWED_PERMISSIONS_FIELD}
    )
