"""The routes by which a restricted app reaches a host without a package system, and what is done about each.

A row says only what a test shows; what is left open is in its last field. The rows of package systems are in their own
files (host/controls/apps/systems/declaration.py).
"""

from proscribe.host.controls.apps.systems.declaration import CoverageClaim, InstallRoute

TEXT = """
AppImages
  seen: the file scan, by magic bytes and name, in the service's own script too
    by integration/test_apps_what_moves::test_appimages_by_what_is_in_them
  removed: moved into the quarantine, if what is in them says that they are the app
    by integration/test_apps_what_moves::test_appimages_by_what_is_in_them
  left: known by their name alone, or packed with zstd (only a host with Python 3.14 reads it), lzo or lz4, or of type
    1: reported, they stay; a foreign name in a folder without programs is not recognised
unpacked archives and vendors' trees in `/opt`, `/usr/local`, `/srv`, `/tmp`, media, homes
  seen: the file scan, by the program's name with the rest of an app around it, by what the code of an Electron app
    says of itself, or a path where only root can write
    by integration/test_apps_under_attack::test_the_whole_catalogue_finds_what_people_bring_along_and_nothing_else
  removed: what shows by its content that it is the app's own is moved into the quarantine; the rest stays
    by integration/test_apps_what_moves::test_an_electron_app_goes_whole_and_with_a_document_in_parts
  prevented: execution control, where asked for, by the catalogue's paths
    by integration/test_apps_fapolicyd::test_rules_are_compiled_in_order_and_taken_away
  left: what is known by a name, a path or a desktop entry alone is reported and stays; renamed programs and
    directories are recognised only where the archive of an Electron app is there
tools in one file: ngrok, cloudflared, frp, chisel, mihomo, xray, sing-box, rclone and others written in Go
  seen: the file scan, by name and by what Go has written into them (`markers` of the catalogue)
    by integration/test_apps_what_moves::test_binaries_of_the_go_compiler_are_read
  removed: moved into the quarantine
    by integration/test_apps_what_moves::test_tunnels_in_one_file
  left: under a foreign name, packed (upx), or without Go's build information; tools in other languages have no such
    mark
Windows programs in a Wine prefix
  seen: the file scan, by the catalogue's Windows paths
    by unit/host/controls/apps/test_portable_scan::test_portable_app_is_moved_whole_and_comes_back
  removed: the program is moved into the quarantine, if another part of it lies beside it
    by unit/host/controls/apps/test_portable_scan::test_portable_app_is_moved_whole_and_comes_back
  left: a prefix on a network or FUSE mount is not entered
web apps in a window of their own, and their launchers
  seen: desktop entries with a restricted address; browsers' web-app folders
    by unit/host/controls/apps/test_portable_launchers::test_a_web_app_that_a_browser_installed
  removed: the entry, and the pictures in the app's folder, are moved into the quarantine
    by unit/host/controls/apps/test_portable_scan::test_portable_app_is_moved_whole_and_comes_back
  prevented: browser, dns and firewall close the site itself
    by integration/test_browser_effect::test_a_real_browser_is_kept_from_what_is_restricted_until_the_lift
  left: an id that is not in the catalogue says nothing
autostart entries and user services
  seen: desktop entries and units, by what they start
    by unit/host/controls/apps/test_portable_launchers::test_launcher_service
  removed: moved into the quarantine, unless a package owns them
    by unit/host/controls/apps/test_portable_scan::test_portable_app_is_moved_whole_and_comes_back
  left: what a script in between starts is seen when it runs
programs in containers: distrobox, toolbox, podman, incus
  seen: desktop entries and the scripts of `distrobox-export`, by what they start in there
    by unit/host/controls/apps/test_portable_launchers::test_container_launcher
  removed: moved into the quarantine where the catalogue has the program's path, or the entry's name has the app's id
    by integration/test_apps_real_launchers::test_exports_of_distrobox_are_seen_and_certain_ones_moved
  left: what is installed inside is not scanned: the storage of a user's containers is closed; a program that runs
    there is reported, not ended. A launcher known by the program's name alone is reported and stays
programs that run
  seen: `/proc/PID/exe`: by path, package, sandbox, or a mark in the file; also deleted, in memory, or through a
    loader
    by integration/test_apps_real_flatpak::test_a_running_app_that_was_removed_behind_its_back_is_still_seen
  removed: ended: TERM, then KILL after `proscribe_end_grace`; users are notified (`proscribe_user_notice`)
    by unit/host/controls/test_apps::test_program_of_a_portable_app_is_ended
  left: known by name alone, in a container, or run by an interpreter: reported, not ended
browsers that no policy reaches, browsers unpacked at home
  seen: the file scan and the packages
    by unit/host/controls/apps/test_portable_scan::test_browsers_that_no_policy_reaches_are_reported
  left: reported; they count where dns and firewall are not both enforced (`proscribe_unmanaged_browsers`)
"""


def read_routes(text):
    """Read routes: a name, and its fields below it; `by` is the test that shows a field."""
    routes = []
    for line in text.strip().splitlines():
        if not line.startswith(" "):
            routes.append({"route": line})
        elif not line.startswith("    "):
            key, _, value = line.strip().partition(": ")
            routes[-1][key] = value
        else:
            last = list(routes[-1])[-1]
            routes[-1][last] += f" {line.strip()}"
    claims = ("seen", "removed", "prevented")
    return [
        InstallRoute(route["route"], *(_read_claim(route, key) for key in claims), route["left"]) for route in routes
    ]


def _read_claim(route, key):
    text, _, test = route.get(key, "").rpartition(" by ")
    return CoverageClaim(text, test) if test else None


ROUTES = tuple(read_routes(TEXT))
