"""The rules of `browser` on a Windows host: which browsers are installed, and what their keys of policies come to.

A key holds what the domain's policy has set, and nothing else: a user without administrator's rights cannot write
there. Policies for single users (HKEY_CURRENT_USER) and of browsers' own cloud management are not read.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import TYPE_CHECKING, NamedTuple

from ...host.controls.browser import ObservedPlace
from ...host.controls.browser.desired import DesiredPolicies
from ...host.controls.browser.firefox import WEBSITE_FILTER
from ...host.controls.browser.managed import check_managed_policies, convert_to_due_types, judge_managed_policies
from ...host.controls.browser.observed import PolicyObservation
from ...host.controls.browser.places import PolicyPlace
from ...host.controls.group_policy.policies import CHROMIUM, PROGRAMS, Program, of_programs
from ...host.system.types import escape_text
from ...model.finding import RuleVerdict
from ...model.types.plan import Plan
from .accounts import away, logged_in
from .answer import Answer
from .catalogued import names_of
from .command import APP_PATHS, BROWSERS, MACHINE, USERS
from .installed import NARROW, Installed
from .registry import Registry, Value

if TYPE_CHECKING:
    from ...host.controls.policy_tables import Policies

DEEPEST = 8  # keys below each other that a policy has.
# By image, the programs that may be it; Chromium's own build has the name of Chrome's, in a folder of its own.
IMAGES = {
    "chrome.exe": "google_chrome",
    "msedge.exe": "microsoft_edge",
    "brave.exe": "brave",
    "firefox.exe": "firefox",
    "thunderbird.exe": "thunderbird",
}
# Browsers of which no policies are known, by image, and by the names that they register (microsoft/winget-pkgs and
# ScoopInstaller/Extras of 2026-08-22). Others are found where they register as browsers.
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
CHROMIUM_FOLDER = "\\chromium\\"
OLD = "iexplore.exe"  # Internet Explorer, which every Windows still registers
UNREAD = "{} cannot be read there"


class Browsers(NamedTuple):
    """The installed browsers: those of which policies are known, others by what starts them, and whether all of them
    are known.
    """

    known: tuple[Program, ...]
    others: tuple[str, ...]
    unseen: str


def find_browsers(answer: Answer, installed: list[Installed]) -> Browsers:
    """The browsers of a host. The machine, or a user who is logged in, has registered them as such. Or they have an
    uninstall key or a path of their own. Those that run count as well.
    """
    registry = answer.registry
    tops = [MACHINE, *(f"{USERS}\\{name}" for name in logged_in(answer))]
    starts = [start for top in tops for start in _registered(registry, f"{top}\\{BROWSERS}")]
    images = [_program_of(place) for one in installed for place in (one.icon, one.uninstall)]
    images += [path for top in tops for path in _app_paths(registry, f"{top}\\{APP_PATHS}")]
    images += [task.image.casefold() for task in answer.tasks or ()]
    found = {_known(start) for _, start in starts} | {_known(image) for image in images}
    others = {name: None for name, start in starts if not _known(start) and not start.endswith(OLD)}
    others |= {one.name: None for one in installed if any(name.casefold() in OTHER_NAMES for name in names_of(one))}
    seen = {start.rpartition("\\")[2] for _, start in starts}
    others |= dict.fromkeys(sorted(({image.rpartition("\\")[2] for image in images} & OTHER_IMAGES) - seen))
    programs = tuple(program for program in PROGRAMS if program.id in found)
    return Browsers(programs, tuple(escape_text(name[:200]) for name in others), "; ".join(_unseen(answer, tops)))


def _registered(registry: Registry, key: str) -> Iterator[tuple[str, str]]:
    """What a list of browsers has: each name, and the program that it starts."""
    for name in registry.names(key):
        command = registry.values(f"{key}\\{name}\\shell\\open\\command")
        started = next((str(value.data) for value in command.values() if value.type.endswith("SZ")), "")
        yield name, _program_of(started) or name.casefold()


def _app_paths(registry: Registry, key: str) -> Iterator[str]:
    """The programs that have a path of their own: each by its path, or by its name where it has none."""
    for name in registry.names(key):
        texts = [_program_of(str(value.data)) for value in registry.values(f"{key}\\{name}").values()]
        yield next((text for text in texts if text.endswith(".exe")), name.casefold())


def _unseen(answer: Answer, tops: list[str]) -> list[str]:
    """Why a host may have more browsers than were found."""
    unread = [NARROW] if answer.narrow else []
    closed = [top for top in tops if not answer.registry.complete(f"{top}\\{BROWSERS}")]
    unread += [UNREAD.format("the list of browsers" + ("" if top == MACHINE else " of a user")) for top in closed]
    return list(dict.fromkeys([*unread, *away(answer, "installed for themselves")]))


def _program_of(command: str) -> str:
    """The program that a command line starts, without case; a path with blanks is in quotes, or ends with .exe."""
    text = command.strip().casefold()
    if text.startswith('"'):
        return text[1:].partition('"')[0]
    start, ended, _ = text.partition(".exe")
    return start + ended if ended else ""


def _known(path: str) -> str:
    """The browser whose program is at a path; "" for none."""
    id_ = IMAGES.get(path.rpartition("\\")[2], "")
    return "chromium" if id_ == "google_chrome" and CHROMIUM_FOLDER in path else id_


def observe(plan: Plan, answer: Answer, browsers: Browsers) -> list[RuleVerdict]:
    """The verdicts of `browser` (managed.verdicts). Raises ControlError for a plan that no browser could follow."""
    desired = DesiredPolicies(plan)
    due = of_programs(plan)
    seen = [ObservedPlace(_place(one), _observed(one, desired, due.get(one, {}), answer)) for one in browsers.known]
    return judge_managed_policies(plan, desired, seen, browsers.others, browsers.unseen, "Windows")


def _place(program: Program) -> PolicyPlace:
    return program.place._replace(path=f"HKLM\\{program.key}")


def _observed(program: Program, desired: DesiredPolicies, due: Policies, answer: Answer) -> PolicyObservation:
    key = f"{MACHINE}\\{program.key}"
    if not answer.registry.complete(key):
        return PolicyObservation(unseen_reason=UNREAD.format(f"HKLM\\{program.key}"))
    said = table(answer.registry, key, due) if answer.registry.there(key) else None
    if said is not None and program.family != CHROMIUM and not _is_filter(said.get(WEBSITE_FILTER)):
        said.pop(WEBSITE_FILTER, None)
    return check_managed_policies(desired, program.place, due, said)


def _is_filter(value: object) -> bool:
    """Whether Firefox takes a list of sites. A key without values is no list to it, and costs the other list, too."""
    return isinstance(value, dict) and all(isinstance(one, list) and one for one in value.values())


def table(registry: Registry, key: str, due: Policies) -> dict[str, object]:
    """The policies of a key as JSON has them: lists are keys with numbered values, and what has structure is one text
    of JSON or keys below each other. Names are spelled as the plan spells them, since Windows does not distinguish.
    """
    spelled = {name.casefold(): name for name in due}
    found = {}
    for name, value in _level(registry, key, DEEPEST).items():
        own = spelled.get(name.casefold(), name)
        found[own] = convert_to_due_types(due.get(own), _structured(value) if isinstance(value, str) else value)
    return found


def _level(registry: Registry, key: str, deep: int) -> dict[str, object]:
    found: dict[str, object] = {value.name: _plain(value) for value in registry.values(key).values()}
    for name in registry.names(key) if deep else ():
        below = _level(registry, f"{key}\\{name}", deep - 1)
        numbered = sorted((int(one), one) for one in below if one.isascii() and one.isdigit() and len(one) < 10)
        found[name] = [below[one] for _, one in numbered] if len(numbered) == len(below) else below
    return found


def _plain(value: Value) -> str | int:
    if value.type == "REG_MULTI_SZ" and isinstance(value.data, str):
        return value.data.replace("\\0", "\n")
    return value.data


def _structured(text: str) -> object:
    """What a text says that is an object or a list in JSON; any other text as it is."""
    if text[:1] not in ("{", "["):
        return text
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return text
