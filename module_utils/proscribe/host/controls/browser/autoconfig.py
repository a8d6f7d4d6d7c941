"""Configuration of Firefox by a script (AutoConfig).

In its sandbox, such a script sets preferences, which override no policy. Firefox ESR and some relatives permit a script
without the sandbox. Such a script may do anything, so it may also undo policies.
"""

from __future__ import annotations

from typing import Sequence

from ...system import ControlError, Host, ObservationError
from .policy_places import PolicyPlace

SANDBOX_PREFERENCE = "general.config.sandbox_enabled"
# Directories of default preferences: below an installation, and those of Debian's packages.
PREFERENCE_DIRECTORIES = ("defaults/pref", "browser/defaults/preferences")
SHARED_DIRECTORIES = ("/etc/firefox/defaults/pref", "/etc/firefox", "/etc/firefox-esr")
MAX_FILE_BYTES = 1024 * 1024


def explain_unsandboxed_script(host: Host, places: Sequence[PolicyPlace]) -> str:
    """Return the reason why policies of installed browsers may have no effect; "" if no script runs unsandboxed.

    Only files in the preference directories of installed Firefox browsers are read. Raises ObservationError.
    """
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
        f"{script_paths[0]} has Firefox run a script without a sandbox ({SANDBOX_PREFERENCE}), which may undo any "
        f"policy"
        if script_paths
        else ""
    )


def _has_unsandboxed_script(host: Host, path: str) -> bool:
    """Return whether a file of default preferences switches the sandbox off. Commented lines do not count."""
    try:
        lines = host.read_head(path, MAX_FILE_BYTES).decode("utf-8", "replace").splitlines()
    except (ControlError, ObservationError):
        return False  # Firefox runs as its user, so it cannot read a file that root cannot read
    return any(SANDBOX_PREFERENCE in line and "false" in line and not line.lstrip().startswith("//") for line in lines)
