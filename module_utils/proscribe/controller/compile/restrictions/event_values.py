"""Value of the setting `proscribe_events`: targets of a run's events for a SIEM, and their selection."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from typing import Any

from ....model.types.run import EventSettings
from ....model.vocabulary import SYSLOG_FACILITIES
from ...policy_errors import UnexpectedValue
from ...report.event_transport import TRANSPORTS
from ...report.event_transport.datagrams import DEFAULT_FACILITY
from ...report.event_transport.transport import DEFAULT_EVENT_LIMIT, MAX_EVENT_LIMIT, SEND_ALL, SEND_CHANGES
from ..reading.value_readers import make_choice_reader, make_number_reader, read_flag, read_mapping

MAX_PATH_LENGTH = 4095


def _read_file_path(setting: object) -> str:
    """Return an absolute, normalised path of a file.

    Raises UnexpectedValue.
    """
    is_text = isinstance(setting, str) and setting.isprintable() and 1 < len(setting) <= MAX_PATH_LENGTH
    if not is_text or str(setting)[0] != "/" or os.path.normpath(str(setting)) != setting:
        raise UnexpectedValue("", setting, "an absolute path such as /var/log/proscribe/events.jsonl")
    return str(setting)


READERS: Mapping[str, Callable[[object], Any]] = {
    "file": _read_file_path,
    "journald": read_flag,
    "syslog": read_flag,
    "facility": make_choice_reader(*SYSLOG_FACILITIES),
    "send": make_choice_reader(SEND_CHANGES, SEND_ALL),
    "limit": make_number_reader(1, MAX_EVENT_LIMIT, "events of a run"),
}
DEFAULT_SETTINGS: EventSettings = {
    "file": "",
    "journald": False,
    "syslog": False,
    "facility": DEFAULT_FACILITY,
    "send": SEND_CHANGES,
    "limit": DEFAULT_EVENT_LIMIT,
}


def read_events(setting: object) -> EventSettings:
    """Return the settings for a run's events, completed by defaults; {} if no events are sent.

    Raises UnexpectedValue for an invalid value, and if no target is set.
    """
    example = "a mapping such as {file: /var/log/proscribe/events.jsonl, journald: true}"
    values = read_mapping(setting, READERS, example)
    if not values:
        return {}
    settings: Any = {**DEFAULT_SETTINGS, **values}  # Any, because the readers determine the types of the values
    if not any(settings[name] for name in TRANSPORTS):
        raise UnexpectedValue("", setting, f"one of {', '.join(TRANSPORTS)} beside these, or {{}} for no events")
    return settings  # type: ignore[no-any-return]
