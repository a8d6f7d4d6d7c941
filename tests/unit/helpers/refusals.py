"""Functions that refuse to work."""

from collections.abc import Callable
from typing import Any


def make_refusal(error: BaseException | type[BaseException]) -> Callable[..., Any]:
    """Return a function that raises an error, whatever it is called with."""

    def refuse(*_: Any, **__: Any) -> None:
        raise error

    return refuse
