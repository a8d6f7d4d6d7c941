"""`./proscribe test`: the tests of each size, the names of failures, the end of a run."""

import fnmatch
import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import machine
import pytest
import roots
from own_scripts import script_of_tests
from patience import alive, until
from suite import changed, leftovers, parts, running, sizes
from suite.parts import Choice
from suite.running import Outcome, Part
from suite.sizes import DEFAULT, FAST, NIGHTLY, SIZES

TESTS = Path(__file__).resolve().parents[3]
PROJECT = TESTS.parent


@pytest.fixture
def run_part(tmp_path, monkeypatch):
    """Run a command as a part, with its log elsewhere, and not in namespaces."""
    monkeypatch.setattr(running, "LOGS", tmp_path)
    monkeypatch.setattr(running, "POLL", 0.01)

    def run_it(*argv, **more):
        return running.run(Part("made", argv, isolated=False, **more), tmp_path / "runs")

    return run_it


@pytest.fixture
def pytest_directory(tmp_path):
    """Run pytest on files of a directory that has the project's conftest.py."""
    (tmp_path / "conftest.py").write_text((TESTS / "conftest.py").read_text())
    (tmp_path / "pytest.ini").write_text("[pytest]\nmarkers =\n  slow\n  nightly\n  steps\n")
    environment = {**os.environ, "PYTHONPATH": f"{tmp_path}:{PROJECT / 'module_utils'}:{TESTS}"}

    def run_pytest(*options, **files):
        for name, text in files.items():
            (tmp_path / f"{name}.py").write_text(text)
        argv = [sys.executable, "-m", "pytest", "-c", str(tmp_path / "pytest.ini"), *options, str(tmp_path)]
        return subprocess.run(argv, env=environment, capture_output=True, text=True, check=False)

    return run_pytest


# -- a part that hangs -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("size", "within", "ended"),
    [
        (lambda minute: minute // 29, 0, None),
        (lambda minute: min(minute, 90), 0, 121),
        (lambda minute: minute, 100, 101),  # the limit of the CI
    ],
)
def test_part_is_ended_when_its_log_stops_growing(monkeypatch, size, within, ended):
    monkeypatch.setattr(running, "WITHIN", within)
    monkeypatch.setattr(running, "STARTED", 0)
    progress = running.Progress(0)
    given_up = (minute for minute in range(240) if progress.given_up(size(minute), minute * 60))
    assert next(given_up, None) == ended


# A program that notes its finalisers, and its child, which ends only with the whole process group.
STORY = """
import pathlib, signal, subprocess, sys, time
child = subprocess.Popen(["sleep", "900"])
pathlib.Path(sys.argv[1], "child").write_text(str(child.pid))
try:
    pathlib.Path(sys.argv[1], "begun").touch()
    time.sleep(900)
finally:
    pathlib.Path(sys.argv[1], "finalised").touch()
    if sys.argv[2] == "stubborn":
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        time.sleep(900)
"""


@pytest.mark.slow
@pytest.mark.parametrize(("kind", "why"), [("orderly", "hangs"), ("stubborn", "hangs"), ("orderly", "interrupted")])
def test_ended_part_finalises_first_and_leaves_no_process(run_part, tmp_path, monkeypatch, kind, why):
    monkeypatch.setattr(running, "PATIENCE", dict.fromkeys(running.PATIENCE, 0.5 if kind == "stubborn" else 60))
    if why == "hangs":
        monkeypatch.setattr(running, "QUIET", 1)
    else:
        monkeypatch.setattr(running.interrupted, "is_set", lambda: (tmp_path / "begun").exists())
    outcome = run_part(sys.executable, "-c", STORY, str(tmp_path), kind)
    note = "it printed nothing for 0 minutes" if why == "hangs" else "interrupted"
    assert (outcome.state, outcome.note) == ("FAILED", note) and (tmp_path / "finalised").exists()
    child = int((tmp_path / "child").read_text())
    until(lambda: not alive(child))


# -- what fails --------------------------------------------------------------------------------------------------------

