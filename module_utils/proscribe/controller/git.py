"""Git commands on a repository that may be untrusted.

The commands fetch nothing, and run no hook and no file system monitor of the repository.
"""

from __future__ import annotations

import os
import subprocess
from collections.abc import Mapping
from pathlib import Path


def run_git(
    directory: Path,
    *arguments: str,
    timeout_seconds: float,
    without_configuration: bool = False,
    input_bytes: bytes = b"",
    extra_environment: Mapping[str, str] | None = None,
) -> subprocess.CompletedProcess[bytes]:
    """Run git in a directory with `input_bytes` as standard input and additional environment variables.

    Raises OSError if git is missing, and subprocess.TimeoutExpired after the timeout. With `without_configuration`, git
    ignores the configuration of this account and machine. By default git reads that configuration, because it lists the
    repositories that this account may read. If this process was started by git (for example by a hook), git's variables
    are removed. They would lead to another repository.
    """
    environment = {name: text for name, text in os.environ.items() if not name.startswith(("GIT_", "SSH_ASKPASS"))}
    environment.update(
        LC_ALL="C",
        GIT_ALLOW_PROTOCOL="none",  # nothing is fetched, in spite of protocol.*.allow in the repository
        GIT_NO_LAZY_FETCH="1",
        GIT_NO_REPLACE_OBJECTS="1",
        GIT_GRAFT_FILE=os.devnull,
        GIT_TERMINAL_PROMPT="0",
        GIT_OPTIONAL_LOCKS="0",
        GIT_ATTR_NOSYSTEM="1",
    )
    if without_configuration:
        environment.update(GIT_CONFIG_NOSYSTEM="1", GIT_CONFIG_GLOBAL=os.devnull)
    environment.update(extra_environment or {})
    settings = ("core.fsmonitor=false", f"core.hooksPath={os.devnull}", "gc.auto=0")
    argv = ["git", *(argument for setting in settings for argument in ("-c", setting)), *arguments]
    return subprocess.run(
        argv, cwd=directory, env=environment, input=input_bytes, capture_output=True, timeout=timeout_seconds
    )
