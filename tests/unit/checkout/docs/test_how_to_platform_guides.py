"""The guides for desktop, network and phone teams are followed as they stand: with the inventory that each shows, every
command of Proscribe does what the guide says.
"""

import shlex
from pathlib import Path

import doc_blocks
import pytest
from doc_blocks import Command, File
from proscribe.controller.cli.command_line import main

pytestmark = pytest.mark.slow

PROJECT = Path(__file__).resolve().parents[4]
GUIDES = ("windows-with-a-domain", "windows-with-intune", "macs-with-mdm", "guest-wifi", "phones")
PARTS = ("What you get", "What you need", "Steps", "See that it works", "Take it back", "What is not closed")
BLOCKED = 1  # what explain ends with
TWO_SCREENS = 120  # lines


def parts(name):
    path = f"docs/how-to/{name}.md"
    return list(doc_blocks.parts(path, (PROJECT / path).read_text(encoding="utf-8")))


@pytest.mark.parametrize("name", GUIDES)
def test_a_guide_is_short_and_has_all_parts(name):
    lines = (PROJECT / f"docs/how-to/{name}.md").read_text(encoding="utf-8").splitlines()
    assert tuple(line[3:] for line in lines if line.startswith("## ")) == PARTS
    assert len(lines) <= TWO_SCREENS


@pytest.mark.parametrize("name", GUIDES)
def test_the_commands_of_a_guide_work_with_its_inventory(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    shown = parts(name)
    (inventory,) = [one for one in shown if isinstance(one, File)]
    file = tmp_path / inventory.name
    file.parent.mkdir(parents=True)
    (file.parent / "hosts.yml").write_text("all: {hosts: {web01: {}}}\n", encoding="utf-8")  # what init has made
    file.write_text(inventory.content.replace("/srv/", f"{tmp_path}/srv/"), encoding="utf-8")
    exported = set()
    commands = [one.text.partition("#")[0] for one in shown if isinstance(one, Command)]
    assert len(commands) >= 2
    for command in commands:
        launcher, word, *options = shlex.split(command.replace("/srv/", f"{tmp_path}/srv/"))
        assert launcher == "./proscribe"
        assert main([word, *options]) == (BLOCKED if word == "explain" else 0), command
        if word == "export":
            exported.add(options[0])
            assert (Path(options[options.index("-o") + 1]) / "manifest.json").is_file()
    assert exported
