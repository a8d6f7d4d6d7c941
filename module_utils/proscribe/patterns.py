"""Regular expressions that are compiled where they are first used. The observation of a compliant host uses few of
those that its modules name; compiling all of them is an eighth of its cost.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, AnyStr

if TYPE_CHECKING:
    from typing import Pattern


def pattern(text: AnyStr, flags: int = 0) -> Pattern[AnyStr]:
    """What `re.compile` gives, from its first use on."""
    return _Pattern(text, flags)  # type: ignore[return-value]


class _Pattern:
    def __init__(self, text: Any, flags: int) -> None:
        self._given = text, flags

    def __getattr__(self, name: str) -> Any:
        value = getattr(re.compile(*self._given), name)
        setattr(self, name, value)
        return value
