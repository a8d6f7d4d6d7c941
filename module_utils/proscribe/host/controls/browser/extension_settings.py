"""The permission `proxy` in ExtensionSettings, which Chromium and Firefox read alike. Pure.

"*" speaks for every extension without an entry of its own. An entry hides all of "*", even an empty one. So an
exception is an entry: one without `installation_mode` that repeats what else "*" says, and permits nothing else.

Sources: https://chromeenterprise.google/policies/#ExtensionSettings,
https://firefox-admin-docs.mozilla.org/reference/policies/extensionsettings/ (`blocked_permissions`: Firefox 153).
Tried on Chromium 156 and Firefox ESR 153.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Sequence

from ..policy_tables import list_in, table_in

if TYPE_CHECKING:
    from ..policy_tables import Policies

EXTENSION_SETTINGS, EVERY = "ExtensionSettings", "*"
# `vpnProvider` is of ChromeOS alone: with it blocked, Chromium loads an extension that wants it all the same.
PERMISSION = "proxy"
MODE, BLOCKED_PERMISSIONS, ALLOWED_PERMISSIONS = "installation_mode", "blocked_permissions", "allowed_permissions"
EXCEPTION: Policies = {ALLOWED_PERMISSIONS: [PERMISSION]}
_REPEATED = (BLOCKED_PERMISSIONS, "blocked_install_message", "runtime_allowed_hosts", "runtime_blocked_hosts")
REFUSING = ("blocked", "removed")


def closes(entry: Policies, of_all: bool = False) -> bool:
    """Whether extensions of an entry cannot have the permission. In "*", `allowed_permissions` has no effect."""
    if entry.get(MODE) in REFUSING:
        return True
    opened = not of_all and PERMISSION in list_in(entry, ALLOWED_PERMISSIONS)
    return PERMISSION in list_in(entry, BLOCKED_PERMISSIONS) and not opened


def blocking(default: Policies) -> dict[str, object]:
    """The entry "*" with the permission blocked as well."""
    listed = [one for one in list_in(default, BLOCKED_PERMISSIONS) if one != PERMISSION]
    return {**default, BLOCKED_PERMISSIONS: [*listed, PERMISSION]}


def excepting(default: Policies) -> dict[str, object]:
    """The entry of an extension that may have the permission, where "*" is as given without Proscribe's part."""
    return {**{field: default[field] for field in _REPEATED if field in default}, **EXCEPTION}


def due(theirs: Policies, excepted: Sequence[str], taken: Sequence[str] = ()) -> dict[str, object]:
    """The organisation's settings with Proscribe's part in them. `taken` are ids that have an entry there.

    If theirs block the permission for all, nothing is added: what the organisation blocks is not opened.
    """
    default = table_in(theirs, EVERY)
    if closes(default, of_all=True):
        return dict(theirs)
    entries = {id_: excepting(default) for id_ in excepted if id_ not in taken and id_ not in theirs}
    return {**theirs, EVERY: blocking(default), **entries}
