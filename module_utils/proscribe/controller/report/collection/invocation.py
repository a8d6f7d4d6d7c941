"""The command line of the current run, read so that proposed commands have the same scope.

Ansible's own table of options knows which options take a value. Options that only set the reach of a run or its output
are left out (--limit, --check, --list-hosts): each proposed command sets them anew.
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

from ....base.lazy_patterns import compile_pattern
from ....wire import installation
from ..text.shell_commands import SECRETS_FILE, RunCall

# For each option of ansible-playbook: the name of its setting, and whether it takes a value.
OptionTable = Mapping[str, tuple[str, bool]]

SKIPPED_OPTIONS = frozenset(
    ("subset", "check", "diff", "step", "start_at_task", "syntax", "listhosts", "listtasks", "listtags")
)
VARIABLES_OPTION = "extra_vars"
# Environment variables that decide what a run does. A proposed command repeats them, because the user may have set a
# variable for this command alone.
SCOPE_VARIABLES = (
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
# Key: an option of ansible-playbook whose text may contain a secret. Value: the variable with the same meaning.
VARIABLE_BY_OPTION = {name: f"ansible_{name}" for name in ("ssh_common_args", "ssh_extra_args", "sftp_extra_args")}
VARIABLE_BY_OPTION["scp_extra_args"] = "ansible_scp_extra_args"

SECRET_NAME_PATTERN = compile_pattern(
    r"pass|pwd|secret|token|credential|auth|webhook|vault|cookie|bearer|key(?!_file)", re.I
)
# Values of Ansible Vault, PEM keys, sshpass, tokens of GitHub, GitLab, Slack and AWS, and JSON Web Tokens. Also URLs
# with a password, and long hexadecimal numbers.
SECRET_VALUE_PATTERN = compile_pattern(
    r"\$ANSIBLE_VAULT|-----BEGIN|sshpass|\b(?:gh[opsu]_|github_pat_|glpat-|xox[a-z]-|AKIA|eyJ)\w"
    r"|://[^/\s@:]*:[^/\s@]*@|\b[0-9a-fA-F]{32,}\b"
)
# A long word may be a secret token. `_is_machine_token` checks for a mixture of small letters, capitals and digits.
LONG_TOKEN_PATTERN = compile_pattern(r"\w{24,}", re.ASCII)
MAX_VALUE_DEPTH = 20  # nesting levels of a variable's value that are searched for secrets


class CallArgument(NamedTuple):
    """An option of a command line with its value, or a word that is no option."""

    name: str  # the name of the option's setting, such as subset for --limit; "" for a word that is no option
    option: str  # the option as the user typed it; the text of a word that is no option
    option_value: str | None = None  # None for an option without a value

    def list_words(self) -> list[str]:
        """Return the words of a command line that give this option with its value again."""
        return [self.option] if self.option_value is None else [self.option, self.option_value]


def read_call(
    argv: Sequence[str], environment: Mapping[str, str], options: OptionTable, working_directory: str
) -> RunCall:
    """Return how this process was called, from its `sys.argv`, so that proposed commands can repeat the call.

    The launcher stores its name, as the user typed it, in PROSCRIBE_CALLED. Every process that the run starts inherits
    the variable. So the variable counts only if one of the launcher's playbooks is run.
    """
    program, arguments = _split_program(argv)
    call_arguments = list(parse_arguments(arguments, options))
    playbooks = [argument.option for argument in call_arguments if not argument.name]
    repeated_options, withheld = select_repeated_options(argument for argument in call_arguments if argument.name)
    launcher = environment.get("PROSCRIBE_CALLED", "")
    is_own_playbook = bool(playbooks and os.path.dirname(playbooks[0])) and installation.is_playbook(playbooks[0])
    if launcher and not installation.COLLECTION and is_own_playbook:
        name = os.path.basename(playbooks[0]).removesuffix(".yml")
        command = (*_list_command_prefix(environment, launcher), *format_launcher(launcher, working_directory))
        return RunCall(command, name, "", (*repeated_options, *playbooks[1:]), working_directory, withheld)
    own_playbooks = [playbook for playbook in playbooks if installation.is_playbook(playbook)] or playbooks
    program = (*_list_command_prefix(environment, program[0]), *program)
    return RunCall(
        program,
        "",
        own_playbooks[0] if own_playbooks else "",
        (*own_playbooks[1:], *repeated_options),
        working_directory,
        withheld,
    )


def parse_arguments(argv: Sequence[str], options: OptionTable) -> Iterator[CallArgument]:
    """Yield the options and words of a command line as argparse reads them: `--tags=a`, `--ta a`, `-bl a`."""
    words = iter(argv)
    for word in words:
        if word == "--":
            yield from (CallArgument("", operand) for operand in words)
        elif word.startswith("--"):
            option, equals, option_value = word.partition("=")
            name, takes_value = _find_option(option, options)
            yield CallArgument(name, option, option_value if equals else next(words, "") if takes_value else None)
        elif word.startswith("-") and len(word) > 1:
            for index in range(1, len(word)):
                option = f"-{word[index]}"
                name, takes_value = options.get(option, (option, False))
                if takes_value:
                    yield CallArgument(name, option, word[index + 1 :].removeprefix("=") or next(words, ""))
                    break
                yield CallArgument(name, option)
        else:
            yield CallArgument("", word)


def _find_option(option: str, options: OptionTable) -> tuple[str, bool]:
    """Return the setting of an option, and whether the option takes a value.

    A user may shorten an option if the short form is unambiguous. An unknown option is its own setting, without a
    value.
    """
    if option in options:
        return options[option]
    matching_options = {options[known_option] for known_option in options if known_option.startswith(option)}
    return matching_options.pop() if len(matching_options) == 1 else (option, False)


def _split_program(argv: Sequence[str]) -> tuple[tuple[str, ...], Sequence[str]]:
    """Split a command line into the words that start ansible-playbook and the remaining words."""
    if os.path.basename(argv[0]) == "__main__.py":  # called as `python -m ansible playbook ...`
        return (sys.executable, "-m", "ansible", *argv[1:2]), argv[2:]
    return _shorten_program(argv[0]), argv[1:]


def _list_command_prefix(environment: Mapping[str, str], program: str) -> tuple[str, ...]:
    """Return the words to type before the program: `sudo`, and `env` with variables.

    `sudo` is there if it started the program. The variables are those of SCOPE_VARIABLES that the user set.
    """
    sudo_program = os.path.basename(environment.get("SUDO_COMMAND", "").partition(" ")[0])
    sudo = ("sudo",) if sudo_program and sudo_program == os.path.basename(program) and os.geteuid() == 0 else ()
    # The launcher itself sets ANSIBLE_CONFIG to this value, so a command does not repeat it.
    default_values = {"ANSIBLE_CONFIG": installation.CONFIGURATION_PATH}
    assignments = [
        f"{name}={setting}"
        for name in SCOPE_VARIABLES
        if (setting := environment.get(name)) and setting != default_values.get(name, "")
    ]
    return (*sudo, *(("env", *assignments) if assignments else ()))


def format_launcher(launcher: str, working_directory: str) -> tuple[str, ...]:
    """Return the words that start the launcher again. `launcher` is the `$0` of its shell script."""
    if "/" not in launcher and os.path.exists(os.path.join(working_directory, launcher)):  # called as `sh proscribe`
        launcher = f"./{launcher}"
    launcher_path = os.path.join(working_directory, launcher)
    if os.path.exists(launcher_path) and not os.access(launcher_path, os.X_OK):
        return ("sh", launcher)
    return _shorten_program(launcher)


def _shorten_program(program: str) -> tuple[str, ...]:
    """Return a program's name if the name alone starts the program, else the path.

    A shell that found the program by its name passes on the absolute path.
    """
    name = os.path.basename(program)
    return (name if os.path.isabs(program) and shutil.which(name) == program else program,)


# -- secrets that are not repeated -------------------------------------------------------------------------------------


def select_repeated_options(arguments: Iterable[CallArgument]) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Return the options that a proposed command repeats, and the names of the variables that it withholds.

    A withheld variable may contain a secret. The option `-e @FILE` replaces the values of all withheld variables.
    """
    options: list[str] = []
    withheld_variables: list[str] = []
    secrets_index = 0
    for argument in arguments:
        if argument.name in SKIPPED_OPTIONS:
            continue
        if secret_variables := _list_secret_variables(argument):
            withheld_variables += [name for name in secret_variables if name not in withheld_variables]
            secrets_index = len(options)  # the last withheld option is replaced at its place by the file
        else:
            options += argument.list_words()
    if withheld_variables:
        options[secrets_index:secrets_index] = ["-e", f"@{SECRETS_FILE}"]
    return tuple(options), tuple(withheld_variables)


