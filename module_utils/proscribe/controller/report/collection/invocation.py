"""How the run that goes on was called: read from its command line, so that what is proposed next keeps its scope.

Ansible's own table of options says which of them take a value. What only says how far a run reaches or what it shows
(--limit, --check, --list-hosts) is left out: whoever proposes a command decides that anew.
"""

from __future__ import annotations

import os
import re
import shlex
import shutil
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple

import yaml

from ....base.patterns import compile_pattern
from ....wire import installation
from ..text.command import SECRETS_FILE, Call

# For each option of ansible-playbook the name of what it sets, and whether it takes a value.
Options = Mapping[str, tuple[str, bool]]

DECIDED_ANEW = frozenset(
    ("subset", "check", "diff", "step", "start_at_task", "syntax", "listhosts", "listtasks", "listtags")
)
VARIABLES = "extra_vars"
# What the environment says of the scope of a run. It may have been said for that one command alone.
FROM_ENVIRONMENT = (
    "ANSIBLE_CONFIG",
    "ANSIBLE_INVENTORY",
    "ANSIBLE_RUN_TAGS",
    "ANSIBLE_SKIP_TAGS",
    "ANSIBLE_REMOTE_USER",
    "ANSIBLE_BECOME",
    "ANSIBLE_BECOME_METHOD",
    "ANSIBLE_BECOME_USER",
    "ANSIBLE_PRIVATE_KEY_FILE",
    "ANSIBLE_VAULT_PASSWORD_FILE",
    "ANSIBLE_VAULT_IDENTITY_LIST",
)
# Options that take text in which a secret may stand, and the variable that means the same.
AS_VARIABLE = {name: f"ansible_{name}" for name in ("ssh_common_args", "ssh_extra_args", "sftp_extra_args")}
AS_VARIABLE["scp_extra_args"] = "ansible_scp_extra_args"

SECRET_NAME = compile_pattern(r"pass|pwd|secret|token|credential|auth|webhook|vault|cookie|bearer|key(?!_file)", re.I)
SECRET_VALUE = compile_pattern(
    r"\$ANSIBLE_VAULT|-----BEGIN|sshpass|\b(?:gh[opsu]_|github_pat_|glpat-|xox[a-z]-|AKIA|eyJ)\w"
    r"|://[^/\s@:]*:[^/\s@]*@|\b[0-9a-fA-F]{32,}\b"
)
LONG_TOKEN = compile_pattern(r"\w{24,}", re.ASCII)  # with small and capital letters and digits, it is made for machines
DEEPEST = 20  # levels of a value that is looked through


class Argument(NamedTuple):
    """One option of a command line with its value, or one word that is none (`name` is "")."""

    name: str
    option: str
    value: str | None = None

    def words(self) -> list[str]:
        """As it is typed again."""
        return [self.option] if self.value is None else [self.option, self.value]


def called(argv: Sequence[str], environment: Mapping[str, str], options: Options, here: str) -> Call:
    """The call of the process with that `sys.argv`, in the directory `here`.

    The launcher names itself, as it was typed, in PROSCRIBE_CALLED. That counts only where the launcher's own playbook
    is run, since whatever the run starts inherits it.
    """
    program, rest = _program(argv)
    words = list(parsed(rest, options))
    playbooks = [word.option for word in words if not word.name]
    repeated_options, withheld = repeated(word for word in words if word.name)
    launcher = environment.get("PROSCRIBE_CALLED", "")
    in_a_folder = bool(playbooks and os.path.dirname(playbooks[0])) and installation.is_playbook(playbooks[0])
    if launcher and not installation.COLLECTION and in_a_folder:
        name = os.path.basename(playbooks[0]).removesuffix(".yml")
        started = (*_before(environment, launcher), *typed(launcher, here))
        return Call(started, name, "", (*repeated_options, *playbooks[1:]), here, withheld)
    chosen = [one for one in playbooks if installation.is_playbook(one)] or playbooks
    program = (*_before(environment, program[0]), *program)
    return Call(program, "", chosen[0] if chosen else "", (*chosen[1:], *repeated_options), here, withheld)


def parsed(argv: Sequence[str], options: Options) -> Iterator[Argument]:
    """The words of a command line, options with their values, as argparse takes them: `--tags=a`, `--ta a`, `-bl a`."""
    words = iter(argv)
    for word in words:
        if word == "--":
            yield from (Argument("", rest) for rest in words)
        elif word.startswith("--"):
            option, equals, value = word.partition("=")
            name, takes = _found(option, options)
            yield Argument(name, option, value if equals else next(words, "") if takes else None)
        elif word.startswith("-") and len(word) > 1:
            for place in range(1, len(word)):
                option = f"-{word[place]}"
                name, takes = options.get(option, (option, False))
                if takes:
                    yield Argument(name, option, word[place + 1 :].removeprefix("=") or next(words, ""))
                    break
                yield Argument(name, option)
        else:
            yield Argument("", word)


