"""`./proscribe catalog propose`: an amendment with what a list of names has and an entry lacks."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import NamedTuple

from ...compile.catalogue.amendments import FOLDER
from ...compile.catalogue.claims import above, carried
from ...compile.catalogue.loading import Service
from ...compile.catalogue.schema import blocks
from ...compile.reading import grammar
from ...report.text.wording import counted
from .. import Refused, say
from .chosen import Chosen
from .files import write

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
        "and commit it."
    )
    parser.add_argument("service", metavar="SERVICE", help="the id of a service, such as telegram")
    parser.add_argument("list", metavar="LIST", help="a file of names, or - for the standard input")
    parser.add_argument("--source", required=True, metavar="TEXT", help="where the list comes from, with its date")


def run(arguments: argparse.Namespace, chosen: Chosen) -> int:
    """Print or write the amendment; returns 0, also where there is nothing to add."""
    service = chosen.service(arguments.service)
    if wrong := grammar.prose(arguments.source):
        raise Refused(f"--source: expected {wrong}")
    proposal = propose(service, names_of(_text(arguments.list)))
    for name, why in proposal.left.items():
        say(f"left out {name}: {why}", error=True)
    if not proposal.add:
        say(f"nothing to add to {service.id}", error=True)
        return 0
    text = amendment(service, proposal.add, arguments.source)
    if not arguments.dir:
        print(text, end="")
        return 0
    path = Path(arguments.dir[-1]) / FOLDER / f"{service.id}.yml"
    if path.exists():
        raise Refused(f"{path} is there already; add these under add.domains: {', '.join(proposal.add)}")
    write(path, text)
    say(f"{path}: {counted(len(proposal.add), 'name')} to add; review it, then commit", error=True)
    return 0


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
        if word and not grammar.domain(word):
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
        elif shared := carried(name):
            left[name] = f"it carries {shared[1]}"
        elif not blocks(entry, name) and not set(above(name)) & set(add):
            add.append(name)
    return Proposal(sorted(add), left)


def amendment(service: Service, names: list[str], source: str) -> str:
    """The text of an amendment."""
    quoted = "'" + source.replace("'", "''") + "'"
    unverified = service.unverified.get("domains", ())
    parts = [
        ("accept", [one for one in names if one in unverified]),
        ("add", [one for one in names if one not in unverified]),
    ]
    lines = ["---", f"amends: {service.id}"]
    for key, listed in parts:
        lines += [f"{key}:", "  domains:", *(f"    - {one}" for one in listed)] if listed else []
    return "\n".join([*lines, "sources:", f"  - {quoted}", ""])
