"""Trial of a new table: it is reverted unless the controller confirms it over a new connection.

    begin    save the loaded table, start the timer of the rollback outside of this session, schedule the load
    confirm  the controller has reached the host over a new connection: stop the timer, store the table for the boot
    wait     wait until the pending change of another run is decided, so that two changes never mix

The new table is loaded only after this process has answered and ended. In the opposite order, a table that cuts the
connection would leave the controller without an answer. The boot file stays as it is until the confirmation. A host
that reboots before that loads the last confirmed table.

Only an enforcing run needs this file.
"""

from __future__ import annotations

import contextlib
import os
import sys
import time
from typing import TYPE_CHECKING, Callable, Sequence

from ....base.hashing import sha256
from ...programs import SEND
from ...system import ControlError, Host, ObservationError
from .. import management_exemptions
from ..base import Changes
from ..change_execution import apply_changes
from . import boot_units, exemptions, loaded_state, pending_change, program, table_changes, table_listing, table_update
from .ruleset import TABLE_NAME

if TYPE_CHECKING:
    from ....model.types.answer import ChangeAnswer
    from ....model.types.plan import Plan
    from ..base import ChangeResult

CONFIRM_TIMEOUT_SECONDS = 60  # used if the plan has no other time; an unconfirmed change is reverted after it
_MAX_ATTEMPTS = 5  # attempts before the last, each of which fails if another run begins a change first
_GRACE_SECONDS = 10  # if a change is still pending after its deadline and this time, its timer is lost


class PendingChangeError(ControlError):
    """Change of another run that waits for its confirmation."""


def run_without_pending_change(host: Host, work: Callable[[], ChangeAnswer]) -> ChangeAnswer:
    """Run `work`, which changes the firewall, while no change of another run is pending. Return its answer.

    If another run begins a change first, `work` is tried again. Raises PendingChangeError if that happens at each
    attempt.
    """
    for _ in range(_MAX_ATTEMPTS):
        wait_for_pending_change(host)
        with contextlib.suppress(PendingChangeError):
            return work()
    return work()


def make_trial_application(host: Host, plan: Plan) -> Callable[[Changes], ChangeResult]:
    """Return the function that applies the changes of this control, in place of `apply_changes`.

    If an action loads a table that is not the confirmed table, the function begins a trial. Then its result has only
    the key `pending`: `token` confirms the change, `within` is the time for that in seconds. `confirm_trial` stores the
    confirmed table later. Without such an action, the function applies all actions.
    """
    section = plan["controls"].get("firewall")
    confirm_timeout = (
        section["settings"].get("confirm_within", CONFIRM_TIMEOUT_SECONDS) if section else CONFIRM_TIMEOUT_SECONDS
    )

    def apply_or_begin(changes: Changes) -> ChangeResult:
        """Apply the changes, or apply those before the load of the table and begin the trial of that table."""
        for number, action in enumerate(changes.actions):
            if isinstance(action.apply, table_changes.TableLoad) and not action.apply.is_confirmed:
                apply_changes(changes._replace(actions=changes.actions[:number]))
                return {
                    "pending": {"token": begin_trial(host, action.apply, confirm_timeout), "within": confirm_timeout}
                }
        return apply_changes(changes)

    return apply_or_begin


