"""A plan's browser policies as Windows has them: values of the registry below HKEY_LOCAL_MACHINE.

They are the policies that hosts get, made by the same code (controls/browser), in the registry's form. Chromium and its
relatives read a list from the numbered values of a key of its own. What has structure is one text of JSON to them.
Firefox and Thunderbird read nested keys, except for policies whose entries have names of their own.

The lists that PolicyListMultipleSourceMergeList names are joined here too. On Windows and macOS the others are those of
the browser's own cloud management. On a Linux host that gets this policy out of a domain they are those of other files.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Iterator

from ....base.tuples import NamedTuple
from ....model.plan import format_canonical
from ..browser import chromium, firefox
from ..browser.desired import DesiredPolicies
from ..browser.extension_settings import EXTENSION_SETTINGS
from ..browser.observed import POLICY_MARK
from ..browser.places import THUNDERBIRD, PolicyPlace
from ..policy_tables import is_text_list, read_table
from . import accounts
from .registry_pol import Entry, emptied, number, text

if TYPE_CHECKING:
    from ....model.types.plan import Plan
    from ..policy_tables import Policies

CHROMIUM, FIREFOX = "chromium", "firefox"


class Program(NamedTuple):
    """A browser, or what is built like one, that reads its policies where the platform has them."""

    id: str  # as in the catalogue's browsers.yml
    name: str
    family: str  # whose policy language it has: chromium, firefox, thunderbird
    # Below HKEY_LOCAL_MACHINE, in this spelling: Samba compares it letter by letter, and finds nothing in "SOFTWARE_KEYS".
    key: str
    domain: str  # of its preferences on macOS
    others: tuple[str, ...] = ()  # further editions, which read the same

    @property
    def place(self) -> PolicyPlace:
        """The program as the code for hosts knows it."""
        return PolicyPlace(self.id, self.family, "", browsers=(self.id, *self.others))


_BELOW = "Software\\Policies\\"
PROGRAMS = (
    Program("google_chrome", "Google Chrome", CHROMIUM, _BELOW + "Google\\Chrome", "com.google.Chrome"),
    Program("microsoft_edge", "Microsoft Edge", CHROMIUM, _BELOW + "Microsoft\\Edge", "com.microsoft.Edge"),
    Program("brave", "Brave", CHROMIUM, _BELOW + "BraveSoftware\\Brave", "com.brave.Browser"),
    Program("chromium", "Chromium", CHROMIUM, _BELOW + "Chromium", "org.chromium.Chromium"),
    Program("firefox", "Firefox", FIREFOX, _BELOW + "Mozilla\\Firefox", "org.mozilla.firefox", ("firefox_esr",)),
    Program("thunderbird", "Thunderbird", THUNDERBIRD, _BELOW + "Mozilla\\Thunderbird", "org.mozilla.thunderbird"),
)
# The policies of Firefox that are one text of JSON, because their entries have names of their own.
JSON_TEXTS = (EXTENSION_SETTINGS, firefox.PREFERENCES_POLICY)
# Firefox (153) takes a key without values for a table, not for an empty list, and then drops the whole WebsiteFilter
# unsaid. A key of exceptions may be there from an earlier policy, so it always gets one, for a name that leads nowhere:
# "internal" is reserved for private use (ICANN, 2024).
NO_EXCEPTION = "*://nothing.proscribe.internal/*"


def of_programs(plan: Plan) -> dict[Program, dict[str, object]]:
    """By program that has anything to say: its policies, as its documentation has them. Raises ControlError for a plan
    that no browser could follow.
    """
    desired = DesiredPolicies(plan)
    found: dict[Program, dict[str, object]] = {}
    for program in PROGRAMS:
        rules = desired.choose_rules(program.place)
        if program.family == CHROMIUM:
            said = chromium.make_policies(rules, program.place)
            said.pop(POLICY_MARK, None)
            if not rules.blocked_names:  # what the organisation has in these lists stays
                said = {
                    name: value
                    for name, value in said.items()
                    if name not in (chromium.BLOCK_LIST, chromium.ALLOW_LIST)
                }
        else:
            said = firefox.make_policies(rules, program.place, firefox.make_filter_lists(rules))
        if said:
            found[program] = said
    return found


def entries(plan: Plan) -> list[Entry]:
    """The values of all programs, in one order for one plan. Raises ControlError for a plan that no browser could
    follow, and ValueError for a text that the registry does not take.
    """
    found = [entry for program, said in of_programs(plan).items() for entry in of_program(program, said)]
    return [*found, *accounts.machine(plan)]


def of_program(program: Program, said: Policies) -> list[Entry]:
    """The values of a program that say its policies."""
    nested = program.family != CHROMIUM
    if firefox.WEBSITE_FILTER in said:
        said = {
            **said,
            firefox.WEBSITE_FILTER: {"Exceptions": [NO_EXCEPTION], **read_table(said, firefox.WEBSITE_FILTER)},
        }
    return [entry for name in sorted(said) for entry in _values(program.key, name, said[name], nested)]


def _values(key: str, name: str, value: object, nested: bool) -> Iterator[Entry]:
    if isinstance(value, int):
        yield number(key, name, value)
    elif isinstance(value, str):
        yield text(key, name, value)
    elif is_text_list(value):
        # Emptied even if nothing comes after: what another object has in such a list may open what is closed here.
        yield emptied(f"{key}\\{name}")
        for count, one in enumerate(value, 1):
            yield text(f"{key}\\{name}", str(count), one)
    elif nested and isinstance(value, dict) and name not in JSON_TEXTS:
        for inner in sorted(value):
            yield from _values(f"{key}\\{name}", inner, value[inner], nested)
    else:
        yield text(key, name, format_canonical(value))
