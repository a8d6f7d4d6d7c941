"""One version: pyproject.toml has it, CHANGELOG.md begins with it, and nothing was added in one that never was."""

import re
import subprocess
import tomllib
from pathlib import Path
from typing import NamedTuple

import pytest

PROJECT = Path(__file__).resolve().parents[3]
HEADING = re.compile(r"## \[(\d+\.\d+\.\d+)\] - (unreleased|\d{4}-\d\d-\d\d)")
ADDED = re.compile(r'^ *version_added: *"?([^"\n]*)"?$', re.MULTILINE)
DOCUMENTED = [
    str(path.relative_to(PROJECT))
    for directory in ("library", "callback_plugins", "filter_plugins", "test_plugins")
    for path in sorted((PROJECT / directory).glob("*.py"))
]


class Section(NamedTuple):
    """A heading of the changelog: 1.2.3, and the day of its release or `unreleased`."""

    version: str
    released: str


@pytest.fixture(scope="module")
def sections():
    headings = [line for line in (PROJECT / "CHANGELOG.md").read_text().splitlines() if line.startswith("## ")]
    found = [HEADING.fullmatch(line) for line in headings]
    assert all(found), f"found {headings}, expected each as `## [1.2.3] - unreleased` or with its day"
    return [Section(*match.groups()) for match in found if match]


def test_the_changelog_begins_with_the_version_of_the_project(sections):
    project = tomllib.loads((PROJECT / "pyproject.toml").read_text())["project"]
    assert sections[0].version == project["version"]


def test_versions_fall_and_only_the_newest_may_be_unreleased(sections):
    numbers = [tuple(map(int, section.version.split("."))) for section in sections]
    assert numbers == sorted(set(numbers), reverse=True)
    assert "unreleased" not in [section.released for section in sections[1:]]


def test_a_version_that_has_a_tag_has_a_day(sections):
    tags = subprocess.run(["git", "tag", "--list", "v*"], cwd=PROJECT, capture_output=True, text=True, check=True)
    for section in sections:
        assert section.released != "unreleased" or f"v{section.version}" not in tags.stdout.split()


@pytest.mark.parametrize("path", DOCUMENTED)
def test_what_says_since_when_there_is_it_names_a_version_of_the_changelog(path, sections):
    text = (PROJECT / path).read_text()
    added = ADDED.findall(text)
    assert set(added) <= {section.version for section in sections}
    assert bool(added) == ("\nDOCUMENTATION = " in text), "what is documented says since when there is it"
