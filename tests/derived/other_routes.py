"""The routes by which a restricted app reaches a host without a package system, and what is done about each.

A row says only what a test shows; what is left open is in its last field. The rows of package systems are in their own
files (host/controls/apps/systems/declaration.py).
"""

from __future__ import annotations

from proscribe.host.controls.apps.systems.declaration import Claim, Route

ROUTES = (
    Route(
        route="AppImages",
        seen=Claim(
            "the file scan, by magic bytes and name, in the service's own script too",
            "integration/test_apps_what_moves::test_appimages_by_what_is_in_them",
        ),
        removed=Claim(
            "moved into the quarantine, if what is in them says that they are the app",
            "integration/test_apps_what_moves::test_appimages_by_what_is_in_them",
        ),
        prevented=None,
        left=(
            "known by their name alone, or packed with zstd (only a host with Python 3.14 reads it), lzo or lz4, or "
            "of type 1: reported, they stay; a foreign name in a folder without programs is not "
            "recognised"
        ),
    ),
    Route(
        route="unpacked archives and vendors' trees in `/opt`, `/usr/local`, `/srv`, `/tmp`, media, homes",
        seen=Claim(
            (
                "the file scan, by the program's name with the rest of an app around it, by what the code of an "
                "Electron app says of itself, or a path where only root can write"
            ),
            "integration/test_apps_walk_real::test_the_whole_catalogue_finds_what_people_bring_along_and_nothing_else",
        ),
        removed=Claim(
            "what shows by its content that it is the app's own is moved into the quarantine; the rest stays",
            "integration/test_apps_what_moves::test_an_electron_app_goes_whole_and_with_a_document_in_parts",
        ),
        prevented=Claim(
            "execution control, where asked for, by the catalogue's paths",
            "integration/test_apps_fapolicyd::test_rules_are_compiled_in_order_and_taken_away",
        ),
        left=(
            "what is known by a name, a path or a desktop entry alone is reported and stays; renamed programs and "
            "directories are recognised only where the archive of an Electron app is there"
        ),
    ),
    Route(
        route="tools in one file: ngrok, cloudflared, frp, chisel, mihomo, xray, sing-box, rclone and others written "
        "in Go",
        seen=Claim(
            "the file scan, by name and by what Go has written into them (`markers` of the catalogue)",
            "integration/test_apps_what_moves::test_what_go_itself_wrote_is_read",
        ),
        removed=Claim(
            "moved into the quarantine",
            "integration/test_apps_what_moves::test_tunnels_in_one_file",
        ),
        prevented=None,
        left=(
            "under a foreign name, packed (upx), or without Go's build information; tools in other languages "
            "have no such mark"
        ),
    ),
    Route(
        route="Windows programs in a Wine prefix",
        seen=Claim(
            "the file scan, by the catalogue's Windows paths",
            "unit/controls/test_apps_walk_copies::test_what_is_a_copy",
        ),
        removed=Claim(
            "the program is moved into the quarantine, if another part of it lies beside it",
            "unit/controls/test_apps_walk_copies::test_each_kind_of_copy_is_moved_and_comes_back",
        ),
        prevented=None,
        left="a prefix on a network or FUSE mount is not entered",
    ),
    Route(
        route="web apps in a window of their own, and their launchers",
        seen=Claim(
            "desktop entries with a restricted address; browsers' web-app folders",
            "unit/controls/test_apps_walk_copies::test_a_web_app_that_a_browser_installed",
        ),
        removed=Claim(
            "the entry, and the pictures in the app's folder, are moved into the quarantine",
            "unit/controls/test_apps_walk_copies::test_each_kind_of_copy_is_moved_and_comes_back",
        ),
        prevented=Claim(
            "browser, dns and firewall close the site itself",
            "integration/test_browser_effect::test_a_real_browser_is_kept_from_what_is_restricted_until_the_lift",
        ),
        left="an id that is not in the catalogue says nothing",
    ),
    Route(
        route="autostart entries and user services",
        seen=Claim(
            "desktop entries and units, by what they start",
            "unit/controls/test_apps_walk_copies::test_launchers",
        ),
        removed=Claim(
            "moved into the quarantine, unless a package owns them",
            "unit/controls/test_apps_walk_copies::test_each_kind_of_copy_is_moved_and_comes_back",
        ),
        prevented=None,
        left="what a script in between starts is seen when it runs",
    ),
    Route(
        route="programs in containers: distrobox, toolbox, podman, incus",
        seen=Claim(
            "desktop entries and the scripts of `distrobox-export`, by what they start in there",
            "unit/controls/test_apps_containers::test_whose_launcher_an_entry_is_and_whether_that_is_certain",
        ),
        removed=Claim(
            (
                "moved into the quarantine where the catalogue has the program's path, or the entry's name has "
                "the app's id"
            ),
            "integration/test_apps_real_launchers::test_what_distrobox_exports_is_seen_and_moved_where_it_is_certain",
        ),
        prevented=None,
        left=(
            "what is installed inside is not scanned: the storage of a user's containers is closed; a program "
            "that runs there is reported, not ended. A launcher known by the program's name alone is "
            "reported and stays"
        ),
    ),
    Route(
        route="programs that run",
        seen=Claim(
            "`/proc/PID/exe`: by path, package, sandbox, or a mark in the file; also deleted, in memory, or through a "
            "loader",
            "integration/test_apps_real_flatpak::test_a_running_app_that_was_removed_behind_its_back_is_still_seen",
        ),
        removed=Claim(
            "ended: TERM, then KILL after `proscribe_end_grace`; users are notified (`proscribe_user_notice`)",
            "integration/test_apps_walk_real::test_a_program_that_runs_from_a_certain_copy_is_ended_for_certain",
        ),
        prevented=None,
        left="known by name alone, in a container, or run by an interpreter: reported, not ended",
    ),
    Route(
        route="browsers that no policy reaches, browsers unpacked at home",
        seen=Claim(
            "the file scan and the packages",
            "unit/controls/test_apps_walk_copies::test_browsers_that_no_policy_reaches",
        ),
        removed=None,
        prevented=None,
        left="reported; they count where dns and firewall are not both enforced (`proscribe_unmanaged_browsers`)",
    ),
)
