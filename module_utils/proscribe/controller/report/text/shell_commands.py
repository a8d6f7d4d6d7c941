"""Commands in the output: data until they are shown, and then a single line for a shell.

Only this module makes text from commands. No other code wraps or shortens that text, whatever the width: half of a
command is another command, and the first half of a dry run enforces. For the same reason, options that narrow a command
(`--check --diff`, `--limit`) follow directly behind it. So no beginning of a command has more effect than the whole. No
comment follows on its line: an interactive zsh reads `#` as an argument.
"""

from __future__ import annotations

import json
import os
import re
import shlex
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from ....model.plan import CONTROLS
from ....model.types.run import Run
from ....model.types.run import RunCommand as RunCommand
from ....wire import installation

# The file for secret values, which a proposed command does not repeat. Without this file the command fails before it
# changes a host.
SECRETS_FILE = "proscribe-secret-vars.yml"

DRY_RUN_OPTIONS = ("--check", "--diff")
CHECK_MODE = "check"  # the mode of a dry run in report.json


class ShellCommand(NamedTuple):
    """The words of a command, and the directory in which a user has to type it ("" for any directory)."""

    argv: tuple[str, ...]
    cwd: str = ""

    def line(self, working_directory: str = "") -> str:
        """Return the command as a printable line for a user in `working_directory` ("" if unknown).

        If the command needs another directory, the line begins with `cd`.
        """
        words = " ".join(map(quote_word, self.argv))
        return (
            f"cd {quote_word(self.cwd)} && {words}"
            if self.cwd and not _is_same_directory(self.cwd, working_directory)
            else words
        )


class LauncherSubcommand(NamedTuple):
    """A subcommand of the launcher with its options, and with values that follow the options.

    If a playbook is called instead of the launcher, each option and value is a variable of that name.
    """

    name: str = ""  # "" for a command without subcommands
    # key: the option's name without its leading hyphens, such as max-age
    options: Mapping[str, str | Sequence[str]] = {}
    positional_values: Mapping[str, str | Sequence[str]] = {}  # key: the name of the value's variable

    def list_words(self, inventory: Sequence[str]) -> tuple[str, ...]:
        """Return the words that follow the launcher's command.

        `inventory` are the words of the inventory options.
        """
        option_pairs = [(f"--{name}", text) for name, content in self.options.items() for text in _list_texts(content)]
        value_texts = [text for content in self.positional_values.values() for text in _list_texts(content)]
        # "--" ends the options, because a value that begins with a hyphen would be read as an option.
        option_end = ["--"] if any(text.startswith("-") for text in value_texts) else []
        name_words = [self.name] if self.name else []
        return (
            *name_words,
            *(word for option in option_pairs for word in option),
            *inventory,
            *option_end,
            *value_texts,
        )

    def make_variables(self, command: str) -> dict[str, str | list[str]]:
        """Return the subcommand as variables of the command's playbook, such as {requests_do: list}.

        `command` is the launcher's command, such as requests. Empty values are left out.
        """
        named_values = {"do": self.name, **self.options, **self.positional_values}
        play_variables = {
            f"{command}_{name.replace('-', '_')}": content for name, content in named_values.items() if content
        }
        return {
            name: content if isinstance(content, str) else list(content) for name, content in play_variables.items()
        }


def _list_texts(content: str | Sequence[str]) -> Sequence[str]:
    return (content,) if isinstance(content, str) else content


class CommandSuggestion(NamedTuple):
    """A proposed step: its text, and its command if there is any."""

    text: str
    command: ShellCommand | None = None