FAILING = """\
import pytest

def test_good(): pass
def test_bad(): assert 1 == 2, "first line\\nsecond line"
def test_left_out(): pytest.skip("no such tool")
def test_left_out_too(): pytest.skip("no such tool")
"""


@pytest.mark.slow
@pytest.mark.parametrize("processes", [(), ("--numprocesses=2",)], ids=["one process", "two"])
def test_failures_are_named_at_once_and_skips_in_one_line(run_part, tmp_path, capsys, processes):
    (tmp_path / "test_it.py").write_text(FAILING)
    (tmp_path / "conftest.py").write_text((TESTS / "conftest.py").read_text())
    (tmp_path / "pytest.ini").write_text("[pytest]\n")
    place = {"PYTHONPATH": f"{PROJECT / 'module_utils'}:{TESTS}"}
    argv = [sys.executable, "-m", "pytest", "-q", "-c", str(tmp_path / "pytest.ini"), *processes, str(tmp_path)]
    outcome = run_part(*argv, environment=place)
    assert (outcome.state, outcome.note) == ("FAILED", "exit code 1")
    ((failed, why),) = outcome.failed
    assert failed.endswith("test_it.py::test_bad") and why == "AssertionError: first line"
    printed = capsys.readouterr().out
    assert printed.index("FAILED in made") < printed.index("=== made: FAILED")
    last = running.table([outcome])
    assert f"    {failed}: {why}" in last and "    2 skipped: no such tool (2)" in last


@pytest.mark.slow
@pytest.mark.parametrize(
    ("options", "reached", "state"),
    [([], None, "FAILED"), (["-k", "nosuch"], None, "no test"), ([], frozenset({"tests/unit/x.py"}), "no test")],
)
def test_part_without_tests_passes_only_with_options_or_a_change(run_part, tmp_path, options, reached, state):
    (tmp_path / "test_it.py").write_text("def test_it(): pass\n")
    choice = Choice(DEFAULT, ["unit"], frozenset(), reached, options)
    part = parts.pytest(choice, "unit", machine.Environment("core 2.19", tmp_path), [])
    argv = [sys.executable, "-m", "pytest", "-q", "-k", "nosuch", str(tmp_path)]
    outcome = run_part(*argv, may_be_empty=part.may_be_empty)
    assert (outcome.state, outcome.note) == (state, "no test is selected")
    assert f"  {state:<7}  no test is selected" in running.table([outcome])[1]


OPTIONS = ("-k", "quark or it's")
UNUSED = "no part has run a test that these options select: -k 'quark or it'\"'\"'s'"


@pytest.mark.parametrize(
    ("states", "options", "complete", "failure"),
    [
        (["passed", "no test"], OPTIONS, True, ""),
        (["no test", "NOT RUN"], OPTIONS, False, UNUSED),
        (["passed", "FAILED", "no test"], OPTIONS, False, "a part has failed"),
        (["passed", "no test"], (), True, ""),
        (["passed", "NOT RUN"], (), False, ""),
        (["passed", "NOT RUN"], (), True, "a part could not run"),
    ],
)
def test_run_with_options_fails_if_no_part_has_run_a_test(states, options, complete, failure):
    outcomes = [Outcome(Part("ruff check", ["ruff", "check", "."]), "passed")]
    outcomes += [Outcome(Part("unit", ["python", "-m", "pytest"]), state) for state in states]
    assert running.find_failure(outcomes, options, complete) == failure


# -- the sizes ---------------------------------------------------------------------------------------------------------


