"""User accounts on a Windows host, of users who are logged in or not."""

from __future__ import annotations

import re

from .answer_reader import WindowsAnswer
from .command_line import PROFILES_KEY, USERS_HIVE

# Security identifiers of users: accounts of the machine, of a domain (5-21) and of Entra ID (12-1). Other accounts
# belong to the system.
_ACCOUNT_PATTERN = re.compile(r"s-1-(?:5-21|12-1)(?:-\d{1,10}){1,14}", re.IGNORECASE)


def is_user_account(name: str) -> bool:
    """Return True if `name` is the security identifier of a user's account."""
    return bool(_ACCOUNT_PATTERN.fullmatch(name))


def list_logged_in_users(answer: WindowsAnswer) -> list[str]:
    """Return the security identifiers of the users who are logged in.

    Only for these users has Windows loaded the user's part of the registry.
    """
    return [name for name in answer.registry.list_key_names(USERS_HIVE) if is_user_account(name)]


def explain_absent_users(answer: WindowsAnswer, activity: str) -> list[str]:
    """Return the reasons why data of users are missing; [] if all users are logged in.

    `activity` is the middle of the message: how the data came about that cannot be read, such as "installed for
    themselves".
    """
    registry = answer.registry
    if registry.is_present(PROFILES_KEY) is not True or registry.is_present(USERS_HIVE) is not True:
        return ["which users the host has cannot be read there"]
    # Windows has a profile of each user who has ever logged in.
    profiles = {name.casefold() for name in registry.list_key_names(PROFILES_KEY) if is_user_account(name)}
    absent_users = profiles.difference(name.casefold() for name in list_logged_in_users(answer))
    subject = "a user who is" if len(absent_users) == 1 else f"{len(absent_users)} users who are"
    return [f"what {subject} not logged in {activity} cannot be read"] if absent_users else []
