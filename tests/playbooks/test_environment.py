"""The virtual environment that the launcher makes on first use: whole, once, and repaired."""

import shutil
import subprocess
import sys

import pytest
from checkout import clean_environment, launch, made_ansible, made_checkout, made_wheel, with_python
from patience import LONGEST
from processes import MERGED

pytestmark = pytest.mark.playbook
SETTING_UP = "setting up made-ansible"
EXTRA = '[project.optional-dependencies]\nhistory = ["{0}"]\ntest = [\n    "pytest",\n]\n'
ALL = ["Made_SQL-1.dist-info", "made_ansible-1.dist-info", "made_driver-1.dist-info"]
TOOLS = ("sh", "cat", "dirname", "id", "ls", "mkdir", "mktemp", "readlink", "rm", "sed")


@pytest.fixture
def launcher(tmp_path):
    return made_checkout(tmp_path / "checkout", made_wheel(tmp_path))


def audit(launcher):
    return launch(launcher, "audit", environment=with_python())


def test_environment_is_made_on_first_use_and_used_again_and_a_half_one_is_made_anew(launcher):
    first, second = audit(launcher), audit(launcher)
    assert (first.code, second.code) == (0, 0)
    assert SETTING_UP in first.said and first.said.endswith("made ansible 1\n")
    assert second.said == "made ansible 1\n"
    (launcher.parent / ".venv" / "made-by-proscribe").unlink()
    (launcher.parent / ".venv" / "bin" / "ansible-playbook").unlink()
    ended = audit(launcher)
    assert ended.code == 0 and SETTING_UP in ended.said


def test_environment_follows_the_requirements_and_the_place(launcher, tmp_path):
    audit(launcher)
    (launcher.parent / "pyproject.toml").write_text(f'dependencies = ["{made_wheel(tmp_path, "2")}"]\n')
    assert audit(launcher).said.endswith("made ansible 2\n")
    moved = tmp_path / "moved"
    launcher.parent.rename(moved)
    ended = audit(moved / "proscribe")
    assert SETTING_UP in ended.said and ended.said.endswith("made ansible 2\n")


def packages(launcher):
    """The packages of the environment but those that Python brings."""
    site = (launcher.parent / ".venv").glob("lib/python3*/site-packages/*.dist-info")
    return sorted(path.name for path in site if not path.name.startswith(("pip-", "setuptools-")))


@pytest.fixture
def with_extra(launcher, tmp_path):
    """A checkout that declares an extra of two packages."""
    wheels = '", "'.join(made_wheel(tmp_path, "1", name) for name in ("Made_SQL", "made-driver"))
    with (launcher.parent / "pyproject.toml").open("a") as stream:
        stream.write(EXTRA.format(wheels))
    return launcher


def test_a_recorded_extra_is_installed_each_time_that_it_is_made(with_extra):
    audit(with_extra)
    assert packages(with_extra) == ["made_ansible-1.dist-info"]
    # Each line of a long file costs nothing, so a start stays quick.
    (with_extra.parent / ".venv-extras").write_text("# for the history\n" + "history\n" * 20_000 + "history")
    ended = audit(with_extra)
    assert ended.code == 0 and SETTING_UP in ended.said, ended.said
    assert packages(with_extra) == ALL and audit(with_extra).said == "made ansible 1\n"
    shutil.rmtree(with_extra.parent / ".venv")
    assert audit(with_extra).code == 0 and packages(with_extra) == ALL


def test_an_extra_that_was_installed_by_hand_is_there_again_and_a_part_of_it_is_none(with_extra, tmp_path):
    audit(with_extra)
    pip = [with_extra.parent / ".venv/bin/python", "-m", "pip", "install", "--quiet"]
    for number, name in enumerate(("Made_SQL", "made-driver"), start=1):
        subprocess.run([*pip, made_wheel(tmp_path, "1", name)], check=True)
        (with_extra.parent / ".venv/made-by-proscribe").write_text("of an older checkout")
        ended = audit(with_extra)
        assert ended.code == 0 and SETTING_UP in ended.said, ended.said
        assert packages(with_extra) == (ALL if number == 2 else ["made_ansible-1.dist-info"])
        subprocess.run([*pip, made_wheel(tmp_path, "1", "Made_SQL")], check=True)
    assert (with_extra.parent / ".venv-extras").read_text() == "history\n"
    assert audit(with_extra).said == "made ansible 1\n"


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("histroy\n", 'a line names no extra of this project; expected "history"'),
        ("evil @ file:///x.whl\n", "a line names no extra"),
    ],
)
def test_a_line_that_is_no_extra_is_refused_with_the_file(with_extra, content, message):
    (with_extra.parent / ".venv-extras").write_text(content)
    ended = audit(with_extra)
    assert ended.code == 2 and not (with_extra.parent / ".venv").exists()
    assert message in ended.said and f"{with_extra.parent}/.venv-extras" in ended.said


def test_a_record_that_others_can_change_is_refused(with_extra, tmp_path):
    record = with_extra.parent / ".venv-extras"
    (tmp_path / "elsewhere").write_text("history\n")
    record.symlink_to(tmp_path / "elsewhere")
    refusals = [audit(with_extra)]
    record.unlink()
    record.write_text("history\n")
    record.chmod(0o664)
    refusals.append(audit(with_extra))
    for refused, mode in zip(refusals, ("lrwxrwxrwx", "-rw-rw-r--")):
        assert refused.code == 2 and f"(chmod go-w): {mode}" in refused.said
    assert not (with_extra.parent / ".venv").exists()


def test_a_scheduled_run_that_cannot_start_does_not_end_like_one_that_reported(tmp_path):
    launcher = made_checkout(tmp_path / "checkout", f"made-ansible @ file://{tmp_path}/nowhere.whl")
    (launcher.parent / "module_utils/proscribe/controller/cli/scheduled").mkdir(parents=True)
    ended = launch(launcher, "scheduled", "drift", environment=with_python())
    assert ended.code == 78 and "nowhere.whl" in ended.said and "could not set up" in ended.said
    assert audit(launcher).code == 2 and not (launcher.parent / ".venv" / "made-by-proscribe").exists()


def test_two_first_runs_at_once_make_it_once(launcher):
    pair = [subprocess.Popen([launcher, "audit"], env=with_python(), **MERGED) for _ in range(2)]
    said = [process.communicate(timeout=LONGEST)[0] for process in pair]
    assert [process.returncode for process in pair] == [0, 0], said
    assert sum(SETTING_UP in text for text in said) == 1, said
    assert all(text.endswith("made ansible 1\n") for text in said)


@pytest.mark.parametrize(
    ("refuses", "message"),
    [
        ("ensurepip", "On Debian and Ubuntu:\nproscribe:   apt-get install python3-venv"),
        ("version_info", "this needs Python 3.11 or newer"),
    ],
)
def test_a_python_that_will_not_do_is_reported_with_what_to_install(tmp_path, refuses, message):
    launcher = made_checkout(tmp_path / "checkout")
    programs = tmp_path / "bin"
    programs.mkdir()
    for tool in TOOLS:
        (programs / tool).symlink_to(str(shutil.which(tool)))
    script = f'#!/bin/sh\ncase "$*" in *{refuses}*) exit 1 ;; esac\nexec {sys.executable} "$@"\n'
    made_ansible(programs / "python3", script)
    ended = launch(launcher, "audit", environment=clean_environment(PATH=str(programs)))
    assert ended.code == 2 and message in ended.said and not (launcher.parent / ".venv").exists()
