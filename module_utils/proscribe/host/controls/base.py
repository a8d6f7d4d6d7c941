"""Interface of the controls: three functions of a host and a plan.

A control is a package `controls/<name>/` with these functions:

- observe(host, plan) -> list[RuleVerdict]: return the verdicts on the current state. It writes nothing.
- enforce(host, plan) -> Changes: return the actions that would bring the host in line. It does nothing yet.
    It is called only if the plan enforces the control.
- lift(host, plan) -> Changes: return the actions that would leave the host as if Proscribe had never been there.

The list of actions is both the diff and the log. Check mode shows it; a real run applies it in order. `observe` and
`enforce` get the desired state of the host from the same code, so they cannot disagree. `enforce` and `lift` import the
modules that only they need. The reason: an audit pays for every line that a host compiles.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Callable, Iterable, Protocol, Sequence

from ...base.named_tuple import NamedTuple
from ...model.finding import MAX_DIFFERENCE_CHARACTERS, RuleVerdict
from ...model.removal_record import RemovedPackage
from ..system import Host

if TYPE_CHECKING:
    from typing import TypedDict

    from ...model.types.answer import FileDifference, PendingChange, RefusedChange
    from ...model.types.plan import Plan

    class ChangeResult(TypedDict, total=False):
        """Result of applying the changes of a control."""

        left: list[tuple[ControlAction, str]]  # failed actions on users' files, with the reasons
        done: list[str]  # applied actions, with their outcomes
        later: list[ControlAction]  # actions that still have to run, after the host's lock is released
        pending: PendingChange  # change of the firewall that waits for its confirmation


class ControlAction(NamedTuple):
    """Change of a host: its description, its diff and the function that applies it."""

    verb: str  # remove, end, write, delete, load, enable, ...
    subject: str  # object of the change: a package, a path, a table
    apply: Callable[[], Any]  # it may return a text: the outcome, which is printed after the action
    before: str = ""  # for the diff; "" means absent
    after: str = ""
    # Name of the user whose files the action changes; "" if it changes the host's own files. If a change of a user's
    # files fails, a refusal for each rule in `rules` reports that. The control does not fail, because otherwise a user
    # could stop the enforcement for others.
    user: str = ""
    rules: Sequence[str] = ()
    # Packages that the action removes. The lift (removal of all that Proscribe did) does not install them again.
    removed_packages: Sequence[RemovedPackage] = ()
    # True if the action runs a program that `user` controls. Such an action runs without the host's lock
    # (user_tools.py).
    has_users_tool: bool = False

    def __str__(self) -> str:
        return f"{self.verb} {self.subject}"


def make_diffs(actions: Iterable[ControlAction]) -> list[FileDifference]:
    """Return the changes of actions in the form of an Ansible diff: one item for each action.

    All texts together have at most MAX_DIFFERENCE_CHARACTERS characters. The rest is cut off, so later items may be
    empty.
    """
    characters_left = MAX_DIFFERENCE_CHARACTERS
    diffs: list[FileDifference] = []
    for action in actions:
        before, after = action.before[:characters_left], action.after[: max(characters_left - len(action.before), 0)]
        characters_left -= len(before) + len(after)
        diffs.append({"before_header": str(action), "after_header": str(action), "before": before, "after": after})
    return diffs


class ChangeRefusal(NamedTuple):
    """Change that enforcement requires but does not make, with the reason."""

    rule: str  # <control>/<service> or <control>/<setting>
    subject: str  # object that stays unchanged: a package, a path, an address, a user
    reason: str

    def serialise_refusal(self) -> RefusedChange:
        return {"rule": self.rule, "subject": self.subject, "reason": self.reason}


class Changes(NamedTuple):
    """Planned changes of a control."""

    actions: Sequence[ControlAction] = ()
    refusals: Sequence[ChangeRefusal] = ()
    # True if the actions after a failed action are applied too. Otherwise an unkillable program, or a home that its
    # user damaged on purpose, would protect everything that the later actions change.
    is_independent: bool = False
    # Explanations of the actions for the operator, one sentence each.
    notes: Sequence[str] = ()
    # Functions that save data for later runs, before and after the actions. They do not change the ban, so they are no
    # actions. If `save_before` fails, the actions are applied all the same.
    save_before: Callable[[], None] | None = None
    save_after: Callable[[], None] | None = None
    # set by a lift only: packages that earlier runs removed and that stay removed
    removed_packages: Sequence[RemovedPackage] = ()


class Control(Protocol):
    """Interface of the package of a control."""

    def observe(self, host: Host, plan: Plan) -> list[RuleVerdict]: ...

    def enforce(self, host: Host, plan: Plan) -> Changes: ...

    def lift(self, host: Host, plan: Plan) -> Changes: ...