def test_files_of_tests_have_one_smallest_size_and_no_row_is_empty():
    files = list(sizes.files(PROJECT))
    of_rows = [sizes.row(path) for path in files]
    assert [row for row in sizes.TABLE if row not in of_rows] == []
    below = {str(path.relative_to(PROJECT)) for path in TESTS.rglob("test_*.py")}
    assert below == set(files), "files of tests where no part looks for them"
    assert all(sizes.chosen(NIGHTLY, path, ()) for path in files)


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["integration", "playbooks"])
def test_nightly_files_can_be_imported(kind):
    pytest.importorskip("jsonschema", reason="only the environment of the oldest Ansible has all that they import")
    argv = [sys.executable, "-m", "pytest", "-qq", "--collect-only", "--size=nightly", "-p", "no:cacheprovider"]
    done = subprocess.run([*argv, f"tests/{kind}"], cwd=PROJECT, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout[-2000:]


def test_file_without_a_row_is_a_mistake_that_names_it():
    with pytest.raises(LookupError, match="tests/playbooks/test_nowhere.py: found no row"):
        sizes.row("tests/playbooks/test_nowhere.py")


NPM = "module_utils/proscribe/host/controls/apps/systems/npm.py"


@pytest.mark.parametrize(
    ("path", "change", "expected"),
    [
        ("unit/model/test_plan.py", "", (True, True, True)),
        ("integration/test_apps_real_dpkg.py", "", (False, True, True)),
        ("integration/test_apps_real_npm.py", "", (False, False, True)),
        ("integration/test_apps_real_npm.py", NPM, (False, True, True)),
        ("integration/test_apps_real_pip.py", NPM, (False, False, True)),
    ],
)
def test_room_is_represented_and_run_where_it_changed(path, change, expected):
    assert tuple(sizes.chosen(size, f"tests/{path}", [change]) for size in SIZES) == expected


MARKED = """\
import pytest

def test_quick(): pass

@pytest.mark.slow
def test_slow(): pass

@pytest.mark.nightly
@pytest.mark.slow
def test_long(): pass
"""


@pytest.mark.slow
@pytest.mark.parametrize(
    ("options", "tests"),
    [
        (["--size=fast"], {"quick"}),
        (["--size=default"], {"quick", "slow"}),
        (["--size=default", "--slow-in="], {"quick"}),
        (["--size=default", "--slow-in=test_none.py:test_marked.py", "--numprocesses=2"], {"quick", "slow"}),
        (["--size=nightly"], {"quick", "slow", "long"}),
    ],
)
def test_mark_selects_tests_of_a_size(pytest_directory, options, tests):
    done = pytest_directory("-v", *options, test_marked=MARKED)
    assert set(re.findall(r"test_marked\.py::test_(\w+)(?: PASSED|\s*$)", done.stdout, re.MULTILINE)) == tests


@pytest.mark.slow
def test_steps_of_one_host_stay_in_order_where_a_run_shuffles(pytest_directory):
    hook = "@pytest.hookimpl(tryfirst=True)\ndef pytest_collection_modifyitems(items): items.reverse()\n"
    steps = "import pytest\npytestmark = pytest.mark.steps\ndef test_b(): pass\ndef test_a(): pass\n"
    done = pytest_directory("-v", "-p", "backwards", backwards=f"import pytest\n{hook}", test_steps=steps)
    assert re.findall(r"::test_(\S+) PASSED", done.stdout) == ["b", "a"]


# -- which parts are run -----------------------------------------------------------------------------------------------


@pytest.fixture
def made_parts(monkeypatch):
    """Return the command of each part of a choice, by the part's name; makes no environment."""
    monkeypatch.setattr(machine, "find_pythons", lambda: {11: "python3.11", 12: "python3.12", 13: "python3.13"})

    def environment(end, pythons, requirements):
        return machine.Environment(f"core {end.core}", Path(f"/{end.core}"))

    monkeypatch.setattr(machine, "environment", environment)
    monkeypatch.setattr(machine, "next_core", lambda *_: None)
    monkeypatch.setattr(machine, "made", lambda label, directory, *_: machine.Environment(label, directory))
    monkeypatch.setattr(machine, "processors", lambda: 2)
    monkeypatch.setattr(roots, "mirrors", lambda: ["https://deb.example.org/debian"])
    monkeypatch.setattr(parts, "reaching_ansible", lambda *_: frozenset({LIBRARY}))

    def parts_of(size=DEFAULT, *words, changes=(), **more):
        choice = Choice(size, words or sizes.words(size, changes, parts.WORDS), frozenset(changes), **more)
        return {part.name: list(part.argv) for part in parts.chosen(choice)}

    return parts_of


LIBRARY = "tests/unit/checkout/test_library.py"


def files_of(argv):
    return {word for word in argv if word.startswith("tests/") and word.endswith(".py")}


def test_options_and_files_after_dashes_go_to_one_part_of_pytest(made_parts):
    made = made_parts(DEFAULT, "unit", options=["-k", "brew", "--", "-x"])
    assert list(made)[0] == "unit (core 2.19)"
    assert all(argv[-4:] == ["-k", "brew", "--", "-x"] for argv in made.values())
    file = "tests/unit/model/test_plan.py::test_it"
    argv = made_parts(DEFAULT, "unit", options=[file])["unit (core 2.19)"]
    assert [word for word in argv if word.startswith("tests/")] == [file]
    assert list(made_parts(DEFAULT, "integration", options=["-k", "x"])) == ["integration (core 2.19)"]
    assert len(made_parts(DEFAULT, "integration")) == 3


@pytest.mark.parametrize("size", [DEFAULT, NIGHTLY])
def test_files_of_a_size_are_in_one_of_its_parts(made_parts, size):
    made = [argv for name, argv in made_parts(size).items() if "2.19" in name]
    found = [path for argv in made for path in sorted(files_of(argv))]
    assert sorted(found) == sorted(path for path in sizes.files(PROJECT) if sizes.chosen(size, path, ()))


def test_fast_is_quick_checks_and_unit_tests_on_one_end(made_parts):
    made = made_parts(FAST, reached=frozenset({"tests/unit/model/test_plan.py", "tests/playbooks/test_runs.py"}))
    assert list(made) == ["ruff check", "ruff format", "mypy --strict", "unit (core 2.19)"]
    assert {"--size=fast", "--hypothesis-profile=fast"} < set(made["unit (core 2.19)"])
    assert files_of(made["unit (core 2.19)"]) == {"tests/unit/model/test_plan.py"}
    assert "unit (core 2.19)" not in made_parts(FAST, reached=frozenset())


def test_newest_core_has_unit_tests_that_reach_ansible(made_parts):
    assert files_of(made_parts(DEFAULT)["unit (core 2.21)"]) == {LIBRARY}
    assert not [name for name in made_parts(DEFAULT) if "2.20" in name]
    on_request = made_parts(DEFAULT, "unit", "playbooks", every_core=True)
    assert [name for name in on_request if "2.20" in name] == ["playbooks (core 2.20)", "unit (core 2.20)"]
    nightly = made_parts(NIGHTLY)
    for end in ("2.20", "2.21"):
        assert files_of(nightly[f"unit (core {end})"]) == files_of(nightly["unit (core 2.19)"])


ROLE, CONTROL = "roles/dns_filter/tasks/main.yml", "module_utils/proscribe/host/controls/dns/resolver_observation.py"
MOLECULE, AGAIN, LINT = "molecule, two hosts over SSH (core 2.19)", "playbooks (core 2.21)", "ansible-lint (production)"
EXPENSIVE = {MOLECULE, AGAIN, LINT, "collection: sanity"}


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ("docs/waivers.md", set()),
        ("catalog/webmail/gmail.yml", {LINT}),
        (CONTROL, {MOLECULE, AGAIN}),
        (ROLE, {MOLECULE, AGAIN, LINT}),
        ("tests/molecule/default/verify.py", {MOLECULE}),
        ("library/dns_filter.py", {MOLECULE, AGAIN, "collection: sanity"}),
    ],
)
def test_expensive_parts_are_in_the_default_size_only_where_a_change_concerns_them(made_parts, change, expected):
    assert EXPENSIVE & set(made_parts(DEFAULT, changes=[change])) == expected
    assert set(made_parts(NIGHTLY)) >= EXPENSIVE


