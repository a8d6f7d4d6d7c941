"""`init`: questions, YAML texts, files of a policy repository, and refusals."""

import argparse
import datetime
import io
import os
import re
import shlex
import subprocess
import sys
from dataclasses import asdict, replace
from pathlib import Path

import pytest
import yaml
from ansible.parsing.dataloader import DataLoader
from ansible.template import Templar
from hypothesis import example, given
from hypothesis import strategies as st
from properties import examples
from proscribe.controller.cli import CommandError, collection
from proscribe.controller.cli.command_line import main
from proscribe.controller.cli.init import add_arguments, existing_inventory, new_files, repository
from proscribe.controller.cli.init.answers import read_answers, read_public_key
from proscribe.controller.cli.init.yaml_text import LiteralText, format_yaml
from proscribe.controller.compile.reading.yaml_file import read_yaml
from proscribe.controller.policy_errors import PolicyErrors, UnexpectedValue
from proscribe.wire import installation
from recording import compare, join_files

SOURCE = "--source=https://git.example/proscribe.git"
HOSTS = "[press]\npress01\n[finance]\nfin01\n"
# Each form that Ansible reads: the path, its files, and what `--inventory` names.
YAML = "press: {hosts: {press01: }}\nfinance: {hosts: {fin01: }}\n"
MET = dict.fromkeys(repository.TABLE_FILES, 0)
SITES = "[berlin]\npress01\nfin01\n[hongkong]\npress02\n[press]\npress01\npress02\n[finance]\nfin01\n"
PRINTABLE = st.text(st.characters(exclude_categories=["Cs"]), max_size=60).filter(str.isprintable)
ENOUGH = ("--organisation=Acme", "--department=press=press01")
RECORDED = Path(__file__).parents[2] / "recorded/cli"
FILES = {"README.md": b"text\n", "ci/diff": b"#!/bin/sh\n", "a/b/c": b""}


@pytest.fixture(autouse=True)
def no_terminal(monkeypatch):
    monkeypatch.setattr(sys, "stdin", io.StringIO())


def inside(directory):
    return {str(path.relative_to(directory)) for path in directory.rglob("*") if path.is_file()}


def placed(directory, files):
    """Write files below a directory, scripts executable."""
    for name, text in files.items():
        (directory / name).parent.mkdir(parents=True, exist_ok=True)
        (directory / name).write_text(text)
        (directory / name).chmod(0o755 if text.startswith("#!") else 0o644)


def inventories(directory):
    """Return what ansible.cfg names; the last one is in the folder of the policy."""
    return re.findall(r"(?m)^inventory = (.*)$", (directory / "ansible.cfg").read_text())[0].split(",")


def approvers(directory):
    return yaml.safe_load((directory / inventories(directory)[-1]).with_name("approvers.yml").read_text())


def expected_names(directory, monkeypatch):
    """Compare both tables with the policy, as the made repository names its inventory. Return the exit codes."""
    monkeypatch.chdir(directory)
    options = [word for source in inventories(directory) for word in ("-i", source)]
    return {name: main(["explain", "--expect", name, *options]) for name in repository.TABLE_FILES}


class Terminal(io.StringIO):
    def isatty(self):
        return True


@pytest.mark.slow
def test_at_a_terminal_it_asks_which_groups_are_departments(tmp_path, monkeypatch, capsys):
    (tmp_path / "hosts.ini").write_text(SITES)
    answers = "Acme||pres|press|finance||||pres:chan|press:chan||||||"
    monkeypatch.setattr(sys, "stdin", Terminal(answers.replace("|", "\n")))
    monkeypatch.setenv("COLUMNS", "400")
    assert main(["init", str(tmp_path), "--inventory=hosts.ini", "--source", SOURCE.partition("=")[2]]) == 0
    assert approvers(tmp_path) == {"press": {"head": "chan"}, "finance": None}
    printed = capsys.readouterr()
    assert "Which groups are departments (berlin, finance, hongkong, press); an empty line ends them: " in printed.err
    schedule = "schedule -i hosts.ini -i inventory/prod/hosts.yml"
    assert printed.out.endswith(f"sudo {installation.LAUNCHER_PATH} {schedule}\n")
    assert printed.err.rpartition("]: ")[2].splitlines() == [
        "proscribe: the hosts are those of hosts.ini, which is used as it is",
        "proscribe: the departments are its groups press, finance",
        "proscribe: nobody can approve a waiver for the group finance: name the head in inventory/prod/approvers.yml",
    ]


