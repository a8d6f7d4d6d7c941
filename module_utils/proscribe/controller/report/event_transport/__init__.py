"""The sending of a run's events to a SIEM: by a file, the journal or the local syslog.

The lines are those of the export `events`. A transport that fails does not affect the others. The run gets a warning
with the reason and the number of sent events.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping, Sequence

from ....model.types.record import HostRecord
from ....model.types.report import FleetReport
from ....model.types.run import EventSettings
from ....wire import installation
from .. import exports
from ..exports.event_kinds import EncodedEvent
from ..exports.event_maker import EventMaker
from ..history.transitions import RunTransitions
from ..text.shell_commands import ShellCommand
from ..text.wording import clean_text, format_count
from . import datagrams, log_file
from .transport import SEND_CHANGES, SendingError, Transport

# Key: a key of `proscribe_events`. Value: the function that opens the transport.
TRANSPORTS: Mapping[str, Callable[[EventSettings], Transport]] = {
    "file": log_file.open_log_file,
    "journald": datagrams.open_journal,
    "syslog": datagrams.open_syslog,
}


class EventSender(EventMaker):
    """An export that sends the events of a report to all configured transports.

    `settings` are the values of `proscribe_events`. `changes` are the changes of the run, from the history (None:
    unknown). A transport that cannot be opened, or that fails later, is in `failures`.
    """

    def __init__(self, report: FleetReport, changes: RunTransitions | None, settings: EventSettings) -> None:
        super().__init__(report, changes, self._send_event, settings["send"] == SEND_CHANGES, settings["limit"])
        # name of a failed transport -> the reason, with the number of events sent before
        self.failures: dict[str, str] = {}
        self._transports: dict[str, Transport] = {}
        settings_by_name: Mapping[str, object] = settings
        for name, open_function in TRANSPORTS.items():
            if settings_by_name.get(name):
                self._try_transport(name, self._open_transport, name, open_function, settings)

    def finish_export(self) -> None:
        """Send the last events, and close all transports."""
        super().finish_export()
        for name, transport in list(self._transports.items()):
            self._try_transport(name, transport.close)

    def _open_transport(
        self, name: str, open_function: Callable[[EventSettings], Transport], settings: EventSettings
    ) -> None:
        self._transports[name] = open_function(settings)

    def _send_event(self, event: EncodedEvent) -> None:
        for name, transport in list(self._transports.items()):
            self._try_transport(name, transport.send_event, event)

    def _try_transport(self, name: str, call: Callable[..., None], *arguments: object) -> None:
        """Call a function of the transport `name` with these arguments.

        If the call fails, the transport is closed without its unsent events, and `failures` gets the reason.
        """
        try:
            call(*arguments)
        except (SendingError, OSError) as error:
            transport = self._transports.pop(name, None)
            if transport is not None:
                transport.discard_unsent()
            sent = transport.sent_count if transport is not None else 0
            self.failures[name] = f"{clean_text(error)}; {format_count(sent, 'event')} sent before"


def send_report_events(
    report: FleetReport,
    records: Sequence[HostRecord],
    changes: RunTransitions | None,
    settings: EventSettings,
    directory: str,
) -> list[str]:
    """Send the events of a run by its settings (`proscribe_events`), and return the problems as sentences.

    The result is [] if every event was sent. `changes` are the changes of the run, from the history (None: unknown).
    `directory` is the directory of the run's report, which may be written later. The problems name a command that
    prints all events of that report.
    """
    sender = EventSender(report, changes, settings)
    exports.fill_exports([sender], report, records)
    report_words = (
        *installation.make_launcher_command(sys.executable),
        "report",
        "--run",
        directory,
        "--format",
        "events",
    )
    command = ShellCommand(report_words).line()
    repeat_hint = f"the next run does not send them; all events of this run: {command}"
    problems = [
        f"events could not be sent to {name}: {reason}; {repeat_hint}" for name, reason in sender.failures.items()
    ]
    if sender.left_out_count:
        unsent_text = format_count(sender.left_out_count, "event")
        problems.append(f"above the limit of {settings['limit']:,}, {unsent_text} not sent; {repeat_hint}")
    if changes is None and settings["send"] == SEND_CHANGES:
        problems.append(
            "the history does not have this run, so what changed is not known: events were sent only of the run, the "
            "gate and the actions"
        )
    return problems