def begin_trial(host: Host, load: table_changes.TableLoad, confirm_timeout: int) -> str:
    """Begin the trial of a table for `confirm_timeout` seconds. Return the token that confirms it.

    Raises ControlError if the trial cannot begin; then nothing has changed.
    """
    if boot_units.list_pending_tokens(host):
        raise PendingChangeError(
            "another run's change of the firewall waits for its confirmation: run this again after it"
        )
    candidate = table_update.render_transaction(load.observation.loaded_parts, load.observation.counts, load.text)
    host.read_command_output([load.nft, "-c", "-f", "-"], stdin=candidate)
    token = os.urandom(6).hex()
    digest = sha256(load.text.encode()).hexdigest()
    for path, content in (
        (program.PREVIOUS_TABLE_PATH, _render_rollback(host, load.nft)),
        (program.CANDIDATE_PATH, candidate),
        (program.DESIRED_TABLE_PATH, load.text),
        (
            pending_change.ROUTES_PATH,
            "".join(f"{route}\n" for route in _list_reachable_routes(host, load.resolver_uids)),
        ),
        # The pending file comes last. So if it exists, all files for the rollback exist too.
        (
            f"{program.CHANGE_DIRECTORY}/pending-{token}",
            f"{digest} {pending_change.read_uptime(host) + confirm_timeout}",
        ),
    ):
        host.write_file(path, content, 0o600)
    try:
        _schedule_program(host, f"proscribe-rollback-{token}", confirm_timeout, "take-back", token)
        _schedule_program(host, f"proscribe-try-{token}", 0, "try", token, str(os.getpid()))
    except ControlError:
        pending_change.decide_change(host, token, "given-up")
        pending_change.stop_rollback_timer(host, token)
        pending_change.clear_change_files(host)
        raise
    return token


def confirm_trial(host: Host, token: str) -> ChangeAnswer:
    """Confirm the change on trial, and return the answer of the Ansible module.

    Call this over a connection that was opened after the new table was loaded. If the host can no longer reach a
    gateway or resolver that it could reach before, the change is reverted. Raises ControlError if the change is not
    loaded, is reverted, or was reverted before.
    """
    host.require_root()
    _require_loaded_candidate(host, token)
    with host.lock_host():
        old_routes = (host.read_text(pending_change.ROUTES_PATH) or "").splitlines()
        open_routes = set(_probe_routes(host, old_routes))
        cut_routes = [route for route in old_routes if route not in open_routes]
        if cut_routes:
            host.read_command_output([program.PROGRAM_PATH, "take-back", token, "cut"])
            pending_change.stop_rollback_timer(host, token)
            routes = ", ".join(" port ".join(route.split(" ")[:2]) for route in cut_routes)
            raise ControlError(f"the new rules cut this host off from {routes}; they are taken back")
        if not pending_change.decide_change(host, token, "kept"):
            raise ControlError(pending_change.describe_outcome(host))
        pending_change.stop_rollback_timer(host, token)
        text = host.read_text(program.DESIRED_TABLE_PATH) or ""
        host.delete_file(program.REVERT_LOG_PATH)
        pending_change.clear_change_files(host)
        # The table is confirmed already. If this fails, the next observation reports it and the next run repairs it.
        actions = table_changes.make_persisting_actions(host, table_changes.find_nft(host), text)
        apply_changes(Changes(actions))
        _remember_loaded_table(host, text)
    return {
        "changed": True,
        "actions": [f"confirm {table_listing.TABLE_PATH}", *map(str, actions)],
        "refused": [],
        "findings": [],
        "diff": [],
    }


def wait_for_pending_change(host: Host) -> None:
    """Wait until no change of another run is pending.

    A change that has lost its timer is reverted now. An account other than root does not wait.
    """
    while tokens := boot_units.list_pending_tokens(host) if host.privileged else []:
        token = tokens[0]
        # [digest of the table, uptime in seconds at which the change is reverted]
        pending_fields = (host.read_text(f"{program.CHANGE_DIRECTORY}/pending-{token}") or "").split()
        if len(pending_fields) != 2 or pending_change.read_uptime(host) > int(pending_fields[1]) + _GRACE_SECONDS:
            host.read_command_output([program.PROGRAM_PATH, "take-back", token])
            pending_change.stop_rollback_timer(host, token)
        else:
            time.sleep(0.5)


