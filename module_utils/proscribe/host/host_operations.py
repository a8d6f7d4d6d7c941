"""Two operations on a host: observe the host, and change one control of it."""

from __future__ import annotations

import contextlib
import time
from functools import partial
from typing import TYPE_CHECKING, Callable, Iterable

from ..model import plan as plans
from ..model.finding import (
    ERROR,
    EXTRA_RULE_GROUPS,
    GATES,
    GROUP_POLICY,
    NONCOMPLIANT,
    UNKNOWN,
    WATCH,
    Finding,
    RuleVerdict,
    make_host_record,
)
from .controls.base import ChangeRefusal, Changes, Control
from .controls.change_execution import ChangesFailedError, apply_changes, make_change_answer, make_refusals
from .system import DARWIN, STATE_DIRECTORY, ControlError, Host, ObservationError

if TYPE_CHECKING:
    from ..model.types.answer import ChangeAnswer, ObservationAnswer
    from ..model.types.call import ExpectedWatch
    from ..model.types.plan import Plan
    from ..model.types.record import ObservedRecord, RecordError
    from .controls.base import ChangeResult

CONTROLS = plans.CONTROLS
ALL_CONTROLS = (*CONTROLS, *EXTRA_RULE_GROUPS)

# The answer of a Mac that received the code for other systems. The controller then sends the code for Macs
# (loader.LACKING).
MACOS_CODE_LACKING: ObservationAnswer = {"lacking": True, "system": DARWIN}


def control(name: str) -> Control:
    """Import the module of a control by the control's name, and return the module.

    The import happens only here, so an audit of one control does not compile the code of the other controls.
    """
    if name == "apps":
        from .controls import apps

        return apps
    if name == "browser":
        from .controls import browser

        return browser
    if name == "firewall":
        from .controls import firewall

        return firewall
    if name == GROUP_POLICY:
        from .controls import group_policy

        return group_policy
    if name == "dns":
        from .controls import dns

        return dns
    raise ValueError(f"unknown control {name!r}")


class _ControlResults:
    """Verdicts of all controls on the rules of one host, and the errors of these controls."""

    def __init__(self) -> None:
        self.verdicts: list[RuleVerdict] = []
        self.errors: list[RecordError] = []

    def add_verdicts(self, name: str, rules: Iterable[str], observe_control: Callable[[], list[RuleVerdict]]) -> None:
        """Call `observe_control` and add its verdicts.

        `name` is the control, and `rules` are the names of its rules without the control. If the observation fails,
        each of these rules gets a verdict with the reason instead. That verdict is `unknown` after an ObservationError,
        and `error` after a ControlError.
        """
        try:
            self.verdicts += observe_control()
        except ObservationError as unseen:
            self.verdicts += [RuleVerdict(f"{name}/{rule_name}", UNKNOWN, reason=str(unseen)) for rule_name in rules]
        except ControlError as error:
            self.errors.append({"control": name, "message": str(error)})
            self.verdicts += [RuleVerdict(f"{name}/{rule_name}", ERROR, reason=str(error)) for rule_name in rules]


