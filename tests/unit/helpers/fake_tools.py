"""Tools that answer from a table, refusals of a host, and a package system without packages."""

from types import SimpleNamespace

from proscribe.host.system import Host, ToolResult

DONE = ToolResult(0, "", "")


class Tools:
    """Answers tools from a table: words that a command line has to have -> its answer; the first row that fits."""

    def __init__(self, *rows):
        self.rows = rows
        self.calls = []
        self.ran = []  # each with the user on whose behalf

    def __call__(self, argv, **options):
        self.calls.append(" ".join(argv))
        self.ran.append((argv, options.get("user")))
        for words, result in self.rows:
            if set(words.split()) <= set(argv):
                return result
        raise AssertionError(f"unexpected: {argv}")


def refuse(monkeypatch, method, errors):
    """Have a method of every host raise these errors at these paths."""
    real = getattr(Host, method)

    def call(host, path, *rest):
        if path in errors:
            raise errors[path]
        return real(host, path, *rest)

    monkeypatch.setattr(Host, method, call)


def package_system(**parts):
    """A package system that is there and has nothing, but for these parts of it."""
    nothing = {
        "MANAGER": "npm",
        "DATABASE_FILES": (),
        "find_packages": lambda host, ids: ([], ""),
        "find_user_packages": lambda host, user, ids: ([], ""),
        "list_owned_directories": lambda host, user: (),
        "is_present": lambda host, user: True,
    }
    return SimpleNamespace(**{**nothing, **parts})
