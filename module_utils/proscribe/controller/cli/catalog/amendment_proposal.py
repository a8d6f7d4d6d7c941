"""Command `./proscribe catalog propose`: amendments with names that lists have and entries lack.

An amendment is a file with which an organisation changes an entry of the project's catalogue.
"""

from __future__ import annotations

import argparse
import datetime
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import NamedTuple

from ...compile.catalogue.amendments import FOLDER
from ...compile.catalogue.catalogue_loader import Service
from ...compile.catalogue.name_conflicts import find_shared_name, list_name_and_parents
from ...compile.catalogue.schema import is_address_blocked
from ...compile.reading import grammar
from ...report.text.wording import format_count
from .. import CommandError, print_message
from .catalogue_files import write_catalogue_file
from .loaded_catalogue import LoadedCatalogue
from .public_lists import LIST_SUBJECTS
from .recall import add_choice_arguments, compare_catalogue
from .recall.proposals import ProposedName, propose_missing_names

MAX_LIST_BYTES = 4 << 20
MAX_NAMES = 10_000


class AmendmentProposal(NamedTuple):
    """The names of a list that an amendment would add, and the names left out with their reasons."""

    added: list[str]
    left_out: dict[str, str]  # by name: the reason, as text


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of `propose`."""
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


def run_proposal(arguments: argparse.Namespace, loaded: LoadedCatalogue) -> int:
    """Print or write an amendment with the names of a list, or with --from-recall, amendments from public lists.

    Return 0, also if there is nothing to add. Raises CommandError for wrong arguments, a list that cannot be read, and
    a file that exists or cannot be written.
    """
    if arguments.from_recall:
        return _propose_from_recall(arguments, loaded)
    for name in ("service", "list"):
        if not getattr(arguments, name):
            raise CommandError(
                f"{name.upper()} is missing; expected SERVICE LIST --source TEXT, or --from-recall FOLDER"
            )
    if arguments.source is None:
        raise CommandError("--source is missing; expected where the list comes from, with its date")
    if expectation := grammar.check_prose(arguments.source):
        raise CommandError(f"--source: expected {expectation}")
    service = loaded.find_service(arguments.service)
    proposal = propose_names(service, parse_names(_read_text(arguments.list)))
    for name, reason in proposal.left_out.items():
        print_message(f"left out {name}: {reason}", error=True)
    if not proposal.added:
        print_message(f"nothing to add to {service.id}", error=True)
    elif path := _find_amendment_path(arguments, service):
        if path.exists():
            raise CommandError(f"{path} is there already; add these under add.domains: {', '.join(proposal.added)}")
        _write_amendment(path, service, proposal.added, [arguments.source])
    else:
        print(format_amendment(service, proposal.added, [arguments.source]), end="")
    return 0


def _propose_from_recall(arguments: argparse.Namespace, loaded: LoadedCatalogue) -> int:
    """Print or write an amendment for each entry with names that public lists have and the catalogue lacks.

    Names without an entry of their vendor are printed as YAML comments. Return 0.
    """
    if arguments.list or arguments.source:
        raise CommandError(
            "found LIST or --source beside --from-recall; expected at most SERVICE: the lists are the source"
        )
    only_service = loaded.find_service(arguments.service).id if arguments.service else ""
    categories = arguments.category or LIST_SUBJECTS
    recall = compare_catalogue(loaded, Path(arguments.from_recall), categories, arguments.popular)
    if not recall.popularity:
        raise CommandError(f"{arguments.from_recall} has no list of the most asked-for names that can be read")
    for list_id, reason in recall.lists.reasons_by_list.items():
        print_message(f"missing: {list_id}: {reason}", error=True)
    proposed_names = [
        proposed_name
        for proposed_name in propose_missing_names(recall.results, loaded)
        if only_service in ("", proposed_name.service)
    ]
    for proposed_name in proposed_names:
        if proposed_name.conflict:
            print_message(f"left out {proposed_name.evidence}: {proposed_name.conflict}", error=True)
    accepted_names = [proposed_name for proposed_name in proposed_names if not proposed_name.conflict]
    for entry_id in sorted({proposed_name.service for proposed_name in accepted_names} - {""}):
        _propose_amendment(
            arguments,
            loaded.find_service(entry_id),
            [proposed_name for proposed_name in accepted_names if proposed_name.service == entry_id],
        )
    if names_without_entry := [proposed_name for proposed_name in accepted_names if not proposed_name.service]:
        print("# No entry has names of their vendors. A new entry, or a decision of one, speaks of them:")
        print(
            "\n".join(f"# {proposed_name.category}: {proposed_name.evidence}" for proposed_name in names_without_entry)
        )
    print_message(
        f"{format_count(len(accepted_names), 'name')} proposed, {len(names_without_entry)} of them without an entry",
        error=True,
    )
    return 0


def _propose_amendment(arguments: argparse.Namespace, service: Service, names: Iterable[ProposedName]) -> None:
    """Print the amendment that adds names to an entry, or write it with --dir.

    If the file exists, only a message with the names is printed.
    """
    evidence = {proposed_name.listed_name.name: proposed_name.evidence for proposed_name in names}
    proposal = propose_names(service, list(evidence))
    for name, reason in proposal.left_out.items():
        print_message(f"left out {name}: {reason}", error=True)
    if not proposal.added:
        return
    today = datetime.datetime.now(datetime.timezone.utc).date()
    sources = [f"public lists, compared on {today}: {evidence[name]}" for name in proposal.added]
    path = _find_amendment_path(arguments, service)
    if not path:
        print(format_amendment(service, proposal.added, sources), end="")
    elif path.exists():
        print_message(f"{path} is there already; add these under add.domains: {', '.join(proposal.added)}", error=True)
    else:
        _write_amendment(path, service, proposal.added, sources)


def _find_amendment_path(arguments: argparse.Namespace, service: Service) -> Path | None:
    """Return the path of a service's amendment in the last --dir; None without --dir, to print the amendment."""
    return Path(arguments.dir[-1]) / FOLDER / f"{service.id}.yml" if arguments.dir else None


