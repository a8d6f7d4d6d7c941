"""Rules for fapolicyd put in force: checked before, tried after, and taken back where a host would suffer from them."""

from __future__ import annotations

from functools import partial
from typing import Any, Mapping, Sequence

from ...host import ControlError, Host
from ..base import Action
from .exec_control import REST, RULES, asked, differs, files, in_force
from .sight import Wanted

# What has to start afterwards as it did before: the ways in, and what mends a host. Each as a harmless call.
PROBES = (
    ("sshd", "-V"),
    ("sudo", "-V"),
    ("python3", "-I", "-c", ""),
    ("sh", "-c", ":"),
    ("systemctl", "--version"),
    ("dpkg", "--version"),
    ("rpm", "--version"),
)


def enforce(host: Host, section: Mapping[str, Any], wanted: Wanted) -> list[Action]:
    """One action for all files, since they are put in force, and taken back, together."""
    if asked(section) and not host.tool("fagenrules"):
        return []
    said = [(path, text) for path, text in files(host, section, wanted)]
    if not any(differs(host, path, text) for path, text in said) and (not asked(section) or in_force(host)):
        return []
    before = "".join(host.text(path) or "" for path, _ in said)
    return [Action("load", "fapolicyd rules", partial(_load, host, said), before, "".join(text for _, text in said))]


def lift(host: Host) -> list[Action]:
    """Take our files away, and have fapolicyd read what is left."""
    if not any(host.traces(path) for path in (RULES, REST)):
        return []
    before = "".join(host.text(path) or "" for path in (RULES, REST))
    return [Action("delete", RULES, partial(_load, host, [(RULES, ""), (REST, "")]), before)]


def _load(host: Host, wanted: Sequence[tuple[str, str]]) -> None:
    before = [(path, host.text(path) or "") for path, _ in wanted]
    runs = [probe for probe in PROBES if host.tool(probe[0]) and _starts(host, probe)]
    try:
        _write(host, wanted)
        if host.tool("fagenrules"):
            host.must(["fagenrules", "--check"])
            host.must(["fagenrules", "--load"])
            if "--check-rules" in host.run(["fapolicyd-cli", "--help"]).out:  # since 1.5
                host.must(["fapolicyd-cli", "--check-rules"])
        if denied := [probe[0] for probe in runs if not _starts(host, probe)]:
            raise ControlError(f"{', '.join(denied)} did not start any more")
    except ControlError as error:
        _write(host, before)
        if host.tool("fagenrules"):
            host.run(["fagenrules", "--load"])
        raise ControlError(f"the rules were taken back: {error}") from None


def _write(host: Host, said: Sequence[tuple[str, str]]) -> None:
    for path, text in said:
        if text:
            host.write(path, text)
        elif host.traces(path):
            host.delete(path)


def _starts(host: Host, probe: Sequence[str]) -> bool:
    """Whether a program can be started at all; what it answers is its own matter (an older sshd knows no -V)."""
    try:
        return host.run(list(probe), timeout=20).rc not in (126, 127)
    except ControlError:
        return False
