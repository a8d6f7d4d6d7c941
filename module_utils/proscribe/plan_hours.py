"""What of a plan is open only at times, resolved for a moment."""

from __future__ import annotations

import time
from typing import Any, Mapping


def at(plan: Mapping[str, Any], now: time.struct_time) -> Mapping[str, Any]:
    """The plan as it is at a moment of the host's own zone."""
    return plan
