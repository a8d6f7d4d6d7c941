"""Commands: screen width, exit codes, options, whole files, variables of a playbook, inventory, quarantine."""

import argparse
import json
import os
import runpy
import subprocess
import sys
from pathlib import Path

import pytest
from ansible.parsing.vault import VaultLib, VaultSecret
from file_hosts import write_files
from patience import LONGEST
from printed import too_wide
from proscribe.controller import cli
from proscribe.controller.cli import CommandError, command_line, inventory, print_message
from proscribe.controller.cli import __main__ as started
from proscribe.controller.cli.catalog import catalogue_files
from proscribe.controller.cli.command_line import parse_command
from proscribe.controller.cli.option_variables import COMMANDS, make_arguments
from proscribe.controller.policy_errors import PolicyError, PolicyErrors
from proscribe.wire import installation
from recording import compare
from refusals import make_refusal

HELPED = [
    *([command] for command in command_line.COMMANDS),
    *(["catalog", name] for name in ("list", "show", "check", "stats", "stale", "refresh", "propose")),
    *(["waiver", name] for name in ("new", "sign", "verify", "list", "expire-soon", "revoke")),
]
ONE = PolicyError("a.yml:3", "mode", "x", "y")
OTHER = PolicyError("b.yml:5", "mode", "z", "y")
TYPED = [
    ("diff", {"diff_old": "latest", "diff_tool": "x"}, "diff_tool", "diff_old, diff_old_inventory, diff_as_now"),
    ("explain", {"explain_name": "x", "explain_extra_vars": "x"}, "explain_extra_vars", "explain_name, explain_expect"),
]


@pytest.mark.parametrize("place", [".", f"/srv/{'deep/' * 20}proscribe"])
@pytest.mark.parametrize("argv", HELPED, ids=" ".join)
def test_help_fits_the_screen(argv, place, monkeypatch, capsys):
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.setenv("PROSCRIBE_CALLED", f"{place}/proscribe")
    with pytest.raises(SystemExit):
        command_line.main([*argv, "--help"])
    assert too_wide(capsys.readouterr().out, 80) == []


def test_text_to_copy_out_of_a_message_stays_whole(monkeypatch, capsys):
    monkeypatch.setenv("COLUMNS", "40")
    key = f'  head.of.press namespaces="proscribe-waiver" ssh-ed25519 {"A" * 68}'
    path = f"/srv/{'deep/' * 20}allowed_signers"
    print_message(f"If this is the key of head.of.press, {path} needs this line:\n{key}", error=True)
    lines = capsys.readouterr().err.splitlines()
    assert lines == ["If this is the key of head.of.press,", f"  {path}", "  needs this line:", key]


@pytest.mark.parametrize(
    ("run", "code", "said"),
    [
        (lambda _: 10, 10, []),
        (
            make_refusal(CommandError("there is no such host\nname another")),
            2,
            ["there is no such host", "name another"],
        ),
        (make_refusal(PolicyErrors([ONE, OTHER])), 2, ["2 mistakes in the policy", str(ONE), str(OTHER)]),
        (make_refusal(FileNotFoundError(2, "No such file", "w1.yml")), 2, ["w1.yml: No such file"]),
        (make_refusal(OSError("the disk is full")), 2, ["the disk is full"]),
        (make_refusal(KeyboardInterrupt()), 130, []),
    ],
)
def test_a_command_ends(run, code, said, monkeypatch, capsys):
    monkeypatch.setattr(command_line, "parse_command", lambda command, options: (run, argparse.Namespace()))
    assert command_line.main(["explain"]) == code
    assert capsys.readouterr().err.splitlines() == [f"proscribe: {line}" for line in said]