# -- what is typed -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("typed", "size", "since", "words"),
    [
        ((), DEFAULT, None, []),
        (("nightly", "unit", "lint"), NIGHTLY, None, ["unit", "lint"]),
        (("changed", "v0.1.0", "unit"), "changed", "v0.1.0", ["unit"]),
        (("changed", "unit"), "changed", "", ["unit"]),
    ],
)
def test_size_revision_and_parts_are_read(typed, size, since, words):
    read = script_of_tests().read(typed)
    assert (read.size, read.since, read.part) == (size, since, words)


@pytest.mark.parametrize(
    ("typed", "message"),
    [
        (("lint", "molecule", "--", "-k", "x"), "found options of pytest and lint and molecule without pytest"),
        (("--", "-k", "x"), "found options of pytest and no part, expected one of unit, integration"),
        (("uint",), "there is no part 'uint'"),
        (("fast", "nightly"), "found the sizes fast and nightly, expected at most one"),
    ],
)
def test_mistake_of_the_command_line_is_named(capsys, typed, message):
    with pytest.raises(SystemExit):
        script_of_tests().read(typed)
    assert message in capsys.readouterr().err


# -- what changed ------------------------------------------------------------------------------------------------------


@pytest.fixture
def repository(tmp_path, monkeypatch):
    """Runs git in a repository of two commits, the first of which is its upstream's."""
    monkeypatch.delenv(changed.SINCE, raising=False)
    for variable in ("GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE"):
        monkeypatch.delenv(variable, raising=False)
    place = tmp_path / "work"
    who = ["-c", "user.name=x", "-c", "user.email=x@example.org", "-c", "commit.gpgsign=false"]

    def git(*words):
        return changed.git(place, *who, *words).strip()

    place.mkdir()
    git("init", "--quiet", "--initial-branch=main")
    for name in ("first", "second"):
        (place / name).write_text(name)
        git("add", ".")
        git("commit", "--quiet", "--message", name)
        if name == "first":
            git("branch", "theirs")
    return git


