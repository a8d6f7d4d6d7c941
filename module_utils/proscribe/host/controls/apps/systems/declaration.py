"""Declaration of a package system: `DECLARED` in its file. Lists, grammar, schema and documents follow from it.

Nothing on a host reads it, and no host gets it. `tests/tool python tests/derived` writes the derived files: registry.py
beside this file, controller/compile/reading/package_names.py, docs/coverage_data.md, docs/catalogue.md and the schema
of a service.
"""

from __future__ import annotations

from typing import Mapping, Sequence

from .....base.named_tuple import NamedTuple


class PackageIdFormat(NamedTuple):
    """Spelling of the package names of a package system."""

    id_pattern: str  # regular expression for the whole name
    meaning: str  # description of the format, which a message about a mistyped name prints
    source: str  # documentation of the format
    valid_example: str
    invalid_examples: Sequence[str]  # invalid names: options, paths, patterns


class CoverageClaim(NamedTuple):
    """Claim about Proscribe, and the test that proves it: a file below tests/ and the name of a function."""

    statement: str
    test_name: str


class InstallRoute(NamedTuple):
    """Route by which an app reaches a host: a row of docs/coverage_data.md. None means no."""

    route: str
    detection: CoverageClaim | None
    removal: CoverageClaim | None
    prevention: CoverageClaim | None
    remaining_gap: str  # the gap and its reason


class ReinstallCommands(NamedTuple):
    """Commands that install a removed package again, for people who paste them on the host.

    The fields in a command are those of `RemovedPackage`, and {name}, or {names} for a command with several names.
    {where} is flatpak's installation. A word with an unknown field is left out. A package whose name does not fit the
    pattern gets no command, because the name came from a host.
    """

    commands: Mapping[str, str]  # by `RemovedPackage.how`
    # Regular expression for the system's own name of a package, with its id in the catalogue.
    name_pattern: str = "{id}"
    version_separator: str = ""  # separator of name and version, if any version can be installed
    mark_commands: Mapping[str, str] = {}  # by `RemovedPackage.mark`: a command that must follow


class SystemDeclaration(NamedTuple):
    """Declaration of a package system."""

    name: str  # name in findings and removals
    catalogue_key: str  # key of its packages in the catalogue
    # None if another system with the same key has the format.
    id_format: PackageIdFormat | None
    reinstall: ReinstallCommands | None  # None if the system removes nothing
    routes: Sequence[InstallRoute] = ()  # empty if another system's row covers it
    implementation: str = ""  # object that implements package.PackageSystem; "" for the module itself.
    # Paths of the host or below a home (`~/`). The system is present only if one of them exists, and only then a host
    # compiles its file. Without traces, every host is checked.
    traces: Sequence[str] = ()
    has_named_directories: bool = False  # a user's packages are also in a directory of the host, below the user's name
    is_host_wide: bool = False  # the system installs for the whole host.
    # True if its packages make up a system, or have names of such programs: then the guard list applies. False if its
    # ids are those of apps alone.
    is_guarded: bool = True
