"""Settings for the watch (a host observes and corrects itself between runs), and for requests of users."""

from __future__ import annotations

from ..reading.value_readers import make_duration_reader
from .readers import read_request_url, read_watch_interval
from .variable import declare_settings, declare_variable

DAY_MINUTES = 24 * 60


@declare_settings
class WatchVariables:
    """Settings of a host's watch, and the page on which a refused user can request an exception."""

    watch: int = declare_variable(  # as read: seconds; 0 means off
        "off",
        read_watch_interval,
        "How often an enforced host observes and corrects itself without a controller, 1m to 1d, or off; "
        "docs/watch.md.",
    )
    watch_max_age: int = declare_variable(  # seconds
        "14d",
        make_duration_reader(DAY_MINUTES, 365 * DAY_MINUTES),
        "How long a host's plan is current without a run that renews it, 1d to 365d. After that it is still enforced, "
        "and the host says that it is stale.",
    )
    request_url: str = declare_variable(
        "",
        read_request_url,
        "The organisation's own page for requests, an https:// URL: refusals show it; none if empty.",
    )
