"""App packages of a Windows host, including those of the Microsoft Store.

A user's list has the packages that were registered for the user, and some packages that are gone. The device's list has
the packages that exist, for any user, logged in or not. So a package is gone if only a user's list has it. Public code
that compared both lists with Get-AppxPackage describes them (engramic-ai/baseline-tool, AppxRepository.cs, 2026).
Greenbone's scanner reads the device's list. AppxAllUserStore has the packages for new users (patchmypc.com, "Remove
Default Microsoft Store Apps").
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from ...host.system.types import escape_text
from ...model.finding import Finding
from .accounts import is_user_account
from .answer_reader import WindowsAnswer
from .command_line import ALL_USERS_PACKAGES_KEY, APP_PACKAGES_KEY, DEVICE_PACKAGES_KEY, USERS_HIVE

WINDOWS_MANAGER = "windows"
PROVISIONED_DETAIL = "each new user gets it"
WAITING_DETAIL = "the user gets it when he logs in"
ON_DEVICE_DETAIL = "it is on the device; which user has it is not known"
NO_APPS_REASON = "the app packages of a user who is logged in cannot be read there"


class AppPackage(NamedTuple):
    """An app package of the user `account`; with "" an app package of the device."""

    name: str
    family: str  # the package's family name: its name, `_`, and the hash of its publisher
    version: str
    account: str = ""
    detail: str = ""

    def make_finding(self, detail: str = "") -> Finding:
        """Return a finding about the package; `detail` is added to the detail of the package."""
        scope = f"user:{self.account}" if self.account else "system"
        details = ", ".join(filter(None, (self.detail, detail)))
        return Finding(
            "package", escape_text(self.name), WINDOWS_MANAGER, escape_text(self.version), scope, "", details
        )


class AppPackages(NamedTuple):
    """The app packages of a host.

    `unseen_reason` says why there may be more; "" if there are no more.
    """

    apps: list[AppPackage]
    unseen_reason: str
    is_complete: bool  # the device's list was read, so a package that is not in that list does not exist


def find_app_packages(answer: WindowsAnswer, accounts: Iterable[str]) -> AppPackages:
    """Return all app packages of a host, each once for every user who has it.

    `accounts` are the users who are logged in. Packages of new users, and of users who are unknown, have no account.
    """
    registry, accounts = answer.registry, list(accounts)
    device_packages = {name.casefold(): name for name in registry.list_key_names(DEVICE_PACKAGES_KEY)}
    # (account, detail for the finding, registry key with the list) of each list of a user's packages
    package_lists = [(account, "", f"{USERS_HIVE}\\{account}\\{APP_PACKAGES_KEY}") for account in accounts]
    waiting_accounts = [name for name in registry.list_key_names(ALL_USERS_PACKAGES_KEY) if is_user_account(name)]
    package_lists += [(account, WAITING_DETAIL, f"{ALL_USERS_PACKAGES_KEY}\\{account}") for account in waiting_accounts]
    app_by_family: dict[tuple[str, str], AppPackage] = {}
    for account, detail, key in package_lists:
        _add_app_packages(
            app_by_family,
            (
                name
                for name in registry.list_key_names(key)
                # Without the device's list, it is not known which packages are gone, so all are returned.
                if not device_packages or name.casefold() in device_packages
            ),
            account,
            detail,
        )
    _add_app_packages(
        app_by_family, registry.list_key_names(f"{ALL_USERS_PACKAGES_KEY}\\Applications"), "", PROVISIONED_DETAIL
    )
    known_families = {app.family.casefold() for app in app_by_family.values()}
    # Packages on the device that are in no user's list: another user has them, who is not logged in.
    unknown_names = (
        name
        for name in device_packages.values()
        if (app := parse_package_name(name)) and app.family.casefold() not in known_families
    )
    _add_app_packages(app_by_family, unknown_names, "", ON_DEVICE_DETAIL)
    is_unread = any(registry.is_present(f"{USERS_HIVE}\\{account}\\{APP_PACKAGES_KEY}") is None for account in accounts)
    return AppPackages(
        list(app_by_family.values()), NO_APPS_REASON if is_unread and not device_packages else "", bool(device_packages)
    )


def _add_app_packages(
    app_by_family: dict[tuple[str, str], AppPackage], package_names: Iterable[str], account: str, detail: str
) -> None:
    """Add the packages with these full names; a package that the account already has stays as it is.

    The keys of `app_by_family` are the family name and the account, both in lower case. `account` is "" for packages
    that belong to no known user.
    """
    for name in package_names:
        if app := parse_package_name(name):
            app = app._replace(account=account, detail=detail)
            app_by_family.setdefault((app.family.casefold(), account.casefold()), app)


def parse_package_name(full_name: str) -> AppPackage | None:
    """Parse the full name of an app package (Name_1.2.3.4_x64__publisherhash); None for any other text."""
    name, *name_parts = full_name.split("_")
    return AppPackage(name, f"{name}_{name_parts[3]}", name_parts[0]) if len(name_parts) == 4 else None
