"""`./proscribe export`: the ban for what Ansible does not reach, in the form that it takes. No host is touched."""

from __future__ import annotations

import argparse
import datetime
import hashlib
from pathlib import Path

from ...base.duration import format_moment
from ...host.system import ControlError
from ..compile.plans.hosts import CompiledPlans, compile_hosts
from ..compile.plans.points import add_signing
from ..compile.plans.timeline import find_first_moment
from ..compile.restrictions.points import FedExport
from ..enforcement_points import manifest, signature, writing
from ..enforcement_points.decision import decide
from ..enforcement_points.declaration import Decision, Format, NotExportable, Rendered
from ..enforcement_points.registry import FORMATS
from ..report.text.layout import fitted, screen_width
from ..report.text.wording import clean, counted
from . import Refused, export_all, inventory, say
from .explain import at

MOST_NAMED = 3  # for each reason
NOT_UP_TO_DATE, EXPIRED, NOT_SIGNED = 1, 3, 4

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
    """The options of the command."""
    parser.description = "Write the ban for what Ansible does not reach, in the form that it takes."
    width = max(map(len, FORMATS))
    formats = "\n".join(f"  {one.name:{width}}  {one.meant_for}" for one in FORMATS.values())
    parser.epilog = f"FORMAT is one of:\n{formats}\n\n{EPILOG}"
    choices = [*FORMATS, export_all.ALL]
    parser.add_argument("format", metavar="FORMAT", choices=choices, help="the form, see below, or all")
    parser.add_argument("-o", "--output", metavar="DIR", required=True, help="the directory to write")
    parser.add_argument("--group", metavar="GROUP", default="", help="for the hosts of this group only")
    parser.add_argument("--at", type=at, metavar="TIME", help="as of that time, with its zone (default: now)")
    what = parser.add_mutually_exclusive_group()
    what.add_argument("--check", action="store_true", help="write nothing: exit code 1 where DIR is not up to date")
    what.add_argument("--replace", action="store_true", help="also an earlier export of another format or group")
    parser.add_argument("--key", default="", metavar="FILE", help="sign with it (default: proscribe_exports_key)")
    inventory.add_options(parser)


def run(arguments: argparse.Namespace) -> int:
    """Write the directory, and print what is in it and what is not; returns the exit code."""
    now = (arguments.at or datetime.datetime.now(datetime.timezone.utc)).replace(microsecond=0)
    question = inventory.question(arguments, group=arguments.group, served=False)
    compiled = add_signing(compile_hosts(question, now), question, arguments.key)
    if arguments.format == export_all.ALL:
        return export_all.run(
            Path(arguments.output), lambda format_, place: _one(format_, arguments, compiled, now, str(place), lines=1)
        )
    format_ = FORMATS[arguments.format]
    try:
        return _one(format_, arguments, compiled, now, arguments.output)
    except (NotExportable, ControlError) as wrong:
        raise Refused(f"export {format_.name}: {wrong}") from None


def _one(
    format_: Format,
    arguments: argparse.Namespace,
    compiled: CompiledPlans,
    now: datetime.datetime,
    place: str,
    lines: int | None = None,
) -> int:
    """Write or check one directory, and print what came of it, or the first lines of that; returns the exit code.
    Raises NotExportable, ControlError, Refused, OSError.
    """
    directory = Path(place)
    before = _earlier(format_, arguments.group, directory, replace=arguments.replace)
    if arguments.check:
        if before is None:
            _decided(format_, compiled, now, arguments.group)  # where there is nothing to export, none is missing
        return _check(format_, compiled, now, directory, before)
    decision, rendered = _write(format_, compiled, now, arguments.group, directory)
    print(fitted("\n".join(_summary(decision, rendered, place)[:lines]), screen_width()))
    return 0


def renew(fed: FedExport, compiled: CompiledPlans, now: datetime.datetime) -> list[str]:
    """Write an export again where its directory is not up to date, not signed as it has to be, or has none; what was
    not. Raises Refused and OSError where it cannot be written.
    """
    format_, directory = FORMATS[fed.format], Path(fed.directory)
    try:
        before = _earlier(format_, fed.group, directory)
        differs = ["there was none"]
        if before is not None and before.at is not None:
            differs = _unsigned(directory, compiled, now)
            differs += _differences(format_, compiled, now, directory, before, before.at)
        if differs:
            _write(format_, compiled, now, fed.group, directory)
    except (NotExportable, ControlError) as wrong:
        raise Refused(f"export {format_.name}: {wrong}") from None
    return differs


def _earlier(format_: Format, group: str, directory: Path, replace: bool = False) -> manifest.Earlier | None:
    """The export that a directory has; None for none. Raises Refused for one of another format or group."""
    before = writing.earlier(directory)
    if before is not None and (before.format, before.group) != (format_.name, group) and not replace:
        of = f" of group {before.group}" if before.group else ""
        expected = "another directory, or --replace where it is meant"
        raise Refused(clean(f"{directory} has an export {before.format}{of}; expected {expected}"))
    return before


