"""The table of ways in: each claim in it names tests that are there, and docs/coverage.md shows it."""

from __future__ import annotations

import ast
from collections.abc import Mapping
from pathlib import Path

import pytest
from proscribe.controls.apps.routes import HEAD, WAYS, Way, table
from proscribe.controls.apps.systems.registry import SYSTEMS

# Where a package system's own name is not the word that people use for it.
WORDS = {"dpkg": "deb packages"}

# What shows each claim of a row, by the word that the row begins with: "integration" or "unit", the file's name
# without its suffix (and without test_apps_), and the test's. A column that claims nothing has no entry.
SHOWN: Mapping[str, Mapping[str, str]] = {
    "deb packages": {
        "seen": "integration/real_dpkg::test_audit_enforce_and_lift",
        "removed": "integration/real_dpkg::test_a_package_that_others_need_stays_and_the_rest_goes",
        "gated": "integration/real_dpkg::test_the_gate_on_every_road",
    },
    "rpm packages": {
        "seen": "integration/real_rpm::test_seen_removed_refused_on_every_road_and_let_in_again",
        "removed": "integration/real_rpm::test_what_others_need_stays_is_told_and_can_be_kept_from_growing",
        "gated": "integration/real_rpm::test_seen_removed_refused_on_every_road_and_let_in_again",
    },
    "Arch packages": {
        "seen": "integration/real_pacman::test_seen_ended_removed_refused_and_let_in_again",
        "removed": "integration/real_pacman::test_what_others_need_stays_and_is_told",
        "gated": "integration/real_pacman::test_seen_ended_removed_refused_and_let_in_again",
    },
    "flatpaks of the system": {
        "seen": "integration/real_flatpak::test_an_app_of_another_installation_is_seen_and_removed_there",
        "removed": "integration/real_flatpak::test_an_app_of_another_installation_is_seen_and_removed_there",
        "gated": "integration/real_flatpak::test_the_gate_refuses_from_every_remote_and_what_it_cannot_refuse_is_seen",
    },
    "flatpaks of a user": {
        "seen": "integration/real_flatpak::test_an_app_of_the_system_and_of_every_user_is_seen_ended_and_removed",
        "removed": "integration/real_flatpak::test_an_app_of_the_system_and_of_every_user_is_seen_ended_and_removed",
    },
    "snaps": {
        "seen": "integration/real_snap::test_a_snap_on_its_whole_way",
        "removed": "integration/real_snap::test_a_snap_on_its_whole_way",
        "gated": "unit/polkit::test_snap",
    },
    "pip and pipx": {
        "seen": "integration/real_pip::test_of_the_host_and_of_a_user_seen_removed_seen_again",
        "removed": "integration/real_pip::test_environments_of_pipx",
    },
    "uv:": {
        "seen": "unit/uv::test_a_directory_of_tools_elsewhere_is_found_by_the_links_to_its_programs",
        "removed": "integration/real_own_systems::test_tools_of_uv",
    },
    "npm,": {
        "seen": "integration/real_npm::test_of_the_host_and_of_users_seen_removed_seen_again",
        "removed": "integration/real_npm::test_of_the_host_and_of_users_seen_removed_seen_again",
    },
    "conda,": {
        "seen": "unit/conda::test_an_environment_anywhere_in_the_home_that_conda_has_listed",
        "removed": "unit/conda::test_a_removal_is_simulated_and_refused_where_more_would_go",
    },
    "nix:": {
        "seen": "unit/nix::test_a_running_program_is_known_by_its_place_in_the_store",
        "removed": "integration/real_own_systems::test_profiles_of_nix_without_a_daemon",
    },
    "guix:": {
        "seen": "unit/guix::test_a_running_program_is_known_by_its_place_in_the_store",
        "removed": "unit/guix::test_guix_takes_out_the_package_of_that_name_as_the_owner",
    },
    "brew:": {
        "seen": "unit/brew::test_formulae_and_casks_of_a_users_own",
        "removed": "unit/brew::test_brew_takes_it_away_as_its_owner_with_all_versions_and_nothing_else",
    },
    "waydroid:": {
        "seen": "unit/brew::test_an_android_app_is_seen_by_its_data_and_reported_with_who_can_remove_it",
        "removed": "unit/containers::test_whose_launcher_an_entry_is_and_whether_that_is_certain",
    },
    "AppImages": {
        "seen": "integration/what_moves::test_appimages_by_what_is_in_them",
        "removed": "integration/what_moves::test_appimages_by_what_is_in_them",
    },
    "unpacked archives": {
        "seen": "integration/walk_real::test_the_whole_catalogue_finds_what_people_bring_along_and_nothing_else",
        "removed": "integration/what_moves::test_an_electron_app_goes_whole_and_with_a_document_in_parts",
        "gated": "integration/fapolicyd::test_rules_are_compiled_in_order_and_taken_away",
    },
    "tools in one file": {
        "seen": "integration/what_moves::test_what_go_itself_wrote_is_read",
        "removed": "integration/what_moves::test_tunnels_in_one_file",
    },
    "Windows programs": {
        "seen": "unit/walk_copies::test_what_is_a_copy",
        "removed": "unit/walk_copies::test_each_kind_of_copy_is_moved_and_comes_back",
    },
    "web apps": {
        "seen": "unit/walk_copies::test_a_web_app_that_a_browser_installed",
        "removed": "unit/walk_copies::test_each_kind_of_copy_is_moved_and_comes_back",
        "gated": "integration/test_browser_effect::test_a_real_browser_is_kept_from_what_is_restricted_until_the_lift",
    },
    "autostart entries": {
        "seen": "unit/walk_copies::test_launchers",
        "removed": "unit/walk_copies::test_each_kind_of_copy_is_moved_and_comes_back",
    },
    "programs in containers": {
        "seen": "unit/containers::test_whose_launcher_an_entry_is_and_whether_that_is_certain",
        "removed": "integration/real_launchers::test_what_distrobox_exports_is_seen_and_moved_where_it_is_certain",
    },
    "programs that run": {
        "seen": "integration/real_flatpak::test_a_running_app_that_was_removed_behind_its_back_is_still_seen",
        "removed": "integration/walk_real::test_a_program_that_runs_from_a_certain_copy_is_ended_for_certain",
    },
    "browsers that no policy reaches": {"seen": "unit/walk_copies::test_browsers_that_no_policy_reaches"},
}


