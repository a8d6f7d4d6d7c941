"""Metadata that Ansible and Galaxy read from a collection: galaxy.yml, meta/runtime.yml and the changelog."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Sequence
from typing import Any, NamedTuple, NotRequired, TypedDict

import yaml

from .. import CommandError
from .full_names import CollectionNames
from .layout import SourceFiles, decode_text

# Modules that use this documentation fragment form the group `group/NAMESPACE.NAME.controls`, for module_defaults.
ACTION_GROUP, SHARED_FRAGMENT = "controls", "proscribe_enforcing"
TAGS = ["security", "linux", "compliance", "firewall", "dns", "browser"]
AUTHORS = ["The Proscribe developers"]
REQUIREMENT_PATTERN = re.compile(r"ansible-core(?P<range>[<>=.,\d]+)")
VERSION_PATTERN = re.compile(r"\d+\.\d+\.\d+(?:-[\w.]+)?(?:\+[\w.]+)?", re.ASCII)
HEADING_PATTERN = re.compile(r"## \[(?P<version>[^]]+)\] - (?P<date>.+)")
CODE_PATTERN = re.compile(r"`([^`]+)`")
LINK_PATTERN = re.compile(r"\[([^\]]*)\]\([^)]*\)")
# Section names of Keep a Changelog, and the matching names in Ansible's changelog format.
CHANGELOG_SECTIONS = {
    "Added": "minor_changes",
    "Changed": "minor_changes",
    "Deprecated": "deprecated_features",
    "Removed": "removed_features",
    "Fixed": "bugfixes",
    "Security": "security_fixes",
}


class _ReleaseChanges(TypedDict):
    """The changes of a released version, in the format of Ansible's changelogs: texts by section name."""

    changes: dict[str, list[str]]
    release_date: NotRequired[str]


class ReleaseMetadata(NamedTuple):
    """The values for the metadata files of a collection: galaxy.yml, meta/runtime.yml and the changelog."""

    names: CollectionNames
    version: str
    declared_version: str  # the version in pyproject.toml, for which the changelog has a heading
    commit_day: str  # day of the commit, such as 2026-11-30; "" if unknown
    description: str
    license: str
    requires_ansible: str  # range of ansible-core versions
    repository: str  # URL of the sources; "" if unknown


def parse_ansible_range(dependencies: Sequence[str]) -> str:
    """Return the range of ansible-core versions from the dependencies in pyproject.toml: `>=A.B.0,<C.D.0`.

    Raises CommandError unless exactly one dependency is such a range.
    """
    matches = [match for dependency in dependencies if (match := REQUIREMENT_PATTERN.fullmatch(dependency))]
    if len(matches) != 1:
        raise CommandError(
            f"pyproject.toml: dependencies: found {', '.join(dependencies)}, expected ansible-core>=A.B,<C.D"
        )
    # The range in meta/runtime.yml has versions of three numbers, so `2.19` becomes `2.19.0`.
    return re.sub(r"(?<![\d.])(\d+\.\d+)(?=,|$)", r"\1.0", matches[0]["range"])


def format_galaxy_file(release: ReleaseMetadata) -> str:
    """Return the text of galaxy.yml. Raises CommandError for a version that is not MAJOR.MINOR.PATCH."""
    if not VERSION_PATTERN.fullmatch(release.version):
        raise CommandError(f"pyproject.toml: version: found {release.version!r}, expected MAJOR.MINOR.PATCH")
    namespace, _, name = release.names.collection.partition(".")
    galaxy_data: dict[str, object] = {
        "namespace": namespace,
        "name": name,
        "version": release.version,
        "readme": "README.md",
        "authors": AUTHORS,
        "description": release.description,
        "license": [release.license],
        "tags": TAGS,
        "dependencies": {},
    }
    if release.repository:
        galaxy_data["repository"] = release.repository
    return _format_yaml(galaxy_data)


def format_runtime_file(release: ReleaseMetadata, source: SourceFiles) -> str:
    """Return the text of meta/runtime.yml: the range of Ansible versions, and the module group for module_defaults.

    Raises CommandError if the checkout has no module for the group.
    """
    groups = {ACTION_GROUP: list_group_modules(source)}
    return _format_yaml({"requires_ansible": release.requires_ansible, "action_groups": groups})


