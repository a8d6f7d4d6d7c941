"""Check who can change the files of a scheduled run before it starts, and send the alert that nothing else can send.

Stands alone outside of the checkout: whoever can change the checkout must not decide on its check. So no Ansible sends
its alerts, and only the channels mail and webhook are known. Reads /etc/proscribe/schedule.json.

    guard check            end with 77 if others can change a file of the run
    guard check --alert    the same, and send an alert; end with 78 if nothing took it
    guard alert UNIT CODE...
                           send an alert if the unit that calls this has failed, unless with one of these codes: then
                           the run itself has sent one (systemd.exec(5), SERVICE_RESULT). UNIT is the failed run.
"""

from __future__ import annotations

import contextlib
import encodings.idna  # noqa: F401 (loaded while root's rights are there)
import json
import os
import pwd
import subprocess
import sys
import time
import urllib.error
import urllib.request
from email.message import EmailMessage
from typing import TYPE_CHECKING, Mapping, Sequence

if TYPE_CHECKING:
    from ....model.types.schedule import GuardSettings

if __package__:
    from ....base.chat_text import OUTPUT_HEADING, escape_json_texts, make_quoted_block
    from ....base.run_files import UnreadableRunFile, find_exposed_file
else:  # installed on a controller, outside of the package
    sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
    from base.chat_text import (  # type: ignore[import-not-found, no-redef]
        OUTPUT_HEADING,
        escape_json_texts,
        make_quoted_block,
    )
    from base.run_files import (  # type: ignore[import-not-found, no-redef]
        UnreadableRunFile,
        find_exposed_file,
    )

SETTINGS_PATH = "/etc/proscribe/schedule.json"
REFUSED_EXIT_CODE = 77
# The run was refused, and no channel took the alert. The unit that reports failed runs then sends the alert again.
UNREPORTED_EXIT_CODE = 78
ALERT_SCHEMA = "proscribe/notice/1"
NOBODY_ID = 65534
SENDMAIL_PATH = "/usr/sbin/sendmail"
SEND_TIMEOUT_SECONDS = 15
MAX_TRIES, PAUSE_SECONDS = 3, 5
LOG_LINES, LOG_LENGTH = 15, 4000  # limits of each unit's log, in lines and in characters


def find_refusal(settings: GuardSettings) -> str:
    """Return why a scheduled run must not start; "" if only root and its account can change its files."""
    account = settings["account"]
    try:
        exposed = find_exposed_file(settings["paths"], {pwd.getpwnam(account).pw_uid})
    except KeyError:
        return f"There is no account {account}, as which the run is to be started. Nothing was started."
    except UnreadableRunFile as error:
        return f"The files of the run cannot be checked: {error}. Nothing was started."
    if not exposed:
        return ""
    reason = f"{exposed}, and this run would have {account} run or follow it. Nothing was started."
    return f"{reason} {exposed.remedy}".rstrip()


def check_run_files(settings: GuardSettings, sends_alert: bool) -> int:
    """Check who can change the files of the next run. Return the exit code with which this check ends.

    Any code other than 0 stops the run. With `sends_alert`, an alert is sent for a refused run.
    """
    reason = find_refusal(settings)
    if not reason:
        return 0
    log_message(reason)
    if sends_alert and not send_alert(settings, "Proscribe: a scheduled run was refused", reason, refused=reason):
        return UNREPORTED_EXIT_CODE
    return REFUSED_EXIT_CODE


def report_failure(
    settings: GuardSettings, unit: str, reported_codes: Sequence[str], environment: Mapping[str, str]
) -> int:
    """Send an alert if the run of `unit` has failed and nothing has sent an alert for it yet.

    Return the exit code.

    `reported_codes` are the exit codes of runs that have sent their own alert. A run that the check refused has an
    alert too. systemd gives the result of the run in `environment`.
    """
    result, code = environment.get("SERVICE_RESULT", ""), environment.get("EXIT_STATUS", "")
    # a refused run was already reported by `check_run_files`
    if result == "success" or code in reported_codes or _has_refused_run(unit):
        return 0
    invocations = [_read_output(["systemctl", "show", "--value", "--property=InvocationID", unit]).strip()]
    invocations += [environment.get("INVOCATION_ID", "")]
    logs = [_read_unit_log(invocation) for invocation in dict.fromkeys(filter(None, invocations))]
    text = "\n\n".join(
        [
            f"{unit} failed, and its notification could not be sent in the usual way. This does not show the state of"
            " the hosts. The end of the log:",
            *filter(None, logs),
            f"The whole log: journalctl -u {unit}",
        ]
    )
    is_sent = send_alert(settings, "Proscribe: a scheduled run failed", text, result=result, status=code)
    return 0 if is_sent else 1


