"""`./proscribe catalog refresh`: publishers' lists -> changes of the catalogue's files, to be reviewed and committed.

Never straight to hosts. A list is believed as a whole or not at all. It has its form, and as many values as its
publisher always has. Each value passes the grammar of the catalogue and carries nothing that others stand on. No more
of them changed than one review can take in.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from ...compile.catalogue import known_good
from ...compile.catalogue.feeds import MOST, wrong_value
from ...compile.catalogue.loading import load
from ...compile.reading.networks import merged
from ...policy_errors import PolicyErrors, close_to, shown
from ...report.text.wording import counted
from .. import Refused, say
from .chosen import Chosen
from .editing import NotEdited, with_dates, with_list
from .fetching import Fetched, NotFetched, fetch, from_folder
from .files import require_own, write
from .formats import FORMATS, Unreadable, network
from .proposing import propose
from .publishers import Publisher, read_publishers

FOUND_WRONG = 1
SMALL = 20  # values: a change of so many is never too large
MOST_SHOWN = 10  # values of a change


class Change(NamedTuple):
    """What a list changes: where, and which values come and go."""

    path: Path
    added: list[str]
    removed: list[str]
    text: dict[Path, str]  # the new content of files


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of `refresh`."""
    parser.epilog = (
        "Lists are those of publishers.yml. Each is fetched over https, with the proxy of the environment\n"
        "(https_proxy), or read from a folder with a file named for each id (--from), where no publisher can be\n"
        "reached. What changed is written into the catalogue's files and printed: review it (git diff, ./proscribe\n"
        "diff), then commit it. "
        "A list that is wrong changes nothing. Exit code 1 where one is."
    )
    parser.add_argument("id", nargs="*", metavar="LIST", help="ids of publishers.yml (default: all)")
    parser.add_argument(
        "--from", dest="folder", metavar="DIR", help="read the lists from this folder; nothing is fetched"
    )
    parser.add_argument("--ca-file", default="", metavar="FILE", help="certificates to trust (default: the system's)")
    parser.add_argument(
        "--max-change",
        type=_share,
        default=25,
        metavar="PERCENT",
        help="the share of a list that may change (default: 25)",
    )
    parser.add_argument("--stamp", action="store_true", help="write the day of checking of unchanged lists, too")
    parser.add_argument("--dry-run", action="store_true", help="print what would change, and write nothing")


def _share(text: str) -> int:
    if not text.isdigit() or not 0 <= int(text) <= 100:
        raise argparse.ArgumentTypeError(f"{text!r} is no share; expected a number of percent, 0 to 100")
    return int(text)


def run(arguments: argparse.Namespace, chosen: Chosen) -> int:
    """Refresh some lists, one after the other; what is wrong with one keeps no other back."""
    if not arguments.dry_run:
        require_own(chosen.directories[0])
    publishers = {one.id: one for one in read_publishers(chosen.directories[0])}
    for id_ in arguments.id:
        if id_ not in publishers:
            raise Refused(f"publishers.yml has no list {id_!r}{close_to(id_, publishers)}")
    folder = Path(arguments.folder) if arguments.folder else None
    wrong = 0
    for publisher in (publishers[id_] for id_ in arguments.id or publishers):
        try:
            fetched = from_folder(publisher, folder) if folder else fetch(publisher, arguments.ca_file)
            change = changed(publisher, fetched, chosen, arguments.max_change, arguments.stamp)
            if change and not arguments.dry_run:
                chosen = _write(change, chosen)  # the next list may be of the same entry
        except (NotFetched, Unreadable, NotEdited) as error:
            say(f"{publisher.id}: refused, nothing is changed: {error}")
            wrong += 1
            continue
        for line in _described(publisher, change):
            say(line)
    return FOUND_WRONG if wrong else 0


def values_of(publisher: Publisher, text: str, kind: str) -> list[str]:
    """The values of a publisher's list, each once, in order. Raises Unreadable for a list that cannot be believed."""
    found: dict[str, None] = {}
    for raw in FORMATS[publisher.format](text, publisher.named):
        value = network(raw) if kind == "networks" else raw.lower().rstrip(".")
        if value in found:
            continue
        if len(found) == MOST:
            raise Unreadable(f"it has more than {MOST:,} values")
        if expected := wrong_value(value, kind):
            raise Unreadable(f"found {shown(raw)}, expected {expected}")
        found[value] = None
    if len(found) < publisher.least:
        raise Unreadable(f"it has {counted(len(found), 'value')}, expected at least {publisher.least}")
    return merged(list(found)) if kind == "networks" and publisher.into == "networks" else sorted(found)


def _kind(publisher: Publisher, chosen: Chosen) -> str:
    """Of which kind the values of a list are. Raises Unreadable for a list of a feed that is not there."""
    if publisher.into == "feed" and publisher.of not in chosen.catalogue.feeds:
        raise Unreadable(f"the catalogue has no feed {publisher.of!r}{close_to(publisher.of, chosen.catalogue.feeds)}")
    return chosen.catalogue.feeds[publisher.of].kind if publisher.into == "feed" else publisher.into


