"""The commands of the documents exist; mistakes in commands and blocks are reported with their places."""

from fnmatch import fnmatchcase
from pathlib import Path

import doc_blocks
import doc_commands
import doc_not_run
import pytest
from doc_blocks import Wrong

PROJECT = Path(__file__).resolve().parents[4]
DOCUMENTS = doc_blocks.read(PROJECT)


@pytest.mark.parametrize("path", DOCUMENTS)
def test_commands_of_a_document_have_words_options_tags_and_variables_that_exist(path):
    assert doc_commands.mistakes(path, DOCUMENTS[path]) == []


@pytest.mark.parametrize("path", DOCUMENTS)
def test_every_block_names_its_language(path):
    languages = {block.language for block in doc_blocks.blocks(path, DOCUMENTS[path])}
    assert languages <= {None, *doc_blocks.LANGUAGES}


def test_no_command_is_left_out_that_no_document_has():
    every = [command.text for path, text in DOCUMENTS.items() for command in doc_blocks.commands(path, text)]
    plain = list(map(doc_not_run.without_comment, every))
    assert len(plain) >= 80
    gone = [pattern for pattern in doc_not_run.REASONS if not any(fnmatchcase(text, pattern) for text in plain)]
    assert gone == []


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("```console\n$ one\n", "a.md:1: found a block without an end"),
        ("```console\none\n```\n", "a.md:2: found 'one', expected a command behind '$ '"),
        ("\n```console\n$ one \\\n```\n", "a.md:3: found a backslash at the end"),
    ],
)
def test_block_that_cannot_be_read_is_reported_with_its_place(text, message):
    with pytest.raises(Wrong, match=message.replace("$", r"\$")):
        list(doc_blocks.parts("a.md", text))
    assert message in doc_commands.mistakes("a.md", text)[0]


@pytest.mark.parametrize(
    ("command", "message"),
    [
        ("./proscribe adit -i inventory", "there is no command 'adit'"),
        ("./proscribe audit web01", "found 'web01', expected options only"),
        ("cd x && /opt/proscribe/proscribe enforce --tags appz", "did you mean 'apps'?"),
        ("./proscribe enforce -e proscribe_controlls=off", "there is no variable proscribe_controlls"),
        ("""./proscribe enforce -e '{"proscribe_max_chang": {}}'""", "there is no variable proscribe_max_chang"),
        ("./proscribe report --format pdf | cat", "pdf"),
        ("./proscribe waiver sing press01", "invalid choice: 'sing'"),
        ("./proscribe test units", "there is no part 'units'"),
        ("true; ansible-playbook playbooks/adit.yml", "there is no playbooks/adit.yml"),
        ("python tests/bench/soak.py --runz 3", "tests/bench/soak.py has no option --runz"),
        ("python tests/bench/soap.py", "there is no tests/bench/soap.py"),
    ],
)
def test_command_that_does_not_exist_is_reported(command, message):
    lines = doc_commands.mistakes("a.md", f"# A\n\n```console\n$ {command}\n```\n")
    assert len(lines) == 1 and lines[0].startswith(f"a.md:4: {command}: ") and message in lines[0], lines


@pytest.mark.parametrize(
    "command",
    [
        "./proscribe audit   -i inventory/prod  # with --a comment",
        "sudo ./proscribe enforce --check --diff --limit @reports/latest/noncompliant.txt -e @vars.yml -vv",
        "PROSCRIBE_REPORTS=/srv/x ./proscribe audit -l '!a' -t apps,dns -u ops --vault-password-file pw > out 2>&1",
        "./proscribe quarantine list --host pc17 -i inventory/prod --check",
        './proscribe audit -e proscribe_gate_baseline="$(readlink reports/latest)"; echo $?',
        "git clone <this repository> proscribe && cd proscribe",
    ],
)
def test_command_that_exists_passes(command):
    assert doc_commands.wrong_with(command) == []


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("Type `./proscribe adit`.", "a.md:1: ./proscribe adit: there is no command"),
        ("`./proscribe lift --tag <control>`", "unrecognized arguments: --tag"),
        ("x\n\n    ./proscribe audit\n", "a.md:3: found a command './proscribe audit', expected it in a block"),
        ("```text\nnext:\n      ./proscribe audit --limt a\n```", "a.md:3: ./proscribe audit --limt a: unrecognized"),
    ],
)
def test_command_in_the_text_or_in_output_is_judged_too(text, message):
    lines = doc_commands.mistakes("a.md", text)
    assert len(lines) == 1 and message in lines[0], lines
