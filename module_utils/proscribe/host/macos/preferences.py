"""The rules of `browser` on a Mac: the managed preferences of the installed browsers, as an MDM has set them.

macOS writes them, for all users and for each, where root alone can: what lies there for one user comes first. Chromium
and its relatives read them as they are. Firefox reads them only where they say that it has policies, and tables also
from names that are joined with two underscores.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Sequence

from ...model.finding import RuleVerdict
from ..controls.browser import ObservedPlace
from ..controls.browser.desired import Desired
from ..controls.browser.managed import check
from ..controls.browser.managed import verdicts as judged
from ..controls.browser.observed import Observed, changeable
from ..controls.browser.places import Place
from ..controls.group_policy.policies import CHROMIUM, PROGRAMS, Program, of_programs
from ..system import ControlError, Host, ObservationError
from .applications import Found
from .property_list import read

if TYPE_CHECKING:
    from ...model.types.plan import Plan
    from ..controls.policy_tables import Policies

FOLDER = "/Library/Managed Preferences"
ENABLED = "EnterprisePoliciesEnabled"  # of Firefox
JOINT = "__"
DEEPEST = 8  # names joined in one
# Where a browser calls itself otherwise than its preferences are called.
BUNDLES = {"microsoft_edge": "com.microsoft.edgemac"}
SAFARI = "what Safari opens is not observed"


def verdicts(host: Host, plan: Plan, found: Found) -> tuple[list[RuleVerdict], list[str]]:
    """The verdicts of `browser` (managed.verdicts), and the ids of the installed browsers. Raises ControlError for a
    plan that no browser could follow.
    """
    desired = Desired(plan)
    due = of_programs(plan)
    here = {one.id.casefold() for one in found.applications}
    programs = [one for one in PROGRAMS if BUNDLES.get(one.id, one.domain).casefold() in here]
    seen = [ObservedPlace(_place(one), _observed(host, one, desired, due.get(one, {}))) for one in programs]
    unseen = "; ".join(dict.fromkeys([*found.unseen, SAFARI]))
    return judged(plan, desired, seen, (), unseen, "macOS"), sorted(one.id for one in programs)


def _place(program: Program) -> Place:
    return program.place._replace(path=_path(program))


def _path(program: Program, user: str = "") -> str:
    return "/".join(filter(None, (FOLDER, user, f"{program.domain}.plist")))


def _observed(host: Host, program: Program, desired: Desired, due: Policies) -> Observed:
    """The worst of what is in effect for all users, and for those that have preferences of their own."""
    try:
        common = _said(host, _path(program))
        users = [name for name in host.list_directory(FOLDER) if host.find_entry(_path(program, name)) is not None]
        own = [_said(host, _path(program, name)) for name in users]
    except (ObservationError, ControlError) as why:
        return Observed(unseen=str(why))
    tables: list[Policies | None] = [{**(common or {}), **(one or {})} for one in own]
    seen = [check(desired, program.place, due, _as_policies(program, table)) for table in tables or [common]]
    return next((one for one in seen if not one.complete), seen[0])


def _said(host: Host, path: str) -> Policies | None:
    said = read(host, path)
    seen = host.find_entry(path)
    if seen is not None and (loose := changeable(host, path, seen)):
        raise ControlError(f"{path} {loose}")
    return said


def _as_policies(program: Program, said: Policies | None) -> Policies | None:
    """The policies that a program takes from a table of preferences; None for none."""
    if said is None or program.family == CHROMIUM:
        return said
    if said.get(ENABLED) not in (True, 1):
        return None
    found: dict[str, object] = {}
    for name in sorted(said):
        if name != ENABLED:
            _set(found, name.split(JOINT, DEEPEST), said[name])
    return found


def _set(table: dict[str, object], names: Sequence[str], value: object) -> None:
    """Set a value in tables within each other."""
    *above, last = names
    for name in above:
        inner = table.setdefault(name, {})
        if not isinstance(inner, dict):
            return
        table = inner
    table[last] = value
