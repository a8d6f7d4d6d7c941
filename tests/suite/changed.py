"""What has changed since a revision, and which tests that reaches: by imports, and by a table for what is none."""

from __future__ import annotations

import fnmatch
import functools
import os
import subprocess
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path

import imports

from suite import sizes

SINCE = "PROSCRIBE_TESTS_SINCE"  # in the environment: what a CI system names as the revision before the change
# Changes that are no imports, and the tests that they reach. Paths and tests are patterns.
REACHES: Mapping[str, tuple[str, ...]] = {
    "catalog/*": (
        "tests/unit/compile/test_catalogue*.py",
        "tests/unit/controller/compile/catalogue/test_guard_list.py",
        "tests/unit/controller/test_cli.py",
        "tests/unit/controller/cli/test_catalog.py",
        "tests/unit/host/controls/test_apps_routes.py",
    ),
    "docs/*": ("tests/unit/checkout/tests/test_doc_commands.py", "tests/unit/checkout/docs/test_how_to.py", "tests/unit/checkout/tests/test_site_pages.py"),
    "*.md": ("tests/unit/checkout/tests/test_doc_commands.py", "tests/unit/checkout/docs/test_how_to.py", "tests/unit/checkout/test_security.py"),
    "roles/*": ("tests/unit/checkout/test_library.py", "tests/unit/checkout/test_proscribe.py", "tests/playbooks/test_runs.py"),
    "playbooks/*": ("tests/unit/checkout/test_proscribe.py", "tests/playbooks/test_runs.py"),
    "inventory/*": ("tests/unit/controller/compile/inventory/test_inventory_mistakes.py", "tests/playbooks/test_runs.py"),
    "module_utils/proscribe/host/programs/*": ("tests/unit/host/test_programs.py", "tests/unit/checkout/tests/test_derived.py"),
    "tests/derived/*": ("tests/unit/checkout/tests/test_derived.py",),
    "examples/*": ("tests/integration/test_policy_repository.py", "tests/integration/test_init.py"),
    "proscribe": ("tests/playbooks/test_launcher*.py", "tests/playbooks/test_environment.py"),
    "pyproject.toml": ("tests/unit/checkout/test_pyproject.py", "tests/playbooks/test_environment.py"),
    ".github/*": ("tests/unit/checkout/tests/test_suite.py",),
    ".ci/*": ("tests/unit/checkout/tests/test_suite.py",),
}
# The quick size runs tests that are at most so many imports away from a change: what is farther is run before it lands.
NEAR = 2


class UnknownRevision(ValueError):
    """A revision that git does not know."""


def git(project: Path, *words: str) -> str:
    """What git prints; raises UnknownRevision with what it says."""
    done = subprocess.run(["git", "-C", str(project), *words], capture_output=True, text=True)
    if done.returncode:
        raise UnknownRevision(done.stderr.strip() or f"git ended with {done.returncode}")
    return done.stdout


def revision(project: Path) -> str | None:
    """What to compare with: what the CI names, else where this branch left its upstream, else the commit before. None
    where there is none, as in a first commit or without git. A commit that a forced push has removed is none.
    """
    if (named := os.environ.get(SINCE, "")) and _known(project, "--verify", "--end-of-options", f"{named}^{{commit}}"):
        return named
    here = _known(project, "HEAD")
    for words in (("merge-base", "HEAD", "@{upstream}"), ("rev-parse", "HEAD~1")):
        if (found := _known(project, *words[1:], verb=words[0])) and found != here:
            return found
    return None


def _known(project: Path, *words: str, verb: str = "rev-parse") -> str | None:
    try:
        return git(project, verb, *words).strip()
    except UnknownRevision:
        return None


def paths(project: Path, since: str) -> frozenset[str]:
    """The files that differ from a revision, committed or not; raises UnknownRevision."""
    (commit,) = git(project, "rev-parse", "--verify", "--end-of-options", f"{since}^{{commit}}").split()
    differing = git(project, "diff", "-z", "--name-only", "--no-renames", commit)
    new = git(project, "ls-files", "-z", "--others", "--exclude-standard")
    return frozenset(filter(None, (differing + new).split("\0")))


@functools.cache
def graph(project: Path) -> Mapping[str, frozenset[str]]:
    """Which file of the checkout imports which, as it was when somebody first asked."""
    return imports.graph(project)


def reached(project: Path, changed: Collection[str]) -> dict[str, int]:
    """The files of tests that a change reaches, each with its distance: how many imports lie between, 0 for one that
    has changed itself or that the table names. A file with hosts or playbooks imports helpers, which import much, so it
    counts for what its row of `sizes.TABLE` is about, and for what it imports itself.
    """
    distances = imports.distances(graph(project), changed)
    found = {}
    for path in sizes.files(project):
        row = sizes.row(path)
        distance = distances.get(path)
        if any(fnmatch.fnmatchcase(path, pattern) for pattern in _named(changed)):
            found[path] = 0
        elif row is None and distance is not None:
            found[path] = distance
        elif row is not None and ((distance is not None and distance < NEAR) or sizes.concerns(row, changed)):
            found[path] = distance or 0
    return found


def _named(changed: Collection[str]) -> Iterator[str]:
    for pattern, tests in REACHES.items():
        if any(fnmatch.fnmatchcase(path, pattern) for path in changed):
            yield from tests
