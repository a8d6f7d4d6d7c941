"""Command `./proscribe collection`: the build of an Ansible collection from this checkout, for use in other projects.

Paths and names that differ in a collection are derived from the files of the checkout. No host is contacted. The
archive file, or with `--directory` the installed directory, appears completely or not at all.
"""

from __future__ import annotations

import argparse
import os
import re
import subprocess
import sys
import tomllib
from pathlib import Path

from ....wire import installation
from ...git import run_git
from ...version import find_version, read_commit
from .. import CommandError
from .archive import build_collection, make_file_name, pack_collection
from .collection_files import make_collection_files
from .full_names import CollectionNames
from .layout import read_source_files
from .metadata import ReleaseMetadata, parse_ansible_range
from .placement import find_target, install_collection

DEFAULT_NAMESPACE, DEFAULT_NAME = "proscribe", "ban"
NO_REPOSITORY_NOTE = (
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
_GIT_TIMEOUT_SECONDS = 20
# Forms of a git remote, over HTTPS and SSH. It may contain a user's name, a password and a port.
_SERVER = r"(?P<server>[a-zA-Z0-9][\w-]*(?:\.[\w-]+)+)"
_PATH = r"/*(?P<path>[\w.~-][\w.~/-]{0,250}?)(?:\.git)?/*"
_REMOTE_PATTERNS = (
    re.compile(rf"https://(?:[^/@\s]*@)?{_SERVER}(?P<port>:\d{{1,5}})?/{_PATH}", re.ASCII),
    re.compile(rf"ssh://(?:[^/@\s]*@)?{_SERVER}(?::\d{{1,5}})?/{_PATH}", re.ASCII),
    re.compile(rf"(?:[\w.-]+@)?{_SERVER}:{_PATH}", re.ASCII),
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of `./proscribe collection` to its parser."""
    parser.description = "Build an Ansible collection from this checkout, with ansible-core alone."
    parser.epilog = EPILOG
    target_options = parser.add_mutually_exclusive_group()
    target_options.add_argument("--output", default="", metavar="DIR", help="where the file is written (default: here)")
    target_options.add_argument(
        "--directory", default="", metavar="DIR", help="a collections path, in which it is installed instead"
    )
    parser.add_argument(
        "--namespace", default=DEFAULT_NAMESPACE, help=f"of the collection (default: {DEFAULT_NAMESPACE})"
    )
    parser.add_argument("--name", default=DEFAULT_NAME, help=f"of the collection (default: {DEFAULT_NAME})")
    parser.add_argument(
        "--repository",
        default="",
        metavar="URL",
        help="of the sources (default: as in pyproject.toml, else what this checkout was cloned from)",
    )


def run(arguments: argparse.Namespace) -> int:
    """Build the collection as an archive file or an installed directory, print its path, and return exit code 0.

    Raises CommandError for a wrong option, for a checkout that cannot be converted, and in an installed collection.
    """
    if installation.COLLECTION:
        raise CommandError(
            f"this is the collection {installation.COLLECTION}; it is built from a checkout of the project"
        )
    output = Path(arguments.output or ".")
    if os.path.lexists(output) and not output.is_dir():
        raise CommandError(f"--output: found {arguments.output!r}, expected a directory, or nothing there")
    if arguments.repository and not re.fullmatch(r"https://[\w.~:/@-]{1,300}", arguments.repository, re.ASCII):
        raise CommandError(f"--repository: found {arguments.repository!r}, expected an https:// URL")
    source = read_source_files(installation.PROJECT_DIRECTORY)
    names = CollectionNames.collect_names(source, arguments.namespace, arguments.name)
    release = _read_release(installation.PROJECT_DIRECTORY, names, arguments.repository)
    target = find_target(Path(arguments.directory), names) if arguments.directory else None
    if not release.repository:
        print(NO_REPOSITORY_NOTE, file=sys.stderr)
    files = make_collection_files(source, names, release)
    if target is None:
        output.mkdir(parents=True, exist_ok=True)
        print(build_collection(files, names, release.version, output))
    else:
        install_collection(pack_collection(files, names, release.version), target)
        print(target)
    return 0


def build_archive() -> tuple[str, bytes]:
    """Return the file name and the bytes of the collection's archive (.tar.gz). Raises CommandError.

    `./proscribe init` puts this archive into a new policy repository. Namespace and name are the defaults.
    """
    source = read_source_files(installation.PROJECT_DIRECTORY)
    names = CollectionNames.collect_names(source, DEFAULT_NAMESPACE, DEFAULT_NAME)
    release = _read_release(installation.PROJECT_DIRECTORY, names, "")
    return make_file_name(names, release.version), pack_collection(
        make_collection_files(source, names, release), names, release.version
    )


def _read_release(root: Path, names: CollectionNames, repository: str) -> ReleaseMetadata:
    """Return the metadata of the collection from pyproject.toml, the git tag and the commit of the checkout `root`.

    `repository` is the URL from the option `--repository`; "" if it was not given. Raises CommandError if the version
    in pyproject.toml differs from the release tag of the commit.
    """
    project = tomllib.loads((root / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    declared_version = str(project["version"])
    commit = read_commit(root, declared_version)
    if commit and commit.tag and commit.tag != f"v{declared_version}":
        expected = f"{commit.tag.removeprefix('v')} as the tag of this commit says"
        raise CommandError(f"pyproject.toml: version: found {declared_version!r}, expected {expected}")
    return ReleaseMetadata(
        names=names,
        version=find_version(root),
        declared_version=declared_version,
        commit_day=f"{commit.time:%Y-%m-%d}" if commit else "",
        description=project["description"],
        license=project["license"],
        requires_ansible=parse_ansible_range(project["dependencies"]),
        repository=repository or project.get("urls", {}).get("repository") or find_repository_url(root),
    )


def find_repository_url(root: Path) -> str:
    """Return the https URL of the repository from which the checkout `root` was cloned; "" if there is none.

    Galaxy displays the URL, and refuses a collection without it. There is no URL if git fails, or if the remote
    `origin` is missing or not on a server.
    """
    if not (root / ".git").exists():
        return ""
    try:
        result = run_git(root, "config", "--get", "remote.origin.url", timeout_seconds=_GIT_TIMEOUT_SECONDS)
    except (OSError, subprocess.SubprocessError):
        return ""
    return _convert_remote_to_url(result.stdout.decode(errors="replace").strip())


def _convert_remote_to_url(remote: str) -> str:
    """Convert a git remote to an https URL, without user, password, SSH port and `.git`; "" for another remote."""
    for pattern in _REMOTE_PATTERNS:
        if match := pattern.fullmatch(remote):
            parts = match.groupdict(default="")
            return f"https://{parts['server']}{parts.get('port', '')}/{parts['path']}"
    return ""