def changed(publisher: Publisher, fetched: Fetched, chosen: Chosen, most: int, stamp: bool = False) -> Change | None:
    """What a list changes in the catalogue; None for nothing. Raises Unreadable, NotEdited."""
    kind = _kind(publisher, chosen)
    values = values_of(publisher, fetched.text, kind)
    _require_guarded(publisher, values, kind, chosen)
    edit: Callable[[Publisher, Sequence[str], str, Chosen, bool], Change | None] = EDITS[publisher.into]
    change = edit(publisher, values, fetched.day.isoformat(), chosen, stamp)
    if change:
        before = max(len(values) - len(change.added) + len(change.removed), 1)
        for what, names in (("new", change.added), ("gone", change.removed)):
            if len(names) > SMALL and len(names) * 100 > most * before:
                share = len(names) * 100 // before
                raise Unreadable(
                    f"{len(names):,} values are {what}, {share} % of {before:,}: more than --max-change {most}"
                )
    return change


def _require_guarded(publisher: Publisher, values: Sequence[str], kind: str, chosen: Chosen) -> None:
    """Raises Unreadable for a value that nobody may block: before anything is written, and in a dry run, too."""
    id_ = chosen.catalogue.feeds[publisher.of].service if publisher.into == "feed" else publisher.of
    service = chosen.service(id_)
    entry = {kind: values, "decided": service.decided, "allow_domains": service.allow_domains}
    for found in known_good.blocked({id_: entry}, (), known_good.read_lists(chosen.directories)[0]):
        raise Unreadable(f"found {shown(found.value)}, expected {known_good.expected(found)}")


def _feed(publisher: Publisher, values: Sequence[str], day: str, chosen: Chosen, stamp: bool) -> Change | None:
    feed = chosen.catalogue.feeds[publisher.of]
    described = Path(feed.file)
    listed = described.with_suffix(".txt")
    if list(values) == sorted(feed.values):
        return _stamped(described, {"checked": day}) if stamp else None
    head = [line for line in listed.read_text(encoding="ascii").split("\n") if line.startswith("#")]
    dated = with_dates(described.read_text(encoding="utf-8"), {"checked": day})
    return _change(listed, feed.values, values, {listed: "\n".join([*head, *values, ""]), described: dated})


def _networks(publisher: Publisher, values: Sequence[str], day: str, chosen: Chosen, stamp: bool) -> Change | None:
    service = chosen.service(publisher.of)
    path = Path(service.file)
    if merged(list(values)) == merged(list(service.networks)):
        return _stamped(path, {"networks_checked": day}) if stamp else None
    text = with_list(path.read_text(encoding="utf-8"), "networks", values, {"networks_checked": day})
    return _change(path, service.networks, values, {path: text})


def _domains(publisher: Publisher, values: Sequence[str], day: str, chosen: Chosen, stamp: bool) -> Change | None:
    """Names that a list has and an entry lacks are added; none is taken away, since other lists may have it. Decisions
    of the entry stay: what it shares or has refused is not added.
    """
    service = chosen.service(publisher.of)
    path = Path(service.file)
    new = propose(service, list(values)).add
    if not new:
        return _stamped(path, {"checked": day}) if stamp else None
    names = sorted({*service.domains, *new})
    text = with_list(path.read_text(encoding="utf-8"), "domains", names, {"checked": day})
    return Change(path, new, [], {path: text})


EDITS = {"feed": _feed, "networks": _networks, "domains": _domains}


def _stamped(path: Path, dates: dict[str, str]) -> Change | None:
    before = path.read_text(encoding="utf-8")
    after = with_dates(before, dates)
    return Change(path, [], [], {path: after}) if after != before else None


def _change(path: Path, before: Sequence[str], after: Sequence[str], text: dict[Path, str]) -> Change:
    return Change(path, sorted(set(after) - set(before)), sorted(set(before) - set(after)), text)


def _write(change: Change, chosen: Chosen) -> Chosen:
    """Write the files, and take them back where the catalogue does not load with them; the catalogue as it is then.
    Raises Unreadable.
    """
    before = {path: path.read_text(encoding="utf-8") for path in change.text}
    for path, text in change.text.items():
        write(path, text)
    try:
        return chosen._replace(catalogue=load(chosen.directories))
    except PolicyErrors as wrong:
        for path, text in before.items():
            write(path, text)
        raise Unreadable(f"the catalogue would not load: {wrong.errors[0]}") from None


def _described(publisher: Publisher, change: Change | None) -> Iterator[str]:
    if change is None:
        yield f"{publisher.id}: unchanged"
        return
    if not change.added and not change.removed:
        yield f"{publisher.id}: unchanged; {change.path} has the day of checking"
        return
    yield f"{publisher.id}: {len(change.added):,} new, {len(change.removed):,} gone in {change.path}"
    for sign, values in (("+", change.added), ("-", change.removed)):
        yield from (f"  {sign} {value}" for value in values[:MOST_SHOWN])
        if len(values) > MOST_SHOWN:
            yield f"  {sign} and {len(values) - MOST_SHOWN:,} more"
