"""Packages of public archives that are neither in the catalogue nor decided.

    tests/tool python tests/packages     Debian's archives, from the mirror of this machine's apt

Words select the packages (tests/catalog/packages/words.yml). Each of them is in the catalogue, or has a decision with
a reason (tests/catalog/packages/apt.yml). Exit code 1 if something is undecided, or if a decision has no object any
more; 2 if an archive or a file could not be read.
"""

import sys
import tempfile
from pathlib import Path

HERE = Path(__file__).resolve().parent
PROJECT = HERE.parents[1]
sys.path[:0] = [str(HERE), str(HERE.parent), str(PROJECT / "module_utils")]

import archives  # noqa: E402
import judging  # noqa: E402
from proscribe.controller.compile.catalogue.catalogue_loader import read_catalogue  # noqa: E402
from proscribe.controller.policy_errors import PolicyErrors  # noqa: E402
from roots import mirrors  # noqa: E402


def list_names():
    """List the names that the services of the catalogue have in Debian's package system."""
    services = read_catalogue([PROJECT / "catalog"]).services.values()
    return frozenset(name for service in services for name in service.packages.get("apt", ()))


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
    return judging.mistakes(packages, judging.words_of(), decisions, list_names())


def main():
    try:
        lines = check_debian()
    except (OSError, archives.Unreadable, judging.Mistake, PolicyErrors) as error:
        print(error, file=sys.stderr)
        return 2
    print(*lines, sep="\n", end="\n" * bool(lines))
    print(f"{len(lines)} to decide" if lines else "Nothing is undecided")
    return 1 if lines else 0


if __name__ == "__main__":
    sys.exit(main())
