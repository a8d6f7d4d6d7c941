"""The next steps that fit the result of a run, in a few lines."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence

from ....base.lazy_patterns import compile_pattern
from ....model.finding import ERROR, NONCOMPLIANT, WAIVED
from ....model.types.record import HostRecord
from ....model.types.report import FleetReport, ReportRun, RolloutReport
from ....wire import installation
from ..text.shell_commands import CHECK_MODE, CommandSuggestion, LauncherSubcommand, RunCall
from ..text.wording import describe_idle_ban, format_count
from . import watch_remark_groups
from .arithmetic import SETTLED_STATES, is_covered
from .control_modes import has_audited_noncompliance, is_correctable, is_only_observed
from .finding_groups import list_root_hosts
from .scope import count_left_out_hosts, describe_ban_effect

MAX_NAMED_HOSTS = 4  # most hosts that a command names; more hosts go to a file
NOT_REACHED_FILE = "not_reached.txt"  # the hosts that a stopped run did not reach; a file beside the report
SET_ASIDE_FILE = "set_aside.txt"  # the hosts that a run left uncorrected so that the others could be corrected
NOT_DONE_FILE = "not_done.txt"  # the hosts that an interrupted run did not reach or observe
# for the noncompliant and the unknown hosts of any run
NONCOMPLIANT_FILE, UNKNOWN_FILE = HOST_LIST_FILES = ("noncompliant.txt", "unknown.txt")
ENFORCING = "enforce"
# Host names that neither the shell nor Ansible's host patterns interpret.
PLAIN_HOST_NAME = compile_pattern(r"[A-Za-z0-9_.-]+")


def list_unfinished_hosts(run: ReportRun, records: Sequence[HostRecord]) -> list[str]:
    """Return the hosts that an interrupted run did not observe or correct; [] for other runs."""
    if not run.get("interrupted"):
        return []
    corrects = run["mode"] == ENFORCING
    return [record["host"] for record in records if not is_covered(record) or (corrects and is_correctable(record))]


def make_host_lists(run: ReportRun, records: Sequence[HostRecord]) -> dict[str, list[str]]:
    """Return the hosts that a run should process again, by the name of the file for `--limit @FILE`.

    A list of a few hosts is left out, because a command can name them.
    """
    hosts_by_file = {
        NOT_DONE_FILE: list_unfinished_hosts(run, records),
        NONCOMPLIANT_FILE: [record["host"] for record in records if record["state"] == NONCOMPLIANT],
        UNKNOWN_FILE: [record["host"] for record in records if not is_covered(record)],
    }
    return {name: hosts for name, hosts in hosts_by_file.items() if len(hosts) > MAX_NAMED_HOSTS}


def propose_next_steps(
    report: FleetReport, records: Sequence[HostRecord], directory: str = ""
) -> list[CommandSuggestion]:
    """Propose the operator's next steps, at most eight.

    `directory` has the files of the report; "" if it has none.
    """
    # A department's report has no next steps: its reader cannot run commands, and no command is limited to its hosts.
    if report.get("department"):
        return []
    run, call = report["run"], RunCall.read_run_call(report["run"])
    noncompliant_hosts = [record["host"] for record in records if record["state"] == NONCOMPLIANT]
    silent_hosts = [record["host"] for record in records if not is_covered(record)]
    has_unreachable = any(str(record["reason"]).startswith("unreachable") for record in records)
    steps: list[CommandSuggestion] = []
    not_served_count = len(report.get("not_served") or ())
    if not records and not_served_count:
        return [CommandSuggestion("Proscribe serves none of these hosts: it observes no network devices")]
    if not records:
        return [CommandSuggestion("no host was selected: check the inventory (-i), the limit (-l) and the tags")]
    rollout, unfinished_hosts = report.get("rollout"), list_unfinished_hosts(run, records)
    if unfinished_hosts:
        command = call.repeat_run(_make_limit(run, unfinished_hosts, directory and f"{directory}/{NOT_DONE_FILE}"))
        steps.append(
            CommandSuggestion(f"go on with what was not done ({format_count(len(unfinished_hosts), 'host')}):", command)
        )
    elif rollout and (rollout["not_reached"] or rollout.get("set_aside")):
        steps += [
            *_propose_continuation(run, call, rollout, directory),
            *_propose_set_aside_check(run, call, rollout, directory),
        ]
    elif correctable_hosts := [record["host"] for record in records if is_correctable(record)]:
        has_audited_findings = any(map(has_audited_noncompliance, records))
        steps += _propose_correction(
            run,
            call,
            correctable_hosts,
            directory,
            "corrects what is enforced" if has_audited_findings else "corrects it",
        )
    elif noncompliant_hosts and all(is_only_observed(record) for record in records if record["state"] == NONCOMPLIANT):
        steps.append(
            CommandSuggestion("Windows hosts and Macs are only observed: correct them by their own management")
        )
    elif noncompliant_hosts:
        steps.append(
            CommandSuggestion("what is noncompliant is only audited: enforcing leaves it as it is (proscribe_controls)")
        )
    if root_hosts := list_root_hosts(records):
        become = () if {"-b", "--become"} & {*call.options} else ("-b",)
        command = call.repeat_run(_make_limit(run, root_hosts), become)
        steps.append(
            CommandSuggestion("check as root what could not be observed (-K too if sudo asks for a password):", command)
        )
    if silent_hosts and not unfinished_hosts:  # the unfinished hosts include the silent hosts
        command = call.repeat_run(_make_limit(run, silent_hosts, directory and f"{directory}/{UNKNOWN_FILE}"))
        steps.append(CommandSuggestion(_describe_repetition(report, silent_hosts, has_unreachable), command))
    # The proposed commands need the secrets of this call, which they do not repeat.
    if any(step.command for step in steps):
        steps[:0] = call.list_secret_suggestions()
    if waiting_text := watch_remark_groups.describe_waiting_requests(report):
        steps.append(
            CommandSuggestion(f"{waiting_text}:", call.make_inventory_command("requests", run["inventory"] or ()))
        )
    if any(record["state"] == ERROR for record in records):
        steps.append(CommandSuggestion("errors: correct what they name and run again; -v shows every task"))
    steps += _propose_when_compliant(report, records)
    if stale_catalog := run.get("stale_catalog"):
        own_directory, *other_directories = stale_catalog["directories"]
        options: dict[str, str | list[str]] = {"max-age": f"{stale_catalog['max_days']}d"}
        options |= {"catalog": own_directory} if own_directory != str(installation.CATALOGUE) else {}
        options |= {"dir": other_directories} if other_directories else {}
        command = call.make_inventory_command("catalog", subcommand=LauncherSubcommand("stale", options))
        purpose = f"list what nobody has checked for {stale_catalog['max_days']} days, with what to do:"
        steps.append(CommandSuggestion(purpose, command))
    return steps


def _propose_when_compliant(report: FleetReport, records: Sequence[HostRecord]) -> list[CommandSuggestion]:
    """Propose steps after a run that found nothing to correct; [] after other runs."""
    if idle_reason := describe_idle_ban(report):
        return [CommandSuggestion(f"nothing: {idle_reason}")]
    states, run, not_served_count = (
        {record["state"] for record in records},
        report["run"],
        len(report.get("not_served") or ()),
    )
    if not states <= {*SETTLED_STATES, WAIVED}:  # a host needs an action
        return []
    hosts_text = "this host" if len(records) == 1 else "every host"
    hosts_text += "" if count_left_out_hosts(run) == 0 else " that was selected"
    served_text = f" that is served; {format_count(not_served_count, 'host')} not served" if not_served_count else ""
    waiver_text = ", but for waivers" if WAIVED in states else ""
    event_texts = watch_remark_groups.describe_watch_events(report)
    return [
        CommandSuggestion(f"nothing: {describe_ban_effect(run)} on {hosts_text}{served_text}{waiver_text}"),
        *([CommandSuggestion(f"read what happened between two runs: {', '.join(event_texts)}")] if event_texts else []),
    ]


def shorten_path(path: str, working_directory: str) -> str:
    """Return a path as a user types it: relative if it lies below `working_directory`.

    A service runs in `/`. The path stays absolute there, because a reader of its log is in another directory.
    """
    prefix = working_directory.rstrip("/")
    return os.path.relpath(path, working_directory) if prefix and path.startswith(f"{prefix}/") else path


def _propose_correction(
    run: ReportRun, call: RunCall, noncompliant_hosts: Sequence[str], directory: str, effect: str
) -> list[CommandSuggestion]:
    """Propose how to correct the noncompliant hosts after an audit, a dry run, or a run that enforced.

    `effect` describes what enforcing does. `directory` has the files of the report, or is "".
    """
    limit = _make_limit(run, noncompliant_hosts, directory and f"{directory}/{NONCOMPLIANT_FILE}")
    if run["mode"] == CHECK_MODE:
        return [
            CommandSuggestion("nothing was changed; to make these changes:", call.repeat_run(limit, is_dry_run=False))
        ]
    if run["mode"] == "enforce":
        return [
            CommandSuggestion("enforcing did not correct everything: see what was refused or is only audited, above")
        ]
    dry_run = call.make_other_playbook_command(ENFORCING, limit)
    if dry_run is None:  # the user wrote the playbook, and Proscribe's playbooks lack its hosts and variables
        playbook_name = os.path.basename(call.playbook)
        return [CommandSuggestion(f"enforce by a play with the hosts and variables of {playbook_name}: it {effect}")]
    return [
        CommandSuggestion("see what would change:", dry_run),
        CommandSuggestion(f"the same without --check --diff {effect}"),
    ]


def _propose_continuation(
    run: ReportRun, call: RunCall, rollout: RolloutReport, directory: str
) -> list[CommandSuggestion]:
    """Propose how to continue a run that was stopped; [] if the run reached all hosts to correct."""
    if not rollout["not_reached"]:
        return []
    limit = f"@{directory}/{NOT_REACHED_FILE}" if directory else run["limit"] or ""
    remaining_text = format_count(rollout["not_reached"], "host")
    if not rollout["allow"]:  # a failure stopped the run, and not the limit proscribe_max_change
        return [
            CommandSuggestion(
                f"go on with the other {remaining_text}, once the failure is corrected:", call.repeat_run(limit)
            )
        ]
    allow = ("-e", json.dumps({"proscribe_max_change": rollout["allow"]}))
    return [
        CommandSuggestion(
            f"see what would change on the other {remaining_text}:", call.repeat_run(limit, is_dry_run=True)
        ),
        CommandSuggestion("go on, if all of these changes are intended:", call.repeat_run(limit, allow)),
    ]


def _propose_set_aside_check(
    run: ReportRun, call: RunCall, rollout: RolloutReport, directory: str
) -> list[CommandSuggestion]:
    """Propose a dry run on the hosts that the run left uncorrected so that it could correct the others."""
    hosts = [entry["host"] for entry in rollout.get("set_aside") or ()]
    if not hosts:
        return []
    command = call.repeat_run(_make_limit(run, hosts, directory and f"{directory}/{SET_ASIDE_FILE}"), is_dry_run=True)
    hosts_text = "the host that was" if len(hosts) == 1 else f"the {format_count(len(hosts), 'host')} that were"
    return [CommandSuggestion(f"see what would change on {hosts_text} set aside:", command)]


def _describe_repetition(report: FleetReport, silent_hosts: Sequence[str], has_unreachable: bool) -> str:
    """Describe the effect of a further run on the hosts without a valid answer.

    From some of these hosts the ban may have been removed (lifted).
    """
    lifted_hosts = {lift_entry["host"] for lift_entry in report.get("lifted") or ()}
    if report["run"]["mode"] != ENFORCING or lifted_hosts.isdisjoint(silent_hosts):
        return f"ask {_format_pronoun(silent_hosts)} again{', once reachable' if has_unreachable else ''}:"
    others_text = "" if lifted_hosts.issuperset(silent_hosts) else ", and on hosts that did not answer"
    return f"enforce the ban again where it was lifted{others_text}:"


def _format_pronoun(hosts: Sequence[str]) -> str:
    return "it" if len(hosts) == 1 else f"these {format_count(len(hosts), 'host')}"


def _make_limit(run: ReportRun, hosts: Sequence[str], list_path: str = "") -> str:
    """Make the value of `--limit` for these hosts of the run.

    `list_path` is the file that lists the hosts, "" without such a file. If the hosts can be neither named nor listed,
    the result is the limit of the run.
    """
    is_subset = len(hosts) < run["expected_hosts"]
    if is_subset and len(hosts) <= MAX_NAMED_HOSTS and all(PLAIN_HOST_NAME.fullmatch(host) for host in hosts):
        return ",".join(hosts)
    if is_subset and len(hosts) > MAX_NAMED_HOSTS and list_path:
        return f"@{list_path}"
    # ansible-pull passes every name that its host may have as the limit, and some of these names are equal
    return ",".join(dict.fromkeys(str(run["limit"] or "").split(",")))
