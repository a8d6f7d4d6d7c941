"""Table of the tests in each size of a test run.

`fast` is for while you write, `default` for a change before it lands, `nightly` has everything:

- A unit test is in `fast`. If it takes over half a second it is marked `slow`: it is in `default` where a change is
  near to its file (`changed.near`).
- A file with real tools, hosts or playbooks is in `default` if the table says ALWAYS: it is the cheapest one that
  represents its room. The others are in `default` where their room has changed (CHANGED), or only in `nightly`.
- A test that is marked `nightly` is in no smaller size.
"""

import fnmatch
import functools
import re
from typing import NamedTuple

FAST, DEFAULT, NIGHTLY = SIZES = ("fast", "default", "nightly")
ALWAYS, CHANGED = "always", "changed"
UNIT = "tests/unit/"
# In one of these rooms are the files of the table.
WITH_TABLE = ("tests/integration/", "tests/playbooks/")


class Row(NamedTuple):
    """Files of tests, and the files of the checkout that they are about."""

    tests: str  # a pattern of their paths below tests/
    when: str  # ALWAYS, CHANGED or NIGHTLY
    about: tuple[str, ...]  # patterns of the checkout's paths; files that the test itself imports need none


def _below(folder, names):
    """Return the patterns of a folder, by their names with blanks between."""
    return tuple(f"{folder}/{name}" for name in names.split())


_PACKAGE = "module_utils/proscribe"
_HOST, _CONTROLLER = f"{_PACKAGE}/host", f"{_PACKAGE}/controller"
_CONTROLS = f"{_HOST}/controls/"
_APPS = (f"{_CONTROLS}apps/*", "roles/restricted_apps/*")
_PORTABLE = (f"{_CONTROLS}apps/portable/*",)
_SYSTEMS = f"{_CONTROLS}apps/systems/"
_EVERY_SYSTEM = _below(
    f"{_CONTROLS}apps/systems",
    "__init__.py uninstall_actions.py declaration.py place_checks.py installed_packages.py package.py "
    "package_systems.py",
)
_BROWSER = (f"{_CONTROLS}browser/*", "catalog/browsers.yml", "roles/browser_policy/*")
_PROGRAMS = f"{_HOST}/programs/"  # what hosts get as text
_OF_FIREWALL = _below(f"{_HOST}/programs", "firewall.sh load_and_list.py table_events.py")
_FIREWALL = (f"{_CONTROLS}firewall/*", "roles/host_firewall/*", *_OF_FIREWALL)
_DNS = (f"{_CONTROLS}dns/*", "roles/dns_filter/*")
_WINDOWS = (f"{_CONTROLLER}/windows/*",)
_GROUP_POLICY = (f"{_CONTROLS}group_policy/*", "roles/group_policy/*", *_WINDOWS)
_POINTS = (f"{_CONTROLLER}/enforcement_points/*",)
_REPORT = (f"{_CONTROLLER}/report/*", "callback_plugins/*")
_CHANNELS = _below("playbooks", "notify.yml tasks/notify/*")
_REFRESH = _below(_CONTROLLER, "cli/catalog* cli/scheduled/*")
_SCHEDULE = (
    *_below(_CONTROLLER, "cli/scheduled/* schedule/*"),
    *_below(_HOST, "schedule/* programs/guarding/* programs/pulling/*"),
    *(f"{_PACKAGE}/base/run_files.py", "roles/drift_schedule/*", "playbooks/schedule.yml", "playbooks/drift.yml"),
    *_CHANNELS,
)
_SYSTEM = (f"{_HOST}/system/*",)
_WATCH = (f"{_HOST}/watch*", "roles/host_watch/*", f"{_PACKAGE}/wire/watch_installer.py")
_WIRE = _below(f"{_PACKAGE}/wire", "parallel/* answers/* stream.py loader.py plan_store.py")
_PARALLEL = (*_WIRE, "module_utils/proscribe_ansible/*", "action_plugins/*")
_PLUGINS = tuple(f"{kind}_plugins/*" for kind in ("action", "callback", "filter", "test"))
_RUNS = ("playbooks/*", "roles/*", *_PLUGINS, "library/*", "ansible.cfg")
_LAUNCHER = ("proscribe", "pyproject.toml")
_QUARANTINES = (f"{_CONTROLLER}/quarantine/*",)
_COMMANDS = (f"{_CONTROLLER}/cli/*",)
_COLLECTION = (f"{_CONTROLLER}/cli/collection*", "library/*", "action_plugins/*", "roles/*/meta/*", "doc_fragments/*")
_DOCUMENTS = ("docs/*", "README.md", "tests/doc_*.py")
_REQUESTS = (f"{_CONTROLS}apps/requests/*", f"{_PROGRAMS}request.py", f"{_PROGRAMS}send.py")
_TOOLS = _below(f"{_HOST}/system", "tools.py tool_*.py")
_PRINTED = _below(f"{_CONTROLLER}/report/text", "reinstall_commands.py")


