"""Changes that enforce or lift the policies at all places of a host.

The places are independent: a failure at one place is reported, and the other places are changed all the same. A fork is
a browser derived from Chromium that the catalogue does not have (browser_forks.py).
"""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Callable, Iterable, Sequence

from ...system import ControlError, Host, ObservationError
from ..base import Changes, ControlAction
from . import browser_forks, chromium_changes, firefox_changes
from .host_controls import make_desired
from .policy_places import PolicyPlace, list_places

if TYPE_CHECKING:
    from ....model.types.plan import Plan

MAX_NAMED_BROWSERS = 15
FAMILY_MODULES = {"chromium": chromium_changes, "firefox": firefox_changes, "thunderbird": firefox_changes}


def enforce(host: Host, plan: Plan) -> Changes:
    """Return the changes that make every browser block what the plan restricts. Raises ControlError for the plan."""
    desired = make_desired(host, plan)
    known_places = list_places(host, plan)
    fork_search = browser_forks.find_forks(host, known_places)

    def make_place_changes(place: PolicyPlace) -> Changes:
        return _make_place_changes(
            place, functools.partial(FAMILY_MODULES[place.family].enforce, host, place, desired.choose_rules(place))
        )

    place_changes = [make_place_changes(place) for place in known_places]
    notes = _explain_early_files(
        host,
        [
            place
            for place, changes in zip(known_places, place_changes)
            if any(action.verb == "write" for action in changes.actions)
        ],
    )
    fork_changes = [make_place_changes(fork.place) for fork in fork_search.forks if fork.policy_folder]
    if fork_search.is_new and fork_search.forks:
        save_forks = functools.partial(_save_forks, host, fork_search.remembered_text)
        place_changes.append(Changes([ControlAction("write", browser_forks.REMEMBERED_FORKS_PATH, save_forks)]))
        # The action above may fail or be interrupted. So the actions on the files of forks save the places too.
        fork_changes = [_remember_before(save_forks, changes) for changes in fork_changes]
    return _join_changes([*place_changes, *fork_changes])._replace(notes=notes)


def _explain_early_files(host: Host, written: Sequence[PolicyPlace]) -> list[str]:
    """Return a note if policy files are written for browsers that are not installed; else [].

    `written` are the places whose policy files are written.
    """
    early_places = [place for place in written if not place.present and _is_browser_missing(host, place)]
    if not early_places:
        return []
    browsers = list(dict.fromkeys(browser for place in early_places for browser in place.browsers))
    files = f"{len(early_places)} of these policy files are" if len(early_places) > 1 else "1 of these policy files is"
    remainder = f" and {len(browsers) - MAX_NAMED_BROWSERS} more" if len(browsers) > MAX_NAMED_BROWSERS else ""
    browser_names = ", ".join(browsers[:MAX_NAMED_BROWSERS]) + remainder
    return [f"{files} for browsers that are not installed: {browser_names}; so that a later installation is covered"]


def _is_browser_missing(host: Host, place: PolicyPlace) -> bool:
    """Return whether no package system has installed a browser that reads the file of a place.

    The result is False if that cannot be observed, or if the paths of the browsers are unknown.
    """
    try:
        return bool(place.paths) and not place.is_browser_installed(host)
    except ObservationError:
        return False


def lift(host: Host, plan: Plan) -> Changes:
    """Return the changes that remove Proscribe's policies at all places, and restore the organisation's.

    The content of the plan does not matter.
    """
    everywhere = [*list_places(host, plan, everywhere=True), *browser_forks.list_earlier_places(host)]
    place_changes = [
        _make_place_changes(place, functools.partial(FAMILY_MODULES[place.family].lift, host, place))
        for place in everywhere
    ]
    if host.has_traces(browser_forks.REMEMBERED_FORKS_PATH):
        forget_forks = functools.partial(_forget_forks, host, plan)
        place_changes.append(Changes([ControlAction("delete", browser_forks.REMEMBERED_FORKS_PATH, forget_forks)]))
    return _join_changes(place_changes)


def _make_place_changes(place: PolicyPlace, make_changes: Callable[[], Changes]) -> Changes:
    """Return the changes of a place. A place that cannot be observed gets an action that fails with the reason."""
    try:
        return make_changes()
    except (ControlError, ObservationError) as error:
        return Changes([ControlAction("observe", place.path, functools.partial(_fail, str(error)))])


def _fail(reason: str) -> None:
    raise ControlError(reason)


def _join_changes(place_changes: Iterable[Changes]) -> Changes:
    """Join the changes of all places to changes in which each action is independent of the others."""
    all_changes = list(place_changes)
    actions = [action for changes in all_changes for action in changes.actions]
    return Changes(actions, [refusal for changes in all_changes for refusal in changes.refusals], is_independent=True)


def _save_forks(host: Host, remembered: str) -> None:
    """Write the file with the places of forks, if its content (`remembered`) has changed. Raises ControlError."""
    if host.read_text(browser_forks.REMEMBERED_FORKS_PATH) != remembered:
        host.write_file(browser_forks.REMEMBERED_FORKS_PATH, remembered, 0o600)


def _remember_before(save_forks: Callable[[], None], changes: Changes) -> Changes:
    """Return changes whose actions first save the places of forks, so that a lift finds these places."""

    def apply_both(action: ControlAction) -> None:
        save_forks()
        action.apply()

    return changes._replace(
        actions=[action._replace(apply=functools.partial(apply_both, action)) for action in changes.actions]
    )


def _forget_forks(host: Host, plan: Plan) -> None:
    """Delete the file with the places of forks, by which a lift finds Proscribe's policy files there.

    Raises ControlError as long as one of these policy files exists.
    """
    remaining_paths = [
        place.path for place in browser_forks.list_earlier_places(host) if host.find_entry(place.path) is not None
    ]
    known_paths = {place.path for place in list_places(host, plan, everywhere=True)}
    if fork_paths := [path for path in remaining_paths if path not in known_paths]:
        raise ControlError(f"{fork_paths[0]} is still there")
    host.delete_file(browser_forks.REMEMBERED_FORKS_PATH)
