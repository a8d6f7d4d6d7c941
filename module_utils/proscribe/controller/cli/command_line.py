"""`./proscribe explain | diff | waiver | requests | report | quarantine ...`: finds the command, and reports every
mistake in a few plain lines.
"""

from __future__ import annotations

import argparse
import importlib
import os
import sys
import traceback
from collections.abc import Callable, Sequence

from ..policy_errors import PolicyErrors
from ..report.text.command import quoted
from ..report.text.wording import clean
from . import Help, Refused, program, say

COMMANDS = (
    *("explain", "diff", "export", "waiver", "requests", "report", "catalog", "collection", "scheduled"),
    *("quarantine", "init"),
)

BROKEN = 70  # EX_SOFTWARE of sysexits(3)
MISTAKE = 2  # argparse's own code for a wrong option, too
INTERRUPTED = 130  # what shells say of Ctrl-C
LONGEST_NAME = 23  # beside it, each option of each command fits a line of 80 columns


def main(argv: Sequence[str]) -> int:
    """Run a command and return its exit code."""
    command = argv[0] if argv else ""
    if command not in COMMANDS:
        return _wrong(f'there is no command "{clean(command)}" here; the commands are: {", ".join(COMMANDS)}')
    try:
        run, arguments = read(command, argv[1:])
        code = int(run(arguments))
        sys.stdout.flush()
        return code
    except Refused as refused:
        return _wrong(str(refused))
    except PolicyErrors as wrong:
        count = f"{len(wrong.errors)} mistakes" if len(wrong.errors) > 1 else "a mistake"
        return _wrong(f"{count} in the policy\n{wrong}")
    except BrokenPipeError:  # `| head` has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except OSError as error:
        return _wrong(f"{error.filename}: {error.strerror}" if error.filename else str(error))
    except KeyboardInterrupt:
        return INTERRUPTED
    except Exception:  # Python's own exit code is 1, which is an answer of several commands
        traceback.print_exc()
        say(f"proscribe: {command} ended with an error of its own; the lines above say where", error=True)
        return BROKEN


def read(command: str, options: Sequence[str]) -> tuple[Callable[[argparse.Namespace], int], argparse.Namespace]:
    """What runs a command, and its options as that takes them: `passed_on` are those that are ansible-playbook's. A
    mistake in them ends the process, as in argparse.
    """
    # What only one command needs is imported for that command alone.
    module = importlib.import_module(f".{command}", __package__)
    words = program()
    called = " ".join(map(quoted, words))
    # argparse puts options beside the name, even those that have no room there.
    name = called if len(called) <= LONGEST_NAME else os.path.basename(words[-1])
    parser = argparse.ArgumentParser(prog=f"{name} {command}", formatter_class=Help, allow_abbrev=False)
    module.add_arguments(parser)
    arguments, rest = parser.parse_known_args(options)
    if rest and not getattr(module, "PASSES_ON", False):
        parser.error(f"unrecognized arguments: {' '.join(rest)}")
    arguments.passed_on = rest
    return module.run, arguments


def _wrong(message: str) -> int:
    for line in message.splitlines():
        say(line if line.startswith("  ") else f"proscribe: {line}", error=True)
    return MISTAKE


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
