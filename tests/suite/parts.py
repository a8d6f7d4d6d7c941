"""Parts of a test run: their commands, and the sizes and supported ends of Ansible and Python that have them."""

import datetime
import functools
import os
import sys
import tomllib
from collections.abc import Sequence
from typing import NamedTuple

import imports
import machine
import roots
from machine import BETWEEN, NEWEST, OLDEST, PATH, PROJECT, Environment, which

from suite import changed, sizes
from suite.running import QUIET, Part
from suite.sizes import FAST, NIGHTLY

WORDS = (
    *("lint", "docs", "unit", "integration", "playbooks", "molecule"),
    *("collection", "packages", "mutation", "recall"),
)
WITH_PYTEST = ("unit", "integration", "playbooks")
QUICK = ("ruff check", "ruff format", "mypy --strict")  # of lint, what is in `fast`
WAITS = "mark.whole_hosts"  # in a file whose tests boot hosts, and mostly wait for them
MACHINE_ITSELF = "integration/test_launches_connector.py"  # the kernel shows it outside of namespaces only
# These run playbooks, so they run on each end. The launcher runs no Ansible of its own.
WITH_ANSIBLE = ("test_runs.py", "test_report_options.py", "test_own_configuration.py", "test_renamed_names.py")
TESTS_ONLY = ("pytest", "hypothesis")  # packages
# For pytest alone (conftest.py takes it away from child processes): without it each process compiles all tests.
BYTECODE = {"PYTHONPYCACHEPREFIX": str(machine.CACHE / "bytecode"), "PYTHONDONTWRITEBYTECODE": ""}
# Each night tries MUTANTS mutants a module, in one of NIGHTS modules; the tests notice at least NOTICED percent.
MUTANTS, NIGHTS, NOTICED = 3, 7, 90
LISTS = "PROSCRIBE_TESTS_LISTS"  # the folder of public lists, which are not in the repository


class Choice(NamedTuple):
    """The choice of a run: a size, some of its parts, and options of pytest."""

    size: str
    words: Sequence[str]
    changed: frozenset[str]  # paths of the checkout
    reached: frozenset[str] | None = None  # the only files of tests that run; None for those of the size
    options: Sequence[str] = ()
    complete: bool = False  # a tool that is missing is a failure
    every_core: bool = False  # also the release between the supported ends
    slow: frozenset[str] | None = None  # the only files whose slow tests run; None for all


def lint(tools):
    """Checks that read the source and run nothing of it."""
    commands = {
        "ruff check": ["ruff", "check", "."],
        "ruff format": ["ruff", "format", "--check", "."],
        "mypy --strict": ["mypy"],
        "yamllint": ["yamllint", "--strict", "."],
        sizes.ANSIBLE_LINT: ["ansible-lint", "--offline", "-q"],
    }
    part = functools.partial(Part, missing=tools.missing, isolated=False)
    for name, (tool, *arguments) in commands.items():
        # ansible-lint calls ansible by name.
        path = f"{tools.directory}/bin:{PATH}"
        yield part(name, [tools.tool(tool), *arguments], {"PATH": path, "NO_COLOR": "1"})
    folders = ("tests", "module_utils")
    scripts = ["proscribe", ".ci/run", "tests/molecule/boot", "tests/tool"]
    scripts += [str(path) for folder in folders for path in sorted((PROJECT / folder).glob("**/*.sh"))]
    contracts = [tools.tool("lint-imports"), "--no-cache"]
    yield part("imports run one way", contracts, {"PYTHONPATH": "module_utils", "NO_COLOR": "1"}, tail=6)
    yield part("derived files", [tools.tool("python"), "tests/derived", "--check"])
    yield part("names", [tools.tool("python"), "tests/names.py"], tail=10)
    yield part("terms of the glossary", [tools.tool("python"), "tests/terms.py"], tail=10)
    missing = "" if which("shellcheck") else "shellcheck is not installed"
    yield Part("shellcheck", ["shellcheck", "--severity=warning", *scripts], missing=missing, isolated=False)


def docs(tools):
    """The site of the documents, in .cache/site; a dead link fails. With --quiet, mkdocs would let it pass."""
    return Part("docs site", [tools.tool("mkdocs"), "build", "--strict"], missing=tools.missing, isolated=False)


