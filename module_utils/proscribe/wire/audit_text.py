"""The program for audits without root, which an enforcing run installs: loader.py and stored_audit.py as one text.

`python tests/derived` writes this file: do not edit.
"""

AUDIT_TEXT = r"""import _signal
import marshal
import os
import sys
from importlib._bootstrap_external import MAGIC_NUMBER
from importlib.machinery import ModuleSpec
MARK = "proscribe-answer:"
LACKING = "lacking"
PLACE = "/var/lib/proscribe/observe"
def opened(name, flags, within = None):
    fd = os.open(name, flags | os.O_RDONLY | os.O_NOFOLLOW, dir_fd=within)
    seen = os.fstat(fd)
    if seen.st_uid or seen.st_mode & 0o022:
        raise OSError
    return fd
def load(name):
    try:
        place = opened(PLACE, os.O_DIRECTORY)
        opened("..", os.O_DIRECTORY, place)
        with open(opened(name, os.O_NONBLOCK, place), "rb") as file:
            return marshal.loads(file.read())
    except (OSError, ValueError, EOFError, TypeError):
        return None
def from_json(text):
    import json
    return json.loads(text)
def unpacked(plan):
    import zlib
    return from_json(zlib.decompress(plan))
class Modules:
    def __init__(self, code, sources):
        self.code = code
        self.sources = sources
    def compiled(self, name):
        if name not in self.code:
            code = compile(self.sources["texts"][name], name, "exec", dont_inherit=True)
            self.code[name] = code, name in self.sources["packages"]
        return self.code[name]
    def marshalled(self):
        if not self.sources:
            return None
        for name in self.sources["texts"]:
            self.compiled(name)
        return marshal.dumps({name: (marshal.dumps(code), package) for name, (code, package) in self.code.items()})
    def find_spec(self, name, path = None, target = None):
        if name in self.code or self.sources and name in self.sources["texts"]:
            return ModuleSpec(name, self, origin=name, is_package=self.compiled(name)[1])
        return None
    def create_module(self, spec):
        return None
    def exec_module(self, module):
        code = self.compiled(module.__name__)[0]
        exec(marshal.loads(code) if isinstance(code, bytes) else code, module.__dict__)
def answer_to(head, packed, packed_plan):
    named = f"{head['code']}-{MAGIC_NUMBER.hex()}"
    with_plan = f"{named}-{head['plan']}"
    code = None if packed else load(named)
    stored = None if packed_plan else load(with_plan)
    if code is None and not packed or stored is None and not packed_plan:
        return {LACKING: True}
    sources = None
    if code is None:
        import lzma
        sources = from_json(lzma.decompress(packed))
    plan, follows = stored or (unpacked(packed_plan), {})
    modules = Modules(code or {}, sources)
    sys.meta_path.insert(0, modules)
    from proscribe.host.run import compliance_state
    from proscribe.host.system import Host
    from proscribe.model.plan import known
    if stored is None:
        from proscribe.model.plan_text import whole
        plan = whole(plan)
    host = Host()
    count = len(follows)
    answer = compliance_state(host, known(plan, follows), **head["call"])
    complete = not sources and stored is not None
    if head["call"].get("remember") and "record" in answer and not (complete and len(follows) == count):
        from proscribe.host.cache import keep
        parts = {named: modules.marshalled(), with_plan: marshal.dumps((plan, follows))}
        complete = keep(host, parts)
    return {**answer, "kept": complete}
import _signal
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
