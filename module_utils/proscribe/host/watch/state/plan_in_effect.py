"""Plan in effect on a host now.

A run of the controller leaves a host several plans, each with the time from which it applies. The last plan whose time
has come is in effect.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ....base.json_text import parse_json
from ....base.timestamps import format_timestamp
from ...system import Host
from . import clock, watch_files

if TYPE_CHECKING:
    from ....model.types.plan import Plan


def read_plan_in_effect(host: Host, settings: watch_files.WatchSettings) -> Plan:
    """Return the plan in effect, as a run installed it. Raises DamagedFileError and ObservationError.

    Hours of waivers in the plan are not resolved yet.
    """
    return read_stored_plan(host, settings, find_digest_in_effect(host, settings))


def find_digest_in_effect(host: Host, settings: watch_files.WatchSettings) -> str:
    """Return the digest of the plan in effect, by the watch's clock, which never goes back (clock.py).

    Raises DamagedFileError and ObservationError.
    """
    return settings.find_digest_in_effect(format_timestamp(clock.read_effective_time(host)))


def read_stored_plan(host: Host, settings: watch_files.WatchSettings, digest: str) -> Plan:
    """Return the stored plan with this digest. Raises DamagedFileError and ObservationError."""
    path = watch_files.make_plan_path(digest)
    content = watch_files.require_intact_file(host, settings, path)
    try:
        plan: Plan = parse_json(content)
    except (ValueError, RecursionError):
        raise watch_files.DamagedFileError(path, "is no plan") from None
    if type(plan) is not dict or plan.get("digest") != digest:
        raise watch_files.DamagedFileError(path, "is another plan")
    return plan
