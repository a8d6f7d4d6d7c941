"""The app packages of a Windows host, those of the Microsoft Store among them.

A user's list has what was registered for him, and keeps some of what is gone. The device's list has what is there,
whoever has it, also of users who are not logged in. So what only a user's list has is gone. Both are described in
public code that compared them with Get-AppxPackage (engramic-ai/baseline-tool, AppxRepository.cs, 2026); Greenbone's
scanner reads the device's. What new users get is in AppxAllUserStore (patchmypc.com, "Remove Default Microsoft Store
Apps").
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from ...host.system.types import escape_text
from ...model.finding import Finding
from .accounts import is_account
from .answer import Answer
from .command import ALL_USERS_PACKAGES, APP_PACKAGES, DEVICE_PACKAGES, USERS

MANAGER = "windows"
PROVISIONED = "each new user gets it"
WAITING = "the user gets it when he logs in"
ON_DEVICE = "it is on the device; which user has it is not known"
NO_APPS = "the app packages of a user who is logged in cannot be read there"


class App(NamedTuple):
    """An app package that a user has; of no account, one that the device has."""

    name: str
    family: str  # the name and its publisher's hash
    version: str
    account: str = ""
    detail: str = ""

    def finding(self, detail: str = "") -> Finding:
        scope = f"user:{self.account}" if self.account else "system"
        said = ", ".join(filter(None, (self.detail, detail)))
        return Finding("package", escape_text(self.name), MANAGER, escape_text(self.version), scope, "", said)


class Packages(NamedTuple):
    """The app packages of a host, and why there may be more."""

    apps: list[App]
    unseen: str
    complete: bool  # whether the device's list was read, so that what is not in it is not there


def find(answer: Answer, accounts: Iterable[str]) -> Packages:
    """All app packages, each once for everybody who has it."""
    registry, accounts = answer.registry, list(accounts)
    device = {name.casefold(): name for name in registry.names(DEVICE_PACKAGES)}
    lists = [(account, "", f"{USERS}\\{account}\\{APP_PACKAGES}") for account in accounts]
    waiting = [name for name in registry.names(ALL_USERS_PACKAGES) if is_account(name)]
    lists += [(account, WAITING, f"{ALL_USERS_PACKAGES}\\{account}") for account in waiting]
    found: dict[tuple[str, str], App] = {}
    for account, detail, key in lists:
        _note(found, (name for name in registry.names(key) if not device or name.casefold() in device), account, detail)
    _note(found, registry.names(f"{ALL_USERS_PACKAGES}\\Applications"), "", PROVISIONED)
    known = {app.family.casefold() for app in found.values()}
    unknown = (name for name in device.values() if (app := of(name)) and app.family.casefold() not in known)
    _note(found, unknown, "", ON_DEVICE)
    unread = any(registry.there(f"{USERS}\\{account}\\{APP_PACKAGES}") is None for account in accounts)
    return Packages(list(found.values()), NO_APPS if unread and not device else "", bool(device))


def _note(found: dict[tuple[str, str], App], names: Iterable[str], account: str, detail: str) -> None:
    for name in names:
        if app := of(name):
            app = app._replace(account=account, detail=detail)
            found.setdefault((app.family.casefold(), account.casefold()), app)


def of(full_name: str) -> App | None:
    """An app package by its full name (Name_1.2.3.4_x64__publisherhash); None for what is no such name."""
    name, *rest = full_name.split("_")
    return App(name, f"{name}_{rest[3]}", rest[0]) if len(rest) == 4 else None