def test_command_gets_the_words_behind_it_and_lines_of_a_mistake_stay_below_it(monkeypatch, capsys):
    monkeypatch.setattr(
        command_line, "parse_command", lambda command, options: (lambda _: print(command, options) or 0, None)
    )
    assert command_line.main(["explain", "diff", "-i"]) == 0
    assert capsys.readouterr().out == "explain ['diff', '-i']\n"
    monkeypatch.setattr(
        command_line, "parse_command", lambda *_: (make_refusal(CommandError("two hosts\n  one\n  two")), None)
    )
    assert command_line.main(["explain"]) == 2
    assert capsys.readouterr() == ("", "proscribe: two hosts\n  one\n  two\n")


@pytest.mark.parametrize("module", [started, command_line])
def test_process_runs_the_command_of_its_first_word(module, monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["explain", "audi", "explain"])
    monkeypatch.delitem(sys.modules, module.__name__)
    with pytest.raises(SystemExit) as ended:
        runpy.run_module(module.__name__, run_name="__main__")
    assert ended.value.code == 2 and 'no command "audi"' in capsys.readouterr().err


@pytest.mark.parametrize(
    ("collection", "called", "program", "name"),
    [
        ("", "./proscribe", ["./proscribe"], "./proscribe"),
        ("", "", ["/srv/proscribe"], "/srv/proscribe"),
        ("", f"/{'p' * 22}", [f"/{'p' * 22}"], f"/{'p' * 22}"),
        ("", f"/{'p' * 23}", [f"/{'p' * 23}"], "p" * 23),
        ("acme.ban", "../x", [sys.executable, str(installation.COMMAND_PATH)], "proscribe_command.py"),
    ],
)
def test_command_is_named_as_it_was_called_where_that_is_short(collection, called, program, name, monkeypatch, capsys):
    monkeypatch.setattr(installation, "COLLECTION", collection)
    monkeypatch.setattr(installation, "LAUNCHER_PATH", "/srv/proscribe")
    monkeypatch.setenv("PROSCRIBE_CALLED", called)
    monkeypatch.setattr(cli, "format_launcher", lambda word, where: (word,))
    assert list(cli.get_launcher_command()) == program
    with pytest.raises(SystemExit):
        command_line.parse_command("requests", ["--help"])
    assert capsys.readouterr().out.startswith(f"usage: {name} requests ")


HELP = """\
A sentence that goes on
in the next line.
And one more.

  ./proscribe explain whatsapp.com    what it is
  ./proscribe x    short
   further in, and longer than the screen has room for
./proscribe ends it"""


def test_help_fills_prose_and_leaves_examples_whole(monkeypatch):
    monkeypatch.setenv("COLUMNS", "42")
    monkeypatch.setattr(cli, "get_launcher_command", lambda: ("python3", "a b"))
    parser = argparse.ArgumentParser(prog="x", formatter_class=cli.LauncherHelpFormatter, epilog=HELP, add_help=False)
    compare(Path(__file__).parents[1] / "recorded/cli/help.printed.txt", parser.format_help())


@pytest.mark.parametrize("argv", [[], ["\x1b[2J"]])
def test_an_unknown_command_names_those_that_there_are(argv, capsys):
    assert command_line.main(argv) == 2
    said = capsys.readouterr().err
    assert "there is no command" in said and "explain" in said and "\x1b" not in said


def test_all_is_printed_when_a_command_ends_and_a_reader_may_have_seen_enough(monkeypatch, tmp_path):
    with (tmp_path / "printed").open("w") as stdout:
        monkeypatch.setattr(sys, "stdout", stdout)
        monkeypatch.setattr(command_line, "parse_command", lambda *_: (lambda _: stdout.write("said") and 10, None))
        assert command_line.main(["explain"]) == 10 and (tmp_path / "printed").read_text() == "said"
        monkeypatch.setattr(command_line, "parse_command", lambda *_: (make_refusal(BrokenPipeError()), None))
        assert command_line.main(["explain"]) == 0
        print("more")
    assert (tmp_path / "printed").read_text() == "said"


