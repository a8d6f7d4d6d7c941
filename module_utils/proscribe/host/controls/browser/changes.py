"""What enforcing and lifting change at all the places together.

The places are independent: what goes wrong at one is reported, and the others get their turn all the same.
"""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Callable, Iterable, Sequence

from ...system import ControlError, Host, ObservationError
from ..base import Changes, ControlAction
from . import chromium_changes, firefox_changes, forks
from .other_controls import make_desired
from .places import Place, places

if TYPE_CHECKING:
    from ....model.types.plan import Plan

MOST_NAMED = 15
FLATPAKS = "/var/lib/flatpak/app"
LANGUAGES = {"chromium": chromium_changes, "firefox": firefox_changes, "thunderbird": firefox_changes}


def enforce(host: Host, plan: Plan) -> Changes:
    """The files to write so that every browser blocks what the plan restricts. Raises ControlError for the plan."""
    desired = make_desired(host, plan)
    known = places(host, plan)
    others = forks.find_forks(host, known)

    def at(place: Place) -> Changes:
        return _at(place, functools.partial(LANGUAGES[place.family].enforce, host, place, desired.of(place)))

    parts = [at(place) for place in known]
    notes = _ahead(host, [place for place, part in zip(known, parts) if any(a.verb == "write" for a in part.actions)])
    found = [at(fork.place) for fork in others.forks if fork.policies]
    if others.new and others.forks:
        remember = functools.partial(_remember, host, others.remembered)
        parts.append(Changes([ControlAction("write", forks.REMEMBERED, remember)]))
        found = [_after(remember, part) for part in found]
    return _together([*parts, *found])._replace(notes=notes)


def _ahead(host: Host, written: Sequence[Place]) -> list[str]:
    """Why policy files are written for browsers that nobody installed; nothing where there are none such."""
    ahead = [place for place in written if not place.present and _missing(host, place)]
    if not ahead:
        return []
    browsers = list(dict.fromkeys(browser for place in ahead for browser in place.browsers))
    files = f"{len(ahead)} of these policy files are" if len(ahead) > 1 else "1 of these policy files is"
    more = f" and {len(browsers) - MOST_NAMED} more" if len(browsers) > MOST_NAMED else ""
    named = ", ".join(browsers[:MOST_NAMED]) + more
    return [f"{files} for browsers that are not installed: {named}; so that a later installation is covered"]


def _missing(host: Host, place: Place) -> bool:
    """Whether no browser that reads a place is where the package systems put it. What cannot be seen may be there."""
    where = [*place.paths, *(f"{FLATPAKS}/{id_}" for id_ in place.flatpaks), *(f"/snap/{name}" for name in place.snaps)]
    try:
        return bool(place.paths) and all(host.find_entry(path) is None for path in where)
    except ObservationError:
        return False


def lift(host: Host, plan: Plan) -> Changes:
    """The changes that take Proscribe's policies away and give back what the organisation had, whatever the plan."""
    everywhere = [*places(host, plan, everywhere=True), *forks.earlier_places(host)]
    parts = [_at(place, functools.partial(LANGUAGES[place.family].lift, host, place)) for place in everywhere]
    if host.has_traces(forks.REMEMBERED):
        forget = functools.partial(_forget, host, plan)
        parts.append(Changes([ControlAction("delete", forks.REMEMBERED, forget)]))
    return _together(parts)


def _at(place: Place, ask: Callable[[], Changes]) -> Changes:
    """The changes of one place; where it cannot be observed, an action that fails with the reason."""
    try:
        return ask()
    except (ControlError, ObservationError) as error:
        return Changes([ControlAction("observe", place.path, functools.partial(_fail, str(error)))])


def _fail(reason: str) -> None:
    raise ControlError(reason)


def _together(parts: Iterable[Changes]) -> Changes:
    listed = list(parts)
    actions = [action for part in listed for action in part.actions]
    return Changes(actions, [refusal for part in listed for refusal in part.refusals], is_independent=True)


def _remember(host: Host, remembered: str) -> None:
    if host.read_text(forks.REMEMBERED) != remembered:
        host.write_file(forks.REMEMBERED, remembered, 0o600)


def _after(remember: Callable[[], None], part: Changes) -> Changes:
    """The same changes, none of which happens unless a lift would find its place again."""

    def both(action: ControlAction) -> None:
        remember()
        action.apply()

    return part._replace(actions=[action._replace(apply=functools.partial(both, action)) for action in part.actions])


def _forget(host: Host, plan: Plan) -> None:
    """Forget the places of forks. Raises ControlError as long as one still has a file of Proscribe's."""
    left = [place.path for place in forks.earlier_places(host) if host.find_entry(place.path) is not None]
    known = {place.path for place in places(host, plan, everywhere=True)}
    if remaining := [path for path in left if path not in known]:
        raise ControlError(f"{remaining[0]} is still there")
    host.delete_file(forks.REMEMBERED)
