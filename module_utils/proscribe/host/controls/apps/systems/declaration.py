"""What a package system declares, once: `DECLARED` of its file. Lists, grammar, schema and documents follow from it.

Nothing on a host reads it, and no host gets it. `tests/tool python tests/derived` writes what follows: registry.py
beside this file, controller/compile/reading/package_names.py, docs/coverage_data.md, docs/catalogue.md and the schema
of a service.
"""

from __future__ import annotations

from typing import Mapping, Sequence

from .....base.tuples import NamedTuple


class Ids(NamedTuple):
    """How a package system spells the names of its packages."""

    pattern: str  # a regular expression of the whole name
    meaning: str  # the same for people: a message about a mistyped name prints it
    source: str  # where that is documented
    good: str  # an example
    bad: Sequence[str]  # and what is none: options, paths, patterns


class Claim(NamedTuple):
    """Something that Proscribe does, and the test that shows it: a file below tests/ and the name of a function."""

    text: str
    test: str


class Route(NamedTuple):
    """One route by which an app reaches a host: a row of docs/coverage_data.md. None is no."""

    route: str
    seen: Claim | None
    removed: Claim | None
    prevented: Claim | None
    left: str  # what is not covered, and why


class Reinstall(NamedTuple):
    """How a package that was removed is installed again: for people, by a command that they paste on the host.

    The words of a command are those of `Removed`, and {name} or, for a command that takes several, {names}; {where} is
    flatpak's installation. A word that needs what is not known is left out. What does not fit the spelling of names
    gets no command: it came from a host.
    """

    commands: Mapping[str, str]  # by `Removed.how`
    name: str = "{id}"  # a regular expression of what the system calls a package, by its id in the catalogue
    pin: str = ""  # what stands between name and version, where any version can be had
    marks: Mapping[str, str] = {}  # a command that has to follow, by `Removed.mark`


class Declared(NamedTuple):
    """A package system."""

    name: str  # as findings and removals have it
    key: str  # under which the catalogue names its packages
    # None where another system that shares the key has it.
    ids: Ids | None
    reinstall: Reinstall | None  # None where nothing is removed
    routes: Sequence[Route] = ()  # none where another system's row names it
    answers: str = ""  # what of its file answers (package.PackageSystem); "" is the file itself
    # The paths of which one is there wherever it is: of the host, or below a home (`~/`). Its file is compiled on a
    # host only where one is. Without any it is asked on every host.
    traces: Sequence[str] = ()
    by_name: bool = False  # what a user has lies below his name in a place of the host's, not in his home alone
    of_the_host: bool = False  # it installs for the whole host
    # Whether its packages make up a system, or are named like programs that do: then the guard list is asked. Not so
    # where ids are those of apps alone.
    guarded: bool = True
