"""Whether a command of the documents is one that there is: through the parsers that read it when somebody types it.

Nothing is run. What is not the project's own (systemctl, git) is not judged here; the tests that run the commands do.
"""

from __future__ import annotations

import contextlib
import io
import json
import re
import shlex
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import yaml
from ansible.cli.playbook import PlaybookCLI
from doc_blocks import CONSOLE, TEXT, Block, Wrong, blocks, commands, spans
from own_scripts import script_of_tests
from proscribe.controller.cli import command_line as words
from proscribe.controller.compile.inventory.tags import unknown_tags
from proscribe.controller.compile.restrictions import PREFIX, RESTRICTIONS
from proscribe.model.plan import CONTROLS

PROJECT = Path(__file__).resolve().parent.parent
PLACEHOLDER = re.compile(r"<[^<>|&;]+>")
ANYTHING = "placeholder"  # what stands for it
BETWEEN = re.compile(r"[();&|]+")  # between two commands of one line
REDIRECTION = re.compile(r"[<>]+&?")
DESCRIPTOR = re.compile(r"\b[0-9](?=>)")
ASSIGNMENT = re.compile(r"\w+=.*", re.DOTALL)
BEFORE = ("sudo", "env", "export", "time")  # what stands in front of a command, or of assignments
LAUNCHER = re.compile(r"(?:\S*/)?proscribe")
OURS = re.compile(r"\$? ?(?:sudo )?\./proscribe .+")  # a line that is a command, where commands have no place
# Words in the running text that stand for something: `explain NAME`, `list | restore`, `--limit ...`.
PLACEHOLDER = re.compile(r"\.\.\.|…|[A-Z_]{2,}")
# What argparse says of a command that is only mentioned, and of which the rest is left out.
LEFT_OUT = (
    "the following arguments are required",
    "one of the arguments",
    "expected one argument",
    "expected at least one argument",
)


def mistakes(path: str, text: str) -> list[str]:
    """What is wrong with the commands of a document, one line each with its place."""
    found = []
    try:
        for command in commands(path, text):
            found += [f"{command.where}: {command.text}: {wrong}" for wrong in wrong_with(command.text)]
        for block in blocks(path, text):
            found += _elsewhere(block)
    except Wrong as wrong:
        found.append(str(wrong))
    return found


def _elsewhere(block: Block) -> Iterator[str]:
    """Mistakes in commands that stand in no console block: printed by something, or mentioned in the text."""
    lines = [(number, line, line.strip()) for number, line in enumerate(block.lines, block.line)]
    ours = [(number, line, said) for number, line, said in lines if OURS.fullmatch(said)]
    if block.language == TEXT:
        for number, _, said in ours:
            yield from (f"{block.path}:{number}: {said}: {wrong}" for wrong in wrong_with(said))
    elif block.language != CONSOLE:
        for number, line, said in ours:
            if block.language or line.startswith("    "):  # an indented line of running text is a block, too
                yield f"{block.path}:{number}: found a command {said!r}, expected it in a block ```{CONSOLE}"
    if block.language is None:
        for number, said in spans(block):
            if OURS.fullmatch(said):
                yield from (f"{block.path}:{number}: {said}: {wrong}" for wrong in _wrong_mentioned(said))


def _wrong_mentioned(said: str) -> list[str]:
    """Mistakes in a command in the text: `a | b` are words to choose from, and what is left out is nothing wrong."""
    first, *others = said.split(" | ")
    stem = " ".join(first.split()[:-1])
    every = [first, *(f"{stem} {other}" for other in others)]
    return [wrong for one in every for wrong in wrong_with(one, mentioned=True)]


def wrong_with(text: str, mentioned: bool = False) -> list[str]:
    """The mistakes in a line of a shell; `mentioned`: in the running text, where much is left out."""
    return [wrong for argv in simple_commands(text) if (wrong := _wrong(argv, mentioned))]


def simple_commands(text: str) -> list[list[str]]:
    """The commands of a line of a shell, without assignments, redirections and what runs them (sudo)."""
    lexer = shlex.shlex(DESCRIPTOR.sub("", PLACEHOLDER.sub(ANYTHING, text)), posix=True, punctuation_chars="();<>|&")
    lexer.whitespace_split = True
    found: list[list[str]] = [[]]
    redirected = False
    for word in lexer:
        if BETWEEN.fullmatch(word):
            found.append([])
        elif REDIRECTION.fullmatch(word):
            redirected = True
        elif redirected:
            redirected = False
        elif found[-1] or not (ASSIGNMENT.fullmatch(word) or word in BEFORE):
            found[-1].append(word)
    return [argv for argv in found if argv]