def _list_secret_variables(argument: CallArgument) -> list[str]:
    """Return the names of all variables that an option sets, if one value may be secret; else [].

    All of these variables are withheld, because the option is left out as a whole.
    """
    if argument.option_value is None:
        return []
    if argument.name in VARIABLE_BY_OPTION:
        return [VARIABLE_BY_OPTION[argument.name]] if may_be_secret("", argument.option_value) else []
    if argument.name != VARIABLES_OPTION or argument.option_value.startswith("@"):
        return []
    variables = _parse_variables(argument.option_value)
    if variables is None:  # the text may contain a secret, so it is withheld; the result stands for its variables
        return ["what an -e says that cannot be read"]
    return list(variables) if any(may_be_secret(name, content) for name, content in variables.items()) else []


def _parse_variables(text: str) -> dict[str, object] | None:
    """Parse the text of an `-e` option as Ansible does; None if it cannot be parsed.

    The text is YAML (also JSON) in braces or brackets, or words KEY=VALUE.
    """
    try:
        if text.lstrip().startswith(("{", "[")):
            variables = yaml.safe_load(text)
            return {str(name): content for name, content in variables.items()} if isinstance(variables, dict) else None
        return {name: content for name, _, content in (part.partition("=") for part in shlex.split(text))}
    except (ValueError, RecursionError, yaml.YAMLError):
        return None


