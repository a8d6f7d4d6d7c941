"""The program for audits without root, which an enforcing run installs.

`tests/tool python tests/derived` writes this file: do not edit.
"""

from ..host.loader_text import MODULES
from .bootstrap import STORED

AUDITING = r"""import _signal
import fcntl
import json
import os
import sys
PROGRAM = "/usr/libexec/proscribe/observe"
STATE = "/var/lib/proscribe"
RECORD = "record.json"
BUSY = "busy"
REFUSED = "refused"
STORED = "stored"
CONTROLS = ("apps", "browser", "firewall", "dns")
GATES = ("never", "noncompliant", "incomplete")
KEYS = {"code", "plan", "controls", "gate", "seconds"}
WANTS_RECORD = {"record": True}
MOST = 4096
MOST_RECORD = 16 * 1024 * 1024
PATIENCE = 10
LONGEST = 6 * 3600 + 60
ENVIRONMENT = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL": "C.UTF-8", "HOME": "/root"}
def request(text):
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
def received():
    text = b""
    while len(text) <= MOST and b"\n" not in text:
        piece = os.read(0, MOST + 1 - len(text))
        if not piece:
            break
        text += piece
    return text
def stored_record():
    try:
        with open(opened(RECORD, os.O_NONBLOCK, opened(STATE, os.O_DIRECTORY)), "rb") as stream:
            return {STORED: json.loads(stream.read(MOST_RECORD))}
    except (OSError, ValueError, RecursionError):
        return {LACKING: True}
def observed(given):
    call = {
        "controls": given["controls"],
        "gate": given["gate"],
        "will_correct": False,
        "probe": False,
        "remember": False,
    }
    return answer_to({"code": given["code"], "plan": given["plan"], "call": call}, b"", b"")
def audited():
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
def main():
    if os.getuid() or os.geteuid() or len(sys.argv) > 1:
        sys.exit("this program is run by root, without arguments")
    _signal.signal(_signal.SIGALRM, _signal.SIG_DFL)
    _signal.pthread_sigmask(_signal.SIG_SETMASK, ())
    _signal.alarm(PATIENCE)
    os.chdir("/")
    os.umask(0o077)
    os.environ.clear()
    os.environ.update(ENVIRONMENT)
    print("\n" + MARK + json.dumps(audited()), flush=True)
    os._exit(0)
if __name__ == "__main__":
    main()
"""
AUDIT_TEXT = MODULES + STORED + AUDITING
