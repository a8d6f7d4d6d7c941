"""Which tests belong to which module, and which of its mutants mean the same as the module."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from mutants import Mutant, mutants

HERE = Path(__file__).resolve().parent
PACKAGE = "module_utils/proscribe"

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
# notice the most first.
TESTS: Mapping[str, Sequence[str]] = {
    "compile/guard_list": ("compile/test_guard_list.py", "compile/test_catalogue_entries.py"),
    "compile/lockout": ("compile/test_lockout_networks.py", "compile/test_lockout.py"),
    "compile/shared_networks": ("compile/test_shared_networks.py", "compile/test_firewall_plan.py"),
    "compile/waivers/standing": (
        "compile/test_waivers_standing.py",
        "compile/test_waivers_signatures.py",
        "compile/test_waivers_unsigned.py",
        "compile/test_waivers_authority.py",
        "compile/test_waivers_document.py",
    ),
    "compile/selection": ("compile/test_selection.py", "compile/test_mistakes.py"),
    "controls/apps/portable/asar": (
        "controls/test_apps_images.py",
        "controls/test_apps_evidence.py",
        "controls/test_apps_parts.py",
    ),
    "controls/apps/quarantine/completing": (
        "controls/test_apps_quarantine_cut_short.py",
        "controls/test_apps_quarantine.py",
        "controls/test_apps_quarantine_*.py",
    ),
    "controls/apps/portable/container_launchers": (
        "controls/test_apps_portable_details.py",
        "controls/test_apps_containers.py",
        "controls/test_apps_routes.py",
    ),
    "controls/apps/portable/names": ("controls/test_apps_copy_names.py", *_APPS),
    "controls/apps/quarantine/operator": (
        "controls/test_apps_quarantine_limits.py",
        "controls/test_apps_custody.py",
        "controls/test_apps_quarantine.py",
    ),
    "controls/apps/portable/elf": (
        "controls/test_apps_portable_details.py",
        "controls/test_apps_elf.py",
        "controls/test_apps_evidence.py",
        "controls/test_apps_parts.py",
    ),
    "controls/apps/portable/evidence": (
        "controls/test_apps_evidence_limits.py",
        "controls/test_apps_evidence.py",
        "controls/test_apps_walk_copies.py",
    ),
    "controls/apps/protected": ("compile/test_guard_list.py", "controls/test_apps_walk_copies.py"),
    "controls/apps/portable/appimage_contents": (
        "controls/test_apps_appimage_words.py",
        "controls/test_apps_portable_details.py",
        "controls/test_apps_images.py",
        "controls/test_apps_evidence.py",
    ),
    "controls/apps/portable/launchers": ("controls/test_apps_launchers.py", "controls/test_apps_containers.py", *_APPS),
    "controls/apps/quarantine/manifest": (
        "controls/test_apps_quarantine_limits.py",
        "controls/test_apps_quarantine_cut_short.py",
        "controls/test_apps_custody.py",
        "controls/test_apps_quarantine.py",
    ),
    "controls/apps/portable/program_parts": ("controls/test_apps_parts.py", "controls/test_apps_portable_details.py"),
    "controls/apps/per_user": (
        "controls/test_apps_users_memory.py",
        "controls/test_apps_personal.py",
        "controls/test_apps_unseen.py",
        "controls/test_apps_own_scripts.py",
        "controls/test_apps_npm.py",
        "controls/test_apps_pip.py",
        "controls/test_apps_walk_copies.py",
    ),
    "controls/apps/portable/scan": (
        "controls/test_apps_scan_edges.py",
        "controls/test_apps_walk_copies.py",
        "controls/test_apps_walk_desktop.py",
    ),
    "controls/apps/quarantine/moving": (
        "controls/test_apps_quarantine_cut_short.py",
        "controls/test_apps_quarantine_room.py",
        "controls/test_apps_quarantine.py",
    ),
    "controls/apps/quarantine/restoring": (
        "controls/test_apps_quarantine_limits.py",
        "controls/test_apps_quarantine_cut_short.py",
        "controls/test_apps_custody.py",
        "controls/test_apps_quarantine.py",
        "controls/test_apps_quarantine_killed.py",
    ),
    "controls/apps/quarantine/capacity": (
        "controls/test_apps_quarantine_limits.py",
        "controls/test_apps_quarantine_room.py",
    ),
    "controls/apps/running": (
        "controls/test_apps_personal.py",
        "controls/test_apps_unseen.py",
        "controls/test_apps.py",
        "controls/test_apps_flatpak.py",
    ),
    "controls/apps/observed": (
        "controls/test_apps_users_memory.py",
        "controls/test_apps_personal.py",
        "controls/test_apps_nothing_known.py",
        "controls/test_apps_unseen.py",
        "controls/test_apps.py",
        "controls/test_apps_walk_copies.py",
    ),
    "controls/apps/portable/squashfs": (
        "controls/test_apps_portable_details.py",
        "controls/test_apps_squashfs.py",
        "controls/test_apps_evidence.py",
    ),
    "controls/apps/systems/on_demand": (
        "controls/test_apps_portable_details.py",
        "controls/test_apps_traced*.py",
        "controls/test_apps_nix.py",
        "controls/test_apps_conda.py",
    ),
    "controls/apps/quarantine/unfinished": (
        "controls/test_apps_quarantine_room.py",
        "controls/test_apps_quarantine.py",
    ),
    "controls/apps/portable/user_dirs": ("controls/test_apps_portable_details.py", "controls/test_apps_own_scripts.py"),
    "controls/browser/matching": ("controls/test_browser_matching.py", "controls/test_browser_rendering.py"),
    "controls/browser/rendering": (
        "controls/test_browser_entry_limits.py",
        "controls/test_browser_rendering.py",
        "controls/test_browser_settings.py",
        "controls/test_browser_chromium.py",
        "controls/test_browser_firefox_merge.py",
    ),
    "controls/dns/filtering": ("controls/test_dns_filtering.py", "controls/test_dns_question.py"),
    "controls/dns/private_view": (
        "controls/test_dns_asked_and_seen.py",
        "controls/test_dns_private_view.py",
    ),
    "controls/dns/question": (
        "controls/test_dns_asked_and_seen.py",
        "controls/test_dns_question.py",
    ),
    "controls/firewall/exemptions": (
        "controls/test_firewall_source_labels.py",
        "controls/test_firewall_exemptions.py",
        "controls/test_firewall_control.py",
    ),
    "custody/request": ("custody/test_custody_*.py",),
    "custody/selection": ("custody/test_custody_*.py",),
    "custody/restore_effect": ("custody/test_custody_*.py",),
    "finding": ("test_finding.py",),
    "host/apart": ("test_apart_child.py", "test_apart.py"),
    "host/budget": ("test_host_budget.py", "test_apart.py"),
    "host/files": ("test_host_durable.py", "test_host.py", "test_host_words.py", "test_host_links.py"),
    "host/links": ("test_host_links.py",),
    "host/reading": ("test_host_looking.py", "test_host_reading.py", "test_host_budget.py", "test_run.py", *_HOST),
    "host/processes": (
        "test_host_processes.py",
        "test_host_users.py",
        "test_host_other_roots.py",
        "test_host_ending.py",
        *_HOST,
    ),
    "host/tools": ("test_host_tools_waiting.py", "test_host_tools.py", *_HOST),
    "host/directories": ("test_host_trees.py",),
    "host/file_scan": (
        "controls/test_apps_walk_bounds.py",
        "controls/test_apps_walk.py",
        "controls/test_apps_walk_*.py",
        *_HOST,
    ),
    "audit_program": ("test_stored_audit.py", "test_run.py"),
    "loader": ("test_loader.py", "test_loader_program.py"),  # the stream's tests run bootstrap.py, which is derived
    "ownership": ("test_ownership.py",),
    "reply/output_limits": ("test_reply_limits_children.py", "test_reply_leash.py"),
    "reply/parsing": ("test_reply_parsing.py", "test_host_side.py"),
    "reply/results": ("test_reply_results.py", "report/test_report_answer.py"),
    "reply/shapes": ("test_reply_shapes.py", "report/test_report_answer.py"),
    "reply/record": ("report/test_report_answer.py", "report/test_hostile_answers.py"),
    "report/evaluation/arithmetic": ("report/test_report_arithmetic.py",),
    "report/evaluation/baseline": ("report/test_report_baseline.py",),
    "report/text/command": ("report/test_report_command.py",),
    "report/evaluation/modes": ("report/test_report_modes.py",),
    "report/storage/last_passed": (
        "report/test_report_judged_new.py",
        "report/test_report_passed.py",
        "report/test_report_baseline.py",
    ),
    "report/evaluation/fleet_state": ("report/test_report_fleet_state.py", "report/test_fleet_state_outputs.py"),
    "report/evaluation/verdict": (
        "report/test_report_judged_new.py",
        "report/test_report_verdict.py",
        "report/test_report_stopped.py",
    ),
    "rollout/limits": ("test_rollout.py", "compile/test_restrictions.py"),
    "schedule/reach": ("test_ownership.py", "schedule/test_*.py"),
    "schedule/commits": (
        "schedule/test_schedule_repository_kept.py",
        "schedule/test_*.py",
        "../integration/test_schedule_commits.py",
    ),
    "store": ("test_store_untrusted.py", "test_store.py"),
    "stream": ("test_store_untrusted.py", "test_stream.py", "test_known_plan.py", "test_sources.py"),
}


def tests_of(module: str, tree: Path) -> list[str]:
    """The test files of a module, as paths below the tree. Raises KeyError for a module that is not in the table."""
    unit = tree / "tests/unit"
    found = [path for pattern in TESTS[module] for path in sorted(unit.glob(pattern))]
    return list(dict.fromkeys(str(path.relative_to(tree)) for path in found))


class Equivalent(NamedTuple):
    """A mutant that no test can tell from its module: the change as a run prints it, and the text of the line where it
    is, which may be empty where the change has only one. Where such lines have the change several times, `which` says
    of which it is true, counted from 1; 0 is all of them.
    """

    change: str
    line: str
    which: int

    def is_of(self, mutant: Mutant, lines: Sequence[str]) -> bool:
        """Whether this is a mutant of the module with these lines."""
        return mutant.change == self.change and self.line in ("", lines[mutant.line - 1].strip())


def equivalents(module: str, text: str) -> frozenset[Mutant]:
    """The mutants of a module with this text that no test can tell from it. Raises ValueError for an entry that stands
    for none of them any more, or for those of several lines: each line needs a reason of its own.
    """
    listed = tomllib.loads((HERE / "equivalents.toml").read_text())["equivalent"]
    lines, made = text.splitlines(), mutants(text)
    entries = [
        Equivalent(one["change"], one.get("line", ""), one.get("which", 0)) for one in listed if one["module"] == module
    ]
    found: set[Mutant] = set()
    for entry in entries:
        its = [mutant for mutant in made if entry.is_of(mutant, lines)]
        if entry.which:
            its = its[entry.which - 1 : entry.which]
        if len({mutant.line for mutant in its}) != 1:
            where = ", ".join(str(mutant.line) for mutant in its) or "no line"
            raise ValueError(
                f"equivalents.toml: {module}: {entry.change!r} is on {where}; expected one (name it by `line`)"
            )
        found.update(its)
    return frozenset(found)
