"""The virtual environment that the launcher makes on first use: whole, once, and repaired."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from checkout import Ended, clean_environment, launch, made_ansible, made_checkout, made_wheel
from patience import LONGEST

pytestmark = pytest.mark.playbook
SETTING_UP = "setting up made-ansible"
TOOLS = ("sh", "cat", "dirname", "id", "ls", "mkdir", "mktemp", "readlink", "rm", "sed")


@pytest.fixture
def launcher(tmp_path: Path) -> Path:
    return made_checkout(tmp_path / "checkout", made_wheel(tmp_path))


def audit(launcher: Path, **environment: str) -> Ended:
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    return launch(launcher, "audit", environment=clean_environment(PATH=path, **environment))


def test_it_is_made_on_first_use_and_used_again(launcher: Path) -> None:
    first, second = audit(launcher), audit(launcher)
    assert (first.code, second.code) == (0, 0)
    assert SETTING_UP in first.said and first.said.endswith("made ansible 1\n")
    assert second.said == "made ansible 1\n"


def test_a_command_without_a_playbook_runs_with_it(launcher: Path) -> None:
    cli = launcher.parent / "module_utils/proscribe/controller/cli"
    cli.mkdir(parents=True)
    (cli / "explain.py").touch()
    (cli / "__main__.py").write_text("print('explained')\n")
    environment = clean_environment(PATH=f"{Path(sys.executable).parent}:{os.environ['PATH']}")
    for _ in range(2):
        ended = launch(launcher, "explain", environment=environment)
        assert (ended.code, ended.said.splitlines()[-1]) == (0, "explained"), ended.said


def test_one_that_was_left_half_is_made_anew(launcher: Path) -> None:
    audit(launcher)
    (launcher.parent / ".venv" / "made-by-proscribe").unlink()
    (launcher.parent / ".venv" / "bin" / "ansible-playbook").unlink()
    ended = audit(launcher)
    assert ended.code == 0 and SETTING_UP in ended.said


def test_it_follows_the_requirements_and_the_place(launcher: Path, tmp_path: Path) -> None:
    audit(launcher)
    (launcher.parent / "pyproject.toml").write_text(f'dependencies = ["{made_wheel(tmp_path, "2")}"]\n')
    assert audit(launcher).said.endswith("made ansible 2\n")
    moved = tmp_path / "moved"
    launcher.parent.rename(moved)
    ended = audit(moved / "proscribe")
    assert SETTING_UP in ended.said and ended.said.endswith("made ansible 2\n")


def test_two_first_runs_at_once_make_it_once(launcher: Path) -> None:
    python = Path(sys.executable).parent
    environment = clean_environment(PATH=f"{python}:{os.environ['PATH']}")
    pair = [
        subprocess.Popen(
            [launcher, "audit"], env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
        )
        for _ in range(2)
    ]
    said = [process.communicate(timeout=LONGEST)[0] for process in pair]
    assert [process.returncode for process in pair] == [0, 0], said
    assert sum(SETTING_UP in text for text in said) == 1, said
    assert all(text.endswith("made ansible 1\n") for text in said)


def test_a_requirement_that_cannot_be_had_is_named_and_leaves_nothing_to_be_trusted(tmp_path: Path) -> None:
    launcher = made_checkout(tmp_path / "checkout", f"made-ansible @ file://{tmp_path}/nowhere.whl")
    ended = audit(launcher)
    assert ended.code == 2
    assert "nowhere.whl" in ended.said and "could not set up" in ended.said
    assert not (launcher.parent / ".venv" / "made-by-proscribe").exists()


@pytest.mark.parametrize(
    ("refuses", "message"),
    [
        (
            "ensurepip",
            "cannot make virtual environments here. On Debian and Ubuntu:\nproscribe:   apt-get install python3-venv",
        ),
        ("version_info", "this needs Python 3.11 or newer"),
    ],
    ids=["no ensurepip", "too old"],
)
def test_a_python_that_will_not_do_is_reported_with_what_to_install(tmp_path: Path, refuses: str, message: str) -> None:
    launcher = made_checkout(tmp_path / "checkout")
    programs = tmp_path / "bin"
    programs.mkdir()
    for tool in TOOLS:
        (programs / tool).symlink_to(str(shutil.which(tool)))
    made_ansible(
        programs / "python3", f'#!/bin/sh\ncase "$*" in *{refuses}*) exit 1 ;; esac\nexec {sys.executable} "$@"\n'
    )
    ended = launch(launcher, "audit", environment=clean_environment(PATH=str(programs)))
    assert ended.code == 2
    assert message in ended.said
    assert not (launcher.parent / ".venv").exists()
