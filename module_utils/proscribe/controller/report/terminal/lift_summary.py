"""The output of a run that lifts the ban. It observes nothing, so it writes no report."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from ....model.plan import CONTROLS
from ..collection.collector import HostRunState
from ..evaluation.unobserved_corrections import BEGUN_REASON
from ..text.reinstall_commands import build_reinstall_command, list_without_command
from ..text.terminal_layout import wrap_text
from ..text.wording import clean_text, format_count, summarise_names

MAX_LISTED = 10  # most hosts that are listed, each in a line
MAX_NAMED_HOSTS = 3  # most hosts that are named before a command


def list_lifted_hosts(expected_hosts: Mapping[str, str], host_results: Mapping[str, HostRunState]) -> list[str]:
    """Return the hosts from which the ban was removed (lifted) without any failure.

    The keys of `expected_hosts` are the names of all expected hosts.
    """
    return [host for host in expected_hosts if (host_result := host_results.get(host)) and _is_lifted(host_result)]


def _is_lifted(host_result: HostRunState) -> bool:
    """Return whether all modules of the lift answered on a host, without a failure.

    A module that began and gave no answer has left BEGUN_REASON in the changes of the host.
    """
    return (
        host_result.is_touched
        and not host_result.has_failed
        and not host_result.reason
        and BEGUN_REASON not in host_result.changes.values()
    )


def render_lifting(
    expected_hosts: Mapping[str, str],
    host_results: Mapping[str, HostRunState],
    *,
    is_check: bool,
    width: int,
    restore_command: str = "",
    unserved_hosts: Mapping[str, str] = {},
    controls: Sequence[str] = CONTROLS,
    difference_file: str = "",
) -> str:
    """Render the result of a lift: the hosts from which the ban was removed, and the others with the reasons.

    `is_check` is true for a dry run. `restore_command` is the command line that enforces the ban again; "" if unknown.
    `unserved_hosts` are the hosts that Proscribe does not serve, each with the reason. `controls` are the controls of
    the run. `difference_file` is the path of a file with all removed packages; "" for none.
    """
    lifted = list_lifted_hosts(expected_hosts, host_results)
    action_count = sum(len(host_results[host].actions) for host in lifted)
    hosts_text = (
        f"on {len(lifted):,} of {format_count(len(expected_hosts), 'host')} ({format_count(action_count, 'action')})"
    )
    if is_check:
        lines = wrap_text(f"would lift {hosts_text}; nothing was changed", width)
    else:
        controls_text = "" if len(controls) == len(CONTROLS) else f" for {', '.join(controls)}"
        consequence = f"; the ban is not in force there{controls_text}" if lifted else ""
        lines = wrap_text(f"lifted {hosts_text}{consequence}", width)
        lines += ["this enforces it again:", f"  {restore_command}"] if lifted and restore_command else []
    lines += _format_removed_packages(host_results, is_check, width)
    lines += wrap_text(f"all of it: {clean_text(difference_file)}", width, 2) if difference_file else []
    missed_hosts = [host for host in expected_hosts if host not in lifted]
    for host in missed_hosts[:MAX_LISTED]:
        lines += wrap_text(f"not lifted on {clean_text(host)}: {_format_reason(host_results.get(host))}", width)
    if len(missed_hosts) > MAX_LISTED:
        lines.append(f"... and {format_count(len(missed_hosts) - MAX_LISTED, 'more host')}")
    for host, reason in list(unserved_hosts.items())[:MAX_LISTED]:
        lines += wrap_text(f"not served, and left alone: {clean_text(host)}, {clean_text(reason)}", width)
    if len(unserved_hosts) > MAX_LISTED:
        lines.append(f"... and {format_count(len(unserved_hosts) - MAX_LISTED, 'more host')} not served")
    # what a host refused to change is no failure, so the host counts as lifted
    refused_errors = [(host, error["message"]) for host in lifted for error in host_results[host].errors]
    for host, message in refused_errors[:MAX_LISTED]:
        lines += wrap_text(f"{clean_text(host)}: {clean_text(message)}", width)
    return "\n".join(["", *lines])


def _format_removed_packages(host_results: Mapping[str, HostRunState], is_check: bool, width: int) -> list[str]:
    """Format the packages that the ban removed and the lift does not install again; [] for none.

    The command that installs them is shown once for all hosts with equal packages.
    """
    # (command that installs packages again, the packages without a command in words) -> hosts
    groups: dict[tuple[str, str], list[str]] = {}
    for host, host_result in host_results.items():
        if host_result.removed:
            package_texts = [
                f"{package.manager} {package.name} {package.version}".strip()
                for package in list_without_command(host_result.removed)
            ]
            groups.setdefault(
                (build_reinstall_command(host_result.removed), summarise_names(package_texts, MAX_LISTED)), []
            ).append(host)
    if not groups:
        return []
    package_count = sum(len(host_result.removed) for host_result in host_results.values())
    verb = "would not be" if is_check else "is not" if package_count == 1 else "are not"
    lines = wrap_text(
        f"{format_count(package_count, 'package')} that the ban had removed {verb} installed again", width, 2
    )
    for (line, by_hand), hosts in list(groups.items())[:MAX_LISTED]:
        if line:
            lines += wrap_text(f"on {summarise_names(hosts, MAX_NAMED_HOSTS)}, as root:", width, 2)
            lines.append(f"  {line}")
        if by_hand:
            lines += wrap_text(f"on {summarise_names(hosts, MAX_NAMED_HOSTS)}, from their files: {by_hand}", width, 2)
    if len(groups) > MAX_LISTED:
        lines.append(f"... and {format_count(sum(map(len, list(groups.values())[MAX_LISTED:])), 'more host')}")
    return lines


def _format_reason(host_result: HostRunState | None) -> str:
    """Format why the ban was not lifted on a host.

    `host_result` is None if no event of the host has arrived.
    """
    if host_result is None:
        return "no answer"
    return clean_text("; ".join(error["message"] for error in host_result.errors) or host_result.reason or "no answer")
