"""What the watch has on a host, and the hashes by which each start knows that it is what a run installed.

`settings.json` names them, and is written last. The hashes are against damage, half-written files and careless edits;
whoever is root can write new ones. That is why a run compares the program and the code with its own (`release`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Mapping

from ....base.hashing import sha256
from ....base.json_text import dump_json, format_json, parse_json
from ....base.moments import is_timestamp
from ....base.tuples import NamedTuple
from ...system import STATE_DIRECTORY, ControlError, Host, Unseen

if TYPE_CHECKING:
    from ....model.types.watch import LastObservation

PLACE = f"{STATE_DIRECTORY}/watch"
PROGRAM = "/usr/libexec/proscribe/watch"
COMMAND = "/usr/sbin/proscribe-watch"  # the program's name for people: a link
CODE = f"{PLACE}/code"
PLANS = f"{PLACE}/plans"
CACHE = f"{PLACE}/cache"
SETTINGS = f"{PLACE}/settings.json"
RENEWED = f"{PLACE}/renewed"
CLOCK = f"{PLACE}/clock"
FROZEN = f"{PLACE}/frozen"
RESERVATIONS = f"{PLACE}/reservations.json"
STATE = f"{PLACE}/state.json"
RECORD = f"{STATE_DIRECTORY}/record.json"  # as the pull schedule writes it, for `./proscribe collect`

MODE, PRIVATE = 0o700, 0o600  # of the program, and of all else
LARGEST = 16 * 1024 * 1024  # bytes of the code, or of a plan
LARGEST_OF_OURS = 256 * 1024  # bytes of the other files
MOST_PLANS = 64  # the plan and its successors; the controller compiles at most half as many


class Damaged(Exception):
    """A file of the watch that is not what was installed: its path, and what is wrong."""

    def __init__(self, file: str, wrong: str) -> None:
        super().__init__(f"{file}: {wrong}")
        self.file, self.wrong = file, wrong


class Settings(NamedTuple):
    """What `settings.json` says."""

    release: str  # of the program and the code, as the controller names them
    every: int  # seconds
    max_age: int  # seconds
    plan: str  # the digest of the first plan
    chain: tuple[tuple[str, str], ...]  # (moment, digest) of its successors, in their order
    files: Mapping[str, str]  # SHA-256 by path

    def in_effect(self, now: str) -> str:
        """The digest of the plan that is in effect at a moment."""
        return [self.plan, *(plan for at, plan in self.chain if at <= now)][-1]

    def plans(self) -> list[str]:
        """The digests of all plans."""
        return [self.plan, *(plan for _, plan in self.chain)]


def settings(host: Host) -> Settings | None:
    """The settings; None where the watch is not installed. Raises Damaged, and Unseen for who may not read them."""
    content = content_of(host, SETTINGS, LARGEST_OF_OURS)
    if content is None:
        return None
    given = given_in(content)
    chain = given.get("chain")
    files = given.get("files")
    sound = (
        all(type(given.get(key)) is str for key in ("release", "plan"))
        and all(type(given.get(key)) is int and given[key] > 0 for key in ("every", "max_age"))
        and type(chain) is list
        and len(chain) < MOST_PLANS
        and all(type(one) is dict and is_timestamp(one.get("at")) and type(one.get("plan")) is str for one in chain)
        and type(files) is dict
        and all(type(one) is str for one in files.values())
    )
    if not sound:
        raise Damaged(SETTINGS, "is not what was installed")
    successors = tuple((one["at"], one["plan"]) for one in given["chain"])
    return Settings(given["release"], given["every"], given["max_age"], given["plan"], successors, given["files"])


def settings_text(made: Settings) -> str:
    """The file of some settings."""
    given = {
        **made._asdict(),
        "chain": [{"at": at, "plan": plan} for at, plan in made.chain],
        "files": dict(made.files),
    }
    return dump_json(given, indent=1, sort_keys=True) + "\n"


def identity(known: Settings) -> str:
    """What names settings, with the plans and the files that they name: for who follows them, and who compares."""
    return hash_of(format_json([*known[:-1], sorted(known.files.items())]).encode())


def given_in(content: bytes) -> Any:
    """A mapping out of JSON that root alone can have written; {} for what is none."""
    try:
        given = parse_json(content.decode("utf-8"))
    except (ValueError, RecursionError):
        return {}
    return given if type(given) is dict else {}


def content_of(host: Host, path: str, most: int = LARGEST) -> bytes | None:
    """A file of the watch; None where there is none. Raises Damaged for one that others than root can write, for what
    is no file, and for one that is too large; and Unseen.
    """
    try:
        seen = host.stat(path)
        if seen is None:
            return None
        if host.privileged and host.others(path, seen):
            raise Damaged(path, "others than root can write it")
        return host.read(path, most)
    except ControlError as error:
        raise Damaged(path, str(error)) from None


def hash_of(content: bytes) -> str:
    """The SHA-256 of a content, as the settings have it."""
    return str(sha256(content).hexdigest())


def require(host: Host, known: Settings, path: str) -> bytes:
    """The content of a file that is what was installed. Raises Damaged and Unseen."""
    content = content_of(host, path)
    if content is None:
        raise Damaged(path, "is missing")
    if hash_of(content) != known.files.get(path):
        raise Damaged(path, "is not what was installed")
    return content


def plan_file(digest: str) -> str:
    """The path of a plan."""
    return f"{PLANS}/{digest.rpartition(':')[2]}.json"


def renewed(host: Host) -> str | None:
    """When a run last confirmed the plan; None where nobody knows."""
    return _moment(host, RENEWED)


def clock_mark(host: Host) -> str | None:
    """The latest time that this host has seen; None where nobody knows."""
    return _moment(host, CLOCK)


def _moment(host: Host, path: str) -> str | None:
    try:
        content = content_of(host, path, 64)
    except (Damaged, Unseen):
        return None
    text = (content or b"").decode("ascii", "replace").strip()
    return text if is_timestamp(text) else None


def state(host: Host) -> LastObservation:
    """What the last own observation left for the next one, by key; a key of another type is not there."""
    try:
        given = given_in(content_of(host, STATE, LARGEST_OF_OURS) or b"{}")
    except (Damaged, Unseen):
        return {}
    sound: Any = {key: given[key] for key, fits in _FITS.items() if key in given and fits(given[key])}
    found: LastObservation = sound
    return found


def _is_text(value: object) -> bool:
    return type(value) is str


def _is_count(value: object) -> bool:
    return type(value) is int and value >= 0


def _are_texts(value: object) -> bool:
    return type(value) is list and all(type(one) is str for one in value)


def _are_mappings(value: object) -> bool:
    return type(value) is list and all(type(one) is dict for one in value)


def _are_uncorrected(value: object) -> bool:
    keys = {"control", "user", "reason"}
    return _are_mappings(value) and all(entry.keys() == keys and _are_texts([*entry.values()]) for entry in value)  # type: ignore[attr-defined]


def _is_extent(value: object) -> bool:
    return type(value) is list and len(value) == 2 and all(map(_is_count, value))


# What each key of the state may hold.
_FITS = {
    "last": is_timestamp,
    "plan": _is_text,
    "drifted": _are_texts,
    "uncorrected": _are_uncorrected,
    "unmet": _are_texts,
    "reported": _are_texts,
    "unwritten": _are_mappings,
    "clock": _is_count,
    "up": _is_count,
    "boot": _is_text,
    "journal": _is_extent,
}
