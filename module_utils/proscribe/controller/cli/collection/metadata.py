"""What Ansible and Galaxy read of a collection: galaxy.yml, meta/runtime.yml, and the changelog in their form."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Sequence
from typing import Any, NamedTuple, NotRequired, TypedDict

import yaml

from .. import CommandError
from .full_names import CollectionNames
from .layout import SourceFiles, decode_text

# For module_defaults, `group/NAMESPACE.NAME.controls`: the modules that have the options of this fragment.
ACTION_GROUP, SHARED_FRAGMENT = "controls", "proscribe_enforcing"
TAGS = ["security", "linux", "compliance", "firewall", "dns", "browser"]
AUTHORS = ["The Proscribe developers"]
REQUIREMENT_PATTERN = re.compile(r"ansible-core(?P<range>[<>=.,\d]+)")
VERSION_PATTERN = re.compile(r"\d+\.\d+\.\d+(?:-[\w.]+)?(?:\+[\w.]+)?", re.ASCII)
HEADING_PATTERN = re.compile(r"## \[(?P<version>[^]]+)\] - (?P<date>.+)")
CODE_PATTERN = re.compile(r"`([^`]+)`")
LINK_PATTERN = re.compile(r"\[([^\]]*)\]\([^)]*\)")
# The sections of Keep a Changelog, as Ansible's changelogs have them.
CHANGELOG_SECTIONS = {
    "Added": "minor_changes",
    "Changed": "minor_changes",
    "Deprecated": "deprecated_features",
    "Removed": "removed_features",
    "Fixed": "bugfixes",
    "Security": "security_fixes",
}


class _ReleaseChanges(TypedDict):
    """What changed with a version, as ansible's changelogs have it."""

    changes: dict[str, list[str]]
    release_date: NotRequired[str]


class ReleaseMetadata(NamedTuple):
    """What the metadata say."""

    names: CollectionNames
    version: str
    declared_version: str  # in pyproject.toml: what the changelog names
    commit_day: str  # of the commit, "" where it is not known
    description: str
    license: str
    requires_ansible: str
    repository: str  # "" where nobody knows it


def parse_ansible_range(dependencies: Sequence[str]) -> str:
    """The range of Ansible's versions, of the one dependency of pyproject.toml. Raises Refused."""
    matches = [match for dependency in dependencies if (match := REQUIREMENT_PATTERN.fullmatch(dependency))]
    if len(matches) != 1:
        raise CommandError(
            f"pyproject.toml: dependencies: found {', '.join(dependencies)}, expected ansible-core>=A.B,<C.D"
        )
    # A collection's ranges have three numbers.
    return re.sub(r"(?<![\d.])(\d+\.\d+)(?=,|$)", r"\1.0", matches[0]["range"])


def format_galaxy_file(release: ReleaseMetadata) -> str:
    """galaxy.yml."""
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
    """meta/runtime.yml: the Ansible that it needs, and the group of modules for module_defaults. Raises Refused."""
    groups = {ACTION_GROUP: list_group_modules(source)}
    return _format_yaml({"requires_ansible": release.requires_ansible, "action_groups": groups})


def list_group_modules(source: SourceFiles) -> list[str]:
    """The modules that enforce a control. Raises Refused."""
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
    """changelogs/changelog.yaml, of the CHANGELOG.md of the checkout. Raises Refused for another form.

    A build between releases has the section of the coming one under its own version, with the day of its commit.
    """
    releases: dict[str, _ReleaseChanges] = {}
    changes: list[str] | None = None
    for number, line in enumerate(text.splitlines(), 1):
        if heading := HEADING_PATTERN.fullmatch(line):
            releases[heading["version"]] = {"changes": {}}
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
    for entry in releases.values():
        entry["changes"] = {
            section: list(map(_convert_to_restructured_text, texts)) for section, texts in entry["changes"].items()
        }
    if release.declared_version not in releases:
        raise CommandError(
            f"CHANGELOG.md: found no heading of version {release.declared_version}, expected one as in pyproject.toml"
        )
    if "release_date" not in releases[release.declared_version]:
        release_entry: _ReleaseChanges = {**releases.pop(release.declared_version)}
        release_entry.update({"release_date": release.commit_day} if release.commit_day else {})
        releases = {release.version: release_entry, **releases}
    return _format_yaml({"ancestor": None, "releases": releases})


def _convert_to_restructured_text(text: str) -> str:
    """A text of Markdown as reStructuredText, which ansible's changelogs are: literals, and the text of links."""
    return CODE_PATTERN.sub(r"``\1``", LINK_PATTERN.sub(r"\1", text))


def format_changelog_settings(release: ReleaseMetadata) -> str:
    """changelogs/config.yaml: what antsibull-changelog has to know to read that."""
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
    """Lists are indented below their key, as ansible-lint wants them."""

    def increase_indent(self, flow: bool = False, indentless: bool = False) -> None:
        super().increase_indent(flow, False)


def _format_yaml(document: Any) -> str:
    return "---\n" + yaml.dump(document, Dumper=_IndentedDumper, sort_keys=False, allow_unicode=True, width=120)
