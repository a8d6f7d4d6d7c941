"""The accounts of users on a Windows host: who is logged in, and who is not."""

from __future__ import annotations

import re

from .answer import Answer
from .command import PROFILES, USERS

# The accounts of users: of this machine or a domain, and of Entra ID. Others are the system's own.
_ACCOUNT = re.compile(r"s-1-(?:5-21|12-1)(?:-\d{1,10}){1,14}", re.IGNORECASE)


def is_account(name: str) -> bool:
    """Whether an identifier is that of a user's account."""
    return bool(_ACCOUNT.fullmatch(name))


def logged_in(answer: Answer) -> list[str]:
    """The users whose part of the registry is loaded: those who are logged in."""
    return [name for name in answer.registry.names(USERS) if is_account(name)]


def away(answer: Answer, what: str) -> list[str]:
    """Why it is not known what other users did."""
    registry = answer.registry
    if registry.there(PROFILES) is not True or registry.there(USERS) is not True:
        return ["which users the host has cannot be read there"]
    profiles = {name.casefold() for name in registry.names(PROFILES) if is_account(name)}
    others = profiles.difference(name.casefold() for name in logged_in(answer))
    users = "a user who is" if len(others) == 1 else f"{len(others)} users who are"
    return [f"what {users} not logged in {what} cannot be read"] if others else []