def test_an_error_of_our_own_is_no_answer(monkeypatch, capsys):
    monkeypatch.setattr(command_line, "parse_command", lambda *_: (make_refusal(RuntimeError("it broke")), None))
    assert command_line.main(["diff"]) == 70
    printed = capsys.readouterr()
    assert "it broke" in printed.err and printed.out == ""


@pytest.mark.parametrize("option", ["--jsn", "-K"])
def test_unknown_option_goes_to_ansible_where_a_command_starts_it(option, capsys):
    assert command_line.parse_command("quarantine", ["list", option])[1].passed_on == [option]
    with pytest.raises(SystemExit) as ended:
        command_line.parse_command("explain", ["x.example", option])
    assert ended.value.code == 2 and f"unrecognized arguments: {option}\n" in capsys.readouterr().err


@pytest.mark.parametrize(("name", "place", "done"), [("", "root", True), ("a.b", "own", True), ("a.b", "root", False)])
def test_a_file_of_a_catalogue_is_written_but_in_a_collection(tmp_path, monkeypatch, name, place, done):
    monkeypatch.setattr(installation, "COLLECTION", name)
    monkeypatch.setattr(installation, "PROJECT_DIRECTORY", tmp_path / "root")
    path = tmp_path / place / "catalog/webmail/owl.yml"
    for text in ("first\n", "Zürich\n") if done else ():
        catalogue_files.write_catalogue_file(path, text)
        assert path.read_text(encoding="utf-8") == text
    if not done:
        with pytest.raises(CommandError, match="owl.yml is in the collection"):
            catalogue_files.write_catalogue_file(path, "first\n")
        assert os.listdir(tmp_path) == []


def test_a_file_in_the_place_of_a_folder_of_a_catalogue_is_named(tmp_path):
    (tmp_path / "webmail").write_text("")
    with pytest.raises(CommandError, match="webmail/owl.yml: File exists"):
        catalogue_files.write_catalogue_file(tmp_path / "webmail/owl.yml", "x")


@pytest.mark.parametrize(
    ("command", "variables", "words"),
    [
        ("explain", {"explain_name": "whatsapp", "other_name": "x"}, ["--", "whatsapp"]),
        ("explain", {"explain_name": "--json", "explain_json": True}, ["--json", "--", "--json"]),
        ("explain", {"explain_name": "x", "explain_json": "False", "explain_limit": "a:b"}, ["--limit=a:b", "--", "x"]),
        ("diff", {"diff_old": "latest", "diff_as_now": ["a", "-b"]}, ["--as-now=a", "--as-now=-b", "--", "latest"]),
        ("waiver", {"waiver_do": "verify", "waiver_id": ["a", "b"]}, ["verify", "--", "a", "b"]),
        (
            *("waiver", {"waiver_do": "new", "waiver_requested_by": "chan", "waiver_service": ["a", "b"]}),
            ["new", "--service=a", "--service=b", "--requested-by=chan"],
        ),
        ("catalog", {"catalog_do": "show", "catalog_service": "line"}, ["show", "--", "line"]),
    ],
)
def test_the_arguments(command, variables, words):
    assert make_arguments(command, variables) == words
    parse_command(command, words)  # as somebody who types it


@pytest.mark.parametrize(
    ("command", "variables", "message"),
    [
        ("explain", {"explain_nmae": "x"}, "explain_nmae: found an unknown variable, expected explain_name"),
        ("explain", {"explain_name": ["x", "y"]}, "explain_name: found a list, expected one value"),
        ("explain", {"explain_name": "x", "explain_json": "maybe"}, "explain_json: found maybe, expected true or"),
        ("waiver", {"waiver_do": "lst"}, "waiver_do: found 'lst', expected .*list"),
        ("waiver", {"waiver_do": "new", "waiver_services": "x"}, "waiver_services: found .*, expected waiver_service$"),
    ],
)
def test_wrong_variable_is_refused(command, variables, message):
    with pytest.raises(CommandError, match=message):
        make_arguments(command, variables)


