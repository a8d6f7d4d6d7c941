"""Installation and removal of a DNS filter, without any loss of the host's name resolution.

A change is applied completely or not at all. First the resolver's own tool, if it has one, checks the new file. Then
the resolver is restarted. It has to answer from that very file. It also has to resolve other names, if it did so
before. If it fails, everything is restored.
"""

from __future__ import annotations

import contextlib
import time
from typing import Callable, Iterable, Sequence

from ...system import ControlError, Host, ObservationError
from ...system.units import is_masked, read_unit_text
from ..base import ControlAction
from . import resolver_observation as resolution
from .backends.filter_backends import load_backend
from .dns_filter import (
    Command,
    DnsFilter,
    FilterStage,
    find_overriding_files,
    find_stage_defects,
    is_resolver_held,
    is_serving_file,
    is_serving_now,
)
from .dns_query import NS_TYPE, QUERY_TIMEOUTS_SECONDS, query_resolver
from .names_to_block import DesiredNames
from .resolver_observation import STUB_ADDRESSES

CANDIDATE_PATH = "/run/proscribe-dns-candidate.conf"
START_TIMEOUT_SECONDS = 15.0  # a restarted resolver has to answer within this time


def install_filter(host: Host, filter_: DnsFilter, desired_names: DesiredNames) -> list[ControlAction]:
    """Return the action that installs and starts the filter, in a list.

    The list is empty if the filter already runs with the right names. Stages before the first stage that has to be
    applied are left out. Raises ControlError.
    """
    text = filter_.render_file(desired_names)
    stages = filter_.make_stages(text)
    fine_count = 0
    while fine_count < len(stages) and not _is_stage_due(host, filter_, stages[fine_count], text):
        fine_count += 1
    due_stages = stages[fine_count:]
    if not due_stages:
        return []
    changed_texts = {
        path: new_text
        for stage in due_stages
        for path, new_text in stage.files.items()
        if read_unit_text(host, path) != new_text
    }
    # If the files are as desired, only a restart is missing: the subject is the unit of the last start command.
    verb, subject = (
        ("write", ", ".join(changed_texts)) if changed_texts else ("restart", due_stages[0].start_commands[-1][-1])
    )
    old_text = "".join(read_unit_text(host, path) or "" for path in changed_texts)
    return [
        ControlAction(
            verb,
            subject,
            lambda: _apply_stages(host, filter_, due_stages, text),
            old_text,
            "".join(changed_texts.values()),
        )
    ]


def remove_filters(
    host: Host, observation: resolution.DnsObservation, backend_names: Iterable[str]
) -> list[ControlAction]:
    """Return the actions that delete Proscribe's files in the named backends.

    The actions also make the resolvers read their files again.
    """
    actions = []
    for backend_name in backend_names:
        for stage in reversed(load_backend(backend_name).list_possible_stages(host, observation)):
            paths = [path for path in stage.files if host.has_traces(path)]
            if paths:
                old_text = "".join(read_unit_text(host, path) or "" for path in paths)
                actions.append(ControlAction("delete", ", ".join(paths), _make_removal(host, stage, paths), old_text))
    return actions


def _is_stage_due(host: Host, filter_: DnsFilter, stage: FilterStage, text: str) -> bool:
    """Return whether a stage has to be applied: its files differ, or the resolver does not answer from them.

    A resolver that is only silent is not restarted, unless it was stopped or frozen. A restart would lose its cache,
    and the queries of programs that still wait on a busy host.
    """
    if find_stage_defects(host, filter_, stage):
        return True
    try:
        return not all(
            is_serving_file(host, address, port, text) or (filter_.is_raced and address in STUB_ADDRESSES)
            for address, port in stage.answer_addresses
        )
    except ObservationError:
        return is_resolver_held(host, filter_)


