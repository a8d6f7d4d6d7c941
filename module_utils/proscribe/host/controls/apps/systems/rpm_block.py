"""The install block of the rpm family: a guard package that conflicts with what is restricted, and what front ends
leave out.

rpm asks nobody before it installs, but it keeps conflicts: the guard (rpm_guard.py) refuses on every road, `rpm -i`
too. dnf would let go of it (`--allowerasing`), and so would a person, so it is on dnf's list of what it never removes.
zypper's lock on it does the same there. Beside it dnf and zypper leave the names out by themselves, which holds where
somebody has erased the guard with rpm.
"""

from __future__ import annotations

from functools import partial
from typing import AbstractSet, Iterable, Sequence

from .....base.hashing import sha256
from .....base.patterns import compile_pattern
from .....base.tuples import NamedTuple
from ....system import WRITTEN_BY, Host
from ..blocks.contact import format_contact
from ..blocks.parts import (
    DIFFERENT_PROBLEM,
    LEFT_OVER_PROBLEM,
    MISSING_PROBLEM,
    BlockFile,
    BlockPart,
    BlockTrial,
    SharedFile,
)
from ..blocks.polkit import make_packagekit_rule
from .package import Block
from .rpm_conflicts import GUARD, PLACE, Conflict, conflicts
from .rpm_database import answer, in_use

DNF = ("/usr/bin/dnf", "/usr/bin/dnf-3", "/usr/bin/dnf5", "/usr/bin/microdnf")
ZYPPER = ("/usr/bin/zypper",)
DNF_CONFIGURATION = "/etc/dnf/dnf.conf"
DNF_PROTECTED = "/etc/dnf/protected.d/proscribe.conf"
ZYPPER_LOCKS = "/etc/zypp/locks"

# What rpm's own tools accept in the name of a package; a pattern or a separator would reach further than one name.
LETTERS = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._+-")


def parts(block: Block) -> tuple[BlockPart, ...]:
    """A package of which a waiver lets a version in is left to the guard, which can distinguish versions."""
    names = sorted(id_ for id_ in block.ids if id_[:1].isalnum() and LETTERS.issuperset(id_))
    closed = [name for name in names if name not in block.permitted]
    policy = f"Restricted by the policy of this organisation; ask {format_contact(block.contact)}."
    # The words for the guard stand after it, and fall before it.
    held = [*closed, *([GUARD] if names else [])]
    return (
        SharedFile(DNF_CONFIGURATION, partial(excluded, closed, policy), without_excludes, DNF),
        Guard(tuple(conflicts(names, block.permitted)), policy, messages=tuple(block.messages)),
        BlockFile(DNF_PROTECTED, f"# {WRITTEN_BY}\n{GUARD}\n", needed_paths=DNF),
        SharedFile(ZYPPER_LOCKS, partial(locked, held, policy), without_locks, ZYPPER),
        make_packagekit_rule("rpm", block.closed, block.contact),
        *([BlockTrial("a made package", _depends, partial(_open_to, closed[0]))] if closed else []),
    )


def _depends(host: Host) -> Iterable[str]:
    from . import rpm_trial  # only where it is tried

    return rpm_trial.depends(host)


def _open_to(restricted: str, host: Host) -> str:
    from . import rpm_trial

    return rpm_trial.open_to(host, restricted)


# -- what dnf leaves out -----------------------------------------------------------------------------------------------

BEGIN = "# proscribe: begin. "
END = "# proscribe: end"


def excluded(names: Sequence[str], policy: str, text: str) -> str:
    """dnf.conf with the names left out, at the end of [main].

    `excludepkgs` and `exclude` are two names of one option, and what both say adds up. Of two lines with one name the
    last one counts (dnf 4.23). So ours is the one that the administrator does not use; where both are used, it repeats
    what it hides.
    """
    rest = without_excludes(text)
    if not names:
        return rest
    lines = rest.splitlines(keepends=True)
    at, values = _main(lines)
    key = "exclude" if "excludepkgs" in values else "excludepkgs"
    value = ",".join([*values.get(key, "").replace(",", " ").split(), *names])
    block = [f"{BEGIN}{WRITTEN_BY}", f"# {policy}", *([] if at else ["[main]"]), f"{key}={value}", END]
    at = at or len(lines)
    if at and not lines[at - 1].endswith("\n"):  # the last line of a file that does not end in one
        return rest + "\n" + "\n".join(block)
    return "".join([*lines[:at], *(line + "\n" for line in block), *lines[at:]])


def without_excludes(text: str) -> str:
    lines = text.split("\n")
    last = max((number for number, line in enumerate(lines) if line == END), default=0)
    rest: list[str] = []
    at = 0
    while at < len(lines):
        if at < last and lines[at].startswith(BEGIN):
            at = lines.index(END, at)
        else:
            rest.append(lines[at])
        at += 1
    return "\n".join(rest)


def _main(lines: Sequence[str]) -> tuple[int, dict[str, str]]:
    """Behind which line the last section [main] says its last word (0: there is none), and its options' values."""
    at, section, key = 0, "", ""
    values: dict[str, str] = {}
    for number, line in enumerate(lines, 1):
        if line.startswith("["):
            section, key = line.strip(), ""
        elif not line.strip() or line[0] in "#;":
            continue
        elif section == "[main]" and line[0].isspace():
            values[key] = values.get(key, "") + " " + line.strip()
        elif section == "[main]":
            key, _, value = (word.strip() for word in line.partition("="))
            values[key] = value
        at = number if section == "[main]" else at
    return at, values


