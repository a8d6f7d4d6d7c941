"""Dispatch of `./proscribe COMMAND`, such as `explain` or `report`, to the module of the command.

A user's mistake gives a few plain lines on the standard error, and no traceback.
"""

from __future__ import annotations

import argparse
import importlib
import os
import sys
import traceback
from collections.abc import Callable, Sequence

from ..policy_errors import PolicyErrors
from ..report.text.shell_commands import quote_word
from ..report.text.wording import clean_text
from . import CommandError, LauncherHelpFormatter, get_launcher_command, print_message

COMMANDS = (
    *("explain", "diff", "export", "waiver", "requests", "report", "catalog", "collection", "scheduled"),
    *("quarantine", "init"),
)

INTERNAL_ERROR_CODE = 70  # EX_SOFTWARE of sysexits(3)
MISTAKE_CODE = 2  # also argparse's exit code for a wrong option
INTERRUPTED_CODE = 130  # the exit code that shells use for Ctrl-C
MAX_NAME_WIDTH = 23  # columns; beside a longer name, not every option fits a usage line of 80 columns


def main(argv: Sequence[str]) -> int:
    """Run the command `argv[0]` with the options that follow it in `argv`, and return the exit code.

    Mistakes of users give a message and exit code 2. Defects of Proscribe give a traceback and exit code 70. Invalid
    options end the process with exit code 2, as in argparse.
    """
    command = argv[0] if argv else ""
    if command not in COMMANDS:
        return _report_mistake(
            f'there is no command "{clean_text(command)}" here; the commands are: {", ".join(COMMANDS)}'
        )
    try:
        run, arguments = parse_command(command, argv[1:])
        exit_code = int(run(arguments))
        sys.stdout.flush()
        return exit_code
    except CommandError as command_error:
        return _report_mistake(str(command_error))
    except PolicyErrors as policy_errors:
        count = f"{len(policy_errors.errors)} mistakes" if len(policy_errors.errors) > 1 else "a mistake"
        return _report_mistake(f"{count} in the policy\n{policy_errors}")
    except BrokenPipeError:  # a reader such as `| head` closed the pipe, which is no failure
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except OSError as error:
        return _report_mistake(f"{error.filename}: {error.strerror}" if error.filename else str(error))
    except KeyboardInterrupt:
        return INTERRUPTED_CODE
    except Exception:  # Python's own exit code would be 1, which is a regular result of several commands
        traceback.print_exc()
        print_message(f"proscribe: {command} ended with an error of its own; the lines above say where", error=True)
        return INTERNAL_ERROR_CODE


def parse_command(
    command: str, options: Sequence[str]
) -> tuple[Callable[[argparse.Namespace], int], argparse.Namespace]:
    """Return the function that runs a command, and the parsed options to call it with.

    Invalid options end the process, as in argparse. Options that the parser does not know are invalid too, unless the
    command's module sets PASSES_ON. Then `passed_on` of the parsed options has them, for ansible-playbook.
    """
    # The import is here so that a command loads only the modules that it needs.
    module = importlib.import_module(f".{command}", __package__)
    launcher_command = get_launcher_command()
    launcher_line = " ".join(map(quote_word, launcher_command))
    # Argparse prints options beside the name even if they do not fit there, so a long path is cut to its file name.
    name = launcher_line if len(launcher_line) <= MAX_NAME_WIDTH else os.path.basename(launcher_command[-1])
    parser = argparse.ArgumentParser(
        prog=f"{name} {command}", formatter_class=LauncherHelpFormatter, allow_abbrev=False
    )
    module.add_arguments(parser)
    arguments, unknown_options = parser.parse_known_args(options)
    if unknown_options and not getattr(module, "PASSES_ON", False):
        parser.error(f"unrecognized arguments: {' '.join(unknown_options)}")
    arguments.passed_on = unknown_options
    return module.run, arguments


def _report_mistake(message: str) -> int:
    """Print a user's mistake on the standard error, and return the exit code for it.

    Lines that begin with two blanks are commands to copy, so they get no prefix.
    """
    for line in message.splitlines():
        print_message(line if line.startswith("  ") else f"proscribe: {line}", error=True)
    return MISTAKE_CODE


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
