"""Runs the commands of a document one after the other, as one shell would, and compares what they print."""

import os
import re
import secrets
import shlex
import subprocess
import threading
from typing import NamedTuple

from doc_not_run import without_comment
from patience import LONGEST

# What of an output is another thing each time, and what it is compared as. What is behind `...` was left out.
CHANGING = (
    (re.compile(r"\b\d{8}T\d{6}Z-[a-z]+-[0-9a-f]{4}\b"), "RUN"),
    (re.compile(r"\b([a-z_]+)-[0-9a-f]{8}\b"), r"\1-ID"),
    (re.compile(r"\b[0-9a-f]{12,}\b"), "HASH"),
    (re.compile(r"SHA256:[\w+/]+"), "SHA256:"),
    (re.compile(r"\b(Mon|Tue|Wed|Thu|Fri|Sat|Sun)\b"), "DAY"),
    (re.compile(r"\b\d+(?:h|min|s)(?: \d+(?:min|s|ms))?\b"), "SPAN"),  # systemd's: 16h, and 3h 40min below five hours
    (re.compile(r"\d+"), "0"),
    (re.compile(r"\s+"), " "),
)


class Ended(NamedTuple):
    code: int
    printed: str


class DocShell:
    def __init__(self, argv):
        self._mark = secrets.token_hex(8)
        self._code = 0
        options = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.STDOUT}
        options |= {"text": True, "errors": "replace", "env": {**os.environ, "PODMAN_IGNORE_CGROUPSV1_WARNING": "1"}}
        self._bash = subprocess.Popen([*argv, "bash", "--norc", "--noprofile"], **options)
        # What runs the shell elsewhere (podman exec) may hand on two streams in another order than they were written.
        self._bash.stdin.write("exec 2>&1\n")
        self._bash.stdin.flush()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self._bash.kill()
        self._bash.wait()

    def run(self, text):
        """Run a line, with `$?` of the one before. One that does not end is ended with the shell."""
        line = f"(exit {self._code}); eval {shlex.quote(text)} </dev/null; printf '\\n%s %d\\n' {self._mark} $?\n"
        self._bash.stdin.write(line)
        self._bash.stdin.flush()
        printed = []
        limit = threading.Timer(LONGEST, self._bash.kill)
        limit.start()
        try:
            for line_printed in self._bash.stdout:
                if line_printed.startswith(self._mark):
                    self._code = int(line_printed.split()[1])
                    return Ended(self._code, "".join(printed).removesuffix("\n"))
                printed.append(line_printed)
        finally:
            limit.cancel()
        raise AssertionError(f"{text}: the shell ended, or was ended after {LONGEST} s\n{''.join(printed)}")


def written(file):
    name = shlex.quote(file.name)
    return f'mkdir -p "$(dirname {name})" && printf %s {shlex.quote(file.content)} >{name}'


def codes(commands, known):
    """Each command with the code that it has to end with: what the next `echo $?` prints, what is `known`, else 0."""
    for command, following in zip(commands, [*commands[1:], None], strict=True):
        shown = following is not None and following.text == "echo $?" and following.output
        yield command, int(following.output[0]) if following and shown else known.get(without_comment(command.text), 0)


def missing(documented, printed):
    """The lines of a documented output that were not printed. Times, ids and numbers may be others."""
    real = _alike(printed)
    return [line for line in documented if not all(_alike(part).strip() in real for part in line.split("..."))]


def _alike(text):
    for changing, placeholder in CHANGING:
        text = changing.sub(placeholder, text)
    return text
