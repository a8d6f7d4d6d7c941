"""A program with a mark of the catalogue, and how a user starts it, so that its path says nothing."""

import contextlib
import os
import shutil
import subprocess
import tempfile
from pathlib import Path

import made_apps as made
from patience import BUSY, until
from proscribe.host.system import Host, Process

MALLORY = 12345
PACKAGE = "github.com/rclone/rclone"
RCLONE = {"markers": {"go": [PACKAGE], "programs": ["rclone"]}}
SLEEP = shutil.which("sleep") or ""
PYTHON = "/usr/bin/python3"  # of the system, which any user may start
CLOCK_NANOSLEEP = "230"  # on x86-64
LOADER = os.path.realpath("/lib64/ld-linux-x86-64.so.2")
AS_USER = ("setpriv", f"--reuid={MALLORY}", f"--regid={MALLORY}", "--clear-groups")

# Each replaces itself by the program `notes` of its directory, or by what has the same content.
BY_DESCRIPTOR = """\
import os
descriptor = os.open("notes", os.O_RDONLY | os.O_CLOEXEC)
os.unlink("notes")
os.execve(descriptor, ["notes", "600"], {})
"""
BY_LINK = """\
import os
os.dup2(os.open("notes", os.O_RDONLY), 9)
os.unlink("notes")
os.execve("/proc/self/fd/9", ["notes", "600"], {})
"""
IN_MEMORY = """\
import fcntl, os
descriptor = os.memfd_create("../usr/bin/true", os.MFD_ALLOW_SEALING | os.MFD_CLOEXEC)
os.write(descriptor, open("notes", "rb").read())
fcntl.fcntl(descriptor, fcntl.F_ADD_SEALS, fcntl.F_SEAL_WRITE | fcntl.F_SEAL_SHRINK | fcntl.F_SEAL_GROW)
os.unlink("notes")
os.execve(descriptor, ["true", "600"], {})
"""
# As an emulator of another processor does it: the program is data to it.
EMULATED = """\
import mmap, sys, time
with open(sys.argv[1], "rb") as stream:
    mapped = mmap.mmap(stream.fileno(), 0, prot=mmap.PROT_READ)
time.sleep(600)
"""
EMULATOR = f"cp {PYTHON} qemu-x86_64; PYTHONHOME=/usr exec ./qemu-x86_64 -Sc '{EMULATED}'"
ATTACKS = {
    "under another name": ["./notes", "600"],
    "by a hard link": ["sh", "-c", "ln notes other; rm notes; exec ./other 600"],
    "a deleted file by its descriptor": [PYTHON, "-ISc", BY_DESCRIPTOR],
    "a deleted file by its link in /proc": [PYTHON, "-ISc", BY_LINK],
    "deleted while it runs": ["sh", "-c", "(sleep 0.2; rm notes) & exec ./notes 600"],
    "replaced while it runs": ["sh", "-c", f"(sleep 0.2; cp {SLEEP} new; mv new notes) & exec ./notes 600"],
    "a file that is called deleted": ["sh", "-c", "mv notes 'notes (deleted)'; exec './notes (deleted)' 600"],
    "a file that its user cannot read": ["sh", "-c", "chmod 111 notes; exec ./notes 600"],
    "a sealed memfd": [PYTHON, "-ISc", IN_MEMORY],
    "through the loader": [LOADER, "./notes", "600"],
    "through the loader, as another": [LOADER, "--argv0", "/usr/bin/true", "./notes", "600"],
    "through the loader, with others": [LOADER, "--preload", "libm.so.6 libdl.so.2", "./notes", "600"],
    "through the loader, as a library": ["sh", "-c", f"mv notes lib.so.1; exec {LOADER} ./lib.so.1 600"],
    "through the loader, deleted": ["sh", "-c", f"(sleep 0.2; rm notes) & exec {LOADER} ./notes 600"],
    "through a copied loader": ["sh", "-c", f"cp {LOADER} mine; exec ./mine ./notes 600"],
    "through an emulator": ["sh", "-c", f"{EMULATOR} notes 600"],
    "on an own file system": [
        *("unshare", "-Urm", "sh", "-c"),
        "mkdir m; mount -t tmpfs none m; cp notes m; rm notes; exec m/notes 600",
    ],
    "over another program": [
        *("unshare", "-Urm", "sh", "-c"),
        "mount --bind notes /usr/bin/true; exec /usr/bin/true 600",
    ],
}


def may():
    """Return whether a user can start all of these here."""
    tools = (
        os.geteuid() == 0 and SLEEP and os.path.exists(LOADER) and os.path.exists(PYTHON) and shutil.which("setpriv")
    )
    unshares = [*AS_USER, "unshare", "-Urm", "true"]
    return bool(tools) and not subprocess.run(unshares, capture_output=True, check=False).returncode


@contextlib.contextmanager
def place_of_user(package=PACKAGE):
    """Make a directory of the user's with the program, which is called `notes`."""
    with tempfile.TemporaryDirectory(dir="/var/tmp") as directory:
        notes = Path(directory, "notes")
        notes.write_bytes(made.marked(Path(SLEEP).read_bytes(), package))
        for path in (Path(directory), notes):
            os.chown(path, MALLORY, MALLORY)
            path.chmod(0o755)
        yield Path(directory)


@contextlib.contextmanager
def started(place, command):
    """Run a command of the user's in a directory until it is what it is to be. End it with all that it has started."""
    process = subprocess.Popen([*AS_USER, *command], cwd=place, start_new_session=True)
    try:
        until(lambda: is_asleep(process.pid), BUSY)
        seen = Host().find_process(process.pid)
        assert seen is not None
        yield seen
    finally:
        os.killpg(process.pid, 9)
        process.wait()


def is_asleep(pid):
    """Return whether a process has become the program, and all that was to happen beside it has happened."""
    words = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
    calls = Path(f"/proc/{pid}/syscall").read_text().split()[:1]
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    done = all(Host().read_process_state(Process(int(child), "")) == "Z" for child in children)
    return words[-2:] == [b"600", b""] and calls == [CLOCK_NANOSLEEP] and done
