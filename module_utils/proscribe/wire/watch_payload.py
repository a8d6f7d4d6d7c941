"""The package for a host whose plan has a watch: the program, the code, the plan, and the plans that follow it.

Controller side. On the host, host/watch/watch_observation.py installs it.
"""

from __future__ import annotations

import base64
import functools
import json
import lzma
import time

from ..base.timestamps import format_timestamp
from ..host.audit_program import format_program
from ..host.watch.program_text import WATCH_TEXT
from ..host.watch.state.watch_files import MAX_PLANS
from ..host.watch.watch_observation import make_release_name
from ..model.types.call import ExpectedWatch
from ..model.types.plan import Plan
from .plan_store import PlanStore
from .stream import pack_watch_code


@functools.cache
def make_expected_watch() -> ExpectedWatch:
    """Return the release name of the current watch program and code, under the key `release`.

    An observation compares it with the release that the host has installed.
    """
    return {"release": make_release_name(format_program(WATCH_TEXT).encode(), pack_watch_code())}


def pack_watch(store: PlanStore, plan: Plan) -> str:
    """Pack the program, the code and at most MAX_PLANS plans as text, for the module `host_watch`.

    Raises OSError if a plan that follows `plan` is not in the store.
    """
    plans = [plan]
    while (later := plans[-1].get("later")) and len(plans) < MAX_PLANS:
        plans.append(store.read_stored_plan(later["plan"]))
    sent = {
        "program": format_program(WATCH_TEXT),
        "code": base64.b64encode(pack_watch_code()).decode(),
        "plans": plans,
        "now": format_timestamp(time.time()),
    }
    return base64.b64encode(lzma.compress(json.dumps(sent).encode())).decode()
