"""Merge of Proscribe's part into the organisation's Firefox policies, and its removal. Pure.

Three documents show the owner of each entry. `base` is the organisation's document before the merge, `written` the
merged document, and `current` the document now at the path. `remove_own_policies` undoes in `current` just the changes
from `base` to `written`. A value that still equals its value in `written` returns to its value in `base`. Every other
value is a later edit of the organisation and stays. So edits of the merged file survive the next run and the lift. The
lift removes all of Proscribe's policies.

The merge keeps every setting of the organisation. It joins the lists of WebsiteFilter. It joins ExtensionSettings and
Preferences entry by entry, and "*" of ExtensionSettings field by field. The organisation's own Proxy stays and is
locked. A weaker value of any other policy is replaced by the plan's.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, NoReturn, Sequence

from ....model.plan import format_canonical
from ...system import WRITTEN_BY
from ..policy_values import is_same_json, read_list, read_table
from .browser_settings import SETTINGS
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
from .policy_observation import POLICY_MARK

if TYPE_CHECKING:
    from ..policy_values import Policies

FILTER_LISTS = ("Block", "Exceptions")
PROXY_POLICY = "Proxy"
# Policies that are tables: the organisation and Proscribe each have entries in them.
TABLE_POLICIES = (EXTENSION_SETTINGS, PREFERENCES_POLICY)


def parse_policies(content: bytes) -> dict[str, object]:
    """Parse a policies.json as strictly as Firefox does. Raises ValueError with the fault as its text."""

    def refuse_constant(text: str) -> NoReturn:
        raise ValueError(f"{text} is not JSON")

    try:
        document = json.loads(content.decode("utf-8"), parse_constant=refuse_constant)
        json.dumps(document, allow_nan=False)  # raises ValueError for a number that Python would write as Infinity
    except RecursionError:
        raise ValueError("nested too deeply") from None
    if not isinstance(document, dict):
        raise ValueError("not an object")
    if not isinstance(document.get("policies", {}), dict):
        raise ValueError('its "policies" is not an object')
    return document


def merge_policies(base: Policies, own_policies: Policies) -> dict[str, object]:
    """Return the organisation's document with Proscribe's policies merged in.

    `own_policies` is the result of firefox.make_policies.
    """
    policies = dict(read_table(base, "policies"))
    for name, policy_value in own_policies.items():
        if name == WEBSITE_FILTER:
            policies[name] = _join_filters(read_table(policies, name), read_table(own_policies, name))
        else:
            policies.update(list_required_changes(policies, {name: policy_value}))
    other_keys = {key: policy_value for key, policy_value in base.items() if key not in (POLICY_MARK, "policies")}
    return {POLICY_MARK: WRITTEN_BY, **other_keys, "policies": policies}


def list_required_changes(policies: Policies, own_policies: Policies) -> dict[str, object]:
    """Return, by name, the new value of each policy that does not yet close as much as Proscribe's.

    `policies` are the present policies. A new value keeps the organisation's entries where the policy is a table.
    """
    return {
        name: _join_table(name, policies.get(name), policy_value)
        for name, policy_value in own_policies.items()
        if not is_closing(name, policies.get(name), policy_value)
    }


def _join_filters(foreign_filter: Policies, own_filter: Policies) -> dict[str, object]:
    """Return the organisation's WebsiteFilter with Proscribe's entries added to its lists."""
    joined_filter = dict(foreign_filter)
    for name in own_filter:
        foreign_entries = read_list(foreign_filter, name)
        joined_filter[name] = [
            *foreign_entries,
            *(entry for entry in read_list(own_filter, name) if entry not in foreign_entries),
        ]
    return joined_filter


def is_closing(name: str, foreign_value: object, own_value: object) -> bool:
    """Return whether the current value of a policy (`foreign_value`) closes as much as Proscribe's (`own_value`)."""
    if name == TENANT_DOMAINS:
        return _is_narrower(foreign_value, own_value)
    # this policy closes nothing, so the organisation's own menu entry stays
    if name == SUPPORT_MENU_POLICY and isinstance(foreign_value, dict) and foreign_value:
        return True
    if name == PROXY_POLICY:  # the organisation's own value suffices, as long as users cannot change it
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
    """Return the new value of a policy: Proscribe's, joined with the organisation's if the policy is a table."""
    if not isinstance(foreign_value, dict) or not isinstance(own_value, dict):
        return own_value
    if name == PROXY_POLICY and "Mode" in foreign_value:
        return {**foreign_value, "Locked": True}
    if name == EXTENSION_SETTINGS:
        return _join_extensions(foreign_value, own_value)
    return {**foreign_value, **own_value} if name in (DNS_OVER_HTTPS, *TABLE_POLICIES) else own_value


def _join_extensions(foreign_settings: Policies, own_settings: Policies) -> dict[str, object]:
    """Return the organisation's ExtensionSettings with Proscribe's entries added.

    An exception of Proscribe's permits nothing that the organisation's settings block.
    """
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
        elif is_same_json(entry, EXCEPTION_ENTRY):  # an exception of Proscribe's
            if key not in foreign_settings and not closes_proxies(default, is_default=True):
                joined_settings[key] = make_exception(default)
        elif not _is_answered(foreign_settings.get(key), mode):
            joined_settings[key] = entry
    return joined_settings