# -- what zypper locks -------------------------------------------------------------------------------------------------

LOCK = "\ntype: package\nmatch_type: glob\ncase_sensitive: on\nsolvable_name: {name}\ncomment: {comment}\n\n"
# zypper rewrites the file whole, in its own order, and drops what it does not know. A lock's comment it keeps.
OURS = compile_pattern(r"(?m)(?:^\n)?(?:^\w+: .*\n)+?comment: Written by Proscribe.*\n(?:^\n)?")
STANZA = compile_pattern(r"(?m)(?:^\w+: .*(?:\n|\Z))+")


def locked(names: Sequence[str], policy: str, text: str) -> str:
    """zypper's locks with one for each name. One that the administrator has made stays the administrator's."""
    comment = f"{WRITTEN_BY}. {policy}"
    mine = [stanza for stanza in STANZA.findall(text) if "\ncomment: Written by Proscribe" in stanza]
    rest = without_locks(text)
    theirs = {stanza.strip() for stanza in STANZA.findall(rest)}
    desired = [LOCK.format(name=name, comment=comment) for name in names if _plain(name) not in theirs]
    if sorted(mine) == sorted(stanza.strip("\n") + "\n" for stanza in desired):
        return text
    return "".join(desired) + rest  # in front, since the last line of the rest may not end


def _plain(name: str) -> str:
    """A lock on every version of a package, as zypper writes it when it is given no comment."""
    return LOCK.format(name=name, comment="").replace("comment: \n", "").strip()


def without_locks(text: str) -> str:
    return OURS.sub("", text) if "comment: Written by Proscribe" in text else text


def locks(text: str) -> set[str]:
    """The names that our locks are on."""
    ours = [match[0] for match in OURS.finditer(text)]
    return {line.partition(": ")[2] for one in ours for line in one.splitlines() if line.startswith("solvable_name: ")}


# -- the guard ---------------------------------------------------------------------------------------------------------


class Guard(NamedTuple):
    """The guard package. It does not conflict with what is installed when it is written: rpm would refuse it then."""

    conflicts: tuple[Conflict, ...]
    policy: str
    path: str = f"package {GUARD}"
    gone: AbstractSet[str] = frozenset()  # packages that will not be installed any more when it is written
    messages: tuple[str, ...] = ()  # for its description: a version, which every refusal shows, has Latin letters only

    def without(self, gone: AbstractSet[str]) -> BlockPart:
        return self._replace(gone=gone)

    def is_applicable(self, host: Host) -> bool:
        return bool(self.conflicts)

    def find_problem(self, host: Host, called_for: bool) -> str:
        release, present = self._seen(host)
        if not called_for:
            return LEFT_OVER_PROBLEM if release else ""
        if not release:
            return MISSING_PROBLEM
        # One that was there before what it conflicts with came (by force, or by a waiver for its version) is right too.
        return "" if release in (self.release(present), self.release(set())) else DIFFERENT_PROBLEM

    def _seen(self, host: Host) -> tuple[str, set[str]]:
        """The release of the guard that is installed ("": none), and the names it would conflict with that are."""
        if not in_use(host) or not host.find_tool("rpm"):
            return "", set()
        release = answer(host, ["-q", "--qf", "%{NAME}\t%{RELEASE}", GUARD]).partition(f"{GUARD}\t")[2]
        names = {conflict.name for conflict in self.conflicts}
        # A conflict is with whatever provides the name, as every package does its own.
        provided = answer(host, ["-q", "--qf", "[%{PROVIDENAME}\n]", "--whatprovides", *sorted(names)]) if names else ""
        return release, (names & set(provided.splitlines())) - self.gone

    def standing(self, present: AbstractSet[str]) -> list[Conflict]:
        return [conflict for conflict in self.conflicts if conflict.name not in present]

    def release(self, present: AbstractSet[str]) -> str:
        """What distinguishes one guard from another: all that it says, in a few letters."""
        said = repr((self.standing(present), self.policy, *self.messages))
        return sha256(said.encode()).hexdigest()[:16]

    def is_in_place(self, host: Host) -> bool:
        return bool(self._seen(host)[0] or host.find_entry(PLACE) or host.has_unfinished_write(PLACE))

    def read_current_text(self, host: Host) -> str:
        release = self._seen(host)[0]
        return f"{GUARD} {release}\n" if release else ""

    def make_desired_text(self, host: Host) -> str:
        lines = [f"Conflicts: {' '.join(filter(None, one))}\n" for one in self.standing(self._seen(host)[1])]
        return f"{GUARD} {self.release(self._seen(host)[1])}\n" + "".join(lines)

    def make_lifted_text(self, host: Host) -> str:
        return ""

    def enforce(self, host: Host) -> None:
        from .rpm_guard import install

        present = self._seen(host)[1]
        install(host, self.standing(present), self.release(present), self.policy, self.messages)

    def lift(self, host: Host) -> None:
        from .rpm_guard import erase

        if self._seen(host)[0]:
            erase(host)
        host.delete_file(PLACE)
