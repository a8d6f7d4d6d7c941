"""Settings for the rollout of a run through the fleet, and for scheduled runs."""

from __future__ import annotations

from collections.abc import Mapping

from ...policy_errors import join_alternatives
from ...rollout.limits import AUTO
from ..reading.value_readers import make_choice_reader, read_duration
from . import schedule_values as scheduled
from .channels import list_channel_names, read_notify_channels
from .rollout_values import read_batches, read_max_change, read_max_failures
from .variable import declare_settings, declare_variable


@declare_settings
class RolloutSettings:
    """Settings that limit how many hosts and programs a run may change."""

    batches: str | tuple[int | str, ...] = declare_variable(
        AUTO,
        read_batches,
        "The batches in which hosts are corrected: auto (five or fewer at once; else 2, 10, 50, ...), or sizes such as "
        "[2, 10, '25%']. One for all hosts.",
    )
    max_change: Mapping[str, int | str] = declare_variable(
        {"hosts": "25%", "removals": AUTO},
        read_max_change,
        "How much one run may change before it stops: hosts (a number, a share, unlimited) and removals (a "
        "number, auto, unlimited); docs/operations.md. One for all hosts.",
    )
    max_failures: str = declare_variable(
        "10%",
        read_max_failures,
        "The share of the hosts tried so far that may fail, but one in any case, unless it is 0%; above it the run "
        "stops before its next batch. In the first batch one may, if another one was corrected. One for all hosts.",
    )


@declare_settings
class ScheduleSettings:
    """Settings of scheduled runs."""

    schedule: str = declare_variable(
        "controller",
        make_choice_reader(*scheduled.SCHEDULE_METHODS),
        "What ./proscribe schedule sets up: a timer on the controller, one on every host (pull), nothing (awx), or "
        "off, which removes it; docs/scheduling.md. One for all hosts.",
    )
    schedule_calendar: str = declare_variable(
        "*-*-* 02:30",
        scheduled.read_calendar,
        "When scheduled runs start, in the syntax of systemd.time(7). One for all hosts.",
    )
    schedule_refresh: str = declare_variable(
        "",
        scheduled.read_calendar_or_none,
        "When publishers' lists are fetched, and what they change in the catalogue is proposed on a branch of the "
        "inventory's repository: weekly, in the syntax of systemd.time(7). Empty: never. One for all hosts.",
    )
    schedule_spread: int = declare_variable(  # seconds
        "30m",
        scheduled.read_spread_seconds,
        "The longest random delay of a scheduled run; 0 for none. One for all hosts.",
    )
    schedule_timeout: int = declare_variable(  # seconds
        "6h",
        read_duration,
        "How long a scheduled run may take; after that it is ended and reported. One for all hosts.",
    )
    schedule_options: tuple[str, ...] = declare_variable(
        [],
        scheduled.read_options,
        "Additional options for scheduled runs, such as a vault's password file. One for all hosts.",
    )
    schedule_account: str = declare_variable(
        "",
        scheduled.read_account,
        "The controller's account for scheduled runs; if empty, the one that sets them up. One for all hosts.",
    )
    schedule_directory: str = declare_variable(
        "",
        scheduled.read_directory,
        "Where the checkout is on a controller that is a host of the inventory, or, with pull and no repository, "
        "on every host. One for all hosts.",
    )
    schedule_repository: str = declare_variable(
        "", scheduled.read_repository, "With pull: the repository that git on the hosts fetches. One for all hosts."
    )
    schedule_branch: str = declare_variable(
        "main", scheduled.read_branch, "With pull: the branch that hosts follow. One for all hosts."
    )
    schedule_signers: tuple[str, ...] = declare_variable(
        [],
        scheduled.read_signers,
        "With pull: who may sign commits, as lines of allowed_signers (ssh-keygen(1)); if empty, commits need no "
        "signature. One for all hosts.",
    )
    schedule_first_commit: str = declare_variable(
        "",
        scheduled.read_commit,
        "With pull: the commit that the branch has to be at or have in its history; if empty, a host trusts the first "
        "commit that it sees. One for all hosts.",
    )
    schedule_inventory: str = declare_variable(
        "",
        scheduled.read_inventory,
        "With pull: the inventory's path in the checkout; if empty, that of the schedule run. One for all hosts.",
    )
    schedule_ansible: str = declare_variable(
        "",
        scheduled.read_program,
        "With pull: the ansible-playbook of the hosts, such as /usr/bin/ansible-playbook; if empty, each host makes an "
        "environment of its own. One for all hosts.",
    )
    notify: Mapping[str, str] = declare_variable(
        {},
        read_notify_channels,
        f"Where a scheduled run sends a notification of drift, by channel: {join_alternatives(list_channel_names())}; "
        "docs/scheduling.md. In group_vars/all.yml.",
    )
