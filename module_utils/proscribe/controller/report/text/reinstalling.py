"""The command that installs again what was removed from a host, out of the fields that the host has given.

A host may be in hostile hands, and somebody pastes what is printed. So the words of a command are ours
(package_commands.py). What a host says is a name or a path in it, spelled as the package system spells it, and quoted.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence

from ....model.removed import RemovedPackage
from .command import quoted
from .other_account import build_line_for_account
from .package_commands import COMMANDS

NAMES, NAME = "{names}", "{name}"
# Neither an option nor an address; a version that a package index takes.
FIELDS: Mapping[str, re.Pattern[str]] = {
    "tool": re.compile(r"(?:/[^/]+)*/?[a-z][a-z0-9.-]*"),
    "place": re.compile(r"/.+|[A-Za-z0-9][A-Za-z0-9._-]*|"),
    "source": re.compile(r"(?:[A-Za-z0-9][A-Za-z0-9._/-]*)?"),
}
VERSION = re.compile(r"[A-Za-z0-9][A-Za-z0-9.!+_~-]{0,99}")
PYTHONS = "=="  # of those to whom X_y and x-y are one name
DEFAULT = "default"  # what flatpak calls the installation that every host has


def command(packages: Sequence[RemovedPackage]) -> str:
    """One line for root on the host that brings back as many of the packages as have a command; "" for none."""
    lines: list[str] = []
    groups: dict[tuple[str, ...], list[RemovedPackage]] = {}
    ordered = sorted(packages, key=lambda one: (bool(one.user), one.user, one.manager, one.name))
    for package in filter(has_command, ordered):
        words = [*_words(package)]
        alone = package.name if NAME in words else ""
        groups.setdefault((package.user, package.manager, alone, *words), []).append(package)
    for (user, manager, _, *line), members in groups.items():
        steps = [_line(user, line, members)]
        for mark, text in COMMANDS[manager][4].items():
            if marked := [one for one in members if one.mark == mark]:
                steps.append(_line(user, text.split(), marked, pinned=False))
        lines.append(" && ".join(steps))
    return "; ".join(lines)


def has_command(package: RemovedPackage) -> bool:
    """Whether the package system can install a package again by its name, and the package is spelled as it spells."""
    known = COMMANDS.get(package.manager)
    if known is None or package.how not in known[3]:
        return False
    ids, name, pin, *_ = known
    form = name.replace("{id}", re.escape(package.id))
    normal = pin == PYTHONS and _normal(package.name) == _normal(package.id)
    spelled = normal or re.fullmatch(form, package.name)
    fields = all(form.fullmatch(getattr(package, key)) for key, form in FIELDS.items() if _needs(package, key))
    return bool(re.fullmatch(ids, package.id) and spelled and fields)


def without_command(packages: Sequence[RemovedPackage]) -> list[RemovedPackage]:
    """What has to be installed from its file, by hand."""
    return [one for one in packages if not has_command(one)]


def _needs(package: RemovedPackage, key: str) -> bool:
    return f"{{{key}}}" in COMMANDS[package.manager][3][package.how] or (key == "place" and bool(package.place))


def _normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def _words(package: RemovedPackage) -> Iterator[str]:
    """The words of its command but for its name. One that needs what is not known is left out."""
    where = "--user" if package.user else f"--installation={package.place or DEFAULT}"
    fields = {"tool": package.tool, "place": package.place, "source": package.source, "where": where}
    for word in COMMANDS[package.manager][3][package.how].split():
        named = [key for key in fields if f"{{{key}}}" in word]
        if all(fields[key] for key in named):
            for key in named:
                word = word.replace(f"{{{key}}}", fields[key])
            yield word


def _line(user: str, words: Sequence[str], packages: Sequence[RemovedPackage], pinned: bool = True) -> str:
    names = list(dict.fromkeys(_named(one, pinned) for one in packages))
    named_words = [*_with_names(words, names)]
    return build_line_for_account(user, named_words) if user else " ".join(map(quoted, named_words))


def _with_names(words: Sequence[str], names: Sequence[str]) -> Iterator[str]:
    for word in words:
        if word == NAMES:
            yield from names
        else:
            yield word.replace(NAME, names[0])


def _named(package: RemovedPackage, pinned: bool) -> str:
    pin = COMMANDS[package.manager][2] if pinned and VERSION.fullmatch(package.version) else ""
    return f"{package.name}{pin}{package.version}" if pin else package.name
