"""What is printed to be typed: one line that reaches the program word for word, in the scope of the run."""

from __future__ import annotations

import ast
import json
import os
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from fleets import PROCESS, WECHAT, answer, clean_answer, judge, run, wechat
from hypothesis import given
from hypothesis import strategies as st
from pasting import SHELLS, Shell, commands, recorded, recorder
from properties import examples
from proscribe.controller.report.collection.events import Collector
from proscribe.controller.report.collection.invocation import called, parsed, repeated
from proscribe.controller.report.evaluation.advice import advice
from proscribe.controller.report.evaluation.reconcile import fleet_report
from proscribe.controller.report.page import document
from proscribe.controller.report.terminal import lifting
from proscribe.controller.report.terminal.summary import Screen, render
from proscribe.controller.report.text.command import SECRETS_FILE, Call, Command, quoted
from proscribe.host.controls.apps.quarantine import moving
from proscribe.host.system import LIFT, WRITTEN_BY
from proscribe.model.plan import CONTROLS
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


def test_the_scope_of_a_run_is_kept_in_what_it_proposes() -> None:
    call = launched(options=[*SCOPE, "-Cl", "web*:!web3", "--diff", "--list-hosts"])
    assert (call.word, call.options, call.withheld) == ("audit", REPEATED, ())
    assert call.instead("enforce", "web01") == Command(
        ("./proscribe", "enforce", "--check", "--diff", "--limit", "web01", *REPEATED), "/srv"
    )


def test_what_narrows_a_command_comes_before_anything_that_a_line_could_be_cut_at() -> None:
    line = launched(options=SCOPE).instead("enforce", "web01").line("/srv")
    assert line.startswith("./proscribe enforce --check --diff --limit web01 ")


def test_options_are_read_as_argparse_reads_them() -> None:
    typed = ["-tapps", "--tag=dns", "-vvbl", "web01", "--inv", "prod", "--", "-x"]
    words = [(word.name, word.option, word.value) for word in parsed(typed, OPTIONS)]
    assert words[0] == ("tags", "-t", "apps")
    assert words[1] == ("tags", "--tag", "dns")
    assert [name for name, _, _ in words[2:5]] == ["verbosity", "verbosity", "become"]
    assert words[5:] == [("subset", "-l", "web01"), ("inventory", "--inv", "prod"), ("", "-x", None)]


@pytest.mark.parametrize(
    ("program", "expected"),
    [("./proscribe", ("./proscribe",)), ("../ban/proscribe", ("../ban/proscribe",)), ("proscribe", ("./proscribe",))],
)
def test_the_launcher_is_named_as_it_was_called(tmp_path: Path, program: str, expected: tuple[str, ...]) -> None:
    here = tmp_path / "here"
    for place in (here / "proscribe", tmp_path / "ban" / "proscribe"):
        recorder(place, tmp_path / "log")
    assert launched(program=program, here=str(here)).program == expected


def test_a_launcher_that_cannot_be_executed_is_run_by_sh(tmp_path: Path) -> None:
    (tmp_path / "proscribe").touch(0o644)
    assert launched(program="proscribe", here=str(tmp_path)).program == ("sh", "./proscribe")


def test_a_launcher_found_through_the_path_is_named_by_its_name(tmp_path: Path, monkeypatch) -> None:
    found = recorder(tmp_path / "bin" / "proscribe", tmp_path / "log")
    monkeypatch.setenv("PATH", str(found.parent), prepend=os.pathsep)
    assert launched(program=str(found)).program == ("proscribe",)


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


def test_the_name_of_the_launcher_that_a_run_inherits_from_another_one_counts_for_nothing(tmp_path: Path) -> None:
    call = called(["ansible-playbook", "site.yml"], {"PROSCRIBE_CALLED": "./proscribe"}, OPTIONS, str(tmp_path))
    assert call.program == ("ansible-playbook",)


# -- secrets -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "text",
    [
        "ansible_become_password=hunter2",
        "canary=1 ansible_ssh_pass=hunter2",
        '{"proscribe_notify": {"webhook": "https://hooks.example/hunter2"}}',
        "{nested: [{api_token: hunter2}]}",
        "proscribe_history=postgresql://ban:hunter2@db/ban",
        "note=ghp_hunter2hunter2",
        "note=aB3dE5fG7hI9jK1lM3nO5pQ7hunter2",
        '{"key": "$ANSIBLE_VAULT;1.1;AES256 hunter2"}',
        "'unclosed hunter2",
        "{unclosed: [hunter2",
    ],
)
def test_a_value_that_looks_like_a_secret_is_kept_nowhere_and_a_file_is_asked_for(text: str) -> None:
    call = launched(options=["-e", "before=1", "-e", text, "--tags", "apps"])
    assert "hunter2" not in repr(call)
    assert call.options == ("-e", "before=1", "-e", f"@{SECRETS_FILE}", "--tags", "apps")
    report, records = reported(call)
    first, *rest = advice(report, records)
    assert SECRETS_FILE in first.text and all(name in first.text for name in call.withheld)
    assert rest


