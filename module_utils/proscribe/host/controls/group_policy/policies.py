"""Browser policies of a plan for Windows: registry values below HKEY_LOCAL_MACHINE.

The code for hosts (controls/browser) makes the same policies; this module converts them to registry values. Chromium
and its relatives read a list from the numbered values of a separate key. They read a structured value from a single
text of JSON. Firefox and Thunderbird read nested keys. The exceptions are policies whose entries have names of their
own.

PolicyListMultipleSourceMergeList is set here too: it names lists that Chromium joins from several sources. On Windows
and macOS, the other source is the browser's own cloud management. On a Linux host that gets this policy from a domain,
the other sources are files.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Iterator

from ....base.named_tuple import NamedTuple
from ....model.plan import format_canonical
from ..browser import chromium, firefox
from ..browser.desired_policies import DesiredPolicies
from ..browser.extension_settings import EXTENSION_SETTINGS
from ..browser.policy_observation import POLICY_MARK
from ..browser.policy_places import THUNDERBIRD, PolicyPlace
from ..policy_values import is_text_list, read_table
from . import account_restrictions
from .registry_pol import RegistryEntry, make_emptying_entry, make_number_entry, make_text_entry

if TYPE_CHECKING:
    from ....model.types.plan import Plan
    from ..policy_values import Policies

CHROMIUM_FAMILY, FIREFOX_FAMILY = "chromium", "firefox"


class PolicyProgram(NamedTuple):
    """Browser, or a similar program, that reads its policies from a place of the platform."""

    id: str  # as in the catalogue's browsers.yml
    name: str
    family: str  # policy language: chromium, firefox, thunderbird
    # Registry key below HKEY_LOCAL_MACHINE. The case matters: Samba compares letter by letter, and would not match
    # "SOFTWARE".
    key: str
    domain: str  # domain of the program's preferences on macOS
    other_editions: tuple[str, ...] = ()  # ids of further editions that read the same policies

    @property
    def policy_place(self) -> PolicyPlace:
        """The program as a `PolicyPlace`, which the code for hosts needs. It has no path."""
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
# Policies of Firefox that are a single text of JSON: the names of their entries are not fixed.
JSON_TEXT_POLICIES = (EXTENSION_SETTINGS, firefox.PREFERENCES_POLICY)
# Exception that never matches, for each WebsiteFilter. Names below "internal" have no public address (reserved for
# private use: ICANN, 2024). The exception is needed because the registry key `Exceptions` of an earlier policy may
# remain. Firefox (153) reads a key without values as a table, not as an empty list. Then Firefox drops the whole
# WebsiteFilter without a message.
EMPTY_EXCEPTION = "*://nothing.proscribe.internal/*"


def collect_program_policies(plan: Plan) -> dict[PolicyProgram, dict[str, object]]:
    """Return the policies of each program that gets any, in the form of the program's documentation.

    The mark that policy files of hosts have is left out. Raises ControlError for a plan that no browser could follow.
    """
    browser_policies = DesiredPolicies(plan)
    policies_by_program: dict[PolicyProgram, dict[str, object]] = {}
    for program in POLICY_PROGRAMS:
        rules = browser_policies.choose_rules(program.policy_place)
        if program.family == CHROMIUM_FAMILY:
            policies = chromium.make_policies(rules, program.policy_place)
            policies.pop(POLICY_MARK, None)
            if not rules.blocked_names:  # an empty list would delete the organisation's entries
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
    """Return the registry values of all programs. Their order is the same for each call with a plan.

    Raises ControlError for a plan that no browser could follow, and ValueError for a text that the registry cannot
    have.
    """
    policy_entries = [
        entry
        for program, policies in collect_program_policies(plan).items()
        for entry in make_program_entries(program, policies)
    ]
    return [*policy_entries, *account_restrictions.list_machine_entries(plan)]


def make_program_entries(program: PolicyProgram, policies: Policies) -> list[RegistryEntry]:
    """Return the registry values of a program's policies, sorted by the name of the policy."""
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
    """Yield the registry values of the policy `name` below `key`.

    Numbers and texts stay as they are. A list becomes a key with numbered values. If `is_nested` is True (Firefox and
    Thunderbird), a table becomes a key too. Any other value becomes a text of JSON.
    """
    if isinstance(policy_value, int):
        yield make_number_entry(key, name, policy_value)
    elif isinstance(policy_value, str):
        yield make_text_entry(key, name, policy_value)
    elif is_text_list(policy_value):
        # The key is emptied first, even for a list without entries. Otherwise an entry of another Group Policy object
        # could permit a blocked name.
        yield make_emptying_entry(f"{key}\\{name}")
        for position, list_text in enumerate(policy_value, 1):
            yield make_text_entry(f"{key}\\{name}", str(position), list_text)
    elif is_nested and isinstance(policy_value, dict) and name not in JSON_TEXT_POLICIES:
        for inner_name in sorted(policy_value):
            yield from _make_value_entries(f"{key}\\{name}", inner_name, policy_value[inner_name], is_nested)
    else:
        yield make_text_entry(key, name, format_canonical(policy_value))
