"""Regular expressions that are compiled where they are first used. The observation of a compliant host uses none of
those that its modules name: compiling them all is an eighth of its cost, and so is loading the module re.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, AnyStr

if TYPE_CHECKING:
    from typing import Pattern


# As in `re`, which has had the same numbers in every version.
IGNORECASE, MULTILINE, DOTALL, ASCII = 2, 8, 16, 256


def compile_pattern(text: AnyStr, flags: int = 0) -> Pattern[AnyStr]:
    """What `re.compile` gives, from its first use on."""
    return _LazyPattern(text, flags)  # type: ignore[return-value]


class _LazyPattern:
    def __init__(self, text: Any, flags: int) -> None:
        self._arguments = text, flags

    def __getattr__(self, name: str) -> Any:
        import re

        attribute = getattr(re.compile(*self._arguments), name)
        setattr(self, name, attribute)
        return attribute