def _is_answered(foreign_entry: object, mode: object) -> bool:
    """Return whether the organisation's own entry blocks or permits an extension as Proscribe's would.

    `mode` is the mode of Proscribe's entry.
    """
    return isinstance(foreign_entry, dict) and (foreign_entry.get(MODE_FIELD) == "blocked") == (mode == "blocked")


def _is_narrower(foreign_value: object, own_value: object) -> bool:
    """Return whether the organisation's own list of tenant domains allows no more than the plan."""
    return (
        isinstance(foreign_value, str)
        and bool(foreign_value)
        and _parse_domains(foreign_value) <= _parse_domains(str(own_value))
    )


def _parse_domains(text: str) -> set[str]:
    """Return the domains of a list with commas, in small letters."""
    return {domain.strip().lower() for domain in text.split(",")}


def remove_own_policies(current: Policies, base: Policies, written_documents: Sequence[Policies]) -> dict[str, object]:
    """Return the organisation's part of a merged document (`current`), with the organisation's later edits.

    `base` is the organisation's document before the merge. `written_documents` has the last document that Proscribe
    wrote. After an interrupted write it has two documents: either may be at the path.
    """
    remaining_keys = {key: value for key, value in current.items() if key not in (POLICY_MARK, "policies")}
    policies = _restore_table(
        read_table(current, "policies"), read_table(base, "policies"), _read_tables(written_documents, "policies")
    )
    if policies or "policies" in base:
        remaining_keys["policies"] = policies
    return remaining_keys


def _read_tables(documents: Sequence[Policies], name: str) -> list[dict[str, object]]:
    """Return the table `name` of each document; {} for a document without it."""
    return [read_table(document, name) for document in documents]


def _restore_table(current: Policies, base: Policies, written_tables: Sequence[Policies]) -> dict[str, object]:
    """Return a table (`current`) without Proscribe's changes.

    `written_tables` has the table as Proscribe wrote it, and `base` the table before that. A value that equals the
    written value returns to the value in `base`. Any other value stays.
    """
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
    """Return ExtensionSettings without Proscribe's changes; the entry "*" is restored field by field."""
    restored_table = _restore_table(current, base, written_tables)
    default = read_table(current, EVERY_EXTENSION)
    if default and restored_table.get(EVERY_EXTENSION) is default:  # the organisation edited the entry later
        restored_table[EVERY_EXTENSION] = _restore_default(
            default, read_table(base, EVERY_EXTENSION), _read_tables(written_tables, EVERY_EXTENSION)
        )
        if not restored_table[EVERY_EXTENSION] and EVERY_EXTENSION not in base:
            del restored_table[EVERY_EXTENSION]
    return restored_table


def _restore_default(current: Policies, base: Policies, written_entries: Sequence[Policies]) -> dict[str, object]:
    """Return the entry "*" of ExtensionSettings without Proscribe's part."""
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
    """Return a list without the entries that Proscribe wrote and the organisation does not have."""
    foreign_entries = set(map(format_canonical, read_list(base, name)))
    own_entries = {
        format_canonical(entry) for table in written_tables for entry in read_list(table, name)
    } - foreign_entries
    return [entry for entry in current_entries if format_canonical(entry) not in own_entries]


def _restore_filter(current: Policies, base: Policies, written_filters: Sequence[Policies]) -> dict[str, object]:
    """Return a WebsiteFilter without the entries that Proscribe added to its lists."""
    restored_filter = dict(current)
    for name in FILTER_LISTS:
        current_value = current.get(name)
        if isinstance(current_value, list):
            restored_filter[name] = _restore_list(name, current_value, base, written_filters)
            if not restored_filter[name] and name not in base:
                del restored_filter[name]
            elif not restored_filter[name] and not isinstance(base.get(name), list):
                # The organisation's value is no list. Firefox ignores it, so Proscribe's list replaced it.
                restored_filter[name] = base[name]
    return restored_filter


def guess_written_policies(current: Policies) -> list[Policies]:
    """Guess the documents that Proscribe wrote, for `remove_own_policies`, if the note of the merge is lost.

    The guess has one document: all values in `current` that Proscribe may have written.
    """
    policies = read_table(current, "policies")
    managed_policies = {name for setting in SETTINGS.values() for name in setting.firefox} - {
        PROXY_POLICY,
        *TABLE_POLICIES,
    }
    own_policies = {
        name: policies[name] for name in sorted({WEBSITE_FILTER, TENANT_DOMAINS, *managed_policies}) if name in policies
    }
    refused_entry = {MODE_FIELD: "blocked"}  # as Proscribe writes it for an extension
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
    """Return the permissions of a field that Proscribe may have written there."""
    field_permissions = read_list(entry, field)
    return [permission for permission in PERMISSIONS if permission in field_permissions]


def _is_exception(entry: Policies) -> bool:
    """Return whether an entry is an exception as this or an earlier version of Proscribe writes it."""
    own_permissions = _list_own_permissions(entry, ALLOWED_PERMISSIONS_FIELD)
    return (
        bool(own_permissions)
        and entry.get(ALLOWED_PERMISSIONS_FIELD) == own_permissions
        and set(entry) <= {MODE_FIELD, ALLOWED_PERMISSIONS_FIELD}
    )
