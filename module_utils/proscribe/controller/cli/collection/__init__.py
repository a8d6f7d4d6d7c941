"""`./proscribe collection`: the checkout as an Ansible collection, to be used from a project of one's own.

The checkout stays the source: what has another place or another name in a collection is derived from it. No host is
touched, and the one file that is written appears whole or not at all.
"""

from __future__ import annotations

import argparse
import os
import re
import sys
import tomllib
from pathlib import Path

from ....wire import installation
from ...version import commit_of, version
from .. import Refused
from . import sources
from .building import build, file_name, packed
from .full_names import Names
from .layout import source_files
from .metadata import Release, requires_ansible
from .placing import place, target_of
from .written import collection_files

NAMESPACE, NAME = "proscribe", "ban"
NO_REPOSITORY = (
    "note: the collection does not name its repository, without which Galaxy takes none: this checkout was not cloned "
    "from a server, and --repository URL was not given"
)

EPILOG = """\
  ./proscribe collection
  ./proscribe collection --output dist --namespace acme --name restrictions
  ./proscribe collection --directory collections            without a file, into a collections path

  ansible-galaxy collection install --offline proscribe-ban-*.tar.gz -p collections
  ansible-playbook proscribe.ban.audit -i inventory/hosts.yml

The same files give the same bytes. docs/collection.md says how a collection is used, and what differs from a checkout.
Exit code 2: it could not be built, and nothing was written."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of the command."""
    parser.description = "Build an Ansible collection from this checkout, with ansible-core alone."
    parser.epilog = EPILOG
    where = parser.add_mutually_exclusive_group()
    where.add_argument("--output", default="", metavar="DIR", help="where the file is written (default: here)")
    where.add_argument(
        "--directory", default="", metavar="DIR", help="a collections path, in which it is installed instead"
    )
    parser.add_argument("--namespace", default=NAMESPACE, help=f"of the collection (default: {NAMESPACE})")
    parser.add_argument("--name", default=NAME, help=f"of the collection (default: {NAME})")
    parser.add_argument(
        "--repository",
        default="",
        metavar="URL",
        help="of the sources (default: as in pyproject.toml, else what this checkout was cloned from)",
    )


def run(arguments: argparse.Namespace) -> int:
    """Build it and print its path; returns the exit code. Raises Refused."""
    if installation.COLLECTION:
        raise Refused(f"this is the collection {installation.COLLECTION}; it is built from a checkout of the project")
    output = Path(arguments.output or ".")
    if os.path.lexists(output) and not output.is_dir():
        raise Refused(f"--output: found {arguments.output!r}, expected a directory, or nothing there")
    if arguments.repository and not re.fullmatch(r"https://[\w.~:/@-]{1,300}", arguments.repository, re.ASCII):
        raise Refused(f"--repository: found {arguments.repository!r}, expected an https:// URL")
    source = source_files(installation.PROJECT_DIRECTORY)
    names = Names.of(source, arguments.namespace, arguments.name)
    release = _release(installation.PROJECT_DIRECTORY, names, arguments.repository)
    target = target_of(Path(arguments.directory), names) if arguments.directory else None
    if not release.repository:
        print(NO_REPOSITORY, file=sys.stderr)
    files = collection_files(source, names, release)
    if target is None:
        output.mkdir(parents=True, exist_ok=True)
        print(build(files, names, release.version, output))
    else:
        place(packed(files, names, release.version), target)
        print(target)
    return 0


def archive() -> tuple[str, bytes]:
    """The name and the content of the collection's file, with the usual names. Raises Refused."""
    source = source_files(installation.PROJECT_DIRECTORY)
    names = Names.of(source, NAMESPACE, NAME)
    release = _release(installation.PROJECT_DIRECTORY, names, "")
    return file_name(names, release.version), packed(collection_files(source, names, release), names, release.version)


def _release(root: Path, names: Names, repository: str) -> Release:
    """What the metadata say, by pyproject.toml, the tag and the commit. Raises Refused."""
    project = tomllib.loads((root / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    declared = str(project["version"])
    commit = commit_of(root, declared)
    if commit and commit.tag and commit.tag != f"v{declared}":
        expected = f"{commit.tag.removeprefix('v')} as the tag of this commit says"
        raise Refused(f"pyproject.toml: version: found {declared!r}, expected {expected}")
    return Release(
        names=names,
        version=version(root),
        declared=declared,
        day=f"{commit.time:%Y-%m-%d}" if commit else "",
        description=project["description"],
        license=project["license"],
        requires_ansible=requires_ansible(project["dependencies"]),
        repository=repository or project.get("urls", {}).get("repository") or sources.of_checkout(root),
    )
