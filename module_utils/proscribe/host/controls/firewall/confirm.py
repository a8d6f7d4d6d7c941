"""New rules are tried out first: unless the controller confirms them over a new connection, they undo themselves.

    begin    save what is loaded, arm the rollback outside of this session, have the candidate loaded
    keep     the controller reached the host anew: stop the timer, keep the table for the next boot
    settle   wait for another run's change, so that two of them never interleave

The candidate is loaded only after this process has answered and ended. In the opposite order, rules that cut the
connection would leave the controller waiting for an answer that cannot come. The boot file stays as it is until the
confirmation: a host that reboots in between comes back with what was confirmed last.

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
from ..applying import apply_changes
from ..base import Changes
from . import boot, exemptions, listing, loaded_state, loading, pending, program, update
from .ruleset import TABLE

if TYPE_CHECKING:
    from ....model.types.answer import ChangeAnswer
    from ....model.types.plan import Plan
    from ..base import ChangeResult

WITHIN = 60  # seconds until an unconfirmed change is taken back, where the plan does not say
_TURNS = 5  # other runs that may come first
_GRACE = 10  # seconds after which a change that was neither confirmed nor taken back has lost its timer


class Busy(ControlError):
    """Another run's change waits for its confirmation."""


def in_turn(host: Host, work: Callable[[], ChangeAnswer]) -> ChangeAnswer:
    """Do some work on the firewall when no change of another run is pending, and again if one came first."""
    for _ in range(_TURNS):
        settle(host)
        with contextlib.suppress(Busy):
            return work()
    return work()


def trying(host: Host, plan: Plan) -> Callable[[Changes], ChangeResult]:
    """How the changes of this control are carried out: those that load other rules than the confirmed ones are begun,
    and reported as `pending` {token, within}; what comes after them is left to `keep`. All others are carried out.
    """
    section = plan["controls"].get("firewall")
    within = section["settings"].get("confirm_within", WITHIN) if section else WITHIN

    def carry(changes: Changes) -> ChangeResult:
        for number, action in enumerate(changes.actions):
            if isinstance(action.apply, loading.Load) and not action.apply.confirmed:
                apply_changes(changes._replace(actions=changes.actions[:number]))
                return {"pending": {"token": begin(host, action.apply, within), "within": within}}
        return apply_changes(changes)

    return carry


def begin(host: Host, load: loading.Load, within: int) -> str:
    """Have a table loaded on trial for `within` seconds, and return the token that confirms it.

    Raises ControlError, and then nothing has changed.
    """
    if boot.pending(host):
        raise Busy("another run's change of the firewall waits for its confirmation: run this again after it")
    candidate = update.transaction(load.observed.live, load.observed.counts, load.text)
    host.read_command_output([load.nft, "-c", "-f", "-"], stdin=candidate)
    token = os.urandom(6).hex()
    digest = sha256(load.text.encode()).hexdigest()
    for path, content in (
        (program.PREVIOUS, _rollback(host, load.nft)),
        (program.CANDIDATE, candidate),
        (program.DESIRED_TABLE, load.text),
        (pending.METHODS, "".join(f"{route}\n" for route in _reachable(host, load.askers))),
        # The name last: a change that is pending has everything that taking it back needs.
        (f"{program.RUN}/pending-{token}", f"{digest} {pending.uptime(host) + within}"),
    ):
        host.write_file(path, content, 0o600)
    try:
        _later(host, f"proscribe-rollback-{token}", within, "take-back", token)
        _later(host, f"proscribe-try-{token}", 0, "try", token, str(os.getpid()))
    except ControlError:
        pending.claim(host, token, "given-up")
        pending.stop(host, token)
        pending.clear(host)
        raise
    return token


def keep(host: Host, token: str) -> ChangeAnswer:
    """Confirm a change: the result of the module for it. Raises ControlError where it was taken back, or is now.

    Call it over a connection that was made after the candidate was loaded.
    """
    host.require_root()
    _require_loaded(host, token)
    with host.lock_host():
        before = (host.read_text(pending.METHODS) or "").splitlines()
        now = set(_open(host, before))
        cut = [route for route in before if route not in now]
        if cut:
            host.read_command_output([program.PATH, "take-back", token, "cut"])
            pending.stop(host, token)
            routes = ", ".join(" port ".join(route.split(" ")[:2]) for route in cut)
            raise ControlError(f"the new rules cut this host off from {routes}; they are taken back")
        if not pending.claim(host, token, "kept"):
            raise ControlError(pending.outcome(host))
        pending.stop(host, token)
        text = host.read_text(program.DESIRED_TABLE) or ""
        host.delete_file(program.TRACE)
        pending.clear(host)
        # What fails here is missing at the next observation, and the next run does it: the table itself is confirmed.
        actions = loading.keeping(host, loading.nft_of(host), text)
        apply_changes(Changes(actions))
        _remember(host, text)
    return {
        "changed": True,
        "actions": [f"confirm {listing.WHERE}", *map(str, actions)],
        "refused": [],
        "findings": [],
        "diff": [],
    }


