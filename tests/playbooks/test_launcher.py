"""The launcher's words, exit codes and signals, with a made program in Ansible's place."""

import gc
import os
import shutil
import signal
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
from checkout import PROJECT, clean_environment, launch, made_ansible, made_checkout
from patience import LONGEST, until
from proscribe.controller.version import find_version

pytestmark = pytest.mark.playbook
# What Ansible's script may begin with, and what becomes of it: run by that Python itself, or started as any program.
BY_PYTHON, AS_A_PROGRAM = 100_000, gc.get_threshold()[0]
SAYS = "import gc, os, sys; print(gc.get_threshold()[0], sys.argv, sys.flags.no_user_site, sys.path[:1] == [''])"
LONG_PATH = f"#!/bin/sh\n'''exec' {sys.executable} \"$0\" \"$@\"\n' '''"  # too long for a first line
WAITS = """\
import pathlib, signal, sys, time
for number in (signal.SIGTERM, signal.SIGINT):
    assert signal.getsignal(number) is not signal.SIG_IGN
    signal.signal(number, lambda *_: (time.sleep(0.3), sys.exit(77)))
pathlib.Path("{ready}").touch()
time.sleep(60)
"""


@pytest.fixture
def launcher(tmp_path):
    return made_checkout(tmp_path / "checkout")


def play(launcher, tmp_path, script, *words, stdin="", **environment):
    """`proscribe audit` with a shell script in ansible-playbook's place."""
    ansible = made_ansible(tmp_path / "ansible-playbook", f"#!/bin/sh\n{script}\n")
    variables = clean_environment(PROSCRIBE_ANSIBLE_PLAYBOOK=ansible, **environment)
    return launch(launcher, "audit", *words, cwd=tmp_path, stdin=stdin, environment=variables)


@pytest.mark.parametrize("words", [(), ("-h",), ("--help",), ("help",)])
def test_usage_names_every_word(launcher, words):
    ended = launch(launcher, *words, environment=clean_environment())
    assert ended.code == 0
    commands = ("audit", "enforce", "lift", "schedule", "report", "explain", "diff", "waiver", "test")
    assert all(f"\n  {word} " in ended.said for word in commands)


@pytest.mark.parametrize("word", ["audit", "lift"])
@pytest.mark.parametrize("words", [("--help",), ("-i", "x", "-h")])
def test_the_help_of_a_playbook_is_ours_first(tmp_path, word, words):
    ansible = made_ansible(tmp_path / "ansible-playbook", '#!/bin/sh\necho "theirs: $*"\n')
    environment = clean_environment(PROSCRIBE_ANSIBLE_PLAYBOOK=ansible)
    ended = launch(PROJECT / "proscribe", word, *words, cwd=tmp_path, environment=environment)
    first, *rest = ended.said.splitlines()
    assert ended.code == 0 and first.startswith("Usage: ") and f" {word} [options]" in first
    assert rest[-1] == "theirs: --help" and "Exit codes: 0 success; 2 " in ended.said
    assert ("Removed packages stay removed" in ended.said) == (word == "lift")
    assert max(map(len, rest)) <= 80 or "/" in max(rest, key=len)  # but for the launcher's own path


def test_an_unknown_command_is_named_with_the_one_that_is_close(launcher):
    ended = launch(launcher, "enforec", environment=clean_environment())
    assert ended.code == 2 and 'no command "enforec" (did you mean "enforce"?)' in ended.said


@pytest.mark.parametrize(
    ("ansible", "exit_code", "expected"),
    [
        (0, "0", 0),
        (0, "12", 12),  # every pattern matched nothing, which is no success
        (2, "10", 10),
        (4, "ansible", 4),
        (0, "", 0),  # --list-hosts, --syntax-check: there was nothing to report
        (1, "", 12),  # --limit matched nothing, or the inventory could not be read
        (99, "", 99),  # interrupted
    ],
)
def test_the_exit_code_is_the_reports_where_it_asks_for_one(launcher, tmp_path, ansible, exit_code, expected):
    temporary = tmp_path / "tmp"
    temporary.mkdir()
    script = f'printf %s "{exit_code}" >"$PROSCRIBE_EXIT_FILE"; exit {ansible}'
    ended = play(launcher, tmp_path, script, TMPDIR=str(temporary))
    assert (ended.code, list(temporary.iterdir())) == (expected, [])
    assert ("nothing was evaluated" in ended.said) == (ansible == 1)


def test_options_and_input_reach_ansible_as_they_are(launcher, tmp_path):
    ended = play(launcher, tmp_path, 'printf "<%s>" "$@"; cat', "-e", "a=b c", "--limit", "", stdin="a password\n")
    assert ended.said == f"<{launcher.parent}/playbooks/audit.yml><-e><a=b c><--limit><>a password\n"


