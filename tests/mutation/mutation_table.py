"""Which tests belong to which module."""

from __future__ import annotations

import functools
import itertools
import os
import re
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path

from imports import distances
from suite import sizes

UTILS = "module_utils"
PACKAGE = f"{UTILS}/proscribe"
TYPES = "model/types/"
NEAREST = 12  # files, for a module without a row in TESTS
MOST_REAL = 3  # files with real tools: they take minutes
# They compare texts with the code, so that they fail for a mutant that every other test would let through; or they test
# the tests.
OF_NOTHING = frozenset(
    f"tests/unit/{name}.py"
    for name in (
        "test_derived",
        "test_imports_of_tests",
        "test_terms",
        "test_tests_run",
        "test_versions",
        "test_worst_mistakes",
    )
)

_APPS = (
    "controls/test_apps_walk_*.py",
    "controls/test_apps_unseen.py",
    "controls/test_apps.py",
    "controls/test_apps_walk.py",
    "controls/test_apps_evidence.py",
    "controls/test_apps_routes.py",
    "controls/test_apps_exceptions.py",
    "controls/test_apps_changes.py",
)
_HOST = ("test_host.py", "test_host_still.py", "test_host_words.py")

# By the path of the module below the package, without its suffix: patterns of files below tests/unit, the ones that
# notice the most first. A module needs a row only where the nearest tests by import are not the ones that notice most:
# where another process runs it, or where what its tests say of it comes through many modules.
TESTS: Mapping[str, Sequence[str]] = {
    "controller/compile/waivers/standing": (
        "compile/test_waivers_standing.py",
        "compile/test_waivers_signatures.py",
        "compile/test_waivers_unsigned.py",
        "compile/test_waivers_authority.py",
        "compile/test_waivers_document.py",
    ),
    "controller/compile/inventory/selection": ("compile/test_selection.py", "compile/test_mistakes.py"),
    "host/controls/apps/portable/container_launchers": (
        "controls/test_apps_portable_details.py",
        "controls/test_apps_containers.py",
        "controls/test_apps_routes.py",
    ),
    "host/controls/apps/portable/names": ("controls/test_apps_copy_names.py", *_APPS),
    "host/controls/apps/protected": ("compile/test_guard_list.py", "controls/test_apps_walk_copies.py"),
    "host/controls/apps/portable/launchers": (
        "controls/test_apps_launchers.py",
        "controls/test_apps_containers.py",
        *_APPS,
    ),
    "host/controls/apps/per_user": (
        "controls/test_apps_users_memory.py",
        "controls/test_apps_personal.py",
        "controls/test_apps_unseen.py",
        "controls/test_apps_own_scripts.py",
        "controls/test_apps_npm.py",
        "controls/test_apps_pip.py",
        "controls/test_apps_walk_copies.py",
    ),
    "host/controls/apps/portable/scan": (
        "controls/test_apps_scan_edges.py",
        "controls/test_apps_walk_copies.py",
        "controls/test_apps_walk_desktop.py",
    ),
    "host/controls/apps/running": (
        "controls/test_apps_personal.py",
        "controls/test_apps_unseen.py",
        "controls/test_apps.py",
        "controls/test_apps_flatpak.py",
    ),
    "host/controls/browser/matching": ("controls/test_browser_matching.py", "controls/test_browser_rendering.py"),
    "host/controls/browser/rendering": (
        "controls/test_browser_rendering.py",
        "controls/test_browser_settings.py",
        "controls/test_browser_chromium.py",
        "controls/test_browser_firefox_merge.py",
    ),
    "host/system/budget": ("test_host_budget.py", "test_apart.py"),
    "host/system/files": ("test_host_durable.py", "test_host.py", "test_host_words.py", "test_host_links.py"),
    "host/system/reading": (
        "test_host_looking.py",
        "test_host_reading.py",
        "test_host_budget.py",
        "test_run.py",
        *_HOST,
    ),
    "host/system/file_scan": (
        "controls/test_apps_walk_bounds.py",
        "controls/test_apps_walk.py",
        "controls/test_apps_walk_*.py",
        *_HOST,
    ),
    "host/system/mounts": (
        "test_host_mounts.py",
        "controls/test_apps_walk_bounds.py",
        "controls/test_apps_walk.py",
        *_HOST,
    ),
    "model/words": (
        "test_words.py",
        "report/test_report_answer.py",
        "test_reply_watched.py",
        "report/test_report_reconcile.py",
        "compile/test_waivers_standing.py",
        "report/test_sending.py",
        "report/test_export_events.py",
        "report/test_points_reported.py",
        "report/test_report_modes.py",
        "report/test_between.py",
        "report/test_exports_declared.py",
        "custody/test_custody_choosing.py",
        "custody/test_custody_telling.py",
        "enforcement_points/test_export_writing.py",
        "test_plan.py",
    ),
    "wire/replies/results": ("test_reply_results.py", "report/test_report_answer.py"),
    "wire/replies/shapes": ("test_reply_shapes.py", "report/test_report_answer.py"),
    "wire/replies/record": ("report/test_report_answer.py", "report/test_hostile_answers.py"),
    "controller/report/storage/last_passed": (
        "report/test_report_judged_new.py",
        "report/test_report_passed.py",
        "report/test_report_baseline.py",
    ),
    "base/run_files": ("test_ownership.py", "schedule/test_*.py"),
    "host/schedule/reach": ("test_ownership.py", "schedule/test_*.py"),
    "wire/stream": ("test_store_untrusted.py", "test_stream.py", "test_known_plan.py", "test_sources.py"),
}


