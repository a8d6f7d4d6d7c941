"""Sending of notifications by the playbook `notify`, to the channels in `proscribe_notify` of the inventory."""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence

from ....wire import installation
from ...report.notification import Notification
from ...report.text.wording import clean_text
from .. import inventory

MAX_SHOWN_LINES = 12  # last lines of stdout, and of stderr, that are shown if the playbook fails


def send_notification(
    notification: Notification, options: Sequence[str], head_mails: Sequence[Mapping[str, str]] = ()
) -> bool:
    """Send a notification to the channels in `proscribe_notify` of the inventory, and mails to heads of departments.

    `options` are those of the scheduled run, which name the inventory. Each mail in `head_mails` has the keys `mail`
    (the address) and `message`. Returns False if the sending failed.
    """
    with tempfile.NamedTemporaryFile("w", suffix=".json", encoding="utf-8") as file:  # readable for this account only
        json.dump({**notification.make_payload(), "heads": [*head_mails]}, file)
        file.flush()
        command = [
            sys.executable,
            "-I" if sys.flags.isolated else "-EP",  # the launcher has determined which option this Ansible needs
            "-m",
            "ansible",
            "playbook",
            installation.name_playbook("notify"),
            *_list_inventory_options(options),
            "-e",
            # Only the file's name is passed: Ansible would run templates in the text, which hosts and users wrote.
            json.dumps({"proscribe_notice_file": file.name}),
        ]
        environment = {**os.environ, "ANSIBLE_NO_TARGET_SYSLOG": "1"}  # Ansible would log the whole notification again
        result = subprocess.run(
            command, env=environment, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False
        )
    if result.returncode:
        print("proscribe: the notification could not be sent:", file=sys.stderr)
        # Ansible prints a failed task on stdout, and the reason for a failed start on stderr, so both are shown.
        lines = [*result.stdout.splitlines()[-MAX_SHOWN_LINES:], *result.stderr.splitlines()[-MAX_SHOWN_LINES:]]
        print(*(clean_text(line) for line in lines if line.strip()), sep="\n", file=sys.stderr)
    return result.returncode == 0


def _list_inventory_options(options: Sequence[str]) -> list[str]:
    """Return the options of a run with which ansible-playbook finds and reads the same inventory.

    `--limit` is left out, because it would exclude localhost, on which the notification is sent.
    """
    parsed_arguments = parse_inventory_arguments(options)
    return [
        argument
        for option in inventory.list_inventory_options(parsed_arguments)
        if option.name != "ask_vault_pass"
        for argument in option.list_words()
    ]


def parse_inventory_arguments(options: Sequence[str]) -> argparse.Namespace:
    """Parse the inventory options among the options of a run; all other options are ignored."""
    parser = argparse.ArgumentParser(add_help=False, allow_abbrev=False)
    inventory.add_inventory_options(parser)
    parsed_arguments, _ = parser.parse_known_args(list(options))
    return parsed_arguments
