"""What Ansible and Galaxy read of a collection: galaxy.yml, meta/runtime.yml, and the changelog in their form."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Sequence
from typing import Any, NamedTuple, NotRequired, TypedDict

import yaml

from .. import Refused
from .full_names import Names
from .layout import Source, text_of

# For module_defaults, `group/NAMESPACE.NAME.controls`: the modules that have the options of this fragment.
GROUP, SHARED = "controls", "proscribe_enforcing"
TAGS = ["security", "linux", "compliance", "firewall", "dns", "browser"]
AUTHORS = ["The Proscribe developers"]
REQUIREMENT = re.compile(r"ansible-core(?P<range>[<>=.,\d]+)")
VERSION = re.compile(r"\d+\.\d+\.\d+(?:-[\w.]+)?(?:\+[\w.]+)?", re.ASCII)
HEADING = re.compile(r"## \[(?P<version>[^]]+)\] - (?P<date>.+)")
CODE = re.compile(r"`([^`]+)`")
LINKED = re.compile(r"\[([^\]]*)\]\([^)]*\)")
# The sections of Keep a Changelog, as Ansible's changelogs have them.
SECTIONS = {
    "Added": "minor_changes",
    "Changed": "minor_changes",
    "Deprecated": "deprecated_features",
    "Removed": "removed_features",
    "Fixed": "bugfixes",
    "Security": "security_fixes",
}


class _Changes(TypedDict):
    """What changed with a version, as ansible's changelogs have it."""

    changes: dict[str, list[str]]
    release_date: NotRequired[str]


class Release(NamedTuple):
    """What the metadata say."""

    names: Names
    version: str
    declared: str  # in pyproject.toml: what the changelog names
    day: str  # of the commit, "" where it is not known
    description: str
    license: str
    requires_ansible: str
    repository: str  # "" where nobody knows it


def requires_ansible(dependencies: Sequence[str]) -> str:
    """The range of Ansible's versions, of the one dependency of pyproject.toml. Raises Refused."""
    found = [match for one in dependencies if (match := REQUIREMENT.fullmatch(one))]
    if len(found) != 1:
        raise Refused(f"pyproject.toml: dependencies: found {', '.join(dependencies)}, expected ansible-core>=A.B,<C.D")
    # A collection's ranges have three numbers.
    return re.sub(r"(?<![\d.])(\d+\.\d+)(?=,|$)", r"\1.0", found[0]["range"])


def galaxy(release: Release) -> str:
    """galaxy.yml."""
    if not VERSION.fullmatch(release.version):
        raise Refused(f"pyproject.toml: version: found {release.version!r}, expected MAJOR.MINOR.PATCH")
    namespace, _, name = release.names.collection.partition(".")
    said: dict[str, object] = {
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
        said["repository"] = release.repository
    return _dumped(said)


def runtime(release: Release, source: Source) -> str:
    """meta/runtime.yml: the Ansible that it needs, and the group of modules for module_defaults. Raises Refused."""
    groups = {GROUP: modules_of_group(source)}
    return _dumped({"requires_ansible": release.requires_ansible, "action_groups": groups})


def modules_of_group(source: Source) -> list[str]:
    """The modules that enforce a control. Raises Refused."""
    shared = re.compile(rf"^  - {SHARED}$", re.MULTILINE)
    paths = [path for path in source if path.startswith("library/") and shared.search(text_of(path, source[path]))]
    if not paths:
        raise Refused(f"library: found no module with the fragment {SHARED}, expected those of the controls")
    return [posixpath.splitext(posixpath.basename(path))[0] for path in sorted(paths)]


def changelog(text: str, release: Release) -> str:
    """changelogs/changelog.yaml, of the CHANGELOG.md of the checkout. Raises Refused for another form.

    A build between releases has the section of the coming one under its own version, with the day of its commit.
    """
    releases: dict[str, _Changes] = {}
    changes: list[str] | None = None
    for number, line in enumerate(text.splitlines(), 1):
        if heading := HEADING.fullmatch(line):
            releases[heading["version"]] = {"changes": {}}
            if re.fullmatch(r"\d{4}-\d\d-\d\d", heading["date"]):
                releases[heading["version"]]["release_date"] = heading["date"]
            changes = None
        elif line.startswith("### "):
            section = SECTIONS.get(line.removeprefix("### "))
            if section is None or not releases:
                raise Refused(f"CHANGELOG.md:{number}: found {line!r}, expected one of {', '.join(SECTIONS)}")
            changes = releases[next(reversed(releases))]["changes"].setdefault(section, [])
        elif line.startswith("- ") and changes is not None:
            changes.append(line.removeprefix("- "))
        elif line.startswith(" ") and changes:
            changes[-1] += f" {line.strip()}"
    for one in releases.values():
        one["changes"] = {section: list(map(_restructured, texts)) for section, texts in one["changes"].items()}
    if release.declared not in releases:
        raise Refused(
            f"CHANGELOG.md: found no heading of version {release.declared}, expected one as in pyproject.toml"
        )
    if "release_date" not in releases[release.declared]:
        own: _Changes = {**releases.pop(release.declared)}
        own.update({"release_date": release.day} if release.day else {})
        releases = {release.version: own, **releases}
    return _dumped({"ancestor": None, "releases": releases})


def _restructured(text: str) -> str:
    """A text of Markdown as reStructuredText, which ansible's changelogs are: literals, and the text of links."""
    return CODE.sub(r"``\1``", LINKED.sub(r"\1", text))


def changelog_settings(release: Release) -> str:
    """changelogs/config.yaml: what antsibull-changelog has to know to read that."""
    return _dumped(
        {
            "changelog_filename_template": "../CHANGELOG.md",
            "changelog_filename_version_depth": 0,
            "changes_file": "changelog.yaml",
            "changes_format": "combined",
            "keep_fragments": False,
            "notesdir": "fragments",
            "output_formats": ["md"],
            "sections": [[section, name] for name, section in SECTIONS.items() if name != "Changed"],
            "title": release.names.collection,
            "use_fqcn": True,
        }
    )


class _Dumper(yaml.SafeDumper):
    """Lists are indented below their key, as ansible-lint wants them."""

    def increase_indent(self, flow: bool = False, indentless: bool = False) -> None:
        super().increase_indent(flow, False)


def _dumped(value: Any) -> str:
    return "---\n" + yaml.dump(value, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=120)
