"""Mistakes in the commands of the documents, by the parsers that read a command when somebody types it."""

import contextlib
import io
import json
import re
import shlex
from pathlib import Path

import yaml
from ansible.cli.playbook import PlaybookCLI
from doc_blocks import CONSOLE, TEXT, Wrong, blocks, commands, spans
from own_scripts import script_of_tests
from proscribe.controller.cli import command_line as words
from proscribe.controller.compile.inventory.tags import describe_unknown_tags
from proscribe.controller.compile.restrictions import PREFIX, RESTRICTIONS
from proscribe.model.plan import CONTROLS

PROJECT = Path(__file__).resolve().parent.parent
ANYTHING = "placeholder"  # stands for a word in the text that stands for others: `explain NAME`, `--limit ...`
PLACEHOLDER = re.compile(r"\.\.\.|…|[A-Z_]{2,}")
BETWEEN = re.compile(r"[();&|]+")  # between two commands of one line
REDIRECTION = re.compile(r"[<>]+&?")
DESCRIPTOR = re.compile(r"\b[0-9](?=>)")
ASSIGNMENT = re.compile(r"\w+=.*", re.DOTALL)
BEFORE = ("sudo", "env", "export", "time")  # in front of a command, or of assignments
LAUNCHER = re.compile(r"(?:\S*/)?proscribe")
OURS = re.compile(r"\$? ?(?:sudo )?\./proscribe .+")  # a line that is a command
# Messages of argparse about a command that is only mentioned, without its further words.
INCOMPLETE = re.compile("arguments are required|one of the arguments|expected (at least )?one argument")


def mistakes(path, text):
    """Return the mistakes in the commands of a document, one line each with its place."""
    lines = []
    try:
        for command in commands(path, text):
            lines += [f"{command.where}: {command.text}: {mistake}" for mistake in wrong_with(command.text)]
        for block in blocks(path, text):
            lines += _find_elsewhere(block)
    except Wrong as wrong:
        lines.append(str(wrong))
    return lines


def _find_elsewhere(block):
    """Yield the mistakes in commands outside of console blocks: in printed text, or mentioned in the running text."""
    for number, line in enumerate(block.lines, block.line):
        command = line.strip()
        if not OURS.fullmatch(command) or block.language == CONSOLE:
            continue
        if block.language == TEXT:
            yield from (f"{block.path}:{number}: {command}: {mistake}" for mistake in wrong_with(command))
        elif block.language or line.startswith("    "):  # an indented line of running text is a block, too
            yield f"{block.path}:{number}: found a command {command!r}, expected it in a block ```{CONSOLE}"
    for number, command in spans(block) if block.language is None else ():
        if OURS.fullmatch(command):
            first, *others = command.split(" | ")  # words to choose from
            stem = first.rpartition(" ")[0]
            every = [first, *(f"{stem} {other}" for other in others)]
            wrong = [mistake for command in every for mistake in wrong_with(command, mentioned=True)]
            yield from (f"{block.path}:{number}: {command}: {mistake}" for mistake in wrong)


def wrong_with(text, mentioned=False):
    """Return the mistakes in a line of a shell. A line that is `mentioned` in the running text may be incomplete."""
    return [mistake for argv in simple_commands(text) if (mistake := _judge(argv, mentioned))]


def simple_commands(text):
    """Return the commands of a line of a shell, without assignments, redirections and sudo."""
    lexer = shlex.shlex(DESCRIPTOR.sub("", PLACEHOLDER.sub(ANYTHING, text)), posix=True, punctuation_chars="();<>|&")
    lexer.whitespace_split = True
    argvs = [[]]
    redirected = False
    for word in lexer:
        if BETWEEN.fullmatch(word):
            argvs.append([])
        elif redirected or REDIRECTION.fullmatch(word):
            redirected = not redirected
        elif argvs[-1] or not (ASSIGNMENT.fullmatch(word) or word in BEFORE):
            argvs[-1].append(word)
    return list(filter(None, argvs))


def _judge(argv, mentioned):
    """Return the mistake in a command, "" for none."""
    program, *rest = argv
    if LAUNCHER.fullmatch(program):
        return _judge_launcher(rest, mentioned)
    if program.endswith("ansible-playbook"):
        return _judge_playbook(rest, mentioned)
    return _judge_script(rest) if program.endswith("python") and rest and rest[0].startswith("tests/") else ""


def _judge_launcher(argv, mentioned):
    if not argv or argv[0] in ("--help", "-h", "help", "--version"):
        return ""
    word, *rest = argv
    if mentioned:
        rest = [ANYTHING if PLACEHOLDER.fullmatch(argument) else argument for argument in rest if argument != "..."]
    if word == "test":
        return _try(lambda: script_of_tests().read(rest), mentioned)
    if word in words.COMMANDS:
        passed = []
        mistake = _try(lambda: passed.extend(words.parse_command(word, rest)[1].passed_on), mentioned)
        return mistake or (_judge_playbook(["x.yml", *passed], mentioned) if passed else "")
    if word in launcher_commands():
        return _judge_playbook([f"playbooks/{word}.yml", *rest], mentioned)
    return f"there is no command {word!r}"


def launcher_commands():
    """Return the commands of the launcher."""
    return (re.findall(r"^commands='(.*)'$", (PROJECT / "proscribe").read_text(), re.MULTILINE) or [""])[0].split()


def _judge_playbook(argv, mentioned):
    """Return a mistake in the options of ansible-playbook, in tags, or in the names of the project's variables."""
    cli = PlaybookCLI(["ansible-playbook", *argv])
    parsed = []

    def parse():
        cli.init_parser()
        cli.parser.allow_abbrev = False
        parsed.append(cli.parser.parse_args(list(argv)))

    mistake = _try(parse, mentioned)
    if mistake or not parsed:
        return mistake
    (options,) = parsed
    if len(options.args) != 1:
        return f"found {' '.join(options.args[1:])!r}, expected options only"
    if options.args[0].startswith("playbooks/") and not (PROJECT / options.args[0]).is_file():
        return f"there is no {options.args[0]}"
    for tags in (options.tags, options.skip_tags):
        if mistake := describe_unknown_tags([tag for tag in tags if tag != ANYTHING], CONTROLS):
            return mistake
    names = {f"{PREFIX}{name}" for name in RESTRICTIONS}
    unknown = [name for name in _list_variables(options.extra_vars) if name.startswith(PREFIX) and name not in names]
    return f"there is no variable {unknown[0]}" if unknown else ""


def _list_variables(extra):
    """Yield the names that -e sets: name=value, or a mapping."""
    for text in extra:
        if text.startswith("{"):
            with contextlib.suppress(json.JSONDecodeError, yaml.YAMLError):
                yield from map(str, yaml.safe_load(text))
        elif not text.startswith("@"):
            yield from (word.partition("=")[0] for word in shlex.split(text))


def _judge_script(argv):
    """Return a mistake in the options of a script of the tests: its text has each of them."""
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


def _try(parse, mentioned):
    """Return the message of a parser that ends the process; "" if it does not."""
    output = io.StringIO()
    try:
        with contextlib.redirect_stderr(output), contextlib.redirect_stdout(output):
            parse()
    except SystemExit as exit_:
        message = output.getvalue().strip().rpartition("\n")[2].partition(" error: ")[2]
        if exit_.code and not (mentioned and INCOMPLETE.search(message)):  # no code: --help
            return message or "it is refused"
    return ""