def _system(*names):
    """What the tests of a package system are about: its modules, and those that all have in common."""
    return (*(f"{_SYSTEMS}{name}*" for name in names), *_EVERY_SYSTEM)


_OWN_SYSTEMS = _system("uv", "nix", "guix", "brew", "conda", "on_demand_system")
_METRICS = ("examples/monitoring/*", f"{_CONTROLLER}/report/exports/prometheus.py")
TABLE = (
    # apps: the package systems, each with its real tool
    Row("integration/test_apps_real_dpkg.py", ALWAYS, (*_system("dpkg"), f"{_PROGRAMS}dpkg_block.sh")),
    Row("integration/test_apps_real_flatpak.py", CHANGED, _system("flatpak")),
    Row("integration/test_apps_real_npm.py", CHANGED, _system("npm")),
    Row("integration/test_apps_real_own_systems.py", CHANGED, _OWN_SYSTEMS),
    Row("integration/test_apps_real_pacman.py", CHANGED, (*_system("pacman"), f"{_PROGRAMS}pacman_block.sh")),
    Row("integration/test_apps_real_pip.py", CHANGED, _system("pip", "pipx", "site_packages")),
    Row("integration/test_apps_real_rpm.py", CHANGED, _system("rpm")),
    Row("integration/test_apps_real_snap.py", CHANGED, _system("snap")),
    Row("integration/test_apps_killed_systems.py", NIGHTLY, (f"{_SYSTEMS}*",)),
    Row("integration/test_debian_archives.py", NIGHTLY, ("catalog/*",)),
    # apps: what lies in homes, the quarantine, execution control
    Row("integration/test_apps_fapolicyd.py", CHANGED, (f"{_CONTROLS}apps/execution/*",)),
    Row("integration/test_apps_quarantine_race.py", CHANGED, (f"{_CONTROLS}apps/quarantine/*",)),
    Row("integration/test_apps_quarantine_real.py", ALWAYS, (f"{_CONTROLS}apps/quarantine/*",)),
    Row("integration/test_apps_real_launchers.py", CHANGED, _PORTABLE),
    Row("integration/test_apps_under_attack.py", CHANGED, (*_PORTABLE, *_SYSTEM)),
    Row("integration/test_host_untried_attacks.py", CHANGED, (*_APPS, *_SYSTEM, f"{_CONTROLS}change_execution.py")),
    Row("integration/test_apps_what_moves.py", ALWAYS, _APPS),
    # browsers
    Row("integration/test_browser_effect.py", ALWAYS, _BROWSER),
    Row("integration/test_browser_urls.py", NIGHTLY, _BROWSER),
    Row("integration/test_browser_extensions.py", CHANGED, _BROWSER),
    Row("integration/test_browser_[!eu]*.py", CHANGED, _BROWSER),
    # dns and firewall
    Row("integration/test_dns_resolvers.py", ALWAYS, _DNS),
    Row("integration/test_dns_[!r]*.py", CHANGED, _DNS),
    Row("integration/test_firewall_table.py", CHANGED, _FIREWALL),
    Row("integration/test_firewall_traffic.py", ALWAYS, _FIREWALL),
    Row("integration/test_firewall_[!t]*.py", CHANGED, _FIREWALL),
    # Group Policy, Windows and Macs, and what is exported
    Row("integration/test_group_policy_samba.py", CHANGED, _GROUP_POLICY),
    Row("integration/test_group_policy.py", NIGHTLY, _GROUP_POLICY),
    Row("integration/test_group_policy_wine.py", NIGHTLY, _GROUP_POLICY),
    Row("integration/test_windows_wine.py", NIGHTLY, _WINDOWS),
    Row("integration/test_windows_and_macs.py", NIGHTLY, (*_WINDOWS, f"{_HOST}/macos/*")),
    Row("integration/test_exports_of_the_plan.py", CHANGED, _POINTS),
    Row("integration/test_points_agree.py", NIGHTLY, _POINTS),
    Row("integration/test_devices_agree.py", CHANGED, _POINTS),
    Row("integration/test_mac_programs_agree.py", CHANGED, _POINTS),
    Row("integration/test_applocker_agrees.py", NIGHTLY, _POINTS),
    Row("integration/test_reach_is_what_explain_says.py", CHANGED, (f"{_COMMANDS[0]}", *_POINTS)),
    # reports, history, events
    Row("integration/test_events_real.py", CHANGED, _REPORT),
    Row("integration/test_exports_validated.py", CHANGED, _REPORT),
    Row("integration/test_history_postgres.py", CHANGED, (f"{_PACKAGE}/controller/report/history*",)),
    Row("integration/test_monitoring.py", CHANGED, _METRICS),
    Row("integration/test_controller_disk.py", CHANGED, (*_REPORT, *_COMMANDS, f"{_CONTROLLER}/files.py")),
    Row("integration/test_report_page.py", CHANGED, (f"{_PACKAGE}/controller/report/page/*",)),
    Row("integration/test_report_department_page.py", CHANGED, _REPORT),
    Row("integration/test_schemas.py", ALWAYS, ("docs/schema/*", *_REPORT)),
    # hosts: swept, attacked, watched, on a schedule
    Row("integration/test_hostile_hosts.py", CHANGED, _PARALLEL),
    Row("integration/test_least_privilege.py", CHANGED, _RUNS),
    Row("integration/test_members_on_hosts.py", CHANGED, (f"{_PACKAGE}/host/plan_resolution.py", *_RUNS)),
    Row("integration/test_requests_on_hosts.py", CHANGED, (*_REQUESTS, *_QUARANTINES)),
    Row("integration/test_login_shells.py", CHANGED, _PARALLEL),
    Row("integration/test_stream_connections.py", CHANGED, _PARALLEL),
    Row("integration/test_sweep.py", CHANGED, _PARALLEL),
    Row("integration/test_tools_on_hosts.py", CHANGED, (*_TOOLS, *_PRINTED)),
    Row("integration/test_two_runs.py", CHANGED, (*_PARALLEL, f"{_PACKAGE}/host/system/host_lock.py")),
    Row("integration/test_unchanged_audit.py", ALWAYS, _PARALLEL),
    Row("integration/test_launches.py", CHANGED, _WATCH),
    Row("integration/test_launches_connector.py", ALWAYS, _WATCH),
    Row("integration/test_tampering.py", NIGHTLY, (*_WATCH, *_APPS, *_BROWSER, *_FIREWALL, *_DNS)),
    Row("integration/test_ssh_startups.py", CHANGED, (*_FIREWALL, f"{_PACKAGE}/host/watch/ssh_startups.py")),
    Row("integration/test_watch.py", CHANGED, _WATCH),
    Row("integration/test_watch_day.py", ALWAYS, _WATCH),
    Row("integration/test_watch_faults.py", CHANGED, _WATCH),
    Row("integration/test_watch_tampered.py", CHANGED, _WATCH),
    Row("integration/test_runs_cut_short.py", CHANGED, (*_REPORT, *_RUNS, "module_utils/proscribe_ansible/*")),
    Row("integration/test_schedule_commits.py", ALWAYS, _SCHEDULE),
    Row("integration/test_schedule_controller.py", CHANGED, _SCHEDULE),
    Row("integration/test_schedule_faults.py", NIGHTLY, _SCHEDULE),
    Row("integration/test_schedule_others.py", CHANGED, _SCHEDULE),
    Row("integration/test_schedule_pull.py", CHANGED, _SCHEDULE),
    Row("integration/test_schedules.py", CHANGED, ("examples/schedules/*",)),
    Row("integration/test_sid.py", NIGHTLY, ()),
    Row("integration/test_roots.py", CHANGED, ("tests/roots.py", "tests/integration/machines.py")),
    # the documents, the collection, other people's repositories
    Row("integration/test_catalog_refresh.py", CHANGED, _REFRESH),
    Row("integration/test_collection.py", NIGHTLY, _COLLECTION),
    Row("integration/test_docs.py", NIGHTLY, _DOCUMENTS),
    Row("integration/test_policy_repository.py", CHANGED, ("examples/*",)),
    Row("integration/test_upgrade.py", NIGHTLY, (*_RUNS, *_PARALLEL)),
    Row("integration/test_first_hour.py", NIGHTLY, ("docs/first-hour.md", f"{_COMMANDS[0][:-1]}init/*")),
    Row("integration/test_init.py", CHANGED, ("examples/*", f"{_COMMANDS[0][:-1]}init/*")),
    Row("integration/test_vendored.py", NIGHTLY, _COLLECTION),
    # the launcher and the playbooks, on the machine of the tests
    Row("playbooks/test_launcher.py", ALWAYS, _LAUNCHER),
    Row("playbooks/test_launcher_isolated.py", CHANGED, _LAUNCHER),
    Row("playbooks/test_environment.py", CHANGED, _LAUNCHER),
    Row("playbooks/test_ordinary_user.py", CHANGED, _LAUNCHER),
    Row("playbooks/test_without_the_internet.py", NIGHTLY, _LAUNCHER),
    Row("playbooks/test_runs.py", ALWAYS, _RUNS),
    Row("playbooks/test_renamed_names.py", ALWAYS, ("module_utils/proscribe_ansible/*", *_RUNS)),
    Row("playbooks/test_batches.py", CHANGED, (f"{_PACKAGE}/controller/rollout/*", *_RUNS)),
    Row("playbooks/test_commands_pasted.py", CHANGED, (*_REPORT, *_RUNS)),
    Row("playbooks/test_report_options.py", CHANGED, _REPORT),
    Row("playbooks/test_second_observation.py", CHANGED, (*_REPORT, *_RUNS)),
    Row("playbooks/test_own_configuration.py", CHANGED, _RUNS),
    Row("playbooks/test_words.py", ALWAYS, _COMMANDS),
    Row("playbooks/test_apps_restored.py", CHANGED, (f"{_CONTROLS}apps/quarantine/*", *_QUARANTINES)),
    Row("playbooks/test_automation_controller.py", CHANGED, _RUNS),
    Row("playbooks/test_beside_others.py", NIGHTLY, _REPORT),
    Row("playbooks/test_collection_shapes.py", NIGHTLY, (*_COLLECTION, *_RUNS)),
    Row("playbooks/test_channel_*.py", CHANGED, _CHANNELS),
    Row("playbooks/test_diff_word.py", CHANGED, _COMMANDS),
    Row("playbooks/test_examples.py", CHANGED, (*_REPORT, "library/*", "test_plugins/*")),
    Row("playbooks/test_failed_gate.py", CHANGED, _REPORT),
    Row("playbooks/test_named_reports.py", CHANGED, (*_REPORT, *_COMMANDS)),
    Row("playbooks/test_not_served.py", CHANGED, _RUNS),
    Row("playbooks/test_one_users_refusal.py", CHANGED, _APPS),
    Row("playbooks/test_report_word.py", CHANGED, (*_REPORT, *_COMMANDS)),
    Row("playbooks/test_role_readmes.py", CHANGED, _RUNS),
    Row("playbooks/test_scheduled_word.py", CHANGED, _SCHEDULE),
    Row("playbooks/test_slices.py", CHANGED, _REPORT),
    Row("playbooks/test_store_attacked.py", CHANGED, _PARALLEL),
    Row("playbooks/test_full_disk.py", CHANGED, (f"{_PACKAGE}/wire/plan_store.py", *_REPORT, *_RUNS)),
    Row("playbooks/test_tags.py", CHANGED, _RUNS),
    Row("playbooks/test_templates_stay_text.py", CHANGED, (f"{_PACKAGE}/controller/compile/*", *_RUNS)),
    Row("playbooks/test_variable_places.py", CHANGED, (f"{_PACKAGE}/controller/compile/*", *_RUNS)),
)