@pytest.mark.parametrize(
    "text",
    [
        "@secrets.yml",
        "proscribe_probe=true",
        '{"proscribe_max_change": {"hosts": 3}}',
        "proscribe_gate_baseline=20261125T022458Z-audit-ad33",
        "ansible_ssh_private_key_file=/home/ops/.ssh/id_ed25519",
        "proscribe_tenants={google: [example.org]}",
    ],
)
def test_what_is_no_secret_is_repeated(text: str) -> None:
    assert launched(options=["-e", text]).options == ("-e", text)


def test_a_password_in_the_options_of_ssh_is_asked_for_as_a_variable() -> None:
    call = launched(options=["--ssh-common-args", "-o ProxyCommand='sshpass -p hunter2 ssh gate'"])
    assert call.withheld == ("ansible_ssh_common_args",)
    assert call.options == ("-e", f"@{SECRETS_FILE}")


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


@pytest.mark.slow
@pytest.mark.parametrize("columns", [40, 80, 200])
@pytest.mark.parametrize("name", SHELLS)
def test_every_printed_command_reaches_the_program_as_it_was_meant_at_any_width(
    tmp_path: Path, name: str, columns: int
) -> None:
    log, cwd = tmp_path / "log", tmp_path / "it's a place"
    recorder(cwd / "proscribe", log)
    recorder(tmp_path / "bin" / "ansible-playbook", log)
    odd = () if name == "sh" else ("-e", "note=a\nb\tc\x1b[2J\u202e")  # dash has no $'...'
    calls = [
        Call(("./proscribe",), "audit", "", (*REPEATED, *odd), str(cwd)),
        Call(("ansible-playbook",), "", "our plays/audit.yml", REPEATED, str(cwd)),
    ]
    directory = f"{cwd}/reports/r1"
    environment = {"PATH": f"{tmp_path / 'bin'}:{os.environ['PATH']}", "HOME": str(tmp_path), "LC_ALL": "C.UTF-8"}
    for here in (cwd, tmp_path):
        with Shell(name, columns, here, environment) as shell:
            for call in calls:
                for report, records in runs(call) if here == cwd else [reported(call)]:
                    screen = render(report, records, Screen(columns, 1000, here=str(here)), directory)
                    steps = [step for step in advice(report, records, directory) if step.command]
                    assert len(commands(screen)) == len(steps) > 0
                    for printed, step in zip(commands(screen), steps, strict=True):
                        assert step.command is not None
                        before = len(recorded(log))
                        shell.paste(printed)
                        assert len(recorded(log)) == before + 1, printed
                        program, arguments, place = recorded(log)[-1]
                        assert (os.path.basename(program), *arguments) == (
                            os.path.basename(step.command.argv[0]),
                            *step.command.argv[1:],
                        )
                        assert place == str(cwd)
                        if here != cwd:
                            shell.paste(f"cd {here}")


CALLED = {
    "the launcher": Call(("./proscribe",), "audit", "", REPEATED, "/srv"),
    "plain": Call(("ansible-playbook",), "", f"{PROJECT}/playbooks/enforce.yml", REPEATED, "/srv"),
    "their own": Call(("ansible-playbook",), "", "site.yml", REPEATED, "/srv"),
}
# What hosts answer: one to correct, one to observe as root, one that does not answer; and how the run was stopped.
SEEN = [answer(wechat(WECHAT)), answer(judge("apps/x", {"mode": "enforce"}, [], "this needs root")), clean_answer()]
STOPS = [None, {"not_reached": 1, "allow": {}}, {"not_reached": 1, "allow": {"hosts": 9}}]


@pytest.mark.parametrize("limit", ["", "web*", "web01,web01,web02,web03"])
@pytest.mark.parametrize("mode", ["audit", "check", "enforce"])
@pytest.mark.parametrize("who", CALLED)
def test_no_advice_reaches_further_than_its_run(who: str, mode: str, limit: str) -> None:
    """Every kind of advice. After a dry run none changes anything, unless the words say so, and after an audit none
    does; options, tags, inventories and variables stay; only hosts of the run are named.
    """
    call = CALLED[who]
    call = call._replace(word=mode.replace("check", "enforce")) if call.word else call
    once = ",".join(dict.fromkeys(limit.split(",")))
    commands_ = []
    for silent in (0, 1):
        for stopped in STOPS:
            collector = Collector(run(HOSTS, mode, limit=limit, command=call.as_dict()))
            for host, answered in list(zip(HOSTS, SEEN))[silent:]:
                collector.answered(host, answered)
            fleet = collector.fleet()
            report = fleet_report(collector.run, fleet, "2026-11-25T00:31:00Z", None, stopped)
            commands_ += [step for step in advice(report, fleet.records, "/srv/reports/x") if step.command]
    assert len({step.text for step in commands_}) >= 4
    for step in commands_:
        words = step.command.argv
        dry = words.count("--check") == words.count("--diff") == 1
        if mode == "check":
            assert dry or "to make these changes" in step.text or "if all of these changes" in step.text, step
        if mode == "audit" and who == "the launcher":
            assert dry or "audit" in words, step
        if who == "their own":
            assert "site.yml" in words and not any("enforce.yml" in word for word in words), step
        assert " ".join(REPEATED) in " ".join(words), step
        hosts = words[words.index("--limit") + 1] if "--limit" in words else ""
        assert hosts == once or hosts.startswith("@") or set(hosts.split(",")) < set(HOSTS), step