def _list_reachable_routes(host: Host, resolver_uids: Sequence[int]) -> list[str]:
    """Return a text "address port" for each gateway and resolver that this host may send to.

    If only some accounts may query the resolvers, the uid of the first of these accounts follows the port.
    """
    # port 9 discards what it gets (RFC 863)
    routes = [f"{address} 9" for address in management_exemptions.read_gateways(host)]
    uid_suffix = "".join(f" {uid}" for uid in resolver_uids[:1])
    routes += [
        f"{address} 53{uid_suffix}"
        for address in management_exemptions.read_resolvers(host)
        if exemptions.parse_address(address)
    ]
    return _probe_routes(host, routes)


def _probe_routes(host: Host, routes: Sequence[str]) -> list[str]:
    """Return those of `routes` ("address port [uid]") that the firewall lets this host send to.

    With a uid, the packet is sent as that account.
    """
    if not routes:
        return []
    return host.run_command([sys.executable, "-I", "-S", "-c", SEND, *dict.fromkeys(routes)]).out.splitlines()


def _render_rollback(host: Host, nft: str) -> str:
    """Return the input for nft that reverts the change.

    It reloads the present table with its counts. If no table is loaded, it deletes Proscribe's table. An old nft may
    list a table that it cannot load. Then the input loads the last confirmed table, or no table.
    """
    delete_text = f"table inet {TABLE_NAME}\ndelete table inet {TABLE_NAME}\n"
    listing = host.run_command([nft, "list", "table", "inet", TABLE_NAME])
    if listing.rc:
        return delete_text
    for text in (delete_text + listing.out, host.read_text(boot_units.BOOT_FILE_PATH) or ""):
        if text and not host.run_command([nft, "-c", "-f", "-"], stdin=text).rc:
            return text
    return delete_text


def _schedule_program(host: Host, unit: str, seconds: int, *program_arguments: str) -> None:
    """Start the program of program.py in `seconds`, outside of this session, which may end at any moment."""
    if host.find_entry(boot_units.SYSTEMD_RUNS_PATH) is None:
        host.read_command_output([program.PROGRAM_PATH, "later", str(seconds), *program_arguments])
        return
    # Without AccuracySec, systemd may start a timer up to a minute late.
    timer = [f"--on-active={seconds}", "--timer-property=AccuracySec=100ms"] if seconds else []
    host.read_command_output(
        [
            "systemd-run",
            "--quiet",
            "--collect",
            "--no-block",
            f"--unit={unit}",
            *timer,
            program.PROGRAM_PATH,
            *program_arguments,
        ]
    )


def _require_loaded_candidate(host: Host, token: str) -> None:
    """Raise ControlError unless the change with this token is pending, and its table is loaded.

    If the kernel rejected the table, the pending change is deleted.
    """
    if token not in boot_units.list_pending_tokens(host):
        raise ControlError(pending_change.describe_outcome(host))
    failure = host.read_text(f"{program.CHANGE_DIRECTORY}/failed-{token}")
    if failure is not None and pending_change.decide_change(host, token, "gone"):
        pending_change.stop_rollback_timer(host, token)
        pending_change.clear_change_files(host)
        raise ControlError(f"the new rules were not loaded: {' '.join(failure.split())[-300:]}")
    if host.find_entry(f"{program.CHANGE_DIRECTORY}/loaded-{token}") is None:
        # There is no wait for the load: the connection of this call is older than the load, so it proves nothing.
        raise ControlError("the new rules are not loaded yet: nothing that was asked before they are can confirm them")


def _remember_loaded_table(host: Host, text: str) -> None:
    """Save that the table is loaded as desired, so that the next audits need not list all of it.

    Nothing is saved if the loaded table is not as desired.
    """
    loaded_state.delete_loaded_state(host)
    with contextlib.suppress(ObservationError):
        observation = table_listing.observe_table(host, table_changes.find_nft(host), text)
        if observation.is_right and observation.generation and observation.generation == host.read_ruleset_generation():
            loaded_state.save_loaded_state(host, text, observation.generation)
