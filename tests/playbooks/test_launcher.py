"""The launcher's words, exit codes and signals, with a made program in Ansible's place."""

import gc
import os
import shutil
import signal
import subprocess
import sys
import time
import tomllib
from pathlib import Path

import pytest
from checkout import PROJECT, Ended, clean_environment, launch, made_ansible, made_checkout
from patience import LONGEST
from proscribe.controller.version import version

pytestmark = pytest.mark.playbook


@pytest.fixture
def launcher(tmp_path):
    return made_checkout(tmp_path / "checkout")


def play(launcher: Path, tmp_path: Path, script: str, *words: str, stdin: str = "", **environment: str) -> Ended:
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
        (2, "11", 11),
        (2, "ansible", 2),
        (4, "ansible", 4),
        (0, "", 0),  # --list-hosts, --syntax-check: there was nothing to report
        (1, "", 12),  # --limit matched nothing, or the inventory could not be read
        (5, "", 5),  # a bad option
        (99, "", 99),  # interrupted
        (250, "", 250),
    ],
)
def test_the_exit_code_is_the_reports_where_it_asks_for_one(launcher, tmp_path, ansible, exit_code, expected):
    temporary = tmp_path / "tmp"
    temporary.mkdir()
    script = f'printf %s "{exit_code}" >"$PROSCRIBE_EXIT_FILE"; exit {ansible}'
    ended = play(launcher, tmp_path, script, TMPDIR=str(temporary))
    assert (ended.code, list(temporary.iterdir())) == (expected, [])
    assert ("nothing was evaluated" in ended.said) == (ansible == 1)


def test_options_reach_ansible_as_they_are(launcher, tmp_path):
    ended = play(launcher, tmp_path, 'printf "<%s>" "$@"', "-e", "a=b c", "--limit", "")
    assert ended.said == f"<{launcher.parent}/playbooks/audit.yml><-e><a=b c><--limit><>"


def test_input_reaches_ansible(launcher, tmp_path):
    assert play(launcher, tmp_path, "cat", stdin="a password\n").said == "a password\n"


def test_launcher_works_through_a_link_and_from_any_directory(launcher, tmp_path):
    link = tmp_path / "link"
    link.symlink_to(launcher)
    ended = play(link, tmp_path, 'echo "$ANSIBLE_CONFIG $PROSCRIBE_REPORTS"')
    assert ended.said == f"{launcher.parent}/ansible.cfg \n", "an inventory may name a place; code knows the usual one"


def test_environment_wins_over_the_launchers_defaults(launcher, tmp_path):
    said = {"ANSIBLE_CONFIG": "/mine.cfg", "PROSCRIBE_REPORTS": "/mine"}
    assert play(launcher, tmp_path, 'echo "$ANSIBLE_CONFIG $PROSCRIBE_REPORTS"', **said).said == "/mine.cfg /mine\n"


@pytest.mark.parametrize("locale", ["C", "POSIX"])
def test_text_is_utf_8_even_where_the_locale_says_otherwise(launcher, tmp_path, locale):
    assert play(launcher, tmp_path, 'echo "$LC_ALL"', LC_ALL=locale).said == "C.UTF-8\n"


# What Ansible's script may begin with, and what becomes of it: run by that Python itself, or started as any program.
BY_PYTHON, AS_A_PROGRAM = 100_000, gc.get_threshold()[0]
SAYS = "import gc, os, sys; print(gc.get_threshold()[0], sys.argv, sys.flags.no_user_site, sys.path[:1] == [''])"
LONG_PATH = f"#!/bin/sh\n'''exec' {sys.executable} \"$0\" \"$@\"\n' '''"


@pytest.mark.parametrize(
    ("first", "threshold", "no_user_site"),
    [
        pytest.param(f"#!{sys.executable}", BY_PYTHON, 0, id="a virtual environment"),
        pytest.param(f"#!{sys.executable} -sP", BY_PYTHON, 1, id="with a flag, as on Fedora"),
        pytest.param("#!/usr/bin/env python3", AS_A_PROGRAM, 0, id="whatever is on the PATH"),
        pytest.param(f"#!/usr/bin/env -S {sys.executable} -s", AS_A_PROGRAM, 1, id="with words of env"),
        pytest.param(LONG_PATH, AS_A_PROGRAM, 0, id="a path that is too long for a first line"),
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
@pytest.mark.parametrize(
    ("number", "send"),
    [(signal.SIGTERM, os.kill), (signal.SIGTERM, os.killpg), (signal.SIGINT, os.killpg)],
    ids=["TERM to the launcher alone", "TERM to its whole group", "Ctrl-C, which a terminal sends to the whole group"],
)
def test_a_signal_reaches_ansible_and_its_code_comes_back(launcher, tmp_path, number, send, first):
    ansible = made_ansible(
        tmp_path / "ansible-playbook",
        f"{first}\n"
        "import pathlib, signal, sys, time\n"
        "for number in (signal.SIGTERM, signal.SIGINT):\n"
        "    assert signal.getsignal(number) is not signal.SIG_IGN\n"
        "    signal.signal(number, lambda *_: (time.sleep(0.3), sys.exit(77)))\n"
        f"pathlib.Path({str(tmp_path / 'ready')!r}).touch()\n"
        "time.sleep(60)\n",
    )
    temporary = tmp_path / "tmp"
    temporary.mkdir()
    variables = clean_environment(PROSCRIBE_ANSIBLE_PLAYBOOK=ansible, TMPDIR=str(temporary))
    with subprocess.Popen([launcher, "audit"], env=variables, start_new_session=True) as process:
        while not (tmp_path / "ready").exists():
            assert process.poll() is None
            time.sleep(0.02)
        send(process.pid, number)
        assert process.wait(LONGEST) == 77
    assert list(temporary.iterdir()) == []


def test_the_launcher_reads_the_requirement_that_pyproject_has():
    """It does so with sed, so the line has to stay one line with one entry."""
    text = (PROJECT / "pyproject.toml").read_text()
    said = subprocess.run(
        ["sed", "-n", r's/^dependencies = \["\(.*\)"\]$/\1/p'], input=text, capture_output=True, text=True, check=True
    )
    assert [said.stdout.strip()] == tomllib.loads(text)["project"]["dependencies"]


@pytest.mark.parametrize("words", [("--version",), ("-V",), ("version",)])
def test_the_version_is_printed_without_an_ansible(launcher, words):
    shutil.rmtree(launcher.parent / "module_utils")
    (launcher.parent / "module_utils").symlink_to(PROJECT / "module_utils")
    ended = launch(launcher, *words, environment=clean_environment())
    assert (ended.code, ended.said) == (0, f"proscribe {version(PROJECT)}\n")