def _apply_stages(host: Host, filter_: DnsFilter, stages: Sequence[FilterStage], text: str) -> None:
    """Apply the stages. If a stage fails, restore everything and raise ControlError.

    A change also fails if other names resolved before it, and do not resolve any more.
    """
    _check_candidate(host, filter_, text)
    was_resolving = _is_resolving(host)
    # b"" for a masked unit: an empty file has the same effect; None for a missing file
    old_contents = [
        {path: b"" if is_masked(host, path) else host.read_file(path) for path in stage.files} for stage in stages
    ]
    begun_count = 0
    try:
        for stage in stages:
            begun_count += 1
            for path, new_text in stage.files.items():
                host.write_file(path, new_text)
            for _, path in find_overriding_files(host, stage):
                host.delete_file(path)
            _run_commands(host, stage.start_commands)
            _wait_for_stage(host, stage, text)
        if was_resolving and not _wait_for_resolution(host):
            raise ControlError("other names do not resolve any more")
    except ControlError as error:
        failures = []
        for stage, contents in reversed(list(zip(stages[:begun_count], old_contents))):
            try:
                _restore_stage(host, stage, contents)
            except ControlError as restore_error:
                failures.append(str(restore_error))
        outcome = "is restored"
        if failures:  # if the resolver was not restarted, it may still answer as before the change
            works_note = "works, but its old state " if _is_resolving(host) else ""
            outcome = f"{works_note}cannot be restored ({'; '.join(failures)})"
        raise ControlError(f"{error}; name resolution {outcome}") from None


def _restore_stage(host: Host, stage: FilterStage, contents: dict[str, bytes | None]) -> None:
    """Restore the files of a stage to `contents` (None: delete), and make the resolver read them again."""
    # True if the files did not exist before: then the stage is removed as a whole
    is_new = all(content is None for content in contents.values())
    if is_new:
        _try_commands(host, stage.leave_commands)
    for path, content in contents.items():
        if content is None:
            host.delete_file(path)
        else:
            host.write_file(path, content)
    _run_commands(host, stage.removed_commands if is_new else stage.start_commands)


def _make_removal(host: Host, stage: FilterStage, paths: Sequence[str]) -> Callable[[], None]:
    """Return the function that deletes the files of a stage.

    The function raises ControlError if names do not resolve afterwards.
    """

    def remove_stage() -> None:
        """Delete the files of the stage, and check that names still resolve. Raises ControlError."""
        was_resolving = _is_resolving(host)
        _try_commands(host, stage.leave_commands)
        for path in (*paths, *stage.required_paths):  # `systemctl disable` does not delete the links of a masked unit
            host.delete_file(path)
        _run_commands(host, stage.removed_commands)
        if was_resolving and not _wait_for_resolution(host):
            raise ControlError(f"names do not resolve any more now that {', '.join(paths)} is gone")

    return remove_stage


def _check_candidate(host: Host, filter_: DnsFilter, text: str) -> None:
    """Check the new file with the resolver's own tool, if it has one. Raises ControlError with the tool's message."""
    command = filter_.make_check_command(CANDIDATE_PATH)
    if not command:
        return
    host.write_file(CANDIDATE_PATH, text)
    try:
        _run_commands(host, [command])
    finally:
        host.delete_file(CANDIDATE_PATH)


def _run_commands(host: Host, commands: Iterable[Command]) -> None:
    for command in commands:
        host.read_command_output([host.find_tool(command[0]) or command[0], *command[1:]])


def _try_commands(host: Host, commands: Iterable[Command]) -> None:
    """Run commands that prepare a removal, and ignore failures.

    The reason: the service may not exist any more.
    """
    with contextlib.suppress(ControlError):
        _run_commands(host, commands)


def _wait_for_stage(host: Host, stage: FilterStage, text: str) -> None:
    """Wait until the resolver answers from the new file. Raises ControlError after START_TIMEOUT_SECONDS."""
    deadline = time.monotonic() + START_TIMEOUT_SECONDS
    for address, port in stage.answer_addresses:
        while not is_serving_now(host, address, port, text):
            if time.monotonic() > deadline:
                raise ControlError(
                    f"{address} port {port} does not answer with the new names within {START_TIMEOUT_SECONDS:g} s"
                )
            time.sleep(0.2)


def _is_resolving(host: Host, timeouts: Sequence[float] = QUERY_TIMEOUTS_SECONDS) -> bool:
    """Return whether the first name server of /etc/resolv.conf answers a query for the root of all names.

    `timeouts` has the seconds of each attempt.
    """
    servers = resolution.parse_nameservers(host.read_text(resolution.RESOLV_CONF_PATH) or "")
    try:
        dns_answer = query_resolver(host, servers[0], 53, "", NS_TYPE, timeouts) if servers else None
    except ObservationError:
        return False
    return dns_answer is not None and dns_answer.rcode == 0


def _wait_for_resolution(host: Host) -> bool:
    """Return whether names resolve within START_TIMEOUT_SECONDS."""
    deadline = time.monotonic() + START_TIMEOUT_SECONDS
    while not _is_resolving(host, [2]):
        if time.monotonic() > deadline:
            return False
        time.sleep(0.2)
    return True