def pytest(choice, name, environment, files, detail="", workers=0, profile="", waits=False, isolated=True):
    """Run files of tests on one end, in so many processes, with hypothesis' profile of the size or another one."""
    slow = []
    if choice.slow is not None:
        with_slow = [path for path in files if path in choice.slow and "mark.slow" in (PROJECT / path).read_text()]
        slow = [f"--slow-in={os.pathsep.join(with_slow)}"]
    command = [
        *(environment.tool("python"), "-m", "pytest", "-q", "-rfE"),  # skipped tests are in the last lines of the run
        f"--override-ini=faulthandler_timeout={QUIET // 2}",  # names the place where a test hangs
        f"--hypothesis-profile={profile or choice.size}",
        f"--size={choice.size}",
        *slow,
    ]
    by = "load" if name == "unit" else "loadfile"  # the tests of a file with real tools share its fixtures
    processes = [f"--numprocesses={workers}", f"--dist={by}"] if workers > 1 else []
    return Part(
        f"{name}{detail} ({environment.label})",
        [*command, *processes, *files, *choice.options],
        {
            "PATH": f"{environment.directory}/bin:{PATH}",
            "PROSCRIBE_ANSIBLE_PLAYBOOK": environment.tool("ansible-playbook"),
            "PROSCRIBE_TESTS_COMPLETE": "1" if choice.complete else "0",
            **BYTECODE,
        },
        environment.missing,
        waits=waits,
        isolated=isolated,
        may_be_empty=bool(choice.options) or choice.reached is not None,
    )


def host_code(pythons):
    """The code of managed hosts, on every Python of theirs that is here."""
    here = [minor for minor in machine.HOST_PYTHONS if minor in pythons]
    absent = ", ".join(f"3.{minor}" for minor in machine.HOST_PYTHONS if minor not in pythons)
    name = "host code on Python " + ", ".join(f"3.{minor}" for minor in here)
    name += f" (not here: {absent})" if absent else ""
    return Part(name, [sys.executable, "tests/host_code.py", *(pythons[minor] for minor in here)])


def molecule(tools):
    """Two real hosts over SSH."""
    needed = ("podman", "runc", "mmdebstrap", "goss", "ssh", "ip")
    absent = [machine.TOOLS[tool].package for tool in needed if not which(tool)]
    missing = tools.missing or (f"not installed: {' '.join(absent)}" if absent else "")
    if not missing and machine.becoming_root() is None:
        missing = "making hosts needs root, or a sudo that asks for no password"
    return Part(
        f"molecule, two hosts over SSH ({tools.label})",
        [tools.tool("molecule"), "test", "--no-command-borders", "--report"],
        {"PATH": f"{tools.directory}/bin:{PATH}", "MOLECULE_GLOB": "tests/molecule/*/molecule.yml", "NO_COLOR": "1"},
        missing,
        refuse=r"missing=[1-9]",  # a step whose playbook it did not find is no failure to Molecule
        tail=32,
        waits=True,
    )


def collection(end, pythons, requirements):
    """Checks of Ansible's makers for a collection, with their own tools."""
    minor = next((minor for minor in end.pythons if minor in pythons), None)
    label, directory = f"checks of collections, core {end.core}", machine.CACHE / "collection-tools"
    if minor is None:
        tools = Environment(label, directory, f"ansible-core {end.core} needs a Python that is not found here")
    else:
        tools = machine.made(label, directory, pythons[minor], [f"ansible-core=={end.core}.*", *requirements])
    for check in ("docs", "changelog", "sanity", "lint", "importer"):
        argv = [tools.tool("python"), "tests/collection_checks.py", check]
        yield Part(f"collection: {check}", argv, {"NO_COLOR": "1"}, tools.missing, tail=8, downloads=True)


def packages(tools):
    """Whether Debian's archives have packages that are neither in the catalogue nor decided."""
    missing = tools.missing or ("" if roots.mirrors()[0] else "the apt of this machine knows no mirror of Debian")
    return Part("packages of archives", [tools.tool("python"), "tests/packages"], missing=missing, downloads=True)


def mutation(tools):
    """Whether the tests notice mistakes: the worst ones, and a sample of small ones, of other modules each night."""
    argv = [tools.tool("python"), "tests/mutation"]
    day = datetime.datetime.now(datetime.timezone.utc).toordinal()
    sample = f"--sample {MUTANTS} --every {NIGHTS} --seed {day} --minutes 60 --at-least {NOTICED}".split()
    learning = ["--learn", "--jobs", str(machine.processors())]
    for name, options in (("the worst mistakes", ["--worst"]), ("lines", learning), ("a sample", sample)):
        yield Part(f"mutation: {name}", [*argv, *options], missing=tools.missing, tail=20, isolated=False)


def recall(tools):
    """Whether the catalogue handles what independent public lists agree on."""
    folder = os.environ.get(LISTS, "")
    return Part(
        "recall against public lists",
        [tools.tool("python"), "tests/recall.py", folder],
        missing=tools.missing or ("" if folder else f"{LISTS} names no folder of public lists"),
        tail=12,
        isolated=False,  # the folder may be anywhere
    )


def integration(choice, tools, files):
    """Real tools and hosts. Files that boot hosts mostly wait for them, so they have processes of their own."""
    tests = functools.partial(pytest, choice, "integration", tools)
    alone = [path for path in files if path.endswith(MACHINE_ITSELF)]
    hosts = [path for path in files if WAITS in (PROJECT / path).read_text()]
    others = [path for path in files if path not in {*hosts, *alone}]
    if hosts:
        yield tests(hosts, detail=", whole hosts", workers=min(len(hosts), machine.hosts_at_a_time()), waits=True)
    if others:
        yield tests(others, workers=min(len(others), machine.processors()))
    if alone:
        yield tests(alone, detail=", the machine's own kernel", isolated=False)


