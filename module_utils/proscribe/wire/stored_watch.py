"""The program of the watch on a host (docs/watch.md): it loads the code that a run left there, and runs that.

An enforcing run installs it behind a part of loader.py, hashing.py and json_text.py (program_text.py is all of them,
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
from ..base.json_text import from_json, to_json
from .loader import Modules, opened

WATCH = "@WATCH@"  # watch.files.PLACE; derived/watch_text.py fills it in
CHECKSUM = 8  # hexadecimal digits, which a cached file begins with
LARGEST = 16 * 1024 * 1024  # bytes
LINE = 4096  # bytes of a line of the journal, at most
PATIENCE = 5  # seconds in which a run that installs it anew is expected to have done so
PATHS = "/usr/sbin:/usr/bin:/sbin:/bin"


def content_of(name: str) -> bytes:
    """A file of the watch, which nobody but root can have written. Raises OSError."""
    folder, _, base = f"{WATCH}/{name}".rpartition("/")
    place = opened(folder, os.O_DIRECTORY)
    opened("..", os.O_DIRECTORY, place)
    with open(opened(base, os.O_NONBLOCK, place), "rb") as file:
        return file.read(LARGEST)


def code_named() -> tuple[str, bytes]:
    """The code, and its hash, which is the one that was installed. Raises OSError and ValueError."""
    named = from_json(content_of("settings.json"))["files"][f"{WATCH}/code"]
    packed = content_of("code")
    if sha256(packed).hexdigest() != named:
        raise ValueError
    return named, packed


def modules() -> Modules:
    """The code, compiled by an earlier start where there was one. Raises OSError and ValueError."""
    named, packed = code_named()
    try:
        cached = memoryview(content_of(f"cache/{named}-{MAGIC_NUMBER.hex()}"))  # of which no part is copied
        # Against damage. More than that no hash in the file itself is good for, and SHA-256 of all of it takes 4 ms.
        if b"%08x" % binascii.crc32(cached[CHECKSUM:]) == cached[:CHECKSUM]:
            return Modules(marshal.loads(cached[CHECKSUM:]), None)
    except (OSError, ValueError, EOFError, TypeError):
        pass
    import lzma

    return Modules({}, from_json(lzma.decompress(packed)))


def damaged(name: str) -> NoReturn:
    """Write down that a file is not what was installed, once, without the code that would do it, and end."""
    at = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
    event = to_json({"event": "damaged", "file": f"{WATCH}/{name}"})[1:]
    with contextlib.suppress(OSError):
        flags = os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_NOFOLLOW | os.O_NONBLOCK
        journal = os.open(f"{WATCH}/../journal.jsonl", flags, 0o600)
        end = os.pread(journal, LINE, max(0, os.fstat(journal).st_size - LINE))
        if not end.endswith(f"{event}\n".encode()):
            begin = "\n" if end and not end.endswith(b"\n") else ""  # the last line is half
            os.write(journal, f'{begin}{{"at": "{at}", {event}\n'.encode())
    sys.exit(f"{WATCH}/{name} is not what was installed: nothing was run; the next run of the controller repairs it")


def loaded() -> Modules:
    for last in (False, True):
        try:
            return modules()
        except Exception:  # whatever it is, it is not what was installed
            if not last:
                time.sleep(PATIENCE)
    damaged("code")


def main() -> None:
    """Do what the caller asks for. What it left behind in the process (signals, environment) has no effect."""
    if os.getuid() or os.geteuid():
        sys.exit("this program is run by root")
    _signal.pthread_sigmask(_signal.SIG_SETMASK, ())
    if sys.argv[1:] != ["launches"]:
        gc.disable()  # nothing is collected in a process that ends with its answer
    os.chdir("/")
    os.umask(0o077)
    by, started_by = os.environ.get("SUDO_USER", "root"), os.environ.get("TRIGGER_UNIT", "")
    os.environ.clear()
    os.environ.update(PATH=PATHS, LC_ALL="C.UTF-8", HOME="/root")
    code: Any = loaded()
    sys.meta_path.insert(0, code)
    from ..host.watch_commands import main as work

    ended = work(sys.argv[1:], by, started_by, code.marshalled)
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(ended)


if __name__ == "__main__":
    main()
