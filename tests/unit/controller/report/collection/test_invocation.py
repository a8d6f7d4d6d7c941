"""How a run was called: what is read of a command line and its environment, word by word."""

import os
import sys
from pathlib import Path
from typing import Any

import pytest
from proscribe.controller.report.collection.invocation import called, parsed, repeated, seems_secret, where_we_are
from proscribe.controller.report.text.command import SECRETS_FILE, Call
from proscribe.wire import installation

PROJECT = Path(__file__).resolve().parents[5]
AS_VARIABLE = ("ssh_common_args", "ssh_extra_args", "sftp_extra_args", "scp_extra_args")
OPTIONS = {
    "-i": ("inventory", True), "--tags": ("tags", True), "--take": ("take", False), "-e": ("extra_vars", True),
    "-b": ("become", False), "-K": ("become_ask_pass", False), **{f"--{name}": (name, True) for name in AS_VARIABLE},
    **{f"--{name}": (name, False) for name in ("check", "diff", "step", "syntax", "listhosts", "listtasks",
     "listtags")},
    **{f"--{name}": (name, True) for name in ("subset", "start_at_task")},
}  # fmt: skip
FILE = ("-e", f"@{SECRETS_FILE}")
OURS = str(PROJECT / "playbooks" / "enforce.yml")


@pytest.mark.parametrize(("typed", "words"), [
    (["-bK"], [("become", "-b", None), ("become_ask_pass", "-K", None)]),
    (["-biprod"], [("become", "-b", None), ("inventory", "-i", "prod")]),
    (["-i", "prod"], [("inventory", "-i", "prod")]),
    (["-i"], [("inventory", "-i", "")]),
    (["--tags=a=b"], [("tags", "--tags", "a=b")]),
    (["--tags"], [("tags", "--tags", "")]),
    (["--tag", "a"], [("tags", "--tag", "a")]),
    (["--ta", "a"], [("--ta", "--ta", None), ("", "a", None)]),  # it may be either of two
    (["-x"], [("-x", "-x", None)]),
    (["-", "a"], [("", "-", None), ("", "a", None)]),
    (["--", "-b", "--tags"], [("", "-b", None), ("", "--tags", None)]),
])  # fmt: skip
def test_words_are_options_with_their_values(typed, words):
    assert [tuple(word) for word in parsed(typed, OPTIONS)] == words


@pytest.mark.parametrize(("typed", "options", "withheld"), [
    (["--check", "--diff", "--step", "--syntax", "--listhosts", "--listtasks", "--listtags"], (), ()),
    (["--subset", "web*", "--start_at_task", "x", "-b"], ("-b",), ()),
    (["-e", "a=1", "-b"], ("-e", "a=1", "-b"), ()),
    (["-e", "a=1 token=x", "-b"], (*FILE, "-b"), ("a", "token")),
    (["-b", "-e", "token=x", "-i", "p", "-e", "token=y pwd=z"], ("-b", "-i", "p", *FILE), ("token", "pwd")),
    (["-e", "'unclosed hunter2"], FILE, ("what an -e says that cannot be read",)),
    (["-e", "[1, token]"], FILE, ("what an -e says that cannot be read",)),
    (["-e", " {token: x, b: 1}"], FILE, ("token", "b")),
    (["-e", "@token"], ("-e", "@token"), ()),
    (["-i", "token=x"], ("-i", "token=x"), ()),
    *(([f"--{name}", "sshpass -p x"], FILE, (f"ansible_{name}",)) for name in AS_VARIABLE),
    (["--ssh_common_args", "-o User=a"], ("--ssh_common_args", "-o User=a"), ()),
])  # fmt: skip
def test_options_are_repeated_and_secrets_are_withheld(typed, options, withheld):
    assert repeated(parsed(typed, OPTIONS)) == (options, withheld)


