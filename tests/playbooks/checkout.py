"""Running the launcher: of this checkout with a real Ansible, or of a made one with a made Ansible."""

import json
import os
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import NamedTuple

import pytest
from patience import LONGEST
from processes import MERGED

needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="needs root, for mount namespaces and to enforce")
AS_ROOT = [pytest.mark.playbook, needs_root]
PROJECT = Path(__file__).resolve().parents[2]
REAL_ANSIBLE = os.environ.get("PROSCRIBE_ANSIBLE_PLAYBOOK") or str(Path(sys.executable).parent / "ansible-playbook")
LOCAL = "localhost: {ansible_connection: local}"


class Ended(NamedTuple):
    """How the launcher ended, and all that it said."""

    code: int
    said: str

    @property
    def usual(self):
        """What it said, with no warning in it about the catalogue's age, which grows by itself."""
        return self.said.replace("[WARNING]: catalogue: ", "catalogue: ")


def clean_environment(**more):
    """This environment without what would reach into the launcher."""
    inherited = {name: value for name, value in os.environ.items() if not name.startswith(("ANSIBLE_", "PROSCRIBE_"))}
    return {**inherited, "NO_COLOR": "1", "COLUMNS": "10000", **more}


def launch(launcher, *words, cwd=PROJECT, stdin="", environment):
    streams = {**MERGED, "stdin": None, "input": stdin}
    done = subprocess.run([str(launcher), *words], cwd=cwd, env=dict(environment), timeout=LONGEST, **streams)
    return Ended(done.returncode, done.stdout)


def with_python(**more):
    return clean_environment(PATH=f"{Path(sys.executable).parent}:{os.environ['PATH']}", **more)


def read_records(reports, run="latest"):
    lines = (reports / run / "hosts.jsonl").read_text().splitlines()
    return {record["host"]: record for record in map(json.loads, lines)}


def read_states(reports, run="latest"):
    return {host: record["state"] for host, record in read_records(reports, run).items()}


def proscribe(*words, reports, cwd=PROJECT, **environment):
    """This checkout's launcher, with a real Ansible and a place for reports."""
    known = {"PROSCRIBE_ANSIBLE_PLAYBOOK": REAL_ANSIBLE, "PROSCRIBE_REPORTS": str(reports), **environment}
    return launch(PROJECT / "proscribe", *words, cwd=cwd, environment=clean_environment(**known))


def install_collection(place):
    """Build the collection from this checkout, and have ansible-galaxy install it; the path of collections."""
    ended = proscribe("collection", "--output", str(place), reports=place / "reports")
    assert ended.code == 0, ended.said
    (archive,) = place.glob("*.tar.gz")
    galaxy = [Path(REAL_ANSIBLE).with_name("ansible-galaxy"), "collection", "install", "--offline", archive]
    argv = [*galaxy, "-p", place / "collections"]
    subprocess.run(argv, env=clean_environment(), check=True, capture_output=True, timeout=LONGEST)
    return place / "collections"


class Site:
    """An inventory, a place for reports, a directory to stand in, and the launcher."""

    def __init__(self, directory, *hosts):
        self.directory, self.inventory, self.reports = directory, directory / "inventory", directory / "reports"
        self.cwd = directory / "elsewhere"
        self.cwd.mkdir()
        self.hosts(*(hosts or [LOCAL]))

    def hosts(self, *hosts):
        """Write the hosts of the inventory, each a line of YAML."""
        self.file("hosts.yml", "some_department:\n  hosts:\n" + "".join(f"    {host}\n" for host in hosts))

    def file(self, name, content):
        path = self.inventory / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content)

    def __call__(self, *words, **environment):
        return proscribe(*words, "-i", str(self.inventory), reports=self.reports, cwd=self.cwd, **environment)

    @property
    def report(self):
        return dict(json.loads((self.reports / "latest/report.json").read_text()))

    @property
    def records(self):
        return read_records(self.reports)


def made_checkout(where, requirement="made-ansible"):
    """A checkout with the real launcher, and nothing else that is real but what it waits with; returns the launcher."""
    (where / "playbooks").mkdir(parents=True)
    (where / "playbooks" / "audit.yml").touch()
    (where / "pyproject.toml").write_text(f'[project]\ndependencies = ["{requirement}"]\n')
    launcher = where / "proscribe"
    launcher.write_bytes((PROJECT / "proscribe").read_bytes())
    launcher.chmod(0o755)
    waiting = where / "module_utils/proscribe/controller/file_lock.py"  # by which a second first run waits
    waiting.parent.mkdir(parents=True)
    waiting.write_bytes((PROJECT / "module_utils/proscribe/controller/file_lock.py").read_bytes())
    return launcher


def made_ansible(where, script):
    """A program to put in ansible-playbook's place."""
    where.write_text(script)
    where.chmod(0o755)
    return str(where)


def made_wheel(where, version="1", package="made-ansible"):
    """Make a requirement that pip satisfies offline: by default one whose ansible-playbook says its version."""
    module = package.replace("-", "_")
    wheel = where / f"{module}-{version}-py3-none-any.whl"
    info = f"{module}-{version}.dist-info"
    files = {
        f"{module}.py": f"def main():\n    print('made ansible {version}')\n",
        f"{info}/METADATA": f"Metadata-Version: 2.1\nName: {package}\nVersion: {version}\n",
        f"{info}/WHEEL": "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    }
    if package == "made-ansible":
        files[f"{info}/entry_points.txt"] = "[console_scripts]\nansible-playbook = made_ansible:main\n"
    with zipfile.ZipFile(wheel, "w") as archive:
        for name, content in files.items():
            archive.writestr(name, content)
        archive.writestr(f"{info}/RECORD", "".join(f"{name},,\n" for name in [*files, f"{info}/RECORD"]))
    return f"{package} @ {wheel.as_uri()}"
