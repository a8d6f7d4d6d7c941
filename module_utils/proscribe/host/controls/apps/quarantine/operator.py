"""What an operator does with a quarantine: list it, restore from it, prune it. Nothing of the ban is lifted here.

What is to be moved comes as ids and is looked up among what is there; no id ever becomes part of a path. The place of a
thing that is restored belongs to its user, so it is read and written in a process of its own (system/forked.py): nobody
who makes his home hang keeps others from theirs.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Callable, Iterator, Mapping, Sequence

from .....base.tuples import NamedTuple
from .....model.quarantined import ITEM_ID, MAX_ITEMS, PRUNE, RESTORE
from ....system import ControlError, Host, ObservationError, escape_text
from ....system.forked import DEFAULT_LIMITS, run_apart
from ...base import Action
from . import capacity
from .manifest import Item, entries, items, owner_of
from .restoring import obstacle, restore, superseded
from .unfinished import HOME

if TYPE_CHECKING:
    from .....model.types.answer import QuarantineAnswer
    from .....model.types.quarantine import BrokenItem, ItemOutcome
    from .....model.types.quarantine import QuarantineItem as Listed

ANSWER = 8 * 1024 * 1024  # characters of paths in one answer; an honest one has some hundred KiB
ROOT = "root"


class Chosen(NamedTuple):
    """One of the ids that were given: what would be done with it, or why nothing is."""

    id: str
    action: Action | None
    why: str = ""


def listed(host: Host) -> QuarantineAnswer:
    """Everything in the quarantine. What a killed run left before it had begun is no item. Raises ControlError and
    Unseen.
    """
    items: list[Listed] = []
    broken: list[BrokenItem] = []
    homes = {user.home: user.name for user in host.list_users()}
    left, length = 0, 0
    for name, item, why in entries(host):
        if item and item.path and not ITEM_ID.fullmatch(item.id):
            why = f"{HOME}/{name} has a name that Proscribe gives nothing"
        if why:
            broken.append({"id": escape_text(name)[:200], "why": escape_text(why)[:1000]})
        if why or item is None or not item.path:
            continue
        length += len(item.path)
        if len(items) + len(broken) >= MAX_ITEMS or length > ANSWER:
            left += 1
            continue
        items.append(_listed(item, homes))
    return {"items": items, "broken": broken[:MAX_ITEMS], "left_out": left + max(0, len(broken) - MAX_ITEMS)}


def _listed(item: Item, homes: Mapping[str, str]) -> Listed:
    # Whose home it is in counts for a waiver, as when it is found; elsewhere, whose file it was.
    place_of = next((homes[above] for above in _above(item.path) if above in homes), "")
    return {
        "id": item.id,
        "group": item.group,
        "path": escape_text(item.path),
        "whole": escape_text(item.whole or item.path),
        "services": item.services,
        "kind": item.kind,
        "taken_at": item.taken_at,
        "owner": item.owner,
        "place_of": place_of or (item.owner if item.attributes.uid else ""),
        "bytes": item.disk or item.size,
        "kept_until": item.kept_until,
        "finished": not item.doing,
    }


def _above(path: str) -> Iterator[str]:
    while path := path.rpartition("/")[0]:
        yield path


def chosen(host: Host, do: str, ids: Sequence[str]) -> list[Chosen]:
    """What `do` (restore, prune) would come to for each of these ids. Raises Unseen."""
    known = {item.id: item for item in items(host) if item.path}
    requested = [known[id_] for id_ in dict.fromkeys(ids) if id_ in known]
    latest = {item.path: item.id for item in sorted(requested, key=lambda item: item.taken_at)}
    found = []
    for id_ in dict.fromkeys(ids):
        if id_ not in known:
            found.append(Chosen(id_, None, "it is not in the quarantine of this host any more"))
        elif do == RESTORE:
            found.append(_restoring(host, known[id_], latest))
        else:
            found.append(_pruning(host, known[id_]))
    return found


def outcomes(found: Sequence[Chosen], left: Sequence[tuple[Action, str]]) -> list[ItemOutcome]:
    """What became of each; in a dry run, with nothing `left`, whether it would be done."""
    failed = {id(action): why for action, why in left}
    return [
        {
            "id": one.id,
            "done": one.action is not None and id(one.action) not in failed,
            "why": escape_text(one.why or failed.get(id(one.action), "")),
        }
        for one in found
    ]


def _restoring(host: Host, item: Item, latest: Mapping[str, str]) -> Chosen:
    try:
        why = _apart(item, partial(obstacle, host, item)) or superseded(host, item, latest[item.path])
    except (ControlError, ObservationError) as error:
        why = escape_text(str(error))
    if why:
        return Chosen(item.id, None, why)
    return Chosen(item.id, _action(RESTORE, item, partial(_restored, host, item)))


def _restored(host: Host, item: Item) -> str:
    without = restore(host, item)
    if without is None:
        raise ControlError("an earlier run had not moved it, or had begun to prune it; nothing is left of it here")
    return without


def _pruning(host: Host, item: Item) -> Chosen:
    if item.doing:
        return Chosen(item.id, None, "a move of it was cut short; the next enforcing run completes it")
    return Chosen(item.id, _action(PRUNE, item, partial(capacity.prune, host, item)))


def _action(verb: str, item: Item, apply: Callable[[], object]) -> Action:
    path = escape_text(item.path)
    before, after = ("", path + "\n") if verb == RESTORE else (path + "\n", "")
    user = owner_of(item) or ROOT
    rules = [f"apps/{service}" for service in item.services]
    return Action(verb, f"{item.id} ({path})", apply, before, after, user=user, rules=rules)


def _apart(item: Item, question: Callable[[], str]) -> str:
    """The answer to something that reads what is a user's."""
    return str(run_apart(question, DEFAULT_LIMITS)) if item.attributes.uid else question()
