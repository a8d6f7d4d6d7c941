"""Tools that answer from a table, refusals of a host, and a package system without packages."""

from collections.abc import Mapping, Sequence
from types import SimpleNamespace
from typing import Any

from proscribe.host.system import Host, Result

DONE = Result(0, "", "")


class Tools:
    """Answers tools from a table: words that a command line has to have -> its answer; the first row that fits."""

    def __init__(self, *rows: tuple[str, Result]) -> None:
        self.rows = rows
        self.calls: list[str] = []
        self.ran: list[tuple[Sequence[str], Any]] = []  # each with the user on whose behalf

    def __call__(self, argv: Sequence[str], **options: Any) -> Result:
        self.calls.append(" ".join(argv))
        self.ran.append((argv, options.get("user")))
        for words, result in self.rows:
            if set(words.split()) <= set(argv):
                return result
        raise AssertionError(f"unexpected: {argv}")


def refuse(monkeypatch: Any, method: str, errors: Mapping[str, Exception]) -> None:
    """Have a method of every host raise these errors at these paths."""
    real = getattr(Host, method)

    def call(host: Host, path: str, *rest: Any) -> Any:
        if path in errors:
            raise errors[path]
        return real(host, path, *rest)

    monkeypatch.setattr(Host, method, call)


def package_system(**parts: Any) -> Any:
    """A package system that is there and has nothing, but for these parts of it."""
    nothing = {
        "MANAGER": "npm",
        "DATABASE_FILES": (),
        "query": lambda host, ids: ([], ""),
        "query_of": lambda host, user, ids: ([], ""),
        "owned_directories": lambda host, user: (),
        "there": lambda host, user: True,
    }
    return SimpleNamespace(**{**nothing, **parts})
