"""Rules for fapolicyd put in force: checked before, tried after, and taken back where a host would suffer from them."""

from __future__ import annotations

import contextlib
import re
from functools import partial
from typing import TYPE_CHECKING, Sequence

from ....system import STATE_DIRECTORY, ControlError, Host
from ...base import Action
from ..desired import Desired
from .fapolicyd import COMPILED, FOLDER, REST, RULES, differs, files, in_force, requested, runs

if TYPE_CHECKING:
    from .....model.types.plan import PlanSection

STAGED = STATE_DIRECTORY + "/fapolicyd.rules"  # only while it is being checked
# All that a rule of ours can be. fapolicyd before 1.5 can only check rules by loading them.
RULE = re.compile(r"(allow|deny_syslog) perm=(execute|any) (all|uid=[0-9]+) : (all|path=/\S+[^/\s]|dir=/\S+/)")

# What has to start afterwards as it did before: the login programs, and what repairs a host. Each as a harmless call.
PROBES = (
    ("sshd", "-V"),
    ("sudo", "-V"),
    ("python3", "-I", "-c", ""),
    ("sh", "-c", ":"),
    ("systemctl", "--version"),
    ("dpkg", "--version"),
    ("rpm", "--version"),
)


def enforce(host: Host, section: PlanSection, desired: Desired) -> list[Action]:
    """One action for all files, since they are put in force, and taken back, together."""
    if requested(section) and not host.find_tool("fagenrules"):
        return []
    said = [(path, text) for path, text in files(host, section, desired)]
    if not any(differs(host, path, text) for path, text in said) and (not requested(section) or in_force(host)):
        return []
    before = "".join(host.read_text(path) or "" for path, _ in said)
    return [Action("load", "fapolicyd rules", partial(_load, host, said), before, "".join(text for _, text in said))]


def lift(host: Host) -> list[Action]:
    """Take our files away, and have fapolicyd read what is left."""
    if not any(host.has_traces(path) for path in (RULES, REST)):
        return []
    before = "".join(host.read_text(path) or "" for path in (RULES, REST))
    return [Action("delete", RULES, partial(_load, host, [(RULES, ""), (REST, "")]), before)]


def _load(host: Host, desired: Sequence[tuple[str, str]]) -> None:
    before = [(path, host.read_text(path) or "") for path, _ in desired]
    started = [probe for probe in PROBES if host.find_tool(probe[0]) and _starts(host, probe)]
    daemon = runs(host)
    _check(host, "".join(text for _, text in desired))
    try:
        _put_in_force(host, desired)
        if denied := [probe[0] for probe in started if not _starts(host, probe)]:
            raise ControlError(f"{', '.join(denied)} did not start any more")
        if daemon and not runs(host):
            raise ControlError("fapolicyd itself ended over them")
    except ControlError as error:
        with contextlib.suppress(ControlError):  # the files are back then, whatever fagenrules says of them
            _put_in_force(host, before)
        raise ControlError(f"the rules were taken back: {error}") from None


def _check(host: Host, text: str) -> None:
    """Check rules before anything can read them. Raises ControlError."""
    lines = [line for line in text.splitlines() if not line.startswith("#")]
    if odd := [line for line in lines if not RULE.fullmatch(line)]:
        raise ControlError(f"not loaded, since this is no rule of ours: {odd[0]!a}")
    offered = host.run_command(["fapolicyd-cli", "--help"]) if lines and host.find_tool("fapolicyd-cli") else None
    if offered and "--check-rules" in offered.out + offered.err:
        try:
            host.write_file(STAGED, text, 0o600)
            host.read_command_output(["fapolicyd-cli", "--check-rules", STAGED])
        finally:
            host.delete_file(STAGED)


def _put_in_force(host: Host, said: Sequence[tuple[str, str]]) -> None:
    _write(host, said)
    if host.find_tool("fagenrules"):
        if not host.list_directory(FOLDER) and host.find_entry(COMPILED):
            host.delete_file(COMPILED)  # without any rules file, fagenrules would leave what it made of ours
        host.read_command_output(["fagenrules", "--check"])
        host.read_command_output(["fagenrules", "--load"])


def _write(host: Host, said: Sequence[tuple[str, str]]) -> None:
    for path, text in said:
        if text:
            host.write_file(path, text)
        elif host.has_traces(path):
            host.delete_file(path)


def _starts(host: Host, probe: Sequence[str]) -> bool:
    """Whether a program can be started at all; what it answers is its own matter (an older sshd knows no -V)."""
    try:
        return host.run_command(list(probe), timeout=20).rc not in (126, 127)
    except ControlError:
        return False