@pytest.mark.parametrize(("command", "variables", "wrong", "known"), TYPED)
def test_typed_variable_that_is_no_option_is_refused_with_the_options(command, variables, wrong, known):
    make_arguments(command, variables)
    with pytest.raises(CommandError, match=f"{wrong}: found an unknown variable, expected .*{known}"):
        make_arguments(command, variables, list(variables))


def test_every_command_with_a_playbook_has_variables():
    playbooks = {path.stem for path in (Path(__file__).resolve().parents[3] / "playbooks").glob("*.yml")}
    assert playbooks.intersection(command_line.COMMANDS) - {"report", "quarantine"} == set(COMMANDS)


NOTHING = {"quarantine_do": "list", "quarantine_all": False, "quarantine_older_than": "", "quarantine_format": "table"}
NOTHING |= {f"quarantine_{name}": [] for name in ("host", "user", "service", "id")} | {"quarantine_accept_loss": False}


@pytest.fixture
def call(monkeypatch):
    monkeypatch.delenv("PROSCRIBE_ANSIBLE_PLAYBOOK", raising=False)
    became = []
    monkeypatch.setattr(os, "execvp", lambda file, argv: became.append([file, *argv]))

    def run(*words):
        became.clear()
        start, arguments = command_line.parse_command("quarantine", words)
        start(arguments)
        return became.pop()

    return run


@pytest.mark.parametrize(
    ("words", "why"),
    [
        ("list s-3fa4b2c1", "found 's-3fa4b2c1', expected options only; an id is given with --id s-3fa4b2c1"),
        ("list -i x y", "found 'y', expected options only"),
        ("restore", "restore: found no selector"),
        ("prune --all --format json", "--format json: found with prune, expected with list"),
    ],
)
def test_contradictory_options_ask_no_host(call, words, why):
    with pytest.raises(CommandError) as refused:
        call(*words.split())
    assert str(refused.value).startswith(why)


def test_variables_of_a_command_stand_behind_those_of_its_caller(call, monkeypatch):
    options, own = ["--host", "a,b", "--host", "c", "--id", "s-3fa4b2c1"], ["-i", "inv", "-e", "quarantine_all=1"]
    words = ["restore", *options, "--accept-loss", *own]
    *argv, extra = call(*words)
    assert argv == ["ansible-playbook", "ansible-playbook", installation.name_playbook("quarantine"), *own, "-e"]
    changed = {"quarantine_do": "restore", "quarantine_host": ["a", "b", "c"], "quarantine_id": ["s-3fa4b2c1"]}
    assert json.loads(extra) == NOTHING | changed | {"quarantine_accept_loss": True}
    monkeypatch.setenv("PROSCRIBE_ANSIBLE_PLAYBOOK", "/x/play")
    assert call("list")[:2] == ["/x/play", "/x/play"]


def test_output_in_json_has_the_answer_alone(call, monkeypatch):
    monkeypatch.setenv("PROSCRIBE_ANSWER_FD", "")
    instead = []
    monkeypatch.setattr(os, "dup2", lambda *given: instead.append(given))
    assert json.loads(call("list", "--format", "json")[-1]) == NOTHING | {"quarantine_format": "json"}
    answer = int(os.environ["PROSCRIBE_ANSWER_FD"])
    try:
        assert instead == [(2, 1)] and os.get_inheritable(answer) and os.path.sameopenfile(answer, 1)
    finally:
        os.close(answer)


HOSTS = """\
all:
  vars:
    proscribe_hosts: "all:!kiosks"
    proscribe_reports: /srv/r
  children:
    press:
      hosts:
        press01: {proscribe_contact: "{{ desk }}", desk: helpdesk, proscribe_zone: office}
        press02:
    windows: {hosts: {win01: {ansible_connection: winrm}}}
    network:
      hosts: {switch01: {ansible_connection: ansible.netcommon.network_cli, ansible_network_os: cisco.ios.ios}}
    kiosks: {hosts: {kiosk01: }}
    nobody: {}
"""
PASSWORD = b"of the vault"


