"""Address of a collection's sources. Galaxy displays it, and refuses a collection without it."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

from ...git import run_git

GIT_TIMEOUT_SECONDS = 20
# Remotes of git, over HTTPS and SSH. They may contain a user's name and password, and with SSH a port.
_SERVER = r"(?P<server>[a-zA-Z0-9][\w-]*(?:\.[\w-]+)+)"
_PATH = r"/*(?P<path>[\w.~-][\w.~/-]{0,250}?)(?:\.git)?/*"
REMOTE_PATTERNS = (
    re.compile(rf"https://(?:[^/@\s]*@)?{_SERVER}(?P<port>:\d{{1,5}})?/{_PATH}", re.ASCII),
    re.compile(rf"ssh://(?:[^/@\s]*@)?{_SERVER}(?::\d{{1,5}})?/{_PATH}", re.ASCII),
    re.compile(rf"(?:[\w.-]+@)?{_SERVER}:{_PATH}", re.ASCII),
)


def find_repository_url(root: Path) -> str:
    """Return the https address of the repository from which a checkout was cloned; "" if it is on no server."""
    if not (root / ".git").exists():
        return ""
    try:
        result = run_git(root, "config", "--get", "remote.origin.url", timeout_seconds=GIT_TIMEOUT_SECONDS)
    except (OSError, subprocess.SubprocessError):
        return ""
    return convert_remote_to_url(result.stdout.decode(errors="replace").strip())


def convert_remote_to_url(remote: str) -> str:
    """Return the https address of a git remote, without name, password and `.git`; "" if it has none."""
    for pattern in REMOTE_PATTERNS:
        if match := pattern.fullmatch(remote):
            parts = match.groupdict(default="")
            return f"https://{parts['server']}{parts.get('port', '')}/{parts['path']}"
    return ""
