"""Actions that run a user's own tool (uv, conda, brew, ...), without the host's lock and within a budget.

A user controls what such a tool does and how long it takes. So it runs once the host's own actions are done and other
runs may go on. Each user has some seconds, and all users of an observation have some together. The host remembers what
each has spent: who has spent all is not served again for a day. What is not done stays that user's finding.
"""

from __future__ import annotations

import contextlib
import json
import time
from typing import TYPE_CHECKING, Any, Sequence

from ...base.json_text import parse_json
from ...base.moments import format_timestamp
from ...base.tuples import NamedTuple
from ..system import STATE_DIRECTORY, ControlError, Host, ObservationError
from .base import Action

if TYPE_CHECKING:
    from .base import Carried

USER_SECONDS = 60.0
ALL_SECONDS = 120.0  # of one observation
DAY_SECONDS = 24 * 3600
LEAST_SECONDS = 1.0  # with less, no tool is begun
ENDING_SECONDS = 15.0  # for what has to end after its time
SPENT = STATE_DIRECTORY + "/users_tools.json"
SCHEMA = "proscribe/users_tools/1"
LARGEST_BYTES = 256 * 1024
MOST_USERS = 1000


class Spending(NamedTuple):
    """The seconds that one user's tools have taken, since a moment (seconds since 1970)."""

    seconds: float = 0.0
    since: int = 0


def run_users_tools(host: Host, carried: Carried) -> Carried:
    """Do the actions that `carry_out` kept for later, and add to `carried` what they came to. Return it."""
    from ..system.file_lock import HostBusyError

    actions = carried.pop("later", [])
    try:
        with host.lock_users_tools(ALL_SECONDS + ENDING_SECONDS):
            more_done, more_left = _Serving(host).serve(actions)
    except HostBusyError as busy:
        reason = f"{busy.turn.by} runs tools of users since {busy.turn.since}; the next run removes it"
        more_done, more_left = [], [(action, reason) for action in actions]
    except ControlError as error:
        more_done, more_left = [], [(action, str(error)) for action in actions]
    carried.setdefault("done", []).extend(more_done)
    carried.setdefault("left", []).extend(more_left)
    return carried


class _Serving:
    """One observation's use of the budget. It has the lock of users' tools."""

    def __init__(self, host: Host) -> None:
        self.host = host
        self.of_all = ALL_SECONDS
        self.spent = _read(host)

    def serve(self, actions: Sequence[Action]) -> tuple[list[str], list[tuple[Action, str]]]:
        """Do actions, those first whose user has spent least: nobody waits for a user who always takes all."""
        done: list[str] = []
        left: list[tuple[Action, str]] = []
        for action in sorted(actions, key=lambda action: (self._current(action.user).seconds, action.user)):
            try:
                ended = self._do(action)
                done.append(f"{action} {ended}" if isinstance(ended, str) and ended else str(action))
            except (ControlError, ObservationError) as error:
                left.append((action, str(error)))
        return done, left

    def _do(self, action: Action) -> Any:
        """Do an action and charge its user. Raises ControlError and Unseen."""
        from ..system.forked import WorkLimits, run_apart

        spent = self._current(action.user)
        if USER_SECONDS - spent.seconds < LEAST_SECONDS:
            raise ControlError(_describe_spent(action.user, spent))
        seconds = min(USER_SECONDS - spent.seconds, self.of_all)
        if seconds < LEAST_SECONDS:
            raise ControlError(
                f"over budget: tools of users took {ALL_SECONDS:g} s in this observation; the next one goes on"
            )
        self._charge(action.user, spent, seconds)  # first: a run that is killed meanwhile has paid
        began = time.monotonic()
        self.host.users_tools_until = began + seconds
        try:
            return run_apart(action.apply, WorkLimits(seconds=seconds + ENDING_SECONDS, memory=0))
        except (ControlError, ObservationError) as error:
            if time.monotonic() - began < seconds:
                raise
            raise ControlError(f"{_describe_spent(action.user, self._current(action.user))} ({error})") from None
        finally:
            self.host.users_tools_until = None
            taken = time.monotonic() - began
            self.of_all -= taken
            with contextlib.suppress(ControlError, ObservationError):  # then all of it stays charged
                self._charge(action.user, spent, taken)

    def _current(self, user: str) -> Spending:
        """Return what a user has spent of the day that goes on; nothing where it is over, or the clock was set back."""
        spent = self.spent.get(user, Spending())
        return spent if 0 <= self.host.clock() - spent.since < DAY_SECONDS else Spending()

    def _charge(self, user: str, before: Spending, seconds: float) -> None:
        """Write down what a user has spent. The day of one who has spent all begins now. Raises ControlError."""
        now = int(self.host.clock())
        total = before.seconds + seconds
        has_spent_all = USER_SECONDS - total < LEAST_SECONDS
        self.spent[user] = Spending(round(total, 1), now if has_spent_all or not before.since else before.since)
        current = {name: spent for name in self.spent if (spent := self._current(name)).since}
        newest = sorted(current.items(), key=lambda row: row[1].since, reverse=True)[:MOST_USERS]
        content = {"schema": SCHEMA, "users": {name: spent._asdict() for name, spent in newest}}
        self.host.write_file(SPENT, json.dumps(content) + "\n", 0o600)


def _describe_spent(user: str, spent: Spending) -> str:
    again = format_timestamp(spent.since + DAY_SECONDS)
    return f"over budget: tools of {user} took {USER_SECONDS:g} s; they run again from {again} on"


def _read(host: Host) -> dict[str, Spending]:
    """Return what users have spent; nothing where the file is missing or damaged."""
    try:
        content = parse_json(host.read_file(SPENT, LARGEST_BYTES) or b"{}")
    except (ControlError, ObservationError, ValueError, RecursionError):
        return {}
    users = content.get("users") if isinstance(content, dict) and content.get("schema") == SCHEMA else None
    return {name: _parse(entry) for name, entry in users.items()} if isinstance(users, dict) else {}


def _parse(entry: Any) -> Spending:
    seconds, since = (entry.get(key) for key in Spending._fields) if isinstance(entry, dict) else (None, None)
    if isinstance(seconds, (int, float)) and type(since) is int and 0 <= seconds <= DAY_SECONDS:
        return Spending(float(seconds), since)
    return Spending()
