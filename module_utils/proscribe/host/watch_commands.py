"""Commands of the watch's program: `observe`, `launches`, `freeze`, `thaw`, `status`."""

from __future__ import annotations

import binascii
import contextlib
import marshal
import sys
from importlib._bootstrap_external import MAGIC_NUMBER
from typing import Any, Callable, Sequence

from . import host_operations
from .system import ControlError, Host, ObservationError
from .watch.state import journal, pause, watch_files
from .watch.state.reservations import SupersededError, is_being_installed

USAGE_TEXT = """\
proscribe-watch observe             observe this host now, and correct what has drifted
proscribe-watch freeze 2h "reason"  correct nothing for a while, at most 7d; the reason goes into the host's record
proscribe-watch thaw                end that now
proscribe-watch status              what the watch does, and what it saw last
"""
# hexadecimal digits of the checksum at the beginning of each cached file; the same as in wire/watch_installer.py
CHECKSUM_DIGITS = 8
NOT_INSTALLED = "the watch is not installed: an enforcing run with proscribe_watch installs it"


def main(arguments: Sequence[str], caller: str, starting_unit: str, marshalled: Callable[[], bytes | None]) -> int:
    """Run the command in `arguments`, and return the exit code.

    The exit code is 0 for success, 1 for a failure, and 2 for unknown arguments.

    `caller` is the account that called the command. `starting_unit` is the systemd unit that triggered this process; ""
    for none. `marshalled` returns the compiled code of the watch for the cache; None if the code came from the cache.
    """
    host = Host()
    host.starting_unit = starting_unit
    host.changed_by = "this host's own observation (proscribe-watch)"
    try:
        settings = watch_files.read_settings(host)
        if settings is None:
            raise ControlError(NOT_INSTALLED)
        if list(arguments) == ["observe"]:
            return _run_observation(host, settings, marshalled)
        if list(arguments) == ["launches"]:
            from .watch import launches

            launches.run_launches(host)
            return 0
        if len(arguments) == 3 and arguments[0] == "freeze":
            print(f"frozen until {pause.freeze_watch(host, arguments[1], arguments[2], caller)}")
            return 0
        if list(arguments) == ["thaw"]:
            print("the watch corrects again" if pause.end_pause(host) else "it was not frozen")
            return 0
        if list(arguments) == ["status"]:
            from .watch.status import format_status

            print(format_status(host, settings), end="")
            return 0
    except watch_files.DamagedFileError as damaged:
        if is_being_installed(host):
            return 0  # during an installation, the files may not match the settings; this is no damage
        with contextlib.suppress(ControlError, ObservationError):
            last_lines = journal.read_journal(host)[0][-1:]
            if not last_lines or (last_lines[0]["event"], last_lines[0].get("file")) != (
                "damaged",
                damaged.file,
            ):  # damage that the newest line reports already is not written again
                journal.append_event(host, "damaged", file=damaged.file)
        print(
            f"proscribe-watch: {damaged}: nothing was run; the next run of the controller repairs it", file=sys.stderr
        )
        return 1
    except (ControlError, ObservationError, ValueError) as error:
        print(f"proscribe-watch: {error}", file=sys.stderr)
        return 1
    print(USAGE_TEXT, end="", file=sys.stderr)
    return 2


def _run_observation(host: Host, settings: watch_files.WatchSettings, marshalled: Callable[[], bytes | None]) -> int:
    """Observe and correct the host, and update the cache of compiled code and plans.

    Returns the exit code: 1 if results could not be saved, else 0. An observation that a run of the controller has
    superseded is no failure. `marshalled` is explained in `main`.
    """
    from .watch.own_observation import HostOperations, observe_host

    # The names of cached files have the hash of the watch's code and the version of Python. Files for other code are
    # deleted below.
    code_name = f"{settings.files.get(watch_files.CODE_PATH, '')}-{MAGIC_NUMBER.hex()}"
    cache_files: dict[str, bytes] = {}
    used_names = {code_name}

    def read_cached_plan(digest: str) -> Any:
        name = f"{code_name}-{digest.rpartition(':')[2]}"
        used_names.add(name)
        return _read_cached(host, name)

    def cache_plan(digest: str, content: Any) -> None:
        cache_files[f"{code_name}-{digest.rpartition(':')[2]}"] = marshal.dumps(content)

    try:
        unsaved = observe_host(
            host,
            settings,
            HostOperations(host_operations.observe, host_operations.change),
            read_cached_plan,
            cache_plan,
        )
    except SupersededError as superseded:
        print(f"proscribe-watch: {superseded}")
        return 0
    if compiled := marshalled():
        cache_files[code_name] = compiled
    if cache_files:
        # without a cache, the next observation only takes longer
        with contextlib.suppress(ControlError, ObservationError):
            for name in {*host.list_directory(watch_files.CACHE_DIRECTORY)} - used_names:
                host.delete_file(f"{watch_files.CACHE_DIRECTORY}/{name}")
            for name, content in cache_files.items():
                host.write_file(
                    f"{watch_files.CACHE_DIRECTORY}/{name}", b"%08x" % binascii.crc32(content) + content, 0o600
                )
    for reason in unsaved:
        print(f"proscribe-watch: {reason}", file=sys.stderr)
    return 1 if unsaved else 0


def _read_cached(host: Host, name: str) -> Any:
    """Return the content of the file `name` in the cache; None if the file is missing or damaged."""
    with contextlib.suppress(watch_files.DamagedFileError, ObservationError, ValueError, EOFError, TypeError):
        content = watch_files.read_watch_file(host, f"{watch_files.CACHE_DIRECTORY}/{name}") or b""
        if content and b"%08x" % binascii.crc32(content[CHECKSUM_DIGITS:]) == content[:CHECKSUM_DIGITS]:
            return marshal.loads(content[CHECKSUM_DIGITS:])
    return None
