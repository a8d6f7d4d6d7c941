"""Throw-away Debian roots with package systems that are not Debian's own: pacman, pip, pipx and npm, all of them real.

The root is made once by mmdebstrap, in about half a minute, and kept in the cache; every test has an overlay over it.
"""

from __future__ import annotations

import io
import json
import os
import shutil
import subprocess
import tarfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from conftest import not_made
from test_apps_real_dpkg import DRIVER, SUITE, Machine, mirror

PACKAGES = ("python3", "python3-pip", "pipx", "npm", "pacman-package-manager")
CHECKS = (
    '--aptopt=Acquire::Check-Valid-Until "false"',
)  # a mirror may be older than sid's lists say they are good for
USERS = {"alice": 71001, "bob": 71002}


def made_root(label: str = "others", packages: tuple[str, ...] = PACKAGES, suite: str = SUITE) -> Path:
    """A root with these packages, from the cache or made now."""
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "proscribe-tests"
    root = cache / f"{suite}-{label}"
    if not root.is_dir():
        cache.mkdir(parents=True, exist_ok=True)
        beside = cache / f"{root.name}.{os.getpid()}"
        beside.mkdir()
        beside.chmod(0o755)
        include = f"--include={','.join(packages)}"
        command = ["mmdebstrap", "--variant=apt", include, "--format=directory", "--quiet", *CHECKS, suite, str(beside)]
        made = subprocess.run([*command, *mirror()], capture_output=True, text=True, check=False)
        if made.returncode:
            shutil.rmtree(beside, ignore_errors=True)
            not_made(suite, made.stderr)
        try:
            beside.rename(root)
        except OSError:  # another run was faster
            shutil.rmtree(beside, ignore_errors=True)
    return root


class TwoUsers(Machine):
    """A throw-away root with two users in it. What a test has made for it is in /debs, whatever it is."""

    def __init__(self, scratch: Path, root: Path, source: Path, made: Path) -> None:
        super().__init__(scratch, root, source, made)
        for name, uid in USERS.items():
            self.sh(
                f"echo '{name}:x:{uid}:{uid}::/home/{name}:/bin/sh' >>/etc/passwd && mkdir -p /home/{name}"
                f" && chown {uid}:{uid} /home/{name} && chmod 700 /home/{name}"
            )

    def verb(self, verb: str, plan: dict[str, Any]) -> Any:
        driver = DRIVER.replace("dpkg_removal", "pacman_removal")  # whose patience is short here
        return json.loads(self.run("python3", "-I", "-S", "-c", driver, verb, input=json.dumps(plan)).stdout)

    def as_user(self, user: str, script: str, check: bool = True) -> subprocess.CompletedProcess[str]:
        uid = str(USERS[user])
        become = ["setpriv", "--reuid", uid, "--regid", uid, "--clear-groups", "env", "-i", "-C", f"/home/{user}"]
        home = [f"HOME=/home/{user}", "PATH=/usr/local/bin:/usr/bin:/bin", "LC_ALL=C.UTF-8"]
        return self.run(*become, *home, "sh", "-c", script, check=check)


def plan(system: str, **names: list[str]) -> dict[str, Any]:
    """A plan that enforces these packages of one package system, by service."""
    services = {
        service: {"name": service, "mode": "enforce", "packages": {system: ids}, "processes": [], "paths": []}
        for service, ids in names.items()
    }
    section = {"mode": "enforce", "services": services, "settings": {}}
    return {"contact": 'it-security@example.org ("$(id)" \'`id`)', "controls": {"apps": section}}


def seen(verdict: Any) -> list[tuple[str, ...]]:
    """The packages of a verdict: manager, id, version, scope, path."""
    keys = ("manager", "id", "version", "scope", "path")
    return [tuple(found[key] for key in keys) for found in verdict["findings"] if found["kind"] == "package"]


def archive(target: Path, files: Mapping[str, str | bytes], mode: int = 0o644) -> None:
    """A compressed tar of root's files, and directories: those whose names end with a slash."""
    with tarfile.open(target, "w:gz") as tar:
        for name, content in files.items():
            data = content.encode() if isinstance(content, str) else content
            member = tarfile.TarInfo(name)
            member.size, member.mode = len(data), 0o755 if isinstance(content, bytes) else mode
            if name.endswith("/"):
                member.type, member.mode = tarfile.DIRTYPE, 0o755
            tar.addfile(member, io.BytesIO(data))
