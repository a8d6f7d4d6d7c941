"""Search for the package that owns a path, in the package systems that list the files of each package."""

from __future__ import annotations

from ...system import Host

# The package managers, each with the command that prints the package of the path that follows.
OWNER_COMMANDS = (
    ("dpkg", ["dpkg-query", "--search", "--"]),
    ("rpm", ["rpm", "--query", "--file", "--queryformat", "%{NAME}\n", "--"]),
    ("pacman", ["pacman", "--query", "--owns", "--quiet", "--"]),
)


def find_owning_package(host: Host, path: str) -> str:
    """Describe the distribution's package that owns a path, as in `the dpkg package NAME`, or return ""."""
    for manager, command in OWNER_COMMANDS:
        if host.find_tool(command[0]):
            result = host.run_command([*command, path])
            if result.rc == 0 and result.out.strip():
                name = result.out.splitlines()[0].partition(": ")[0]
                return f"the {manager} package {name}"
    return ""