def _wrong(argv: Sequence[str], mentioned: bool) -> str:
    program, *rest = argv
    if LAUNCHER.fullmatch(program):
        return _wrong_of_launcher(rest, mentioned)
    if program.endswith("ansible-playbook"):
        return _wrong_of_playbook(rest, mentioned)
    if program.endswith("python") and rest and rest[0].startswith("tests/"):
        return _wrong_of_script(rest)
    return ""


def _wrong_of_launcher(argv: Sequence[str], mentioned: bool) -> str:
    if not argv or argv[0] in ("--help", "-h", "help", "--version"):
        return ""
    word, *rest = argv
    if mentioned:
        rest = [ANYTHING if PLACEHOLDER.fullmatch(one) else one for one in rest if one not in ("...", "…")]
    if word == "test":
        return _ended(lambda: script_of_tests().read(rest), mentioned)
    if word in words.COMMANDS:
        passed: list[str] = []
        wrong = _ended(lambda: passed.extend(words.read(word, rest)[1].passed_on), mentioned)
        return wrong or (_wrong_of_playbook(["x.yml", *passed], mentioned) if passed else "")
    if word in launcher_commands():
        return _wrong_of_playbook([f"playbooks/{word}.yml", *rest], mentioned)
    return f"there is no command {word!r}"


def launcher_commands() -> list[str]:
    """The commands of the launcher."""
    return (re.findall(r"^commands='(.*)'$", (PROJECT / "proscribe").read_text(), re.MULTILINE) or [""])[0].split()


def _wrong_of_playbook(argv: Sequence[str], mentioned: bool) -> str:
    """Mistakes in the options of ansible-playbook, in tags, and in the names of variables of the project."""
    cli = PlaybookCLI(["ansible-playbook", *argv])
    read: list[Any] = []

    def parse() -> None:
        cli.init_parser()
        cli.parser.allow_abbrev = False
        read.append(cli.parser.parse_args(list(argv)))

    if wrong := _ended(parse, mentioned):
        return wrong
    if not read:
        return ""
    options = read[0]
    if len(options.args) != 1:
        return f"found {' '.join(options.args[1:])!r}, expected options only"
    if options.args[0].startswith("playbooks/") and not (PROJECT / options.args[0]).is_file():
        return f"there is no {options.args[0]}"
    for tags in (options.tags, options.skip_tags):
        if wrong := unknown_tags([tag for tag in tags if tag != ANYTHING], CONTROLS):
            return wrong
    names = {f"{PREFIX}{name}" for name in RESTRICTIONS}
    unknown = [name for name in _variables(options.extra_vars) if name.startswith(PREFIX) and name not in names]
    return f"there is no variable {unknown[0]}" if unknown else ""


def _variables(extra: Sequence[str]) -> list[str]:
    """The names that -e sets: name=value, or a mapping."""
    found: list[str] = []
    for text in extra:
        if text.startswith("{"):
            with contextlib.suppress(json.JSONDecodeError, yaml.YAMLError):
                found += map(str, yaml.safe_load(text))
        elif not text.startswith("@"):
            found += [word.partition("=")[0] for word in shlex.split(text)]
    return found


def _wrong_of_script(argv: Sequence[str]) -> str:
    """Mistakes in the options of a script of the tests: each is one that stands in it."""
    script = PROJECT / argv[0]
    if not script.exists():
        return f"there is no {argv[0]}"
    sources = [script] if script.is_file() else sorted(script.glob("*.py"))
    text = "\n".join(source.read_text() for source in sources)
    options = (word.partition("=")[0] for word in argv[1:] if word.startswith("--") and word != "--help")
    # Options may be made of a list of their names, or of arguments with their defaults.
    named = set(re.findall(r'"(?:--)?([a-z-]+)"|\b([a-z_]+)=', text))
    known = {name.replace("_", "-") for pair in named for name in pair}
    return next((f"{argv[0]} has no option {option}" for option in options if option[2:] not in known), "")


def _ended(parse: Callable[[], object], mentioned: bool) -> str:
    """What a parser says when it ends the process; "" where it does not."""
    said = io.StringIO()
    try:
        with contextlib.redirect_stderr(said), contextlib.redirect_stdout(said):
            parse()
    except SystemExit as ended:
        if not ended.code:  # --help
            return ""
        lines = said.getvalue().strip().splitlines()
        message = lines[-1].partition(" error: ")[2] if lines else ""
        if mentioned and any(left in message for left in LEFT_OUT):
            return ""
        return message or "it is refused"
    return ""