def modules(project: Path) -> list[str]:
    """Every module that can have mutants: those in the package by their paths below it, others by those below
    module_utils. What is written by `tests/tool python tests/derived` has none, since its sources have them. Nor have
    types: no code runs there, and mypy notices what is wrong with them.
    """
    inside = (path.relative_to(project / PACKAGE) for path in (project / PACKAGE).rglob("*.py"))
    beside = (path.relative_to(project / UTILS) for path in (project / UTILS).glob("proscribe_*/**/*.py"))
    found = sorted(path.with_suffix("").as_posix() for path in (*inside, *beside))
    return [module for module in found if not module.startswith(TYPES) and not _written(project, module)]


def _written(project: Path, module: str) -> bool:
    """Whether a module is written from others."""
    with (project / file_of(module, project)).open(encoding="utf-8") as stream:
        return "tests/tool python tests/derived" in "".join(itertools.islice(stream, 8))


def file_of(module: str, project: Path) -> str:
    """The path of a module below the checkout."""
    inside = f"{PACKAGE}/{module}.py"
    return inside if (project / inside).is_file() else f"{UTILS}/{module}.py"


def room_of(module: str) -> str:
    """The directory of a module, two steps deep."""
    return "/".join(module.split("/")[:-1][:2]) or "proscribe"


def tests_of(module: str, project: Path, files: Mapping[str, Collection[str]], real: bool) -> list[str]:
    """The test files of a module, as paths below the checkout, the ones that notice the most first; those with real
    tools last, where `real`: they need root. `files` is what imports.graph has for it.
    """
    unit = project / "tests/unit"
    path = file_of(module, project)
    found = [file for pattern in TESTS.get(module, ()) for file in sorted(unit.glob(pattern))]
    listed = list(dict.fromkeys(Path(os.path.relpath(file, project)).as_posix() for file in found))
    return [*(listed or nearest(path, files)), *(with_real_tools(path, project) if real else ())]


def with_real_tools(path: str, project: Path) -> list[str]:
    """The tests with real tools and hosts that are about a file, of the default size where the file has changed: those
    that are about the fewest files first.
    """
    found = []
    for test in sizes.files(project):
        about = sizes.row(test)
        if about and about.when != sizes.NIGHTLY and sizes.concerns(about, [path]):
            found.append((sum(sizes.concerns(about, [one]) for one in _code(project)), test))
    return [test for _, test in sorted(found)[:MOST_REAL]]


@functools.cache
def _code(project: Path) -> tuple[str, ...]:
    return tuple(file_of(module, project) for module in modules(project))


def nearest(path: str, files: Mapping[str, Collection[str]]) -> list[str]:
    """The unit tests that reach a file by the fewest imports; among equals those whose name has its words, then those
    that import the least else.
    """
    words = set(re.findall(r"[a-z]+", path.removesuffix(".py"))) - {"module", "utils", "proscribe", "init"}
    steps = distances(files, [path])
    tests = [one for one in steps if re.fullmatch(r"tests/unit/(.*/)?test_\w+\.py", one) and one not in OF_NOTHING]

    def rank(test: str) -> tuple[int, int, int, str]:
        return steps[test], -len(words.intersection(re.findall(r"[a-z]+", test))), len(files[test]), test

    return sorted(tests, key=rank)[:NEAREST]
