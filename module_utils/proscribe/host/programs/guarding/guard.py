"""Check who can change the files of a scheduled run before it starts, and send the alert that nothing else can send.

Stands alone outside of the checkout: whoever can change the checkout must not decide on its check. So no Ansible sends
its alerts, and only the channels mail and webhook are known. Reads /etc/proscribe/schedule.json.

    guard check            end with 77 if others can change a file of the run
    guard check --alert    the same, and send an alert
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
    from ....base.run_files import Unreadable, find_exposed
else:  # on a controller
    sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
    from base.run_files import Unreadable, find_exposed  # type: ignore[import-not-found, no-redef]

SETTINGS = "/etc/proscribe/schedule.json"
REFUSED = 77
SCHEMA = "proscribe/notice/1"
NOBODY = 65534
SENDMAIL = "/usr/sbin/sendmail"
SENDING_SECONDS = 15
TRIES, PAUSE_SECONDS = 3, 5
LOG_LINES, LOG_LENGTH = 15, 4000  # of each unit, in lines and in characters


def refusal(settings: GuardSettings) -> str:
    """Return why the run must not start; "" if only root and its account can change its files."""
    account = settings["account"]
    try:
        found = find_exposed(settings["paths"], {pwd.getpwnam(account).pw_uid})
    except KeyError:
        return f"There is no account {account}, as which the run is to be started. No host was checked."
    except Unreadable as error:
        return f"The files of the run cannot be checked: {error}. No host was checked."
    if not found:
        return ""
    why = f"{found}, and this run would have {account} run or follow it. No host was checked."
    return f"{why} {found.remedy}".rstrip()


def check(settings: GuardSettings, alerts: bool) -> int:
    """Refuse a run whose files others can change; the exit code."""
    reason = refusal(settings)
    if not reason:
        return 0
    say(reason)
    if alerts:
        send(settings, "Proscribe: a scheduled run was refused", reason, refused=reason)
    return REFUSED


def alert(settings: GuardSettings, unit: str, reported: Sequence[str], environment: Mapping[str, str]) -> int:
    """Send the alert of a run that failed, where the run and its own alert could not."""
    result, code = environment.get("SERVICE_RESULT", ""), environment.get("EXIT_STATUS", "")
    if result == "success" or code in reported or refusal(settings):  # a refusal has sent its alert
        return 0
    invocations = [_output(["systemctl", "show", "--value", "--property=InvocationID", unit]).strip()]
    invocations += [environment.get("INVOCATION_ID", "")]
    logs = [_log(invocation) for invocation in dict.fromkeys(filter(None, invocations))]
    text = "\n\n".join(
        [
            f"{unit} failed, and its notification could not be sent in the usual way. This does not show the state of"
            " the hosts. The end of the log:",
            *filter(None, logs),
            f"The whole log: journalctl -u {unit}",
        ]
    )
    sent = send(settings, "Proscribe: a scheduled run failed", text, result=result, status=code)
    return 0 if sent else 1


def _log(invocation: str) -> str:
    argv = ["journalctl", "--no-pager", "-o", "cat", "-n", str(LOG_LINES), f"_SYSTEMD_INVOCATION_ID={invocation}"]
    return _output(argv)[-LOG_LENGTH:].strip()


def _output(argv: Sequence[str]) -> str:
    """Return what a program prints, without what a terminal would obey; "" if it cannot be run."""
    try:
        done = subprocess.run(argv, stdin=subprocess.DEVNULL, capture_output=True, timeout=30, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return ""
    text = done.stdout.decode(errors="replace")
    return "".join(character if character.isprintable() or character == "\n" else " " for character in text)


def send(settings: GuardSettings, subject: str, text: str, **facts: object) -> bool:
    """Send an alert by each channel that is set, as the account of the run; whether all took it."""
    mail = _mail(settings["alerts"].get("mail", ""), subject, text)
    _become(settings["account"])
    content = {"schema": SCHEMA, "subject": subject, "text": f"{subject}\n\n{text}", **facts}
    complete = True
    for channel, place in settings["alerts"].items():
        try:
            if channel == "mail":
                argv = [SENDMAIL, "-oi", "--", place]
                subprocess.run(argv, input=mail, capture_output=True, timeout=60, check=True)
            elif channel == "webhook":
                _post(place, json.dumps(content).encode())
            else:
                raise OSError("this channel needs Ansible")
        except (OSError, subprocess.SubprocessError, ValueError, LookupError) as error:
            complete = False
            say(f"the alert could not be sent by {channel}: {str(error).replace(place, '(its value)')}")
    return complete


def _become(account: str) -> None:
    """Give root's rights away for good: what follows reads answers from the network."""
    if os.geteuid():
        return
    try:
        uid, gid = pwd.getpwnam(account)[2:4]
        os.initgroups(account, gid)
    except KeyError:
        uid = gid = NOBODY
        os.setgroups([])
    os.setgid(gid)
    os.setuid(uid)


def _mail(address: str, subject: str, text: str) -> bytes:
    mail = EmailMessage()
    mail["To"], mail["Subject"], mail["Auto-Submitted"] = address, subject, "auto-generated"
    mail.set_content(text)
    return mail.as_bytes()


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    """A redirect is an error: the alert goes to the configured place or nowhere."""

    def redirect_request(self, *_: object, **__: object) -> None:
        return None


def _post(url: str, body: bytes) -> None:
    headers = {"Content-Type": "application/json", "User-Agent": "proscribe"}
    request = urllib.request.Request(url, body, headers)
    opener = urllib.request.build_opener(_NoRedirect)
    for remaining in range(TRIES - 1, -1, -1):
        try:
            with contextlib.closing(opener.open(request, timeout=SENDING_SECONDS)):
                return
        except OSError:
            if not remaining:
                raise
            time.sleep(PAUSE_SECONDS)


def say(text: str) -> None:
    """Write a message to the journal."""
    print(f"proscribe: {text}", file=sys.stderr, flush=True)


def main(words: Sequence[str], settings_file: str = SETTINGS) -> int:
    """Do what the words say; the exit code."""
    with open(settings_file, encoding="utf-8") as stream:
        settings: GuardSettings = json.load(stream)
    if words[0] == "alert":
        return alert(settings, words[1], words[2:], os.environ)
    return check(settings, "--alert" in words)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
