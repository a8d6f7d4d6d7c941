"""Files of the watch on a host, with hashes that prove at each start that a run installed them.

`settings.json` names the files, and is written last. The hashes protect against damage, half-written files and careless
edits. Root can write new hashes. That is why a run compares the program and the code with its own (`release`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Mapping

from ....base.hashing import sha256
from ....base.json_text import dump_json, format_json, parse_json
from ....base.named_tuple import NamedTuple
from ....base.timestamps import is_timestamp
from ...system import STATE_DIRECTORY, ControlError, Host, ObservationError

if TYPE_CHECKING:
    from ....model.types.watch import LastObservation

WATCH_DIRECTORY = f"{STATE_DIRECTORY}/watch"
PROGRAM_PATH = "/usr/libexec/proscribe/watch"
COMMAND_PATH = "/usr/sbin/proscribe-watch"  # link to the program, for people
CODE_PATH = f"{WATCH_DIRECTORY}/code"
PLANS_DIRECTORY = f"{WATCH_DIRECTORY}/plans"
CACHE_DIRECTORY = f"{WATCH_DIRECTORY}/cache"
SETTINGS_PATH = f"{WATCH_DIRECTORY}/settings.json"
RENEWED_PATH = f"{WATCH_DIRECTORY}/renewed"
CLOCK_PATH = f"{WATCH_DIRECTORY}/clock"
FROZEN_PATH = f"{WATCH_DIRECTORY}/frozen"
RESERVATIONS_PATH = f"{WATCH_DIRECTORY}/reservations.json"
STATE_PATH = f"{WATCH_DIRECTORY}/state.json"
RECORD_PATH = f"{STATE_DIRECTORY}/record.json"  # the pull schedule writes it too, for `./proscribe collect`

PROGRAM_MODE, PRIVATE_MODE = 0o700, 0o600  # of programs, and of all other files
MAX_FILE_BYTES = 16 * 1024 * 1024  # of the code, or of a plan
MAX_OWN_FILE_BYTES = 256 * 1024  # of the other files
MAX_PLANS = 64  # the plan and its successors; the controller compiles at most half as many


class DamagedFileError(Exception):
    """Defect of a file of the watch, which is not as installed: the path, and the defect in words."""

    def __init__(self, file: str, defect: str) -> None:
        super().__init__(f"{file}: {defect}")
        self.file, self.defect = file, defect


class WatchSettings(NamedTuple):
    """Content of `settings.json`."""

    release: str  # name of the program and the code, as the controller computes it
    every: int  # seconds
    max_age: int  # seconds
    plan: str  # the digest of the first plan
    chain: tuple[tuple[str, str], ...]  # (moment, digest) of the successors, in order
    files: Mapping[str, str]  # SHA-256 by path

    def find_digest_in_effect(self, now: str) -> str:
        """Return the digest of the plan that is in effect at the moment `now`."""
        return [self.plan, *(plan for moment, plan in self.chain if moment <= now)][-1]

    def list_digests(self) -> list[str]:
        """Return the digests of all plans."""
        return [self.plan, *(plan for _, plan in self.chain)]


def read_settings(host: Host) -> WatchSettings | None:
    """Return the settings; None if the watch is not installed.

    Raises DamagedFileError, and ObservationError without the right to read them.
    """
    content = read_watch_file(host, SETTINGS_PATH, MAX_OWN_FILE_BYTES)
    if content is None:
        return None
    entries = parse_mapping(content)
    chain = entries.get("chain")
    files = entries.get("files")
    is_valid = (
        all(type(entries.get(key)) is str for key in ("release", "plan"))
        and all(type(entries.get(key)) is int and entries[key] > 0 for key in ("every", "max_age"))
        and type(chain) is list
        and len(chain) < MAX_PLANS
        and all(
            type(entry) is dict and is_timestamp(entry.get("at")) and type(entry.get("plan")) is str for entry in chain
        )
        and type(files) is dict
        and all(type(entry) is str for entry in files.values())
    )
    if not is_valid:
        raise DamagedFileError(SETTINGS_PATH, "is not what was installed")
    successors = tuple((entry["at"], entry["plan"]) for entry in entries["chain"])
    return WatchSettings(
        entries["release"], entries["every"], entries["max_age"], entries["plan"], successors, entries["files"]
    )


def format_settings(settings: WatchSettings) -> str:
    """Return the text of `settings.json`."""
    entries = {
        **settings._asdict(),
        "chain": [{"at": moment, "plan": plan} for moment, plan in settings.chain],
        "files": dict(settings.files),
    }
    return dump_json(entries, indent=1, sort_keys=True) + "\n"


def identify_settings(settings: WatchSettings) -> str:
    """Return a hash of the settings with their plans and files, so that the daemon's can be compared."""
    return hash_content(format_json([*settings[:-1], sorted(settings.files.items())]).encode())