def observe(
    host: Host,
    plan: Plan,
    only: Iterable[str] = (),
    probe: bool = False,
    watch: ExpectedWatch | None = None,
) -> tuple[ObservedRecord, list[str]]:
    """Observe a host: return its record, and the names of the controls that an enforcing run would correct.

    `only` names the controls to observe; empty means all controls of the plan. With `probe`, the installed browsers are
    also started, as a test. `watch` is what the controller expects of the host's watcher; None if the host observes
    itself. The watcher is observed only if all controls are observed. Raises ValueError for an unusable plan.
    """
    plans.compute_once(plan, "checked", lambda: plans.check_plan(plan))
    plan, _ = resolve_plan_here(host, plan)
    started, results = time.monotonic(), _ControlResults()
    checked_at = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
    names = [name for name in CONTROLS if name in plan["controls"] and name in (set(only) or CONTROLS)]
    watched = has_watch(host, plan, only)
    heartbeat = None
    # The heartbeat tests the watcher's daemon. It is sent first, so that the daemon has answered when the controls are
    # observed.
    if watched and host.privileged and "watch" in plan:
        from .watch.heartbeat import Heartbeat

        heartbeat = Heartbeat(host)
    with host.cache_reads():
        for name in names:
            results.add_verdicts(name, plan["controls"][name]["services"], partial(_observe_control, host, plan, name))
    if probe and "browser" in names:
        results.add_verdicts("browser", ["probe"], lambda: [probed(host, plan)])
    if has_group_policy(host, plan, only):
        from .controls.group_policy.identity import make_rule_slug

        slugs = (
            [make_rule_slug(policy_object["name"]) for policy_object in plan["group_policy"]["objects"]]
            if "group_policy" in plan
            else []
        )
        results.add_verdicts(GROUP_POLICY, slugs, partial(_observe_control, host, plan, GROUP_POLICY))
    if watched:
        from .watch import watch_observation

        drifted_here = [verdict for verdict in results.verdicts if verdict.drifted]
        results.add_verdicts(
            WATCH,
            watch_observation.RULE_NAMES,
            lambda: watch_observation.observe_watch(host, plan, watch, heartbeat, drifted_here),
        )
    record = make_host_record(
        plan_digest=plan["digest"],
        checked_at=checked_at,
        platform=host.describe_platform(),
        verdicts=results.verdicts,
        errors=results.errors,
        duration_ms=round((time.monotonic() - started) * 1000),
        # by control: the number of restricted services for which the plan has no identifiers
        nothing_known={name: len(plan["controls"][name].get("nothing_known", ())) for name in names},
    )
    drifted = {verdict.rule.partition("/")[0] for verdict in results.verdicts if verdict.drifted}
    _add_fields(record, host, plan, bool(drifted), watched)
    return record, [name for name in ALL_CONTROLS if name in drifted]


def _add_fields(record: ObservedRecord, host: Host, plan: Plan, drifted: bool, watched: bool) -> None:
    """Add to a record its fields for controls, catalogue, logged-in users and watcher.

    `drifted` is true if a control has drifted; only then the record has the logged-in users. `watched` is true if the
    watcher was observed. The code for a field is imported only on a host whose record has the field.
    """
    record.update(host.record_fields)  # type: ignore[typeddict-item] # each control has its own
    if "catalog" in plan:
        record["catalog"] = plan["catalog"]
    if drifted:
        from .system.sessions import list_logged_in_users

        record["logged_in"] = list_logged_in_users(host)
    if watched and host.privileged:
        from .watch.state.summary import summarise_watch

        with contextlib.suppress(ObservationError):
            record["watch"] = summarise_watch(host, plan)


def has_watch(host: Host, plan: Plan, only: Iterable[str]) -> bool:
    """Return whether this observation has to judge the watcher: the host has a watcher or should have one.

    `only` names the controls to observe; empty means all. The watcher is judged only with all controls.
    """
    return _is_part_observed(host, plan, only, WATCH, "watch")


def has_group_policy(host: Host, plan: Plan, only: Iterable[str]) -> bool:
    """Return whether this observation has to judge Group Policy objects of Proscribe on a domain controller.

    `only` names the controls to observe; empty means all. Group Policy objects are judged only with all controls.
    """
    return _is_part_observed(host, plan, only, GROUP_POLICY, "group_policy/state.json")


def _is_part_observed(host: Host, plan: Plan, only: Iterable[str], name: str, state: str) -> bool:
    """Return whether the plan has the section `name`, or the host still has the file of that section.

    `name` is a section of the plan outside of the controls. `state` is the path of its file below Proscribe's state
    directory. An observation of only some controls (`only`) never covers such a section: the result is False. The
    result is False too if the state directory cannot be read.
    """
    if set(CONTROLS) - (set(only) or set(CONTROLS)):
        return False
    try:
        return name in plan or host.find_entry(f"{STATE_DIRECTORY}/{state}") is not None
    except ObservationError:
        return False


def resolve_plan_here(host: Host, plan: Plan) -> tuple[Plan, list[ChangeRefusal]]:
    """Return the plan as it applies on this host now, and a refusal for each group whose members are unknown.

    A time window (`hours`) of a waiver is replaced by whether the waiver is in force now. Groups are replaced by their
    members. Returns the same object if the plan has neither time windows nor groups.
    """
    if not plans.compute_once(plan, "has hours or groups", lambda: plans.has_hours_or_groups(plan)):
        return plan, []
    from .plan_resolution import resolve_here_and_now

    plan, unresolved = resolve_here_and_now(host, plan)
    return plan, [
        ChangeRefusal(f"{group.control}/{group.service}", f"group:{group.group}", str(group)) for group in unresolved
    ]


