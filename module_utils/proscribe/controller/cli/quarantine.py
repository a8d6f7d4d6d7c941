"""Command `./proscribe quarantine`: checks of its options, and the start of playbooks/quarantine.yml with them.

The options of ansible-playbook are accepted as well.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Sequence

from ...model.quarantine_ids import LIST
from ...wire import installation
from ..quarantine.request import (
    ARGUMENTS,
    JSON_FORMAT,
    OPERATIONS,
    OUTPUT_FORMATS,
    SELECTORS,
    TABLE_FORMAT,
    VARIABLE_NAMES,
    InvalidQuarantineRequest,
    parse_request,
)
from . import CommandError

PASSES_ON = True  # options unknown to the parser go to ansible-playbook

SELECTOR_HELP = {
    "hosts": "only on these hosts (repeat it, or separate with commas)",
    "users": "taken from these accounts",
    "services": "taken for these services",
    "ids": "these items, by their ids in the list and in reports",
}

EPILOG = """\
An item has to match every kind of selector given; restore and prune need at least one, or --all. An unknown name is
an error, and nothing is changed. Any option of ansible-playbook is accepted as well: -i, --limit, --check, -e, -u (the
account to log in as), -b, -K.

  ./proscribe quarantine list -i inventory/prod
  ./proscribe quarantine list --user alice --format json
  ./proscribe quarantine restore --host pc17 --id wechat-3fa4b2c1 --check
  ./proscribe quarantine restore --host pc17 --id wechat-3fa4b2c1 --accept-loss
  ./proscribe quarantine prune --service wechat --older-than 30d --check

restore first shows whether a waiver covers each item; what the next enforcing run takes again is only
restored with --accept-loss. It never replaces a file that is at the place now. prune deletes for good. Exit code 0: all
was done; 2: something was not done, or list met an entry that cannot be read; 12: no host answered; otherwise Ansible's
own code."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of `./proscribe quarantine` to its parser, and set its help texts."""
    parser.usage = "./proscribe quarantine list|restore|prune [options]\n  [any option of ansible-playbook]"
    parser.description = "List, restore or prune what was moved into quarantine. Nothing of the ban is lifted."
    parser.epilog = EPILOG
    parser.add_argument("do", choices=OPERATIONS, help="what to do; list only reads")
    for name, option in SELECTORS.items():
        parser.add_argument(option, dest=name, action="append", default=[], metavar="NAME", help=SELECTOR_HELP[name])
    parser.add_argument("--all", action="store_true", help="all items, instead of the four options above")
    parser.add_argument("--older-than", default="", metavar="LENGTH", help="taken longer ago than 30d, 12w, ...")
    parser.add_argument("--accept-loss", action="store_true", help="restore also what the next run takes again")
    parser.add_argument(
        "--format", choices=OUTPUT_FORMATS, default=TABLE_FORMAT, help="output format of list (default: table)"
    )


def run(arguments: argparse.Namespace) -> int:
    """Replace this process by ansible-playbook, which runs playbooks/quarantine.yml with the checked options.

    Raises CommandError for invalid options, before any host is contacted.
    """
    passed_options = arguments.passed_on
    if bare_arguments := _list_bare_arguments(passed_options):
        raise CommandError(
            f"found {bare_arguments[0]!r}, expected options only; an id is given with --id {bare_arguments[0]}"
        )
    values = {name: getattr(arguments, name) for name in ARGUMENTS}
    for name in SELECTORS:
        values[name] = [selected_name for text in values[name] for selected_name in text.split(",")]
    try:
        request = parse_request(values)
    except InvalidQuarantineRequest as error:
        raise CommandError(str(error)) from None
    if arguments.format == JSON_FORMAT:
        if request.do != LIST:
            raise CommandError(f"--format json: found with {request.do}, expected with list")
        _move_stdout_to_stderr()
    # The last -e takes precedence. So all variables follow the caller's options, and no -e of the caller can change
    # the values that were checked here.
    extra_variables = json.dumps({VARIABLE_NAMES[name]: option_value for name, option_value in values.items()})
    ansible_command = os.environ.get("PROSCRIBE_ANSIBLE_PLAYBOOK") or "ansible-playbook"
    os.execvp(
        ansible_command,
        [ansible_command, installation.name_playbook("quarantine"), *passed_options, "-e", extra_variables],
    )


def _list_bare_arguments(arguments: Sequence[str]) -> list[str]:
    """Return the arguments that are no option and do not follow an option.

    An argument that follows an option may be the option's value, so only the returned ones are surely mistakes.
    """
    previous_arguments = ["", *arguments]
    return [
        argument
        for argument, previous_argument in zip(arguments, previous_arguments)
        if not argument.startswith("-") and not previous_argument.startswith("-")
    ]


def _move_stdout_to_stderr() -> None:
    """Redirect Ansible's output to the standard error, so that the standard output has only the JSON answer.

    The callback writes the answer to a duplicate of the standard output. PROSCRIBE_ANSWER_FD has its number.
    """
    sys.stdout.flush()
    answer_descriptor = os.dup(1)
    os.set_inheritable(answer_descriptor, True)
    os.environ["PROSCRIBE_ANSWER_FD"] = str(answer_descriptor)
    os.dup2(2, 1)
