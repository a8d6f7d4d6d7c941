"""Chromium and its relatives: where their policy lives, how it is written, and a first look at it.

A browser of this family reads every file of a folder, whatever its name; of a setting that several files have, the
last file by name counts, but for the lists that PolicyListMultipleSourceMergeList names: these are joined. So
Proscribe keeps a file of its own beside the organisation's, and names its two lists there (and again those that other
files name, because that setting itself is not joined). What other files change about it is worked out by
chromium_folder.
"""

from __future__ import annotations

import json
from typing import Any, Collection, Iterable

from ...host import WRITTEN_BY, ControlError, Host, Unseen
from .browsers import Browser
from .rendering import Name, Rules
from .sight import MARK, Sight, faults

BLOCK, ALLOW, MERGE = "URLBlocklist", "URLAllowlist", "PolicyListMultipleSourceMergeList"
DNS = {"BuiltInDnsClientEnabled": False, "DnsOverHttpsMode": "off"}
# Without it, Chromium (156) connects to a site for speed before it looks whether it is blocked: no page comes, but the
# site's name goes out. 2 is "never"; an organisation's own choice is left to it.
PREDICTION, NEVER = "NetworkPredictionOptions", 2
TENANT_DOMAINS, TENANT_HEADERS = "AllowedDomainsForApps", "HttpHeaderInjection"

# Where a Microsoft work account and a private one sign in, and the headers that tell Microsoft whom to refuse:
# https://learn.microsoft.com/entra/identity/enterprise-apps/tenant-restrictions
WORK_LOGINS = ["login.microsoftonline.com", "login.microsoft.com", "login.windows.net"]
PRIVATE_LOGIN = "login.live.com"


def policies(wanted: Rules, shut: Collection[Name] = (), merged: Iterable[str] = ()) -> dict[str, Any]:
    """What the file has to say; {} when there is nothing to say.

    `shut` are names that the organisation's own files block: Proscribe does not open them. `merged` are the lists that
    other files want joined.
    """
    if not wanted:
        return {}
    said: dict[str, Any] = {MARK: WRITTEN_BY}
    lists = [BLOCK, ALLOW]
    if wanted.dns_over_https == "off":
        said.update(DNS)
    if wanted.google_domains:
        said[TENANT_DOMAINS] = ",".join(wanted.google_domains)
    if wanted.microsoft_tenants:
        said[TENANT_HEADERS] = _microsoft(wanted.microsoft_tenants)
        lists.append(TENANT_HEADERS)
    if wanted.block:
        said[PREDICTION] = NEVER
    said[BLOCK] = [str(one) for one in wanted.block]
    said[ALLOW] = [str(one) for one in wanted.allow if one not in shut]
    said[MERGE] = sorted({*lists, *merged})
    return said


def _microsoft(tenants: tuple[str, ...]) -> list[dict[str, Any]]:
    work = {"Restrict-Access-To-Tenants": ",".join(tenants), "Restrict-Access-Context": tenants[0]}
    private = {"sec-Restrict-Tenant-Access-Policy": "restrict-msa"}
    return [
        {"patterns": hosts, "headers": [{"name": name, "value": value} for name, value in headers.items()]}
        for hosts, headers in ((WORK_LOGINS, work), ([PRIVATE_LOGIN], private))
    ]


def render(said: dict[str, Any]) -> bytes:
    """The file, one entry a line."""
    return (json.dumps(said, indent=1) + "\n").encode()


def look(host: Host, browser: Browser, wanted: Rules) -> Sight:
    """What holds of a browser's policy."""
    directory, _, own = browser.path.rpartition("/")
    try:
        if host.list(directory) == ([own] if wanted else []):
            wrong = faults(host, browser.path)
            if not any(wrong[:2]) and (not wanted or host.read(browser.path) == render(policies(wanted))):
                return Sight(complete=True)
    except Unseen as unseen:
        return Sight(unseen=str(unseen))
    except ControlError as error:
        return Sight(why=str(error), dns=str(error), wrong=[str(error)])
    from .chromium_folder import Folder

    return Folder(host, browser, wanted).sight()
