"""What every control is: three verbs over a host and a plan.

A control is a package `controls/<name>/` that offers

- observe(host, plan) -> list[Verdict]: what is so. It writes nothing.
- enforce(host, plan) -> Changes: the actions that would bring the host in line. It does nothing yet, and is asked only
  where the plan enforces the control.
- lift(host, plan) -> Changes: the actions that would leave the host as if Proscribe had never been there.

The list of actions *is* the diff and the log: check mode shows it, a real run carries it out in order. `observe`
and `enforce` get the desired state of the host from the same code, so they cannot disagree. What only enforcing needs
is imported inside `enforce` and `lift`, because an audit pays for every line that a host compiles.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Callable, Iterable, Protocol, Sequence

from ...base.tuples import NamedTuple
from ...model.finding import MAX_DIFFERENCE_CHARACTERS, RuleVerdict
from ...model.removed import RemovedPackage
from ..system import Host

if TYPE_CHECKING:
    from typing import TypedDict

    from ...model.types.answer import FileDifference, PendingChange, RefusedChange
    from ...model.types.plan import Plan

    class ChangeResult(TypedDict, total=False):
        """What carrying changes out came to."""

        left: list[tuple[ControlAction, str]]  # what is a user's and could not be changed, and why
        done: list[str]  # each action that was carried out, with how it ended
        later: list[ControlAction]  # those that run once the host's lock is released
        pending: PendingChange  # what the firewall waits for


class ControlAction(NamedTuple):
    """One change to a host: what it does, in words and as a diff, and the doing."""

    verb: str  # remove, end, write, delete, load, enable, ...
    subject: str  # what it is done to: a package, a path, a table
    apply: Callable[[], Any]  # a text that it returns is how the action ended, and is printed after it
    before: str = ""  # for the diff; "" is absent
    after: str = ""
    # The name of the user whose thing it changes; "" for the host's. What cannot be changed of a user's stays his
    # finding, for these rules, and is no failure of the control: no user keeps others, or other hosts, from theirs.
    user: str = ""
    rules: Sequence[str] = ()
    removed_packages: Sequence[RemovedPackage] = ()  # packages that go with it, and that no lift brings back
    # Whether it runs a program that its user controls. Such an action runs without the host's lock (users_tools.py).
    has_users_tool: bool = False

    def __str__(self) -> str:
        return f"{self.verb} {self.subject}"


def make_diffs(actions: Iterable[ControlAction]) -> list[FileDifference]:
    """What the actions change, as a module of Ansible answers it: as much as an answer may have, and the first parts
    of what is too long.
    """
    bytes_left = MAX_DIFFERENCE_CHARACTERS
    diffs: list[FileDifference] = []
    for action in actions:
        before, after = action.before[:bytes_left], action.after[: max(bytes_left - len(action.before), 0)]
        bytes_left -= len(before) + len(after)
        diffs.append({"before_header": str(action), "after_header": str(action), "before": before, "after": after})
    return diffs


class ChangeRefusal(NamedTuple):
    """Something that enforcing would have called for and that is not done, with the reason."""

    rule: str
    subject: str
    reason: str

    def serialise_refusal(self) -> RefusedChange:
        return {"rule": self.rule, "subject": self.subject, "reason": self.reason}


class Changes(NamedTuple):
    """What a control would do."""

    actions: Sequence[ControlAction] = ()
    refusals: Sequence[ChangeRefusal] = ()
    # Whether an action that fails leaves the others worth doing. Otherwise a program that does not end, or a user whose
    # home is made to fail, would shield all that comes after it.
    is_independent: bool = False
    # What somebody who reads the actions may wonder about, one sentence each; for people, it changes nothing.
    notes: Sequence[str] = ()
    # What an enforcing run saves for later ones, before it acts and once it has acted. It changes nothing of the ban,
    # so it is no action. What cannot be saved before keeps no action back.
    save_before: Callable[[], None] | None = None
    save_after: Callable[[], None] | None = None
    removed_packages: Sequence[
        RemovedPackage
    ] = ()  # of a lift: what was removed before and is not installed again by it


class Control(Protocol):
    """The shape of a control's package."""

    def observe(self, host: Host, plan: Plan) -> list[RuleVerdict]: ...

    def enforce(self, host: Host, plan: Plan) -> Changes: ...

    def lift(self, host: Host, plan: Plan) -> Changes: ...
