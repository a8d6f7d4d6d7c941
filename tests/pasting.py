"""A shell at a terminal, into which commands are pasted; and programs in their place that note what reached them."""

import fcntl
import json
import os
import pty
import re
import shlex
import shutil
import signal
import struct
import sys
import termios
from pathlib import Path

from patience import BUSY, until

# Notes how it was called, one JSON line each time. Shell and Python read it: a first line takes no path with blanks.
RECORDER = """#!/bin/sh
''':'
exec {python} "$0" "$@"
'''
import json, os, sys
with open({log!r}, "a") as log:
    log.write(json.dumps([sys.argv[0], sys.argv[1:], os.getcwd()]) + "\\n")
"""
SHELLS = {"bash": ["bash", "--norc", "--noprofile", "-i"], "zsh": ["zsh", "-f", "-i"], "sh": ["sh", "-i"]}
SHELLS = {name: argv for name, argv in SHELLS.items() if shutil.which(name)}

# A line that begins with a command: what may stand before the program, and the program.
COMMAND = re.compile(
    r"^(?:cd (?:\S|'[^']*')+ && )?(?:sudo )?(?:env (?:[A-Z_]+=(?:\S|'[^']*')* )+)?(?:sh )?"
    r"\S*(?:proscribe|ansible-playbook)'? "
)


def recorder(path, log):
    """A program at that path that notes how it is called."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(RECORDER.format(python=shlex.quote(sys.executable), log=str(log)))
    path.chmod(0o755)
    return path


def recorded(log):
    """How the recorders were called: program, arguments, directory."""
    lines = log.read_text().splitlines() if log.exists() else []
    return [tuple(json.loads(line)) for line in lines]


def commands(screen):
    """The commands on a screen, each as the line that somebody selects."""
    return [line.strip() for line in screen.splitlines() if COMMAND.match(line.strip())]


class Shell:
    """An interactive shell at a terminal of so many columns."""

    def __init__(self, name, columns, cwd, environment):
        self._marks = 0
        self._heard = b""
        self._done = cwd / f".done-{name}-{columns}"
        self.pid, self._terminal = pty.fork()
        if self.pid == 0:
            os.chdir(cwd)
            os.execvpe(SHELLS[name][0], SHELLS[name], {**environment, "TERM": "dumb", "PWD": str(cwd)})
        fcntl.ioctl(self._terminal, termios.TIOCSWINSZ, struct.pack("HHHH", 40, columns, 0, 0))
        os.set_blocking(self._terminal, False)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        os.kill(self.pid, signal.SIGKILL)
        os.waitpid(self.pid, 0)
        os.close(self._terminal)

    def paste(self, text):
        """Paste a text, press Enter, and wait until the shell is through with it."""
        self._marks += 1
        mark = Path(f"{self._done}.{self._marks}")
        self._type(f"{text}\n")
        self._type(f": >{shlex.quote(str(mark))}\n")
        until(lambda: self._listen() or mark.exists(), BUSY)

    def _type(self, text):
        left = text.encode()
        while left:
            self._listen()
            try:
                left = left[os.write(self._terminal, left) :]
            except BlockingIOError:
                continue

    def _listen(self):
        """Take what the shell prints, so that it never waits for a reader."""
        try:
            self._heard += os.read(self._terminal, 65536)
        except (BlockingIOError, OSError):
            return
