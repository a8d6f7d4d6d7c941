"""Packages of public archives that are neither in the catalogue nor decided.

    tests/tool python tests/packages                      Debian's archives, from the mirror of this machine's apt
    tests/tool python tests/packages --names pip FILE     the catalogue's names that a list lacks: one name a line

Words select the packages (tests/catalog/packages/words.yml). Each of them is in the catalogue, or has a decision with
a reason (tests/catalog/packages/apt.yml). Exit code 1 if something is undecided, or if a decision has no object any
more; 2 if an archive or a file could not be read.
"""

import argparse
import re
import sys
import tempfile
from pathlib import Path

HERE = Path(__file__).resolve().parent
PROJECT = HERE.parents[1]
sys.path[:0] = [str(HERE), str(HERE.parent), str(PROJECT / "module_utils")]

import archives  # noqa: E402
import judging  # noqa: E402
from proscribe.controller.compile.catalogue.loading import load  # noqa: E402
from proscribe.controller.compile.reading.package_names import NAMES  # noqa: E402
from proscribe.controller.policy_errors import PolicyErrors  # noqa: E402
from roots import mirrors  # noqa: E402


def normalize(manager, name):
    """Return the spelling of a name that stands for all: PyPI takes A_b and a.B for the same."""
    return re.sub("[-_.]+", "-", name).lower() if manager == "pip" else name


def list_names(manager):
    """List the names that the services of the catalogue have in a package system."""
    services = load([PROJECT / "catalog"]).services.values()
    return frozenset(normalize(manager, name) for service in services for name in service.packages.get(manager, ()))


def check_debian():
    """Return the things to do about Debian's archives. The first suite that has a name counts."""
    mirror = mirrors()[0]
    if not mirror:
        raise archives.Unreadable("the apt of this machine knows no mirror of Debian")
    packages = {}
    with tempfile.TemporaryDirectory(prefix="proscribe-") as directory:
        for package in archives.read_archives(mirror, Path(directory)):
            packages.setdefault(package.name, package)
    print(f"{len(packages)} packages in {', '.join(archives.SUITES)}")
    decisions = judging.decisions_of(judging.DECISIONS / "apt.yml")
    return judging.mistakes(packages, judging.words_of(), decisions, list_names("apt"))


def check_names(manager, file):
    """Return the names of the catalogue that a list lacks. A tab ends a name."""
    lines = file.read_text(encoding="utf-8", errors="replace").splitlines()
    listed = {normalize(manager, line.partition("\t")[0].strip()) for line in lines} - {""}
    print(f"{len(listed)} names in {file}")
    return [f"catalogue: {name}: the list has none" for name in sorted(list_names(manager) - listed)]


def main():
    parser = argparse.ArgumentParser(prog="tests/tool python tests/packages", description="Find undecided packages.")
    parser.add_argument(
        "--names", nargs=2, metavar=("SYSTEM", "FILE"), help="a package system, and a list of its names"
    )
    names = parser.parse_args().names
    if names and names[0] not in NAMES:
        parser.error(f"--names: found {names[0]}, expected one of {', '.join(NAMES)}")
    try:
        lines = check_names(names[0], Path(names[1])) if names else check_debian()
    except (OSError, archives.Unreadable, judging.Mistake, PolicyErrors) as error:
        print(error, file=sys.stderr)
        return 2
    print(*lines, sep="\n", end="\n" * bool(lines))
    print(f"{len(lines)} to decide" if lines else "Nothing is undecided")
    return 1 if lines else 0


if __name__ == "__main__":
    sys.exit(main())