def settle(host: Host) -> None:
    """Wait until no change of another run is pending; one that has lost its timer is taken back now."""
    while tokens := boot.pending(host) if host.privileged else []:
        token = tokens[0]
        said = (host.read_text(f"{program.RUN}/pending-{token}") or "").split()
        if len(said) != 2 or pending.uptime(host) > int(said[1]) + _GRACE:
            host.read_command_output([program.PATH, "take-back", token])
            pending.stop(host, token)
        else:
            time.sleep(0.5)


def _reachable(host: Host, askers: Sequence[int]) -> list[str]:
    """Of the gateways and resolvers, those that this host may send to: "address port", and the number of the user who
    asks the resolvers where only some may.
    """
    routes = [f"{address} 9" for address in management_exemptions.read_gateways(host)]  # discard (RFC 863)
    by = "".join(f" {number}" for number in askers[:1])
    routes += [
        f"{address} 53{by}" for address in management_exemptions.read_resolvers(host) if exemptions.network_of(address)
    ]
    return _open(host, routes)


def _open(host: Host, routes: Sequence[str]) -> list[str]:
    """Those of some routes that this host may use."""
    if not routes:
        return []
    return host.run_command([sys.executable, "-I", "-S", "-c", SEND, *dict.fromkeys(routes)]).out.splitlines()


def _rollback(host: Host, nft: str) -> str:
    """What loads the present table again, counts included; only deletes ours if none is loaded.

    An old nft may list what it does not take back. Then the rollback loads what was confirmed last, or to no table.
    """
    empty = f"table inet {TABLE}\ndelete table inet {TABLE}\n"
    live = host.run_command([nft, "list", "table", "inet", TABLE])
    if live.rc:
        return empty
    for text in (empty + live.out, host.read_text(boot.FILE) or ""):
        if text and not host.run_command([nft, "-c", "-f", "-"], stdin=text).rc:
            return text
    return empty


def _later(host: Host, unit: str, seconds: int, *words: str) -> None:
    """Have the program do something outside of this session, which may end any moment."""
    if host.find_entry(boot.SYSTEMD_RUNS_PATH) is None:
        host.read_command_output([program.PATH, "later", str(seconds), *words])
        return
    # Without an accuracy of its own a timer may come up to a minute late.
    timer = [f"--on-active={seconds}", "--timer-property=AccuracySec=100ms"] if seconds else []
    host.read_command_output(
        ["systemd-run", "--quiet", "--collect", "--no-block", f"--unit={unit}", *timer, program.PATH, *words]
    )


def _require_loaded(host: Host, token: str) -> None:
    """Raises ControlError if the kernel did not take the candidate (and forgets it), or if it is gone again."""
    if token not in boot.pending(host):
        raise ControlError(pending.outcome(host))
    failed = host.read_text(f"{program.RUN}/failed-{token}")
    if failed is not None and pending.claim(host, token, "gone"):
        pending.stop(host, token)
        pending.clear(host)
        raise ControlError(f"the new rules were not loaded: {' '.join(failed.split())[-300:]}")
    if host.find_entry(f"{program.RUN}/loaded-{token}") is None:
        # To wait here would confirm them, whatever becomes meanwhile of the connection over which this was called.
        raise ControlError("the new rules are not loaded yet: nothing that was asked before they are can confirm them")


def _remember(host: Host, text: str) -> None:
    """Spare the audits after this one a whole listing of the table, if it is loaded as it should be."""
    loaded_state.forget(host)
    with contextlib.suppress(ObservationError):
        observed = listing.observe_table(host, loading.nft_of(host), text)
        if observed.right and observed.generation and observed.generation == host.read_ruleset_generation():
            loaded_state.remember(host, text, observed.generation)