class RunCall(NamedTuple):
    """The call of a run.

    `collection/invocation.py` reads it, and report.json stores it as `run.command`. `launcher_command` is the
    launcher's command, such as audit, or "" for plain ansible-playbook. In that case `playbook` is the file as typed.
    `options` are all options except --limit, --check and --diff. `withheld` names the variables whose values may be
    secrets; a command does not repeat these values. `is_dry_run` is true if the run was a dry run (--check). Then each
    derived command is dry too, unless its text states otherwise.
    """

    program: tuple[str, ...] = (installation.LAUNCHER_PATH,)
    launcher_command: str = ""
    playbook: str = ""
    options: tuple[str, ...] = ()
    cwd: str = ""
    withheld: tuple[str, ...] = ()
    is_dry_run: bool = False

    @classmethod
    def read_run_call(cls, run: Run) -> RunCall:
        """Read the call of a run from report.json.

        Older and merged reports lack facts about the call. Defaults replace them: the launcher of this checkout, the
        inventory and the controls.
        """
        command, is_dry_run = run.get("command"), run.get("mode") == CHECK_MODE
        if isinstance(command, Mapping) and command.get("program"):
            return cls(
                tuple(command["program"]),
                command.get("word") or "",
                command.get("playbook") or "",
                tuple(command.get("options") or ()),
                command.get("cwd") or "",
                tuple(command.get("withheld") or ()),
                is_dry_run,
            )
        derived_options = [part for source in run.get("inventory") or () for part in ("-i", str(source))]
        controls = run.get("controls") or ()
        if len(controls) not in (0, len(CONTROLS)):
            derived_options += ["--tags", ",".join(controls)]
        launcher_command, options = str(run["playbook"]), tuple(derived_options)
        if installation.COLLECTION:
            return cls(
                ("ansible-playbook",),
                playbook=installation.name_playbook(launcher_command),
                options=options,
                is_dry_run=is_dry_run,
            )
        return cls(launcher_command=launcher_command, options=options, is_dry_run=is_dry_run)

    def make_document(self) -> RunCommand:
        """Return the call as report.json has it, without `is_dry_run`: the mode of the run has this fact."""
        return {
            "program": list(self.program),
            "word": self.launcher_command,
            "playbook": self.playbook,
            "options": list(self.options),
            "cwd": self.cwd,
            "withheld": list(self.withheld),
        }

    def repeat_run(
        self, limit: str = "", more_options: Sequence[str] = (), *, is_dry_run: bool | None = None
    ) -> ShellCommand:
        """Return the command that repeats the run on the hosts of `limit` ("" for all hosts).

        `more_options` follow the options of the run. `is_dry_run` is true for a dry command (None: dry if the run was).
        """
        return self._make_command(
            self.launcher_command,
            self.playbook,
            limit,
            more_options,
            self.is_dry_run if is_dry_run is None else is_dry_run,
        )

    def make_other_playbook_command(
        self, other_command: str, limit: str = "", *, is_dry_run: bool = True
    ) -> ShellCommand | None:
        """Return the command of another playbook of Proscribe with the same options.

        `other_command` is the launcher's command for that playbook, such as enforce. The result is None if the user
        wrote the playbook of the run. That playbook sets hosts and variables, which a playbook of Proscribe lacks.
        """
        playbook = ""
        if self.playbook:
            if not installation.is_playbook(self.playbook, self.cwd):
                return None
            # Prefer the path beside the typed path, as the user would type it, if Proscribe's playbook is there.
            sibling_playbook = os.path.join(os.path.dirname(self.playbook), f"{other_command}.yml")
            playbook = (
                sibling_playbook
                if _is_own_playbook(sibling_playbook, other_command, self.cwd)
                else _locate_playbook(other_command)
            )
        return self._make_command(other_command, playbook, limit, (), is_dry_run)

    def make_inventory_command(
        self, launcher_command: str, inventory: Sequence[str] = (), subcommand: LauncherSubcommand | None = None
    ) -> ShellCommand:
        """Return a command that changes no host, with `-i` options for the sources in `inventory`.

        `subcommand` has the options and values of the launcher's command (None: it has none).
        """
        sources = tuple(part for source in inventory for part in ("-i", str(source)))
        return self.make_subcommand(launcher_command, sources, subcommand or LauncherSubcommand())

    def make_subcommand(
        self, launcher_command: str, options: Sequence[str], subcommand: LauncherSubcommand
    ) -> ShellCommand:
        """Return a command that changes no host.

        `options` are the words of the inventory options. Without a launcher, the subcommand becomes variables of a
        playbook. This applies to a collection, and to a user who started a playbook.
        """
        if not (self.playbook or installation.COLLECTION):
            return ShellCommand((*self.program, launcher_command, *subcommand.list_words(options)), self.cwd)
        variables = subcommand.make_variables(launcher_command)
        variable_options = ("-e", json.dumps(variables)) if variables else ()
        return ShellCommand(
            ("ansible-playbook", _locate_playbook(launcher_command), *options, *variable_options), self.cwd
        )

    def _make_command(
        self, launcher_command: str, playbook: str, limit: str, more_options: Sequence[str], is_dry_run: bool
    ) -> ShellCommand:
        """Make a command that runs a playbook, or the launcher's command if `playbook` is "".

        Options that narrow the command stand directly behind the program.
        """
        arguments = [*self.program, *([] if playbook else [launcher_command])]
        arguments += [*(DRY_RUN_OPTIONS if is_dry_run else ()), *(["--limit", limit] if limit else [])]
        arguments += [*([playbook] if playbook else []), *self.options, *more_options]
        return ShellCommand(tuple(arguments), self.cwd)

    def list_secret_suggestions(self) -> list[CommandSuggestion]:
        """Return the steps that a user must take before a command of this call works; [] for none."""
        if not self.withheld:
            return []
        return [
            CommandSuggestion(
                f"first put {', '.join(self.withheld)} into {SECRETS_FILE} (ansible-vault create makes one that is "
                "encrypted): this run had them on its command line, and what looks like a secret is not repeated here"
            )
        ]


# Words that need no quotes. A word must not begin with =, because zsh replaces =NAME by the path of a program.
SAFE_WORD = re.compile(r"[A-Za-z0-9@%+:,./_-][A-Za-z0-9@%+=:,./_-]*", re.ASCII)


def quote_word(word: str) -> str:
    """Quote a word for a shell, so that the result has only printable characters."""
    if SAFE_WORD.fullmatch(word):
        return word
    if word.isprintable():
        # shlex.quote may leave a = at the beginning without quotes, so it is quoted separately.
        return shlex.quote(word) if word[:1] != "=" else f"'{word[:1]}'{quote_word(word[1:]) if word[1:] else ''}"
    # Characters that are not printable could control the terminal or end the line. They become octal escapes in $'',
    # which bash, zsh and ksh read.
    return "$'" + "".join(map(_escape_character, word)) + "'"


def _escape_character(character: str) -> str:
    """Return a character as it stands within $'...': with a backslash, or as octal escapes of its bytes."""
    if character in "\\'":
        return f"\\{character}"
    if character.isprintable():
        return character
    return "".join(f"\\{byte:03o}" for byte in os.fsencode(character))


def _locate_playbook(launcher_command: str) -> str:
    """Return the path of Proscribe's playbook for a launcher command, or its name in a collection."""
    if installation.COLLECTION:
        return installation.name_playbook(launcher_command)
    return os.path.join(os.path.dirname(installation.LAUNCHER_PATH), "playbooks", f"{launcher_command}.yml")


def _is_own_playbook(path: str, launcher_command: str, cwd: str) -> bool:
    """Return whether a path leads to Proscribe's playbook for this launcher command."""
    return os.path.realpath(os.path.join(cwd, path)) == os.path.realpath(_locate_playbook(launcher_command))


def _is_same_directory(directory: str, other_directory: str) -> bool:
    return directory.rstrip("/") == other_directory.rstrip("/")
