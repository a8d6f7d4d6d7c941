"""The program of the watch, which an enforcing run installs.

`tests/tool python tests/derived` writes this file: do not edit.
"""

from ..loader_text import MODULES

WATCHING = r"""MYPY = False
if MYPY:
    from hashlib import sha256 as sha256
if not MYPY:
    def _find_sha256(names):
        for name in names:
            try:
                return __import__(name).sha256
            except ImportError:
                continue
        raise ImportError(names)
    sha256 = _find_sha256(("_sha2", "_sha256", "hashlib"))
BLANKS = " \t\n\r"
_SCANNER_OPTIONS = type(
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
_scan_json = None
_quote_text = None
try:
    import _json
    _scan_json, _quote_text = _json.make_scanner(_SCANNER_OPTIONS), _json.encode_basestring_ascii
except ImportError:
    pass
def parse_json(text, **options):
    if _scan_json and not options:
        try:
            stripped_text = (text if isinstance(text, str) else str(text, "utf-8", "surrogatepass")).strip(BLANKS)
            document, end = _scan_json(stripped_text, 0)
            if end == len(stripped_text):
                return document
        except (ValueError, StopIteration):
            pass
    import json
    return json.loads(text, **options)
def dump_json(document, **options):
    import json
    return json.dumps(document, **options)
import _signal
import binascii
import contextlib
import gc
import marshal
import os
import sys
import time
from importlib._bootstrap_external import MAGIC_NUMBER
WATCH_DIRECTORY = "/var/lib/proscribe/watch"
CHECKSUM_LENGTH = 8
MAX_FILE_BYTES = 16 * 1024 * 1024
MAX_LINE_BYTES = 4096
INSTALL_WAIT_SECONDS = 5
PROGRAM_PATHS = "/usr/sbin:/usr/bin:/sbin:/bin"
def read_watch_file(name):
    folder, _, base_name = f"{WATCH_DIRECTORY}/{name}".rpartition("/")
    directory = open_root_file(folder, os.O_DIRECTORY)
    open_root_file("..", os.O_DIRECTORY, directory)
    with open(open_root_file(base_name, os.O_NONBLOCK, directory), "rb") as file:
        return file.read(MAX_FILE_BYTES)
def read_installed_code():
    code_hash = parse_json(read_watch_file("settings.json"))["files"][f"{WATCH_DIRECTORY}/code"]
    packed = read_watch_file("code")
    if sha256(packed).hexdigest() != code_hash:
        raise ValueError
    return code_hash, packed
def load_modules():
    code_hash, packed = read_installed_code()
    try:
        cached = memoryview(read_watch_file(f"cache/{code_hash}-{MAGIC_NUMBER.hex()}"))
        if b"%08x" % binascii.crc32(cached[CHECKSUM_LENGTH:]) == cached[:CHECKSUM_LENGTH]:
            return ModuleFinder(marshal.loads(cached[CHECKSUM_LENGTH:]), None)
    except (OSError, ValueError, EOFError, TypeError):
        pass
    import lzma
    return ModuleFinder({}, parse_json(lzma.decompress(packed)))
def report_damaged_file(name):
    moment = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
    event = dump_json({"event": "damaged", "file": f"{WATCH_DIRECTORY}/{name}"})[1:]
    with contextlib.suppress(OSError):
        flags = os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_NOFOLLOW | os.O_NONBLOCK
        journal = os.open(f"{WATCH_DIRECTORY}/../journal.jsonl", flags, 0o600)
        end = os.pread(journal, MAX_LINE_BYTES, max(0, os.fstat(journal).st_size - MAX_LINE_BYTES))
        if not end.endswith(f"{event}\n".encode()):
            begin = "\n" if end and not end.endswith(b"\n") else ""
            os.write(journal, f'{begin}{{"at": "{moment}", {event}\n'.encode())
    sys.exit(
        f"{WATCH_DIRECTORY}/{name} is not what was installed: nothing was run; the next run of the controller repairs "
        f"it"
    )
def require_modules():
    for is_last_attempt in (False, True):
        try:
            return load_modules()
        except Exception:
            if not is_last_attempt:
                time.sleep(INSTALL_WAIT_SECONDS)
    report_damaged_file("code")
def main():
    if os.getuid() or os.geteuid():
        sys.exit("this program is run by root")
    _signal.pthread_sigmask(_signal.SIG_SETMASK, ())
    if sys.argv[1:] != ["launches"]:
        gc.disable()
    os.chdir("/")
    os.umask(0o077)
    account, started_by = os.environ.get("SUDO_USER", "root"), os.environ.get("TRIGGER_UNIT", "")
    os.environ.clear()
    os.environ.update(PATH=PROGRAM_PATHS, LC_ALL="C.UTF-8", HOME="/root")
    code = require_modules()
    sys.meta_path.insert(0, code)
    from proscribe.host.watch_commands import main as work
    exit_code = work(sys.argv[1:], account, started_by, code.marshal_modules)
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(exit_code)
if __name__ == "__main__":
    main()
"""
WATCH_TEXT = MODULES + WATCHING
