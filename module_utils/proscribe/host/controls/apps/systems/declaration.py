"""Types in which the file of a package system declares that system, in its variable `DECLARED`.

Lists, the format of package names, schema and documents are derived from the declarations. Nothing on a host reads this
module, and no host receives it. `tests/tool python tests/derived` writes the derived files: package_systems.py beside
this file, controller/compile/reading/package_names.py, docs/coverage_data.md, docs/catalogue.md and the schema of a
service.
"""

from __future__ import annotations

from typing import Mapping, Sequence

from .....base.named_tuple import NamedTuple


class PackageIdFormat(NamedTuple):
    """Spelling of the package names of a package system."""

    id_pattern: str  # regular expression for the whole name
    meaning: str  # description of the format; the error message for an invalid name prints it
    source: str  # documentation of the format
    valid_example: str
    invalid_examples: Sequence[str]  # names that the pattern must refuse, such as options, paths and patterns


class CoverageClaim(NamedTuple):
    """Claim that Proscribe handles something, and the name of the test that proves the claim.

    The name is a file below tests/ and, after `::`, a function in that file.
    """

    statement: str
    test_name: str


class InstallRoute(NamedTuple):
    """Installation route: how an app gets on a host. Each is a row of docs/coverage_data.md.

    If `detection`, `removal` or `prevention` is None, Proscribe cannot do that for apps that come by this route.
    """

    route: str
    detection: CoverageClaim | None
    removal: CoverageClaim | None
    prevention: CoverageClaim | None
    remaining_gap: str  # what Proscribe misses on this route, and why


class ReinstallCommands(NamedTuple):
    """Commands that install a removed package again, for people who paste them on the host.

    The fields in a command, such as {tool}, are those of `RemovedPackage`. If a command can install several packages
    together, it has {names} instead of {name}. The field {where} is the option for flatpak's installation. A word of
    the command is left out if its field is unknown. A package whose name does not fit `name_pattern` gets no command: a
    host sent the name, so it is not trusted.
    """

    # command by `RemovedPackage.how`, the front end of the package system; "" if there is only one
    commands: Mapping[str, str]
    # Regular expression for the name that the package system gives a package. {id} stands for its id in the catalogue.
    name_pattern: str = "{id}"
    # separator between name and version in the command; "" if the command cannot choose a version
    version_separator: str = ""
    # by `RemovedPackage.mark`: the command that restores this mark after the installation
    mark_commands: Mapping[str, str] = {}


class SystemDeclaration(NamedTuple):
    """Declaration of a package system."""

    name: str  # name of the package system in findings and records of removed packages
    catalogue_key: str  # key of the system's packages in a service of the catalogue
    # None if another system with the same `catalogue_key` declares the format.
    id_format: PackageIdFormat | None
    reinstall: ReinstallCommands | None  # None if Proscribe removes no package of this system
    routes: Sequence[InstallRoute] = ()  # empty if a route of another system covers this system too
    implementation: str = ""  # name of the object that implements package.PackageSystem; "" if the module itself does
    # Paths of the host or below a home (`~/`). The system is present only if one of these paths exists. Only then does
    # a host compile the system's file. Without traces, every host is checked.
    traces: Sequence[str] = ()
    # whether packages of a user are also outside the home, in a host directory with the user's name
    has_named_directories: bool = False
    is_host_wide: bool = False  # whether the system installs mainly for the whole host (HOST_WIDE_SYSTEMS)
    # Whether a list of protected package names applies, which no service of the catalogue may restrict. True if
    # packages of this system make up an operating system, or have the names of its programs. False if the packages are
    # only apps.
    is_guarded: bool = True
