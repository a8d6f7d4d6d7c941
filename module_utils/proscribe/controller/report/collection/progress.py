"""How far a run is, while hosts come in: a line that is rewritten on a terminal, a line now and then elsewhere."""

from __future__ import annotations

from collections.abc import Callable

from ..text.wording import counted

EVERY = 15.0  # seconds between two lines where a line cannot be rewritten, if less than a tenth of the hosts came in
REWRITE = 0.1  # seconds between two rewritings: enough for an eye

CLEAR = "\r\x1b[K"


class Progress:
    """The progress of one run over `expected` hosts. `clock` gives seconds, as time.monotonic does."""

    def __init__(self, name: str, expected: int, rewriting: bool, clock: Callable[[], float]) -> None:
        self._name = name
        self._bad = "failed" if name == "lift" else "noncompliant"
        self._expected = expected
        self._rewriting = rewriting
        self._clock = clock
        self._said_at = clock()
        self._said = 0

    def update(self, heard: int, bad: int) -> str:
        """What to write now that so many hosts were heard of: "" for nothing, else a text with its own line end."""
        now = self._clock()
        if self._expected < 2 or heard <= self._said:
            return ""
        last = heard >= self._expected
        if self._rewriting:
            due = last or now - self._said_at >= REWRITE
        else:
            # The last line is left out: the report follows at once, and says the same.
            tenth = self._expected >= 10 and (heard - self._said) * 10 >= self._expected
            due = not last and (tenth or now - self._said_at >= EVERY)
        if not due:
            return ""
        self._said_at, self._said = now, heard
        text = f"{self._name}  {heard:,} of {counted(self._expected, 'host')}"
        text += f"  {bad:,} {self._bad}" if bad else ""
        # The cursor waits at the beginning, so that whatever else is printed begins there.
        return f"{CLEAR}{text}\r" if self._rewriting else f"{text}\n"


class Line:
    """Whether a line that is rewritten stands on the terminal now; whoever prints next takes it away first."""

    shown = False

    @classmethod
    def put(cls, text: str) -> str:
        """Note that the text is written; returns it."""
        cls.shown = text.endswith("\r")
        return text

    @classmethod
    def away(cls) -> str:
        """What to write to take the line away; "" if there is none."""
        was, cls.shown = cls.shown, False
        return CLEAR if was else ""
