"""The progress of a run: a rewritten line on a terminal, occasional lines elsewhere."""

from __future__ import annotations

from collections.abc import Callable

from ..text.wording import format_count

LINE_INTERVAL_SECONDS = (
    15.0  # seconds between two lines where a line cannot be rewritten, unless a tenth of the hosts answered
)
REWRITE_INTERVAL_SECONDS = 0.1  # seconds between two rewritten lines: often enough for a reader

CLEAR_LINE = "\r\x1b[K"


class RunProgress:
    """The progress of a run over its expected hosts. The clock returns seconds, as time.monotonic does."""

    def __init__(self, name: str, expected_count: int, is_rewriting: bool, clock: Callable[[], float]) -> None:
        self._name = name
        self._bad_word = "failed" if name == "lift" else "noncompliant"
        self._expected_count = expected_count
        self._is_rewriting = is_rewriting
        self._clock = clock
        self._written_at = clock()
        self._written_count = 0

    def format_update(self, answered_count: int, bad_count: int) -> str:
        """Return the text to write after so many hosts answered: "" for none, else a text with its own line end."""
        now = self._clock()
        if self._expected_count < 2 or answered_count <= self._written_count:
            return ""
        is_last = answered_count >= self._expected_count
        if self._is_rewriting:
            is_due = is_last or now - self._written_at >= REWRITE_INTERVAL_SECONDS
        else:
            # The last line is left out, because the report follows at once with the same numbers.
            is_tenth = (
                self._expected_count >= 10 and (answered_count - self._written_count) * 10 >= self._expected_count
            )
            is_due = not is_last and (is_tenth or now - self._written_at >= LINE_INTERVAL_SECONDS)
        if not is_due:
            return ""
        self._written_at, self._written_count = now, answered_count
        text = f"{self._name}  {answered_count:,} of {format_count(self._expected_count, 'host')}"
        text += f"  {bad_count:,} {self._bad_word}" if bad_count else ""
        # The cursor stays at the beginning of the line, so that other output overwrites it.
        return f"{CLEAR_LINE}{text}\r" if self._is_rewriting else f"{text}\n"


class ProgressLine:
    """The state of the rewritten line on the terminal. The next output removes the line first."""

    is_shown = False

    @classmethod
    def register_text(cls, text: str) -> str:
        """Register that the text is written, and return it."""
        cls.is_shown = text.endswith("\r")
        return text

    @classmethod
    def remove_line(cls) -> str:
        """Return the text that removes the line; "" if there is none."""
        was_shown, cls.is_shown = cls.is_shown, False
        return CLEAR_LINE if was_shown else ""
