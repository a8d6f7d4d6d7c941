"""Changed files since a revision, and the tests that they reach: by imports, and by folders for what is no import."""

import functools
import os
import subprocess

import imports

from suite import sizes

SINCE = "PROSCRIBE_TESTS_SINCE"  # in the environment: the revision before the change, named by a CI
# Tests about files that no test imports, beside those of the same folder below MIRROR. Paths and tests are patterns.
_OWN = "tests/unit/checkout"
_COMPILE = "tests/unit/controller/compile"
_NEAR_CATALOGUE = ("tests/unit/controller/test_cli*.py", "tests/unit/host/controls/test_apps*.py")
REACHES = {
    "catalog/*": (f"{_COMPILE}/catalogue/*", f"{_COMPILE}/test_catalogue*.py", *_NEAR_CATALOGUE),
    "*.md": tuple(f"{_OWN}/{name}*.py" for name in ("tests/test_doc_commands", "docs/test_how_to", "test_security")),
    "roles/*": (f"{_OWN}/test_library.py", f"{_OWN}/test_proscribe.py", "tests/playbooks/test_runs.py"),
    "playbooks/*": (f"{_OWN}/test_proscribe.py", "tests/playbooks/test_runs.py"),
    "inventory/*": (f"{_COMPILE}/inventory/*", f"{_COMPILE}/test_inventory*.py", "tests/playbooks/test_runs.py"),
    "module_utils/proscribe/host/programs/*": ("tests/unit/host/test_programs*.py", f"{_OWN}/tests/test_derived.py"),
    "tests/derived/*": (f"{_OWN}/tests/test_derived.py",),
    "examples/*": ("tests/integration/test_policy_repository.py", "tests/integration/test_init.py"),
    "proscribe": ("tests/playbooks/test_launcher*.py", "tests/playbooks/test_environment.py"),
    "pyproject.toml": (f"{_OWN}/test_pyproject.py", "tests/playbooks/test_environment.py"),
    **dict.fromkeys((".github/*", ".ci/*", "tests/conftest.py"), (f"{_OWN}/tests/test_suite.py",)),
    **dict.fromkeys(("tests/run", "tests/suite/*"), (f"{_OWN}/tests/test_suite.py",)),
}
# Each test imports these. A change of them, such as a new row, reaches no test by that.
SHARED = ("tests/conftest.py", "tests/properties.py", "tests/suite/*")
MIRROR = "tests/unit/checkout/"  # its folders mirror those of the checkout
# `fast`, and the slow unit tests of `default`, reach at most so many imports far.
NEAR = 2


class UnknownRevision(ValueError):
    """A revision that git does not know."""


def git(project, *words):
    """Return what git prints; raises UnknownRevision with its message."""
    done = subprocess.run(["git", "-C", str(project), *words], capture_output=True, text=True)
    if done.returncode:
        raise UnknownRevision(done.stderr.strip() or f"git ended with {done.returncode}")
    return done.stdout


def revision(project):
    """Return the revision to compare with: the environment's, the merge base with upstream, HEAD~1, or None."""
    named = os.environ.get(SINCE, "")
    if named and _ask(project, "rev-parse", "--verify", "--end-of-options", f"{named}^{{commit}}"):
        return named
    head = _ask(project, "rev-parse", "HEAD")
    for words in (("merge-base", "HEAD", "@{upstream}"), ("rev-parse", "HEAD~1")):
        if (commit := _ask(project, *words)) and commit != head:
            return commit
    return None


def _ask(project, *words):
    try:
        return git(project, *words).strip()
    except UnknownRevision:
        return None


def paths(project, since):
    """Return the files that differ from a revision, committed or not; raises UnknownRevision."""
    (commit,) = git(project, "rev-parse", "--verify", "--end-of-options", f"{since}^{{commit}}").split()
    differing = git(project, "diff", "-z", "--name-only", "--no-renames", commit)
    new = git(project, "ls-files", "-z", "--others", "--exclude-standard")
    return frozenset(filter(None, (differing + new).split("\0")))


@functools.cache
def graph(project):
    """Return the imports of each Python file of the checkout, as they are at the first call."""
    return imports.graph(project)


def reached(project, changed):
    """Return the files of tests that a change reaches, each with the number of imports between, 0 for a file that has
    changed itself, or whose folder, entry of REACHES or row of `sizes.TABLE` is about the change. A file with a row
    imports helpers that import much, so farther imports do not count for it.
    """
    changed = frozenset(changed)
    distances = imports.distances(graph(project), [path for path in changed if not sizes.matches(path, SHARED)])
    patterns = tuple(sorted(set(_patterns(changed))))
    found = {}
    for path in sizes.files(project):
        row, distance = sizes.row(path), distances.get(path)
        if row is not None and distance is not None and distance >= NEAR:
            distance = None
        is_about = row is not None and sizes.concerns(row, changed)
        if is_about or sizes.matches(path, patterns):
            distance = 0
        if distance is not None:
            found[path] = distance
    return found


def near(project, changed):
    """Return the files of tests that are near to a change."""
    return frozenset(path for path, distance in reached(project, changed).items() if distance <= NEAR)


def _patterns(changed):
    for path in changed:
        folder, below, _ = path.partition("/")
        if not path.startswith(("module_utils/", sizes.UNIT)):
            yield f"{MIRROR}{folder}/*" if below else f"{MIRROR}test_*"
        for pattern, tests in REACHES.items():
            if sizes.matches(path, (pattern,)):
                yield from tests
