"""The progress of a run: a rewritten line on a terminal, occasional lines elsewhere."""

from __future__ import annotations

from collections.abc import Callable

from ..text.wording import format_count

# Least time between two progress lines on an output that cannot rewrite a line. After each tenth of the hosts, a line
# comes earlier.
LINE_INTERVAL_SECONDS = 15.0
REWRITE_INTERVAL_SECONDS = 0.1  # least time between two updates of the rewritten line

CLEAR_LINE = "\r\x1b[K"


class RunProgress:
    """The progress of a run: the number of expected hosts that have answered.

    `name` is the first word of the text: the playbook, or `lift`. `clock` returns seconds, as time.monotonic does.
    `is_rewriting` is true on a terminal that can rewrite a line.
    """

    def __init__(self, name: str, expected_count: int, is_rewriting: bool, clock: Callable[[], float]) -> None:
        self._name = name
        self._bad_word = "failed" if name == "lift" else "noncompliant"
        self._expected_count = expected_count
        self._is_rewriting = is_rewriting
        self._clock = clock
        self._written_at = clock()
        self._written_count = 0

    def format_update(self, answered_count: int, bad_count: int) -> str:
        """Return the progress text to write now, with its line end; "" if no text is due.

        `answered_count` is the number of hosts that answered; `bad_count` of these failed or are noncompliant.
        """
        now = self._clock()
        # a single host needs no progress; an event without a new answer changes no text
        if self._expected_count < 2 or answered_count <= self._written_count:
            return ""
        is_last = answered_count >= self._expected_count
        if self._is_rewriting:
            is_due = is_last or now - self._written_at >= REWRITE_INTERVAL_SECONDS
        else:
            # No progress line is due for the last host, because the report follows at once with the same numbers.
            is_tenth = (
                self._expected_count >= 10 and (answered_count - self._written_count) * 10 >= self._expected_count
            )
            is_due = not is_last and (is_tenth or now - self._written_at >= LINE_INTERVAL_SECONDS)
        if not is_due:
            return ""
        self._written_at, self._written_count = now, answered_count
        text = f"{self._name}  {answered_count:,} of {format_count(self._expected_count, 'host')}"
        text += f"  {bad_count:,} {self._bad_word}" if bad_count else ""
        # The carriage return puts the cursor at the beginning of the line, so that other output overwrites the line.
        return f"{CLEAR_LINE}{text}\r" if self._is_rewriting else f"{text}\n"


class ProgressLine:
    """The state of the rewritten progress line on the terminal.

    Any other output must remove the line first.
    """

    is_shown = False  # true while the line is on the terminal

    @classmethod
    def register_text(cls, text: str) -> str:
        """Store whether `text` leaves a rewritable line on the terminal, and return `text`."""
        cls.is_shown = text.endswith("\r")
        return text

    @classmethod
    def remove_line(cls) -> str:
        """Return the text that clears the rewritable line on the terminal; "" if no such line is shown."""
        was_shown, cls.is_shown = cls.is_shown, False
        return CLEAR_LINE if was_shown else ""