@pytest.mark.slow
def test_without_any_answer_it_audits_this_machine_and_nobody_approves(tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("COLUMNS", "400")
    assert main(["init", str(tmp_path / "policy"), SOURCE]) == 0
    printed = "".join(capsys.readouterr()).replace(str(tmp_path), "PLACE")
    compare(RECORDED / "init.printed.txt", printed.replace(installation.LAUNCHER_PATH, "LAUNCHER"))
    hosts = yaml.safe_load((tmp_path / "policy/inventory/prod/hosts.yml").read_text())
    assert hosts == {"all": {"hosts": {"localhost": {"ansible_connection": "local"}}}}
    assert approvers(tmp_path / "policy") == {"all": None}
    assert expected_names(tmp_path / "policy", monkeypatch) == MET


@pytest.mark.slow
def test_a_new_waiver_goes_beside_the_keys_of_the_policy(tmp_path, monkeypatch):
    placed(tmp_path, {"inventory/prod/hosts.yml": YAML})
    assert main(["init", str(tmp_path), SOURCE, "--approver=press:chan"]) == 0
    monkeypatch.chdir(tmp_path)
    inventories = ["-i", "inventory/prod/hosts.yml", "-i", "proscribe/hosts.yml"]
    waiver = ["--id=w1", "--service=whatsapp", "--host=press01", "--reason=r", "--requested-by=lee"]
    approval = ["--approved-by=chan", "--approved-on=now", "--expires=9d"]
    assert main(["waiver", "new", *inventories, *waiver, *approval]) == 0
    assert (tmp_path / "proscribe/waivers/w1.yml").exists() and (tmp_path / "proscribe/allowed_signers").exists()


@pytest.mark.slow
def test_the_comment_of_a_pipeline_takes_an_inventory_outside_as_it_is_now(tmp_path, monkeypatch, capsys):
    placed(tmp_path / "else where", {"hosts.ini": HOSTS})
    made = tmp_path / "policy"
    made.mkdir()
    monkeypatch.chdir(made)
    monkeypatch.setenv("COLUMNS", "400")
    assert main(["init", ".", SOURCE, "--inventory=../else where/hosts.ini"]) == 0
    outside = f"the hosts are those of {tmp_path}/else where/hosts.ini, which is used as it is, outside of the"
    assert f"proscribe: {outside} repository: pipelines need it at this path\n" in capsys.readouterr().err
    identity = ("-c", "user.name=somebody", "-c", "user.email=somebody@dept.example")
    for words in (("init", "-q"), ("add", "."), (*identity, "commit", "-qm", "made")):
        subprocess.run(["git", *words], check=True)
    command = re.findall(r'(?m)^ +(diff "\$1".*)\) ', (made / "ci/diff").read_text())[0]
    inventories = ["-i", str(tmp_path / "else where/hosts.ini"), "-i", "inventory/prod/hosts.yml"]
    catalogue = f"--as-now={Path(__file__).resolve().parents[4] / 'catalog'}"  # it may lie in no git checkout
    assert main([*shlex.split(command.replace('"$1"', "HEAD")), catalogue, *inventories]) == 0


@pytest.mark.slow
def test_a_windows_host_meets_its_table(tmp_path, monkeypatch):
    (tmp_path / "hosts.ini").write_text(f"{HOSTS}desk01 ansible_connection=winrm\n")
    assert main(["init", str(tmp_path), SOURCE, "--inventory=hosts.ini"]) == 0
    rows = yaml.safe_load((tmp_path / "expectations.yml").read_text())["all"]
    assert {"web.telegram.org", "https://drive.google.com/drive"} <= set(rows["audited"])
    assert {"www.debian.org"} <= set(rows["open"]) and expected_names(tmp_path, monkeypatch) == MET


def test_a_collection_does_not_know_where_it_came_from(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(installation, "COLLECTION", "acme.ban")
    assert main(["init", str(tmp_path / "policy"), "--organisation=Acme", "--department=press=press01"]) == 2
    assert "--source: found nothing, expected the git repository" in capsys.readouterr().err
    assert not (tmp_path / "policy").exists()


def test_a_checkout_puts_the_collections_file_beside_its_policy(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(collection, "build_archive", lambda: ("acme-ban-1.tar.gz", b"packed"))
    monkeypatch.chdir(tmp_path)
    assert main(["init", "policy", "--organisation=Acme", "--department=press=press01"]) == 0
    (entry,) = yaml.safe_load(Path("policy/requirements.yml").read_text())["collections"][:1]
    assert entry == {"name": "./vendor/acme-ban-1.tar.gz", "type": "file"}
    assert Path("policy/vendor/acme-ban-1.tar.gz").read_bytes() == b"packed"


def answers(*options):
    parser = argparse.ArgumentParser()
    add_arguments(parser)
    arguments = parser.parse_args(["policy", *options])
    arguments.inventory = arguments.existing
    return read_answers(arguments, datetime.date(2026, 11, 30))


def templated(text, place):
    file = place / "all.yml"
    file.write_text(text)
    loader = DataLoader()
    values = loader.load_from_file(str(file), cache="none", trusted_as_template=True)
    return Templar(loader=loader, variables={}).template(values["contact"])


@given(text=st.text(st.characters(exclude_categories=["Cs"]), max_size=60))
@example(text="a: b\n- c")
@example(text="{{ lookup('pipe', 'id') }}")
@example(text="{% raw %} {# no comment #}")
@example(text="!unsafe x")
@example(text="yes")
@example(text="1e3")
@example(text="2026-11-30")
@example(text="&a *a | > # % @ `")
@example(text="=")
@example(text="微信 'and' \"quotes\" \\n")
@examples(3000)
def test_any_text_arrives_in_ansible_as_the_text_that_it_is(text, tmp_path_factory):
    assert templated(format_yaml({"contact": LiteralText(text)}), tmp_path_factory.getbasetemp()) == text


@given(text=PRINTABLE.filter(lambda text: text == text.strip() and text))
@examples(300)
def test_any_name_arrives_in_the_reader_of_the_policy(text, tmp_path_factory):
    file = tmp_path_factory.getbasetemp() / "read.yml"
    file.write_text(format_yaml({"press": {"head": text}}))
    assert read_yaml(file).data == {"press": {"head": text}}


@pytest.mark.parametrize(
    "options", [["--category", " webmail, cloud_storage,"], ["--category=webmail", "--category=cloud_storage webmail"]]
)
def test_answers_that_no_option_gives_have_their_default(options):
    usual = {"organisation": "our organisation", "contact": "your IT service desk", "department": (), "inventory": ""}
    usual |= {"tenant": (), "approver": (), "first_day": datetime.date(2026, 11, 30), "ci": "github", "source": ""}
    assert asdict(answers(*options)) == usual | {"category": ("webmail", "cloud_storage")}
    assert answers().category == ("instant_messaging", "webmail", "cloud_storage", "circumvention")


@pytest.mark.parametrize(
    ("options", "mistake"),
    [
        (["--organisation= "], "--organisation: found ' ', expected one line"),
        (["--contact=a\x1b[2J"], "--contact: found 'a\\\\x1b[2J', expected one line of at most 200 printable"),
        (["--department=all=x"], "--department: found 'all', expected a group's name"),
        (["--department=a=x,"], "--department: found nothing, expected hosts with commas"),
        (["--department=a=x[01:20]"], "--department: found 'x[01:20]', expected hosts"),
        (["--department=press"], "--department: press: found no host, expected at least one: press=HOST"),
        (["--department=press=x"], "--department: found 'press', expected each name once"),
        (["--inventory=/nowhere"], "--inventory: found '/nowhere', expected an inventory in "),
        (["--inventory=hosts.yml"], "--department: press: found hosts, expected none, since --inventory has them"),
        (["--category=mail"], "--category: found 'mail', expected one of instant_messaging"),
        (["--category="], "--category: found nothing, expected one of instant_messaging"),
        (["--tenant=gogle=x"], "--tenant: found 'gogle', expected a known key, did you mean 'google'?"),
        (["--tenant=google=a b"], "--tenant: found 'a b', expected a domain such as example.org"),
        (["--tenant=microsoft=x:a.example"], "--tenant: found 'x', expected a tenant id: a GUID"),
        (["--approver=a b"], "--approver: found 'a b', expected a name without spaces"),
        (["--approver=pres:chan"], "--approver: found 'pres', expected one of press"),
        (["--approver=chan=/dev/zero"], "--approver: found '/dev/zero', expected the file of one public SSH key"),
        (["--first-day=tomorrow"], "--first-day: found 'tomorrow', expected a day such as"),
        (["--ci=jenkins"], "--ci: found 'jenkins', expected one of github, gitlab, none"),
        (["--source=ext::sh"], "--source: found 'ext::sh', expected a git URL"),
        (["--source=https://u:secret@x/y"], "--source: found a URL with a password, expected no password"),
    ],
)
def test_a_mistake_names_option_value_and_what_was_expected(options, mistake):
    with pytest.raises(PolicyErrors) as wrong:
        answers(*options, ENOUGH[1])
    assert mistake.replace("\\\\", "\\") in str(wrong.value).replace("\\\\", "\\")


def test_all_mistakes_of_the_options_come_at_once():
    with pytest.raises(PolicyErrors) as wrong:
        answers("--ci=x", "--first-day=y", "--category=z")
    assert len(wrong.value.errors) == 3


def test_only_a_public_key_is_one_and_no_other_file_is_shown(tmp_path):
    key = tmp_path / "key"
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "a comment", "-f", str(key)], check=True)
    taken = read_public_key(key.with_suffix(".pub"))
    assert taken.startswith("ssh-ed25519 AAAA") and "comment" not in taken
    public = key.with_suffix(".pub").read_text()
    for content in ("", public * 2, public.replace("AAAA", "BBBB"), f"restrict {public}", "ssh-rsa x\n"):
        (tmp_path / "other").write_text(content)
        with pytest.raises(UnexpectedValue):
            read_public_key(tmp_path / "other")
    with pytest.raises(UnexpectedValue) as wrong:
        read_public_key(key)
    assert "PRIVATE" not in f"{wrong.value} {wrong.value.found_value}" and wrong.value.found_value == str(key)


def test_a_terminal_is_asked_and_a_wrong_answer_is_asked_again(monkeypatch, capsys):
    typed = ["Acme", "", "all=x", "press=press01", "", "", "google=acme.example", "", "", "", "gitlab", ""]
    monkeypatch.setattr(sys, "stdin", Terminal("\n".join([*typed, ""])))
    found = answers()
    assert (found.organisation, found.department, found.ci) == ("Acme", (("press", ("press01",)),), "gitlab")
    assert found.tenant == (("google", "acme.example"),)
    printed = capsys.readouterr().err
    assert "found 'all', expected a group's name" in printed
    assert "The first day of the ban [2026-11-30]:" in printed and "inventory" not in printed
    defaults = [found.contact, ",".join(found.category), "2026-11-30", "github"]
    assert re.findall(r"\[([^]]*)\]: ", printed) == defaults, "an answer that others follow is no default any more"


def test_an_input_that_ends_early_is_refused(monkeypatch):
    monkeypatch.setattr(sys, "stdin", Terminal("Acme\n"))
    with pytest.raises(CommandError, match="nothing was written"):
        answers()


def made(*options):
    found = answers(*ENOUGH, "--department=finance=fin01", *options)
    departments = {one.name: one.hosts for one in found.department}
    return repository.make_files(found, departments, {"name": "./vendor/x.tar.gz", "type": "file"})


MADE = ["ansible.cfg", "site.yml", "requirements.yml", "molecule/default/molecule.yml"]
MADE += [f"inventory/prod/{name}" for name in ("hosts.yml", "group_vars/all.yml", "approvers.yml", "allowed_signers")]


def test_files_of_answers_are_as_recorded(tmp_path):
    key = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJxA07LLRlQ0vtNWgOHcZyxBmTXyEvlBv8/7rjIeXaFb"
    (tmp_path / "chan.pub").write_text(f"{key} a comment\n")
    options = ["--category=webmail", "--contact=desk {{ x }}", "--tenant=google=a.example", "--tenant=google=c.example"]
    options += ["--tenant=microsoft=b.example", f"--approver=press:chan={tmp_path}/chan.pub", "--approver=press:ho"]
    options += [f"--approver=lee={tmp_path}/chan.pub", "--department=human_resources=hr1,hr2", "--ci=gitlab"]
    answered = made(*options)
    none = repository.make_files(answers("--ci=none"), {}, {"name": "https://x/y.git", "type": "git", "version": "v1"})
    of_groups = replace(answers(), inventory="hosts.ini")
    of_groups = repository.make_files(of_groups, {"press": (), "it": ()}, {}, "proscribe")
    shown = {f"answered: {name}": answered[name] for name in MADE}
    shown |= {f"none: {name}": none[name] for name in MADE if none[name] != answered[name]}
    shown |= {f"an inventory: {name}": text for name, text in of_groups.items() if name.startswith(("ansible", "pros"))}
    compare(RECORDED / "init.files.txt", join_files(shown))
    assert not {".gitlab-ci.yml", "ci/diff", ".github/workflows/policy.yml"} & {*none}
    assert {".gitlab-ci.yml", "ci/diff", "ci/comment.py"} <= {*answered}
    assert ".github/workflows/policy.yml" not in answered
    assert "--host press01" in answered["README.md"] and "--approved-by chan" in answered["README.md"]
    assert "## Pipelines\n" in answered["README.md"] and "## Pipelines\n" not in none["README.md"]
    assert "does not name everybody" not in answered["README.md"] and "does not name everybody" in none["README.md"]


def test_name_of_an_organisation_is_no_markup():
    text = repository.make_files(answers("--organisation=<b> [x](y) `z`"), {}, {})["README.md"]
    assert text.splitlines()[0] == r"# The policy of \<b\> \[x\]\(y\) \`z\`"


def test_a_tenant_of_microsoft_has_its_id_and_its_domains():
    id_ = "2fd6bb84-ad40-4ec5-9369-a215b25c9952"
    written = made(f"--tenant=microsoft={id_}:a.example:b.example")[repository.VARIABLES_FILE]
    tenants = yaml.load(written.replace("!unsafe ", ""), yaml.BaseLoader)["proscribe_tenants"]
    assert tenants == {"microsoft": [{"id": id_, "domains": ["a.example", "b.example"]}]}
    assert "# A tenant of Microsoft" not in written


def place_new_files(directory, files):
    new_files.refuse_existing(directory, files)
    with new_files.create_staging_directory(directory) as place:
        new_files.write_files(place, files)
        new_files.move_files(place, directory)


@pytest.mark.parametrize(
    ("name", "says"), [("README.md", "there already"), ("a/b/c", "there already"), ("a/b", "found a link or a file")]
)
def test_existing_file_is_never_overwritten(tmp_path, name, says):
    (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
    (tmp_path / name).write_text("mine")
    with pytest.raises(CommandError, match=f"{Path(name).name}: {says}"):
        place_new_files(tmp_path, FILES)
    assert inside(tmp_path) == {name} and (tmp_path / name).read_text() == "mine"


@pytest.mark.parametrize("before", [None, {}, {".git/HEAD": b"x", "a/other": b"y"}])
def test_files_are_placed_whole_beside_those_that_are_there(tmp_path, before):
    directory, umask = tmp_path / "policy", os.umask(0)
    try:
        if before is not None:
            directory.mkdir(mode=0o755)
            new_files.write_files(directory, before)
        place_new_files(directory, FILES)
    finally:
        os.umask(umask)
    assert inside(directory) == {*FILES, *(before or {})} and os.listdir(tmp_path) == ["policy"]
    assert {name: (directory / name).read_bytes() for name in FILES} == FILES
    modes = [(directory / name).stat().st_mode & 0o777 for name in (".", "ci/diff", "README.md")]
    assert modes == [0o755, 0o755, 0o644]


def test_a_file_that_comes_meanwhile_stays_and_nothing_else_does(tmp_path):
    with new_files.create_staging_directory(tmp_path) as place:
        new_files.write_files(place, FILES)
        (tmp_path / "ci").mkdir()
        (tmp_path / "ci/diff").write_text("theirs")
        with pytest.raises(CommandError, match=f"^{tmp_path}/ci/diff: File exists; nothing was written"):
            new_files.move_files(place, tmp_path)
    assert inside(tmp_path) == {"ci/diff"} and os.listdir(tmp_path) == ["ci"]


@pytest.mark.parametrize(
    ("name", "value", "expected"),
    [
        ("a,b", "a,b", "a path that ansible.cfg can name"),
        (" hosts", " hosts", "a path that ansible.cfg can name"),
        ("hosts", ".", "a folder that has inventories only"),
        ("hosts", "host", "an inventory in "),
    ],
)
def test_a_path_that_cannot_be_an_inventory_is_refused(tmp_path, name, value, expected):
    (tmp_path / name).write_text("x\n")
    with pytest.raises(UnexpectedValue) as wrong:
        existing_inventory.read_source(value, tmp_path)
    assert wrong.value.expected.startswith(expected)


@pytest.mark.parametrize(
    ("files", "source"),
    [(["inventory/prod/more"], "inventory/prod"), (["inventory/more"], "inventory"), (["hosts.yml"], "")],
)
def test_inventory_is_found_in_its_usual_place(tmp_path, files, source):
    placed(tmp_path, dict.fromkeys(files, "x\n"))
    assert existing_inventory.find_default_source(tmp_path) == source


@pytest.mark.parametrize(
    ("value", "source", "folder"),
    [
        ("hosts.ini", "hosts.ini", "inventory/prod"),
        ("./inventory/../inventory/test", "inventory/test", "inventory/prod"),
        ("inventory", "inventory", "proscribe"),  # the policy would be read as an inventory
        ("other.ini", "{}/other.ini", "inventory/prod"),  # from where the command is typed
        ("~/home.ini", "{}/home.ini", "inventory/prod"),
        ("", "", "inventory/prod"),
    ],
)
def test_path_of_an_inventory_is_one_from_the_repository(tmp_path, monkeypatch, value, source, folder):
    placed(tmp_path, dict.fromkeys(("policy/hosts.ini", "policy/inventory/test", "other.ini", "home.ini"), "x\n"))
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))
    found = existing_inventory.read_source(value, tmp_path / "policy")
    assert found == source.format(tmp_path)
    assert existing_inventory.choose_policy_folder(tmp_path / "policy", found) == folder
    placed(tmp_path, {"policy/inventory/prod/x": "x"})
    later = existing_inventory.choose_policy_folder(tmp_path / "policy", found)
    assert later == ("proscribe" if value else "inventory/prod")


