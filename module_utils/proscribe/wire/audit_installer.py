"""The program with which an account without root rights may audit a host (docs/least-privilege.md).

An enforcing run installs this program after a part of loader.py. The derived file audit_text.py has both texts. The
input of the program is a line of JSON. The line names stored code and a stored plan, or requests the record of the
host's own scheduled run. The caller supplies no code, no plan, no probe and no path. The program writes nothing.
"""

from __future__ import annotations

import _signal  # type: ignore[import-not-found]
import fcntl
import json
import os
import sys
from typing import TYPE_CHECKING, Any

from .loader import LACKING, MARK, execute_call, open_root_file

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ..model.types.call import AuditRequest, ObservationCall

# derived/audit_text.py replaces both marks by audit_program.PROGRAM_PATH and host.STATE_DIRECTORY
PROGRAM_PATH = "@PROGRAM@"
STATE_DIRECTORY = "@STATE@"
RECORD_FILE = "record.json"
BUSY_KEY = "busy"  # the key of the answer while another audit runs: a caller cannot queue up processes of root
REFUSED_KEY = "refused"  # the answer's key with the reason why a request is refused
STORED_KEY = "stored"  # the answer's key with the record of the host's own scheduled run
CONTROLS = ("apps", "browser", "firewall", "dns")
GATES = ("never", "noncompliant", "incomplete")
REQUEST_KEYS = {"code", "plan", "controls", "gate", "seconds"}
RECORD_REQUEST = {"record": True}
MAX_REQUEST_BYTES = 4096
MAX_RECORD_BYTES = 16 * 1024 * 1024
REQUEST_TIMEOUT_SECONDS = 10  # seconds until the whole request must have arrived
MAX_AUDIT_SECONDS = 6 * 3600 + 60  # seconds, the most that a request may allow
ENVIRONMENT = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL": "C.UTF-8", "HOME": "/root"}


def parse_request(text: bytes) -> Any:
    """Parse a request and check the type and form of every part.

    Returns a dict with the keys REQUEST_KEYS, or RECORD_REQUEST. Raises ValueError with a phrase about the fault.
    """
    if len(text) > MAX_REQUEST_BYTES:
        raise ValueError(f"it is longer than {MAX_REQUEST_BYTES} bytes")
    line, _, following = text.partition(b"\n")
    if following:
        raise ValueError("it is more than a line")
    try:
        request = json.loads(line.decode("ascii"))
    except (ValueError, RecursionError):
        raise ValueError("it is no JSON") from None
    # Either all keys of REQUEST_KEYS, or exactly RECORD_REQUEST. `is True` excludes 1, which equals True.
    if (
        type(request) is not dict
        or request.keys() != REQUEST_KEYS
        and (request.keys() != {"record"} or request["record"] is not True)
    ):
        raise ValueError("it has other keys than a request")
    if "record" in request:
        return request
    for key in ("code", "plan"):
        name = request[key]
        if type(name) is not str or len(name) != 64 or name.strip("0123456789abcdef"):
            raise ValueError(f"{key} is no name of what is stored")
    controls, seconds = request["controls"], request["seconds"]
    are_controls = type(controls) is list and all(type(control) is str and control in CONTROLS for control in controls)
    if not are_controls or len(controls) > len(CONTROLS):
        raise ValueError("controls are none that there are")
    if type(request["gate"]) is not str or request["gate"] not in GATES:
        raise ValueError("gate is none that there is")
    if type(seconds) is not int or not 0 < seconds <= MAX_AUDIT_SECONDS:
        raise ValueError(f"seconds are no number from 1 to {MAX_AUDIT_SECONDS}")
    return request


def read_request() -> bytes:
    """Read standard input to its end, or to the end of a line.

    Reading also stops once the text is longer than a request may be; `parse_request` refuses such a text.
    """
    text = b""
    while len(text) <= MAX_REQUEST_BYTES and b"\n" not in text:
        piece = os.read(0, MAX_REQUEST_BYTES + 1 - len(text))
        if not piece:
            break
        text += piece
    return text


def read_stored_record() -> Mapping[str, object]:
    """Return the record that this host's own scheduled run has stored; {LACKING: True} without a valid record."""
    try:
        with open(
            open_root_file(RECORD_FILE, os.O_NONBLOCK, open_root_file(STATE_DIRECTORY, os.O_DIRECTORY)), "rb"
        ) as stream:
            return {STORED_KEY: json.loads(stream.read(MAX_RECORD_BYTES))}
    except (OSError, ValueError, RecursionError):
        return {LACKING: True}


def observe_host(request: AuditRequest) -> Mapping[str, object]:
    """Observe the host with the stored code and plan that the request names, and return the answer.

    No code and no plan are passed on (b""), so only the parts in the host's cache are used.
    """
    call: ObservationCall = {
        "controls": request["controls"],
        "gate": request["gate"],
        "will_correct": False,
        "probe": False,
        "remember": False,
    }
    return execute_call({"code": request["code"], "plan": request["plan"], "call": call}, b"", b"")


def serve_request() -> Mapping[str, object]:
    """Read the only request of this process from standard input, and return its answer.

    The answer is the record of an observation, or has BUSY_KEY, REFUSED_KEY, STORED_KEY or LACKING.
    """
    # An account that may only run the program cannot open it. So only another audit can have locked it.
    try:
        fcntl.flock(os.open(PROGRAM_PATH, os.O_RDONLY | os.O_NOFOLLOW), fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return {BUSY_KEY: True}
    try:
        audit_request = parse_request(read_request())
    except ValueError as error:
        return {REFUSED_KEY: str(error)}
    if audit_request == RECORD_REQUEST:
        return read_stored_record()
    _signal.alarm(audit_request["seconds"])
    return observe_host(audit_request)


def main() -> None:
    """Answer the request of the calling account.

    Signal settings and environment variables of the caller have no effect.
    """
    if os.getuid() or os.geteuid() or len(sys.argv) > 1:
        sys.exit("this program is run by root, without arguments")
    _signal.signal(_signal.SIGALRM, _signal.SIG_DFL)
    _signal.pthread_sigmask(_signal.SIG_SETMASK, ())
    _signal.alarm(REQUEST_TIMEOUT_SECONDS)
    os.chdir("/")
    os.umask(0o077)
    os.environ.clear()
    os.environ.update(ENVIRONMENT)
    # The alarm stays set, so a caller that does not read the answer cannot hold this process.
    print("\n" + MARK + json.dumps(serve_request()), flush=True)
    os._exit(0)


if __name__ == "__main__":
    main()
