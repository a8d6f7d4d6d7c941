"""A team's repository that knows nothing of this checkout: made from the example, with the tools that teams run."""

import contextlib
import os
import shutil
import subprocess
import sys
import tempfile
import tomllib
import zipfile
from pathlib import Path

import machine
import pytest
import roots
from conftest import layers, missing, require_whole_hosts
from patience import LONGEST
from processes import MERGED

PROJECT = Path(__file__).resolve().parents[2]
EXAMPLE = PROJECT / "examples/policy-repository"
GIT = ("-c", "user.name=A Team", "-c", "user.email=team@example.org", "-c", "protocol.file.allow=always")


def tools():
    """The directory of the programs of teams: ansible-builder, ansible-navigator, molecule and others."""
    extras = tomllib.loads((PROJECT / "pyproject.toml").read_text())["project"]["optional-dependencies"]
    made = machine.made("teams' tools", machine.CACHE / "vendored", sys.executable, extras["test-vendored"])
    if made.missing:
        missing(f"needs the tools of teams: {made.missing}")
    return made.directory / "bin"


def downloaded(place, requirement, *options):
    """Put packages of PyPI into a directory: a test of root's has no network."""
    pip = [sys.executable, "-m", "pip", "-q", "--disable-pip-version-check", "download", "--dest", str(place)]
    if subprocess.run(machine.outside([*pip, *options, requirement])).returncode:
        missing(f"needs {requirement} of PyPI")


def collection_of_pypi(namespace, name):
    """A collection out of the package `ansible`: Galaxy need not be reachable."""
    place = machine.CACHE / f"{namespace}.{name}"
    if not place.is_dir():
        beside = place.with_name(f"{place.name}.{os.getpid()}")
        downloaded(beside, "ansible>=12,<13", "--no-deps")
        (wheel,) = beside.glob("*.whl")
        inside = f"ansible_collections/{namespace}/{name}/"
        with zipfile.ZipFile(wheel) as archive:
            archive.extractall(beside, [name for name in archive.namelist() if name.startswith(inside)])
        wheel.unlink()
        try:
            beside.rename(place)
        except OSError:  # another run was faster
            shutil.rmtree(beside)
    return place / "ansible_collections" / namespace / name


@contextlib.contextmanager
def image(root, environment):
    """One of the tests' roots as an image of podman's, for tools that take nothing else."""
    require_whole_hosts()
    name = f"localhost/proscribe-test-{root}-{os.getpid()}"
    podman = ["podman", "--runtime", "runc"]
    env = {**os.environ, **environment}
    with (
        tempfile.TemporaryDirectory(prefix="proscribe-") as place,
        roots.mounted(layers(root), Path(place)) as merged,
        subprocess.Popen(["tar", "-C", merged, "-c", "."], stdout=subprocess.PIPE) as packed,
    ):
        subprocess.run([*podman, "import", "--quiet", "-", name], stdin=packed.stdout, env=env, check=True)
    try:
        yield name
    finally:
        subprocess.run([*podman, "rmi", "--force", name], env=env, capture_output=True)


class Repository:
    """A directory with a git repository in it, in which commands are run as its team runs them."""

    def __init__(self, directory, bin_directory, scratch):
        self.directory = directory
        directory.mkdir(parents=True, exist_ok=True)
        scratch.mkdir(exist_ok=True)
        others = ("ANSIBLE_", "PROSCRIBE_", "GIT_", "PYTHON", "VIRTUAL_ENV")
        self.environment = {name: value for name, value in os.environ.items() if not name.startswith(others)}
        self.environment["PATH"] = f"{bin_directory}:{os.environ.get('PATH', '')}:/usr/sbin:/sbin"
        # A home of its own: a collection that this account has installed would be found there.
        self.environment |= {"HOME": str(scratch), "NO_COLOR": "1", "COLUMNS": "10000"}

    def write(self, files):
        for path, text in files.items():
            (self.directory / path).parent.mkdir(parents=True, exist_ok=True)
            (self.directory / path).write_text(text)

    def run(self, *argv, code=0, cwd=".", **environment):
        """What a command prints, which has to end with that exit code (None: any)."""
        own = {**self.environment, **environment}
        done = subprocess.run(argv, cwd=self.directory / cwd, env=own, timeout=3 * LONGEST, **MERGED)
        if code is not None and done.returncode != code:
            print(done.stdout)
            pytest.fail(f"{argv} ended with {done.returncode}, expected {code}")
        return str(done.stdout)

    def git(self, *argv):
        return self.run("git", *GIT, *argv).strip()

    def commit(self, message):
        if not (self.directory / ".git").exists():
            self.git("init", "--quiet", "--initial-branch=main")
        self.git("add", "--all")
        self.git("commit", "--quiet", "--message", message)
        return self.git("rev-parse", "HEAD")


@pytest.fixture(scope="session")
def bin_directory():
    return tools()


@pytest.fixture(scope="session")
def collection(tmp_path_factory):
    output = tmp_path_factory.mktemp("collection")
    ansible = str(tools() / "ansible-playbook")
    argv = [str(PROJECT / "proscribe"), "collection", "--output", str(output)]
    subprocess.run(argv, check=True, env={**os.environ, "PROSCRIBE_ANSIBLE_PLAYBOOK": ansible}, timeout=LONGEST)
    (archive,) = output.glob("*.tar.gz")
    return archive


@pytest.fixture(scope="session")
def collection_repository(collection, bin_directory, tmp_path_factory):
    """The URL of a git repository of the unpacked collection, with the tag v0.1.0."""
    place = tmp_path_factory.mktemp("git")
    repository = Repository(place / "proscribe-ban", bin_directory, place / "home")
    repository.run("tar", "-xzf", str(collection))
    repository.commit("1.0.0")
    repository.git("tag", "v1.0.0")
    return repository.directory.as_uri()