def _has_refused_run(unit: str) -> bool:
    """Return whether the check before the last run of this unit refused the run.

    The files are not checked anew: they may have changed since then.
    """
    shown = _read_output(["systemctl", "show", "--value", "--property=ExecStartPre", unit])
    return f"; code=exited ; status={REFUSED_EXIT_CODE} " in shown


def _read_unit_log(invocation: str) -> str:
    """Return the end of the journal of one start of a unit, by systemd's invocation id."""
    argv = ["journalctl", "--no-pager", "-o", "cat", "-n", str(LOG_LINES), f"_SYSTEMD_INVOCATION_ID={invocation}"]
    return _read_output(argv)[-LOG_LENGTH:].strip()


def _read_output(argv: Sequence[str]) -> str:
    """Return the output of a program, with blanks for control characters; "" if the program cannot be run."""
    try:
        result = subprocess.run(argv, stdin=subprocess.DEVNULL, capture_output=True, timeout=30, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return ""
    text = result.stdout.decode(errors="replace")
    return "".join(character if character.isprintable() or character == "\n" else " " for character in text)


def send_alert(settings: GuardSettings, subject: str, text: str, **facts: object) -> bool:
    """Send an alert by each configured channel, with the rights of the run's account.

    `facts` are additional fields of the alert for the webhook. Returns true if a channel took the alert, or if no
    channel is configured.
    """
    mail = _make_mail_message(settings["alerts"].get("mail", ""), subject, text)
    _drop_rights(settings["account"])
    escaped_facts = {key: escape_json_texts(fact) for key, fact in facts.items()}
    content = {
        "schema": ALERT_SCHEMA,
        "subject": subject,
        **escaped_facts,
        "text": f"{subject}\n\n{make_quoted_block(OUTPUT_HEADING, text.splitlines())}",
    }
    is_sent = not settings["alerts"]
    for channel, channel_address in settings["alerts"].items():
        try:
            if channel == "mail":
                argv = [SENDMAIL_PATH, "-oi", "--", channel_address]
                subprocess.run(argv, input=mail, capture_output=True, timeout=60, check=True)
            elif channel == "webhook":
                _submit_alert(channel_address, json.dumps(content).encode())
            else:
                raise OSError("this channel needs Ansible")
            is_sent = True
        except (OSError, subprocess.SubprocessError, ValueError, LookupError) as error:
            log_message(
                f"the alert could not be sent by {channel}: {str(error).replace(channel_address, '(its value)')}"
            )
    return is_sent


def _drop_rights(account: str) -> None:
    """Drop root's rights permanently, because the next steps read answers from the network.

    Without the account, the rights of nobody are taken.
    """
    if os.geteuid():
        return
    try:
        uid, gid = pwd.getpwnam(account)[2:4]
        os.initgroups(account, gid)
    except KeyError:
        uid = gid = NOBODY_ID
        os.setgroups([])
    os.setgid(gid)
    os.setuid(uid)


def _make_mail_message(address: str, subject: str, text: str) -> bytes:
    mail = EmailMessage()
    mail["To"], mail["Subject"], mail["Auto-Submitted"] = address, subject, "auto-generated"
    mail.set_content(text)
    return mail.as_bytes()


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    """Handler that makes a redirect an error: an alert goes to the configured address or nowhere."""

    def redirect_request(self, *_: object, **__: object) -> None:
        return None


def _submit_alert(url: str, body: bytes) -> None:
    """Send an alert to a webhook, with MAX_TRIES attempts. Raises OSError if all fail."""
    headers = {"Content-Type": "application/json", "User-Agent": "proscribe"}
    request = urllib.request.Request(url, body, headers)
    opener = urllib.request.build_opener(_NoRedirect)
    for remaining in range(MAX_TRIES - 1, -1, -1):
        try:
            with contextlib.closing(opener.open(request, timeout=SEND_TIMEOUT_SECONDS)):
                return
        except OSError:
            if not remaining:
                raise
            time.sleep(PAUSE_SECONDS)


def log_message(text: str) -> None:
    """Write a message to the journal."""
    print(f"proscribe: {text}", file=sys.stderr, flush=True)


def run_guard(arguments: Sequence[str], settings_file: str = SETTINGS_PATH) -> int:
    """Run the command that `arguments` name, and return the exit code."""
    with open(settings_file, encoding="utf-8") as stream:
        settings: GuardSettings = json.load(stream)
    if arguments[0] == "alert":
        return report_failure(settings, arguments[1], arguments[2:], os.environ)
    return check_run_files(settings, "--alert" in arguments)


if __name__ == "__main__":
    sys.exit(run_guard(sys.argv[1:]))