def _write(
    format_: Format, compiled: CompiledPlans, now: datetime.datetime, group: str, directory: Path
) -> tuple[Decision, Rendered]:
    """Write a directory. Raises NotExportable, ControlError, OSError."""
    decision, rendered = _decided(format_, compiled, now, group)
    document = manifest.text(manifest.manifest(format_, decision, rendered))
    signed = signature.signed(document, compiled.signing, datetime.datetime.now(datetime.timezone.utc))
    writing.write(directory, {**rendered.files, manifest.NAME: document, **signed})
    return decision, rendered


def _decided(format_: Format, compiled: CompiledPlans, at: datetime.datetime, group: str) -> tuple[Decision, Rendered]:
    """What an export of the compiled policy says, in the bytes that it has as of a moment."""
    plans = {host: compiled.plans[digest] for host, digest in compiled.hosts.items()}
    decision = decide(plans, at, group, format_.controls)
    decision = decision._replace(valid_until=_valid_until(compiled, format_, at))
    return decision, format_.render(decision)


def _valid_until(compiled: CompiledPlans, format_: Format, at: datetime.datetime) -> datetime.datetime | None:
    """The first moment after `at` at which the ban, or a waiver of one of the hosts, begins or ends."""
    moments = {
        moment
        for waiver, worth in compiled.waivers
        if (worth.is_waiving or waiver.starts > at) and set(worth.hosts) & compiled.hosts.keys()
        if set(waiver.controls) & set(format_.controls)
        for moment in (waiver.starts, waiver.ends)
    }
    moments |= {first for one in compiled.restrictions.values() if (first := find_first_moment(one.effective_from))}
    return min((moment for moment in moments if moment > at), default=None)


def _check(
    format_: Format, compiled: CompiledPlans, now: datetime.datetime, directory: Path, before: manifest.Earlier | None
) -> int:
    """Whether a directory has what would be written now, signed where it has to be; prints what differs."""
    if before is None or before.at is None:
        raise NotExportable(f"{directory} has no export to check")
    unsigned = _unsigned(directory, compiled, now)
    differs = _differences(format_, compiled, now, directory, before, before.at)
    same = f"up to date, export {before.format} as of {format_moment(before.at)}, plan {before.plan[:19]}"
    for line in [*unsigned, *differs] or [same]:
        say(clean(f"{directory}: {line}"))
    if unsigned:
        return NOT_SIGNED
    return EXPIRED if _expired(before, now) else NOT_UP_TO_DATE if differs else 0


def _unsigned(directory: Path, compiled: CompiledPlans, now: datetime.datetime) -> list[str]:
    """Why the signature of an export does not count; nothing where it does, or where none is there or needed."""
    content = writing.content_of(directory / manifest.NAME) or b""
    problem = signature.checked(directory, content, compiled.signing, now).problem
    return [f"its signature does not count: {problem}"] if problem else []


def _expired(before: manifest.Earlier, now: datetime.datetime) -> bool:
    return before.valid_until is not None and before.valid_until <= now


def _differences(
    format_: Format,
    compiled: CompiledPlans,
    now: datetime.datetime,
    directory: Path,
    before: manifest.Earlier,
    at: datetime.datetime,
) -> list[str]:
    """How a directory differs from what would be written now. The policy is that of now, and the bytes are compared as
    of the moment of the export, `at`, which its files name.
    """
    _, rendered = _decided(format_, compiled, at, before.group)
    differs = []
    if before.valid_until and _expired(before, now):
        differs.append(f"it was valid until {format_moment(before.valid_until)}")
    for path in sorted({*rendered.files, *before.files}):
        due, on_disk = rendered.files.get(path), writing.content_of(directory / path)
        if on_disk is None or hashlib.sha256(on_disk).hexdigest() != before.files.get(path):
            differs.append(f"{path} was changed, or is gone, since it was written")
        elif due is None or hashlib.sha256(due).hexdigest() != before.files[path]:
            differs.append(f"{path} has another content by the policy of now")
    return differs


def _summary(decision: Decision, rendered: Rendered, directory: str) -> list[str]:
    """What was written, and what is not in it: one reason a paragraph, with the first that it is about."""
    count = counted(len(set(rendered.included)), "rule")
    where = f" of group {decision.group}" if decision.group else ""
    lines = [f"{directory}: {count} for {counted(len(decision.hosts), 'host')}{where}, plan {decision.digest[:19]}"]
    reasons: dict[str, list[str]] = {}
    for one in dict.fromkeys([*decision.left_out, *rendered.left_out]):
        reasons.setdefault(one.why, []).append(f"{one.rule}, {one.what}" if one.rule else one.what)
    if reasons:
        lines.append(f"Not as on hosts ({manifest.NAME} has all of it):")
    for why, those in reasons.items():
        lines += [f"  {why}", *(f"    {clean(item)}" for item in those[:MOST_NAMED])]
        lines += [f"    and {len(those) - MOST_NAMED:,} more"] if len(those) > MOST_NAMED else []
    return [clean(line) for line in lines]