def parse_mapping(content: bytes) -> Any:
    """Return the mapping in JSON that only root can have written; {} for any other content."""
    try:
        mapping = parse_json(content.decode("utf-8"))
    except (ValueError, RecursionError):
        return {}
    return mapping if type(mapping) is dict else {}


def read_watch_file(host: Host, path: str, limit: int = MAX_FILE_BYTES) -> bytes | None:
    """Return the content of a file of the watch; None if there is none. Raises DamagedFileError, ObservationError.

    A file is damaged if others than root can write it, if it is no regular file, or if it is too large.
    """
    try:
        status = host.find_entry(path)
        if status is None:
            return None
        if host.privileged and host.describe_write_access(path, status):
            raise DamagedFileError(path, "others than root can write it")
        return host.read_file(path, limit)
    except ControlError as error:
        raise DamagedFileError(path, str(error)) from None


def hash_content(content: bytes) -> str:
    """Return the SHA-256 of a content, as in the settings."""
    return str(sha256(content).hexdigest())


def require_intact_file(host: Host, settings: WatchSettings, path: str) -> bytes:
    """Return the content of a file that is as installed. Raises DamagedFileError and ObservationError."""
    content = read_watch_file(host, path)
    if content is None:
        raise DamagedFileError(path, "is missing")
    if hash_content(content) != settings.files.get(path):
        raise DamagedFileError(path, "is not what was installed")
    return content


def make_plan_path(digest: str) -> str:
    """Return the path of the plan with this digest."""
    return f"{PLANS_DIRECTORY}/{digest.rpartition(':')[2]}.json"


def read_renewal_time(host: Host) -> str | None:
    """Return the time when a run last confirmed the plan; None if unknown."""
    return _read_moment(host, RENEWED_PATH)


def read_clock_mark(host: Host) -> str | None:
    """Return the latest time that this host has seen; None if unknown."""
    return _read_moment(host, CLOCK_PATH)


def _read_moment(host: Host, path: str) -> str | None:
    try:
        content = read_watch_file(host, path, 64)
    except (DamagedFileError, ObservationError):
        return None
    text = (content or b"").decode("ascii", "replace").strip()
    return text if is_timestamp(text) else None


def read_last_observation(host: Host) -> LastObservation:
    """Return the state that the last own observation left, by key. Values of another type are left out."""
    try:
        entries = parse_mapping(read_watch_file(host, STATE_PATH, MAX_OWN_FILE_BYTES) or b"{}")
    except (DamagedFileError, ObservationError):
        return {}
    valid_entries: Any = {
        key: entries[key] for key, is_valid in _STATE_CHECKS.items() if key in entries and is_valid(entries[key])
    }
    last_observation: LastObservation = valid_entries
    return last_observation


def _is_text(content: object) -> bool:
    return type(content) is str


def _is_count(content: object) -> bool:
    return type(content) is int and content >= 0


def _is_text_list(content: object) -> bool:
    return type(content) is list and all(type(text) is str for text in content)


def _is_mapping_list(content: object) -> bool:
    return type(content) is list and all(type(mapping) is dict for mapping in content)


def _is_uncorrected_list(content: object) -> bool:
    keys = {"control", "user", "reason"}
    return _is_mapping_list(content) and all(
        entry.keys() == keys and _is_text_list([*entry.values()])
        for entry in content  # type: ignore[attr-defined]
    )


def _is_extent(content: object) -> bool:
    return type(content) is list and len(content) == 2 and all(map(_is_count, content))


# Checks of the values in the state, by key.
_STATE_CHECKS = {
    "last": is_timestamp,
    "plan": _is_text,
    "drifted": _is_text_list,
    "uncorrected": _is_uncorrected_list,
    "unmet": _is_text_list,
    "reported": _is_text_list,
    "unwritten": _is_mapping_list,
    "clock": _is_count,
    "up": _is_count,
    "boot": _is_text,
    "journal": _is_extent,
}
