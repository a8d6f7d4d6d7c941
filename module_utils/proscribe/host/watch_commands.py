"""What the program of the watch does: `observe`, `launches`, `freeze`, `thaw`, `status`."""

from __future__ import annotations

import binascii
import contextlib
import marshal
import sys
from importlib._bootstrap_external import MAGIC_NUMBER
from typing import Any, Callable, Sequence

from . import run
from .system import ControlError, Host, Unseen
from .watch.state import files, journal, pause
from .watch.state.reservations import Superseded, is_being_installed

USAGE = """\
proscribe-watch observe             observe this host now, and correct what has drifted
proscribe-watch freeze 2h "reason"  correct nothing for a while, at most 7d; the reason goes into the host's record
proscribe-watch thaw                end that now
proscribe-watch status              what the watch does, and what it saw last
"""
CHECKSUM = 8  # hexadecimal digits, which a cached file begins with, against damage (stored_watch.py)
NOT_INSTALLED = "the watch is not installed: an enforcing run with proscribe_watch installs it"


def main(words: Sequence[str], by: str, started_by: str, marshalled: Callable[[], bytes | None]) -> int:
    """Do what the words ask for; the exit code. `by` is who calls, and `started_by` the unit that had systemd do so (""
    for none). `marshalled` gives the compiled code where it did not come out of the cache.
    """
    host = Host()
    host.started_by = started_by
    host.by = "this host's own observation (proscribe-watch)"
    try:
        known = files.settings(host)
        if known is None:
            raise ControlError(NOT_INSTALLED)
        if list(words) == ["observe"]:
            return _observe(host, known, marshalled)
        if list(words) == ["launches"]:
            from .watch import launches

            launches.main(host)
            return 0
        if len(words) == 3 and words[0] == "freeze":
            print(f"frozen until {pause.freeze(host, words[1], words[2], by)}")
            return 0
        if list(words) == ["thaw"]:
            print("the watch corrects again" if pause.thaw(host) else "it was not frozen")
            return 0
        if list(words) == ["status"]:
            from .watch.status import status

            print(status(host, known), end="")
            return 0
    except files.Damaged as damaged:
        if is_being_installed(host):
            return 0  # its files do not fit its settings for a moment
        with contextlib.suppress(ControlError, Unseen):
            last = journal.read(host)[0][-1:]
            if not last or (last[0]["event"], last[0].get("file")) != ("damaged", damaged.file):  # once
                journal.append(host, "damaged", file=damaged.file)
        print(
            f"proscribe-watch: {damaged}: nothing was run; the next run of the controller repairs it", file=sys.stderr
        )
        return 1
    except (ControlError, Unseen, ValueError) as error:
        print(f"proscribe-watch: {error}", file=sys.stderr)
        return 1
    print(USAGE, end="", file=sys.stderr)
    return 2


def _observe(host: Host, known: files.Settings, marshalled: Callable[[], bytes | None]) -> int:
    from .watch.observation import Operations, observed

    named = f"{known.files.get(files.CODE, '')}-{MAGIC_NUMBER.hex()}"
    parts: dict[str, bytes] = {}
    used = {named}

    def cached(digest: str) -> Any:
        name = f"{named}-{digest.rpartition(':')[2]}"
        used.add(name)
        return _cached(host, name)

    def keep(digest: str, content: Any) -> None:
        parts[f"{named}-{digest.rpartition(':')[2]}"] = marshal.dumps(content)

    try:
        unsaved = observed(host, known, Operations(run.observe, run.change), cached, keep)
    except Superseded as superseded:
        print(f"proscribe-watch: {superseded}")
        return 0
    if compiled := marshalled():
        parts[named] = compiled
    if parts:
        with contextlib.suppress(ControlError, Unseen):  # a host where that cannot be only loses time
            for name in {*host.list(files.CACHE)} - used:
                host.delete(f"{files.CACHE}/{name}")
            for name, content in parts.items():
                host.write(f"{files.CACHE}/{name}", b"%08x" % binascii.crc32(content) + content, 0o600)
    for why in unsaved:
        print(f"proscribe-watch: {why}", file=sys.stderr)
    return 1 if unsaved else 0


def _cached(host: Host, name: str) -> Any:
    """What an earlier observation cached under a name; None for nothing, and for what is not what it cached."""
    with contextlib.suppress(files.Damaged, Unseen, ValueError, EOFError, TypeError):
        content = files.content_of(host, f"{files.CACHE}/{name}") or b""
        if content and b"%08x" % binascii.crc32(content[CHECKSUM:]) == content[:CHECKSUM]:
            return marshal.loads(content[CHECKSUM:])
    return None
