"""What a scan makes of an archive: packages that are neither in the catalogue nor decided, decisions without object.

tests/catalog/packages/ has the words that select (`words.yml`), and the decisions (`apt.yml`).
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import yaml
from metadata import Package

PROJECT = Path(__file__).resolve().parents[2]
DECISIONS = PROJECT / "tests/catalog/packages"
ABSENT = "the archive has none, and no reason is given (elsewhere)"


class Mistake(ValueError):
    """A file of decisions or words that does not have its form."""


class Topic(NamedTuple):
    """One kind of service that the ban names, and what its packages are known by."""

    about: str
    words: re.Pattern[str]
    tags: frozenset[str]


class Words(NamedTuple):
    """What selects a package, and what rules one out."""

    topics: Mapping[str, Topic]
    other: re.Pattern[str]  # phrases that have a word in another meaning
    sections: frozenset[str]
    names: re.Pattern[str]  # of libraries, documentation and the like

    def topics_of(self, package: Package) -> list[str]:
        """The topics of a package; none for a library, whatever it is about."""
        if package.section in self.sections or self.names.fullmatch(package.name):
            return []
        text = self.other.sub(" ", f"{re.sub('[-_./@]', ' ', package.name)}\n{package.summary}")
        found = self.topics.items()
        return [name for name, topic in found if topic.words.search(text) or topic.tags & package.tags]


class Group(NamedTuple):
    """Names with the same reason. A name with * is a family."""

    names: tuple[str, ...]
    why: str


class Decisions(NamedTuple):
    """What was decided for one package system."""

    decided: tuple[Group, ...]  # they stay out of the catalogue
    elsewhere: tuple[Group, ...]  # in the catalogue, and not in this archive


def words_of(path: Path = DECISIONS / "words.yml") -> Words:
    """The words. Each is a word or a phrase as people write it; * is any ending."""
    content = _loaded(path, {"topics", "other", "sections", "names"})
    topics = {
        name: Topic(str(one["about"]), _any_of(one["words"]), frozenset(one.get("tags", ())))
        for name, one in content["topics"].items()
    }
    return Words(topics, _any_of(content["other"]), frozenset(content["sections"]), _families(content["names"]))


def decisions_of(path: Path) -> Decisions:
    """The decisions of a file, checked: each has names and a reason, and no name stands twice."""
    content = _loaded(path, {"decided", "elsewhere"})
    seen: set[str] = set()
    groups: dict[str, tuple[Group, ...]] = {}
    for key, rows in content.items():
        groups[key] = tuple(_group(row, f"{path}: {key}") for row in rows)
        for name in (name for group in groups[key] for name in group.names):
            if name in seen:
                raise Mistake(f"{path}: {key}: found {name} again, expected one decision for a name")
            seen.add(name)
    return Decisions(groups["decided"], groups["elsewhere"])


def _group(row: object, place: str) -> Group:
    if isinstance(row, dict) and row.keys() == {"names", "why"} and row["names"] and str(row["why"]).strip():
        return Group(tuple(map(str, row["names"])), str(row["why"]))
    raise Mistake(f"{place}: found {row}, expected names and a reason (why)")


def _loaded(path: Path, keys: set[str]) -> dict[str, Any]:
    content = yaml.safe_load(path.read_text(encoding="utf-8"))
    if not isinstance(content, dict) or content.keys() != keys:
        raise Mistake(f"{path}: expected the keys {', '.join(sorted(keys))}")
    return content


def _any_of(words: Iterable[str]) -> re.Pattern[str]:
    """One expression for words: whole ones, upper or lower case, with a space or a hyphen between those of a phrase."""
    each = (re.escape(word).replace(r"\*", r"\w*").replace(r"\ ", "[ -]") for word in words)
    return re.compile(rf"(?<!\w)(?:{'|'.join(each)})(?!\w)", re.IGNORECASE)


def _families(names: Collection[str]) -> re.Pattern[str]:
    return re.compile("|".join(re.escape(name).replace(r"\*", ".*") for name in names) or r"(?!)")


def _any(names: Collection[str], family: str) -> bool:
    """Whether a name, or one of a family (with *), is among these."""
    return any(map(_families([family]).fullmatch, names)) if "*" in family else family in names


def mistakes(
    packages: Mapping[str, Package], words: Words, decisions: Decisions, catalogue: Collection[str]
) -> list[str]:
    """A line for each thing to do; none if all is decided."""
    families = _families([name for group in decisions.decided for name in group.names])
    undecided = (
        (name, topics, package.summary)
        for name, package in sorted(packages.items())
        if name not in catalogue and not families.fullmatch(name) and (topics := words.topics_of(package))
    )
    return [
        *(f"undecided: {name} ({', '.join(topics)}): {summary}" for name, topics, summary in undecided),
        *against_catalogue(decisions, catalogue),
        *against_archive(packages, decisions, catalogue),
    ]


def against_catalogue(decisions: Decisions, catalogue: Collection[str]) -> list[str]:
    """Decisions that the catalogue contradicts."""
    decided = (name for group in decisions.decided for name in group.names)
    elsewhere = (name for group in decisions.elsewhere for name in group.names)
    return [
        *(f"decided: {name}: is in the catalogue" for name in decided if _any(catalogue, name)),
        *(f"elsewhere: {name}: is not in the catalogue" for name in elsewhere if name not in catalogue),
    ]


def against_archive(packages: Collection[str], decisions: Decisions, catalogue: Collection[str]) -> list[str]:
    """Decisions about what the archive does not have, and names of the catalogue that it should have."""
    decided = (name for group in decisions.decided for name in group.names)
    elsewhere = {name for group in decisions.elsewhere for name in group.names}
    return [
        *(f"decided: {name}: the archive has none" for name in decided if not _any(packages, name)),
        *(f"elsewhere: {name}: the archive has it" for name in sorted(elsewhere) if name in packages),
        *(f"catalogue: {name}: {ABSENT}" for name in sorted(set(catalogue) - set(packages) - elsewhere)),
    ]
