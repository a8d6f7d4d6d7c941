"""Format `squid`: access rules for Squid. The rules only refuse, so they never open anything that another rule blocks.

A list of `dstdomain` must not have both a name and another name below it. So names are sorted into levels: blocked
names, open names below these, blocked names below the open names, and so on. A name is refused if it is in a level of
blocked names and not in the next level. `-n` keeps Squid from resolving addresses to names for this.

Squid sees paths in plain HTTP. In HTTPS, Squid sees paths only if it decrypts the connections (ssl_bump):
squid_opening.py.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence

from ....host.controls.browser.site_rules import SiteName
from ..dns_names import group_names_by_depth
from ..file_header import encode_lines, make_comment
from ..format_declaration import HTTP_PATHS, ExportDecision, ExportFormat, ExportOmission, RenderedExport
from ..web_names import ExportedWebNames, add_left_out, collect_web_names, find_name_rule, is_site_blocked

# In the C library's expressions, a backslash before some characters has a special meaning.
_SPECIAL_PATTERN = re.compile(r"[^A-Za-z0-9/_~%&,;=:@!-]")


def render_export(decision: ExportDecision) -> RenderedExport:
    """Return a file that the organisation includes before its own http_access lines."""
    site_names = collect_web_names(decision)
    lines = [*make_comment(add_left_out(decision, site_names), "squid"), *render_rules(site_names)]
    left_out = [*site_names.left_out, *list_unsupported_paths(decision, site_names)]
    return RenderedExport({"proscribe.conf": encode_lines(lines)}, site_names.included_rules, left_out)


def render_rules(web_names: ExportedWebNames) -> Iterator[str]:
    """Yield the rules that refuse blocked sites."""
    yield from _render_host_rules(web_names.is_blocked_by_host)
    yield from _render_path_rules(web_names)


def _render_host_rules(is_blocked_by_host: Mapping[str, bool]) -> Iterator[str]:
    """Yield the rules for names without a path.

    The first level of names is blocked; then open and blocked levels alternate.
    """
    name_levels = group_names_by_depth(is_blocked_by_host)
    acl_names = [f"proscribe_{'open' if number % 2 else 'blocked'}_{number}" for number in range(len(name_levels))]
    for acl, level in zip(acl_names, name_levels):
        yield from render_domain_acl(acl, level)
    for number in range(0, len(acl_names), 2):
        yield " ".join(
            ["http_access deny", acl_names[number], *(f"!{acl}" for acl in acl_names[number + 1 : number + 2])]
        )


def _render_path_rules(web_names: ExportedWebNames) -> Iterator[str]:
    """Yield a rule for each blocked start of a path. The rule excepts paths and hosts that a closer name opens."""
    blocked_paths = [blocked_path for blocked_path, is_blocked in web_names.is_blocked_by_path.items() if is_blocked]
    open_paths = [blocked_path for blocked_path, is_blocked in web_names.is_blocked_by_path.items() if not is_blocked]
    for number, blocked_path in enumerate(blocked_paths, 1):
        acl = f"proscribe_path_{number}"
        yield from render_domain_acl(f"{acl}_host", [blocked_path.host])
        yield f"acl {acl}_path urlpath_regex {_render_path_pattern(blocked_path.path)}"
        acl_names = [f"{acl}_host", f"{acl}_path"]
        open_hosts = [
            host
            for host, is_blocked in web_names.is_blocked_by_host.items()
            if not is_blocked and host.endswith(f".{blocked_path.host}")
        ]
        if open_hosts:
            yield from render_domain_acl(f"{acl}_open", group_names_by_depth(open_hosts)[0])
            acl_names.append(f"!{acl}_open")
        for inner_number, open_path in enumerate(
            (open_path for open_path in open_paths if _is_closer(open_path, blocked_path)), 1
        ):
            inner_acl = f"{acl}_open_{inner_number}"
            yield from render_domain_acl(f"{inner_acl}_host", [open_path.host])
            yield f"acl {inner_acl}_path urlpath_regex {_render_path_pattern(open_path.path)}"
            yield f"acl {inner_acl} all-of {inner_acl}_host {inner_acl}_path"
            acl_names.append(f"!{inner_acl}")
        yield " ".join(["http_access deny", *acl_names])


def _is_closer(first_name: SiteName, second_name: SiteName) -> bool:
    """Return whether the first name takes precedence over the second for addresses that both cover."""
    if first_name.host == second_name.host:
        return first_name.path.startswith(second_name.path)
    is_common = first_name.path.startswith(second_name.path) or second_name.path.startswith(first_name.path)
    return is_common and first_name.host.endswith(f".{second_name.host}")


def render_domain_acl(acl: str, hosts: Sequence[str]) -> Iterator[str]:
    """Return the lines of an ACL of hosts, each with all names below it."""
    return (f"acl {acl} dstdomain -n .{host}" for host in hosts)


def _render_path_pattern(path: str) -> str:
    return "^" + _SPECIAL_PATTERN.sub(lambda match: f"[{match[0]}]", path)


def list_unsupported_paths(decision: ExportDecision, web_names: ExportedWebNames) -> Iterator[ExportOmission]:
    """Yield a report entry for each path that Squid cannot block or open as the plan requires without decryption.

    Without decryption of HTTPS, Squid sees only the host. So it can neither block a path of an open host nor open a
    path of a blocked host.
    """
    for web_name, is_blocked in web_names.is_blocked_by_path.items():
        if is_blocked and not web_names.is_host_blocked(web_name.host):
            reason = "Over HTTPS it stays open, unless Squid opens the connections (ssl_bump)."
            yield ExportOmission(find_name_rule(decision, web_name), f"path {web_name}", reason)
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
