"""What the report of a run has to know of the restrictions: where it is remembered, what it is compared with.

A run has one report, so these variables have one value for all its hosts; they belong in the inventory's `all` group.
"""

from __future__ import annotations

import importlib.util
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from ....model.finding import GROUP_POLICY, WATCH
from ....model.plan import CONTROLS, compute_digest
from ....model.types.plan import Plan
from ....model.types.run import ControlPolicy, RunReporting, SecondsByHost
from ....model.types.run import ScheduledExport as FedAgain
from ...policy_errors import PolicyError, PolicyErrors
from ...report.evaluation.scope import Scope
from ...report.storage.complete import LATEST, NoSuchRun, find_run
from ...report.storage.last_passed import latest_passed
from ..restrictions import PREFIX, RESTRICTIONS, Restrictions
from .inventory import HostVariables

# What remembers runs in PostgreSQL needs; the optional extra `history` of pyproject.toml.
DRIVER = "sqlalchemy"
EVERYTHING = Scope()


def reporting(
    hosts: Sequence[HostVariables], restrictions: Mapping[str, Restrictions], reports: Path, scope: Scope = EVERYTHING
) -> RunReporting:
    """What a run's report has to know. `reports` is the folder of reports. `scope` is what the run observes: `latest`
    as a baseline is the latest run over all of that that passed.

    Raises PolicyErrors where hosts disagree, or where what they name is not there.
    """
    history = one_for_all("history", hosts, restrictions)
    baseline = one_for_all("gate_baseline", hosts, restrictions)
    if history.startswith("postgresql") and importlib.util.find_spec(DRIVER) is None:
        expected = "SQLAlchemy beside Ansible, for any history but sqlite (docs/history.md says how to install it)"
        raise PolicyErrors([_error("history", history, expected, hosts)])
    directory = ""
    if baseline:
        try:
            latest = baseline == LATEST
            directory = str(latest_passed(reports, scope) if latest else find_run(reports, baseline))
        except NoSuchRun as none:
            raise PolicyErrors(
                [_error("gate_baseline", baseline, f"an earlier run to compare with: {none}", hosts)]
            ) from None
    return {
        "exports": list(one_for_all("exports", hosts, restrictions)),
        "exports_fed": _fed_again(restrictions.values()),
        "events": one_for_all("events", hosts, restrictions),
        "round": one_for_all("round", hosts, restrictions),
        "history": history,
        "history_keep": one_for_all("history_keep", hosts, restrictions),
        "reports_keep": one_for_all("reports_keep", hosts, restrictions),
        "baseline": directory,
        "stale_after": _spread("stale_after", {name: own.stale_after for name, own in restrictions.items()}),
        "observe_timeout": _spread(
            "observe_timeout", {name: own.observe_timeout for name, own in restrictions.items()}
        ),
    }


def _fed_again(restrictions: Iterable[Restrictions]) -> list[FedAgain]:
    """The fed exports that have a directory."""
    found = dict.fromkeys(fed for own in restrictions for fed in own.exports_fed if fed.directory)
    return [{"format": fed.format, "directory": fed.directory, "group": fed.group} for fed in found]


def _spread(name: str, values: Mapping[str, int]) -> SecondsByHost:
    """A variable that hosts may have different values of: the usual one, and the hosts that have another."""
    usual = Counter(values.values()).most_common(1)[0][0] if values else _default(name)
    return {"usual": usual, "hosts": {host: value for host, value in values.items() if value != usual}}


def rule_count(plan: Plan, controls: Sequence[str]) -> int:
    """How many rules a host with this plan evaluates at the least, when a run observes those controls: one for each
    service, those with nothing to search for too. Controls also have rules of their own (settings, install blocks),
    which no plan lists.
    """
    parts = [part for name, part in plan["controls"].items() if name in controls]
    return sum(len(part["services"]) + len(part.get("nothing_known", ())) for part in parts)


def nothing_known(plan: Plan, controls: Sequence[str]) -> list[str]:
    """The rules of a plan of which nothing is known to search for on any host, when a run observes those controls."""
    parts = [(name, part) for name, part in plan["controls"].items() if name in controls]
    return [f"{name}/{id_}" for name, part in parts for id_ in part.get("nothing_known", ())]


def policies(plan: Plan) -> dict[str, ControlPolicy]:
    """What a plan says of each control.

    The digest of its policy names all that the control is made from. So an earlier observation counts for as long as
    that is the same.
    """
    said: dict[str, ControlPolicy] = {name: {"mode": "off", "policy": None} for name in CONTROLS}
    for name, section in plan["controls"].items():
        said[name] = _policy(section["mode"], {"browsers": plan.get("browsers"), "section": section})
    if "group_policy" in plan:  # on a domain controller
        said[GROUP_POLICY] = _policy("enforce", plan["group_policy"])
    if "watch" in plan:  # on a host that keeps itself in line
        said[WATCH] = _policy("enforce", plan["watch"])
    return said


def _policy(mode: str, parts: Mapping[str, object]) -> ControlPolicy:
    return {"mode": mode, "policy": compute_digest(parts)[: len("sha256:") + 16]}


def one_for_all(name: str, hosts: Sequence[HostVariables], restrictions: Mapping[str, Restrictions]) -> Any:
    """The value of a variable on which all hosts of a run have to agree (its default if there are no hosts).

    Raises PolicyErrors with the first host that has another value than the one before it.
    """
    return agreed(name, hosts, lambda host: getattr(restrictions[host.name], name))


def agreed(name: str, hosts: Sequence[HostVariables], value_of: Callable[[HostVariables], Any]) -> Any:
    """As `one_for_all`, of the values that `evaluate_variable` has."""
    first: tuple[Any, str] | None = None
    for host in hosts:
        value = value_of(host)
        if first is None:
            first = value, host.name
        elif first[0] != value:
            expected = f"the same for all hosts of a run; {first[1]} has {first[0]!r}, {host.name} {value!r}"
            raise PolicyErrors([PolicyError(host.where(PREFIX + name), PREFIX + name, value, expected)])
    return _default(name) if first is None else first[0]


def _default(name: str) -> Any:
    return RESTRICTIONS[name].read(RESTRICTIONS[name].default)


def _error(name: str, value: object, expected: str, hosts: Sequence[HostVariables]) -> PolicyError:
    where = hosts[0].where(PREFIX + name) if hosts else ""
    return PolicyError(where, PREFIX + name, value, expected)
