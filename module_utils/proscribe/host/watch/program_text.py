"""The program of the watch, which an enforcing run installs.

`tests/tool python tests/derived` writes this file: do not edit.
"""

from ..loader_text import MODULES

WATCHING = r"""MYPY = False
if MYPY:
    from hashlib import sha256 as sha256
if not MYPY:
    def _first(names):
        for name in names:
            try:
                return __import__(name).sha256
            except ImportError:
                continue
        raise ImportError(names)
    sha256 = _first(("_sha2", "_sha256", "hashlib"))
BLANKS = " \t\n\r"
_PLAIN = type(
    "Options",
    (),
    {
        "strict": True,
        "object_hook": None,
        "object_pairs_hook": None,
        "parse_float": float,
        "parse_int": int,
        "parse_constant": {"NaN": float("nan"), "Infinity": float("inf"), "-Infinity": float("-inf")}.__getitem__,
    },
)
_scanned = None
_quoted = None
try:
    import _json
    _scanned, _quoted = _json.make_scanner(_PLAIN), _json.encode_basestring_ascii
except ImportError:
    pass
def from_json(text, **options):
    if _scanned and not options:
        try:
            plain = (text if isinstance(text, str) else str(text, "utf-8", "surrogatepass")).strip(BLANKS)
            value, end = _scanned(plain, 0)
            if end == len(plain):
                return value
        except (ValueError, StopIteration):
            pass
    import json
    return json.loads(text, **options)
def to_json(value, **options):
    import json
    return json.dumps(value, **options)
import _signal
import binascii
import contextlib
import gc
import marshal
import os
import sys
import time
from importlib._bootstrap_external import MAGIC_NUMBER
WATCH = "/var/lib/proscribe/watch"
CHECKSUM = 8
LARGEST = 16 * 1024 * 1024
LINE = 4096
PATIENCE = 5
PATHS = "/usr/sbin:/usr/bin:/sbin:/bin"
def content_of(name):
    folder, _, base = f"{WATCH}/{name}".rpartition("/")
    place = opened(folder, os.O_DIRECTORY)
    opened("..", os.O_DIRECTORY, place)
    with open(opened(base, os.O_NONBLOCK, place), "rb") as file:
        return file.read(LARGEST)
def code_named():
    named = from_json(content_of("settings.json"))["files"][f"{WATCH}/code"]
    packed = content_of("code")
    if sha256(packed).hexdigest() != named:
        raise ValueError
    return named, packed
def modules():
    named, packed = code_named()
    try:
        cached = memoryview(content_of(f"cache/{named}-{MAGIC_NUMBER.hex()}"))
        if b"%08x" % binascii.crc32(cached[CHECKSUM:]) == cached[:CHECKSUM]:
            return Modules(marshal.loads(cached[CHECKSUM:]), None)
    except (OSError, ValueError, EOFError, TypeError):
        pass
    import lzma
    return Modules({}, from_json(lzma.decompress(packed)))
def damaged(name):
    at = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
    event = to_json({"event": "damaged", "file": f"{WATCH}/{name}"})[1:]
    with contextlib.suppress(OSError):
        flags = os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_NOFOLLOW | os.O_NONBLOCK
        journal = os.open(f"{WATCH}/../journal.jsonl", flags, 0o600)
        end = os.pread(journal, LINE, max(0, os.fstat(journal).st_size - LINE))
        if not end.endswith(f"{event}\n".encode()):
            begin = "\n" if end and not end.endswith(b"\n") else ""
            os.write(journal, f'{begin}{{"at": "{at}", {event}\n'.encode())
    sys.exit(f"{WATCH}/{name} is not what was installed: nothing was run; the next run of the controller repairs it")
def loaded():
    for last in (False, True):
        try:
            return modules()
        except Exception:
            if not last:
                time.sleep(PATIENCE)
    damaged("code")
def main():
    if os.getuid() or os.geteuid():
        sys.exit("this program is run by root")
    _signal.pthread_sigmask(_signal.SIG_SETMASK, ())
    if sys.argv[1:] != ["launches"]:
        gc.disable()
    os.chdir("/")
    os.umask(0o077)
    by, started_by = os.environ.get("SUDO_USER", "root"), os.environ.get("TRIGGER_UNIT", "")
    os.environ.clear()
    os.environ.update(PATH=PATHS, LC_ALL="C.UTF-8", HOME="/root")
    code = loaded()
    sys.meta_path.insert(0, code)
    from proscribe.host.watch_commands import main as work
    ended = work(sys.argv[1:], by, started_by, code.marshalled)
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(ended)
if __name__ == "__main__":
    main()
"""
WATCH_TEXT = MODULES + WATCHING