def test_revision_is_that_of_the_environment_the_upstream_or_the_commit_before(repository, tmp_path, monkeypatch):
    place, first = tmp_path / "work", repository("rev-parse", "theirs")
    assert changed.revision(place) == first, "the commit before, without an upstream"
    repository("branch", "--quiet", "--set-upstream-to=theirs")
    (place / "third").write_text("third")
    repository("add", ".")
    repository("commit", "--quiet", "--message", "third")
    assert changed.revision(place) == first, "where the branch left its upstream"
    repository("branch", "--quiet", "--force", "theirs", "main")
    assert changed.revision(place) == repository("rev-parse", "HEAD~1"), "the commit before, on the upstream itself"
    monkeypatch.setenv(changed.SINCE, "main~2")
    assert changed.revision(place) == "main~2"
    for unknown in ("0" * 40, "removed", "--all"):  # what CI systems name where there is none any more
        monkeypatch.setenv(changed.SINCE, unknown)
        assert changed.revision(place) == repository("rev-parse", "HEAD~1")
    repository("checkout", "--quiet", "--orphan", "new")
    assert changed.revision(place) is None
    assert changed.revision(tmp_path) is None, "no repository"


def test_changed_files_are_committed_or_not(repository, tmp_path):
    place = tmp_path / "work"
    (place / "first").write_text("other")
    (place / "a new\nname").touch()
    (place / ".gitignore").write_text("ignored\n")
    (place / "ignored").touch()
    assert changed.paths(place, "theirs") == {"first", "second", "a new\nname", ".gitignore"}


@pytest.mark.parametrize("named", ["nosuch", "--output=x", "HEAD:first", ""])
def test_revision_unknown_to_git_is_a_mistake(repository, tmp_path, named):
    with pytest.raises(changed.UnknownRevision):
        changed.paths(tmp_path / "work", named)
    assert not (tmp_path / "work/x").exists()


