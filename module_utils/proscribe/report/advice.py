"""What to do next: a few lines that fit what the run found."""

from __future__ import annotations

import json
import os
import re
import shlex
from collections.abc import Mapping, Sequence
from typing import Any

from ..finding import ERROR, NONCOMPLIANT, WAIVED
from .arithmetic import MET, covered
from .groups import needs_root
from .wording import clean, counted, not_in_force

FEW_HOSTS = 4  # so many are named in a command
NOT_REACHED = "not_reached.txt"  # the hosts whose turn did not come, beside the report of a run that was stopped
DEFAULT_INVENTORY = "inventory"  # the launcher's own, when no -i names another
PLAIN = re.compile(r"[A-Za-z0-9_.-]+")  # a host name that means only itself, to the shell and in a host pattern


def host_lists(records: Sequence[Mapping[str, Any]]) -> dict[str, list[str]]:
    """Files beside the report with the hosts to come back to, too many to name in a command; for `--limit @FILE`."""
    found = {
        "noncompliant.txt": [record["host"] for record in records if record["state"] == NONCOMPLIANT],
        "unknown.txt": [record["host"] for record in records if not covered(record)],
    }
    return {name: hosts for name, hosts in found.items() if len(hosts) > FEW_HOSTS}


def advice(
    report: Mapping[str, Any], records: Sequence[Mapping[str, Any]], directory: str = "", here: str = ""
) -> list[str]:
    """At most five lines for the operator, commands with their purpose after a #.

    `directory` is where the report is, "" if it is nowhere; `here` is the directory that commands are typed in.
    """
    run = {**report["run"], "inventory": [shorter(source, here) for source in report["run"]["inventory"] or ()]}
    directory = shorter(directory, here)
    bad = [record["host"] for record in records if record["state"] == NONCOMPLIANT]
    silent = [record["host"] for record in records if not covered(record)]
    away = any(str(record["reason"]).startswith("unreachable") for record in records)
    lines: list[str] = []
    apart = len(report.get("not_served") or ())
    if not records and apart:
        return ["none of these hosts is one that Proscribe serves: it looks at Linux hosts"]
    if not records:
        return ["no host was asked: check the inventory (-i), the limit (-l) and the tags"]
    rollout = report.get("rollout") or {}
    if rollout.get("not_reached"):
        lines += _go_on(run, rollout, directory)
    elif bad:
        lines += _correct(run, bad, directory)
    if blind := needs_root(records):
        command = _command(run, run["playbook"], blind)
        lines.append(f"{command} -b  # looks as root, and sees what stayed unseen (-K too if sudo asks for a password)")
    if silent:
        command = _command(run, run["playbook"], silent, directory and f"{directory}/unknown.txt")
        lines.append(f"{command}  # asks {_these(silent)} again{', once reachable' if away else ''}")
    if any(record["state"] == ERROR for record in records):
        lines.append("errors: put right what they name and run again; -v shows every task")
    if idle := not_in_force(report):
        lines.append(f"nothing: {idle}")
    elif all(record["state"] in (*MET, WAIVED) for record in records):
        waived = any(record["state"] == WAIVED for record in records)
        where = "this host" if len(records) == 1 else "every host"
        served = f" that is served; {counted(apart, 'host')} not served" if apart else ""
        lines.append(f"nothing: the ban holds on {where}{served}{', but for waivers' if waived else ''}")
    return lines


def shorter(path: str, here: str) -> str:
    """A path as one types it: relative where it lies below `here`."""
    return os.path.relpath(path, here) if here and path.startswith(f"{here.rstrip('/')}/") else path


def _correct(run: Mapping[str, Any], bad: Sequence[str], directory: str) -> list[str]:
    enforce = _command(run, "enforce", bad, directory and f"{directory}/noncompliant.txt")
    if run["mode"] == "check":
        return [f"nothing was changed; {enforce}  # does it"]
    if run["mode"] == "enforce":
        return ["enforcing did not correct everything: see what was refused or is only audited, above"]
    return [f"{enforce} --check --diff  # shows what would change", "the same without --check --diff puts it right"]


def _go_on(run: Mapping[str, Any], rollout: Mapping[str, Any], directory: str) -> list[str]:
    """How to go on with a run that was stopped."""
    listed = directory and f"{directory}/{NOT_REACHED}"
    limit = f"@{clean(listed)}" if listed else run["limit"]
    words = [*_words(run, "enforce"), *(["--limit", limit] if limit else [])]
    if len(run["controls"] or ()) not in (0, 4):
        words += ["--tags", ",".join(run["controls"])]
    command, left = shlex.join(words), counted(rollout["not_reached"], "host")
    if not rollout["allow"]:
        return [f"{command}  # goes on with the other {left}, once what failed is put right"]
    allow = shlex.quote(json.dumps({"proscribe_max_change": rollout["allow"]}))
    return [
        f"{command} --check --diff  # shows what would change on the other {left}",
        f"{command} -e {allow}  # goes on, if all of that is meant",
    ]


def _these(hosts: Sequence[str]) -> str:
    return "it" if len(hosts) == 1 else f"these {counted(len(hosts), 'host')}"


def _command(run: Mapping[str, Any], playbook: str, hosts: Sequence[str], listed: str = "") -> str:
    """The command that does this with these hosts only; `listed` is the file that `host_lists` gives for them."""
    words = _words(run, playbook)
    fewer = len(hosts) < run["expected_hosts"]
    if fewer and len(hosts) <= FEW_HOSTS and all(PLAIN.fullmatch(host) for host in hosts):
        words += ["--limit", ",".join(hosts)]
    elif fewer and len(hosts) > FEW_HOSTS and listed:
        words += ["--limit", f"@{listed}"]
    elif run["limit"]:
        words += ["--limit", run["limit"]]
    return " ".join(shlex.quote(clean(word)) for word in words)


def _words(run: Mapping[str, Any], playbook: str) -> list[str]:
    """The words of a command that runs a playbook with the inventory of a run."""
    words = ["./proscribe", playbook]
    if [source.rstrip("/") for source in run["inventory"]] != [DEFAULT_INVENTORY]:
        words += [word for source in run["inventory"] for word in ("-i", source)]
    return words
