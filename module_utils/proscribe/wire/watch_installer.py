"""The program of the watch on a host (docs/watch.md): it loads and runs the code that an enforcing run installed.

An enforcing run installs this program after a part of loader.py, hashing.py and json_text.py. The derived file
program_text.py has all of these texts. The program never runs code whose hash differs from that of the installed code.
It notes such code in the journal, and ends with an error.
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

WATCH_DIRECTORY = "@WATCH@"  # derived/watch_text.py fills in the directory of the watch
CHECKSUM_LENGTH = 8  # hexadecimal digits at the beginning of a cached file
MAX_FILE_BYTES = 16 * 1024 * 1024
MAX_LINE_BYTES = 4096  # bytes of a line of the journal, at most
INSTALL_WAIT_SECONDS = 5  # seconds after which a run that installs the code anew should have finished
PROGRAM_PATHS = "/usr/sbin:/usr/bin:/sbin:/bin"


def read_watch_file(name: str) -> bytes:
    """Read a file of the watch that only root can have written.

    `name` is relative to the directory of the watch. Raises OSError.
    """
    folder, _, base_name = f"{WATCH_DIRECTORY}/{name}".rpartition("/")
    directory = open_root_file(folder, os.O_DIRECTORY)
    # This only checks the parent: an account that can write there could replace the directory.
    open_root_file("..", os.O_DIRECTORY, directory)
    with open(open_root_file(base_name, os.O_NONBLOCK, directory), "rb") as file:
        return file.read(MAX_FILE_BYTES)


def read_installed_code() -> tuple[str, bytes]:
    """Return the hash and the content of the code file, if the hash is that of the installed code.

    The file settings.json has the hash. Raises OSError, and ValueError for another hash.
    """
    code_hash = parse_json(read_watch_file("settings.json"))["files"][f"{WATCH_DIRECTORY}/code"]
    packed = read_watch_file("code")
    if sha256(packed).hexdigest() != code_hash:
        raise ValueError
    return code_hash, packed


def load_modules() -> ModuleFinder:
    """Return the finder for the watch's code, compiled by an earlier start if possible.

    Raises OSError and ValueError.
    """
    code_hash, packed = read_installed_code()
    try:
        cached = memoryview(read_watch_file(f"cache/{code_hash}-{MAGIC_NUMBER.hex()}"))  # so that slices are not copied
        # The checksum detects damage. A hash in the file itself could detect no more, and SHA-256 would take 4 ms.
        if b"%08x" % binascii.crc32(cached[CHECKSUM_LENGTH:]) == cached[:CHECKSUM_LENGTH]:
            return ModuleFinder(marshal.loads(cached[CHECKSUM_LENGTH:]), None)
    except (OSError, ValueError, EOFError, TypeError):
        pass
    import lzma

    return ModuleFinder({}, parse_json(lzma.decompress(packed)))


def report_damaged_file(name: str) -> NoReturn:
    """Write once into the journal that a file is not the installed file, and exit.

    The code that normally writes the journal is not available here.
    """
    moment = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
    event = dump_json({"event": "damaged", "file": f"{WATCH_DIRECTORY}/{name}"})[1:]
    with contextlib.suppress(OSError):
        flags = os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_NOFOLLOW | os.O_NONBLOCK
        journal = os.open(f"{WATCH_DIRECTORY}/../journal.jsonl", flags, 0o600)
        end = os.pread(journal, MAX_LINE_BYTES, max(0, os.fstat(journal).st_size - MAX_LINE_BYTES))
        if not end.endswith(f"{event}\n".encode()):
            begin = "\n" if end and not end.endswith(b"\n") else ""  # the last line was cut short
            os.write(journal, f'{begin}{{"at": "{moment}", {event}\n'.encode())
    sys.exit(
        f"{WATCH_DIRECTORY}/{name} is not what was installed: nothing was run; the next run of the controller repairs "
        f"it"
    )


def require_modules() -> ModuleFinder:
    """Return the finder for the watch's code, or report damaged code and exit.

    Before the report, wait once and try again, because a run may be installing the code anew.
    """
    for is_last_attempt in (False, True):
        try:
            return load_modules()
        except Exception:  # any error means that the code is not the installed code
            if not is_last_attempt:
                time.sleep(INSTALL_WAIT_SECONDS)
    report_damaged_file("code")


def main() -> None:
    """Run the command line of the caller.

    The caller's signal mask and environment variables have no effect on the command.
    """
    if os.getuid() or os.geteuid():
        sys.exit("this program is run by root")
    _signal.pthread_sigmask(_signal.SIG_SETMASK, ())
    if sys.argv[1:] != ["launches"]:  # `launches` is the daemon, which runs on and needs garbage collection
        gc.disable()  # the process ends with its answer, so garbage collection would be wasted time
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
