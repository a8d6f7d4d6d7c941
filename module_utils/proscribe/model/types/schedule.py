"""What a schedule runs, and what a host's own runs read (controller/schedule)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ...base.mappings import TypedDict

if TYPE_CHECKING:
    from typing import NotRequired


class ScheduledRuns(TypedDict):
    """What scheduled runs are made of, and as which account they run."""

    account: str
    paths: list[str]
    needs: NotRequired[list[str]]  # what has to be on the machine, or no run can begin
    starts: NotRequired[list[str]]  # of the paths, those that are run
    writes: NotRequired[list[str]]  # and those that are written to


class GuardSettings(TypedDict):
    """/etc/proscribe/schedule.json: what is checked before each run of the controller, and where alerts go."""

    account: str
    paths: list[str]
    alerts: dict[str, str]  # by channel, as in proscribe_notify


class PullSettings(TypedDict):
    """/etc/proscribe/pull.json."""

    host: str
    inventory: str
    options: list[str]
    repository: str  # "" where the project is in a directory
    directory: NotRequired[str]
    branch: NotRequired[str]
    first_commit: NotRequired[str]
    signed: NotRequired[bool]
    ansible_playbook: NotRequired[str]
    paths: NotRequired[list[str]]  # outside of what is fetched, and checked before each run