def test_launcher_works_through_a_link_and_the_environment_wins_over_its_defaults(launcher, tmp_path):
    link = tmp_path / "link"
    link.symlink_to(launcher)
    script = 'echo "$ANSIBLE_CONFIG $PROSCRIBE_REPORTS $LC_ALL"'
    # An inventory may name the place of reports, and the code knows the usual one.
    assert play(link, tmp_path, script, LC_ALL="C").said == f"{launcher.parent}/ansible.cfg  C.UTF-8\n"
    own = {"ANSIBLE_CONFIG": "/mine.cfg", "PROSCRIBE_REPORTS": "/mine", "LC_ALL": "POSIX"}
    assert play(launcher, tmp_path, script, **own).said == "/mine.cfg /mine C.UTF-8\n"


@pytest.mark.parametrize(
    ("first", "threshold", "no_user_site"),
    [
        (f"#!{sys.executable}", BY_PYTHON, 0),
        (f"#!{sys.executable} -sP", BY_PYTHON, 1),  # as on Fedora
        ("#!/usr/bin/env python3", AS_A_PROGRAM, 0),
        (f"#!/usr/bin/env -S {sys.executable} -s", AS_A_PROGRAM, 1),
        (LONG_PATH, AS_A_PROGRAM, 0),
    ],
)
def test_ansible_is_run_by_its_own_python(launcher, tmp_path, first, threshold, no_user_site):
    """With its flags, from its own file, with nothing of the directory that one stands in."""
    for name in ("gc", "runpy", "signal"):
        (tmp_path / f"{name}.py").write_text("raise SystemExit('taken out of the working directory')")
    (tmp_path / "bin").mkdir()
    ansible = made_ansible(tmp_path / "bin" / "made ansible", f"{first}\n{SAYS}\n")
    variables = clean_environment(PROSCRIBE_ANSIBLE_PLAYBOOK=ansible)
    ended = launch(launcher, "audit", "--limit", "a b", cwd=tmp_path, environment=variables)
    argv = [str(ansible), f"{launcher.parent}/playbooks/audit.yml", "--limit", "a b"]
    assert (ended.code, ended.said) == (0, f"{threshold} {argv} {no_user_site} False\n")


def test_a_name_on_the_path_is_found(launcher, tmp_path):
    ansible = made_ansible(tmp_path / "other-ansible", f"#!{sys.executable}\n{SAYS}\n")
    variables = clean_environment(PROSCRIBE_ANSIBLE_PLAYBOOK="other-ansible", PATH=f"{tmp_path}:{os.environ['PATH']}")
    said = launch(launcher, "audit", cwd=Path("/"), environment=variables).said
    assert said.startswith(f"{BY_PYTHON} ['{ansible}', ")


@pytest.mark.parametrize("first", ["#!/usr/bin/env python3", f"#!{sys.executable}"], ids=["a program", "its Python"])
@pytest.mark.parametrize(  # a terminal sends Ctrl-C to the whole group
    ("number", "send"), [(signal.SIGTERM, os.kill), (signal.SIGTERM, os.killpg), (signal.SIGINT, os.killpg)]
)
def test_a_signal_reaches_ansible_and_its_code_comes_back(launcher, tmp_path, number, send, first):
    ansible = made_ansible(tmp_path / "ansible-playbook", f"{first}\n{WAITS}".format(ready=tmp_path / "ready"))
    temporary = tmp_path / "tmp"
    temporary.mkdir()
    variables = clean_environment(PROSCRIBE_ANSIBLE_PLAYBOOK=ansible, TMPDIR=str(temporary))
    with subprocess.Popen([launcher, "audit"], env=variables, start_new_session=True) as process:
        until(lambda: (tmp_path / "ready").exists() or process.poll() is not None)
        send(process.pid, number)
        assert process.wait(LONGEST) == 77
    assert list(temporary.iterdir()) == []


def test_the_launcher_reads_the_requirement_that_pyproject_has():
    """It does so with sed, so the line has to stay one line with one entry."""
    text = (PROJECT / "pyproject.toml").read_text()
    line = subprocess.check_output(["sed", "-n", r's/^dependencies = \["\(.*\)"\]$/\1/p'], input=text, text=True)
    assert [line.strip()] == tomllib.loads(text)["project"]["dependencies"]


@pytest.mark.parametrize("words", [("--version",), ("-V",), ("version",)])
def test_the_version_is_printed_without_an_ansible(launcher, words):
    shutil.rmtree(launcher.parent / "module_utils")
    (launcher.parent / "module_utils").symlink_to(PROJECT / "module_utils")
    ended = launch(launcher, *words, environment=clean_environment())
    assert (ended.code, ended.said) == (0, f"proscribe {find_version(PROJECT)}\n")
