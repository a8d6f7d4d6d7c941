"""Operations of an operator on a quarantine: list, restore, prune. They do not change the ban.

The operator names items by ids, which are compared with the ids of existing items. No id becomes a part of a path. A
user controls the original paths of the user's items. So a forked process reads and writes at these paths
(system/forked_work.py). A user who makes a home hang cannot delay the restore of another user's item.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Callable, Iterator, Mapping, Sequence

from .....base.named_tuple import NamedTuple
from .....model.quarantine_ids import ITEM_ID, MAX_ITEMS, PRUNE, RESTORE
from ....system import ControlError, Host, ObservationError, escape_text
from ....system.forked_work import DEFAULT_LIMITS, run_apart
from ...base import ControlAction
from . import capacity
from .manifest import QuarantineEntry, find_entry_owner, list_entries, read_entries
from .quarantine_rule import QUARANTINE_DIRECTORY
from .restoration import explain_obstacle, explain_superseded, restore_entry

if TYPE_CHECKING:
    from .....model.types.answer import QuarantineAnswer
    from .....model.types.quarantine import BrokenItem, ItemOutcome
    from .....model.types.quarantine import QuarantineItem as Listed

# limit for the paths of all items in an answer; a normal answer has a few hundred KiB
MAX_ANSWER_CHARACTERS = 8 * 1024 * 1024
ROOT_NAME = "root"


class ChosenEntry(NamedTuple):
    """Requested id of an item, with the action for that item or the reason why there is no action."""

    id: str
    action: ControlAction | None  # None if there is a reason
    reason: str = ""  # "" if there is an action


def make_quarantine_answer(host: Host) -> QuarantineAnswer:
    """Return all items of the quarantine for the controller. Raises ControlError and ObservationError.

    `broken` has the unreadable items. `left_out` is the number of items beyond the limits of an answer. A run that was
    killed before its move began leaves a folder without an item, which does not count.
    """
    listed_entries: list[Listed] = []
    broken: list[BrokenItem] = []
    homes = {user.home: user.name for user in host.list_users()}
    left_out_count, path_characters = 0, 0
    for name, entry, reason in read_entries(host):
        if entry and entry.path and not ITEM_ID.fullmatch(entry.id):
            reason = f"{QUARANTINE_DIRECTORY}/{name} has a name that Proscribe gives nothing"
        if reason:
            broken.append({"id": escape_text(name)[:200], "why": escape_text(reason)[:1000]})
        if reason or entry is None or not entry.path:
            continue
        path_characters += len(entry.path)
        if len(listed_entries) + len(broken) >= MAX_ITEMS or path_characters > MAX_ANSWER_CHARACTERS:
            left_out_count += 1
            continue
        listed_entries.append(_make_listed_entry(entry, homes))
    return {
        "quarantined": listed_entries,
        "broken": broken[:MAX_ITEMS],
        "left_out": left_out_count + max(0, len(broken) - MAX_ITEMS),
    }


def _make_listed_entry(item: QuarantineEntry, homes: Mapping[str, str]) -> Listed:
    """Return an item as the controller lists it. `homes` has user names by the path of their home."""
    # `place_of` is the user that a waiver must name: the user of the home that contains the path. Outside of homes, it
    # is the owner of the file.
    place_of = next((homes[above] for above in _iterate_parents(item.path) if above in homes), "")
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


def _iterate_parents(path: str) -> Iterator[str]:
    """Yield each directory above a path, the nearest first, without `/`."""
    while path := path.rpartition("/")[0]:
        yield path


def choose_entries(host: Host, operation: str, entry_ids: Sequence[str]) -> list[ChosenEntry]:
    """Return, for each requested id, the action for its item or the reason why there is none.

    `operation` is `restore` or `prune` (delete permanently). An id that is requested twice counts once. Raises
    ObservationError.
    """
    entries_by_id = {entry.id: entry for entry in list_entries(host) if entry.path}
    requested = [entries_by_id[entry_id] for entry_id in dict.fromkeys(entry_ids) if entry_id in entries_by_id]
    latest = {entry.path: entry.id for entry in sorted(requested, key=lambda entry: entry.taken_at)}
    chosen_entries = []
    for entry_id in dict.fromkeys(entry_ids):
        if entry_id not in entries_by_id:
            chosen_entries.append(ChosenEntry(entry_id, None, "it is not in the quarantine of this host any more"))
        elif operation == RESTORE:
            chosen_entries.append(_choose_restore(host, entries_by_id[entry_id], latest))
        else:
            chosen_entries.append(_choose_prune(host, entries_by_id[entry_id]))
    return chosen_entries


def make_outcomes(
    chosen_entries: Sequence[ChosenEntry], skipped: Sequence[tuple[ControlAction, str]]
) -> list[ItemOutcome]:
    """Return, for each requested id, whether the operation is done (`done`) and the reason if not (`why`).

    `skipped` has the actions that failed, with the reasons. In a dry run it is empty, so that the outcome shows the
    plan.
    """
    failed = {id(action): reason for action, reason in skipped}
    return [
        {
            "id": chosen_entry.id,
            "done": chosen_entry.action is not None and id(chosen_entry.action) not in failed,
            "why": escape_text(chosen_entry.reason or failed.get(id(chosen_entry.action), "")),
        }
        for chosen_entry in chosen_entries
    ]


def _choose_restore(host: Host, item: QuarantineEntry, latest: Mapping[str, str]) -> ChosenEntry:
    """Return the action that restores an item, or the reason why it cannot be restored.

    Several requested items may come from the same path. `latest` has, by path, the id of the last one that was moved
    into the quarantine. Only that item is restored to the path.
    """
    try:
        reason = _ask_apart(item, partial(explain_obstacle, host, item)) or explain_superseded(
            host, item, latest[item.path]
        )
    except (ControlError, ObservationError) as error:
        reason = escape_text(str(error))
    if reason:
        return ChosenEntry(item.id, None, reason)
    return ChosenEntry(item.id, _make_entry_action(RESTORE, item, partial(_restore_entry, host, item)))


def _restore_entry(host: Host, item: QuarantineEntry) -> str:
    """Restore an item, and return a note if the program has lost privileges (set-user-id, for example), or "".

    Raises ControlError if the restore fails, or if nothing is left of the item.
    """
    lost_privileges = restore_entry(host, item)
    if lost_privileges is None:
        raise ControlError("an earlier run had not moved it, or had begun to prune it; nothing is left of it here")
    return lost_privileges


def _choose_prune(host: Host, item: QuarantineEntry) -> ChosenEntry:
    """Return the action that deletes an item permanently, or the reason why an unfinished item is not deleted."""
    if item.doing:
        return ChosenEntry(item.id, None, "a move of it was cut short; the next enforcing run completes it")
    return ChosenEntry(item.id, _make_entry_action(PRUNE, item, partial(capacity.prune_entry, host, item)))


def _make_entry_action(verb: str, item: QuarantineEntry, apply: Callable[[], object]) -> ControlAction:
    """Return the action that restores or deletes an item by calling `apply`.

    Its diff has the original path.
    """
    path = escape_text(item.path)
    before, after = ("", path + "\n") if verb == RESTORE else (path + "\n", "")
    user = find_entry_owner(item) or ROOT_NAME
    rules = [f"apps/{service}" for service in item.services]
    return ControlAction(verb, f"{item.id} ({path})", apply, before, after, user=user, rules=rules)


def _ask_apart(item: QuarantineEntry, question: Callable[[], str]) -> str:
    """Return the result of `question`, a function that reads files of the item's user.

    The function runs in a forked process, because a user can make a file that never answers. For an item of root, it
    runs in this process.
    """
    return str(run_apart(question, DEFAULT_LIMITS)) if item.attributes.uid else question()
