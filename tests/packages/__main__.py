"""Packages of public archives that are neither in the catalogue nor decided.

    tests/tool python tests/packages                      Debian's archives, from the mirror of this machine's apt
    tests/tool python tests/packages --names pip FILE     whether a list of names has the catalogue's: one a line

Words select the packages (tests/catalog/packages/words.yml). Each of them is in the catalogue, or has a decision with
a reason (tests/catalog/packages/apt.yml). Exit code 1 if something is undecided, or if a decision has no object any
more; 2 if the metadata could not be read.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path

HERE = Path(__file__).resolve().parent
PROJECT = HERE.parents[1]
sys.path[:0] = [str(HERE), str(HERE.parent), str(PROJECT / "module_utils")]

import archives  # noqa: E402
import judging  # noqa: E402
import metadata  # noqa: E402
from proscribe.controller.compile.catalogue.loading import load  # noqa: E402
from proscribe.controller.compile.reading.package_names import NAMES  # noqa: E402
from proscribe.controller.policy_errors import PolicyErrors  # noqa: E402
from roots import mirrors  # noqa: E402


def named(manager: str) -> frozenset[str]:
    """The names that the services of the catalogue have in a package system."""
    services = load([PROJECT / "catalog"]).services.values()
    return frozenset(metadata.same(manager, name) for service in services for name in service.packages.get(manager, ()))


def debian() -> list[str]:
    """What is to be done about Debian's archives. A name in several suites counts as the first has it."""
    mirror = mirrors()[0]
    if not mirror:
        raise archives.Unreachable("the apt of this machine knows no mirror of Debian")
    packages: dict[str, metadata.Package] = {}
    with tempfile.TemporaryDirectory(prefix="proscribe-") as directory:
        for what, lines in archives.indexes(mirror, Path(directory)):
            for package in metadata.debian(lines, what):
                packages.setdefault(package.name, package)
    decisions = judging.decisions_of(judging.DECISIONS / "apt.yml")
    print(f"{len(packages)} packages in {', '.join(archives.SUITES)}")
    return judging.mistakes(packages, judging.words_of(), decisions, named("apt"))


def absent(manager: str, file: Path) -> list[str]:
    """The names of the catalogue that a list does not have."""
    with file.open(encoding="utf-8", errors="replace") as stream:
        lines = metadata.lines_of(stream)
        listed = {metadata.same(manager, name) for name in metadata.names(lines, str(file))}
    print(f"{len(listed)} names in {file}")
    return [f"catalogue: {name}: the list has none" for name in sorted(named(manager) - listed)]


def main() -> int:
    parser = argparse.ArgumentParser(
        prog="tests/tool python tests/packages", description=(__doc__ or "").split("\n")[0]
    )
    parser.add_argument(
        "--names", nargs=2, metavar=("SYSTEM", "FILE"), help="a package system, and a list of its names"
    )
    arguments = parser.parse_args()
    if arguments.names and arguments.names[0] not in NAMES:
        parser.error(f"--names: found {arguments.names[0]}, expected one of {', '.join(NAMES)}")
    try:
        found = absent(arguments.names[0], Path(arguments.names[1])) if arguments.names else debian()
    except (OSError, archives.Unreachable, judging.Mistake, metadata.Malformed, PolicyErrors) as error:
        print(error, file=sys.stderr)
        return 2
    print(*found, sep="\n", end="\n" * bool(found))
    print("Nothing is undecided" if not found else f"{len(found)} to decide")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