ANSIBLE_LINT, NEWEST_PLAYBOOKS = "ansible-lint (production)", "playbooks on the newest core"
_HOSTS = (*_RUNS, f"{_CONTROLS}*", "module_utils/proscribe_ansible/*", *_LAUNCHER)  # what a run on a host executes
# Parts that are no files of tests, and what they are about.
PARTS = {
    "docs": Row("docs", ALWAYS, (*_DOCUMENTS, "*.md", "mkdocs.yml", "tests/site_pages.py")),
    ANSIBLE_LINT: Row(ANSIBLE_LINT, CHANGED, ("*.yml", "*.yaml", "roles/*", "playbooks/*", "*ansible-lint")),
    NEWEST_PLAYBOOKS: Row(NEWEST_PLAYBOOKS, CHANGED, _HOSTS),
    "molecule": Row("molecule", CHANGED, (*_HOSTS, "tests/molecule/*")),
    "collection": Row("collection", CHANGED, (*_COLLECTION, "tests/collection_checks.py")),
    "packages": Row("packages", NIGHTLY, ()),
    "mutation": Row("mutation", NIGHTLY, ()),
    "recall": Row("recall", NIGHTLY, ()),
}


@functools.cache
def row(path):
    """Return the row of a file of tests; None for a unit test, which needs none. Raises LookupError."""
    if not path.startswith(WITH_TABLE):
        return None
    rows = [row for row in TABLE if matches(path, (f"tests/{row.tests}",))]
    if len(rows) != 1:
        found = ", ".join(row.tests for row in rows) or "no row"
        raise LookupError(f"{path}: found {found} of tests/suite/sizes.py, expected one row")
    return rows[0]


