"""The permissions `proxy` and `debugger` in the policy ExtensionSettings, which Chromium and Firefox read alike. Pure.

With `debugger`, an extension of Chromium can make a page request another address than the address that is shown.
Firefox has no such permission, and ignores its name.

The entry "*" applies to every extension without its own entry. An extension's own entry hides all of "*", even if
it is empty. So an extension may have the permissions if it has an entry without `installation_mode`. That entry repeats
the other fields of "*", so that it permits nothing else.

Sources: https://chromeenterprise.google/policies/#ExtensionSettings,
https://firefox-admin-docs.mozilla.org/reference/policies/extensionsettings/ (`blocked_permissions`: Firefox 153). Tried
on Chromium 156 and Firefox ESR 153.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Sequence

from ..policy_values import read_list, read_table

if TYPE_CHECKING:
    from ..policy_values import Policies

EXTENSION_SETTINGS, EVERY_EXTENSION = "ExtensionSettings", "*"
# `vpnProvider` is not here: only ChromeOS has it. Chromium loads an extension with this permission even if the
# permission is blocked.
PERMISSIONS = ("proxy", "debugger")
PERMISSION_NAMES = " or ".join(PERMISSIONS)  # in messages
MODE_FIELD, BLOCKED_PERMISSIONS_FIELD, ALLOWED_PERMISSIONS_FIELD = (
    "installation_mode",
    "blocked_permissions",
    "allowed_permissions",
)
EXCEPTION_ENTRY: Policies = {ALLOWED_PERMISSIONS_FIELD: list(PERMISSIONS)}
_REPEATED_FIELDS = (
    BLOCKED_PERMISSIONS_FIELD,
    "blocked_install_message",
    "runtime_allowed_hosts",
    "runtime_blocked_hosts",
)
REFUSING_MODES = ("blocked", "removed")


def is_blocking_permissions(entry: Policies, is_default: bool = False) -> bool:
    """Return whether an entry blocks all of PERMISSIONS for its extensions.

    `is_default` is True for the entry "*", in which `allowed_permissions` has no effect.
    """
    if entry.get(MODE_FIELD) in REFUSING_MODES:
        return True
    open_permissions = [] if is_default else read_list(entry, ALLOWED_PERMISSIONS_FIELD)
    blocked_permissions = read_list(entry, BLOCKED_PERMISSIONS_FIELD)
    return all(permission in blocked_permissions and permission not in open_permissions for permission in PERMISSIONS)


def make_blocking_default(default: Policies) -> dict[str, object]:
    """Return the entry "*" (`default`) with PERMISSIONS added to the permissions that it blocks."""
    other_permissions = [
        permission for permission in read_list(default, BLOCKED_PERMISSIONS_FIELD) if permission not in PERMISSIONS
    ]
    return {**default, BLOCKED_PERMISSIONS_FIELD: [*other_permissions, *PERMISSIONS]}


def make_exception(default: Policies) -> dict[str, object]:
    """Return the entry of an extension that may have PERMISSIONS.

    `default` is the entry "*" of the organisation, without Proscribe's fields.
    """
    return {**{field: default[field] for field in _REPEATED_FIELDS if field in default}, **EXCEPTION_ENTRY}


def make_due_settings(
    foreign_settings: Policies, excepted_ids: Sequence[str], taken_ids: Sequence[str] = ()
) -> dict[str, object]:
    """Return the organisation's ExtensionSettings with Proscribe's entries added.

    `excepted_ids` are extensions that may have PERMISSIONS. `taken_ids` are extensions that other entries name already,
    so they get no entry. If the organisation blocks the permissions for all extensions, nothing is added. Otherwise
    Proscribe would permit what the organisation blocks.
    """
    default = read_table(foreign_settings, EVERY_EXTENSION)
    if is_blocking_permissions(default, is_default=True):
        return dict(foreign_settings)
    entries = {
        id_: make_exception(default) for id_ in excepted_ids if id_ not in taken_ids and id_ not in foreign_settings
    }
    return {**foreign_settings, EVERY_EXTENSION: make_blocking_default(default), **entries}
