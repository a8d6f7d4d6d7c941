"""Throw-away Debian roots with real package systems that are not Debian's own; each test has an overlay over them."""

import contextlib
import io
import os
import pty
import re
import select
import subprocess
import tarfile

from conftest import layers
from made_plans import make_plan
from patience import LONGEST
from test_apps_real_dpkg import SOURCE, Machine

QUIET = 0.5  # seconds without output after which a program waits for an answer
USERS = {"alice": 71001, "bob": 71002}


class TwoUsers(Machine):
    """A throw-away root with two users in it. What a test has made for it is in /debs, whatever it is."""

    module = "pacman_removal"

    def __init__(self, scratch, root, source, made):
        super().__init__(scratch, root, source, made)
        for name, uid in USERS.items():
            self.sh(
                f"echo '{name}:x:{uid}:{uid}::/home/{name}:/bin/sh' >>/etc/passwd && mkdir -p /home/{name}"
                f" && chown {uid}:{uid} /home/{name} && chmod 700 /home/{name}"
            )

    def as_user(self, user, script, check=True):
        home = [f"HOME=/home/{user}", "PATH=/usr/local/bin:/usr/bin:/bin", "LC_ALL=C.UTF-8"]
        return self.run(*become(user), "env", "-i", "-C", f"/home/{user}", *home, "sh", "-c", script, check=check)


def become(user):
    """Return what to put before a command that runs as a user."""
    return ["setpriv", "--reuid", str(USERS[user]), "--regid", str(USERS[user]), "--clear-groups"]


def pasted(argv):
    """Run a command at a terminal, and answer each question with y: zypper and flatpak ask nobody elsewhere."""
    screen, terminal = pty.openpty()
    controlled = ["setsid", "--ctty", "--wait", *argv]  # zypper asks at /dev/tty
    process = subprocess.Popen(controlled, stdin=terminal, stdout=terminal, stderr=terminal)
    os.close(terminal)
    said = b""
    while True:
        plain = re.sub(rb"\x1b\[[0-9;?]*[A-Za-z]", b"", said)  # without colours
        has_question = re.search(rb"\[[yY]/[nN][^\n]*$", plain)
        if not select.select([screen], [], [], QUIET if has_question else LONGEST)[0]:
            if not has_question:
                break
            # pacman drops what was typed before it reads the answer, so the answer comes when the screen is quiet.
            os.write(screen, b"y\n")
        try:
            said += (more := os.read(screen, 4096))
        except OSError:  # nobody has the terminal any more
            break
        if not more:
            break
    os.close(screen)
    assert process.wait(timeout=LONGEST) == 0, said.decode("utf-8", "replace")


@contextlib.contextmanager
def two_users(scratch, made, root="trixie-systems"):
    """One of the tests' roots, with what a test has made for it."""
    machine = TwoUsers(scratch, layers(root), SOURCE, made)
    try:
        yield machine
    finally:
        machine.stop()


def plan(system, **names):
    services = {service: {"packages": {system: ids}} for service, ids in names.items()}
    return make_plan("apps", services, contact='it-security@example.org ("$(id)" \'`id`)')


def seen(verdict):
    """The packages of a verdict: manager, id, version, scope, path."""
    keys = ("manager", "id", "version", "scope", "path")
    return [tuple(found[key] for key in keys) for found in verdict["findings"] if found["kind"] == "package"]


def archive(target, files, mode=0o644):
    """A compressed tar of root's files, and directories: those whose names end with a slash."""
    with tarfile.open(target, "w:gz") as tar:
        for name, content in files.items():
            data = content.encode() if isinstance(content, str) else content
            member = tarfile.TarInfo(name)
            member.size, member.mode = len(data), 0o755 if isinstance(content, bytes) else mode
            if name.endswith("/"):
                member.type, member.mode = tarfile.DIRTYPE, 0o755
            tar.addfile(member, io.BytesIO(data))
