"""Text of the program `proscribe-request`, for hosts. The compile step puts its hash into plans."""

from __future__ import annotations

from .....base.hashing import sha256
from ....programs import REQUEST
from ....system import WRITTEN_BY

# The file is both a shell script and a Python program. The shell script runs the same file with a Python. For Python,
# the lines of the shell script are a string without effect.
SHELL_HEAD = f"""\
#!/bin/sh
# {WRITTEN_BY}
''':'
for python in /usr/bin/python3 /usr/local/bin/python3 /usr/libexec/platform-python /usr/bin/python3.[0-9]*[0-9]; do
    [ -x "$python" ] && exec "$python" -I -S "$0" "$@"
done
echo 'This needs Python, which this host has not: please contact those who look after it.' >&2
exit 1
:'''
"""


def format_command() -> str:
    """Return the text of the program: the beginning for the shell, then the Python program."""
    return SHELL_HEAD + REQUEST


def hash_command() -> str:
    """Return the SHA-256 of the program, as a plan has it."""
    return sha256(format_command().encode()).hexdigest()
