"""Actions that run a user's own tool (uv, npm, brew, ...), without the host's lock and within a budget.

The user controls what such a tool does and how long it takes. So it runs after all other actions, and other runs may
work on the host meanwhile. Each user has a budget of seconds, and all users of an observation together have another.
The host remembers the seconds that each user has spent. A user who has spent the budget waits a day. Actions that are
not applied stay findings of that user.
"""

from __future__ import annotations

import contextlib
import json
import time
from typing import TYPE_CHECKING, Any, Sequence

from ...base.json_text import parse_json
from ...base.named_tuple import NamedTuple
from ...base.timestamps import format_timestamp
from ..system import STATE_DIRECTORY, ControlError, Host, ObservationError
from .base import ControlAction

if TYPE_CHECKING:
    from .base import ChangeResult

USER_SECONDS = 60.0
ALL_USERS_SECONDS = 120.0  # for one observation
DAY_SECONDS = 24 * 3600
MIN_SECONDS = 1.0  # with less time, no tool is started
ENDING_SECONDS = 15.0  # for the termination of a tool after its timeout
SPENDING_PATH = STATE_DIRECTORY + "/users_tools.json"
SCHEMA = "proscribe/users_tools/1"
MAX_SPENDING_BYTES = 256 * 1024
MAX_USERS = 1000


class ToolSpending(NamedTuple):
    """Seconds that the tools of a user have taken in the user's current day.

    That day is a period of DAY_SECONDS, not a calendar day. `since` is its start in seconds since 1970; 0 if the user
    has spent nothing.
    """

    seconds: float = 0.0
    since: int = 0


def run_user_tools(host: Host, result: ChangeResult) -> ChangeResult:
    """Apply the actions under "later" in `result`, which run users' own tools. Return `result`.

    `apply_changes` left these actions out. Their outcomes are added to "done". Failed actions are added to "left" with
    the reasons. If another run runs users' tools at the moment, all of the actions count as failed.
    """
    from ..system.host_lock import HostBusyError

    actions = result.pop("later", [])
    try:
        with host.lock_users_tools(ALL_USERS_SECONDS + ENDING_SECONDS):
            more_done, more_skipped = _ToolRunner(host).run_actions(actions)
    except HostBusyError as busy:
        reason = f"{busy.turn.by} runs tools of users since {busy.turn.since}; the next run removes it"
        more_done, more_skipped = [], [(action, reason) for action in actions]
    except ControlError as error:
        more_done, more_skipped = [], [(action, str(error)) for action in actions]
    result.setdefault("done", []).extend(more_done)
    result.setdefault("left", []).extend(more_skipped)
    return result


