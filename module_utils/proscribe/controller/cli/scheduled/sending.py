"""Sends a notification to where the inventory says, by the playbook notify."""

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

MAX_SHOWN_LINES = 12  # of each output of the playbook that could not send


def send_notification(
    notification: Notification, options: Sequence[str], head_mails: Sequence[Mapping[str, str]] = ()
) -> bool:
    """Have the notice sent to where the inventory's proscribe_notify says, and mails to heads; if all went well."""
    with tempfile.NamedTemporaryFile("w", suffix=".json", encoding="utf-8") as file:  # only this account can read it
        json.dump({**notification.make_payload(), "heads": [*head_mails]}, file)
        file.flush()
        command = [
            sys.executable,
            "-I" if sys.flags.isolated else "-EP",  # as the launcher has found that this Ansible needs it
            "-m",
            "ansible",
            "playbook",
            installation.name_playbook("notify"),
            *_list_inventory_options(options),
            "-e",
            json.dumps({"proscribe_notice_file": file.name}),  # never its text, which hosts and their users wrote
        ]
        environment = {**os.environ, "ANSIBLE_NO_TARGET_SYSLOG": "1"}  # it would log the whole notice once more
        result = subprocess.run(
            command, env=environment, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False
        )
    if result.returncode:
        print("proscribe: the notification could not be sent:", file=sys.stderr)
        # Ansible prints how a task failed on stdout, and why it could not start on stderr.
        lines = [*result.stdout.splitlines()[-MAX_SHOWN_LINES:], *result.stderr.splitlines()[-MAX_SHOWN_LINES:]]
        print(*(clean_text(line) for line in lines if line.strip()), sep="\n", file=sys.stderr)
    return result.returncode == 0


def _list_inventory_options(options: Sequence[str]) -> list[str]:
    """Of a run's options those that say where the inventory is and how to read it; no --limit, which leaves localhost
    out.
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
