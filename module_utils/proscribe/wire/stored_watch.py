"""The program of the watch on a host (docs/watch.md): it loads the code that a run left there, and runs that.

An enforcing run installs it behind a part of loader.py, hashing.py and json_text.py (render_program.py is all of them,
derived). Code that is not what was installed, by its hash, is not run; that is written into the journal, and is this
process's error.
"""

from __future__ import annotations

import _signal  # type: ignore[import-not-found]
import binascii
import contextlib
import gc
import marshal
import os
import sys
import time
from importlib._bootstrap_external import MAGIC_NUMBER
from typing import Any, NoReturn

from ..base.hashing import sha256
from ..base.json_text import dump_json, parse_json
from .loader import ModuleFinder, open_root_file

WATCH_DIRECTORY = "@WATCH@"  # watch.files.PLACE; derived/watch_text.py fills it in
CHECKSUM_LENGTH = 8  # hexadecimal digits, which a cached file begins with
MAX_FILE_BYTES = 16 * 1024 * 1024  # bytes
MAX_LINE_BYTES = 4096  # bytes of a line of the journal, at most
INSTALL_WAIT_SECONDS = 5  # seconds in which a run that installs it anew is expected to have done so
PROGRAM_PATHS = "/usr/sbin:/usr/bin:/sbin:/bin"


def read_watch_file(name: str) -> bytes:
    """A file of the watch, which nobody but root can have written. Raises OSError."""
    folder, _, base_name = f"{WATCH_DIRECTORY}/{name}".rpartition("/")
    directory = open_root_file(folder, os.O_DIRECTORY)
    open_root_file("..", os.O_DIRECTORY, directory)
    with open(open_root_file(base_name, os.O_NONBLOCK, directory), "rb") as file:
        return file.read(MAX_FILE_BYTES)


def read_installed_code() -> tuple[str, bytes]:
    """The code, and its hash, which is the one that was installed. Raises OSError and ValueError."""
    code_hash = parse_json(read_watch_file("settings.json"))["files"][f"{WATCH_DIRECTORY}/code"]
    packed = read_watch_file("code")
    if sha256(packed).hexdigest() != code_hash:
        raise ValueError
    return code_hash, packed


def load_modules() -> ModuleFinder:
    """The code, compiled by an earlier start where there was one. Raises OSError and ValueError."""
    code_hash, packed = read_installed_code()
    try:
        cached = memoryview(read_watch_file(f"cache/{code_hash}-{MAGIC_NUMBER.hex()}"))  # of which no part is copied
        # Against damage. More than that no hash in the file itself is good for, and SHA-256 of all of it takes 4 ms.
        if b"%08x" % binascii.crc32(cached[CHECKSUM_LENGTH:]) == cached[:CHECKSUM_LENGTH]:
            return ModuleFinder(marshal.loads(cached[CHECKSUM_LENGTH:]), None)
    except (OSError, ValueError, EOFError, TypeError):
        pass
    import lzma

    return ModuleFinder({}, parse_json(lzma.decompress(packed)))


def report_damaged_file(name: str) -> NoReturn:
    """Write down that a file is not what was installed, once, without the code that would do it, and end."""
    moment = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
    event = dump_json({"event": "damaged", "file": f"{WATCH_DIRECTORY}/{name}"})[1:]
    with contextlib.suppress(OSError):
        flags = os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_NOFOLLOW | os.O_NONBLOCK
        journal = os.open(f"{WATCH_DIRECTORY}/../journal.jsonl", flags, 0o600)
        end = os.pread(journal, MAX_LINE_BYTES, max(0, os.fstat(journal).st_size - MAX_LINE_BYTES))
        if not end.endswith(f"{event}\n".encode()):
            begin = "\n" if end and not end.endswith(b"\n") else ""  # the last line is half
            os.write(journal, f'{begin}{{"at": "{moment}", {event}\n'.encode())
    sys.exit(
        f"{WATCH_DIRECTORY}/{name} is not what was installed: nothing was run; the next run of the controller repairs it"
    )


def require_modules() -> ModuleFinder:
    for is_last_attempt in (False, True):
        try:
            return load_modules()
        except Exception:  # whatever it is, it is not what was installed
            if not is_last_attempt:
                time.sleep(INSTALL_WAIT_SECONDS)
    report_damaged_file("code")


def main() -> None:
    """Do what the caller asks for. What it left behind in the process (signals, environment) has no effect."""
    if os.getuid() or os.geteuid():
        sys.exit("this program is run by root")
    _signal.pthread_sigmask(_signal.SIG_SETMASK, ())
    if sys.argv[1:] != ["launches"]:
        gc.disable()  # nothing is collected in a process that ends with its answer
    os.chdir("/")
    os.umask(0o077)
    account, started_by = os.environ.get("SUDO_USER", "root"), os.environ.get("TRIGGER_UNIT", "")
    os.environ.clear()
    os.environ.update(PATH=PROGRAM_PATHS, LC_ALL="C.UTF-8", HOME="/root")
    code: Any = require_modules()
    sys.meta_path.insert(0, code)
    from ..host.watch_commands import main as work

    exit_code = work(sys.argv[1:], account, started_by, code.marshal_modules)
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(exit_code)


if __name__ == "__main__":
    main()