def may_be_secret(name: str, content: object, depth: int = 0) -> bool:
    """Return whether a variable's value may be secret, by the variable's name or by the form of the value.

    `depth` counts the nesting levels. A value with more than MAX_VALUE_DEPTH levels counts as secret.
    """
    if depth > MAX_VALUE_DEPTH:
        return True
    if isinstance(content, Mapping):
        return any(may_be_secret(str(key), part, depth + 1) for key, part in content.items())
    if isinstance(content, list | tuple):
        return any(may_be_secret(name, part, depth + 1) for part in content)
    if SECRET_NAME_PATTERN.search(name) and not isinstance(content, bool | int | float):
        return True
    text = str(content)
    return bool(SECRET_VALUE_PATTERN.search(text)) or any(map(_is_machine_token, LONG_TOKEN_PATTERN.findall(text)))


def _is_machine_token(token: str) -> bool:
    """Return whether a long word has small letters, capitals and digits, as a generated secret has."""
    return (
        any(character.islower() for character in token)
        and any(character.isupper() for character in token)
        and any(character.isdigit() for character in token)
    )


def get_working_directory(environment: Mapping[str, str]) -> str:
    """Return the working directory by the path that the shell shows to the user (PWD), if that is valid."""
    shell_directory, actual_directory = environment.get("PWD", ""), os.getcwd()
    try:
        return (
            shell_directory
            if os.path.isabs(shell_directory) and os.path.samefile(shell_directory, actual_directory)
            else actual_directory
        )
    except OSError:
        return actual_directory
