"""Regular expressions that are compiled at their first use.

The observation of a compliant host uses none of the expressions that its modules define. Compiling them all is an
eighth of its cost, and loading the module re is another eighth.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, AnyStr

if TYPE_CHECKING:
    from typing import Pattern


# The numbers of `re`, the same in every version.
IGNORECASE, MULTILINE, DOTALL, ASCII = 2, 8, 16, 256


def compile_pattern(text: AnyStr, flags: int = 0) -> Pattern[AnyStr]:
    """Return a pattern as `re.compile` does, but compile it only at its first use."""
    return _LazyPattern(text, flags)  # type: ignore[return-value]


class _LazyPattern:
    """A regular expression that is compiled at the first use of an attribute, such as `match`."""

    def __init__(self, text: Any, flags: int) -> None:
        self._arguments = text, flags

    def __getattr__(self, name: str) -> Any:
        """Compile the expression, and store its attribute in this object.

        Python calls this method only for a missing attribute, so a second use of the same attribute costs nothing.
        """
        import re

        attribute = getattr(re.compile(*self._arguments), name)
        setattr(self, name, attribute)
        return attribute
