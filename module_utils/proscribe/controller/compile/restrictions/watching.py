"""How hosts keep themselves in line between two runs, and where people can ask."""

from __future__ import annotations

from ..reading.values import length_of
from .readers import read_request_url, read_watch
from .variable import part, variable

DAY = 24 * 60  # minutes


@part
class Watch:
    """What a host does on its own, and where a user whom it refuses can ask for an exception."""

    watch: int = variable(  # seconds; 0 for off
        "off",
        read_watch,
        "How often an enforced host observes and corrects itself without a controller, 1m to 1d, or off; "
        "docs/watch.md.",
    )
    watch_max_age: int = variable(  # seconds
        "14d",
        length_of(DAY, 365 * DAY),
        "How long a host's plan is current without a run that renews it, 1d to 365d. After that it is still enforced, "
        "and the host says that it is stale.",
    )
    request_url: str = variable(
        "",
        read_request_url,
        "The organisation's own page for requests, an https:// URL: refusals show it; none if empty.",
    )
