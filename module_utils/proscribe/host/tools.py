"""Tools of the host: found in the system's own directories, run with an argument list and never through a shell."""

from __future__ import annotations

import os
from typing import Any, Callable, Mapping, Sequence

from .files import Files
from .words import ControlError, Result, User

TOOL_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
TOOL_ENVIRONMENT = {"PATH": TOOL_PATH, "LC_ALL": "C.UTF-8", "HOME": "/root", "DEBIAN_FRONTEND": "noninteractive"}

Runner = Callable[..., Result]


def run_tool(
    argv: Sequence[str],
    *,
    user: User | None = None,
    stdin: str | None = None,
    environment: Mapping[str, str] | None = None,
    timeout: float = 60,
) -> Result:
    """Run a tool with an argument list, as root or as a user of the host, and return what it answered.

    Raises ControlError when the tool is missing or does not end within `timeout` seconds.
    """
    import subprocess  # a host of which nothing has to be asked does not pay for it

    env = {**TOOL_ENVIRONMENT, **(environment or {})}
    identity: dict[str, Any] = {}
    if user is not None:
        env.update(HOME=user.home, USER=user.name, LOGNAME=user.name)
        identity = {"user": user.uid, "group": user.gid, "extra_groups": [user.gid], "cwd": "/"}
    try:
        done = subprocess.run(
            list(argv),
            input=stdin,
            stdin=None if stdin is not None else subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            env=env,
            timeout=timeout,
            check=False,
            start_new_session=True,
            **identity,
        )
    except FileNotFoundError:
        raise ControlError(f"{argv[0]} is not installed on this host") from None
    except OSError as error:
        raise ControlError(f"{argv[0]} cannot be run: {error.strerror}") from None
    except subprocess.TimeoutExpired:
        raise ControlError(f"{' '.join(argv)} did not end within {timeout:g} s") from None
    return Result(done.returncode, done.stdout, done.stderr)


class Tools(Files):
    """The tools of a host, run by `run`, which tests replace."""

    def __init__(self, root: str = "/", run: Runner = run_tool) -> None:
        super().__init__(root)
        self._run = run

    def tool(self, name: str) -> str | None:
        """Where a tool is on this host, looked for in the system's own directories only; None if it is not there."""
        for directory in TOOL_PATH.split(":"):
            path = f"{directory}/{name}"
            if os.access(self._real(path), os.X_OK):
                return path
        return None

    def run(self, argv: Sequence[str], **options: Any) -> Result:
        """Run a tool of the host; options as for `run_tool`. A non-zero end is the caller's to judge."""
        return self._run(argv, **options)

    def must(self, argv: Sequence[str], **options: Any) -> str:
        """Run a tool that has to succeed, and return its output. Raises ControlError with what it said."""
        result = self.run(argv, **options)
        if result.rc:
            said = " ".join((result.err.strip() or result.out.strip()).split())[-400:]
            raise ControlError(f"{' '.join(argv)} ended with {result.rc}: {said}")
        return result.out