class _ToolRunner:
    """Runner of users' tools within the budget of one observation.

    The caller has to take the lock for users' tools (`Host.lock_users_tools`).
    """

    def __init__(self, host: Host) -> None:
        self.host = host
        self.all_users_seconds = ALL_USERS_SECONDS
        self.spending = _read_spending(host)

    def run_actions(self, actions: Sequence[ControlAction]) -> tuple[list[str], list[tuple[ControlAction, str]]]:
        """Apply actions. Return the applied actions as text, and the failed actions with the reasons.

        The users who have spent the fewest seconds come first. Otherwise a user who always spends the whole budget
        could delay all others.
        """
        done: list[str] = []
        failed_for_users: list[tuple[ControlAction, str]] = []
        for action in sorted(
            actions, key=lambda action: (self._find_current_spending(action.user).seconds, action.user)
        ):
            try:
                outcome = self._run_action(action)
                done.append(f"{action} {outcome}" if isinstance(outcome, str) and outcome else str(action))
            except (ControlError, ObservationError) as error:
                failed_for_users.append((action, str(error)))
        return done, failed_for_users

    def _run_action(self, action: ControlAction) -> Any:
        """Apply an action, charge the seconds that it takes to its user, and return what the action returns.

        Raises ControlError and ObservationError, also if the budget of the user or of all users is spent.
        """
        from ..system.forked_work import WorkLimits, run_apart

        spending = self._find_current_spending(action.user)
        if USER_SECONDS - spending.seconds < MIN_SECONDS:
            raise ControlError(_describe_spending(action.user, spending))
        seconds = min(USER_SECONDS - spending.seconds, self.all_users_seconds)
        if seconds < MIN_SECONDS:
            raise ControlError(
                f"over budget: tools of users took {ALL_USERS_SECONDS:g} s in this observation; the next one goes on"
            )
        # All of the seconds are charged before the tool runs. So a run that is killed has charged them too.
        self._record_spending(action.user, spending, seconds)
        started_at = time.monotonic()
        self.host.users_tools_until = started_at + seconds
        try:
            return run_apart(action.apply, WorkLimits(seconds=seconds + ENDING_SECONDS, memory=0))
        except (ControlError, ObservationError) as error:
            if time.monotonic() - started_at < seconds:
                raise
            raise ControlError(
                f"{_describe_spending(action.user, self._find_current_spending(action.user))} ({error})"
            ) from None
        finally:
            self.host.users_tools_until = None
            seconds_taken = time.monotonic() - started_at
            self.all_users_seconds -= seconds_taken
            # Now only the seconds taken are charged. If this save fails, the full charge from before the start remains.
            with contextlib.suppress(ControlError, ObservationError):
                self._record_spending(action.user, spending, seconds_taken)

    def _find_current_spending(self, user: str) -> ToolSpending:
        """Return the seconds that a user has spent in the user's current day.

        The result is an empty ToolSpending if that day is over, or if the clock was set back.
        """
        spent = self.spending.get(user, ToolSpending())
        return spent if 0 <= self.host.clock() - spent.since < DAY_SECONDS else ToolSpending()

    def _record_spending(self, user: str, earlier_spending: ToolSpending, seconds: float) -> None:
        """Save that a user has spent `seconds` more than `earlier_spending`. Raises ControlError.

        If that spends the whole budget, the user's day of waiting begins now. The file has the MAX_USERS users whose
        day began last.
        """
        now = int(self.host.clock())
        total_seconds = earlier_spending.seconds + seconds
        has_spent_all = USER_SECONDS - total_seconds < MIN_SECONDS
        self.spending[user] = ToolSpending(
            round(total_seconds, 1), now if has_spent_all or not earlier_spending.since else earlier_spending.since
        )
        current = {name: spending for name in self.spending if (spending := self._find_current_spending(name)).since}
        newest = sorted(current.items(), key=lambda row: row[1].since, reverse=True)[:MAX_USERS]
        content = {"schema": SCHEMA, "users": {name: spending._asdict() for name, spending in newest}}
        self.host.write_file(SPENDING_PATH, json.dumps(content) + "\n", 0o600)


def _describe_spending(user: str, spending: ToolSpending) -> str:
    """Return the reason why a user's tools do not run, with the time from which they run again."""
    next_run = format_timestamp(spending.since + DAY_SECONDS)
    return f"over budget: tools of {user} took {USER_SECONDS:g} s; they run again from {next_run} on"


def _read_spending(host: Host) -> dict[str, ToolSpending]:
    """Return the spending by user; {} if the file is missing or damaged."""
    try:
        content = parse_json(host.read_file(SPENDING_PATH, MAX_SPENDING_BYTES) or b"{}")
    except (ControlError, ObservationError, ValueError, RecursionError):
        return {}
    users = content.get("users") if isinstance(content, dict) and content.get("schema") == SCHEMA else None
    return {name: _parse_spending(entry) for name, entry in users.items()} if isinstance(users, dict) else {}


def _parse_spending(entry: Any) -> ToolSpending:
    """Return a user's spending from the file; an empty ToolSpending for an invalid entry."""
    seconds, since = (entry.get(key) for key in ToolSpending._fields) if isinstance(entry, dict) else (None, None)
    if isinstance(seconds, (int, float)) and type(since) is int and 0 <= seconds <= DAY_SECONDS:
        return ToolSpending(float(seconds), since)
    return ToolSpending()