@pytest.mark.parametrize("columns", [40, 80, 200])
def test_what_puts_a_lifted_ban_back_is_one_line_in_the_scope_of_the_run(columns: int) -> None:
    collector = Collector(run(HOSTS, "lift"))
    for host in HOSTS:
        collector.changed(host, "apps", {"actions": ["unblock"]})
    back = Call(("./proscribe",), "lift", "", REPEATED, "/srv").instead("enforce", "web*", dry=False)
    text = lifting.render(collector.expected, collector.heard, check=False, width=columns, back=back.line("/srv"))
    assert commands(text) == [back.line("/srv")]


def test_the_page_says_where_a_command_is_typed() -> None:
    report, records = reported(Call(("./proscribe",), "audit", "", ("-i", "prod"), "/srv/ban"))
    page = "".join(document.page(report, records))
    assert "<code>cd /srv/ban &amp;&amp; ./proscribe enforce --check --diff --limit web01,web02 -i prod</code>" in page


def test_a_report_of_before_names_the_launcher_of_this_checkout_and_keeps_its_controls() -> None:
    made = run(HOSTS, inventory=["/srv/prod"], controls=["apps"], command=None)
    options = "audit --limit web01 -i /srv/prod --tags apps"
    assert Call.of(made).again("web01").line("/srv") == f"{quoted(LAUNCHER)} {options}"


@pytest.mark.parametrize(
    ("cwd", "here", "line"),
    [
        (None, "/srv", "a 'b c'"),
        ("", "", "a 'b c'"),
        ("/srv", "", "cd /srv && a 'b c'"),
        ("/srv", "/srv/", "a 'b c'"),
        ("/srv/", "/srv", "a 'b c'"),
        ("/srv", "/srv/x", "cd /srv && a 'b c'"),
        ("/a b", "/srv", "cd '/a b' && a 'b c'"),
    ],
)
def test_a_command_goes_where_it_was_typed(cwd: str | None, here: str, line: str) -> None:
    """Its inventory is named from there; elsewhere it would be another one."""
    argv = ("a", "b c")
    command = Command(argv) if cwd is None else Command(argv, cwd)
    assert command.line(here) == line
    assert here or command.line() == line


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


@pytest.mark.parametrize(
    "call",
    [
        Call(("./proscribe",), "audit", "", ("-i", "inv"), "/srv/here", ("secret", "other")),
        Call(("ansible-playbook", "-v"), "", "playbooks/audit.yml", (), "/srv/here"),
    ],
)
def test_a_call_is_read_from_a_report_as_it_was_written(call: Call) -> None:
    call_dict = call.as_dict()
    assert json.loads(json.dumps(call_dict)) == call_dict
    assert Call.of({"command": call_dict, "playbook": "enforce", "inventory": ["elsewhere"]}) == call
    # What an older or a merged report leaves out is made up: nothing but what is in the report.
    assert Call.of({"command": {"program": ["x"]}}) == Call(("x",))
    for command in ({**call_dict, "program": []}, None, "a text"):
        assert Call.of({"command": command, "playbook": "enforce", "inventory": ["a", "b"]}) == Call(
            word="enforce", options=("-i", "a", "-i", "b")
        )


@pytest.mark.parametrize(
    ("controls", "tags"),
    [(["dns"], ("--tags", "dns")), (["apps", "dns"], ("--tags", "apps,dns")), ([], ()), (None, ()), (CONTROLS, ())],
)
def test_a_call_that_is_made_up_has_the_controls_of_its_run(controls: Sequence[str] | None, tags: Any) -> None:
    assert Call.of({"playbook": "audit", "controls": controls}) == Call(word="audit", options=tags)


def test_nothing_is_proposed_where_all_is_well() -> None:
    collector = Collector(run(["web01"]))
    collector.answered("web01", clean_answer())
    fleet = collector.fleet()
    assert not [step for step in advice(fleet_report(collector.run, fleet, ""), fleet.records) if step.command]


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
