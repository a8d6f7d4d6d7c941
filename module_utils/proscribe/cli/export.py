"""`./proscribe export`: the ban for what Ansible does not reach, in the form that it takes. No host is touched."""

from __future__ import annotations

import argparse
import datetime
from pathlib import Path

from ..compile.run import compile_hosts
from ..enforcement_points import manifest, writing
from ..enforcement_points.decision import decide
from ..enforcement_points.declaration import Decision, NotExportable, Rendered
from ..enforcement_points.registry import FORMATS
from ..host import ControlError
from ..report.text.wording import clean, counted
from . import Refused, inventory
from .explain import at

MOST_NAMED = 3  # for each reason

EPILOG = """\
The decision is for the hosts of the inventory, or of a group of it: their variables and waivers count, whether
Proscribe serves them or not. A group of phones or of guests has one host that represents them. All of the hosts need
one policy. A waiver opens a service only if every one of them has it, for all users and at all hours.

DIR is made, or it is empty, or it has an earlier export, which is replaced as a whole. Its manifest.json has the plan,
what is in the export, and what is not. The same policy at the same --at gives the same bytes.

  ./proscribe export rpz --group guests -o /srv/dns/guests
  ./proscribe export nft -i inventory/prod --group site_routers -o build/router --at 2027-01-01T00:00:00+08:00"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of the command."""
    parser.description = "Write the ban for what Ansible does not reach, in the form that it takes."
    width = max(map(len, FORMATS))
    formats = "\n".join(f"  {one.name:{width}}  {one.meant_for}" for one in FORMATS.values())
    parser.epilog = f"FORMAT is one of:\n{formats}\n\n{EPILOG}"
    parser.add_argument("format", metavar="FORMAT", choices=FORMATS, help="the form: see below")
    parser.add_argument("-o", "--output", metavar="DIR", required=True, help="the directory to write")
    parser.add_argument("--group", metavar="GROUP", default="", help="for the hosts of this group only")
    parser.add_argument("--at", type=at, metavar="TIME", help="as of that time, with its zone (default: now)")
    inventory.add_options(parser)


def run(arguments: argparse.Namespace) -> int:
    """Write the directory, and print what is in it and what is not; returns the exit code."""
    format_ = FORMATS[arguments.format]
    now = (arguments.at or datetime.datetime.now(datetime.timezone.utc)).replace(microsecond=0)
    compiled = compile_hosts(inventory.question(arguments, group=arguments.group, served=False), now)
    plans = {host: compiled.plans[digest] for host, digest in compiled.hosts.items()}
    try:
        decision = decide(plans, now, arguments.group, format_.controls)
        rendered = format_.render(decision)
        document = manifest.manifest(format_, decision, rendered)
        files = {**rendered.files, manifest.NAME: manifest.text(document)}
        writing.write(Path(arguments.output), files)
    except (NotExportable, ControlError) as wrong:
        raise Refused(f"export {format_.name}: {wrong}") from None
    print("\n".join(_summary(decision, rendered, arguments.output)))
    return 0


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
