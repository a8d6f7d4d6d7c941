"""The exports that an organisation feeds to its points, as the policy of a run has them."""

from __future__ import annotations

import datetime
import functools
from collections.abc import Iterable, Mapping

from ....model.types.plan import Plan
from ....model.types.run import DueExport
from ...enforcement_points.decision import decide
from ...enforcement_points.declaration import NotExportable
from ...enforcement_points.signature import Signing
from ...policy_errors import PolicyError, PolicyErrors
from ..inventory.inventory import Question
from ..inventory.policy_folders import SIGNERS, folders_of_registers
from ..inventory.reporting import one_for_all
from ..restrictions import Restrictions
from ..restrictions.points import Fed
from .hosts import Compiled, audience


def with_signing(compiled: Compiled, question: Question, key: str = "") -> Compiled:
    """A policy with how its exports are signed; `key` comes before that of its variables. Raises PolicyErrors where
    hosts disagree.
    """
    return compiled._replace(signing=_signing(question, compiled.restrictions, key))


def _signing(question: Question, restrictions: Mapping[str, Restrictions], key: str = "") -> Signing:
    named = key or str(one_for_all("exports_key", question.hosts, restrictions))
    folders = folders_of_registers(question, restrictions)
    return Signing(named, tuple(str(folder / SIGNERS) for folder in folders))


def due_points(question: Question, compiled: Compiled, now: datetime.datetime) -> list[DueExport]:
    """The fed exports that have a directory, each with the plan that it has to be from. What is no decision says so in
    its row, and stops no run. Raises PolicyErrors as `with_signing`.
    """
    fed = directories(compiled.restrictions.values())
    if not fed:
        return []
    signing = _signing(question, compiled.restrictions)
    plans_of = functools.cache(functools.partial(_plans, question, now))
    return [_due(one, signing, plans_of(one.group), now) for one in fed]


def _plans(question: Question, now: datetime.datetime, group: str) -> Mapping[str, Plan] | PolicyErrors:
    """The plans of the hosts of an export, or why there are none."""
    try:
        return audience(question, now, group or "all")
    except PolicyErrors as wrong:
        return wrong
    except KeyError:
        return PolicyErrors([PolicyError("", "group", group, "a group of the inventory")])


def directories(restrictions: Iterable[Restrictions]) -> list[Fed]:
    """The fed exports that have a directory, each directory once."""
    found = {fed.directory: fed for own in restrictions for fed in own.exports_fed if fed.directory}
    return list(found.values())


def _due(fed: Fed, signing: Signing, plans: Mapping[str, Plan] | PolicyErrors, now: datetime.datetime) -> DueExport:
    from ...enforcement_points.registry import FORMATS  # few runs have any, and they take time to load

    plan = why = ""
    try:
        if isinstance(plans, PolicyErrors):
            raise plans
        plan = decide(plans, now, fed.group, FORMATS[fed.format].controls).digest
    except (NotExportable, PolicyErrors) as wrong:
        why = str(wrong)
    return {
        "format": fed.format,
        "directory": fed.directory,
        "group": fed.group,
        "plan": plan,
        "why": why,
        "access_log": fed.access_log,
        "url": fed.url,
        "key": signing.key,
        "signers": list(signing.signers),
    }
