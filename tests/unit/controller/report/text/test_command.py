"""What is printed to be typed: one line that reaches the program word for word, in the scope of the run."""

from __future__ import annotations

import ast
import os
import re
from pathlib import Path

import pytest
from fleets import PROCESS, WECHAT, answer, judge, run, wechat
from hypothesis import given
from hypothesis import strategies as st
from properties import examples
from proscribe.controller.report.collection.events import Collector
from proscribe.controller.report.collection.invocation import called, parsed, repeated
from proscribe.controller.report.evaluation.reconcile import fleet_report
from proscribe.controller.report.text.command import Call, quoted
from proscribe.host.controls.apps.quarantine import moving
from proscribe.host.system import LIFT, WRITTEN_BY
from proscribe.wire.installation import LAUNCHER

PROJECT = str(Path(__file__).resolve().parents[5])

# As ansible-playbook has them, some of them.
OPTIONS = {
    **dict.fromkeys(("-i", "--inventory"), ("inventory", True)),
    **dict.fromkeys(("-l", "--limit"), ("subset", True)),
    **dict.fromkeys(("-t", "--tags"), ("tags", True)),
    "--skip-tags": ("skip_tags", True),
    **dict.fromkeys(("-e", "--extra-vars"), ("extra_vars", True)),
    **dict.fromkeys(("-u", "--user"), ("remote_user", True)),
    **dict.fromkeys(("-b", "--become"), ("become", False)),
    "--become-user": ("become_user", True),
    **dict.fromkeys(("-C", "--check"), ("check", False)),
    **dict.fromkeys(("-D", "--diff"), ("diff", False)),
    **dict.fromkeys(("-K", "--ask-become-pass"), ("become_ask_pass", False)),
    "--vault-id": ("vault_ids", True),
    "--vault-password-file": ("vault_password_files", True),
    "--ssh-common-args": ("ssh_common_args", True),
    "--list-hosts": ("listhosts", False),
    "-v": ("verbosity", False),
}
SCOPE = ["-i", "a b/prod", "-i", "x,y", "--tags", "apps,browser", "--skip-tags=slow", "-e", "@vars file.yml"]
SCOPE += ["-e", '{"note": "it\'s $HOME `id` !!"}', "-u", "ops", "-bK", "--vault-id", "dev@prompt"]
SCOPE += ["--vault-password-file", "pw", "--become-user=root"]
REPEATED = ("-i", "a b/prod", "-i", "x,y", "--tags", "apps,browser", "--skip-tags", "slow", "-e", "@vars file.yml")
REPEATED += ("-e", '{"note": "it\'s $HOME `id` !!"}', "-u", "ops", "-b", "-K", "--vault-id", "dev@prompt")
REPEATED += ("--vault-password-file", "pw", "--become-user", "root")


def launched(word="audit", options=(), program="./proscribe", here="/srv", **environment):
    """The call of a run that the launcher started."""
    argv = ["/venv/bin/ansible-playbook", f"{PROJECT}/playbooks/{word}.yml", *options]
    return called(argv, {"PROSCRIBE_CALLED": program, **environment}, OPTIONS, here)


# -- how a run was called ----------------------------------------------------------------------------------------------


def test_what_narrows_a_command_comes_before_anything_that_a_line_could_be_cut_at() -> None:
    line = launched(options=SCOPE).instead("enforce", "web01").line("/srv")
    assert line.startswith("./proscribe enforce --check --diff --limit web01 ")


def test_a_launcher_that_cannot_be_executed_is_run_by_sh(tmp_path: Path) -> None:
    (tmp_path / "proscribe").touch(0o644)
    assert launched(program="proscribe", here=str(tmp_path)).program == ("sh", "./proscribe")


