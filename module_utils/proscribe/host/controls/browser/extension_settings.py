"""The permissions `proxy` and `debugger` in ExtensionSettings, which Chromium and Firefox read alike. Pure.

With `debugger`, an extension of Chromium has a page request another address than the one that the list allows. Firefox
has no such permission, and ignores its name.

"*" speaks for every extension without an entry of its own. An entry hides all of "*", even an empty one. So an
exception is an entry: one without `installation_mode` that repeats what else "*" says, and permits nothing else.

Sources: https://chromeenterprise.google/policies/#ExtensionSettings,
https://firefox-admin-docs.mozilla.org/reference/policies/extensionsettings/ (`blocked_permissions`: Firefox 153).
Tried on Chromium 156 and Firefox ESR 153.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Sequence

from ..policy_tables import read_list, read_table

if TYPE_CHECKING:
    from ..policy_tables import Policies

EXTENSION_SETTINGS, EVERY = "ExtensionSettings", "*"
# `vpnProvider` is of ChromeOS alone: with it blocked, Chromium loads an extension that wants it all the same.
PERMISSIONS = ("proxy", "debugger")
NAMED = " or ".join(PERMISSIONS)  # in messages
MODE, BLOCKED_PERMISSIONS, ALLOWED_PERMISSIONS = "installation_mode", "blocked_permissions", "allowed_permissions"
EXCEPTION: Policies = {ALLOWED_PERMISSIONS: list(PERMISSIONS)}
_REPEATED = (BLOCKED_PERMISSIONS, "blocked_install_message", "runtime_allowed_hosts", "runtime_blocked_hosts")
REFUSING = ("blocked", "removed")


def closes(entry: Policies, of_all: bool = False) -> bool:
    """Whether extensions of an entry have none of the permissions. In "*", `allowed_permissions` has no effect."""
    if entry.get(MODE) in REFUSING:
        return True
    opened = [] if of_all else read_list(entry, ALLOWED_PERMISSIONS)
    blocked = read_list(entry, BLOCKED_PERMISSIONS)
    return all(permission in blocked and permission not in opened for permission in PERMISSIONS)


def blocking(default: Policies) -> dict[str, object]:
    """The entry "*" with the permissions blocked as well."""
    listed = [one for one in read_list(default, BLOCKED_PERMISSIONS) if one not in PERMISSIONS]
    return {**default, BLOCKED_PERMISSIONS: [*listed, *PERMISSIONS]}


def excepting(default: Policies) -> dict[str, object]:
    """The entry of an extension that may have the permissions, where "*" is as given without Proscribe's part."""
    return {**{field: default[field] for field in _REPEATED if field in default}, **EXCEPTION}


def due(theirs: Policies, excepted: Sequence[str], taken: Sequence[str] = ()) -> dict[str, object]:
    """The organisation's settings with Proscribe's part in them. `taken` are ids that have an entry there.

    If theirs block the permissions for all, nothing is added: what the organisation blocks is not opened.
    """
    default = read_table(theirs, EVERY)
    if closes(default, of_all=True):
        return dict(theirs)
    entries = {id_: excepting(default) for id_ in excepted if id_ not in taken and id_ not in theirs}
    return {**theirs, EVERY: blocking(default), **entries}
