"""Activation of fapolicyd rules: checked before, tested after, and reverted if they harm the host."""

from __future__ import annotations

import contextlib
import re
from functools import partial
from typing import TYPE_CHECKING, Sequence

from ....system import STATE_DIRECTORY, ControlError, Host
from ...base import ControlAction
from ..desired_apps import DesiredApps
from .fapolicyd import (
    COMPILED_RULES_PATH,
    FALLBACK_RULES_PATH,
    RULES_DIRECTORY,
    RULES_PATH,
    find_file_problem,
    is_daemon_running,
    is_in_force,
    is_requested,
    list_rule_files,
)

if TYPE_CHECKING:
    from .....model.types.plan import PlanSection

STAGED_RULES_PATH = STATE_DIRECTORY + "/fapolicyd.rules"  # exists only during the check
# All of Proscribe's rules have this form. The pattern is needed because fapolicyd before 1.5 can check rules only by
# loading them.
RULE_PATTERN = re.compile(r"(allow|deny_syslog) perm=(execute|any) (all|uid=[0-9]+) : (all|path=/\S+[^/\s]|dir=/\S+/)")

# Harmless commands of programs that must still start with the new rules: programs for login and for repairing a host.
START_PROBES = (
    ("sshd", "-V"),
    ("sudo", "-V"),
    ("python3", "-I", "-c", ""),
    ("sh", "-c", ":"),
    ("systemctl", "--version"),
    ("dpkg", "--version"),
    ("rpm", "--version"),
)


def enforce(host: Host, section: PlanSection, desired: DesiredApps) -> list[ControlAction]:
    """Return a single action that writes and loads all rule files, or [] if nothing has to change.

    A single action, because all files are activated and reverted together. Return [] too if fapolicyd is required and
    not installed: the observation reports that.
    """
    if is_requested(section) and not host.find_tool("fagenrules"):
        return []
    rule_texts = [(path, text) for path, text in list_rule_files(host, section, desired)]
    if not any(find_file_problem(host, path, text) for path, text in rule_texts) and (
        not is_requested(section) or is_in_force(host)
    ):
        return []
    before = "".join(host.read_text(path) or "" for path, _ in rule_texts)
    return [
        ControlAction(
            "load",
            "fapolicyd rules",
            partial(_load_rules, host, rule_texts),
            before,
            "".join(text for _, text in rule_texts),
        )
    ]


def lift(host: Host) -> list[ControlAction]:
    """Return the action that deletes Proscribe's rule files, after which fapolicyd loads the remaining rules.

    Return [] if no such file exists.
    """
    if not any(host.has_traces(path) for path in (RULES_PATH, FALLBACK_RULES_PATH)):
        return []
    before = "".join(host.read_text(path) or "" for path in (RULES_PATH, FALLBACK_RULES_PATH))
    return [
        ControlAction(
            "delete", RULES_PATH, partial(_load_rules, host, [(RULES_PATH, ""), (FALLBACK_RULES_PATH, "")]), before
        )
    ]


def _load_rules(host: Host, rule_texts: Sequence[tuple[str, str]]) -> None:
    """Write and load the rules.

    If a needed program or fapolicyd then fails, revert them and raise ControlError. `rule_texts` are pairs of a path
    and the text of the file; "" deletes the file. A needed program (START_PROBES) that did not start before either is
    no reason.
    """
    earlier_texts = [(path, host.read_text(path) or "") for path, _ in rule_texts]
    started_probes = [probe for probe in START_PROBES if host.find_tool(probe[0]) and _is_startable(host, probe)]
    was_running = is_daemon_running(host)
    _check_rules(host, "".join(text for _, text in rule_texts))
    try:
        _install_rules(host, rule_texts)
        if denied_programs := [probe[0] for probe in started_probes if not _is_startable(host, probe)]:
            raise ControlError(f"{', '.join(denied_programs)} did not start any more")
        if was_running and not is_daemon_running(host):
            raise ControlError("fapolicyd itself ended over them")
    except ControlError as error:
        # the files are written before fagenrules runs, so they are restored even if fagenrules fails
        with contextlib.suppress(ControlError):
            _install_rules(host, earlier_texts)
        raise ControlError(f"the rules were taken back: {error}") from None


def _check_rules(host: Host, text: str) -> None:
    """Check the text of rules, before fapolicyd can read it.

    Raises ControlError for an invalid rule. Each rule must have the form of Proscribe's rules. fapolicyd itself checks
    them too, if its version can do so without loading them.
    """
    lines = [line for line in text.splitlines() if not line.startswith("#")]
    if odd_lines := [line for line in lines if not RULE_PATTERN.fullmatch(line)]:
        raise ControlError(f"not loaded, since this is no rule of ours: {odd_lines[0]!a}")
    help_result = host.run_command(["fapolicyd-cli", "--help"]) if lines and host.find_tool("fapolicyd-cli") else None
    if help_result and "--check-rules" in help_result.out + help_result.err:
        try:
            host.write_file(STAGED_RULES_PATH, text, 0o600)
            host.read_command_output(["fapolicyd-cli", "--check-rules", STAGED_RULES_PATH])
        finally:
            host.delete_file(STAGED_RULES_PATH)


def _install_rules(host: Host, rule_texts: Sequence[tuple[str, str]]) -> None:
    """Write the rule files, and load all rules of the host into fapolicyd. Raises ControlError."""
    _write_rule_files(host, rule_texts)
    if host.find_tool("fagenrules"):
        if not host.list_directory(RULES_DIRECTORY) and host.find_entry(COMPILED_RULES_PATH):
            # without any rules file, fagenrules would leave Proscribe's rules among the compiled rules
            host.delete_file(COMPILED_RULES_PATH)
        host.read_command_output(["fagenrules", "--check"])
        host.read_command_output(["fagenrules", "--load"])


def _write_rule_files(host: Host, rule_texts: Sequence[tuple[str, str]]) -> None:
    for path, text in rule_texts:
        if text:
            host.write_file(path, text)
        elif host.has_traces(path):
            host.delete_file(path)


def _is_startable(host: Host, probe: Sequence[str]) -> bool:
    """Return whether the program of the command `probe` can be started.

    Only 126 and 127 mean that it cannot. Other exit codes do not count: an older sshd does not know -V.
    """
    try:
        return host.run_command(list(probe), timeout=20).rc not in (126, 127)
    except ControlError:
        return False
