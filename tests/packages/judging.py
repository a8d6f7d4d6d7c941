"""Packages that are neither in the catalogue nor decided, and decisions without an object.

tests/catalog/packages/ has the words that select packages (`words.yml`), and the decisions (`apt.yml`).
"""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

import yaml

PROJECT = Path(__file__).resolve().parents[2]
DECISIONS = PROJECT / "tests/catalog/packages"
ABSENT = "the archive has none, and no reason is given (elsewhere)"


class Mistake(ValueError):
    """A file of decisions or words does not have its form."""


class Topic(NamedTuple):
    """A kind of service that the ban names, with the words and tags of its packages."""

    words: re.Pattern[str]
    tags: frozenset[str]


class Words(NamedTuple):
    """The words that select a package, and those that rule one out."""

    topics: Mapping[str, Topic]
    other: re.Pattern[str]  # phrases that have a word in another meaning
    sections: frozenset[str]
    names: re.Pattern[str]  # of libraries, documentation and the like

    def topics_of(self, package):
        if package.section in self.sections or self.names.fullmatch(package.name):
            return []
        text = self.other.sub(" ", f"{re.sub('[-_./@]', ' ', package.name)}\n{package.summary}")
        topics = self.topics.items()
        return [name for name, topic in topics if topic.words.search(text) or topic.tags & package.tags]


class Decisions(NamedTuple):
    """The decisions for one package system, by names. A name with * is a family."""

    decided: tuple[str, ...]  # they stay out of the catalogue
    elsewhere: tuple[str, ...]  # in the catalogue, and not in this archive


def words_of(path=DECISIONS / "words.yml"):
    """Read the words. Each is a word or a phrase as people write it; * is any ending."""
    content = _load(path, {"topics", "other", "sections", "names"})
    topics = {
        name: Topic(_match_words(topic["words"]), frozenset(topic.get("tags", ())))
        for name, topic in content["topics"].items()
    }
    return Words(
        topics, _match_words(content["other"]), frozenset(content["sections"]), _match_families(content["names"])
    )


def decisions_of(path):
    """Read the decisions of a file: each has names and a reason, and no name occurs twice."""
    content = _load(path, {"decided", "elsewhere"})
    names = {"decided": [], "elsewhere": []}
    for key, row in ((key, row) for key, rows in content.items() for row in rows):
        if not (isinstance(row, dict) and row.keys() == {"names", "why"} and row["names"] and str(row["why"]).strip()):
            raise Mistake(f"{path}: {key}: found {row}, expected names and a reason (why)")
        for name in map(str, row["names"]):
            if name in names["decided"] + names["elsewhere"]:
                raise Mistake(f"{path}: {key}: found {name} again, expected one decision for a name")
            names[key].append(name)
    return Decisions(tuple(names["decided"]), tuple(names["elsewhere"]))


def _load(path, keys):
    content = yaml.safe_load(path.read_text(encoding="utf-8"))
    if not isinstance(content, dict) or content.keys() != keys:
        raise Mistake(f"{path}: expected the keys {', '.join(sorted(keys))}")
    return content


def _match_words(words):
    """Match whole words, upper or lower case, with a space or a hyphen between those of a phrase."""
    patterns = (re.escape(word).replace(r"\*", r"\w*").replace(r"\ ", "[ -]") for word in words)
    return re.compile(rf"(?<!\w)(?:{'|'.join(patterns)})(?!\w)", re.IGNORECASE)


def _match_families(names):
    return re.compile("|".join(re.escape(name).replace(r"\*", ".*") for name in names) or r"(?!)")


def _has_any(names, family):
    """Return True if a name, or one of a family (with *), is among names."""
    return any(map(_match_families([family]).fullmatch, names)) if "*" in family else family in names


def mistakes(packages, words, decisions, catalogue):
    """Return a line for each thing to do; none if all is decided."""
    families = _match_families(decisions.decided)
    undecided = (
        (name, topics, package.summary)
        for name, package in sorted(packages.items())
        if name not in catalogue and not families.fullmatch(name) and (topics := words.topics_of(package))
    )
    absent = sorted(set(catalogue).difference(packages, decisions.elsewhere))
    return [
        *(f"undecided: {name} ({', '.join(topics)}): {summary}" for name, topics, summary in undecided),
        *against_catalogue(decisions, catalogue),
        *(f"decided: {name}: the archive has none" for name in decisions.decided if not _has_any(packages, name)),
        *(f"elsewhere: {name}: the archive has it" for name in sorted(decisions.elsewhere) if name in packages),
        *(f"catalogue: {name}: {ABSENT}" for name in absent),
    ]


def against_catalogue(decisions, catalogue):
    return [
        *(f"decided: {name}: is in the catalogue" for name in decisions.decided if _has_any(catalogue, name)),
        *(f"elsewhere: {name}: is not in the catalogue" for name in decisions.elsewhere if name not in catalogue),
    ]
