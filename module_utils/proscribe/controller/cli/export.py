"""Command `./proscribe export`: the ban in the format of enforcement points that Ansible does not reach.

No host is contacted.
"""

from __future__ import annotations

import argparse
import datetime
import hashlib
from pathlib import Path

from ...base.duration import format_moment
from ...host.system import ControlError
from ..compile.plans.due_exports import add_signing
from ..compile.plans.host_plans import CompiledPlans, compile_hosts
from ..compile.plans.timeline import find_first_moment
from ..compile.restrictions.export_settings import FedExport
from ..enforcement_points import export_directory, manifest, signature
from ..enforcement_points.decision import make_decision
from ..enforcement_points.export_formats import EXPORT_FORMATS
from ..enforcement_points.format_declaration import ExportDecision, ExportError, ExportFormat, RenderedExport
from ..report.text.terminal_layout import fit_lines, get_screen_width
from ..report.text.wording import clean_text, format_count
from . import CommandError, export_all, inventory, print_message
from .explain import parse_time_option

MAX_NAMED_ITEMS = 3  # omitted items that the summary names, per reason
OUTDATED_CODE, EXPIRED_CODE, NOT_SIGNED_CODE = 1, 3, 4

EPILOG = """\
The decision is for the hosts of the inventory, or of a group of it: their variables and waivers count, whether
Proscribe serves them or not. A group of phones or of guests has one host that represents them. All of the hosts need
one policy. A waiver opens a service only if every one of them has it, for all users and at all hours.

DIR is made, or it is empty, or it has an earlier export, which is replaced as a whole. Its manifest.json has the plan,
what is in the export, what is not, and until when it is valid: the first begin or end of a waiver in it. The same
policy at the same --at gives the same bytes.

--check says whether DIR is what would be written now, with the exit code 0. Otherwise it is 4 where manifest.json is
not signed or its signature does not count, else 3 where the export is not valid any more, else 1; 2 without an export.
With --key, or proscribe_exports_key of the inventory, manifest.json.sig is written, and --check demands it.

  ./proscribe export rpz --group guests -o /srv/dns/guests
  ./proscribe export nft -i inventory/prod --group site_routers -o build/router --at 2027-01-01T00:00:00+08:00
  ./proscribe export all --group guests -o /srv/exports      # one directory in DIR for each format"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of `./proscribe export` to its parser, and set its help texts."""
    parser.description = "Write the ban for what Ansible does not reach, in the form that it takes."
    width = max(map(len, EXPORT_FORMATS))
    formats = "\n".join(
        f"  {export_format.name:{width}}  {export_format.purpose}" for export_format in EXPORT_FORMATS.values()
    )
    parser.epilog = f"FORMAT is one of:\n{formats}\n\n{EPILOG}"
    choices = [*EXPORT_FORMATS, export_all.ALL_FORMATS]
    parser.add_argument("format", metavar="FORMAT", choices=choices, help="the form, see below, or all")
    parser.add_argument("-o", "--output", metavar="DIR", required=True, help="the directory to write")
    parser.add_argument("--group", metavar="GROUP", default="", help="for the hosts of this group only")
    parser.add_argument(
        "--at", type=parse_time_option, metavar="TIME", help="as of that time, with its zone (default: now)"
    )
    action_group = parser.add_mutually_exclusive_group()
    action_group.add_argument(
        "--check", action="store_true", help="write nothing: exit code 1 where DIR is not up to date"
    )
    action_group.add_argument(
        "--replace", action="store_true", help="also an earlier export of another format or group"
    )
    parser.add_argument("--key", default="", metavar="FILE", help="sign with it (default: proscribe_exports_key)")
    inventory.add_inventory_options(parser)


def run(arguments: argparse.Namespace) -> int:
    """Write or check the export of one format or of all formats, print a summary, and return the exit code.

    Raises CommandError for an export that cannot be made, PolicyErrors, OSError.
    """
    now = (arguments.at or datetime.datetime.now(datetime.timezone.utc)).replace(microsecond=0)
    compile_input = inventory.read_compile_input(arguments, group=arguments.group, only_served=False)
    compiled = add_signing(compile_hosts(compile_input, now), compile_input, arguments.key)
    if arguments.format == export_all.ALL_FORMATS:
        return export_all.export_all_formats(
            Path(arguments.output),
            lambda format_, directory: _export_format(format_, arguments, compiled, now, str(directory), max_lines=1),
        )
    format_ = EXPORT_FORMATS[arguments.format]
    try:
        return _export_format(format_, arguments, compiled, now, arguments.output)
    except (ExportError, ControlError) as error:
        raise CommandError(f"export {format_.name}: {error}") from None


