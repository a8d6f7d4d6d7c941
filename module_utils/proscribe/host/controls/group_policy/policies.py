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
from .registry_pol import RegistryEntry, make_emptying_entry, make_number_entry, make_text_entry

if TYPE_CHECKING:
    from ....model.types.plan import Plan
    from ..policy_tables import Policies

CHROMIUM_FAMILY, FIREFOX_FAMILY = "chromium", "firefox"


class PolicyProgram(NamedTuple):
    """A browser, or what is built like one, that reads its policies where the platform has them."""

    id: str  # as in the catalogue's browsers.yml
    name: str
    family: str  # whose policy language it has: chromium, firefox, thunderbird
    # Below HKEY_LOCAL_MACHINE, in this spelling: Samba compares it letter by letter, and finds nothing in "SOFTWARE_KEYS".
    key: str
    domain: str  # of its preferences on macOS
    other_editions: tuple[str, ...] = ()  # further editions, which read the same

    @property
    def policy_place(self) -> PolicyPlace:
        """The program as the code for hosts knows it."""
        return PolicyPlace(self.id, self.family, "", browsers=(self.id, *self.other_editions))


_POLICIES_KEY = "Software\\Policies\\"
POLICY_PROGRAMS = (
    PolicyProgram(
        "google_chrome", "Google Chrome", CHROMIUM_FAMILY, _POLICIES_KEY + "Google\\Chrome", "com.google.Chrome"
    ),
    PolicyProgram(
        "microsoft_edge", "Microsoft Edge", CHROMIUM_FAMILY, _POLICIES_KEY + "Microsoft\\Edge", "com.microsoft.Edge"
    ),
    PolicyProgram("brave", "Brave", CHROMIUM_FAMILY, _POLICIES_KEY + "BraveSoftware\\Brave", "com.brave.Browser"),
    PolicyProgram("chromium", "Chromium", CHROMIUM_FAMILY, _POLICIES_KEY + "Chromium", "org.chromium.Chromium"),
    PolicyProgram(
        "firefox",
        "Firefox",
        FIREFOX_FAMILY,
        _POLICIES_KEY + "Mozilla\\Firefox",
        "org.mozilla.firefox",
        ("firefox_esr",),
    ),
    PolicyProgram(
        "thunderbird", "Thunderbird", THUNDERBIRD, _POLICIES_KEY + "Mozilla\\Thunderbird", "org.mozilla.thunderbird"
    ),
)
# The policies of Firefox that are one text of JSON, because their entries have names of their own.
JSON_TEXT_POLICIES = (EXTENSION_SETTINGS, firefox.PREFERENCES_POLICY)
# Firefox (153) takes a key without values for a table, not for an empty list, and then drops the whole WebsiteFilter
# unsaid. A key of exceptions may be there from an earlier policy, so it always gets one, for a name that leads nowhere:
# "internal" is reserved for private use (ICANN, 2024).
EMPTY_EXCEPTION = "*://nothing.proscribe.internal/*"


def collect_program_policies(plan: Plan) -> dict[PolicyProgram, dict[str, object]]:
    """By program that has anything to say: its policies, as its documentation has them. Raises ControlError for a plan
    that no browser could follow.
    """
    browser_policies = DesiredPolicies(plan)
    policies_by_program: dict[PolicyProgram, dict[str, object]] = {}
    for program in POLICY_PROGRAMS:
        rules = browser_policies.choose_rules(program.policy_place)
        if program.family == CHROMIUM_FAMILY:
            policies = chromium.make_policies(rules, program.policy_place)
            policies.pop(POLICY_MARK, None)
            if not rules.blocked_names:  # what the organisation has in these lists stays
                policies = {
                    name: policy_value
                    for name, policy_value in policies.items()
                    if name not in (chromium.BLOCK_LIST, chromium.ALLOW_LIST)
                }
        else:
            policies = firefox.make_policies(rules, program.policy_place, firefox.make_filter_lists(rules))
        if policies:
            policies_by_program[program] = policies
    return policies_by_program


def list_policy_entries(plan: Plan) -> list[RegistryEntry]:
    """The values of all programs, in one order for one plan. Raises ControlError for a plan that no browser could
    follow, and ValueError for a text that the registry does not take.
    """
    policy_entries = [
        entry
        for program, policies in collect_program_policies(plan).items()
        for entry in make_program_entries(program, policies)
    ]
    return [*policy_entries, *accounts.list_machine_entries(plan)]


def make_program_entries(program: PolicyProgram, policies: Policies) -> list[RegistryEntry]:
    """The values of a program that say its policies."""
    is_nested = program.family != CHROMIUM_FAMILY
    if firefox.WEBSITE_FILTER in policies:
        policies = {
            **policies,
            firefox.WEBSITE_FILTER: {"Exceptions": [EMPTY_EXCEPTION], **read_table(policies, firefox.WEBSITE_FILTER)},
        }
    return [
        entry
        for name in sorted(policies)
        for entry in _make_value_entries(program.key, name, policies[name], is_nested)
    ]


def _make_value_entries(key: str, name: str, policy_value: object, is_nested: bool) -> Iterator[RegistryEntry]:
    if isinstance(policy_value, int):
        yield make_number_entry(key, name, policy_value)
    elif isinstance(policy_value, str):
        yield make_text_entry(key, name, policy_value)
    elif is_text_list(policy_value):
        # Emptied even if nothing comes after: what another object has in such a list may open what is closed here.
        yield make_emptying_entry(f"{key}\\{name}")
        for position, list_text in enumerate(policy_value, 1):
            yield make_text_entry(f"{key}\\{name}", str(position), list_text)
    elif is_nested and isinstance(policy_value, dict) and name not in JSON_TEXT_POLICIES:
        for inner_name in sorted(policy_value):
            yield from _make_value_entries(f"{key}\\{name}", inner_name, policy_value[inner_name], is_nested)
    else:
        yield make_text_entry(key, name, format_canonical(policy_value))
