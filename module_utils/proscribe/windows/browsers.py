"""The rules of `browser` on a Windows host: which browsers are installed, and what their keys of policies come to.

A key holds what the domain's policy has set, and nothing else: a user without administrator's rights cannot write
there. Policies for single users (HKEY_CURRENT_USER) and of browsers' own cloud management are not read.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from ..controls.browser import ObservedPlace
from ..controls.browser.desired import Desired
from ..controls.browser.firefox import FILTER
from ..controls.browser.managed import check, spelled_as, verdicts
from ..controls.browser.observed import Observed
from ..controls.group_policy.policies import CHROMIUM, PROGRAMS, Program, of_programs
from ..finding import Verdict
from ..host.types import escaped
from .answer import Answer
from .apps import Installed
from .command import BROWSERS, MACHINE
from .registry import Registry, Value

DEEPEST = 8  # keys below each other that a policy has
# By image, the programs that may be it; Chromium's own build has the name of Chrome's, in a folder of its own.
IMAGES = {
    "chrome.exe": "google_chrome",
    "msedge.exe": "microsoft_edge",
    "brave.exe": "brave",
    "firefox.exe": "firefox",
    "thunderbird.exe": "thunderbird",
}
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
    """The browsers of a host, by what is registered and what runs."""
    registry = answer.registry
    starts = []
    for name in registry.names(f"{MACHINE}\\{BROWSERS}"):
        command = registry.values(f"{MACHINE}\\{BROWSERS}\\{name}\\shell\\open\\command")
        started = next((str(value.data) for value in command.values() if value.type.endswith("SZ")), "")
        starts.append((name, _program_of(started) or name.casefold()))
    found = {_known(start) for _, start in starts}
    found |= {_known(_program_of(place)) for one in installed for place in (one.icon, one.uninstall)}
    found |= {_known(task.image.casefold()) for task in answer.tasks or ()}
    others = [name for name, start in starts if not _known(start) and not start.endswith(OLD)]
    unread = [] if registry.complete(f"{MACHINE}\\{BROWSERS}") else [UNREAD.format("the list of browsers")]
    programs = tuple(program for program in PROGRAMS if program.id in found)
    return Browsers(programs, tuple(escaped(name[:200]) for name in others), "; ".join(unread))


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


def observe(plan: Mapping[str, Any], answer: Answer, browsers: Browsers) -> list[Verdict]:
    """The verdicts of `browser` (managed.verdicts). Raises ControlError for a plan that no browser could follow."""
    desired = Desired(plan)
    due = of_programs(plan)
    seen = [ObservedPlace(_place(one), _observed(one, desired, due.get(one, {}), answer)) for one in browsers.known]
    return verdicts(plan, desired, seen, browsers.others, browsers.unseen, "Windows")


def _place(program: Program) -> Any:
    return program.place._replace(path=f"HKLM\\{program.key}")


def _observed(program: Program, desired: Desired, due: Mapping[str, Any], answer: Answer) -> Observed:
    key = f"{MACHINE}\\{program.key}"
    if not answer.registry.complete(key):
        return Observed(unseen=UNREAD.format(f"HKLM\\{program.key}"))
    said = table(answer.registry, key, due) if answer.registry.there(key) else None
    if said is not None and program.family != CHROMIUM and not _is_filter(said.get(FILTER)):
        said.pop(FILTER, None)
    return check(desired, program.place, due, said)


def _is_filter(value: Any) -> bool:
    """Whether Firefox takes a list of sites. A key without values is no list to it, and costs the other list, too."""
    return isinstance(value, dict) and all(isinstance(one, list) and one for one in value.values())


def table(registry: Registry, key: str, due: Mapping[str, Any]) -> dict[str, Any]:
    """The policies of a key as JSON has them: lists are keys with numbered values, and what has structure is one text
    of JSON or keys below each other. Names are spelled as the plan spells them, since Windows does not distinguish.
    """
    spelled = {name.casefold(): name for name in due}
    found = {}
    for name, value in _level(registry, key, DEEPEST).items():
        own = spelled.get(name.casefold(), name)
        found[own] = spelled_as(due.get(own), _structured(value) if isinstance(value, str) else value)
    return found


def _level(registry: Registry, key: str, deep: int) -> dict[str, Any]:
    found: dict[str, Any] = {value.name: _plain(value) for value in registry.values(key).values()}
    for name in registry.names(key) if deep else ():
        below = _level(registry, f"{key}\\{name}", deep - 1)
        numbered = sorted((int(one), one) for one in below if one.isascii() and one.isdigit() and len(one) < 10)
        found[name] = [below[one] for _, one in numbered] if len(numbered) == len(below) else below
    return found


def _plain(value: Value) -> Any:
    if value.type == "REG_MULTI_SZ" and isinstance(value.data, str):
        return value.data.replace("\\0", "\n")
    return value.data


def _structured(text: str) -> Any:
    """What a text says that is an object or a list in JSON; any other text as it is."""
    if text[:1] not in ("{", "["):
        return text
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return text


def managers(browsers: Browsers) -> Iterator[str]:
    """The ids of browsers, for the record."""
    yield from sorted(one.id for one in browsers.known)
