"""Chromium and its relatives: where their policy lives, how it is written.

A browser of this family reads every file of a folder, whatever its name. Of a setting that several files have, the
last file by name counts. Only the lists that PolicyListMultipleSourceMergeList names are joined. So Proscribe keeps a
file of its own beside the organisation's, and names its two lists there. It repeats those that other files name,
because that setting itself is not joined. What other files change about it is worked out by chromium_folder.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Collection, Iterable, Sequence

from ....base.json_text import dump_json
from ...system import WRITTEN_BY
from ..policy_tables import is_text_list
from . import settings
from .extension_settings import EXTENSION_SETTINGS, make_due_settings
from .observed import POLICY_MARK
from .places import PolicyPlace
from .rendering import BrowserRules, SiteName
from .sign_in import sign_in_policies

if TYPE_CHECKING:
    from typing import TypeGuard

    from ....model.tenants import Tenant
    from ..policy_tables import Policies

BLOCK_LIST, ALLOW_LIST, MERGE_LISTS = "URLBlocklist", "URLAllowlist", "PolicyListMultipleSourceMergeList"
MERGE_DICTIONARIES = "PolicyDictionaryMultipleSourceMergeList"
EXTENSION_BLOCK_LIST, EXTENSION_ALLOW_LIST = "ExtensionInstallBlocklist", "ExtensionInstallAllowlist"
# Edge's own name for it: https://learn.microsoft.com/deployedge/microsoft-edge-policies#inprivatemodeavailability
EDGE_POLICY_NAMES = {"IncognitoModeAvailability": "InPrivateModeAvailability"}
# Without it, Chromium (156) connects to a site for speed before it checks whether it is blocked: no page comes, but the
# site's name goes out. 2 is "never"; an organisation's own choice is left to it.
PREDICTION_POLICY, NEVER_PREDICT = "NetworkPredictionOptions", 2
TENANT_DOMAINS, TENANT_HEADERS = "AllowedDomainsForApps", "HttpHeaderInjection"
CONTEXT_HEADER = "Restrict-Access-Context"

# Where a Microsoft work account signs in, and the headers that tell Microsoft whom to refuse:
# https://learn.microsoft.com/entra/identity/enterprise-apps/tenant-restrictions
WORK_LOGIN_HOSTS = ["login.microsoftonline.com", "login.microsoft.com", "login.windows.net"]


def list_closing_policies(rules: BrowserRules, place: PolicyPlace) -> dict[str, Policies]:
    """By bypass that is closed: the policies that close it in the browsers of a place."""
    policies_by_setting: dict[str, Policies] = {}
    for id_, setting_value in rules.settings:
        setting = settings.SETTINGS[id_]
        setting_policies = dict(setting.chromium)
        if not setting.is_applicable(place.browsers):
            setting_policies = {}
        elif id_ == settings.SIGN_IN:
            setting_policies = dict(sign_in_policies(rules, place))
        elif id_ == settings.EXTENSIONS and setting_value == settings.ALLOW_LIST:
            setting_policies = {EXTENSION_BLOCK_LIST: ["*"], EXTENSION_ALLOW_LIST: list(rules.chrome_allowed)}
        elif id_ == settings.EXTENSIONS:
            setting_policies = {EXTENSION_BLOCK_LIST: list(rules.chrome_extensions)}
        elif id_ == settings.PROXY_EXTENSIONS:
            setting_policies = {EXTENSION_SETTINGS: make_due_settings({}, rules.chrome_allowed)}
        if place.browsers == ("microsoft_edge",):
            setting_policies = {
                EDGE_POLICY_NAMES.get(name, name): setting_value for name, setting_value in setting_policies.items()
            }
        else:
            setting_policies = {
                name: setting_value
                for name, setting_value in setting_policies.items()
                if name not in EDGE_POLICY_NAMES.values()
            }
        if any(setting_value != [] for setting_value in setting_policies.values()):
            policies_by_setting[id_] = setting_policies
    if rules.google_domains:
        policies_by_setting[settings.GOOGLE_TENANTS] = {TENANT_DOMAINS: ",".join(rules.google_domains)}
    if rules.microsoft_tenants:
        policies_by_setting[settings.MICROSOFT_TENANTS] = {
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
    """What the file has to say; {} when there is nothing to say.

    `foreign_blocks` are names that the organisation's own files block: Proscribe does not open them. `merged_lists` are the lists that
    other files want joined, `decided_settings` the settings that the organisation has answered itself. `extension_policies` is what
    closes PROXY_EXTENSIONS beside other files.
    """
    if not rules:
        return {}
    own_policies: dict[str, object] = {POLICY_MARK: WRITTEN_BY}
    lists = [BLOCK_LIST, ALLOW_LIST]
    for id_, closing_policies in list_closing_policies(rules, place).items():
        if id_ == settings.PROXY_EXTENSIONS:
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
    """Return the headers that tell Microsoft whom to refuse, and at which hosts. The context is the id of the tenant
    that sets the restriction, the first one: with another one, Microsoft would log there who signs in.
    """
    work_headers = {"Restrict-Access-To-Tenants": ",".join(name for tenant in tenants for name in tenant.names)}
    if tenants[0].id:
        work_headers[CONTEXT_HEADER] = tenants[0].id
    private_headers = {"sec-Restrict-Tenant-Access-Policy": "restrict-msa"}
    return [
        {
            "patterns": hosts,
            "headers": [{"name": name, "value": header_value} for name, header_value in headers.items()],
        }
        for hosts, headers in ((WORK_LOGIN_HOSTS, work_headers), ([settings.PRIVATE_LOGIN_HOST], private_headers))
    ]


def is_accepted_list(policy: str, policy_value: object) -> TypeGuard[list[object]]:
    """Whether a value is a list that Chromium takes for a policy. One entry of a wrong type costs all its effect (156).
    HttpHeaderInjection has tables in its list, the other lists have texts.
    """
    if policy != TENANT_HEADERS:
        return is_text_list(policy_value)
    return isinstance(policy_value, list) and all(map(_is_header_rule, policy_value))


def _is_header_rule(entry: object) -> bool:
    """Whether an entry of HttpHeaderInjection is complete. A key that Chromium does not know harms nothing."""
    if not isinstance(entry, dict) or not is_text_list(entry.get("patterns")):
        return False
    headers = entry.get("headers")
    return isinstance(headers, list) and all(
        isinstance(header, dict) and is_text_list([header.get("name"), header.get("value")]) for header in headers
    )


def render_policies(policy_table: Policies) -> bytes:
    """The file, one entry a line."""
    return (dump_json(policy_table, indent=1) + "\n").encode()


def render_alone(rules: BrowserRules, place: PolicyPlace) -> bytes | None:
    """The file where no other one in its folder says anything; None if there is nothing to say."""
    own_policies = make_policies(rules, place)
    return render_policies(own_policies) if own_policies else None
