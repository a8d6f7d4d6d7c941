"""The permissions `proxy` and `debugger` in ExtensionSettings, which Chromium and Firefox read alike. Pure.

With `debugger`, an extension of Chromium can make a page request another address than the listed one. Firefox has no
such permission, and ignores its name.

"*" applies to every extension without an entry of its own. An entry hides all of "*", even an empty one. So an
exception is an entry without `installation_mode`. It repeats the other fields of "*", and permits nothing else.

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
# `vpnProvider` belongs to ChromeOS alone. Chromium loads an extension with this permission even if it is blocked.
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
    """Return whether extensions of an entry have none of the permissions.

    In "*", `allowed_permissions` has no effect.
    """
    if entry.get(MODE_FIELD) in REFUSING_MODES:
        return True
    open_permissions = [] if is_default else read_list(entry, ALLOWED_PERMISSIONS_FIELD)
    blocked_permissions = read_list(entry, BLOCKED_PERMISSIONS_FIELD)
    return all(permission in blocked_permissions and permission not in open_permissions for permission in PERMISSIONS)


def make_blocking_default(default: Policies) -> dict[str, object]:
    """Return the entry "*" with the permissions blocked as well."""
    other_permissions = [
        permission for permission in read_list(default, BLOCKED_PERMISSIONS_FIELD) if permission not in PERMISSIONS
    ]
    return {**default, BLOCKED_PERMISSIONS_FIELD: [*other_permissions, *PERMISSIONS]}


def make_exception(default: Policies) -> dict[str, object]:
    """Return the entry of an extension that may have the permissions.

    `default` is the entry "*" without Proscribe's part.
    """
    return {**{field: default[field] for field in _REPEATED_FIELDS if field in default}, **EXCEPTION_ENTRY}


def make_due_settings(
    foreign_settings: Policies, excepted_ids: Sequence[str], taken_ids: Sequence[str] = ()
) -> dict[str, object]:
    """Return the organisation's settings with Proscribe's part added.

    `taken_ids` are ids that have an entry already. If the organisation blocks the permissions for all extensions,
    nothing is added: Proscribe opens nothing that the organisation blocks.
    """
    default = read_table(foreign_settings, EVERY_EXTENSION)
    if is_blocking_permissions(default, is_default=True):
        return dict(foreign_settings)
    entries = {
        id_: make_exception(default) for id_ in excepted_ids if id_ not in taken_ids and id_ not in foreign_settings
    }
    return {**foreign_settings, EVERY_EXTENSION: make_blocking_default(default), **entries}
