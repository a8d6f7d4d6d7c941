"""`./proscribe catalog propose`: amendments with what lists of names have and entries lack."""

from __future__ import annotations

import argparse
import datetime
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import NamedTuple

from ...compile.catalogue.amendments import FOLDER
from ...compile.catalogue.claims import find_shared_name, list_name_and_parents
from ...compile.catalogue.loading import Service
from ...compile.catalogue.schema import is_address_blocked
from ...compile.reading import grammar
from ...report.text.wording import counted
from .. import Refused, say
from .chosen import Chosen
from .files import write
from .public_lists import CATEGORIES
from .recall import add_choice_arguments, compared
from .recall.proposals import Proposed, proposed

LARGEST = 4 << 20  # bytes of a list
MOST = 10_000  # names


class Proposal(NamedTuple):
    """What becomes of the names of a list, by name: to add, and left out with the reason."""

    add: list[str]
    left: dict[str, str]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of `propose`."""
    parser.epilog = (
        "LIST has one name a line; # begins a comment. The forms domain:x and full:x of v2fly, ||x^ of ad blockers\n"
        "and 0.0.0.0 x of hosts files are read too. What the entry blocks, shares or has refused is left out. The\n"
        "amendment is printed, or with --dir written to <dir>/amends/<service>.yml, where nothing may be yet: review\n"
        "and commit it. With --from-recall, the names are those most asked for that `recall` finds missing: of\n"
        "SERVICE, or of every entry that has names of the same vendor. Names without such an entry are listed."
    )
    parser.add_argument("service", metavar="SERVICE", nargs="?", help="the id of a service, such as telegram")
    parser.add_argument("list", metavar="LIST", nargs="?", help="a file of names, or - for the standard input")
    parser.add_argument("--source", metavar="TEXT", help="where the list comes from, with its date")
    parser.add_argument("--from-recall", metavar="FOLDER", help="instead of LIST: the folder of public lists")
    add_choice_arguments(parser)


def run(arguments: argparse.Namespace, chosen: Chosen) -> int:
    """Print or write amendments; returns 0, also where there is nothing to add."""
    if arguments.from_recall:
        return _from_recall(arguments, chosen)
    for name in ("service", "list"):
        if not getattr(arguments, name):
            raise Refused(f"{name.upper()} is missing; expected SERVICE LIST --source TEXT, or --from-recall FOLDER")
    if arguments.source is None:
        raise Refused("--source is missing; expected where the list comes from, with its date")
    if wrong := grammar.check_prose(arguments.source):
        raise Refused(f"--source: expected {wrong}")
    service = chosen.service(arguments.service)
    proposal = propose(service, names_of(_text(arguments.list)))
    for name, why in proposal.left.items():
        say(f"left out {name}: {why}", error=True)
    if not proposal.add:
        say(f"nothing to add to {service.id}", error=True)
    elif path := _place(arguments, service):
        if path.exists():
            raise Refused(f"{path} is there already; add these under add.domains: {', '.join(proposal.add)}")
        _write(path, service, proposal.add, [arguments.source])
    else:
        print(amendment(service, proposal.add, [arguments.source]), end="")
    return 0


def _from_recall(arguments: argparse.Namespace, chosen: Chosen) -> int:
    """Propose what public lists have and the catalogue lacks."""
    if arguments.list or arguments.source:
        raise Refused("found LIST or --source beside --from-recall; expected at most SERVICE: the lists are the source")
    only = chosen.service(arguments.service).id if arguments.service else ""
    categories = arguments.category or CATEGORIES
    recall = compared(chosen, Path(arguments.from_recall), categories, arguments.popular)
    if not recall.popularity:
        raise Refused(f"{arguments.from_recall} has no list of the most asked-for names that can be read")
    for id_, why in recall.lists.missing.items():
        say(f"missing: {id_}: {why}", error=True)
    found = [one for one in proposed(recall.results, chosen) if only in ("", one.service)]
    for one in found:
        if one.closes:
            say(f"left out {one.evidence}: {one.closes}", error=True)
    fine = [one for one in found if not one.closes]
    for id_ in sorted({one.service for one in fine} - {""}):
        _propose_of(arguments, chosen.service(id_), [one for one in fine if one.service == id_])
    if without := [one for one in fine if not one.service]:
        print("# No entry has names of their vendors. A new entry, or a decision of one, speaks of them:")
        print("\n".join(f"# {one.category}: {one.evidence}" for one in without))
    say(f"{counted(len(fine), 'name')} proposed, {len(without)} of them without an entry", error=True)
    return 0


def _propose_of(arguments: argparse.Namespace, service: Service, names: Iterable[Proposed]) -> None:
    """The amendment of one entry."""
    evidence = {one.found.name: one.evidence for one in names}
    proposal = propose(service, list(evidence))
    for name, why in proposal.left.items():
        say(f"left out {name}: {why}", error=True)
    if not proposal.add:
        return
    today = datetime.datetime.now(datetime.timezone.utc).date()
    sources = [f"public lists, compared on {today}: {evidence[name]}" for name in proposal.add]
    path = _place(arguments, service)
    if not path:
        print(amendment(service, proposal.add, sources), end="")
    elif path.exists():
        say(f"{path} is there already; add these under add.domains: {', '.join(proposal.add)}", error=True)
    else:
        _write(path, service, proposal.add, sources)


def _place(arguments: argparse.Namespace, service: Service) -> Path | None:
    """Where an amendment is written; None where it is printed."""
    return Path(arguments.dir[-1]) / FOLDER / f"{service.id}.yml" if arguments.dir else None


def _write(path: Path, service: Service, names: list[str], sources: Sequence[str]) -> None:
    write(path, amendment(service, names, sources))
    say(f"{path}: {counted(len(names), 'name')} to add; review it, then commit", error=True)


def _text(name: str) -> str:
    try:
        if name == "-":
            content = sys.stdin.buffer.read(LARGEST + 1)
        else:
            with open(name, "rb") as stream:
                content = stream.read(LARGEST + 1)
    except OSError as error:
        raise Refused(f"{name}: {error.strerror}") from None
    if len(content) > LARGEST:
        raise Refused(f"{name}: more than {LARGEST} bytes; expected a list of names")
    return content.decode("utf-8", errors="replace")


def names_of(text: str) -> list[str]:
    """The names of a list, in any of the forms that such lists have; what is no name is left out. Raises Refused for
    too many.
    """
    found: dict[str, None] = {}
    for line in text.split("\n"):
        words = line.partition("#")[0].strip().lower().split()
        word = words[-1] if len(words) == 2 and words[0] in ("0.0.0.0", "127.0.0.1", "::") else "".join(words[:1])
        word = word.removeprefix("domain:").removeprefix("full:").removeprefix("||").removesuffix("^")
        word = word.partition(":@")[0].lstrip("*.").rstrip(".")
        if word and not grammar.check_domain(word):
            found[word] = None
    if len(found) > MOST:
        raise Refused(f"{len(found)} names; expected at most {MOST}: a longer list is a feed")
    return list(found)


def propose(service: Service, names: list[str]) -> Proposal:
    """What an amendment of a service would add of some names."""
    decided = {name: one for one in service.decided for name in one["names"]}
    entry = {key: list(getattr(service, key)) for key in ("domains", "urls", "allow_domains")}
    add: list[str] = []
    left: dict[str, str] = {}
    for name in sorted(names, key=lambda one: (one.count("."), one)):
        if name in decided:
            left[name] = f"{decided[name]['as']}: {decided[name]['why']}"
        elif name in (*service.shared_domains, *service.allow_domains):
            left[name] = "the entry has it as shared or allowed"
        elif shared := find_shared_name(name):
            left[name] = f"it carries {shared[1]}"
        elif not is_address_blocked(entry, name) and not set(list_name_and_parents(name)) & set(add):
            add.append(name)
    return Proposal(sorted(add), left)


def amendment(service: Service, names: list[str], sources: Sequence[str]) -> str:
    """The text of an amendment."""
    unverified = service.unverified.get("domains", ())
    parts = [
        ("accept", [one for one in names if one in unverified]),
        ("add", [one for one in names if one not in unverified]),
    ]
    lines = ["---", f"amends: {service.id}"]
    for key, listed in parts:
        lines += [f"{key}:", "  domains:", *(f"    - {one}" for one in listed)] if listed else []
    quoted = ["'" + source.replace("'", "''") + "'" for source in sources]
    return "\n".join([*lines, "sources:", *(f"  - {source}" for source in quoted), ""])
