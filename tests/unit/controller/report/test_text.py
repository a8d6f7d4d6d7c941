"""Texts for people: widths, wording, and commands that install removed packages again."""

import argparse
import ast
import json
import os
import re
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import doc_commands
import pytest
from fleets import run
from hypothesis import given
from hypothesis import strategies as st
from properties import examples
from proscribe.controller.cli import command_line, option_variables, suggestions
from proscribe.controller.report.collection.invocation import parse_arguments, read_call, select_repeated_options
from proscribe.controller.report.evaluation import advice, reconciliation
from proscribe.controller.report.text import reinstall_commands, wording
from proscribe.controller.report.text.package_commands import COMMANDS
from proscribe.controller.report.text.reinstall_commands import build_reinstall_command, list_without_command
from proscribe.controller.report.text.shell_commands import LauncherSubcommand, RunCall, quote_word
from proscribe.controller.report.text.terminal_layout import (
    clip_text,
    format_table,
    format_table_row,
    get_screen_width,
    measure_columns,
    wrap_text,
)
from proscribe.controller.report.text.wording import SharedCause, describe_causes
from proscribe.host.controls.apps.quarantine import move_in
from proscribe.host.system import LIFT_COMMAND, WRITTEN_BY
from proscribe.model.finding import Finding
from proscribe.model.removal_record import RemovedPackage, read_removed_package
from proscribe.wire import installation
from proscribe.wire.installation import LAUNCHER_PATH

# As str.isprintable has them. A filter would drop so many that Hypothesis now and then gives up.
CHARACTERS = st.characters(codec="utf-8", exclude_categories=("C", "Z"), include_characters=" ")
PRINTABLE = st.text(CHARACTERS, max_size=80)
NOT_BLANK = st.text(CHARACTERS, min_size=1, max_size=80).filter(str.split)