def files(project, *rooms):
    """Yield the files with tests of some rooms, or of all, by their paths in the checkout."""
    for room in rooms or (UNIT, *WITH_TABLE):
        yield from (str(path.relative_to(project)) for path in sorted((project / room).rglob("test_*.py")))


def chosen(size, path, changed):
    """Return whether a size runs a file of tests. `changed`: paths of the checkout."""
    about = row(path)
    if about is None or size == FAST:
        return about is None
    return _chosen(about, size, changed) or (about.when == CHANGED and path in changed)


def words(size, changed, all_words):
    """Return the parts of a size."""
    if size == FAST:
        return [word for word in all_words if word in ("lint", "unit")]
    return [word for word in all_words if has_part(size, word, changed)]


def has_part(size, name, changed):
    """Return whether a size has a part; one without a row in PARTS is in each."""
    return name not in PARTS or _chosen(PARTS[name], size, changed)


def _chosen(row, size, changed):
    return size == NIGHTLY or row.when == ALWAYS or (row.when == CHANGED and concerns(row, changed))


def concerns(about, changed):
    """Return whether a changed file is one that the tests of a row are about."""
    return any(matches(path, about.about) for path in changed)


def matches(path, patterns):
    """Return whether a path matches one of the patterns."""
    return bool(patterns) and _compiled(patterns).match(path) is not None


@functools.cache
def _compiled(patterns):
    return re.compile("|".join(map(fnmatch.translate, patterns)))
