"""Observation of `browser` on a Windows host: the installed browsers, and their policies in the registry.

The keys of policies contain only policies of the domain: a user without administrator rights cannot write there.
Policies for single users (HKEY_CURRENT_USER) and of browsers' cloud management are not read.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import TYPE_CHECKING, NamedTuple

from ...host.controls.browser import ObservedPlace
from ...host.controls.browser.desired_policies import DesiredPolicies
from ...host.controls.browser.firefox import WEBSITE_FILTER
from ...host.controls.browser.managed_policies import (
    check_managed_policies,
    convert_to_due_types,
    judge_managed_policies,
)
from ...host.controls.browser.policy_observation import PolicyObservation
from ...host.controls.browser.policy_places import PolicyPlace
from ...host.controls.group_policy.policies import (
    CHROMIUM_FAMILY,
    POLICY_PROGRAMS,
    PolicyProgram,
    collect_program_policies,
)
from ...host.system.types import escape_text
from ...model.finding import RuleVerdict
from ...model.types.plan import Plan
from .accounts import explain_absent_users, list_logged_in_users
from .answer_reader import WindowsAnswer
from .command_line import APP_PATHS_KEY, BROWSERS_KEY, MACHINE_HIVE, USERS_HIVE
from .installed_programs import NARROW_REASON, WindowsSoftware
from .registry import RegistryValue, WindowsRegistry
from .windows_catalogue import iterate_names

if TYPE_CHECKING:
    from ...host.controls.policy_values import Policies

MAX_POLICY_DEPTH = 8  # most levels of nested registry keys in a policy
# Key: image name (file name of the program). Value: id of the browser. Chromium has the image name of Chrome, but
# another folder.
BROWSERS_BY_IMAGE = {
    "chrome.exe": "google_chrome",
    "msedge.exe": "microsoft_edge",
    "brave.exe": "brave",
    "firefox.exe": "firefox",
    "thunderbird.exe": "thunderbird",
}
# Browsers without known policies, by image name, and by the name that the installer registers (microsoft/winget-pkgs
# and ScoopInstaller/Extras of 2026-08-22). Other browsers are detected if they register as browsers.
OTHER_IMAGES = frozenset(
    (
        "360chrome.exe",
        "360se.exe",
        "duckduckgo.exe",
        "floorp.exe",
        "librewolf.exe",
        "maxthon.exe",
        "mullvadbrowser.exe",
        "opera.exe",
        "palemoon.exe",
        "qqbrowser.exe",
        "qutebrowser.exe",
        "seamonkey.exe",
        "thorium.exe",
        "vivaldi.exe",
        "waterfox.exe",
        "whale.exe",
        "zen.exe",
    )
)
OTHER_NAMES = frozenset(
    (
        "ablaze floorp",
        "comodo dragon",
        "c\u1ed1c c\u1ed1c",
        "duckduckgo",
        "librewolf",
        "mullvad browser",
        "naver whale",
        "opera",
        "opera air",
        "opera beta",
        "opera developer",
        "opera gx stable",
        "opera stable",
        "pale moon",
        "seamonkey",
        "srware iron",
        "thorium",
        "vivaldi",
        "vivaldi (snapshot)",
        "waterfox",
        "yandex browser",
        "zen browser",
    )
)
# Browsers of the Microsoft Store, by the family of their app package (the folders of their profiles in public code).
# Such a browser registers no image name that others can see. Firefox reads its policies from the registry there, too.
BROWSERS_BY_APP = {"mozilla.firefox_n80bbvh6b1yt2": "firefox"}
OTHER_APPS = {"duckduckgo.desktopbrowser_ya2fgkz3nks94": "DuckDuckGo", "thebrowsercompany.arc_ttt1ap7aakyb4": "Arc"}
CHROMIUM_FOLDER = "\\chromium\\"
OLD_BROWSER_IMAGE = "iexplore.exe"  # Internet Explorer, which Windows still registers everywhere
UNREAD_REASON = "{} cannot be read there"


class InstalledBrowsers(NamedTuple):
    """The browsers of a host: browsers with known policies, and names of other browsers.

    `unseen_reason` says why there may be more browsers; "" if there are no more.
    """

    known_browsers: tuple[PolicyProgram, ...]
    other_browsers: tuple[str, ...]
    unseen_reason: str


def find_browsers(answer: WindowsAnswer, software: WindowsSoftware) -> InstalledBrowsers:
    """Return the browsers of a host.

    A program is a browser if the machine or a logged-in user has registered it as a browser. Known browsers are also
    found by their uninstall key, by their App Paths entry, by their app package, or while they run.
    """
    installed, families = software.programs, {app.family.casefold() for app in software.packages.apps}
    registry = answer.registry
    registry_roots = [MACHINE_HIVE, *(f"{USERS_HIVE}\\{name}" for name in list_logged_in_users(answer))]
    # (name, path) of each registered browser
    registered_programs = [
        program
        for registry_root in registry_roots
        for program in _list_registered_browsers(registry, f"{registry_root}\\{BROWSERS_KEY}")
    ]
    # paths or file names of programs that may be browsers, in lower case
    images = [
        _extract_program(command)
        for installed_program in installed
        for command in (installed_program.icon, installed_program.uninstall)
    ]
    images += [
        path
        for registry_root in registry_roots
        for path in _list_app_paths(registry, f"{registry_root}\\{APP_PATHS_KEY}")
    ]
    images += [task.image.casefold() for task in answer.tasks or ()]
    browser_ids = {_identify_browser(program) for _, program in registered_programs} | {
        _identify_browser(image) for image in images
    }
    browser_ids |= {browser_id for family, browser_id in BROWSERS_BY_APP.items() if family in families}
    # A dict without values, so that each name is listed once and in order.
    other_names = {
        name: None
        for name, program in registered_programs
        if not _identify_browser(program) and not program.endswith(OLD_BROWSER_IMAGE)
    }
    other_names |= {
        installed_program.name: None
        for installed_program in installed
        if any(name.casefold() in OTHER_NAMES for name in iterate_names(installed_program))
    }
    # A browser that is already listed by its registered name is not listed by its file name again.
    registered_images = {program.rpartition("\\")[2] for _, program in registered_programs}
    other_names |= dict.fromkeys(
        sorted(({image.rpartition("\\")[2] for image in images} & OTHER_IMAGES) - registered_images)
    )
    other_names |= {name: None for family, name in OTHER_APPS.items() if family in families}
    programs = tuple(program for program in POLICY_PROGRAMS if program.id in browser_ids)
    unseen_reasons = [
        *_explain_unseen_browsers(answer, registry_roots),
        *filter(None, [software.packages.unseen_reason]),
    ]
    return InstalledBrowsers(
        programs,
        tuple(escape_text(name[:200]) for name in other_names),
        "; ".join(unseen_reasons),
    )


def _list_registered_browsers(registry: WindowsRegistry, key: str) -> Iterator[tuple[str, str]]:
    """Yield the name and the program of each browser that is registered below a registry key.

    The program is a path in lower case. If the registry has no path, the program is the name in lower case.
    """
    for name in registry.list_key_names(key):
        command = registry.read_values(f"{key}\\{name}\\shell\\open\\command")
        program = next(
            (str(registry_value.data) for registry_value in command.values() if registry_value.type.endswith("SZ")), ""
        )
        yield name, _extract_program(program) or name.casefold()


def _list_app_paths(registry: WindowsRegistry, key: str) -> Iterator[str]:
    """Yield the programs of an App Paths key: the path of each program, or its name if it has no path."""
    for name in registry.list_key_names(key):
        texts = [
            _extract_program(str(registry_value.data))
            for registry_value in registry.read_values(f"{key}\\{name}").values()
        ]
        yield next((text for text in texts if text.endswith(".exe")), name.casefold())


def _explain_unseen_browsers(answer: WindowsAnswer, registry_roots: list[str]) -> list[str]:
    """Return the reasons why a host may have more browsers than were detected; [] for none."""
    reasons = [NARROW_REASON] if answer.is_narrow else []
    unread_roots = [
        registry_root
        for registry_root in registry_roots
        if not answer.registry.is_complete(f"{registry_root}\\{BROWSERS_KEY}")
    ]
    reasons += [
        UNREAD_REASON.format("the list of browsers" + ("" if registry_root == MACHINE_HIVE else " of a user"))
        for registry_root in unread_roots
    ]
    return list(dict.fromkeys([*reasons, *explain_absent_users(answer, "installed for themselves")]))


def _extract_program(command: str) -> str:
    """Return the path of the program in a command line, in lower case; "" if there is none.

    A path with blanks is in quotes, or ends with .exe.
    """
    text = command.strip().casefold()
    if text.startswith('"'):
        return text[1:].partition('"')[0]
    start, extension, _ = text.partition(".exe")
    return start + extension if extension else ""


def _identify_browser(path: str) -> str:
    """Return the id of the browser whose program has this path; "" for no known browser."""
    browser_id = BROWSERS_BY_IMAGE.get(path.rpartition("\\")[2], "")
    return "chromium" if browser_id == "google_chrome" and CHROMIUM_FOLDER in path else browser_id


def observe_browsers(plan: Plan, answer: WindowsAnswer, browsers: InstalledBrowsers) -> list[RuleVerdict]:
    """Return the verdicts of the control `browser` about the browsers of a host.

    Raises ControlError for a plan that no browser could follow.
    """
    browser_policies = DesiredPolicies(plan)
    policies_by_program = collect_program_policies(plan)
    observed_places = [
        ObservedPlace(
            _make_place(program),
            _observe_program(program, browser_policies, policies_by_program.get(program, {}), answer),
        )
        for program in browsers.known_browsers
    ]
    return judge_managed_policies(
        plan, browser_policies, observed_places, browsers.other_browsers, browsers.unseen_reason, "Windows"
    )


def _make_place(program: PolicyProgram) -> PolicyPlace:
    """Return the place in the registry from which a browser reads its policies."""
    return program.policy_place._replace(path=f"HKLM\\{program.key}")


def _observe_program(
    program: PolicyProgram, browser_policies: DesiredPolicies, desired_policies: Policies, answer: WindowsAnswer
) -> PolicyObservation:
    """Compare the policies of a browser in the registry with the policies that the plan requires.

    If the registry key cannot be read, the result has only the reason. Firefox ignores an invalid site filter, so an
    invalid filter counts as missing.
    """
    key = f"{MACHINE_HIVE}\\{program.key}"
    if not answer.registry.is_complete(key):
        return PolicyObservation(unseen_reason=UNREAD_REASON.format(f"HKLM\\{program.key}"))
    host_policies = (
        read_policy_table(answer.registry, key, desired_policies) if answer.registry.is_present(key) else None
    )
    if (
        host_policies is not None
        and program.family != CHROMIUM_FAMILY
        and not _is_site_filter(host_policies.get(WEBSITE_FILTER))
    ):
        host_policies.pop(WEBSITE_FILTER, None)
    return check_managed_policies(browser_policies, program.policy_place, desired_policies, host_policies)


def _is_site_filter(policy_value: object) -> bool:
    """Return True if Firefox accepts the policy value as a site filter: lists of sites, none of them empty.

    An empty registry key for one list also makes the other list invalid.
    """
    return isinstance(policy_value, dict) and all(
        isinstance(site_list, list) and site_list for site_list in policy_value.values()
    )


def read_policy_table(registry: WindowsRegistry, key: str, desired_policies: Policies) -> dict[str, object]:
    """Return the policies below a registry key in the form of JSON.

    A list is a key with numbered values. A structured value is a JSON text, or nested keys. Windows ignores case, so
    names get the spelling of `desired_policies`, the plan's policies.
    """
    plan_spellings = {name.casefold(): name for name in desired_policies}
    policies = {}
    for name, policy_value in _read_policy_level(registry, key, MAX_POLICY_DEPTH).items():
        plan_name = plan_spellings.get(name.casefold(), name)
        policies[plan_name] = convert_to_due_types(
            desired_policies.get(plan_name),
            _parse_structured_text(policy_value) if isinstance(policy_value, str) else policy_value,
        )
    return policies


def _read_policy_level(registry: WindowsRegistry, key: str, depth_left: int) -> dict[str, object]:
    """Return the values of a registry key and its child keys as nested mappings and lists.

    At most `depth_left` levels of child keys are read. A child key is a list if all its names are numbers.
    """
    policies: dict[str, object] = {
        registry_value.name: _convert_value(registry_value) for registry_value in registry.read_values(key).values()
    }
    for name in registry.list_key_names(key) if depth_left else ():
        child_policies = _read_policy_level(registry, f"{key}\\{name}", depth_left - 1)
        numbered_names = sorted(
            (int(child_name), child_name)
            for child_name in child_policies
            if child_name.isascii() and child_name.isdigit() and len(child_name) < 10
        )
        policies[name] = (
            [child_policies[child_name] for _, child_name in numbered_names]
            if len(numbered_names) == len(child_policies)
            else child_policies
        )
    return policies


def _convert_value(registry_value: RegistryValue) -> str | int:
    """Return the data of a registry value; the texts of a list of texts (REG_MULTI_SZ) are separate lines."""
    if registry_value.type == "REG_MULTI_SZ" and isinstance(registry_value.data, str):
        return registry_value.data.replace("\\0", "\n")
    return registry_value.data


def _parse_structured_text(text: str) -> object:
    """Return the object or list of a JSON text; any other text is returned unchanged."""
    if text[:1] not in ("{", "["):
        return text
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return text
