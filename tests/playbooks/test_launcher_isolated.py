"""The launcher in a directory where somebody has put modules of the standard library's names: none runs."""

import os
import subprocess
import sys

import checkout
import pytest
from checkout import PROJECT, REAL_ANSIBLE, clean_environment, launch, with_python

pytestmark = pytest.mark.playbook

MODULES = ("signal", "os", "json", "fcntl", "difflib", "ansible", "ensurepip", "venv", "runpy", "argparse", "proscribe")
MODULES = (*MODULES, "sitecustomize", "usercustomize", "yaml", "jinja2", "tempfile", "subprocess", "zipfile", "machine")
OF_ANSIBLE = {"PROSCRIBE_ANSIBLE_PLAYBOOK": REAL_ANSIBLE}


class Trap:
    """A directory full of modules that leave a mark when one is imported."""

    def __init__(self, directory):
        self.directory, self.marks = directory / "trap", directory / "marks"
        self.marks.mkdir()
        self.directory.mkdir(mode=0o777)
        for name in MODULES:
            (self.directory / f"{name}.py").write_text(f"open({str(self.marks)!r} + '/{name}', 'w').close()\n")
        (self.directory / "startup").write_text(f"open({str(self.marks)!r} + '/startup', 'w').close()\n")
        (self.directory / "ansible.cfg").write_text(f"[defaults]\nlog_path = {self.marks}/ansible.cfg\n")
        self.directory.chmod(0o777)

    @property
    def sprung(self):
        return sorted(mark.name for mark in self.marks.iterdir())

    @property
    def environment(self):
        """What leads Python to it, beside standing there. An empty entry is the current directory."""
        home = str(self.directory)
        return {"PYTHONPATH": f":{home}", "PYTHONSTARTUP": f"{home}/startup", "PYTHONWARNINGS": "error::signal.Warning"}

    def launch(self, launcher, *words, **environment):
        variables = clean_environment(**{**self.environment, **environment})
        return launch(launcher, *words, cwd=self.directory, environment=variables)


@pytest.fixture
def trap(tmp_path):
    return Trap(tmp_path)


def test_the_trap_works(trap):
    subprocess.run([sys.executable, "-c", "import difflib"], cwd=trap.directory, env={**os.environ, "PYTHONPATH": "."})
    assert "difflib" in trap.sprung


@pytest.mark.parametrize(
    ("words", "environment", "expected"),
    [
        *(("--help", own, "Usage") for own in ({}, OF_ANSIBLE)),
        *(("enforec", own, "did you mean") for own in ({}, OF_ANSIBLE)),
        *(("test --help", own, "usage:") for own in ({}, OF_ANSIBLE)),
        ("explain --help", OF_ANSIBLE, "proscribe explain [-h]"),
    ],
)
def test_words_that_need_no_host_run_nothing_of_the_directory(trap, words, environment, expected):
    ended = trap.launch(PROJECT / "proscribe", *words.split(), **environment)
    assert trap.sprung == [] and expected in ended.said, ended.said


@pytest.mark.parametrize("words", ["audit", "enforce", "schedule", "scheduled failed --"])
def test_a_run_on_this_machine(trap, tmp_path, words):
    """Also what runs of it as a host. With --check, so that nothing is changed."""
    inventory = tmp_path / "hosts.yml"
    inventory.write_text("a_department: {hosts: {localhost: {ansible_connection: local}}}\n")
    ended = trap.launch(
        PROJECT / "proscribe",
        *(*words.split(), "-i", str(inventory), "--check", "--tags", "dns", "-e", "proscribe_schedule=awx"),
        PROSCRIBE_ANSIBLE_PLAYBOOK=REAL_ANSIBLE,
        PROSCRIBE_REPORTS=str(tmp_path / "reports"),
    )
    assert trap.sprung == [], ended.said
    assert ended.code in (0, 2, 12) and "Traceback" not in ended.said, ended.said
    assert "failed" not in words or "a scheduled run" in ended.said


def test_making_the_environment_and_running_it(trap, tmp_path):
    launcher = checkout.made_checkout(tmp_path / "checkout", checkout.made_wheel(tmp_path))
    for _ in range(2):
        ended = trap.launch(launcher, "audit", PATH=with_python()["PATH"])
        assert ended.said.endswith("made ansible 1\n"), ended.said
    assert trap.sprung == []


def planted(environment, launcher, marker):
    """An environment with the right mark, whose programs are not Python."""
    (environment / "bin").mkdir(parents=True)
    for name in ("python", "ansible-playbook"):
        checkout.made_ansible(environment / "bin" / name, f"#!/bin/sh\ntouch {marker}\n")
    requirement = (launcher.parent / "pyproject.toml").read_text().partition('["')[2].partition('"]')[0]
    (environment / "made-by-proscribe").write_text(f"{environment}\n{requirement}\n{environment}/bin/python")


@pytest.mark.parametrize("who", ["somebody else", "everybody", "a group"])
@pytest.mark.skipif(os.geteuid() != 0, reason="needs root, to make files of somebody else")
def test_environment_that_others_can_change_is_not_used(tmp_path, who):
    launcher = checkout.made_checkout(tmp_path / "checkout", checkout.made_wheel(tmp_path))
    environment = launcher.parent / ".venv"
    planted(environment, launcher, tmp_path / "was-here")
    if who == "somebody else":
        os.chown(environment, 65534, 65534)
    else:
        environment.chmod(0o757 if who == "everybody" else 0o775)
    ended = launch(launcher, "audit", environment=with_python())
    assert not (tmp_path / "was-here").exists(), ended.said
    assert "setting up made-ansible" in ended.said and ended.said.endswith("made ansible 1\n")
    assert environment.stat().st_uid == 0 and environment.stat().st_mode & 0o022 == 0
