"""What to do next: a few lines that fit what the run found."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence

from ....base.patterns import compile_pattern
from ....model.finding import ERROR, NONCOMPLIANT, WAIVED
from ....model.types.record import HostRecord
from ....model.types.report import FleetReport, ReportRun, RolloutReport
from ....wire import installation
from ..text.command import CHECK, Call, Subcommand, Suggestion
from ..text.wording import counted, not_in_force
from . import since_last_run
from .arithmetic import MET, covered
from .groups import needs_root
from .modes import correctable, only_observed, stays_noncompliant
from .scope import in_effect, left_out

FEW_HOSTS = 4  # so many are named in a command
NOT_REACHED = "not_reached.txt"  # the hosts whose turn did not come, beside the report of a run that was stopped
SET_ASIDE = "set_aside.txt"  # the hosts that were left as found, so that the others could be corrected
NOT_DONE = "not_done.txt"  # the same of a run that was interrupted, with those that were not observed
NONCOMPLIANT_LIST, UNKNOWN_LIST = LISTS = ("noncompliant.txt", "unknown.txt")  # of any run
ENFORCING = "enforce"
PLAIN = compile_pattern(r"[A-Za-z0-9_.-]+")  # a host name that means only itself, to the shell and in a host pattern


def not_done(run: ReportRun, records: Sequence[HostRecord]) -> list[str]:
    """The hosts of a run that was interrupted with which it was not done; none of another run."""
    if not run.get("interrupted"):
        return []
    corrects = run["mode"] == ENFORCING
    return [record["host"] for record in records if not covered(record) or (corrects and correctable(record))]


def host_lists(run: ReportRun, records: Sequence[HostRecord]) -> dict[str, list[str]]:
    """Files beside the report with the hosts to come back to, too many to name in a command; for `--limit @FILE`."""
    found = {
        NOT_DONE: not_done(run, records),
        NONCOMPLIANT_LIST: [record["host"] for record in records if record["state"] == NONCOMPLIANT],
        UNKNOWN_LIST: [record["host"] for record in records if not covered(record)],
    }
    return {name: hosts for name, hosts in found.items() if len(hosts) > FEW_HOSTS}


def advice(report: FleetReport, records: Sequence[HostRecord], directory: str = "") -> list[Suggestion]:
    """At most eight steps for the operator. `directory` is where the report is, "" if it is nowhere."""
    if report.get("department"):  # its reader cannot run anything, and no command reaches just its hosts
        return []
    run, call = report["run"], Call.of(report["run"])
    bad = [record["host"] for record in records if record["state"] == NONCOMPLIANT]
    silent = [record["host"] for record in records if not covered(record)]
    away = any(str(record["reason"]).startswith("unreachable") for record in records)
    steps: list[Suggestion] = []
    apart = len(report.get("not_served") or ())
    if not records and apart:
        return [Suggestion("Proscribe serves none of these hosts: it observes no network devices")]
    if not records:
        return [Suggestion("no host was selected: check the inventory (-i), the limit (-l) and the tags")]
    rollout, left = report.get("rollout"), not_done(run, records)
    if left:
        command = call.again(_limit(run, left, directory and f"{directory}/{NOT_DONE}"))
        steps.append(Suggestion(f"go on with what was not done ({counted(len(left), 'host')}):", command))
    elif rollout and (rollout["not_reached"] or rollout.get("set_aside")):
        steps += [*_go_on(run, call, rollout, directory), *_check_first(run, call, rollout, directory)]
    elif wrong := [record["host"] for record in records if correctable(record)]:
        stays = any(map(stays_noncompliant, records))
        steps += _correct(run, call, wrong, directory, "corrects what is enforced" if stays else "corrects it")
    elif bad and all(only_observed(record) for record in records if record["state"] == NONCOMPLIANT):
        steps.append(Suggestion("Windows hosts and Macs are only observed: correct them by their own management"))
    elif bad:
        steps.append(
            Suggestion("what is noncompliant is only audited: enforcing leaves it as it is (proscribe_controls)")
        )
    if blind := needs_root(records):
        become = () if {"-b", "--become"} & {*call.options} else ("-b",)
        command = call.again(_limit(run, blind), become)
        steps.append(
            Suggestion("check as root what could not be observed (-K too if sudo asks for a password):", command)
        )
    if silent and not left:
        command = call.again(_limit(run, silent, directory and f"{directory}/{UNKNOWN_LIST}"))
        steps.append(Suggestion(_ask_again(report, silent, away), command))
    if any(step.command for step in steps):
        steps[:0] = call.secrets()
    if waiting := since_last_run.waiting(report):
        steps.append(Suggestion(f"{waiting}:", call.command("requests", run["inventory"] or ())))
    if any(record["state"] == ERROR for record in records):
        steps.append(Suggestion("errors: correct what they name and run again; -v shows every task"))
    steps += _in_order(report, records)
    if stale := run.get("stale_catalog"):
        own, *others = stale["directories"]
        options: dict[str, str | list[str]] = {"max-age": f"{stale['max_days']}d"}
        options |= {"catalog": own} if own != str(installation.CATALOGUE) else {}
        options |= {"dir": others} if others else {}
        command = call.command("catalog", more=Subcommand("stale", options))
        why = f"list what nobody has checked for {stale['max_days']} days, with what to do:"
        steps.append(Suggestion(why, command))
    return steps


def _in_order(report: FleetReport, records: Sequence[HostRecord]) -> list[Suggestion]:
    """What to say where there is nothing to correct; nothing elsewhere."""
    if idle := not_in_force(report):
        return [Suggestion(f"nothing: {idle}")]
    states, run, apart = {record["state"] for record in records}, report["run"], len(report.get("not_served") or ())
    if not states <= {*MET, WAIVED}:
        return []
    where = "this host" if len(records) == 1 else "every host"
    where += "" if left_out(run) == 0 else " that was selected"
    served = f" that is served; {counted(apart, 'host')} not served" if apart else ""
    waiving = ", but for waivers" if WAIVED in states else ""
    happened = since_last_run.headline(report)
    return [
        Suggestion(f"nothing: {in_effect(run)} on {where}{served}{waiving}"),
        *([Suggestion(f"read what happened between two runs: {', '.join(happened)}")] if happened else []),
    ]


def shorter(path: str, here: str) -> str:
    """Return a path as a user types it: relative where it lies below `here`. Services run in /: there it stays whole,
    because a reader of the journal is in another directory.
    """
    top = here.rstrip("/")
    return os.path.relpath(path, here) if top and path.startswith(f"{top}/") else path


def _correct(run: ReportRun, call: Call, bad: Sequence[str], directory: str, does: str) -> list[Suggestion]:
    limit = _limit(run, bad, directory and f"{directory}/{NONCOMPLIANT_LIST}")
    if run["mode"] == CHECK:
        return [Suggestion("nothing was changed; to make these changes:", call.again(limit, dry=False))]
    if run["mode"] == "enforce":
        return [Suggestion("enforcing did not correct everything: see what was refused or is only audited, above")]
    dry = call.instead(ENFORCING, limit)
    if dry is None:
        whose = os.path.basename(call.playbook)
        return [Suggestion(f"enforce by a play with the hosts and variables of {whose}: it {does}")]
    return [Suggestion("see what would change:", dry), Suggestion(f"the same without --check --diff {does}")]


def _go_on(run: ReportRun, call: Call, rollout: RolloutReport, directory: str) -> list[Suggestion]:
    """How to go on with a run that was stopped."""
    if not rollout["not_reached"]:
        return []
    limit = f"@{directory}/{NOT_REACHED}" if directory else run["limit"] or ""
    left = counted(rollout["not_reached"], "host")
    if not rollout["allow"]:
        return [Suggestion(f"go on with the other {left}, once the failure is corrected:", call.again(limit))]
    allow = ("-e", json.dumps({"proscribe_max_change": rollout["allow"]}))
    return [
        Suggestion(f"see what would change on the other {left}:", call.again(limit, dry=True)),
        Suggestion("go on, if all of these changes are intended:", call.again(limit, allow)),
    ]


def _check_first(run: ReportRun, call: Call, rollout: RolloutReport, directory: str) -> list[Suggestion]:
    """What to do with hosts that were set aside."""
    hosts = [one["host"] for one in rollout.get("set_aside") or ()]
    if not hosts:
        return []
    command = call.again(_limit(run, hosts, directory and f"{directory}/{SET_ASIDE}"), dry=True)
    which = "the host that was" if len(hosts) == 1 else f"the {counted(len(hosts), 'host')} that were"
    return [Suggestion(f"see what would change on {which} set aside:", command)]


def _ask_again(report: FleetReport, silent: Sequence[str], away: bool) -> str:
    """Say what running a report's run again does on the hosts of which it knows nothing."""
    lifted = {one["host"] for one in report.get("lifted") or ()}
    if report["run"]["mode"] != ENFORCING or lifted.isdisjoint(silent):
        return f"ask {_these(silent)} again{', once reachable' if away else ''}:"
    others = "" if lifted.issuperset(silent) else ", and on hosts that did not answer"
    return f"enforce the ban again where it was lifted{others}:"


def _these(hosts: Sequence[str]) -> str:
    return "it" if len(hosts) == 1 else f"these {counted(len(hosts), 'host')}"


def _limit(run: ReportRun, hosts: Sequence[str], listed: str = "") -> str:
    """The --limit that means these hosts of the run; `listed` is the file that `host_lists` gives for them."""
    fewer = len(hosts) < run["expected_hosts"]
    if fewer and len(hosts) <= FEW_HOSTS and all(PLAIN.fullmatch(host) for host in hosts):
        return ",".join(hosts)
    if fewer and len(hosts) > FEW_HOSTS and listed:
        return f"@{listed}"
    # ansible-pull names each host that it may be, and some of these are one name.
    return ",".join(dict.fromkeys(str(run["limit"] or "").split(",")))