@pytest.mark.slow
@pytest.mark.parametrize(
    ("change", "near"),
    [
        ("module_utils/proscribe/base/elf.py", "unit/test_base.py"),
        (CONTROL, "integration/test_dns_late.py"),
        ("catalog/webmail/gmail.yml", "unit/controller/compile/catalogue/test_schema.py"),
        ("docs/waivers.md", "unit/checkout/tests/test_doc_commands.py"),
        (ROLE, "playbooks/test_runs.py"),
        ("tests/suite/sizes.py", "unit/checkout/tests/test_suite.py"),
    ],
)
def test_change_reaches_its_tests(change, near):
    reached = changed.reached(PROJECT, [change])
    assert f"tests/{near}" in reached and "tests/unit/base/test_ownership.py" not in reached
    assert f"tests/{near}" in changed.near(PROJECT, [change])


def test_table_of_changes_names_existing_tests():
    files = list(sizes.files(PROJECT))
    for pattern, tests in changed.REACHES.items():
        assert list(PROJECT.glob(pattern)), f"no file matches {pattern}"
        assert [test for test in tests if not fnmatch.filter(files, test)] == []


@pytest.mark.parametrize(
    ("named", "landed", "revision"),
    [
        ("{second}", "{first}", "{second}"),
        ("", "{first}", "{first}"),
        ("0" * 40, "{first}", "{first}"),  # a CI names it for a new branch
        ("", "1" * 40, ""),
    ],
)
def test_ci_compares_with_the_landed_revision_where_it_names_no_other(repository, tmp_path, named, landed, revision):
    commits = {"first": repository("rev-parse", "main~1"), "second": repository("rev-parse", "main")}
    place = tmp_path / "work"
    (place / ".ci").mkdir()
    shutil.copy(PROJECT / ".ci/run", place / ".ci")
    (place / ".ci/landed").write_text(landed.format(**commits) + "\n")
    (place / "proscribe").write_text('#!/bin/sh\necho "since $PROSCRIBE_TESTS_SINCE $CI $*"\n')
    (place / "proscribe").chmod(0o755)
    environment = {**os.environ, "PROSCRIBE_TESTS_SINCE": named.format(**commits)}
    done = subprocess.run([place / ".ci/run"], env=environment, capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == f"since {revision.format(**commits)} true test"
    assert ("lacks" in done.stdout) is (revision == "")


def test_landed_revision_is_a_commit_id():
    assert re.fullmatch(r"[0-9a-f]{40}\n", (PROJECT / ".ci/landed").read_text())


# -- what a run leaves -------------------------------------------------------------------------------------------------


def test_run_removes_its_directory_and_leftovers_of_killed_runs(tmp_path, monkeypatch):
    monkeypatch.setattr(leftovers, "SYSCTLS", tmp_path / "sys")
    monkeypatch.setattr(leftovers, "CGROUPS", tmp_path / "groups")
    monkeypatch.setattr(leftovers, "IN_USE", tmp_path / "in-use")
    for group in ("pids/libpod_parent/libpod-1/init.scope", "unified/proscribe-test-1", "pids/libpod_parent/libpod-2"):
        (tmp_path / "groups" / group).mkdir(parents=True)
    limit = tmp_path / "sys/fs/inotify/max_user_instances"
    limit.parent.mkdir(parents=True)
    limit.write_text("1024")
    killed = tmp_path / leftovers.RUNS / "1"
    (killed / "part/tmp").mkdir(parents=True)
    lines = [{"sysctl": "fs.inotify.max_user_instances", "value": value} for value in ("128", "512")]
    lines += [{"cgroup": "libpod-1"}, {"cgroup": "proscribe-test-1"}]
    (killed / leftovers.LEDGER).write_text("".join(json.dumps(line) + "\n" for line in lines))
    with leftovers.directory(tmp_path) as own:
        assert not killed.exists() and limit.read_text() == "128"
        assert leftovers.clean(tmp_path) == [] and own.is_dir(), "a run that goes on keeps its directory"
    assert list((tmp_path / leftovers.RUNS).iterdir()) == []
    assert [path.name for path in sorted((tmp_path / "groups").glob("*/**/*-*"))] == ["libpod-2"]