@given(text=PRINTABLE, width=st.integers(10, 60), most=st.integers(0, 5))
def test_lines_fit_or_are_one_word_and_nothing_is_lost(text, width, most):
    lines = wrap_text(text, width, most)
    assert all(measure_columns(line) <= width or len(line.split()) == 1 for line in lines)
    if most:  # what it takes of the screen
        assert 1 <= sum(max(1, -(-measure_columns(line) // width)) for line in lines) <= most
    if not most or not lines[-1].endswith("..."):
        assert "".join("".join(lines).split()) == "".join(text.split())


@given(text=PRINTABLE, first=NOT_BLANK, width=st.integers(40, 90))
def test_a_row_fits_and_has_all_of_its_text(text, first, width):
    lines = format_table_row(first, "unknown", text, (20, 12), width)
    assert all(measure_columns(line) <= width or len(line.split()) == 1 for line in lines)
    assert sorted("".join("".join(lines).split())) == sorted("".join(f"{first}unknown{text}".split()))


@given(st.lists(st.tuples(*[NOT_BLANK] * 3), min_size=2, max_size=4), st.integers(40, 90))
def test_a_table_fits_in_columns_or_row_by_row(rows, width):
    lines = list(format_table(rows, width))
    assert all(measure_columns(line) <= width or len(line.split()) <= 2 for line in lines)
    printed, shown = "".join("".join(lines).split()), [cell for row_ in rows[1:] for cell in row_ if cell != "-"]
    assert all("".join(cell.split()) in printed for cell in shown)


@pytest.mark.parametrize(("columns", "width"), [("", 80), ("120", 120), ("40", 40), ("7", 40), ("0", 80), ("wide", 80)])
def test_the_width_is_that_of_columns_or_80_where_there_is_no_terminal(columns, width, monkeypatch):
    monkeypatch.setenv("COLUMNS", columns)
    assert get_screen_width() == width


@given(text=PRINTABLE, width=st.integers(4, 60))
def test_a_clipped_text_fits_and_shows_the_cut(text, width):
    short = clip_text(text, width)
    assert measure_columns(short) <= width
    assert short == text or short.endswith("...")


@pytest.mark.parametrize(("shared", "text"), [
    ([], ""),
    ([SharedCause("x", "firefox,librewolf", "/a"), SharedCause("x", "librewolf", "/a")], "x in /a (firefox, "
        "librewolf)"),
    ([SharedCause("firefox says x", "firefox", "")], "firefox says x"),
    ([SharedCause("x", "", "/a"), SharedCause("x", "", "/b")], "x"),
    # As several rules of a host report them that an ordinary user observed.
    ([SharedCause("a; b; c"), SharedCause("b; c"), SharedCause("b; d")], "a; b; c; d"),
    ([SharedCause(f"/{name} can only be read by root (and 1 more); run it as root") for name in "abcde"],
     "/a, /b, /c and others can only be read by root; run it as root"),
    ([SharedCause("/a can only be read by root (and 2 more)")], "/a can only be read by root (and 2 more)"),
])  # fmt: skip
def test_causes_are_merged(shared, text):
    assert describe_causes(shared) == text


def test_a_name_is_left_out_where_it_is_a_word_of_its_own():
    texts = ("(a.example) 'a.example' a.example.org", "a.example-x, a.examples, b.a.example, -a.example")
    assert [wording.replace_name(text, "a.example") for text in texts] == ["((name)) '(name)' (name).org", texts[1]]


def test_equal_evidence_is_grouped_with_its_places():
    found = [Finding("file", "x", "program", "", "user:ann", path=path).convert_to_dict() for path in "abcda"]
    assert wording.describe_findings(found[::4]) == ["program x (ann) (2 times)"]
    assert wording.describe_findings(found) == ["program x (ann) (4 places: a, b, c and 1 more)"]


def test_causes_and_messages_have_an_end():
    many = describe_causes([SharedCause(f"cause {number}") for number in range(10_000)])
    assert many.startswith("cause 0; cause 1; ") and 1_000 < len(many) < 100_000
    item = wording.clean_message("a " * 1_000_000)
    assert 100 < len(item) < len(many)


@pytest.mark.parametrize(("text", "closed"), [
    ("Failed to connect to the host via ssh: kex_exchange_identification: read: Connection reset by peer", True),
    ("Failed to connect to the host via ssh: Connection closed by 192.0.2.7 port 22", True),
    ("Shared connection to 192.0.2.7 closed.", False),
])  # fmt: skip
def test_where_sshd_closed_the_connection_the_likely_cause_is_named(text, closed):
    output = wording.describe_unreachable(text)
    assert ("MaxStartups. See it on the host: ps -C sshd -o args=" in output) is closed
    assert output.startswith(wording.clean_message(text))


def make_removed(manager: str, id_: str, name: str = "", **more: str) -> RemovedPackage:
    usual = {"manager": manager, "id": id_, "version": "1.0", "scope": "system", "name": name or id_}
    return RemovedPackage(**{**usual, **more})


WECHAT = make_removed("dpkg", "wechat", "wechat:i386", how="apt-get", mark="auto")
ALICE = "user:alice"
LIMITS = "--property=KillSignal=SIGKILL --property=RuntimeMaxSec=3600"
AS_ALICE = f"systemd-run --quiet --pipe --wait --collect {LIMITS} --uid=alice -- env"
APART = "</dev/null 2>&1 | cat -v"
PATH = "'PATH=/h/a b/bin:/usr/local/bin:/usr/bin:/bin'"
STORE = "/nix/store/" + 32 * "a"


@pytest.mark.parametrize(("packages", "line"), [
    ([], ""),
    ([WECHAT, make_removed("dpkg", "tim", how="apt-get", mark="manual")],
     "apt-get install tim wechat:i386 && apt-mark auto wechat:i386"),
    ([make_removed("rpm", "wechat", "wechat.noarch", how="zypper")], "zypper install wechat.noarch"),
    ([make_removed("pacman", "signal", mark="auto")], "pacman -S signal && pacman -D --asdeps signal"),
    ([make_removed("flatpak", "org.x.App", "app/org.x.App/x86_64/stable", scope=ALICE)],
     f"{AS_ALICE} flatpak install --assumeyes --user app/org.x.App/x86_64/stable {APART}"),
    ([make_removed("snap", "signal", how="classic", source="")], "snap install --classic signal"),
    ([make_removed("snap", "a"), make_removed("snap", "bb", source="latest/edge")],
     "snap install --channel=latest/edge bb"),
    ([make_removed("uv", name, tool="/usr/bin/uv", place="/t") for name in ("xa", "xb")],
     "env UV_TOOL_DIR=/t /usr/bin/uv tool install xa==1.0; env UV_TOOL_DIR=/t /usr/bin/uv tool install xb==1.0"),
    ([make_removed("pipx", "x-y", "X_y", tool="pipx", place="/opt/pipx", how="system", version="claims/any")],
     "env PIPX_HOME=/opt/pipx PIPX_BIN_DIR=/usr/local/bin pipx install X_y"),
    ([make_removed("npm", "@a/b", tool="/h/a b/bin/npm", place="/h/a b", scope=ALICE)],
     f"{AS_ALICE} {PATH} '/h/a b/bin/npm' install --global --prefix '/h/a b' @a/b@1.0 {APART}"),
    ([make_removed("nix", "signal", f"{STORE}-signal-1.0", how="env", tool="/n/nix-env", place="/p", scope=ALICE)],
     f"{AS_ALICE} /n/nix-env --profile /p --install {STORE}-signal-1.0 {APART}"),
    ([make_removed("brew_cask", "x", tool="/b/brew", scope=ALICE)], f"{AS_ALICE} /b/brew install --cask x {APART}"),
    ([make_removed("dpkg", "tim", how="dpkg"), make_removed("rpm", "tim", "tim.noarch", how="rpm"),
     make_removed("mine", "x")], ""),
])  # fmt: skip
def test_one_line_brings_back_what_was_removed(packages, line):
    assert build_reinstall_command([read_removed_package(package._asdict()) for package in packages]) == line
    assert len(packages) == len(list_without_command(packages)) + sum(map(reinstall_commands.has_command, packages))


@pytest.mark.parametrize("hostile", [
    make_removed("dpkg", "openssh-server-", how="apt-get"),  # apt removes it
    make_removed("dpkg", "wechat", "openssh-server", how="apt-get"),
    make_removed("dpkg", "wechat", "wechat; reboot", how="apt-get"),
    make_removed("rpm", "wechat", "https://example.org/x.rpm", how="dnf"),
    make_removed("rpm", "@core", "@core.noarch", how="dnf"),
    make_removed("flatpak", "org.x.App", "app/org.x.App/x86_64/stable", source="https://example.org/repo"),
    make_removed("pip", "wechat", "git+https://example.org/x", tool="python3"),
    make_removed("pip", "wechat", tool="python3 -c import"),
    make_removed("nix", "wechat", "/nix/store/../../etc-wechat", how="env", tool="/n", place="/p"),
    make_removed("uv", "wechat", tool="/g", place="; reboot"),
])  # fmt: skip
def test_a_hosts_word_is_a_name_or_nothing(hostile):
    assert build_reinstall_command([hostile]) == "" and list_without_command([hostile]) == [hostile]


@given(
    st.dictionaries(st.sampled_from(RemovedPackage._fields), st.text(max_size=30)), st.sampled_from(sorted(COMMANDS))
)
def test_no_answer_becomes_another_command(given_, manager):
    _, _, _, commands, _ = COMMANDS[manager]
    usual = {**WECHAT._asdict(), "mark": "", "how": next(iter(commands))}
    try:
        package = read_removed_package({**usual, **given_, "manager": manager})
    except ValueError:
        return
    line = build_reinstall_command([package])
    if line:
        assert line.isprintable() and ";" not in shlex.split(line) and "&&" not in shlex.split(line)
        around = len([*AS_ALICE.split(), *APART.split()]) if package.user else 0
        assert len(shlex.split(line)) <= len(commands[package.how].split()) + around


PROJECT = str(Path(__file__).resolve().parents[4])

# As ansible-playbook has them, some of them.
OPTIONS = {
    **dict.fromkeys(("-i", "--inventory"), ("inventory", True)), **dict.fromkeys(("-l", "--limit"), ("subset", True)),
    **dict.fromkeys(("-t", "--tags"), ("tags", True)), "--skip-tags": ("skip_tags", True),
    **dict.fromkeys(("-e", "--extra-vars"), ("extra_vars", True)),
    **dict.fromkeys(("-u", "--user"), ("remote_user", True)), **dict.fromkeys(("-b", "--become"), ("become", False)),
    "--become-user": ("become_user", True), **dict.fromkeys(("-C", "--check"), ("check", False)),
    **dict.fromkeys(("-D", "--diff"), ("diff", False)),
    **dict.fromkeys(("-K", "--ask-become-pass"), ("become_ask_pass", False)), "--vault-id": ("vault_ids", True),
    "--vault-password-file": ("vault_password_files", True), "--ssh-common-args": ("ssh_common_args", True),
    "--list-hosts": ("listhosts", False), "-v": ("verbosity", False),
}  # fmt: skip
SCOPE = ["-i", "a b/prod", "-i", "x,y", "--tags", "apps,browser", "--skip-tags=slow", "-e", "@vars file.yml"]
SCOPE += ["-e", '{"note": "it\'s $HOME `id` !!"}', "-u", "ops", "-bK", "--vault-id", "dev@prompt"]
SCOPE += ["--vault-password-file", "pw", "--become-user=root"]
# Examples in the help, files of one host (which reach no other host), and descriptions of variables and keys.
WITH_LAUNCHER = {
    "controller/cli": "report requests export quarantine __init__ diff/__init__ explain/__init__ init/__init__ "
                      "scheduled/__init__ waiver/new collection/__init__",
    "controller/compile": "restrictions/runs inventory/retired_variables", "host/system": "files",
    "model/types": "export",
    "host/controls/apps": "quarantine/move_in",
}  # fmt: skip


def make_launcher_call(word="audit", options=(), program="./proscribe", here="/srv", **environment):
    argv = ["/venv/bin/ansible-playbook", f"{PROJECT}/playbooks/{word}.yml", *options]
    return read_call(argv, {"PROSCRIBE_CALLED": program, **environment}, OPTIONS, here)


def test_call_of_the_launcher_is_proposed_with_its_options_first(tmp_path):
    line = make_launcher_call(options=SCOPE).make_other_playbook_command("enforce", "web01").line("/srv")
    assert line.startswith("./proscribe enforce --check --diff --limit web01 ")
    (tmp_path / "proscribe").touch(0o644)
    assert make_launcher_call(program="proscribe", here=str(tmp_path)).program == ("sh", "./proscribe")
    assert RunCall().list_secret_suggestions() == []
    (step,) = RunCall(withheld=("one", "two")).list_secret_suggestions()
    assert step.command is None and step.text.startswith("first put one, two into proscribe-secret-vars.yml (")


def test_plain_ansible_playbook_is_proposed_where_it_was_called(tmp_path, monkeypatch):
    monkeypatch.chdir(PROJECT)
    argv = ["/opt/venv/bin/ansible-playbook", "-i", "prod", "playbooks/audit.yml", "-t", "apps"]
    call = read_call(argv, {"ANSIBLE_CONFIG": "/etc/our.cfg"}, OPTIONS, PROJECT)
    started = ("env", "ANSIBLE_CONFIG=/etc/our.cfg", "/opt/venv/bin/ansible-playbook")
    assert call.repeat_run("web01").argv == (
        *started, "--limit", "web01", "playbooks/audit.yml", "-i", "prod", "-t", "apps",
    )  # fmt: skip
    assert call.make_other_playbook_command("enforce").argv == (
        *started, "--check", "--diff", "playbooks/enforce.yml", "-i", "prod", "-t", "apps",
    )  # fmt: skip


def test_a_playbook_of_somebody_else_is_proposed_again_and_none_of_ours_in_its_place(tmp_path):
    """Its `hosts:` and `vars:` are in there: ours would reach every host, by another policy."""
    call = read_call(["ansible-playbook", "site.yml"], {}, OPTIONS, str(tmp_path))
    assert call.repeat_run().argv == ("ansible-playbook", "site.yml")
    assert call.repeat_run(more_options=["-b"]).argv == ("ansible-playbook", "site.yml", "-b")
    assert call.make_other_playbook_command("enforce") is None


@examples(200)
@given(st.text(max_size=60))
def test_any_text_is_read_without_an_error(text):
    select_repeated_options(parse_arguments(["-e", text, f"-{text}", f"--{text}"], OPTIONS))


def test_launcher_is_the_executable_file_of_the_project_and_reports_of_before_name_it():
    result = run(["web01", "web02", "web03"], inventory=["/srv/prod"], controls=["apps"], command=None)
    options = "audit --limit web01 -i /srv/prod --tags apps"
    assert RunCall.read_run_call(result).repeat_run("web01").line("/srv") == f"{quote_word(LAUNCHER_PATH)} {options}"
    assert os.path.join(PROJECT, "proscribe") == LAUNCHER_PATH and os.access(LAUNCHER_PATH, os.X_OK)


@pytest.mark.parametrize(("word", "line"), [
    ("a-b/c=d", "a-b/c=d"),
    ("a b", "'a b'"),
    ("", "''"),
    ("=x", "'='x"),  # zsh puts the path of the program x there
    ("a'b", "'a'\"'\"'b'"),
    ("\u5fae", "'\u5fae'"),
    ("a\x1b", "$'a\\033'"),
    ("\n'\\", "$'\\012\\'\\\\'"),
    ("\udcff", "$'\\377'"),
])  # fmt: skip
def test_a_word_is_quoted_for_every_shell(word, line):
    assert quote_word(word) == line


def test_command_in_a_file_of_a_host_reaches_no_other_host():
    assert LIFT_COMMAND.split()[:3] == ["./proscribe", "lift", "--limit"]
    assert LIFT_COMMAND in WRITTEN_BY and LIFT_COMMAND in move_in.README_TEXT
    assert not re.search(r"proscribe lift(?! --limit)", WRITTEN_BY + move_in.README_TEXT)
    assert len(WRITTEN_BY) < 127  # nft takes no longer comment


def read_literals(path: Path) -> Iterator[str]:
    """Return the texts of a module without its docstrings."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    documented = (node for node in ast.walk(tree) if isinstance(node, ast.Module | ast.FunctionDef | ast.ClassDef))
    first = (node.body[0] for node in documented if node.body)
    docstrings = {id(item.value) for item in first if isinstance(item, ast.Expr)}
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in docstrings:
            yield node.value


def test_no_other_text_has_a_command_without_its_scope():
    root = Path(PROJECT) / "module_utils/proscribe"
    allowed = {root / folder / f"{name}.py" for folder, names in WITH_LAUNCHER.items() for name in names.split()}
    plugins = ("module_utils", "action_plugins", "callback_plugins", "filter_plugins", "library", "test_plugins")
    paths = {path for folder in plugins for path in (Path(PROJECT) / folder).rglob("*.py")} - allowed
    texts = [text for path in paths if "./proscribe" in path.read_text() for text in read_literals(path)]
    assert [text for text in texts if re.search(r"\./proscribe (?:\w|\{)", text)] == []


INVENTORY = argparse.Namespace(inventory=["our hosts"], extra_vars=["@more.yml", "site_password=secret"])
vars(INVENTORY).update(vault_ids=[], vault_password_files=[], ask_vault_pass=False)
RUN: dict[str, Any] = {
    "id": "r", "playbook": "audit", "mode": "audit", "inventory": ["our hosts"], "limit": "web01",
    "controls": ["apps", "browser", "firewall", "dns"], "started": "2026-11-25T00:00:00Z",
    "stale_catalog": {"max_days": 30, "directories": [str(installation.CATALOGUE), "/srv/our own"]},
}  # fmt: skip
OF_PLAYBOOK = RunCall(("ansible-playbook",), playbook=f"{Path(PROJECT)}/playbooks/audit.yml")


def print_commands_of_run(call: RunCall) -> list[str]:
    """Return the commands below a report with a stale catalogue and a silent host."""
    run: Any = {**RUN, "command": call.make_document()}
    fleet = reconciliation.reconcile_records({"web01": "sha256:0"}, [])
    steps = advice.propose_next_steps(reconciliation.make_run_report(run, fleet, "2026-11-25T01:00:00Z"), fleet.records)
    return [step.command.line() for step in steps if step.command]


def read_options(line: str) -> tuple[str, list[str]]:
    """Return a printed command as the launcher takes it."""
    (argv,) = doc_commands.simple_commands(line)
    if not argv[0].endswith("ansible-playbook"):
        return argv[1], argv[2:]
    word = Path(argv[1].rpartition(".")[2] if installation.COLLECTION else argv[1]).stem
    extra = json.loads(argv[argv.index("-e", argv.index("-e") + 1 if argv.count("-e") > 1 else 0) + 1])
    return word, option_variables.make_arguments(word, extra, extra)


@pytest.mark.parametrize("call", [RunCall(("./proscribe",), "audit"), OF_PLAYBOOK], ids=["launcher", "playbook"])
def test_parser_takes_commands_of_a_run_with_its_catalogue(call):
    (line,) = [line for line in print_commands_of_run(call) if "catalog" in line]
    assert [wrong for item in print_commands_of_run(call) for wrong in doc_commands.wrong_with(item)] == []
    word, words = read_options(line)
    arguments = command_line.parse_command(word, words)[1]
    assert (arguments.subcommand, arguments.max_age, arguments.dir) == ("stale", 30, ["/srv/our own"])
    assert arguments.catalog == str(installation.CATALOGUE)


@pytest.mark.parametrize("collection", ["", "proscribe.ban"])
@pytest.mark.parametrize(("word", "more", "scoped", "parsed"), [
    ("waiver", LauncherSubcommand("sign", positional_values={"id": "press-whatsapp"}), True, {"id": "press-whatsapp"}),
    ("catalog", LauncherSubcommand("refresh", {"dir": ["a b"]}, {"list": ["x", "y"]}), False, {"id": ["x", "y"]}),
    ("catalog", LauncherSubcommand("refresh", {}, {"list": ["-x"]}), False, {"id": ["-x"]}),
])  # fmt: skip
def test_parser_takes_commands_of_a_command_with_its_inventory(monkeypatch, collection, word, more, scoped, parsed):
    monkeypatch.setattr(installation, "COLLECTION", collection)
    secret, line = (
        suggestions.format_suggestions(suggestions.propose_command(word, more, INVENTORY))
        if scoped
        else ["", *suggestions.format_suggestions(suggestions.propose_command(word, more))]
    )
    assert line.startswith("  ") and doc_commands.wrong_with(line) == []
    assert line.startswith(f"  ansible-playbook proscribe.ban.{word} ") is bool(collection)
    assert ("site_password" in secret, "secret" in line.replace("proscribe-secret-vars.yml", "")) == (scoped, False)
    argv = shlex.split(line)
    if scoped:
        assert argv[argv.index("-i") + 1] == "our hosts" and "@more.yml" in argv
    if collection:
        extra = json.loads(next((text for text in reversed(argv) if text.startswith("{")), "{}"))
        words = option_variables.make_arguments(word, extra, extra)
    else:
        words = argv[argv.index(word) + 1 :]
    arguments = vars(command_line.parse_command(word, words)[1])
    assert arguments["subcommand"] == more.name
    assert {key: arguments[key] for key in parsed} == parsed