def _write_amendment(path: Path, service: Service, names: list[str], sources: Sequence[str]) -> None:
    write_catalogue_file(path, format_amendment(service, names, sources))
    print_message(f"{path}: {format_count(len(names), 'name')} to add; review it, then commit", error=True)


def _read_text(name: str) -> str:
    """Read the list in a file, or from the standard input for `-`, as text.

    Bytes that are no UTF-8 are replaced. Raises CommandError for an unreadable file, or more than MAX_LIST_BYTES.
    """
    try:
        if name == "-":
            content = sys.stdin.buffer.read(MAX_LIST_BYTES + 1)
        else:
            with open(name, "rb") as stream:
                content = stream.read(MAX_LIST_BYTES + 1)
    except OSError as error:
        raise CommandError(f"{name}: {error.strerror}") from None
    if len(content) > MAX_LIST_BYTES:
        raise CommandError(f"{name}: more than {MAX_LIST_BYTES} bytes; expected a list of names")
    return content.decode("utf-8", errors="replace")


def parse_names(text: str) -> list[str]:
    """Return the domain names of a list, each once. Raises CommandError for more than MAX_NAMES names.

    A line has a name, `domain:name` or `full:name` of v2fly, `||name^` of ad blockers, or `0.0.0.0 name` of hosts
    files. Comments begin with `#`. Values that are no names are left out.
    """
    names: dict[str, None] = {}
    for line in text.split("\n"):
        line_words = line.partition("#")[0].strip().lower().split()
        name = (
            line_words[-1]
            if len(line_words) == 2 and line_words[0] in ("0.0.0.0", "127.0.0.1", "::")
            else "".join(line_words[:1])
        )
        name = name.removeprefix("domain:").removeprefix("full:").removeprefix("||").removesuffix("^")
        name = name.partition(":@")[0].lstrip("*.").rstrip(".")
        if name and not grammar.check_domain(name):
            names[name] = None
    if len(names) > MAX_NAMES:
        raise CommandError(f"{len(names)} names; expected at most {MAX_NAMES}: a longer list is a feed")
    return list(names)


def propose_names(service: Service, names: list[str]) -> AmendmentProposal:
    """Return the names that an amendment of a service would add, and those left out with the reason.

    Left out are names that have a decision, names that the service shares or allows, and names that other services
    need. Names that are blocked already are neither added nor left out.
    """
    decisions = {name: decision for decision in service.decided for name in decision["names"]}
    entry = {key: list(getattr(service, key)) for key in ("domains", "urls", "allow_domains")}
    added: list[str] = []
    left_out: dict[str, str] = {}
    # Parents come before names below them, because an added name blocks all names below it.
    for name in sorted(names, key=lambda name: (name.count("."), name)):
        if name in decisions:
            left_out[name] = f"{decisions[name]['as']}: {decisions[name]['why']}"
        elif name in (*service.shared_domains, *service.allow_domains):
            left_out[name] = "the entry has it as shared or allowed"
        elif shared := find_shared_name(name):
            left_out[name] = f"it carries {shared[1]}"
        elif not is_address_blocked(entry, name) and not set(list_name_and_parents(name)) & set(added):
            added.append(name)
    return AmendmentProposal(sorted(added), left_out)


def format_amendment(service: Service, names: list[str], sources: Sequence[str]) -> str:
    """Return the YAML text of an amendment that adds names to a service's domains, with `sources` as texts.

    Names that the service has as unverified are listed under `accept`, the others under `add`.
    """
    unverified = service.unverified.get("domains", ())
    parts = [
        ("accept", [name for name in names if name in unverified]),
        ("add", [name for name in names if name not in unverified]),
    ]
    lines = ["---", f"amends: {service.id}"]
    for key, part_names in parts:
        lines += [f"{key}:", "  domains:", *(f"    - {name}" for name in part_names)] if part_names else []
    quoted_sources = ["'" + source.replace("'", "''") + "'" for source in sources]
    return "\n".join([*lines, "sources:", *(f"  - {source}" for source in quoted_sources), ""])
