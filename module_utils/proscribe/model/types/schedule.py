"""Types of the settings of a schedule, and of the runs that hosts start themselves (controller/schedule)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ...base.typed_dict import TypedDict

if TYPE_CHECKING:
    from typing import NotRequired


class ScheduledRuns(TypedDict):
    """The account that makes scheduled runs, and the paths that the runs need."""

    account: str
    paths: list[str]
    needs: NotRequired[list[str]]  # files that must exist on the machine before a run can begin
    starts: NotRequired[list[str]]  # programs that the run starts
    writes: NotRequired[list[str]]  # directories to which the run writes


class GuardSettings(TypedDict):
    """Content of /etc/proscribe/schedule.json: paths to check before controller runs, and targets of alerts."""

    account: str
    paths: list[str]
    alerts: dict[str, str]  # targets of alerts, by channel, as in proscribe_notify


class PullSettings(TypedDict):
    """Content of /etc/proscribe/pull.json: settings with which a host fetches and applies the policy itself."""

    host: str
    inventory: str
    options: list[str]
    repository: str  # "" if the host uses a checkout in `directory` instead
    directory: NotRequired[str]
    branch: NotRequired[str]
    first_commit: NotRequired[str]
    signed: NotRequired[bool]
    ansible_playbook: NotRequired[str]
    paths: NotRequired[list[str]]  # paths outside of the checkout that are checked before each run