def _observe_control(host: Host, plan: Plan, name: str) -> list[RuleVerdict]:
    """Return the verdicts of the control `name`. Raises ObservationError on a system other than Linux."""
    if host.kernel_name != "Linux":
        raise ObservationError(f"{host.kernel_name} is not supported yet")
    return control(name).observe(host, plan)


def probed(host: Host, plan: Plan) -> RuleVerdict:
    """Start the installed browsers, and return the verdict on whether they refuse a blocked name.

    Only an audit that requests this test receives its code (see stream.py).
    """
    from .controls.browser.browser_probe import probe_browsers

    return probe_browsers(host, plan)


def on_macos(host: Host, plan: Plan, controls: Iterable[str], gate: str) -> ObservationAnswer:
    """Return the answer of a Mac to an observation.

    `controls` names the controls to observe; empty means all. `gate` is the exit gate: it names the states that count
    as a failure (`GATES`). Only Macs receive the code for Macs (see stream.py). A Mac is never changed.
    """
    from .macos.mac_record import make_mac_record

    try:
        record = make_mac_record(host, plan, controls)
    except ValueError as error:
        return {"changed": False, "failed": True, "msg": str(error)}
    return apply_gate({"changed": False, "record": record, "drifted": [], "privileged": host.privileged}, gate)


def apply_gate(answer: ObservationAnswer, gate: str) -> ObservationAnswer:
    """Return an answer, with additional {failed, msg} if the exit gate forbids the host's state.

    `gate` is a value of proscribe_compliance_gate, a key of `GATES`.
    """
    state = answer["record"]["state"]
    if state not in GATES[gate]:
        return answer
    return {
        **answer,
        "failed": True,
        "msg": f"this host is {state}, which proscribe_compliance_gate does not allow",
    }


def compliance_state(
    host: Host,
    plan: Plan,
    controls: Iterable[str],
    gate: str,
    will_correct: bool,
    probe: bool = False,
    remember: bool = False,
    program: str | None = None,
    watch: ExpectedWatch | None = None,
    macos: bool = False,
) -> ObservationAnswer:
    """Return the answer of the module `compliance_state`: {changed, record, drifted, privileged}.

    The answer also has {failed, msg} if the exit gate forbids the host's state, or if the plan is unusable.
    `privileged` is true if this process is root. How the code came to the host makes no difference.

    `controls` names the controls to observe; empty means all. `gate` is the exit gate, and `probe` and `watch` are as
    for `observe`. With `will_correct`, the same run corrects the drifted controls next, so the gate is not applied to a
    drifted host. With `remember`, which an enforcing run sets, the host stores data for later runs. The plan that the
    host's watcher follows is then renewed too. {unwatched} then names the controls that the watcher leaves alone after
    this run.

    `program` is the text of the program for audits without root, which is installed. An empty text removes that
    program, and None leaves it. If the installation fails, the answer has the reason in {not_installed}. `macos` is
    true if the sent code was made for a Mac.
    """
    if host.kernel_name == DARWIN:
        return on_macos(host, plan, controls, gate) if macos else MACOS_CODE_LACKING
    host.saves_state = remember
    if remember and host.privileged and has_watch(host, plan, controls):
        from .watch.watch_observation import confirm_plan

        with contextlib.suppress(ControlError, ObservationError):  # the observation then reports the plan as stale
            confirm_plan(host, plan, watch)
    try:
        record, drifted = observe(host, plan, controls, probe, watch)
    except ValueError as error:
        return {"changed": False, "failed": True, "msg": str(error)}
    if remember and host.privileged:
        for save_state in host.state_savers:
            with contextlib.suppress(ControlError, ObservationError):  # a host without saved state only loses time
                save_state(will_correct)
    answer: ObservationAnswer = {"changed": False, "record": record, "drifted": drifted, "privileged": host.privileged}
    if remember and host.privileged and has_watch(host, plan, ()):
        from .watch.state.reservations import note_observation

        # Done after an observation of only some controls too. Without this update, the reservations of controls end at
        # their deadline.
        with contextlib.suppress(ControlError, ObservationError):
            if names := note_observation(
                host, set(controls) or ALL_CONTROLS, record, drifted, is_last=not will_correct
            ):
                answer["unwatched"] = names
    if remember and host.privileged and program is not None:
        from .audit_program import install_program

        try:
            install_program(host, program)
        except (ControlError, ObservationError) as error:
            answer["not_installed"] = str(error)
    return answer if drifted and will_correct else apply_gate(answer, gate)


