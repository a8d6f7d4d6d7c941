"""The events of a run, sent to where a SIEM takes them up: a file, the journal, the local syslog.

The lines are those of the export `events`. A transport that fails costs the others nothing, and the run nothing but a
warning, which names the reason and how many events were sent.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping, Sequence

from ....model.types.record import HostRecord
from ....model.types.report import FleetReport
from ....model.types.run import EventSettings
from ....wire import installation
from .. import exports
from ..exports.event_kinds import Event
from ..exports.event_making import Events
from ..history.transitions import Transitions
from ..text.command import Command
from ..text.wording import clean, counted
from . import datagrams, log_file
from .transport import CHANGES, Failed, Transport

# By their keys in `proscribe_events`.
TRANSPORTS: Mapping[str, Callable[[EventSettings], Transport]] = {
    "file": log_file.opened,
    "journald": datagrams.journal,
    "syslog": datagrams.syslog,
}


class Sending(Events):
    """An export that sends: the events of a report to all transports that are set."""

    def __init__(self, report: FleetReport, changes: Transitions | None, settings: EventSettings) -> None:
        super().__init__(report, changes, self._take, settings["send"] == CHANGES, settings["limit"])
        self.failures: dict[str, str] = {}  # by transport: why, and how many events had been sent
        self._transports: dict[str, Transport] = {}
        set_: Mapping[str, object] = settings
        for name, open_ in TRANSPORTS.items():
            if set_.get(name):
                self._try(name, self._open, name, open_, settings)

    def finish(self) -> None:
        super().finish()
        for name, transport in list(self._transports.items()):
            self._try(name, transport.close)

    def _open(self, name: str, open_: Callable[[EventSettings], Transport], settings: EventSettings) -> None:
        self._transports[name] = open_(settings)

    def _take(self, event: Event) -> None:
        for name, transport in list(self._transports.items()):
            self._try(name, transport.send, event)

    def _try(self, name: str, do: Callable[..., None], *arguments: object) -> None:
        try:
            do(*arguments)
        except (Failed, OSError) as error:
            transport = self._transports.pop(name, None)
            if transport is not None:
                transport.abandon()
            sent = transport.sent if transport is not None else 0
            self.failures[name] = f"{clean(error)}; {counted(sent, 'event')} sent before"


def send(
    report: FleetReport,
    records: Sequence[HostRecord],
    changes: Transitions | None,
    settings: EventSettings,
    directory: str,
) -> list[str]:
    """Send the events of a run as `proscribe_events` has it; returns what went wrong, in sentences. `directory` is
    where the report of the run is, or will be.
    """
    sending = Sending(report, changes, settings)
    exports.fill([sending], report, records)
    again_for = (
        *installation.make_launcher_command(sys.executable),
        "report",
        "--run",
        directory,
        "--format",
        "events",
    )
    command = Command(again_for).line()
    again = f"the next run does not send them; all events of this run: {command}"
    wrong = [f"events could not be sent to {name}: {why}; {again}" for name, why in sending.failures.items()]
    if sending.left_out:
        above = counted(sending.left_out, "event")
        wrong.append(f"above the limit of {settings['limit']:,}, {above} not sent; {again}")
    if changes is None and settings["send"] == CHANGES:
        wrong.append(
            "the history does not have this run, so what changed is not known: events were sent only of the run, the "
            "gate and the actions"
        )
    return wrong
