"""Format `squid`: access rules for Squid. The rules only refuse, so they never open anything that another rule blocks.

A list of `dstdomain` must not have both a name and another name below it. So names are sorted into levels: blocked
names, open names below these, blocked names below the open names, and so on. A name is refused if it is in a level of
blocked names and not in the next level. `-n` keeps Squid from resolving addresses to names for this.

Squid sees paths in plain HTTP. In HTTPS, Squid sees paths only if it decrypts the connections (ssl_bump):
squid_opening.py.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from ....host.controls.browser.site_rules import SiteName
from ..dns_names import group_names_by_depth
from ..format_declaration import HTTP_PATHS, ExportDecision, ExportFormat, ExportOmission, RenderedExport
from ..text_template import render_template
from ..web_names import ExportedWebNames, add_left_out, collect_web_names, is_site_blocked

TEMPLATE = """\
{{ header() }}
{% for acl, hosts in name_levels %}
{% for host in hosts %}
acl {{ acl }} dstdomain -n .{{ host }}
{% endfor %}
{% endfor %}
{% for blocked_and_open_level in name_levels | batch(2) %}
http_access deny {{ blocked_and_open_level | map("first") | join(" !") }}
{% endfor %}
{% for path, open_hosts, open_paths in blocked_paths %}
{% set acl = "proscribe_path_" ~ loop.index %}
acl {{ acl }}_host dstdomain -n .{{ path.host }}
acl {{ acl }}_path urlpath_regex {{ make_pattern(path.path) }}
{% for host in open_hosts %}
acl {{ acl }}_open dstdomain -n .{{ host }}
{% endfor %}
{% for open_path in open_paths %}
{% set open_acl = acl ~ "_open_" ~ loop.index %}
acl {{ open_acl }}_host dstdomain -n .{{ open_path.host }}
acl {{ open_acl }}_path urlpath_regex {{ make_pattern(open_path.path) }}
acl {{ open_acl }} all-of {{ open_acl }}_host {{ open_acl }}_path
{% endfor %}
http_access deny {{ acl }}_host {{ acl }}_path
{%- if open_hosts %} !{{ acl }}_open{% endif %}
{%- for _ in open_paths %} !{{ acl }}_open_{{ loop.index }}{% endfor +%}
{% endfor %}
"""
# In the C library's expressions, a backslash before some characters has a special meaning.
_SPECIAL_PATTERN = re.compile(r"[^A-Za-z0-9/_~%&,;=:@!-]")


def render_export(decision: ExportDecision) -> RenderedExport:
    """Return a file that the organisation includes before its own http_access lines."""
    site_names = collect_web_names(decision)
    rules = render_template(TEMPLATE, add_left_out(decision, site_names), "squid", **make_rules(site_names))
    left_out = [*site_names.left_out, *list_unsupported_paths(site_names)]
    return RenderedExport({"proscribe.conf": rules}, site_names.included_rules, left_out)


def make_rules(web_names: ExportedWebNames) -> dict[str, object]:
    """Return the variables of the rules' template.

    The first level of names is blocked; then open and blocked levels alternate. With each blocked path are the hosts
    and paths that a closer name opens.
    """
    name_levels = [
        (f"proscribe_{'open' if number % 2 else 'blocked'}_{number}", level)
        for number, level in enumerate(group_names_by_depth(web_names.is_blocked_by_host))
    ]
    open_hosts = [host for host, is_blocked in web_names.is_blocked_by_host.items() if not is_blocked]
    open_paths = [path for path, is_blocked in web_names.is_blocked_by_path.items() if not is_blocked]
    blocked_paths = [
        (
            blocked_path,
            next(iter(group_names_by_depth(host for host in open_hosts if host.endswith(f".{blocked_path.host}"))), ()),
            [open_path for open_path in open_paths if _is_closer(open_path, blocked_path)],
        )
        for blocked_path, is_blocked in web_names.is_blocked_by_path.items()
        if is_blocked
    ]
    return {"name_levels": name_levels, "blocked_paths": blocked_paths, "make_pattern": _make_path_pattern}


def _is_closer(first_name: SiteName, second_name: SiteName) -> bool:
    """Return whether the first name takes precedence over the second for addresses that both cover."""
    if first_name.host == second_name.host:
        return first_name.path.startswith(second_name.path)
    is_common = first_name.path.startswith(second_name.path) or second_name.path.startswith(first_name.path)
    return is_common and first_name.host.endswith(f".{second_name.host}")


def _make_path_pattern(path: str) -> str:
    return "^" + _SPECIAL_PATTERN.sub(lambda match: f"[{match[0]}]", path)


def list_unsupported_paths(web_names: ExportedWebNames) -> Iterator[ExportOmission]:
    """Yield a report entry for each path that Squid cannot block or open as the plan requires without decryption.

    Without decryption of HTTPS, Squid sees only the host. So it can neither block a path of an open host nor open a
    path of a blocked host.
    """
    for web_name, is_blocked in web_names.is_blocked_by_path.items():
        if is_blocked and not web_names.is_host_blocked(web_name.host):
            reason = "Over HTTPS it stays open, unless Squid opens the connections (ssl_bump)."
            yield ExportOmission(web_names.rule_by_path.get(web_name, ""), f"path {web_name}", reason)
        elif not is_blocked and web_names.is_host_blocked(web_name.host):
            yield ExportOmission(
                "", f"path {web_name}, open on a blocked host", "Squid refuses the host, so it stays blocked."
            )


FORMAT = ExportFormat(
    name="squid",
    purpose="Squid 5 and newer",
    controls=("browser",),
    render_export=render_export,
    tested_with="squid -k parse and squid (6.13)",
    main_files="proscribe.conf",
    is_blocked=is_site_blocked,
    visible_paths=HTTP_PATHS,
)