def _try_changes(changes: Changes, doing: Callable[[Changes], ChangeResult]) -> tuple[ChangeResult, str]:
    """Carry out changes by calling `doing`.

    Returns the result, and the messages of failed changes of the host itself; "" if none failed. A failed change of a
    user's files is no such failure. Raises ControlError.
    """
    try:
        return doing(changes), ""
    except ChangesFailedError as error:
        return error.result, str(error)


def change(
    host: Host,
    plan: Plan,
    name: str,
    *,
    lift: bool = False,
    dry_run: bool = False,
    doing: Callable[[Changes], ChangeResult] = apply_changes,
    begin: Callable[[], None] | None = None,
) -> ChangeAnswer:
    """Remediate the control `name`, or remove all that Proscribe did for it (`lift`), and report the changes.

    `doing` carries the changes out, and returns additional fields of the result. With `dry_run`, the changes are only
    reported. Actions that run a user's tool come last, after this run has released the host's lock
    (controls/user_tools.py). `begin` is called under that lock, before any observation. Without `begin`, the run
    reserves the control for itself, so that the watcher leaves it alone (watch/state/reservations.py).

    Returns the answer of the enforcing modules: {changed, actions, diff, refused, findings} and more. Raises
    ControlError, whose `done` names the actions that were already carried out.
    """
    from .audit_program import PROGRAM_PATH
    from .cache import clear_cache
    from .watch.state.reservations import LIFTED_DIGEST, reserve_control

    plans.check_plan(plan)
    host.require_root()
    if host.kernel_name == DARWIN and lift:  # a Mac is never changed
        return {"changed": False, "actions": [], "diff": [], "refused": [], "findings": []}
    if host.kernel_name != "Linux":
        raise ControlError(f"{host.kernel_name} cannot be enforced yet; see docs/coverage.md")
    plan, unresolved = resolve_plan_here(host, plan)
    with host.lock_host() as turns:
        reservation_note = ""
        if begin:
            begin()
        elif not dry_run:
            reservation_note = reserve_control(host, name, LIFTED_DIGEST if lift else plan["digest"])
        # Each Group Policy object has its own mode, so the control itself always enforces. The control also covers
        # objects that the plan no longer has.
        section = {"mode": "enforce"} if name == GROUP_POLICY else plan["controls"].get(name)
        findings: list[Finding] = []
        changes = Changes()  # stays empty if the plan does not have the control, or only audits it
        if lift:
            changes = control(name).lift(host, plan)
            if reservation_note:
                changes = changes._replace(notes=[*changes.notes, reservation_note])
        elif section is not None:
            verdicts = control(name).observe(host, plan)
            findings = [
                finding for verdict in verdicts if verdict.state == NONCOMPLIANT for finding in verdict.findings
            ]
            if section["mode"] == "enforce":
                changes = control(name).enforce(host, plan)
        carried, failure = ({}, "") if dry_run else _try_changes(changes, doing)
        if not dry_run and not failure:
            if changes.save_after:
                changes.save_after()
            if changes.actions:
                turns.note_change()
            if lift:
                turns.forget_changes()
                clear_cache(host)
                host.delete_file(PROGRAM_PATH)
    if carried.get("later"):  # the actions that run a user's tool
        from .controls.user_tools import run_user_tools

        carried = run_user_tools(host, carried)
    if failure:
        raise ControlError(failure, done=carried["done"])
    unresolved = [refusal for refusal in unresolved if refusal.rule.partition("/")[0] == name and not lift]
    return make_change_answer(changes, carried, [*make_refusals(carried.get("left", ())), *unresolved], findings)
