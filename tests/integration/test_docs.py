"""Every command of the documents does what they say, on a controller and three hosts of its own."""

import json
import re
from collections.abc import Sequence
from fnmatch import fnmatchcase
from pathlib import Path

import doc_not_run
import pytest
from derived.first_hour import PAGE
from desk import REPOSITORY, WIDTH, desk, shell
from desk_of_docs import CHECKOUT, CODES, ON_HOSTS, PLACEHOLDERS, Prepared
from doc_blocks import CONSOLE, Command, File, blocks, commands_of, parts, read
from doc_not_run import without_comment
from doc_shell import codes, missing, written
from printed import too_wide, unread
from scheduled_fleet import Fleet

pytestmark = pytest.mark.whole_hosts
PROJECT = Path(__file__).resolve().parents[2]
DOCUMENTS = read(PROJECT)
TUTORIAL = "docs/tutorial.md"
LIVED = (TUTORIAL, PAGE)  # from their first line to their last, each in a test of its own
# These lift what the others observe, so they come last.
LAST = ("docs/how-to/upgrade.md", "README.md", "docs/firewall-changes.md", "docs/apps.md", "docs/how-to/uninstall.md")
# Those with a command to run.
RUN = {
    path: [p for p in parts(path, text) if isinstance(p, Command) and not doc_not_run.reason(p.text)]
    for path, text in DOCUMENTS.items()
}
OTHERS = [path for path in RUN if RUN[path] and path not in LIVED]
OTHERS.sort(key=lambda path: (path in LAST and LAST.index(path) + 1, path))
REPORTS = "/opt/proscribe/reports"
PROSCRIBES = re.compile(r"(?:^|[;&|] *)\./proscribe ")
# What ansible-core itself says, in one line, of a limit that matches no host.
ANSIBLES = "[ERROR]: Specified inventory, host pattern and/or --limit leaves us with no hosts to target."
# What a reader's own hands do: the rest of the working day passes for the controller alone, and at once.
LATER = "export FAKETIME=+8h LD_PRELOAD='/usr/$LIB/faketime/libfaketime.so.1'"
DONE_OTHERWISE = {"<this repository>": REPOSITORY, "sleep 8h": LATER}


@pytest.fixture(scope="module")
def fleet():
    with desk("docs") as booted:
        yield booted


@pytest.fixture(scope="module")
def prepared(fleet):
    return Prepared(fleet)


def test_the_day_of_the_tutorial_is_as_it_is_written(fleet):
    found = list(parts(TUTORIAL, DOCUMENTS[TUTORIAL]))
    ends_with = dict(codes([part for part in found if isinstance(part, Command)], {}))
    with shell(fleet, "/root") as typed:
        for part in found:
            if isinstance(part, File):
                assert typed.run(written(part)).code == 0, part
                continue
            text = part.text
            for said, meant in DONE_OTHERWISE.items():
                text = text.replace(said, meant)
            runs = reports(fleet)
            done = typed.run(text)
            assert done.code == ends_with[part], (part.where, part.text, done)
            assert missing(part.output, done.printed) == [], f"{part.where}: {part.text}\n{done.printed}"
            if PROSCRIBES.search(text):
                wide = too_wide(done.printed.replace(ANSIBLES, ""), WIDTH)
                assert wide == [], f"{part.where}: {part.text}\n{done.printed}"
                for run in reports(fleet) - runs:
                    assert unread(reasons(fleet, run), done.printed) == [], f"{part.where}: {part.text}\n{done.printed}"


def reports(fleet: Fleet) -> set[str]:
    """The runs that have a report by now."""
    return set(fleet.controller.run("sh", "-c", f"ls {REPORTS}/*/hosts.jsonl 2>/dev/null || true").split())


def reasons(fleet: Fleet, path: str) -> list[str]:
    """What a report says of what failed and of what is unknown."""
    records = [json.loads(line) for line in fleet.controller.read(path).splitlines()]
    found = [record["reason"] for record in records if record["reason"]]
    found += [error["message"] for record in records for error in record["errors"]]
    states = ("error", "unknown")
    return found + [rule["reason"] for record in records for rule in record["rules"] if rule["state"] in states]


@pytest.mark.parametrize("path", OTHERS)
def test_every_command_of_a_document_ends_as_it_says(path, prepared):
    for block in blocks(path, DOCUMENTS[path]):
        if block.language == CONSOLE:
            run_block(list(commands_of(block)), prepared)


def run_block(commands: Sequence[Command], prepared: Prepared) -> None:
    """Run a block in a shell of its own; one that begins with a clone begins in an empty directory."""
    prepared.afresh()
    place = CHECKOUT
    if "git clone" in commands[0].text:
        place = prepared.fleet.controller.run("mktemp", "--directory").strip()
    with prepared.shell(place) as typed:
        for command, code in codes(commands, CODES):
            if not doc_not_run.reason(command.text):
                done = typed.run(prepared.real(without_comment(command.text)))
                assert done.code == code, (command.where, command.text, done)


def test_no_table_names_what_no_document_has_any_more():
    every = {path: [p.text for p in parts(path, DOCUMENTS[path]) if isinstance(p, Command)] for path in DOCUMENTS}
    others = [without_comment(text) for path in OTHERS for text in every[path]]
    assert [command for command in CODES if command not in others] == []
    assert [pattern for pattern in ON_HOSTS if not any(fnmatchcase(text, pattern) for text in others)] == []
    assert [said for said in PLACEHOLDERS if not any(said in text for text in others)] == []
    assert [said for said in DONE_OTHERWISE if not any(said in text for text in every[TUTORIAL])] == []


def test_printed_text_may_differ_in_numbers_alone():
    printed = "3 hosts: 2 noncompliant   coverage\n apps/x  waived  fin01: dpkg x 4.1 as telegram-7831071f\n"
    assert missing(["1 host: ..."], printed) == ["1 host: ..."]
    assert missing(["12 hosts: 9 noncompliant   coverage", "..."], printed) == []
    assert missing(["apps/x  waived ... as telegram-0a0a0a0a", ""], printed) == []
    assert missing(["apps/x  compliant"], printed) == ["apps/x  compliant"]
    assert missing(["Fri 2026-11-27 02:53 UTC  16h -"], "Sat 2026-11-28 02:36 UTC 3h 40min -") == []
