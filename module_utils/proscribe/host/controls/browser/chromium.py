"""Policies of Chromium and its relatives: the settings and the text of a policy file.

A browser of this family reads every file of a folder, whatever its name. If several files have a setting, the last file
by name counts. Only the lists that PolicyListMultipleSourceMergeList names are joined. So Proscribe writes a file of
its own beside the organisation's, and names its two lists there. Its file repeats the names of lists in other files,
because that setting itself is not joined. The module chromium_folder computes the effect of the other files.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Collection, Iterable, Sequence

from ....base.json_text import dump_json
from ....model.tenants import ALLOWED_APP_DOMAINS, CONTEXT_HEADER, TENANTS_HEADER
from ...system import WRITTEN_BY
from ..policy_values import is_text_list
from . import browser_settings
from .extension_settings import EXTENSION_SETTINGS, make_due_settings
from .policy_observation import POLICY_MARK
from .policy_places import PolicyPlace
from .sign_in import sign_in_policies
from .site_rules import BrowserRules, SiteName

if TYPE_CHECKING:
    from typing import TypeGuard

    from ....model.tenants import Tenant
    from ..policy_values import Policies

BLOCK_LIST, ALLOW_LIST, MERGE_LISTS = "URLBlocklist", "URLAllowlist", "PolicyListMultipleSourceMergeList"
MERGE_DICTIONARIES = "PolicyDictionaryMultipleSourceMergeList"
EXTENSION_BLOCK_LIST, EXTENSION_ALLOW_LIST = "ExtensionInstallBlocklist", "ExtensionInstallAllowlist"
# Edge's own name of the policy:
# https://learn.microsoft.com/deployedge/microsoft-edge-policies#inprivatemodeavailability
EDGE_POLICY_NAMES = {"IncognitoModeAvailability": "InPrivateModeAvailability"}
# Without this policy, Chromium (156) connects to a site early, before it checks the block list. It shows no page, but
# the network sees the site's name. 2 is "never". An organisation's own choice stays.
PREDICTION_POLICY, NEVER_PREDICT = "NetworkPredictionOptions", 2
TENANT_DOMAINS, TENANT_HEADERS = ALLOWED_APP_DOMAINS.name, "HttpHeaderInjection"

# Hosts where Microsoft work accounts sign in. The tenant restriction headers go to them:
# https://learn.microsoft.com/entra/identity/enterprise-apps/tenant-restrictions
WORK_LOGIN_HOSTS = ["login.microsoftonline.com", "login.microsoft.com", "login.windows.net"]


def list_closing_policies(rules: BrowserRules, place: PolicyPlace) -> dict[str, Policies]:
    """Return, by id of a closed bypass, the policies that close the bypass in the browsers of a place.

    A bypass that the browsers of the place do not have is left out.
    """
    policies_by_setting: dict[str, Policies] = {}
    for id_, setting_value in rules.settings:
        setting = browser_settings.SETTINGS[id_]
        setting_policies = dict(setting.chromium)
        if not setting.is_applicable(place.browsers):
            setting_policies = {}
        elif id_ == browser_settings.SIGN_IN:
            setting_policies = dict(sign_in_policies(rules, place))
        elif id_ == browser_settings.EXTENSIONS and setting_value == browser_settings.ALLOW_LIST:
            setting_policies = {EXTENSION_BLOCK_LIST: ["*"], EXTENSION_ALLOW_LIST: list(rules.chrome_allowed)}
        elif id_ == browser_settings.EXTENSIONS:
            setting_policies = {EXTENSION_BLOCK_LIST: list(rules.chrome_extensions)}
        elif id_ == browser_settings.PROXY_EXTENSIONS:
            setting_policies = {EXTENSION_SETTINGS: make_due_settings({}, rules.chrome_allowed)}
        if place.browsers == ("microsoft_edge",):
            setting_policies = {
                EDGE_POLICY_NAMES.get(name, name): policy_value for name, policy_value in setting_policies.items()
            }
        else:
            setting_policies = {
                name: policy_value
                for name, policy_value in setting_policies.items()
                if name not in EDGE_POLICY_NAMES.values()
            }
        # nothing to close: the browsers lack the bypass, or the plan names no extension
        if any(policy_value != [] for policy_value in setting_policies.values()):
            policies_by_setting[id_] = setting_policies
    if rules.google_tenants:
        app_domains = ALLOWED_APP_DOMAINS.select_values(rules.google_tenants)
        policies_by_setting[browser_settings.GOOGLE_TENANTS] = {TENANT_DOMAINS: ",".join(app_domains)}
    if rules.microsoft_tenants:
        policies_by_setting[browser_settings.MICROSOFT_TENANTS] = {
            TENANT_HEADERS: make_microsoft_headers(rules.microsoft_tenants)
        }
    return policies_by_setting


def make_policies(
    rules: BrowserRules,
    place: PolicyPlace,
    foreign_blocks: Collection[SiteName] = (),
    merged_lists: Iterable[str] = (),
    decided_settings: Collection[str] = (),
    extension_policies: Policies | None = None,
) -> dict[str, object]:
    """Return the policies of Proscribe's file; {} if it needs none.

    `foreign_blocks` are names that the organisation's own files block: Proscribe does not permit them. `merged_lists`
    are the names of lists that other files let Chromium join. `decided_settings` are the settings that the organisation
    has set itself. `extension_policies` close PROXY_EXTENSIONS beside other files; None if there are no other files.
    """
    if not rules:
        return {}
    own_policies: dict[str, object] = {POLICY_MARK: WRITTEN_BY}
    lists = [BLOCK_LIST, ALLOW_LIST]
    for id_, closing_policies in list_closing_policies(rules, place).items():
        if id_ == browser_settings.PROXY_EXTENSIONS:
            own_policies.update(
                {**closing_policies, MERGE_DICTIONARIES: [EXTENSION_SETTINGS]}
                if extension_policies is None
                else extension_policies
            )
        elif id_ not in decided_settings:
            own_policies.update(closing_policies)
            lists += [name for name, policy_value in closing_policies.items() if isinstance(policy_value, list)]
    if rules.blocked_names:
        own_policies[PREDICTION_POLICY] = NEVER_PREDICT
    own_policies[BLOCK_LIST] = [str(site_name) for site_name in rules.blocked_names]
    own_policies[ALLOW_LIST] = [str(site_name) for site_name in rules.allowed_names if site_name not in foreign_blocks]
    own_policies[MERGE_LISTS] = sorted({*lists, *merged_lists})
    return own_policies


def make_microsoft_headers(tenants: Sequence[Tenant]) -> list[dict[str, object]]:
    """Return the headers by which Microsoft refuses other tenants, with the hosts that they go to.

    CONTEXT_HEADER has the id of the tenant that sets the restriction, which is the first of `tenants`. It is left out
    if this tenant has no id.
    """
    work_headers = {TENANTS_HEADER.name: ",".join(TENANTS_HEADER.select_values(tenants))}
    if not CONTEXT_HEADER.explain_missing_value(tenants):
        (work_headers[CONTEXT_HEADER.name],) = CONTEXT_HEADER.select_values(tenants)
    private_headers = {"sec-Restrict-Tenant-Access-Policy": "restrict-msa"}
    return [
        {
            "patterns": hosts,
            "headers": [{"name": name, "value": header_value} for name, header_value in headers.items()],
        }
        for hosts, headers in (
            (WORK_LOGIN_HOSTS, work_headers),
            ([browser_settings.PRIVATE_LOGIN_HOST], private_headers),
        )
    ]


def is_accepted_list(policy: str, policy_value: object) -> TypeGuard[list[object]]:
    """Return whether a value is a list that Chromium accepts for a policy.

    A single entry of a wrong type makes Chromium (156) ignore the whole list. The entries of HttpHeaderInjection are
    tables; the entries of other lists are texts.
    """
    if policy != TENANT_HEADERS:
        return is_text_list(policy_value)
    return isinstance(policy_value, list) and all(map(_is_header_rule, policy_value))


def _is_header_rule(entry: object) -> bool:
    """Return whether an entry of HttpHeaderInjection is complete. Chromium ignores keys that it does not know."""
    if not isinstance(entry, dict) or not is_text_list(entry.get("patterns")):
        return False
    headers = entry.get("headers")
    return isinstance(headers, list) and all(
        isinstance(header, dict) and is_text_list([header.get("name"), header.get("value")]) for header in headers
    )


def render_policies(policy_table: Policies) -> bytes:
    """Return the content of a policy file, with one entry on each line."""
    return (dump_json(policy_table, indent=1) + "\n").encode()


def render_alone(rules: BrowserRules, place: PolicyPlace) -> bytes | None:
    """Return the content of Proscribe's file for a folder without other files; None if there is no policy to set."""
    own_policies = make_policies(rules, place)
    return render_policies(own_policies) if own_policies else None