@pytest.mark.parametrize(("name", "value", "secret"), [
    ("a", "b", False),
    *((f"my_{word}", "b", True) for word in ("pass", "pwd", "SECRET", "token", "credential", "auth", "webhook")),
    *((f"my_{word}", "b", True) for word in ("vault", "cookie", "bearer", "key", "Key_x")),
    ("key_file", "b", False),
    ("token", True, False),
    ("a", {"token": "b"}, True),
    ("a", [{"b": [{"token": "c"}]}], True),
    ("a", "$ANSIBLE_VAULT;1.1", True),
    *(("a", f"{word}x", True) for word in ("gho_", "ghp_", "ghs_", "ghu_", "github_pat_", "glpat-", "xoxb-", "AKIA")),
    ("a", "eyJx", True),
    ("a", "https://u:p@host", True),
    ("a", "https://host/u:p", False),
    ("a", "0" * 31, False),
    ("a", "0aF" * 11, True),
    ("a", "aB3" * 8, True),
    ("a", "aB3" * 7, False),
    ("a", "ab3" * 8, False),
    ("a", "AB3" * 8, False),
    ("a", "aBc" * 8, False),
    ("a", None, False),
])  # fmt: skip
def test_value_like_a_secret_is_withheld(name, value, secret):
    assert seems_secret(name, value) is secret


@pytest.mark.parametrize("within", [lambda value: [value], lambda value: {"b": value}, lambda value: (value,)])
@pytest.mark.parametrize(("levels", "secret"), [(20, False), (21, True)])
def test_value_that_is_too_deep_counts_as_a_secret(levels, secret, within):
    value: Any = "b"
    for _ in range(levels):
        value = within(value)
    assert seems_secret("a", value) is secret


def test_the_configuration_of_the_project_need_not_be_said():
    environment = {"ANSIBLE_CONFIG": installation.CONFIGURATION, "ANSIBLE_BECOME": installation.CONFIGURATION}
    call = called(["ansible-playbook"], environment, OPTIONS, "/srv")
    assert call == Call(("env", f"ANSIBLE_BECOME={installation.CONFIGURATION}", "ansible-playbook"), cwd="/srv")


@pytest.mark.parametrize(("environment", "before"), [
    ({"HOME": "/root", "PROSCRIBE": "x"}, ()),
    ({"ANSIBLE_CONFIG": ""}, ()),
    ({"SUDO_COMMAND": "/usr/bin/bash"}, ()),
    ({"SUDO_COMMAND": "./p audit", "ANSIBLE_CONFIG": "/etc/my.cfg"}, ("sudo", "env", "ANSIBLE_CONFIG=/etc/my.cfg")),
])  # fmt: skip
def test_launcher_that_sudo_started_is_started_by_it_again(environment, before, monkeypatch):
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    call = called(["a", OURS], {**environment, "PROSCRIBE_CALLED": "./p"}, OPTIONS, "/srv")
    assert call.program == (*before, "./p")


@pytest.mark.parametrize(("words", "launcher", "call"), [
    (["site.yml", "-b", "more.yml"], "./p", Call(("a",), "", "site.yml", ("more.yml", "-b"), "/srv")),
    ([OURS, "more.yml", "-b"], "./p", Call(("./p",), "enforce", "", ("-b", "more.yml"), "/srv")),
    ([OURS, "-e", "token=x"], "./p", Call(("./p",), "enforce", "", FILE, "/srv", ("token",))),
    (["-b"], "./p", Call(("a",), "", "", ("-b",), "/srv")),
])  # fmt: skip
def test_a_call_is_of_the_launcher_only_with_its_own_playbook(words, launcher, call):
    assert called(["a", *words], {"PROSCRIBE_CALLED": launcher}, OPTIONS, "/srv") == call


def test_python_runs_ansible_as_a_module():
    argv = ["/lib/ansible/__main__.py", "playbook", "site.yml", "-b"]
    assert called(argv, {}, OPTIONS, "/srv").program == (sys.executable, "-m", "ansible", "playbook")
    assert called(argv, {}, OPTIONS, "/srv").options == ("-b",)


def test_the_directory_has_the_name_that_the_shell_has_for_it(tmp_path, monkeypatch):
    (tmp_path / "real").mkdir()
    (tmp_path / "name").symlink_to("real")
    monkeypatch.chdir(tmp_path / "real")
    here = os.getcwd()
    directories = {
        str(tmp_path / "name"): str(tmp_path / "name"), "": here, ".": here, "/": here, "/nosuch/place": here,
    }  # fmt: skip
    assert {name: where_we_are({"PWD": name}) for name in directories} == directories
    assert where_we_are({}) == here
