"""One observation of one host, as the controller sees it: what is sent, and what is noted of the answer.

An action of Ansible's may send it, or one process for many hosts. In both ways a host is sent the same bytes, and its
answer passes the same reader.
"""

from __future__ import annotations

import functools
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from ..base.moments import format_timestamp
from ..host.audit_program import format_program
from ..host.system import DARWIN
from ..model.types.answer import ObservationAnswer
from ..model.types.call import ObservationCall
from ..model.types.run import CompiledRun, Variables
from .audit_text import AUDIT_TEXT
from .loader import LACKING
from .replies import results
from .store import PlanStore
from .stream import StreamPart, make_payload, parse_answer

# Where the inventory names no interpreter. /usr/bin first, as Ansible's own discovery has it; a host without any gets
# Ansible's message from the ordinary module.
PYTHON_PATHS = "/usr/bin/python3 /usr/local/bin/python3 /usr/libexec/platform-python python3"
FIND_PYTHON_COMMAND = f"for python in {PYTHON_PATHS}; do command -v $python && break; done"


def get_compiled_run(variables: Variables) -> CompiledRun:
    """What `compile_plans` said of the run, out of a host's variables; empty where it said nothing."""
    run: CompiledRun = (variables.get("proscribe_compiled") or {}).get("proscribe_run", {})
    return run


def get_registered(hostvars: Any, host: str, name: str) -> Any:
    """What a task has registered under a name for a host, untemplated; empty for nothing.

    `hostvars` gathers all variables of a host to give one of them, which for 10,000 hosts takes seconds. So it is taken
    from where Ansible's variable manager has it, where that is there (tried with ansible-core 2.19 and 2.21).
    """
    facts = getattr(getattr(hostvars, "_variable_manager", None), "_nonpersistent_fact_cache", None)
    variables = facts.get(host, {}) if isinstance(facts, Mapping) else hostvars.raw_get(host)
    return variables.get(name) or {}


def parse_observation(output: str | bytes) -> ObservationAnswer | None:
    """What a host answered to a stream; None for no answer. Raises Unusable."""
    result = parse_answer(output)
    return None if result is None else results.read_observation(result)


class HostObservation(NamedTuple):
    """What one host is sent. `call` are the arguments of run.compliance_state, `seconds` what the host has for it."""

    store: PlanStore
    host: str
    code: StreamPart
    plan: StreamPart
    call: ObservationCall
    seconds: int

    def list_streams(self) -> Iterator[bytes]:
        """What is sent, one after the other until one is answered: a host that keeps code and plan is only told their
        names, and one that has lost them says so, or nothing.
        """
        for with_content in (False, True) if self.store.is_stored_on_host(self.host, self.code, self.plan) else (True,):
            yield make_payload(self.code, self.plan, self.call, with_content, self.seconds)

    def adapt_to_macos(self) -> HostObservation:
        """The same for a Mac, which has said that it is one. It stores nothing."""
        call = self.call.copy()
        call.pop("program", None)
        call.pop("watch", None)
        return self._replace(
            code=self.store.make_macos_code_part(), call={**call, "probe": False, "remember": False, "macos": True}
        )

    def note_cached(self, result: ObservationAnswer) -> ObservationAnswer:
        """The result, once it is noted what the host stores now."""
        if "cached" in result:
            self.store.record_host_store(self.host, self.code, self.plan, is_stored=result.pop("cached"))
        return result


def make_observation(run: CompiledRun, host: str, text: str, call: ObservationCall, seconds: int) -> HostObservation:
    """The observation of a host. `run` is what `compile_plans` said of the run, and `text` a plan that was given to the
    task instead of the compiled one.
    """
    store = _open_store(run.get("plans"), tuple((run.get("packed") or {}).items()))
    plan = store.make_plan_part(text) if text else store.make_plan_part(digest=run["hosts"][host])
    code = (
        store.get_prepared_code(run["code"])
        if "code" in run and not call["probe"]
        else store.make_code_part(call["probe"])
    )
    if call["remember"] and "audit_stored" in run:
        call = {**call, "program": format_program(AUDIT_TEXT) if host in run["audit_stored"] else ""}
    if "watch" in run:
        call = {**call, "watch": {**run["watch"], "now": format_timestamp(time.time())}}
    return HostObservation(store, host, code, plan, call, seconds)


@functools.lru_cache(maxsize=1)
def _open_store(plans: str | None, packed: tuple[tuple[str, str], ...]) -> PlanStore:
    """The store of a run: one for all hosts that a process observes."""
    return PlanStore(Path(plans) if plans is not None else None, dict(packed))


def is_macos(result: ObservationAnswer | None) -> bool:
    """Whether a host said that it is a Mac, to code that is for others."""
    return result is not None and result.get("system") == DARWIN


def has_no_answer(result: ObservationAnswer | None) -> bool:
    """Whether a host did not answer, or has not got what was only named."""
    return result is None or LACKING in result
