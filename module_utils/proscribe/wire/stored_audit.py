"""The program that an account without other rights of root may run on a host, to audit it (docs/least-privilege.md).

An enforcing run installs it behind a part of loader.py (audit_text.py is both, derived). It takes one line of JSON.
That only names code and a plan that the enforcing run has stored, or asks for the record of the host's own run. No
code, no plan, no probe and no path comes from its caller, and it writes nothing.
"""

from __future__ import annotations

import _signal  # type: ignore[import-not-found]
import fcntl
import json
import os
import sys
from typing import TYPE_CHECKING, Any

from .loader import LACKING, MARK, answer_to, opened

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ..model.types.call import AuditRequest, Call

PROGRAM = "@PROGRAM@"  # audit_program.PROGRAM and host.STATE_DIRECTORY; derived/audit_text.py fills them in
STATE = "@STATE@"
RECORD = "record.json"
BUSY = "busy"  # the key of the answer while another audit runs: processes of root do not queue up for a caller
REFUSED = "refused"  # and of the one that says what is wrong with a request
STORED = "stored"  # and of the one with the record of the host's own run
CONTROLS = ("apps", "browser", "firewall", "dns")
GATES = ("never", "noncompliant", "incomplete")
KEYS = {"code", "plan", "controls", "gate", "seconds"}
WANTS_RECORD = {"record": True}
MOST = 4096  # bytes of a request
MOST_RECORD = 16 * 1024 * 1024  # bytes
PATIENCE = 10  # seconds until a request has to be there
LONGEST = 6 * 3600 + 60  # seconds that one may give itself
ENVIRONMENT = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL": "C.UTF-8", "HOME": "/root"}


def request(text: bytes) -> Any:
    """A request, of which every part has the one type and form that it may have. Raises ValueError."""
    if len(text) > MOST:
        raise ValueError(f"it is longer than {MOST} bytes")
    line, _, more = text.partition(b"\n")
    if more:
        raise ValueError("it is more than a line")
    try:
        given = json.loads(line.decode("ascii"))
    except (ValueError, RecursionError):
        raise ValueError("it is no JSON") from None
    if type(given) is not dict or given.keys() != KEYS and (given.keys() != {"record"} or given["record"] is not True):
        raise ValueError("it has other keys than a request")
    if "record" in given:
        return given
    for key in ("code", "plan"):
        name = given[key]
        if type(name) is not str or len(name) != 64 or name.strip("0123456789abcdef"):
            raise ValueError(f"{key} is no name of what is stored")
    controls, seconds = given["controls"], given["seconds"]
    known = type(controls) is list and all(type(one) is str and one in CONTROLS for one in controls)
    if not known or len(controls) > len(CONTROLS):
        raise ValueError("controls are none that there are")
    if type(given["gate"]) is not str or given["gate"] not in GATES:
        raise ValueError("gate is none that there is")
    if type(seconds) is not int or not 0 < seconds <= LONGEST:
        raise ValueError(f"seconds are no number from 1 to {LONGEST}")
    return given


def received() -> bytes:
    """What standard input has, up to its end, the end of a line, or more than a request may have."""
    text = b""
    while len(text) <= MOST and b"\n" not in text:
        piece = os.read(0, MOST + 1 - len(text))
        if not piece:
            break
        text += piece
    return text


def stored_record() -> Mapping[str, object]:
    """The record that this host's own scheduled run has stored."""
    try:
        with open(opened(RECORD, os.O_NONBLOCK, opened(STATE, os.O_DIRECTORY)), "rb") as stream:
            return {STORED: json.loads(stream.read(MOST_RECORD))}
    except (OSError, ValueError, RecursionError):
        return {LACKING: True}


def observed(given: AuditRequest) -> Mapping[str, object]:
    """The answer of the observing code that is stored, about the plan that is stored."""
    call: Call = {
        "controls": given["controls"],
        "gate": given["gate"],
        "will_correct": False,
        "probe": False,
        "remember": False,
    }
    return answer_to({"code": given["code"], "plan": given["plan"], "call": call}, b"", b"")


def audited() -> Mapping[str, object]:
    """The answer to the one request of this process."""
    # Who can only run it cannot open it, so nobody but another audit has it locked.
    try:
        fcntl.flock(os.open(PROGRAM, os.O_RDONLY | os.O_NOFOLLOW), fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return {BUSY: True}
    try:
        given = request(received())
    except ValueError as wrong:
        return {REFUSED: str(wrong)}
    if given == WANTS_RECORD:
        return stored_record()
    _signal.alarm(given["seconds"])
    return observed(given)


def main() -> None:
    """Answer the caller. Whatever it has left behind in the process (signals, environment) has no effect."""
    if os.getuid() or os.geteuid() or len(sys.argv) > 1:
        sys.exit("this program is run by root, without arguments")
    _signal.signal(_signal.SIGALRM, _signal.SIG_DFL)
    _signal.pthread_sigmask(_signal.SIG_SETMASK, ())
    _signal.alarm(PATIENCE)
    os.chdir("/")
    os.umask(0o077)
    os.environ.clear()
    os.environ.update(ENVIRONMENT)
    # The alarm stays: a caller that does not read the answer holds nothing either.
    print("\n" + MARK + json.dumps(audited()), flush=True)
    os._exit(0)


if __name__ == "__main__":
    main()
