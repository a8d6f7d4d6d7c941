"""Access rules for a Squid that opens HTTPS (ssl_bump): it sees paths, and says whose accounts providers may let in.

The headers of tenants take the place of any that a client sends:
- Google, with all hosts below: support.google.com/a/answer/1668854
- Microsoft, without: device.login.microsoftonline.com wants a client's certificate and no proxy
  (learn.microsoft.com/entra/identity/enterprise-apps/tenant-restrictions)
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from ....host.controls.browser.chromium import CONTEXT_HEADER, make_microsoft_headers
from ....host.controls.browser.settings import GOOGLE_TENANTS, MICROSOFT_TENANTS
from ....model.tenants import read_google_domains, read_microsoft_tenants
from ....model.types.plan import ControlSettings
from ..browsers import context_left_out
from ..declaration import BY_TENANT, HTTPS, Decision, Format, LeftOut, NotExportable, Rendered
from ..header import comment, text
from ..web_names import blocks, web_names
from .squid import rules, unseen

GOOGLE, GOOGLE_HEADER = ".google.com", "X-GoogApps-Allowed-Domains"
OF_TENANTS = (GOOGLE_TENANTS, MICROSOFT_TENANTS)
_VALUE = re.compile(r"[A-Za-z0-9.,-]{1,4000}", re.ASCII)


def render(decision: Decision) -> Rendered:
    """A file to be included before the organisation's own http_access lines. Raises NotExportable for a tenant that
    cannot stand in a header.
    """
    names = web_names(decision)
    section = decision.plan["controls"]["browser"]
    lines = [*comment(decision, "squid_opening"), *rules(names), *_headers(section["settings"])]
    left_out = [one for one in names.left_out if one.why != BY_TENANT and one.rule.partition("/")[2] not in OF_TENANTS]
    left_out += [one for one in unseen(decision, names) if not one.rule]
    left_out += context_left_out(section)
    left_out.append(LeftOut("", "connections that are not opened", "What Squid splices or tunnels has no paths."))
    return Rendered({"proscribe.conf": text(lines)}, names.included, left_out)


def _headers(settings: ControlSettings) -> Iterator[str]:
    google, microsoft = read_google_domains(settings), read_microsoft_tenants(settings)
    groups: list[dict[str, Any]] = make_microsoft_headers(microsoft) if microsoft else []
    if google:
        groups.insert(0, {"patterns": [GOOGLE], "headers": [{"name": GOOGLE_HEADER, "value": ",".join(google)}]})
    if microsoft and not microsoft[0].id:
        yield f"request_header_access {CONTEXT_HEADER} deny all"  # what a client sends of it is lost all the same
    for number, group in enumerate(groups, 1):
        acl = f"proscribe_tenants_{number}"
        yield from (f"acl {acl} dstdomain -n {host}" for host in group["patterns"])
        for header in group["headers"]:
            if not _VALUE.fullmatch(header["value"]):
                raise NotExportable(f"{header['value']!r} is no value of a header of tenants")
            yield f"request_header_access {header['name']} deny all"
            yield f'request_header_add {header["name"]} "{header["value"]}" {acl}'


FORMAT = Format(
    name="squid_opening",
    meant_for="Squid 5 and newer that opens HTTPS (ssl_bump): paths and tenants, too",
    controls=("browser",),
    render=render,
    accepted_by="squid -k parse and squid (6.13), which sent the headers over HTTP",
    main="proscribe.conf",
    blocks=blocks,
    paths=HTTPS,
)
