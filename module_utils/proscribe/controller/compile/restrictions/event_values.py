"""The value of `proscribe_events`: where events are sent, and which."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from typing import Any

from ....model.types.run import EventSettings
from ....model.words import SYSLOG_FACILITIES
from ...policy_errors import Expected
from ...report.sending import TRANSPORTS
from ...report.sending.datagrams import USUAL_FACILITY
from ...report.sending.transport import ALL, CHANGES, MOST, USUAL_LIMIT
from ..reading.values import choice, flag, one_of, whole_number, within

LONGEST_PATH = 4095


def _file(value: object) -> str:
    good = isinstance(value, str) and value.isprintable() and value[:1] == "/" and os.path.normpath(value) == value
    if not good or not isinstance(value, str) or len(value) > LONGEST_PATH or value == "/":
        raise Expected("", value, "an absolute path such as /var/log/proscribe/events.jsonl")
    return value


READERS: Mapping[str, Callable[[object], Any]] = {
    "file": _file,
    "journald": flag,
    "syslog": flag,
    "facility": choice(*SYSLOG_FACILITIES),
    "send": choice(CHANGES, ALL),
    "limit": whole_number(1, MOST, "events of a run"),
}
USUAL: EventSettings = {
    "file": "",
    "journald": False,
    "syslog": False,
    "facility": USUAL_FACILITY,
    "send": CHANGES,
    "limit": USUAL_LIMIT,
}


def read_events(value: object) -> EventSettings:
    """Where events are sent, with every key; {} for nowhere. Raises Expected."""
    if not isinstance(value, Mapping):
        raise Expected("", value, "a mapping such as {file: /var/log/proscribe/events.jsonl, journald: true}")
    if not value:
        return {}
    read: Any = USUAL.copy()  # its readers say which type each key has
    for name, said in value.items():
        within(f".{name}", one_of, name, READERS)
        read[str(name)] = within(f".{name}", READERS[str(name)], said)
    if not any(read[name] for name in TRANSPORTS):
        raise Expected("", value, f"one of {', '.join(TRANSPORTS)} beside these, or {{}} for no events")
    return read  # type: ignore[no-any-return]
