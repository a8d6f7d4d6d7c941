"""The text of `proscribe-request`, which only enforcing needs, and the compiler, which names it by its hash."""

from __future__ import annotations

from .....base.hashing import sha256
from ....programs import REQUEST
from ....system import WRITTEN_BY

# The file is a program for sh, which runs the same file with a Python; to Python the lines for sh are a text.
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
    """The whole file."""
    return SHELL_HEAD + REQUEST


def hash_command() -> str:
    """Its SHA-256, as a plan has it."""
    return sha256(format_command().encode()).hexdigest()