@pytest.mark.parametrize(
    ("groups", "departments"),
    [
        ({"press": "a", "it": "b", "hq": "ab", "all": "ab", "ungrouped": "", "none": ""}, ["it", "press"]),
        ({"human-resources": "a", "press": "bc"}, ["human-resources", "press"]),
        ({"berlin": "ab", "hongkong": "c", "press": "ac", "it": "b"}, []),  # a host is in two
        ({"press": "a", "it": "b", "berlin": "ab", "lab": "c"}, []),  # a group lies within another
        ({"press": "a", "a b": "b"}, []),  # no name that Ansible reads
        ({"press": "ab"}, ["press"]),
        ({}, []),
    ],
)
def test_only_groups_that_are_clearly_departments_are_taken(groups, departments):
    found = existing_inventory.find_clear_departments({name: {*hosts} for name, hosts in groups.items()})
    assert sorted(found) == departments


@pytest.mark.parametrize("name", ["file", "missing/policy", "nowhere"])
def test_a_directory_that_cannot_be_is_refused(tmp_path, name):
    (tmp_path / "file").write_text("")
    (tmp_path / "nowhere").symlink_to("missing")
    with pytest.raises(CommandError, match="expected a directory, or a new name in one"):
        place_new_files(tmp_path / name, FILES)


def test_link_inside_the_directory_is_not_followed(tmp_path):
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "policy").mkdir()
    (tmp_path / "policy/a").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(CommandError, match="found a link"):
        place_new_files(tmp_path / "policy", FILES)
    assert inside(tmp_path) == set()


@pytest.mark.parametrize(("name", "more"), [(".github/workflows/policy.yml", ()), (".gitlab-ci.yml", ("--ci=gitlab",))])
def test_pipeline_of_an_audit_has_no_gate(name, more):
    text = made(*more)[name]
    assert "proscribe.ban.audit\n" in text and "gate" not in text.partition("audit:")[2].partition("run:")[2]
