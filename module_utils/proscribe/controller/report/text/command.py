"""A command that is printed: data until it is shown, and then one line that can be pasted into a shell.

This is the one place where a command becomes text. Nothing wraps or shortens that text, whatever the width: a command
that is cut in two runs as two, and the first half of a dry run enforces. For the same reason what narrows a command
(`--check --diff`, `--limit`) stands right behind what it does: no beginning of it reaches further than all of it. No
comment follows it on its line: an interactive zsh takes a `#` for an argument.
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

# Where values that must not be repeated on a command line go. Until the file is there, the command ends before any
# host is touched.
SECRETS_FILE = "proscribe-secret-vars.yml"

DRY = ("--check", "--diff")
CHECK = "check"  # the mode of a dry run (report.json)


class Command(NamedTuple):
    """The words of a command, and the directory that it is typed in ("" for any)."""

    argv: tuple[str, ...]
    cwd: str = ""

    def line(self, here: str = "") -> str:
        """The command for somebody who is in the directory `here` ("" if that is not known): one line, printable."""
        words = " ".join(map(quoted, self.argv))
        return f"cd {quoted(self.cwd)} && {words}" if self.cwd and not _same(self.cwd, here) else words


class Subcommand(NamedTuple):
    """A subcommand with its own options, and with values that have no option. In a playbook, each of them is a variable
    of that name.
    """

    name: str = ""
    options: Mapping[str, str | Sequence[str]] = {}  # by the name without its hyphens: max-age
    values: Mapping[str, str | Sequence[str]] = {}

    def words(self, inventory: Sequence[str]) -> tuple[str, ...]:
        """As they are typed after the command of the launcher; `inventory` are the options of the inventory."""
        own = [(f"--{name}", text) for name, value in self.options.items() for text in _texts(value)]
        values = [text for value in self.values.values() for text in _texts(value)]
        # What begins with a hyphen would be an option.
        ending = ["--"] if any(text.startswith("-") for text in values) else []
        named = [self.name] if self.name else []
        return (*named, *(word for option in own for word in option), *inventory, *ending, *values)

    def variables(self, command: str) -> dict[str, str | list[str]]:
        """As variables of the command's playbook."""
        said = {"do": self.name, **self.options, **self.values}
        named = {f"{command}_{name.replace('-', '_')}": value for name, value in said.items() if value}
        return {name: value if isinstance(value, str) else list(value) for name, value in named.items()}


def _texts(value: str | Sequence[str]) -> Sequence[str]:
    return (value,) if isinstance(value, str) else value


class Suggestion(NamedTuple):
    """What somebody may do next: in words, and the command that does it, if there is one."""

    text: str
    command: Command | None = None


