"""Sending of notifications to the destinations of the inventory, by the playbook notify."""

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

MAX_SHOWN_LINES = 12  # per output stream of a failed playbook


def send_notification(
    notification: Notification, options: Sequence[str], head_mails: Sequence[Mapping[str, str]] = ()
) -> bool:
    """Send a notification as proscribe_notify of the inventory says, and mails to heads.

    Returns False if sending failed.
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
            # Never the text itself, because hosts and their users wrote it.
            json.dumps({"proscribe_notice_file": file.name}),
        ]
        environment = {**os.environ, "ANSIBLE_NO_TARGET_SYSLOG": "1"}  # Ansible would log the whole notification again
        result = subprocess.run(
            command, env=environment, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False
        )
    if result.returncode:
        print("proscribe: the notification could not be sent:", file=sys.stderr)
        # Ansible prints the failure of a task on stdout, and the reason why it could not start on stderr.
        lines = [*result.stdout.splitlines()[-MAX_SHOWN_LINES:], *result.stderr.splitlines()[-MAX_SHOWN_LINES:]]
        print(*(clean_text(line) for line in lines if line.strip()), sep="\n", file=sys.stderr)
    return result.returncode == 0


def _list_inventory_options(options: Sequence[str]) -> list[str]:
    """Return the options of a run that locate and read the inventory.

    --limit is left out, because it would exclude localhost.
    """
    parsed_arguments = parse_inventory_arguments(options)
    return [
        argument
        for option in inventory.list_inventory_options(parsed_arguments)
        if option.name != "ask_vault_pass"
        for argument in option.list_words()
    ]


def parse_inventory_arguments(options: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(add_help=False, allow_abbrev=False)
    inventory.add_inventory_options(parser)
    parsed_arguments, _ = parser.parse_known_args(list(options))
    return parsed_arguments
