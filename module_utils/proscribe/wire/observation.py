"""The observation of a host on the controller's side: the data that are sent, and a note about the host's cache.

An Ansible action may send the data to its host, or a single process sends them to many hosts. Both send the same bytes,
and the answer passes the same reader.
"""

from __future__ import annotations

import functools
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from ..base.timestamps import format_timestamp
from ..host.audit_program import format_program
from ..host.system import DARWIN
from ..model.types.answer import ObservationAnswer
from ..model.types.call import ObservationCall
from ..model.types.run import CompiledRun, Variables
from .answers import results
from .audit_text import AUDIT_TEXT
from .loader import LACKING
from .plan_store import PlanStore
from .stream import StreamPart, make_payload, parse_answer

# Tried on hosts whose interpreter is not in the inventory. /usr/bin is first, as in Ansible's own discovery. If a host
# has none of these paths, the ordinary Ansible module runs, and Ansible prints its message.
PYTHON_PATHS = "/usr/bin/python3 /usr/local/bin/python3 /usr/libexec/platform-python python3"
FIND_PYTHON_COMMAND = f"for python in {PYTHON_PATHS}; do command -v $python && break; done"


def get_compiled_run(variables: Variables) -> CompiledRun:
    """Return the result of the task `compile_plans` from a host's variables; {} before that task."""
    run: CompiledRun = (variables.get("proscribe_compiled") or {}).get("proscribe_run", {})
    return run


def get_registered(hostvars: Any, host: str, name: str) -> Any:
    """Return the result that a task registered for a host in the variable `name`, untemplated; {} without a result.

    To read a variable, `hostvars` collects all variables of a host, which takes seconds for 10,000 hosts. So the
    variable comes from Ansible's variable manager where that is possible (tested with ansible-core 2.19 and 2.21).
    """
    facts = getattr(getattr(hostvars, "_variable_manager", None), "_nonpersistent_fact_cache", None)
    variables = facts.get(host, {}) if isinstance(facts, Mapping) else hostvars.raw_get(host)
    return variables.get(name) or {}


def parse_observation(output: str | bytes) -> ObservationAnswer | None:
    """Return the checked answer in the output of a host; None if the output has no answer.

    Raises UnusableAnswer.
    """
    result = parse_answer(output)
    return None if result is None else results.read_observation(result)


class HostObservation(NamedTuple):
    """The data that the controller sends to a host to observe the host.

    `call` has the arguments of host_operations.compliance_state, `seconds` is the time limit.
    """

    store: PlanStore
    host: str
    code: StreamPart
    plan: StreamPart
    call: ObservationCall
    seconds: int

    def list_streams(self) -> Iterator[bytes]:
        """Yield the streams to send one after the other, until the host answers.

        A host that has stored code and plan first gets only their names. If the host has lost them, it reports the loss
        or prints no answer.
        """
        for with_content in (False, True) if self.store.is_stored_on_host(self.host, self.code, self.plan) else (True,):
            yield make_payload(self.code, self.plan, self.call, with_content, self.seconds)

    def adapt_to_macos(self) -> HostObservation:
        """Return the observation for a host that reported that it is a Mac.

        A Mac stores no program and no data, has no watch, and its browsers are not probed.
        """
        call = self.call.copy()
        call.pop("program", None)
        call.pop("watch", None)
        return self._replace(
            code=self.store.make_macos_code_part(), call={**call, "probe": False, "remember": False, "macos": True}
        )

    def note_cached(self, result: ObservationAnswer) -> ObservationAnswer:
        """Record in the plan store whether the host stores code and plan now; return the result without `cached`."""
        if "cached" in result:
            self.store.record_host_store(self.host, self.code, self.plan, is_stored=result.pop("cached"))
        return result


def make_observation(run: CompiledRun, host: str, text: str, call: ObservationCall, seconds: int) -> HostObservation:
    """Build the observation of a host.

    `run` is the result of `compile_plans`, `seconds` the time limit. `text` is the JSON of a plan that the task was
    given instead of the compiled plan; "" for the compiled plan.
    """
    store = _open_store(run.get("plans"), tuple((run.get("packed") or {}).items()))
    plan = store.make_plan_part(text) if text else store.make_plan_part(digest=run["hosts"][host])
    # The prepared code has no probe of browsers. A call with the probe needs other code.
    code = (
        store.get_prepared_code(run["code"])
        if "code" in run and not call["probe"]
        else store.make_code_part(call["probe"])
    )
    # An enforcing run installs the program for audits without root on some hosts. From others "" removes it.
    if call["remember"] and "audit_stored" in run:
        call = {**call, "program": format_program(AUDIT_TEXT) if host in run["audit_stored"] else ""}
    if "watch" in run:
        call = {**call, "watch": {**run["watch"], "now": format_timestamp(time.time())}}
    return HostObservation(store, host, code, plan, call, seconds)


@functools.lru_cache(maxsize=1)
def _open_store(plans: str | None, packed: tuple[tuple[str, str], ...]) -> PlanStore:
    """Return the plan store of a run: the same object for all hosts that this process observes."""
    return PlanStore(Path(plans) if plans is not None else None, dict(packed))


def is_macos(result: ObservationAnswer | None) -> bool:
    """Return whether a host received code for another system, and answered only that it is a Mac."""
    return result is not None and result.get("system") == DARWIN


def has_no_answer(result: ObservationAnswer | None) -> bool:
    """Return whether a host did not answer, or lacks code or a plan that was sent only by name."""
    return result is None or LACKING in result