def _export_format(
    format_: ExportFormat,
    arguments: argparse.Namespace,
    compiled: CompiledPlans,
    now: datetime.datetime,
    output_path: str,
    max_lines: int | None = None,
) -> int:
    """Write or check the export of one format in a directory, print the result, and return the exit code.

    A written export gets a summary, of which only the first `max_lines` lines are printed (None: all). Raises
    ExportError, ControlError, CommandError, OSError.
    """
    directory = Path(output_path)
    earlier_export = _read_earlier_export(format_, arguments.group, directory, replace=arguments.replace)
    if arguments.check:
        if earlier_export is None:
            # This raises ExportError if the policy has nothing to export: then it is right that no export exists.
            _decide_export(format_, compiled, now, arguments.group)
        return _check_export(format_, compiled, now, directory, earlier_export)
    decision, rendered = _write_export(format_, compiled, now, arguments.group, directory)
    print(fit_lines("\n".join(_format_summary(decision, rendered, output_path)[:max_lines]), get_screen_width()))
    return 0


def update_export(fed_export: FedExport, compiled: CompiledPlans, now: datetime.datetime) -> list[str]:
    """Write an export again if it is missing, outdated or not signed as required, and return the differences.

    The result is a list of texts, [] if the export was current. Scheduled runs keep exports current with this function.
    Raises CommandError, OSError if the export cannot be written.
    """
    format_, directory = EXPORT_FORMATS[fed_export.format], Path(fed_export.directory)
    try:
        earlier_export = _read_earlier_export(format_, fed_export.group, directory)
        differences = ["there was none"]
        if earlier_export is not None and earlier_export.compiled_at is not None:
            differences = _find_signature_problems(directory, compiled, now)
            differences += _list_differences(
                format_, compiled, now, directory, earlier_export, earlier_export.compiled_at
            )
        if differences:
            _write_export(format_, compiled, now, fed_export.group, directory)
    except (ExportError, ControlError) as error:
        raise CommandError(f"export {format_.name}: {error}") from None
    return differences


def _read_earlier_export(
    format_: ExportFormat, group: str, directory: Path, replace: bool = False
) -> manifest.EarlierExport | None:
    """Return the data of the export in a directory; None if the directory has none.

    Raises CommandError for an export of another format or group, unless `replace` permits to replace it.
    """
    earlier_export = export_directory.read_earlier_export(directory)
    if (
        earlier_export is not None
        and (earlier_export.format, earlier_export.group) != (format_.name, group)
        and not replace
    ):
        group_note = f" of group {earlier_export.group}" if earlier_export.group else ""
        expected = "another directory, or --replace where it is meant"
        raise CommandError(
            clean_text(f"{directory} has an export {earlier_export.format}{group_note}; expected {expected}")
        )
    return earlier_export


def _write_export(
    format_: ExportFormat, compiled: CompiledPlans, now: datetime.datetime, group: str, directory: Path
) -> tuple[ExportDecision, RenderedExport]:
    """Write the files of an export, its manifest, and its signature if a key is set, into a directory.

    Returns the decision (the joined plan of all hosts) and the rendered files. Raises ExportError, ControlError,
    OSError.
    """
    decision, rendered = _decide_export(format_, compiled, now, group)
    manifest_text = manifest.encode_manifest(manifest.make_manifest(format_, decision, rendered))
    signature_files = signature.sign_manifest(
        manifest_text, compiled.signing, datetime.datetime.now(datetime.timezone.utc)
    )
    export_directory.write_export(
        directory, {**rendered.files, manifest.MANIFEST_NAME: manifest_text, **signature_files}
    )
    return decision, rendered


def _decide_export(
    format_: ExportFormat, compiled: CompiledPlans, at: datetime.datetime, group: str
) -> tuple[ExportDecision, RenderedExport]:
    """Return the decision (the joined plan of all hosts) and the rendered files of an export as of the time `at`.

    Raises ExportError for hosts without a common decision, and for a decision that the format cannot express.
    """
    plans = {host: compiled.plans[digest] for host, digest in compiled.hosts.items()}
    decision = make_decision(plans, at, group, format_.controls)
    decision = decision._replace(valid_until=_find_valid_until(compiled, format_, at))
    return decision, format_.render_export(decision)


