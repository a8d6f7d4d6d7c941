"""The settings of a run's report from the restrictions: its history, its baseline, its exports.

A run has a single report, so these variables have the same value for all its hosts. They belong in the inventory's
`all` group.
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
from ...report.evaluation.scope import RunScope
from ...report.storage.accepted_baseline import find_latest_passed
from ...report.storage.report_reader import LATEST, UnknownRun, find_run
from ..restrictions import PREFIX, RESTRICTIONS, Restrictions
from .host_variables import HostVariables

# The module that a history in PostgreSQL needs; the optional extra `history` of pyproject.toml.
HISTORY_DRIVER = "sqlalchemy"
FULL_SCOPE = RunScope()


def collect_report_settings(
    hosts: Sequence[HostVariables],
    restrictions: Mapping[str, Restrictions],
    reports: Path,
    scope: RunScope = FULL_SCOPE,
) -> RunReporting:
    """Return the settings of a run's report.

    `reports` is the folder of reports; `scope` is the scope of the run. A baseline is an earlier run to compare with.
    The value `latest` means the latest run of that scope that passed. Raises PolicyErrors if hosts disagree, or if a
    baseline or a module for the history is missing.
    """
    history = get_common_setting("history", hosts, restrictions)
    baseline = get_common_setting("gate_baseline", hosts, restrictions)
    if history.startswith("postgresql") and importlib.util.find_spec(HISTORY_DRIVER) is None:
        expected = "SQLAlchemy beside Ansible, for any history but sqlite (docs/history.md says how to install it)"
        raise PolicyErrors([_make_error("history", history, expected, hosts)])
    baseline_directory = ""  # of the baseline's report
    if baseline:
        try:
            is_latest = baseline == LATEST
            baseline_directory = str(find_latest_passed(reports, scope) if is_latest else find_run(reports, baseline))
        except UnknownRun as error:
            raise PolicyErrors(
                [_make_error("gate_baseline", baseline, f"an earlier run to compare with: {error}", hosts)]
            ) from None
    return {
        "exports": list(get_common_setting("exports", hosts, restrictions)),
        "exports_fed": _list_fed_exports(restrictions.values()),
        "events": get_common_setting("events", hosts, restrictions),
        "round": get_common_setting("round", hosts, restrictions),
        "history": history,
        "history_keep": get_common_setting("history_keep", hosts, restrictions),
        "reports_keep": get_common_setting("reports_keep", hosts, restrictions),
        "baseline": baseline_directory,
        "stale_after": _make_spread(
            "stale_after", {name: host_restrictions.stale_after for name, host_restrictions in restrictions.items()}
        ),
        "observe_timeout": _make_spread(
            "observe_timeout",
            {name: host_restrictions.observe_timeout for name, host_restrictions in restrictions.items()},
        ),
    }


def _list_fed_exports(restrictions: Iterable[Restrictions]) -> list[FedAgain]:
    """Return the settings `exports_fed` of all hosts, each once, as report data.

    Settings without a directory are left out.
    """
    fed_exports = dict.fromkeys(
        fed for host_restrictions in restrictions for fed in host_restrictions.exports_fed if fed.directory
    )
    return [{"format": fed.format, "directory": fed.directory, "group": fed.group} for fed in fed_exports]


def _make_spread(name: str, values: Mapping[str, int]) -> SecondsByHost:
    """Return the seconds of all hosts in short form: the most common value, and the hosts with another value.

    `values` has the seconds of the variable `name` by host. Without hosts, the variable's default is the common value.
    """
    usual = Counter(values.values()).most_common(1)[0][0] if values else _get_default_setting(name)
    return {"usual": usual, "hosts": {host: setting for host, setting in values.items() if setting != usual}}


def count_rules(plan: Plan, controls: Sequence[str]) -> int:
    """Return the least number of rules that a host with this plan evaluates when a run observes these controls.

    Each service of a control is a rule, also without identifiers. Controls have further rules (settings, install
    blocks) that no plan lists, so the number is a minimum.
    """
    sections = [section for name, section in plan["controls"].items() if name in controls]
    return sum(len(section["services"]) + len(section.get("nothing_known", ())) for section in sections)


def list_rules_without_identifiers(plan: Plan, controls: Sequence[str]) -> list[str]:
    """Return the rules `<control>/<service>` of these controls for which the catalogue has no identifiers.

    No host can check such a rule.
    """
    sections = [(name, section) for name, section in plan["controls"].items() if name in controls]
    return [f"{name}/{id_}" for name, section in sections for id_ in section.get("nothing_known", ())]


def summarise_policies(plan: Plan) -> dict[str, ControlPolicy]:
    """Return the mode and the policy digest of each control in a plan.

    The digest covers everything in the plan that affects the control. So an earlier observation of the control still
    counts if the digest is the same. A control that is not in the plan is `off`, and its digest is None.
    """
    policies_by_control: dict[str, ControlPolicy] = {name: {"mode": "off", "policy": None} for name in CONTROLS}
    for name, section in plan["controls"].items():
        policies_by_control[name] = _make_policy(
            section["mode"], {"browsers": plan.get("browsers"), "section": section}
        )
    if "group_policy" in plan:  # only a domain controller's plan has this part
        policies_by_control[GROUP_POLICY] = _make_policy("enforce", plan["group_policy"])
    if "watch" in plan:  # only the plan of a host with a watch has this part
        policies_by_control[WATCH] = _make_policy("enforce", plan["watch"])
    return policies_by_control


def _make_policy(mode: str, parts: Mapping[str, object]) -> ControlPolicy:
    """Return a mode with a shortened digest (16 hex digits) of the parts of a plan."""
    return {"mode": mode, "policy": compute_digest(parts)[: len("sha256:") + 16]}


def get_common_setting(name: str, hosts: Sequence[HostVariables], restrictions: Mapping[str, Restrictions]) -> Any:
    """Return the value of a variable on which all hosts of a run have to agree; without hosts, the variable's default.

    If hosts differ, raises PolicyErrors about the first host with another value than the first host of the run.
    """
    return require_same_setting(name, hosts, lambda host: getattr(restrictions[host.name], name))


def require_same_setting(name: str, hosts: Sequence[HostVariables], get_setting: Callable[[HostVariables], Any]) -> Any:
    """Return the common value of `get_setting` for all hosts; without hosts, the default of the variable `name`.

    If hosts differ, raises PolicyErrors, as `get_common_setting` does.
    """
    first: tuple[Any, str] | None = None
    for host in hosts:
        setting = get_setting(host)
        if first is None:
            first = setting, host.name
        elif first[0] != setting:
            expected = f"the same for all hosts of a run; {first[1]} has {first[0]!r}, {host.name} {setting!r}"
            raise PolicyErrors([PolicyError(host.locate_variable(PREFIX + name), PREFIX + name, setting, expected)])
    return _get_default_setting(name) if first is None else first[0]


def _get_default_setting(name: str) -> Any:
    return RESTRICTIONS[name].read(RESTRICTIONS[name].default)


def _make_error(name: str, setting: object, expected: str, hosts: Sequence[HostVariables]) -> PolicyError:
    """Return an error about a variable that all hosts share, at its place for the first host."""
    place = hosts[0].locate_variable(PREFIX + name) if hosts else ""
    return PolicyError(place, PREFIX + name, setting, expected)
