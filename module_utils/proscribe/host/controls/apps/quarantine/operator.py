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
    action: ControlAction | None
    reason: str = ""


def make_quarantine_answer(host: Host) -> QuarantineAnswer:
    """Return all items of the quarantine for the controller. Raises ControlError and ObservationError.

    A run that was killed before its move began leaves a folder without an item, which is left out.
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


def _make_listed_entry(entry: QuarantineEntry, homes: Mapping[str, str]) -> Listed:
    """Return an item as the controller lists it. `homes` has user names by the path of their home."""
    # `place_of` is the user that a waiver must name: the user of the home that has the path or, outside of homes, the
    # owner of the file.
    place_of = next((homes[above] for above in _iterate_parents(entry.path) if above in homes), "")
    return {
        "id": entry.id,
        "group": entry.group,
        "path": escape_text(entry.path),
        "whole": escape_text(entry.whole or entry.path),
        "services": entry.services,
        "kind": entry.kind,
        "taken_at": entry.taken_at,
        "owner": entry.owner,
        "place_of": place_of or (entry.owner if entry.attributes.uid else ""),
        "bytes": entry.disk or entry.size,
        "kept_until": entry.kept_until,
        "finished": not entry.doing,
    }


def _iterate_parents(path: str) -> Iterator[str]:
    while path := path.rpartition("/")[0]:
        yield path


def choose_entries(host: Host, operation: str, entry_ids: Sequence[str]) -> list[ChosenEntry]:
    """Return the action for each requested id, or the reason why there is none. Raises ObservationError.

    `operation` is `restore` or `prune`.
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
    """Return the outcome for each requested id.

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


def _choose_restore(host: Host, entry: QuarantineEntry, latest: Mapping[str, str]) -> ChosenEntry:
    """Return the action that restores an item, or the reason why it cannot be restored.

    `latest` has, by path, the id of the latest requested item. Only that item is restored to the path.
    """
    try:
        reason = _ask_apart(entry, partial(explain_obstacle, host, entry)) or explain_superseded(
            host, entry, latest[entry.path]
        )
    except (ControlError, ObservationError) as error:
        reason = escape_text(str(error))
    if reason:
        return ChosenEntry(entry.id, None, reason)
    return ChosenEntry(entry.id, _make_entry_action(RESTORE, entry, partial(_restore_entry, host, entry)))


def _restore_entry(host: Host, entry: QuarantineEntry) -> str:
    """Restore an item, and return a note about lost privileges, or "". Raises ControlError if nothing is left of it."""
    lost_privileges = restore_entry(host, entry)
    if lost_privileges is None:
        raise ControlError("an earlier run had not moved it, or had begun to prune it; nothing is left of it here")
    return lost_privileges


def _choose_prune(host: Host, entry: QuarantineEntry) -> ChosenEntry:
    if entry.doing:
        return ChosenEntry(entry.id, None, "a move of it was cut short; the next enforcing run completes it")
    return ChosenEntry(entry.id, _make_entry_action(PRUNE, entry, partial(capacity.prune_entry, host, entry)))


def _make_entry_action(verb: str, entry: QuarantineEntry, apply: Callable[[], object]) -> ControlAction:
    path = escape_text(entry.path)
    before, after = ("", path + "\n") if verb == RESTORE else (path + "\n", "")
    user = find_entry_owner(entry) or ROOT_NAME
    rules = [f"apps/{service}" for service in entry.services]
    return ControlAction(verb, f"{entry.id} ({path})", apply, before, after, user=user, rules=rules)


def _ask_apart(entry: QuarantineEntry, question: Callable[[], str]) -> str:
    """Return the result of `question`, a function that reads files of the item's user.

    The function runs in a forked process, because a user can make a file that never answers. For an item of root, it
    runs in this process.
    """
    return str(run_apart(question, DEFAULT_LIMITS)) if entry.attributes.uid else question()
