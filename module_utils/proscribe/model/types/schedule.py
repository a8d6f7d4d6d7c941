"""The settings of a schedule, and of a host's own runs (controller/schedule)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ...base.typed_dict import TypedDict

if TYPE_CHECKING:
    from typing import NotRequired


class ScheduledRuns(TypedDict):
    """The files of scheduled runs, and the account that runs them."""

    account: str
    paths: list[str]
    needs: NotRequired[list[str]]  # files that must be on the machine before a run can begin
    starts: NotRequired[list[str]]  # the paths that are run
    writes: NotRequired[list[str]]  # the paths that are written to


class GuardSettings(TypedDict):
    """/etc/proscribe/schedule.json: the files checked before each run of the controller, and the channels of alerts."""

    account: str
    paths: list[str]
    alerts: dict[str, str]  # by channel, as in proscribe_notify


class PullSettings(TypedDict):
    """The content of /etc/proscribe/pull.json: the settings of a host's own runs."""

    host: str
    inventory: str
    options: list[str]
    repository: str  # "" where the host has the project in a directory
    directory: NotRequired[str]
    branch: NotRequired[str]
    first_commit: NotRequired[str]
    signed: NotRequired[bool]
    ansible_playbook: NotRequired[str]
    paths: NotRequired[list[str]]  # paths outside of the fetched directory, checked before each run