class Call(NamedTuple):
    """How a run was called, as `report/collection/invocation.py` reads it; report.json has it as `run.command`.

    `word` is the launcher's (audit), or "" for plain ansible-playbook, of which `playbook` is the file as typed.
    `options` are all others than --limit, --check and --diff; `withheld` names the variables whose values are not
    repeated, because they look like secrets. `dry` says that the run was a dry one: then so is each command that is
    made of it, unless the words before the command say otherwise.
    """

    program: tuple[str, ...] = (installation.LAUNCHER_PATH,)
    word: str = ""
    playbook: str = ""
    options: tuple[str, ...] = ()
    cwd: str = ""
    withheld: tuple[str, ...] = ()
    dry: bool = False

    @classmethod
    def of(cls, run: Run) -> Call:
        """The call of a run of report.json. What older reports, and merged ones, do not say is made up from the rest:
        the launcher of this checkout, the inventory and the controls.
        """
        command, dry = run.get("command"), run.get("mode") == CHECK
        if isinstance(command, Mapping) and command.get("program"):
            return cls(
                tuple(command["program"]),
                command.get("word") or "",
                command.get("playbook") or "",
                tuple(command.get("options") or ()),
                command.get("cwd") or "",
                tuple(command.get("withheld") or ()),
                dry,
            )
        made_up = [part for source in run.get("inventory") or () for part in ("-i", str(source))]
        controls = run.get("controls") or ()
        if len(controls) not in (0, len(CONTROLS)):
            made_up += ["--tags", ",".join(controls)]
        word, options = str(run["playbook"]), tuple(made_up)
        if installation.COLLECTION:
            return cls(("ansible-playbook",), playbook=installation.name_playbook(word), options=options, dry=dry)
        return cls(word=word, options=options, dry=dry)

    def as_dict(self) -> RunCommand:
        """As it stands in report.json, which has `dry` as the mode of the run."""
        return {
            "program": list(self.program),
            "word": self.word,
            "playbook": self.playbook,
            "options": list(self.options),
            "cwd": self.cwd,
            "withheld": list(self.withheld),
        }

    def again(self, limit: str = "", more: Sequence[str] = (), *, dry: bool | None = None) -> Command:
        """The same once more, on the hosts of `limit` ("" for all) and with `more` options. `dry`: only to see what it
        would do, or for real; None is as the run was.
        """
        return self._command(self.word, self.playbook, limit, more, self.dry if dry is None else dry)

    def instead(self, word: str, limit: str = "", *, dry: bool = True) -> Command | None:
        """Another of the playbooks with the same options, dry or for real. None for a run of somebody's own playbook:
        its hosts and variables are said in there, and a playbook of ours has neither.
        """
        playbook = ""
        if self.playbook:
            if not installation.is_playbook(self.playbook, self.cwd):
                return None
            beside = os.path.join(os.path.dirname(self.playbook), f"{word}.yml")
            playbook = beside if _is_ours(beside, word, self.cwd) else _ours(word)
        return self._command(word, playbook, limit, (), dry)

    def command(self, word: str, inventory: Sequence[str] = (), more: Subcommand | None = None) -> Command:
        """A command that is about an inventory, or about none, and touches no host."""
        sources = tuple(part for source in inventory for part in ("-i", str(source)))
        return self.subcommand(word, sources, more or Subcommand())

    def subcommand(self, word: str, options: Sequence[str], more: Subcommand) -> Command:
        """The same, where `options` say how to read the inventory. A collection, and whoever started a playbook, has no
        launcher: there the words of the subcommand are variables of the playbook.
        """
        if not (self.playbook or installation.COLLECTION):
            return Command((*self.program, word, *more.words(options)), self.cwd)
        variables = more.variables(word)
        extra = ("-e", json.dumps(variables)) if variables else ()
        return Command(("ansible-playbook", _ours(word), *options, *extra), self.cwd)

    def _command(self, word: str, playbook: str, limit: str, more: Sequence[str], dry: bool) -> Command:
        words = [*self.program, *([] if playbook else [word])]
        words += [*(DRY if dry else ()), *(["--limit", limit] if limit else [])]
        words += [*([playbook] if playbook else []), *self.options, *more]
        return Command(tuple(words), self.cwd)

    def secrets(self) -> list[Suggestion]:
        """What has to be done before a command of this call works: nothing, where it repeats everything."""
        if not self.withheld:
            return []
        return [
            Suggestion(
                f"first put {', '.join(self.withheld)} into {SECRETS_FILE} (ansible-vault create makes one that is "
                "encrypted): this run had them on its command line, and what looks like a secret is not repeated here"
            )
        ]


SAFE = re.compile(r"[A-Za-z0-9@%+:,./_-][A-Za-z0-9@%+=:,./_-]*", re.ASCII)  # zsh looks up what a leading = names


def quoted(word: str) -> str:
    """A word as a shell takes it for itself, in printable characters only."""
    if SAFE.fullmatch(word):
        return word
    if word.isprintable():
        return shlex.quote(word) if word[:1] != "=" else f"'{word[:1]}'{quoted(word[1:]) if word[1:] else ''}"
    # What does not print would steer the terminal or end the line: as octal escapes, which bash, zsh and ksh read.
    return "$'" + "".join(map(_escaped, word)) + "'"


def _escaped(character: str) -> str:
    if character in "\\'":
        return f"\\{character}"
    if character.isprintable():
        return character
    return "".join(f"\\{byte:03o}" for byte in os.fsencode(character))


def _ours(word: str) -> str:
    if installation.COLLECTION:
        return installation.name_playbook(word)
    return os.path.join(os.path.dirname(installation.LAUNCHER_PATH), "playbooks", f"{word}.yml")


def _is_ours(path: str, word: str, cwd: str) -> bool:
    return os.path.realpath(os.path.join(cwd, path)) == os.path.realpath(_ours(word))


def _same(one: str, other: str) -> bool:
    return one.rstrip("/") == other.rstrip("/")
