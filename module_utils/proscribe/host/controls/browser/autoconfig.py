"""Firefox' own way of configuration by a script (AutoConfig). In its sandbox such a script sets preferences, and no
policy gives way to these. Without the sandbox, which ESR and some relatives permit, it is code that may do anything.
"""

from __future__ import annotations

from typing import Sequence

from ...system import ControlError, Host, ObservationError
from .places import PolicyPlace

SANDBOX_PREFERENCE = "general.config.sandbox_enabled"
# Where default preferences are: below an installation, and of Debian's packages.
PREFERENCE_DIRECTORIES = ("defaults/pref", "browser/defaults/preferences")
SHARED_DIRECTORIES = ("/etc/firefox/defaults/pref", "/etc/firefox", "/etc/firefox-esr")
MAX_FILE_BYTES = 1024 * 1024  # bytes of a file


def explain_unsandboxed_script(host: Host, places: Sequence[PolicyPlace]) -> str:
    """Why it is unknown what is left of the policies of the installed browsers; "" if it is known. Raises Unseen."""
    folders: dict[str, None] = {}
    for place in places:
        for path in place.paths if place.family == "firefox" else ():
            if host.find_entry(path) is not None:
                installation = host.resolve_link(path).rpartition("/")[0]
                folders.update(
                    dict.fromkeys([*(f"{installation}/{name}" for name in PREFERENCE_DIRECTORIES), *SHARED_DIRECTORIES])
                )
    files = (f"{folder}/{name}" for folder in folders for name in host.list_directory(folder) if name.endswith(".js"))
    script_paths = [path for path in files if _has_unsandboxed_script(host, path)]
    return (
        f"{script_paths[0]} has Firefox run a script without a sandbox ({SANDBOX_PREFERENCE}), which may undo any policy"
        if script_paths
        else ""
    )


def _has_unsandboxed_script(host: Host, path: str) -> bool:
    try:
        lines = host.read_head(path, MAX_FILE_BYTES).decode("utf-8", "replace").splitlines()
    except (ControlError, ObservationError):
        return False  # Firefox, which runs as its user, reads it no more than root does
    return any(SANDBOX_PREFERENCE in line and "false" in line and not line.lstrip().startswith("//") for line in lines)
