"""How far a run is, while hosts come in: a line that is rewritten on a terminal, a line now and then elsewhere."""

from __future__ import annotations

from collections.abc import Callable

from ..text.wording import format_count

LINE_INTERVAL_SECONDS = (
    15.0  # seconds between two lines where a line cannot be rewritten, if less than a tenth of the hosts came in
)
REWRITE_INTERVAL_SECONDS = 0.1  # seconds between two rewritings: enough for an eye

CLEAR_LINE = "\r\x1b[K"


class RunProgress:
    """The progress of one run over `expected` hosts. `clock` gives seconds, as time.monotonic does."""

    def __init__(self, name: str, expected_count: int, is_rewriting: bool, clock: Callable[[], float]) -> None:
        self._name = name
        self._bad_word = "failed" if name == "lift" else "noncompliant"
        self._expected_count = expected_count
        self._is_rewriting = is_rewriting
        self._clock = clock
        self._written_at = clock()
        self._written_count = 0

    def format_update(self, answered_count: int, bad_count: int) -> str:
        """What to write now that so many hosts were heard of: "" for nothing, else a text with its own line end."""
        now = self._clock()
        if self._expected_count < 2 or answered_count <= self._written_count:
            return ""
        is_last = answered_count >= self._expected_count
        if self._is_rewriting:
            is_due = is_last or now - self._written_at >= REWRITE_INTERVAL_SECONDS
        else:
            # The last line is left out: the report follows at once, and says the same.
            is_tenth = (
                self._expected_count >= 10 and (answered_count - self._written_count) * 10 >= self._expected_count
            )
            is_due = not is_last and (is_tenth or now - self._written_at >= LINE_INTERVAL_SECONDS)
        if not is_due:
            return ""
        self._written_at, self._written_count = now, answered_count
        text = f"{self._name}  {answered_count:,} of {format_count(self._expected_count, 'host')}"
        text += f"  {bad_count:,} {self._bad_word}" if bad_count else ""
        # The cursor waits at the beginning, so that whatever else is printed begins there.
        return f"{CLEAR_LINE}{text}\r" if self._is_rewriting else f"{text}\n"


class ProgressLine:
    """Whether a line that is rewritten stands on the terminal now; whoever prints next takes it away first."""

    is_shown = False

    @classmethod
    def register_text(cls, text: str) -> str:
        """Note that the text is written; returns it."""
        cls.is_shown = text.endswith("\r")
        return text

    @classmethod
    def remove_line(cls) -> str:
        """What to write to take the line away; "" if there is none."""
        was_shown, cls.is_shown = cls.is_shown, False
        return CLEAR_LINE if was_shown else ""