@pytest.fixture
def ask(tmp_path):
    url = "proscribe_request_url: https://x.example\n"
    files = {"inventory/hosts.yml": HOSTS, "empty.yml": "all: {}\n", "playbooks/group_vars/all.yml": url}
    write_files(tmp_path, files)

    def calls(*words, group="", served=True, source="inventory/hosts.yml"):
        parser = argparse.ArgumentParser()
        inventory.add_inventory_options(parser)
        arguments = parser.parse_args(["-i", str(tmp_path / source) if "," not in source else source, *words])
        return inventory.read_compile_input(arguments, tmp_path, group=group, only_served=served)

    return calls


def test_question_is_that_of_an_audit(ask, tmp_path, monkeypatch):
    found = ask()
    served = frozenset({"press01", "press02", "win01"})
    assert [host.name for host in found.hosts] == sorted(served)
    assert (found.project, found.playbook_folder) == (tmp_path, tmp_path / "playbooks")
    assert (found.mode, found.playbook, found.limit) == ("audit", "audit", "")
    assert found.controls == ["apps", "browser", "firewall", "dns"] and found.audience is False
    assert found.inventory == [str(tmp_path / "inventory/hosts.yml")]
    groups = {"press": {"press01", "press02"}, "windows": {"win01"}, "network": {"switch01"}, "kiosks": {"kiosk01"}}
    groups |= {"nobody": set(), "ungrouped": set(), "all": {*served, "switch01", "kiosk01"}}
    assert found.groups == groups
    assert list(found.not_served) == ["switch01"] and found.windows_hosts == ("win01",)
    assert found.pattern == "all:!kiosks" and found.chosen_hosts == {*served, "switch01"}
    assert [found.zone_of(host) for host in ("press01", "kiosk01")] == ["office", ""]
    first = found.hosts[0].values
    assert (first["proscribe_contact"], first["proscribe_request_url"]) == ("helpdesk", "https://x.example")
    assert found.variables_of("kiosk01").name == "kiosk01"
    part = ask("--limit", "press*:!press02")
    assert ([host.name for host in part.hosts], part.limit) == (["press01"], "press*:!press02")
    assert part.groups == groups, "waivers for a group are for all of it"
    extra = ask("--limit", "press01", "-e", "desk={{ 'night' }}").hosts[0].values
    assert extra["proscribe_contact"] == "night"
    monkeypatch.setattr(installation, "COLLECTION", "acme.ban")
    assert ask("--limit", "press01").playbook_folder is None


@pytest.mark.parametrize(("group", "hosts"), [("kiosks", ["kiosk01"]), ("press", ["press01", "press02"])])
def test_exports_ask_for_an_audience_whether_it_is_served_or_not(ask, group, hosts):
    found = ask(group=group, served=False)
    assert ([host.name for host in found.hosts], found.audience) == (hosts, True)


@pytest.mark.parametrize(
    ("words", "how", "why"),
    [
        (("--limit", "kiosk01"), {}, "none of the 1 hosts is served: .* is 'all:!kiosks', and 0 are network"),
        (("--limit", "switch01"), {}, r"none of the 1 hosts is served: .* and 1 are network devices"),
        (("--limit", "x*"), {}, r"no host of the inventory \(/.*hosts.yml\) matches --limit x\*$"),
        ((), {"source": "empty.yml"}, r"no host of the inventory \(/.*empty.yml\)$"),
        ((), {"group": "pres"}, "the inventory has no group 'pres', did you mean 'press'"),
        ((), {"group": "nobody", "served": False}, "the group 'nobody' has no host, .*\n  nobody: {hosts: {nobody-dev"),
        (("--limit", "press"), {"group": "kiosks", "served": False}, "no host of the group 'kiosks' is among those of"),
    ],
)
def test_question_without_a_host_is_refused(ask, words, how, why):
    with pytest.raises(CommandError, match=f"^{why}"):
        ask(*words, **how)