def _found(option: str, options: Options) -> tuple[str, bool]:
    """What an option is; it may be shortened, as long as it is the only one that begins so."""
    if option in options:
        return options[option]
    longer = {options[one] for one in options if one.startswith(option)}
    return longer.pop() if len(longer) == 1 else (option, False)


def _program(argv: Sequence[str]) -> tuple[tuple[str, ...], Sequence[str]]:
    """The words that start ansible-playbook, and the rest."""
    if os.path.basename(argv[0]) == "__main__.py":  # python -m ansible playbook ...
        return (sys.executable, "-m", "ansible", *argv[1:2]), argv[2:]
    return _shortest(argv[0]), argv[1:]


def _before(environment: Mapping[str, str], program: str) -> tuple[str, ...]:
    """What stands before the program: sudo, where that started it, and what the environment says of the scope."""
    started = os.path.basename(environment.get("SUDO_COMMAND", "").partition(" ")[0])
    sudo = ("sudo",) if started and started == os.path.basename(program) and os.geteuid() == 0 else ()
    own = {"ANSIBLE_CONFIG": installation.CONFIGURATION_PATH}  # the launcher says it, unless somebody else did
    said = [
        f"{name}={value}"
        for name in FROM_ENVIRONMENT
        if (value := environment.get(name)) and value != own.get(name, "")
    ]
    return (*sudo, *(("env", *said) if said else ()))


def typed(launcher: str, here: str) -> tuple[str, ...]:
    """The launcher as it can be typed again, which was found by its `$0`."""
    if "/" not in launcher and os.path.exists(os.path.join(here, launcher)):  # sh proscribe
        launcher = f"./{launcher}"
    place = os.path.join(here, launcher)
    if os.path.exists(place) and not os.access(place, os.X_OK):
        return ("sh", launcher)
    return _shortest(launcher)


def _shortest(program: str) -> tuple[str, ...]:
    """A program by its name, where that finds it; a shell hands on the path that it found."""
    name = os.path.basename(program)
    return (name if os.path.isabs(program) and shutil.which(name) == program else program,)


# -- what is not repeated ----------------------------------------------------------------------------------------------


def repeated(words: Iterable[Argument]) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """The options to repeat, and the names of the variables whose values are not: a file stands in for all of them."""
    options: list[str] = []
    withheld: list[str] = []
    place = 0
    for word in words:
        if word.name in DECIDED_ANEW:
            continue
        if secrets := _secrets(word):
            withheld += [name for name in secrets if name not in withheld]
            place = len(options)
        else:
            options += word.words()
    if withheld:
        options[place:place] = ["-e", f"@{SECRETS_FILE}"]
    return tuple(options), tuple(withheld)


def _secrets(word: Argument) -> list[str]:
    """The variables of an option that holds something like a secret: all that it sets, since it is left out whole."""
    if word.value is None:
        return []
    if word.name in AS_VARIABLE:
        return [AS_VARIABLE[word.name]] if seems_secret("", word.value) else []
    if word.name != VARIABLES or word.value.startswith("@"):
        return []
    values = _variables(word.value)
    if values is None:
        return ["what an -e says that cannot be read"]
    return list(values) if any(seems_secret(name, value) for name, value in values.items()) else []


def _variables(text: str) -> dict[str, object] | None:
    """The variables of one -e, as Ansible reads them; None where it is none of its forms."""
    try:
        if text.lstrip().startswith(("{", "[")):
            found = yaml.safe_load(text)
            return {str(name): value for name, value in found.items()} if isinstance(found, dict) else None
        return {name: value for name, _, value in (part.partition("=") for part in shlex.split(text))}
    except (ValueError, RecursionError, yaml.YAMLError):
        return None


def seems_secret(name: str, value: object, depth: int = 0) -> bool:
    """Whether a variable's value is better not repeated: by its name, or by what it looks like."""
    if depth > DEEPEST:
        return True
    if isinstance(value, Mapping):
        return any(seems_secret(str(key), item, depth + 1) for key, item in value.items())
    if isinstance(value, list | tuple):
        return any(seems_secret(name, item, depth + 1) for item in value)
    if SECRET_NAME.search(name) and not isinstance(value, bool | int | float):
        return True
    text = str(value)
    return bool(SECRET_VALUE.search(text)) or any(map(_made_for_machines, LONG_TOKEN.findall(text)))


def _made_for_machines(word: str) -> bool:
    return any(c.islower() for c in word) and any(c.isupper() for c in word) and any(c.isdigit() for c in word)


def where_we_are(environment: Mapping[str, str]) -> str:
    """The directory that commands are typed in, by the name that the shell has for it."""
    named, actual = environment.get("PWD", ""), os.getcwd()
    try:
        return named if os.path.isabs(named) and os.path.samefile(named, actual) else actual
    except OSError:
        return actual
