"""Files of the watch on a host, with hashes that prove at each start that a run installed them.

`settings.json` has the hashes of the files, and is written last. The hashes protect against damage, half-written files
and careless edits. Root can write new hashes. So a run also compares the host's program and code with the controller's
(`release`).
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
COMMAND_PATH = "/usr/sbin/proscribe-watch"  # symbolic link to the program, as a command for people
CODE_PATH = f"{WATCH_DIRECTORY}/code"
PLANS_DIRECTORY = f"{WATCH_DIRECTORY}/plans"
CACHE_DIRECTORY = f"{WATCH_DIRECTORY}/cache"
SETTINGS_PATH = f"{WATCH_DIRECTORY}/settings.json"
RENEWED_PATH = f"{WATCH_DIRECTORY}/renewed"
CLOCK_PATH = f"{WATCH_DIRECTORY}/clock"
FROZEN_PATH = f"{WATCH_DIRECTORY}/frozen"
RESERVATIONS_PATH = f"{WATCH_DIRECTORY}/reservations.json"
STATE_PATH = f"{WATCH_DIRECTORY}/state.json"
# the pull program (programs/pulling) writes the record too, for `./proscribe collect`
RECORD_PATH = f"{STATE_DIRECTORY}/record.json"

PROGRAM_MODE, PRIVATE_MODE = 0o700, 0o600  # file modes: of programs, and of all other files of the watch
MAX_FILE_BYTES = 16 * 1024 * 1024  # largest size of the code, or of a plan
MAX_OWN_FILE_BYTES = 256 * 1024  # largest size of each other file of the watch
MAX_PLANS = 64  # most plans on a host, the first plan included; the controller compiles at most half as many


class DamagedFileError(Exception):
    """File of the watch that is not as a run installed it: the path, and the defect in words."""

    def __init__(self, file: str, defect: str) -> None:
        super().__init__(f"{file}: {defect}")
        self.file, self.defect = file, defect


class WatchSettings(NamedTuple):
    """Settings of the watch on a host: the content of `settings.json`."""

    release: str  # hash of the program and the code, which the controller computes too (make_release_name)
    every: int  # seconds between two observations of the host by itself
    max_age: int  # seconds after which a plan that no run has renewed is stale
    plan: str  # digest of the first plan
    chain: tuple[tuple[str, str], ...]  # (time from which the plan applies, its digest) for each later plan, in order
    files: Mapping[str, str]  # Key: path of a file. Value: SHA-256 of its content.

    def find_digest_in_effect(self, now: str) -> str:
        """Return the digest of the plan that is in effect at the time `now` (a timestamp)."""
        return [self.plan, *(plan for moment, plan in self.chain if moment <= now)][-1]

    def list_digests(self) -> list[str]:
        """Return the digests of all plans on the host, in the order in which they take effect."""
        return [self.plan, *(plan for _, plan in self.chain)]


def read_settings(host: Host) -> WatchSettings | None:
    """Return the settings of the watch; None if the watch is not installed.

    Raises DamagedFileError. Raises ObservationError if this process may not read the settings.
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
    """Return a hash of the settings, including the digests of the plans and the hashes of the files.

    The daemon reports this hash for the settings that it follows, so that an observation can compare them.
    """
    # the last field, `files`, is a mapping, whose order does not count
    return hash_content(format_json([*settings[:-1], sorted(settings.files.items())]).encode())


def parse_mapping(content: bytes) -> Any:
    """Return the mapping in a JSON text; {} if the text is invalid or no mapping.

    The text must come from a file that only root can write: values are not checked.
    """
    try:
        mapping = parse_json(content.decode("utf-8"))
    except (ValueError, RecursionError):
        return {}
    return mapping if type(mapping) is dict else {}


def read_watch_file(host: Host, path: str, limit: int = MAX_FILE_BYTES) -> bytes | None:
    """Return the content of a file of the watch; None if the file is missing.

    Raises ObservationError. Raises DamagedFileError for a file that others than root can write, that is not regular, or
    that exceeds `limit` bytes.
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
    """Return the SHA-256 of a file's content, in the form of the settings."""
    return str(sha256(content).hexdigest())


def require_intact_file(host: Host, settings: WatchSettings, path: str) -> bytes:
    """Return the content of a file of the watch. Raises DamagedFileError if the file is not as installed.

    Raises ObservationError if the file cannot be read.
    """
    content = read_watch_file(host, path)
    if content is None:
        raise DamagedFileError(path, "is missing")
    if hash_content(content) != settings.files.get(path):
        raise DamagedFileError(path, "is not what was installed")
    return content


def make_plan_path(digest: str) -> str:
    """Return the path of the file with the plan of this digest."""
    return f"{PLANS_DIRECTORY}/{digest.rpartition(':')[2]}.json"


def read_renewal_time(host: Host) -> str | None:
    """Return the time when a run of the controller last confirmed the plan; None if it is unknown."""
    return _read_moment(host, RENEWED_PATH)


def read_clock_mark(host: Host) -> str | None:
    """Return the latest time that the watch's clock has stored; None if it is unknown."""
    return _read_moment(host, CLOCK_PATH)


def _read_moment(host: Host, path: str) -> str | None:
    """Return the timestamp in a file of the watch; None if the file is missing, damaged or unreadable."""
    try:
        content = read_watch_file(host, path, 64)
    except (DamagedFileError, ObservationError):
        return None
    text = (content or b"").decode("ascii", "replace").strip()
    return text if is_timestamp(text) else None


def read_last_observation(host: Host) -> LastObservation:
    """Return the state that the host's last observation of itself stored.

    Returns {} for a missing, damaged or unreadable file. Values of a wrong type are omitted.
    """
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
    """Return whether a value is a list of uncorrected parts: mappings of control, user and reason to texts."""
    keys = {"control", "user", "reason"}
    return _is_mapping_list(content) and all(
        entry.keys() == keys and _is_text_list([*entry.values()])
        for entry in content  # type: ignore[attr-defined]
    )


def _is_extent(content: object) -> bool:
    """Return whether a value is a result of `journal.measure_journal`: two numbers."""
    return type(content) is list and len(content) == 2 and all(map(_is_count, content))


# Key: a key of the stored state. Value: the check that its value must pass.
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
