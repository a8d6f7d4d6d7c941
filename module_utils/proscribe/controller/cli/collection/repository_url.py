"""The URL of the repository with a collection's sources. Galaxy displays it, and refuses a collection without it."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

from ...git import run_git

GIT_TIMEOUT_SECONDS = 20
# Forms of a git remote, over HTTPS and SSH. It may contain a user's name, a password and a port.
_SERVER = r"(?P<server>[a-zA-Z0-9][\w-]*(?:\.[\w-]+)+)"
_PATH = r"/*(?P<path>[\w.~-][\w.~/-]{0,250}?)(?:\.git)?/*"
REMOTE_PATTERNS = (
    re.compile(rf"https://(?:[^/@\s]*@)?{_SERVER}(?P<port>:\d{{1,5}})?/{_PATH}", re.ASCII),
    re.compile(rf"ssh://(?:[^/@\s]*@)?{_SERVER}(?::\d{{1,5}})?/{_PATH}", re.ASCII),
    re.compile(rf"(?:[\w.-]+@)?{_SERVER}:{_PATH}", re.ASCII),
)


def find_repository_url(root: Path) -> str:
    """Return the https URL of the repository from which the checkout `root` was cloned; "" if there is none.

    There is no URL if git fails, or if the remote `origin` is missing or not on a server.
    """
    if not (root / ".git").exists():
        return ""
    try:
        result = run_git(root, "config", "--get", "remote.origin.url", timeout_seconds=GIT_TIMEOUT_SECONDS)
    except (OSError, subprocess.SubprocessError):
        return ""
    return convert_remote_to_url(result.stdout.decode(errors="replace").strip())


def convert_remote_to_url(remote: str) -> str:
    """Convert a git remote to an https URL, without user, password, SSH port and `.git`; "" for another remote."""
    for pattern in REMOTE_PATTERNS:
        if match := pattern.fullmatch(remote):
            parts = match.groupdict(default="")
            return f"https://{parts['server']}{parts.get('port', '')}/{parts['path']}"
    return ""