def _find_valid_until(
    compiled: CompiledPlans, format_: ExportFormat, at: datetime.datetime
) -> datetime.datetime | None:
    """Return the first time after `at` at which the ban starts, or a waiver of the hosts starts or ends.

    Only waivers of the controls of the format count. Returns None if no such time is known.
    """
    moments = {
        moment
        for waiver, judged_waiver in compiled.waivers
        if (judged_waiver.is_waiving or waiver.starts > at) and set(judged_waiver.hosts) & compiled.hosts.keys()
        if set(waiver.controls) & set(format_.controls)
        for moment in (waiver.starts, waiver.ends)
    }
    moments |= {
        start
        for restriction in compiled.restrictions.values()
        if (start := find_first_moment(restriction.effective_from))
    }
    return min((moment for moment in moments if moment > at), default=None)


def _check_export(
    format_: ExportFormat,
    compiled: CompiledPlans,
    now: datetime.datetime,
    directory: Path,
    earlier_export: manifest.EarlierExport | None,
) -> int:
    """Print the differences between a directory and the current export, and the defects of its signature.

    Returns the exit code: 0 for an export that is up to date, 4 for a defective signature. An expired export gives 3,
    and other differences give 1. Raises ExportError if the directory has no export.
    """
    if earlier_export is None or earlier_export.compiled_at is None:
        raise ExportError(f"{directory} has no export to check")
    signature_problems = _find_signature_problems(directory, compiled, now)
    differences = _list_differences(format_, compiled, now, directory, earlier_export, earlier_export.compiled_at)
    up_to_date_note = (
        f"up to date, export {earlier_export.format} as of {format_moment(earlier_export.compiled_at)}, "
        f"plan {earlier_export.plan[:19]}"
    )
    for line in [*signature_problems, *differences] or [up_to_date_note]:
        print_message(clean_text(f"{directory}: {line}"))
    if signature_problems:
        return NOT_SIGNED_CODE
    return EXPIRED_CODE if _is_expired(earlier_export, now) else OUTDATED_CODE if differences else 0


def _find_signature_problems(directory: Path, compiled: CompiledPlans, now: datetime.datetime) -> list[str]:
    """Return the problem of an export's signature as a list of at most one text.

    The list is empty if the signature is valid, or missing and not required.
    """
    content = export_directory.read_export_file(directory / manifest.MANIFEST_NAME) or b""
    problem = signature.check_signature(directory, content, compiled.signing, now).problem
    return [f"its signature does not count: {problem}"] if problem else []


def _is_expired(earlier_export: manifest.EarlierExport, now: datetime.datetime) -> bool:
    return earlier_export.valid_until is not None and earlier_export.valid_until <= now


def _list_differences(
    format_: ExportFormat,
    compiled: CompiledPlans,
    now: datetime.datetime,
    directory: Path,
    earlier_export: manifest.EarlierExport,
    at: datetime.datetime,
) -> list[str]:
    """Return texts about the differences between the export in a directory and the export of the current policy.

    The current policy is rendered as of `at`, the time of the earlier export, because the files contain this time.
    """
    _, rendered = _decide_export(format_, compiled, at, earlier_export.group)
    differences = []
    if earlier_export.valid_until and _is_expired(earlier_export, now):
        differences.append(f"it was valid until {format_moment(earlier_export.valid_until)}")
    for path in sorted({*rendered.files, *earlier_export.files}):
        expected_content, content = rendered.files.get(path), export_directory.read_export_file(directory / path)
        if content is None or hashlib.sha256(content).hexdigest() != earlier_export.files.get(path):
            differences.append(f"{path} was changed, or is gone, since it was written")
        elif expected_content is None or hashlib.sha256(expected_content).hexdigest() != earlier_export.files[path]:
            differences.append(f"{path} has another content by the policy of now")
    return differences


def _format_summary(decision: ExportDecision, rendered: RenderedExport, directory: str) -> list[str]:
    """Return the lines of the summary: the export, then each reason for an omission with its first items."""
    count = format_count(len(set(rendered.included_rules)), "rule")
    group_note = f" of group {decision.group}" if decision.group else ""
    lines = [
        f"{directory}: {count} for {format_count(len(decision.hosts), 'host')}{group_note}, plan {decision.digest[:19]}"
    ]
    reasons: dict[str, list[str]] = {}
    for exclusion in dict.fromkeys([*decision.left_out, *rendered.left_out]):
        reasons.setdefault(exclusion.reason, []).append(
            f"{exclusion.rule}, {exclusion.subject}" if exclusion.rule else exclusion.subject
        )
    if reasons:
        lines.append(f"Not as on hosts ({manifest.MANIFEST_NAME} has all of it):")
    for why, items in reasons.items():
        lines += [f"  {why}", *(f"    {clean_text(excluded)}" for excluded in items[:MAX_NAMED_ITEMS])]
        lines += [f"    and {len(items) - MAX_NAMED_ITEMS:,} more"] if len(items) > MAX_NAMED_ITEMS else []
    return [clean_text(line) for line in lines]
