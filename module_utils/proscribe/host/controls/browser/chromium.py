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
from .extension_settings import EXTENSION_SETTINGS, due
from .observed import MARK
from .places import Place
from .rendering import Name, Rules
from .sign_in import sign_in_policies

if TYPE_CHECKING:
    from typing import TypeGuard

    from ....model.tenants import Tenant
    from ..policy_tables import Policies

BLOCK, ALLOW, MERGE = "URLBlocklist", "URLAllowlist", "PolicyListMultipleSourceMergeList"
MERGE_DICTIONARIES = "PolicyDictionaryMultipleSourceMergeList"
NO_EXTENSIONS, SOME_EXTENSIONS = "ExtensionInstallBlocklist", "ExtensionInstallAllowlist"
# Edge's own name for it: https://learn.microsoft.com/deployedge/microsoft-edge-policies#inprivatemodeavailability
EDGE = {"IncognitoModeAvailability": "InPrivateModeAvailability"}
# Without it, Chromium (156) connects to a site for speed before it checks whether it is blocked: no page comes, but the
# site's name goes out. 2 is "never"; an organisation's own choice is left to it.
PREDICTION, NEVER = "NetworkPredictionOptions", 2
TENANT_DOMAINS, TENANT_HEADERS = "AllowedDomainsForApps", "HttpHeaderInjection"
CONTEXT = "Restrict-Access-Context"

# Where a Microsoft work account signs in, and the headers that tell Microsoft whom to refuse:
# https://learn.microsoft.com/entra/identity/enterprise-apps/tenant-restrictions
WORK_LOGINS = ["login.microsoftonline.com", "login.microsoft.com", "login.windows.net"]


def closing(rules: Rules, place: Place) -> dict[str, Policies]:
    """By bypass that is closed: the policies that close it in the browsers of a place."""
    found: dict[str, Policies] = {}
    for id_, value in rules.settings:
        row = settings.SETTINGS[id_]
        said = dict(row.chromium)
        if not row.concerns(place.browsers):
            said = {}
        elif id_ == settings.SIGN_IN:
            said = dict(sign_in_policies(rules, place))
        elif id_ == settings.EXTENSIONS and value == settings.ALLOW_LIST:
            said = {NO_EXTENSIONS: ["*"], SOME_EXTENSIONS: list(rules.chrome_allowed)}
        elif id_ == settings.EXTENSIONS:
            said = {NO_EXTENSIONS: list(rules.chrome_extensions)}
        elif id_ == settings.PROXY_EXTENSIONS:
            said = {EXTENSION_SETTINGS: due({}, rules.chrome_allowed)}
        if place.browsers == ("microsoft_edge",):
            said = {EDGE.get(name, name): value for name, value in said.items()}
        else:
            said = {name: value for name, value in said.items() if name not in EDGE.values()}
        if any(value != [] for value in said.values()):
            found[id_] = said
    if rules.google_domains:
        found[settings.GOOGLE_TENANTS] = {TENANT_DOMAINS: ",".join(rules.google_domains)}
    if rules.microsoft_tenants:
        found[settings.MICROSOFT_TENANTS] = {TENANT_HEADERS: microsoft_headers(rules.microsoft_tenants)}
    return found


def policies(
    rules: Rules,
    place: Place,
    shut: Collection[Name] = (),
    merged: Iterable[str] = (),
    decided: Collection[str] = (),
    of_extensions: Policies | None = None,
) -> dict[str, object]:
    """What the file has to say; {} when there is nothing to say.

    `shut` are names that the organisation's own files block: Proscribe does not open them. `merged` are the lists that
    other files want joined, `decided` the settings that the organisation has answered itself. `of_extensions` is what
    closes PROXY_EXTENSIONS beside other files.
    """
    if not rules:
        return {}
    said: dict[str, object] = {MARK: WRITTEN_BY}
    lists = [BLOCK, ALLOW]
    for id_, closed in closing(rules, place).items():
        if id_ == settings.PROXY_EXTENSIONS:
            said.update(
                {**closed, MERGE_DICTIONARIES: [EXTENSION_SETTINGS]} if of_extensions is None else of_extensions
            )
        elif id_ not in decided:
            said.update(closed)
            lists += [name for name, value in closed.items() if isinstance(value, list)]
    if rules.block:
        said[PREDICTION] = NEVER
    said[BLOCK] = [str(one) for one in rules.block]
    said[ALLOW] = [str(one) for one in rules.allow if one not in shut]
    said[MERGE] = sorted({*lists, *merged})
    return said


def microsoft_headers(tenants: Sequence[Tenant]) -> list[dict[str, object]]:
    """Return the headers that tell Microsoft whom to refuse, and at which hosts. The context is the id of the tenant
    that sets the restriction, the first one: with another one, Microsoft would log there who signs in.
    """
    work = {"Restrict-Access-To-Tenants": ",".join(name for tenant in tenants for name in tenant.names)}
    if tenants[0].id:
        work[CONTEXT] = tenants[0].id
    private = {"sec-Restrict-Tenant-Access-Policy": "restrict-msa"}
    return [
        {"patterns": hosts, "headers": [{"name": name, "value": value} for name, value in headers.items()]}
        for hosts, headers in ((WORK_LOGINS, work), ([settings.PRIVATE_LOGIN], private))
    ]


def takes_list(policy: str, value: object) -> TypeGuard[list[object]]:
    """Whether a value is a list that Chromium takes for a policy. One entry of a wrong type costs all its effect (156).
    HttpHeaderInjection has tables in its list, the other lists have texts.
    """
    if policy != TENANT_HEADERS:
        return is_text_list(value)
    return isinstance(value, list) and all(map(_is_header_rule, value))


def _is_header_rule(entry: object) -> bool:
    """Whether an entry of HttpHeaderInjection is complete. A key that Chromium does not know harms nothing."""
    if not isinstance(entry, dict) or not is_text_list(entry.get("patterns")):
        return False
    headers = entry.get("headers")
    return isinstance(headers, list) and all(
        isinstance(header, dict) and is_text_list([header.get("name"), header.get("value")]) for header in headers
    )


def render(said: Policies) -> bytes:
    """The file, one entry a line."""
    return (dump_json(said, indent=1) + "\n").encode()


def alone(rules: Rules, place: Place) -> bytes | None:
    """The file where no other one in its folder says anything; None if there is nothing to say."""
    said = policies(rules, place)
    return render(said) if said else None