def test_coverage_shows_the_table(project: Path) -> None:
    assert table() in (project / "docs/coverage.md").read_text(encoding="utf-8")


def test_every_package_system_has_a_row() -> None:
    ways = " ".join(row.way for row in WAYS)
    assert [system.MANAGER for system in SYSTEMS if WORDS.get(system.MANAGER, system.MANAGER) not in ways] == []


def functions_in(path: Path) -> set[str]:
    parsed = ast.walk(ast.parse(path.read_text())) if path.is_file() else ()
    return {node.name for node in parsed if isinstance(node, ast.FunctionDef)}


def missing(project: Path, row: Way, shown: Mapping[str, str]) -> list[str]:
    """The claims of a row for which there is no test, and tests for what it does not claim."""
    wrong = []
    for column in ("seen", "removed", "gated"):
        kind, _, rest = shown.get(column, "").partition("/")
        file, _, name = rest.partition("::")
        folder = {"unit": "unit/controls", "integration": "integration"}.get(kind, "")
        file = file if file.startswith("test_") else f"test_apps_{file}"
        there = bool(name) and name in functions_in(project / f"tests/{folder}/{file}.py")
        if there != bool(getattr(row, column)):
            wrong.append(f"{row.way}: {column}: {shown.get(column, 'no test')}")
    return wrong


@pytest.mark.parametrize("row", WAYS, ids=lambda row: row.way[:20])
def test_what_a_row_claims_a_test_shows(project: Path, row: Way) -> None:
    """Each column is a promise: one that no test stands for is a hole that looks like a wall."""
    (shown,) = [tests for begins, tests in SHOWN.items() if row.way.startswith(begins)]
    assert missing(project, row, shown) == []


def test_what_is_not_seen_is_neither_removed_nor_silently_open() -> None:
    """Nothing can take away what nothing sees; what no test keeps out or takes away says what is left."""
    for row in WAYS:
        assert row.seen or not (row.removed or row.gated), row.way
        assert row.left or (row.removed and row.gated), row.way


def test_a_claim_without_a_test_is_noticed(project: Path) -> None:
    row, shown = WAYS[0], SHOWN["deb packages"]
    assert missing(project, row, shown) == []
    assert len(missing(project, row, {**shown, "gated": "integration/real_dpkg::test_that_is_not_there"})) == 1
    assert len(missing(project, row._replace(removed=""), shown)) == 1
    assert len(missing(project, row, {})) == 3


def test_the_table_stays_one() -> None:
    """A bar or an end of line in a cell would break the table of docs/coverage.md."""
    rows = table().splitlines()
    assert len(rows) == len(WAYS) + 2
    assert {row.count("|") for row in rows} == {len(HEAD) + 1}
