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

from ..base.moments import stamp
from ..host.audit_program import installable
from ..host.system import DARWIN
from ..model.types.answer import ObservationAnswer
from ..model.types.call import Call
from ..model.types.run import CompiledRun, Variables
from .audit_text import AUDIT_TEXT
from .loader import LACKING
from .replies import results
from .store import Store
from .stream import Part, answer, payload

# Where the inventory names no interpreter. /usr/bin first, as Ansible's own discovery has it; a host without any gets
# Ansible's message from the ordinary module.
PLACES = "/usr/bin/python3 /usr/local/bin/python3 /usr/libexec/platform-python python3"
ANY_PYTHON = f"for python in {PLACES}; do command -v $python && break; done"


def compiled_run(variables: Variables) -> CompiledRun:
    """What `compile_plans` said of the run, out of a host's variables; empty where it said nothing."""
    run: CompiledRun = (variables.get("proscribe_compiled") or {}).get("proscribe_run", {})
    return run


def registered(hostvars: Any, host: str, name: str) -> Any:
    """What a task has registered under a name for a host, untemplated; empty for nothing.

    `hostvars` gathers all variables of a host to give one of them, which for 10,000 hosts takes seconds. So it is taken
    from where Ansible's variable manager has it, where that is there (tried with ansible-core 2.19 and 2.21).
    """
    facts = getattr(getattr(hostvars, "_variable_manager", None), "_nonpersistent_fact_cache", None)
    variables = facts.get(host, {}) if isinstance(facts, Mapping) else hostvars.raw_get(host)
    return variables.get(name) or {}


def answered(printed: str | bytes) -> ObservationAnswer | None:
    """What a host answered to a stream; None for no answer. Raises Unusable."""
    result = answer(printed)
    return None if result is None else results.observation(result)


class Observation(NamedTuple):
    """What one host is sent. `call` are the arguments of run.compliance_state, `seconds` what the host has for it."""

    store: Store
    host: str
    code: Part
    plan: Part
    call: Call
    seconds: int

    def streams(self) -> Iterator[bytes]:
        """What is sent, one after the other until one is answered: a host that keeps code and plan is only told their
        names, and one that has lost them says so, or nothing.
        """
        for whole in (False, True) if self.store.has(self.host, self.code, self.plan) else (True,):
            yield payload(self.code, self.plan, self.call, whole, self.seconds)

    def for_macos(self) -> Observation:
        """The same for a Mac, which has said that it is one. It stores nothing."""
        call = self.call.copy()
        call.pop("program", None)
        call.pop("watch", None)
        return self._replace(
            code=self.store.code_for_macos(), call={**call, "probe": False, "remember": False, "macos": True}
        )

    def noted(self, result: ObservationAnswer) -> ObservationAnswer:
        """The result, once it is noted what the host stores now."""
        if "cached" in result:
            self.store.note(self.host, self.code, self.plan, has=result.pop("cached"))
        return result


def of_host(run: CompiledRun, host: str, text: str, call: Call, seconds: int) -> Observation:
    """The observation of a host. `run` is what `compile_plans` said of the run, and `text` a plan that was given to the
    task instead of the compiled one.
    """
    store = _store(run.get("plans"), tuple((run.get("packed") or {}).items()))
    plan = store.plan(text) if text else store.plan(digest=run["hosts"][host])
    code = store.prepared(run["code"]) if "code" in run and not call["probe"] else store.code(call["probe"])
    if call["remember"] and "audit_stored" in run:
        call = {**call, "program": installable(AUDIT_TEXT) if host in run["audit_stored"] else ""}
    if "watch" in run:
        call = {**call, "watch": {**run["watch"], "now": stamp(time.time())}}
    return Observation(store, host, code, plan, call, seconds)


@functools.lru_cache(maxsize=1)
def _store(plans: str | None, packed: tuple[tuple[str, str], ...]) -> Store:
    """The store of a run: one for all hosts that a process observes."""
    return Store(Path(plans) if plans is not None else None, dict(packed))


def is_macos(result: ObservationAnswer | None) -> bool:
    """Whether a host said that it is a Mac, to code that is for others."""
    return result is not None and result.get("system") == DARWIN


def lacks(result: ObservationAnswer | None) -> bool:
    """Whether a host did not answer, or has not got what was only named."""
    return result is None or LACKING in result
