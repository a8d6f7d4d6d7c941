"""What Ansible and Galaxy read of a collection, file by file."""

from __future__ import annotations

from typing import Any

import pytest
import yaml
from proscribe.controller.cli import Refused
from proscribe.controller.cli.collection import metadata
from proscribe.controller.cli.collection.full_names import Names
from proscribe.controller.cli.collection.metadata import Release

NAMES = Names("acme.ban", *[frozenset[str]()] * 4)
RELEASE = Release(NAMES, "1.1.0", "1.1.0", "2026-02-03", "a ban of é", "GPL-3.0-or-later", ">=2.19.0", "https://x/y")
SECTIONS = {
    "Added": "minor_changes",
    "Changed": "minor_changes",
    "Deprecated": "deprecated_features",
    "Removed": "removed_features",
    "Fixed": "bugfixes",
    "Security": "security_fixes",
}


@pytest.mark.parametrize(
    ("version", "taken"),
    [
        *((version, True) for version in ("1.0.0", "10.20.30", "1.0.0-dev", "1.0.0-dev.2+g1.changed", "1.0.0+g1")),
        *((version, False) for version in ("", "1.0", "v1.0.0", "1.0.0.0", "1.0.0 ", "1.0.0-", "1.0.0-é", "1.0.०")),
    ],
)
def test_a_version(version: str, taken: bool) -> None:
    if taken:
        assert yaml.safe_load(metadata.galaxy(RELEASE._replace(version=version)))["version"] == version
        return
    with pytest.raises(Refused, match="pyproject.toml: version: found .*, expected MAJOR.MINOR.PATCH"):
        metadata.galaxy(RELEASE._replace(version=version))


def test_the_modules_that_have_the_options_of_controls_are_a_group() -> None:
    fragment = b"extends_documentation_fragment:\n  - proscribe_enforcing\n"
    source = {
        "library/b.py": fragment,
        "library/a.py": fragment + b"  - other\n",
        "library/c.py": fragment.replace(b"enforcing", b"enforcing_not"),
        "library/d.py": b"  # - proscribe_enforcing\n",
        "action_plugins/e.py": fragment,
    }
    assert metadata.runtime(RELEASE, source) == (
        '---\nrequires_ansible: ">=2.19.0"\naction_groups:\n  controls:\n    - a\n    - b\n'.replace('"', "'")
    )
    with pytest.raises(Refused, match="library: found no module with the fragment proscribe_enforcing"):
        metadata.runtime(RELEASE, {"library/d.py": b"", "action_plugins/e.py": fragment})


def released(text: str, release: Release = RELEASE) -> Any:
    found = yaml.safe_load(metadata.changelog(text, release))
    assert [*found] == ["ancestor", "releases"] and found["ancestor"] is None
    return found["releases"]


@pytest.mark.parametrize(("title", "section"), SECTIONS.items())
def test_each_section_of_a_changelog_has_a_place(title: str, section: str) -> None:
    text = f"# Changes\n- no\n## [1.1.0] - 2026-02-04\n- no\n### {title}\n\n- one `a` [b](c.md)\n  more\n- two\n\n no\n"
    changes = {section: ["one ``a`` b more", "two no"]}
    assert released(text) == {"1.1.0": {"changes": changes, "release_date": "2026-02-04"}}
    settings = {**yaml.safe_load(metadata.changelog_settings(RELEASE))}
    assert ([section, title] in settings["sections"]) is (title != "Changed")


def test_what_was_added_and_what_was_changed_stand_together_and_versions_in_their_order() -> None:
    text = "## [1.1.0] - unreleased\n### Changed\n- a\n### Added\n- b\n## [1.0.0] - 2026-1-2\n### Fixed\n- c\n"
    of = {"1.1.0": {"changes": {"minor_changes": ["a", "b"]}, "release_date": "2026-02-03"}}
    before = {"1.0.0": {"changes": {"bugfixes": ["c"]}}}
    assert [*released(text).items()] == [*of.items(), *before.items()]
    assert released(text, RELEASE._replace(version="1.1.0-dev", day="")) == {
        "1.1.0-dev": {"changes": {"minor_changes": ["a", "b"]}},
        **before,
    }


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("### Added\n", "CHANGELOG.md:1: found '### Added', expected one of Added, Changed"),
        ("## [1.1.0] - x\n\n### News\n", "CHANGELOG.md:3: found '### News', expected one of Added, Changed"),
        ("## [1.0.0] - x\n", "CHANGELOG.md: found no heading of version 1.1.0"),
    ],
)
def test_a_changelog_of_another_form_is_refused(text: str, why: str) -> None:
    with pytest.raises(Refused, match=why):
        metadata.changelog(text, RELEASE)


@pytest.mark.parametrize(
    ("dependencies", "range_"),
    [
        (["ansible-core>=2.19,<2.22"], ">=2.19.0,<2.22.0"),
        (["ansible-core==2.20"], "==2.20.0"),
        ([], ""),
        (["ansible-core>=2.19", "ansible-core<2.22"], ""),
        (["ansible-core>=2.19; python_version>'3'"], ""),
    ],
)
def test_the_range_of_ansible(dependencies: list[str], range_: str) -> None:
    if range_:
        assert metadata.requires_ansible(dependencies) == range_
        return
    with pytest.raises(Refused, match="pyproject.toml: dependencies: found "):
        metadata.requires_ansible(dependencies)
