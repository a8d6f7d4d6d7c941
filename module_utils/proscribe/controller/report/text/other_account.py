"""The line that runs a program as another account, for root to paste on a host with systemd.

The account controls its program. A program on root's terminal can type into that terminal (TIOCSTI), or stay there and
request a password. So the program runs in a transient service. The service has no terminal, no file of root's but a
pipe, and an end of all its processes. `cat -v` shows control characters as text.
"""

from __future__ import annotations

from collections.abc import Sequence

from .shell_commands import quote_word

TRANSIENT_SERVICE = (
    *("systemd-run", "--quiet", "--pipe", "--wait", "--collect"),
    *("--property=KillSignal=SIGKILL", "--property=RuntimeMaxSec=3600"),
)
NO_TERMINAL_SUFFIX = "</dev/null 2>&1 | cat -v"


def build_line_for_account(account: str, words: Sequence[str]) -> str:
    """Return the command line with which root runs a program as another account of the host."""
    # Double each $, because systemd replaces variables in arguments. Start the program by env: SELinux lets systemd
    # start env, but no program in a home directory.
    program = words if words[:1] == ["env"] else ["env", *words]
    escaped_words = [word.replace("$", "$$") for word in program]
    return (
        f"{' '.join(map(quote_word, [*TRANSIENT_SERVICE, f'--uid={account}', '--', *escaped_words]))} "
        f"{NO_TERMINAL_SUFFIX}"
    )