def test_unreadable_inventory_is_refused_with_its_place(ask, tmp_path):
    write_files(tmp_path, {"inventory/group_vars/all.yml": "a: ["})
    with pytest.raises(CommandError, match="group_vars/all.yml"):
        ask()


def test_options_that_are_repeated_say_where_the_inventory_is():
    parser = argparse.ArgumentParser()
    inventory.add_inventory_options(parser)
    typed = ["-i", "a", "-i", "b,", "-e", "x=1", "--vault-id", "v@p", "--vault-pass-file", "pw", "-J", "-l", "web"]
    found = inventory.list_inventory_options(parser.parse_args(typed))
    assert [(one.name, one.option, one.option_value) for one in found] == [
        ("inventory", "-i", "a"),
        ("inventory", "-i", "b,"),
        ("extra_vars", "-e", "x=1"),
        ("vault_ids", "--vault-id", "v@p"),
        ("vault_password_files", "--vault-password-file", "pw"),
        ("ask_vault_pass", "-J", None),
    ]
    assert inventory.list_inventory_options(parser.parse_args([])) == []


def test_sources_are_those_that_ansible_takes(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to("real")
    assert inventory.resolve_sources(["link", "a,b", "~/x"]) == [
        f"{tmp_path}/link",
        "a,b",
        str(Path("~/x").expanduser()),
    ]
    monkeypatch.setattr(inventory.constants, "DEFAULT_HOST_LIST", ["/etc/hosts.yml"])
    assert inventory.resolve_sources([]) == ["/etc/hosts.yml"]


def test_reports_are_where_the_inventory_says_unless_the_environment_does(ask, tmp_path, monkeypatch):
    monkeypatch.delenv(inventory.ENVIRONMENT_VARIABLE, raising=False)
    calls = []
    found = ask()
    monkeypatch.setattr(inventory, "read_compile_input", lambda arguments: calls.append(arguments) or found)
    place = inventory.locate_reports(argparse.Namespace(inventory=["x"]))
    assert place == (Path("/srv/r"), "proscribe_reports of the inventory")
    usual = inventory.locate_reports(argparse.Namespace(inventory=[]))
    assert usual.named_by == "the usual place; -i INVENTORY finds what proscribe_reports names"
    monkeypatch.setenv(inventory.ENVIRONMENT_VARIABLE, str(tmp_path))
    assert inventory.locate_reports(argparse.Namespace(inventory=["x"])) == (tmp_path, inventory.ENVIRONMENT_VARIABLE)
    assert len(calls) == 1


# Ansible has the secrets once for a process.
CONTACT = """
import sys
from proscribe.controller.cli.inventory import read_compile_input
from proscribe.controller.cli.scheduled.notification_transport import parse_inventory_arguments
(host,) = read_compile_input(parse_inventory_arguments(sys.argv[1:])).hosts
print(host.values["proscribe_contact"])
"""


@pytest.mark.slow
@pytest.mark.parametrize(
    "options",
    [
        ["--vault-password-file", "{}/other", "--vault-password-file", "{}/password"],
        ["--vault-id", "{}/other", "--vault-id", "prod@{}/password"],
    ],
)
def test_variables_of_a_vault_are_read(tmp_path, options):
    (tmp_path / "group_vars").mkdir()
    write_files(tmp_path, {"hosts": "web1\n", "password": PASSWORD, "other": b"another"})
    secret = VaultLib([("prod", VaultSecret(PASSWORD))]).encrypt("proscribe_contact: helpdesk\n", vault_id="prod")
    (tmp_path / "group_vars/all.yml").write_bytes(secret)
    words = ["-i", str(tmp_path / "hosts"), *(word.format(tmp_path) for word in options)]
    env = {**os.environ, "PYTHONPATH": str(Path(__file__).resolve().parents[3] / "module_utils")}
    done = subprocess.run([sys.executable, "-c", CONTACT, *words], env=env, capture_output=True, timeout=LONGEST)
    assert done.stdout == b"helpdesk\n", done.stderr