def unit(choice, oldest, others, files):
    """All on the oldest end; on the others those that import Ansible directly or at one remove."""
    workers = machine.processors()
    tests = functools.partial(pytest, choice, "unit", workers=workers)
    yield tests(oldest, files)
    differing = files if choice.size == NIGHTLY else [path for path in files if path in reaching_ansible(1)]
    profile = "" if choice.size == NIGHTLY else FAST
    if differing and not oldest.missing:
        for environment in others:
            yield tests(environment, differing, profile=profile)


def before_its_release(choice, pythons, requirements):
    """On the newest pre-release of ansible-core: tests that reach Ansible, and the playbooks that run on each end."""
    words = {"unit": sorted(reaching_ansible()), "playbooks": [f"tests/playbooks/{name}" for name in WITH_ANSIBLE]}
    chosen = {word: files for word, files in words.items() if word in choice.words}
    environment = machine.next_core(pythons, requirements) if chosen else None
    if environment is not None:
        for word, files in chosen.items():
            yield pytest(choice, word, environment, files, workers=machine.processors(), profile=FAST)


@functools.cache
def reaching_ansible(removes=sys.maxsize):
    """Return the unit tests that reach Ansible by at most so many modules between."""
    graph = changed.graph(PROJECT)
    distances = imports.distances(graph, [path for path in graph if imports_ansible(PROJECT / path)])
    near = {path for path, distance in distances.items() if distance <= removes}
    return frozenset(near.intersection(sizes.files(PROJECT, sizes.UNIT)))


def imports_ansible(path):
    """Return whether a line of a file imports a module of ansible-core."""
    lines = path.read_text(encoding="utf-8").splitlines()
    return any(line.lstrip().startswith(("import ansible", "from ansible")) for line in lines)


def chosen_files(choice, word):
    """Return the files that a part runs: none where the options name them, else those of the size."""
    room = f"tests/{word}/"
    if any(option.startswith(room) for option in choice.options):
        return []
    files = list(sizes.files(PROJECT, room))
    if choice.reached is not None:
        return [path for path in files if path in choice.reached]
    # The options may select tests of any file.
    return files if choice.options else [path for path in files if sizes.chosen(choice.size, path, choice.changed)]


def chosen(choice):
    """Yield the parts to run: first those that show a mistake soonest, then those that take longest."""
    pythons = machine.find_pythons()
    extras = tomllib.loads((PROJECT / "pyproject.toml").read_text())["project"]["optional-dependencies"]
    requirements = extras["test"]
    oldest = machine.environment(OLDEST, pythons, requirements)
    tools, others = oldest, []
    if oldest.missing or choice.size != FAST:
        tests_only = [line for line in requirements if line.startswith(TESTS_ONLY)]
        ends = [*([BETWEEN] if choice.every_core or choice.size == NIGHTLY else []), NEWEST]
        others = [machine.environment(end, pythons, requirements if oldest.missing else tests_only) for end in ends]
        tools = others[-1] if oldest.missing else oldest

    def files(word):
        return chosen_files(choice, word)

    if "lint" in choice.words:
        checks = [part for part in lint(tools) if sizes.has_part(choice.size, part.name, choice.changed)]
        yield from (part for part in checks if choice.size != FAST or part.name in QUICK)
    if "docs" in choice.words:
        yield docs(tools)
    if "integration" in choice.words and choice.options:
        yield pytest(choice, "integration", tools, files("integration"))
    elif "integration" in choice.words:
        yield from integration(choice, tools, files("integration"))
    if "molecule" in choice.words:
        yield molecule(tools)
    playbooks = files("playbooks")
    if "playbooks" in choice.words and (playbooks or choice.options):
        named = playbooks or choice.options
        again = named if choice.size == NIGHTLY else [path for path in named if path.endswith(WITH_ANSIBLE)]
        tests = functools.partial(pytest, choice, "playbooks", workers=machine.processors())
        yield tests(tools, playbooks)
        with_newest = sizes.has_part(choice.size, sizes.NEWEST_PLAYBOOKS, choice.changed)
        if not (with_newest or choice.every_core or choice.options):
            again = []
        if again and not oldest.missing:
            yield from (tests(end, again) for end in others)
    if "unit" in choice.words and (files("unit") or choice.options):
        yield from unit(choice, tools, others, files("unit"))
        if not choice.options and choice.size != FAST:
            yield host_code(pythons)
    if choice.size == NIGHTLY and not choice.options:
        yield from before_its_release(choice, pythons, [line for line in requirements if line.startswith(TESTS_ONLY)])
    if "collection" in choice.words:
        yield from collection(OLDEST, pythons, extras["test-collection"])
    if "packages" in choice.words:
        yield packages(tools)
    if "mutation" in choice.words:
        yield from mutation(tools)
    if "recall" in choice.words:
        yield recall(tools)