def test_plain_ansible_playbook_is_proposed_where_it_was_called(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.chdir(PROJECT)
    argv = ["/opt/venv/bin/ansible-playbook", "-i", "prod", "playbooks/audit.yml", "-t", "apps"]
    call = called(argv, {"ANSIBLE_CONFIG": "/etc/our.cfg"}, OPTIONS, PROJECT)
    started = ("env", "ANSIBLE_CONFIG=/etc/our.cfg", "/opt/venv/bin/ansible-playbook")
    assert call.again("web01").argv == (
        *started, "--limit", "web01", "playbooks/audit.yml", "-i", "prod", "-t", "apps",
    )  # fmt: skip
    assert call.instead("enforce").argv == (
        *started, "--check", "--diff", "playbooks/enforce.yml", "-i", "prod", "-t", "apps",
    )  # fmt: skip


def test_a_playbook_of_somebody_else_is_proposed_again_and_none_of_ours_in_its_place(tmp_path: Path) -> None:
    """Its `hosts:` and `vars:` are in there: ours would reach every host, by another policy."""
    call = called(["ansible-playbook", "site.yml"], {}, OPTIONS, str(tmp_path))
    assert call.again().argv == ("ansible-playbook", "site.yml")
    assert call.again(more=["-b"]).argv == ("ansible-playbook", "site.yml", "-b")
    assert call.instead("enforce") is None


# -- secrets -----------------------------------------------------------------------------------------------------------


@examples(200)
@given(st.text(max_size=60))
def test_any_text_is_read_without_an_error(text: str) -> None:
    repeated(parsed(["-e", text, f"-{text}", f"--{text}"], OPTIONS))


# -- what is printed, pasted into real shells --------------------------------------------------------------------------

HOSTS = ["web01", "web02", "web03"]
MANY = [f"host{number}" for number in range(9)]


def reported(call, hosts=HOSTS, mode="audit", rollout=None, seen=None, **facts):
    """The report and the records of a run that was called so."""
    collector = Collector(run(hosts, mode, command=call.as_dict(), **facts))
    for host in hosts[: seen if seen is not None else len(hosts) - 1]:
        collector.answered(host, answer(wechat(WECHAT, PROCESS)))
    fleet = collector.fleet()
    return fleet_report(collector.run, fleet, "2026-11-25T00:31:00Z", None, rollout), fleet.records


def blind(call):
    """A run as an ordinary user."""
    collector = Collector(run(["web01"], command=call.as_dict()))
    collector.answered("web01", answer(judge("apps/x", {"mode": "enforce"}, [], "this needs root"), evaluated=["a/b"]))
    fleet = collector.fleet()
    return fleet_report(collector.run, fleet, "2026-11-25T00:31:00Z"), fleet.records


STOPPED = {"not_reached": 2, "allow": {"hosts": 3}, "why": "stopped", "batches": [1], "to_correct": 3}


def runs(call):
    """Reports in which every kind of step is proposed."""
    yield reported(call)
    yield reported(call, MANY, seen=3)
    yield reported(call, mode="check")
    yield reported(call, mode="enforce", rollout=STOPPED)
    yield reported(call, mode="enforce", rollout={**STOPPED, "allow": {}}, limit="web*:!web9")
    yield blind(call)


def test_a_report_of_before_names_the_launcher_of_this_checkout_and_keeps_its_controls() -> None:
    made = run(HOSTS, inventory=["/srv/prod"], controls=["apps"], command=None)
    options = "audit --limit web01 -i /srv/prod --tags apps"
    assert Call.of(made).again("web01").line("/srv") == f"{quoted(LAUNCHER)} {options}"


@pytest.mark.parametrize(
    ("word", "line"),
    [
        ("a-b/c=d", "a-b/c=d"),
        ("a b", "'a b'"),
        ("", "''"),
        ("=x", "'='x"),  # zsh puts the path of the program x there
        ("=", "'='"),
        ("==", "'=''='"),
        ("=a b", "'=''a b'"),
        ("a'b", "'a'\"'\"'b'"),
        ("\u5fae", "'\u5fae'"),
        ("a\x1b", "$'a\\033'"),
        ("\n'\\", "$'\\012\\'\\\\'"),
        ("\udcff", "$'\\377'"),
    ],
)
def test_a_word_is_quoted_for_every_shell(word: str, line: str) -> None:
    assert quoted(word) == line


def test_the_launcher_is_the_file_at_the_top_of_the_project() -> None:
    assert os.path.join(PROJECT, "proscribe") == LAUNCHER and os.access(LAUNCHER, os.X_OK)


def test_what_was_withheld_is_named_before_the_command_and_nothing_where_nothing_was() -> None:
    assert Call().secrets() == []
    (step,) = Call(withheld=("one", "two")).secrets()
    assert step.command is None and step.text.startswith("first put one, two into proscribe-secret-vars.yml (")


# -- no other place prints commands ------------------------------------------------------------------------------------

# What names the launcher in a text all the same: examples in the help (`cli.Help` puts the launcher's name in), what
# hosts' files say (which never reaches further than one host), and a message about a command of its own.
ELSEWHERE = {
    "controller/cli": (
        *(
            "report.py",
            "diff/__init__.py",
            "explain/__init__.py",
            "init/__init__.py",
            "quarantine.py",
            "scheduled/__init__.py",
            "waiver/new.py",
        ),
        "requests.py",
        "export.py",
        "collection/__init__.py",
        "__init__.py",
    ),
    "host/system": ("files.py",),
    "controller/compile": (
        "restrictions/runs.py",
        "inventory/retired.py",
    ),  # the description of a variable; what a retired one is now
    "host/controls/apps": ("quarantine/moving.py",),  # a file on a host, too
    "model/types": ("export.py",),  # the description of a key
}


def test_no_other_source_has_a_command_in_a_text() -> None:
    """Docstrings and comments may; whatever else names the launcher would be printed without its scope."""
    root = Path(PROJECT)
    allowed = {root / "module_utils/proscribe" / room / name for room, names in ELSEWHERE.items() for name in names}
    found = []
    for folder in ("module_utils", "action_plugins", "callback_plugins", "filter_plugins", "library", "test_plugins"):
        for path in sorted((root / folder).rglob("*.py")):
            source = path.read_text()
            if "./proscribe" not in source:  # to parse all would take seconds
                continue
            tree = ast.parse(source)
            documented = {
                id(node.body[0].value)
                for node in ast.walk(tree)
                if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef) and ast.get_docstring(node)
            }
            for node in ast.walk(tree):
                text = isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in documented
                if text and re.search(r"\./proscribe (?:\w|\{)", node.value) and path not in allowed:
                    found.append(f"{path.relative_to(root)}:{node.lineno}: {node.value[:60]!r}")
    assert found == []


def test_what_a_hosts_file_says_reaches_no_other_host() -> None:
    assert LIFT.split()[:3] == ["./proscribe", "lift", "--limit"]
    assert LIFT in WRITTEN_BY and LIFT in moving.SAID
    assert not re.search(r"proscribe lift(?! --limit)", WRITTEN_BY + moving.SAID)
    assert len(WRITTEN_BY) < 127  # nft takes no longer comment