def list_group_modules(source: SourceFiles) -> list[str]:
    """Return the sorted names of the modules that enforce a control. Raises CommandError if there are none.

    These modules share a documentation fragment.
    """
    fragment_pattern = re.compile(rf"^  - {SHARED_FRAGMENT}$", re.MULTILINE)
    paths = [
        path
        for path in source
        if path.startswith("library/") and fragment_pattern.search(decode_text(path, source[path]))
    ]
    if not paths:
        raise CommandError(
            f"library: found no module with the fragment {SHARED_FRAGMENT}, expected those of the controls"
        )
    return [posixpath.splitext(posixpath.basename(path))[0] for path in sorted(paths)]


def convert_changelog(text: str, release: ReleaseMetadata) -> str:
    """Return the text of changelogs/changelog.yaml, made from `text`, the content of the checkout's CHANGELOG.md.

    A build between releases lists the coming release's changes under its own version, with the day of its commit.
    Raises CommandError for an unknown section, and if no heading has the version in pyproject.toml.
    """
    releases: dict[str, _ReleaseChanges] = {}
    changes: list[str] | None = None
    for number, line in enumerate(text.splitlines(), 1):
        if heading := HEADING_PATTERN.fullmatch(line):
            releases[heading["version"]] = {"changes": {}}
            # Only the coming release has no date in its heading.
            if re.fullmatch(r"\d{4}-\d\d-\d\d", heading["date"]):
                releases[heading["version"]]["release_date"] = heading["date"]
            changes = None
        elif line.startswith("### "):
            section = CHANGELOG_SECTIONS.get(line.removeprefix("### "))
            if section is None or not releases:
                raise CommandError(
                    f"CHANGELOG.md:{number}: found {line!r}, expected one of {', '.join(CHANGELOG_SECTIONS)}"
                )
            changes = releases[next(reversed(releases))]["changes"].setdefault(section, [])
        elif line.startswith("- ") and changes is not None:
            changes.append(line.removeprefix("- "))
        elif line.startswith(" ") and changes:
            changes[-1] += f" {line.strip()}"
    for release_changes in releases.values():
        release_changes["changes"] = {
            section: list(map(_convert_to_restructured_text, texts))
            for section, texts in release_changes["changes"].items()
        }
    if release.declared_version not in releases:
        raise CommandError(
            f"CHANGELOG.md: found no heading of version {release.declared_version}, expected one as in pyproject.toml"
        )
    # This build is earlier than the coming release, so it has a version of its own.
    if "release_date" not in releases[release.declared_version]:
        release_entry: _ReleaseChanges = {**releases.pop(release.declared_version)}
        release_entry.update({"release_date": release.commit_day} if release.commit_day else {})
        releases = {release.version: release_entry, **releases}
    return _format_yaml({"ancestor": None, "releases": releases})


def _convert_to_restructured_text(text: str) -> str:
    """Convert Markdown to reStructuredText, the markup of Ansible's changelogs.

    Code literals get double backticks, and a link is replaced by its link text.
    """
    return CODE_PATTERN.sub(r"``\1``", LINK_PATTERN.sub(r"\1", text))


def format_changelog_settings(release: ReleaseMetadata) -> str:
    """Return the text of changelogs/config.yaml, the settings with which antsibull-changelog reads the changelog."""
    return _format_yaml(
        {
            "changelog_filename_template": "../CHANGELOG.md",
            "changelog_filename_version_depth": 0,
            "changes_file": "changelog.yaml",
            "changes_format": "combined",
            "keep_fragments": False,
            "notesdir": "fragments",
            "output_formats": ["md"],
            "sections": [[section, name] for name, section in CHANGELOG_SECTIONS.items() if name != "Changed"],
            "title": release.names.collection,
            "use_fqcn": True,
        }
    )


class _IndentedDumper(yaml.SafeDumper):
    """A YAML dumper that indents lists below their key, as ansible-lint requires."""

    def increase_indent(self, flow: bool = False, indentless: bool = False) -> None:
        super().increase_indent(flow, False)


def _format_yaml(document: Any) -> str:
    return "---\n" + yaml.dump(document, Dumper=_IndentedDumper, sort_keys=False, allow_unicode=True, width=120)
