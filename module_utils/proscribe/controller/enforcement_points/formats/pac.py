"""Format `pac`: a proxy configuration for browsers and Windows that sends blocked hosts to a missing proxy.

For HTTPS, browsers pass only the host to a PAC file, so paths are left out. The script is written for the oldest
engines, those of Windows' own HTTP client.
"""

from __future__ import annotations

import json
from collections.abc import Iterator

from ..format_declaration import ExportDecision, ExportFormat, ExportOmission, RenderedExport
from ..text_template import render_template
from ..web_names import ExportedWebNames, add_left_out, collect_web_names, is_site_blocked

# Port 9 (discard) of the client's machine: nothing listens there, so a connection is refused at once.
TEMPLATE = """\
{{ header("//") }}
// 1: blocked, 0: open; the longest name decides.
var proscribeNames =
{{ name_table }};
// An organisation with a proxy of its own calls proscribeBlocks in its own FindProxyForURL.
function proscribeBlocks(host) {
  var name = String(host).toLowerCase().replace(/\\.+$/, "");
  while (name) {
    if (Object.prototype.hasOwnProperty.call(proscribeNames, name)) {
      return proscribeNames[name] === 1;
    }
    var dot = name.indexOf(".");
    name = dot < 0 ? "" : name.substring(dot + 1);
  }
  return false;
}

function FindProxyForURL(url, host) {
  return proscribeBlocks(host) ? "PROXY 127.0.0.1:9" : "DIRECT";
}
"""


def render_export(decision: ExportDecision) -> RenderedExport:
    """Return the proxy configuration script (PAC)."""
    site_names = collect_web_names(decision)
    name_table = json.dumps(
        {host: int(is_blocked) for host, is_blocked in site_names.is_blocked_by_host.items()}, indent=0
    )
    script = render_template(TEMPLATE, add_left_out(decision, site_names), "pac", name_table=name_table)
    left_out = [*site_names.left_out, *_list_unsupported_paths(site_names)]
    return RenderedExport({"proscribe.pac": script}, site_names.included_rules, left_out)


def _list_unsupported_paths(web_names: ExportedWebNames) -> Iterator[ExportOmission]:
    for web_name, is_blocked in web_names.is_blocked_by_path.items():
        if is_blocked and not web_names.is_host_blocked(web_name.host):
            yield ExportOmission(
                web_names.rule_by_path.get(web_name, ""),
                f"path {web_name}",
                "Browsers show a PAC file no path, so it stays open.",
            )
        elif not is_blocked and web_names.is_host_blocked(web_name.host):
            yield ExportOmission(
                "", f"path {web_name}, open on a blocked host", "Its host is refused, so it stays blocked."
            )


FORMAT = ExportFormat(
    name="pac",
    purpose="browsers and Windows that take a proxy auto-config file",
    controls=("browser",),
    render_export=render_export,
    tested_with="node",
    main_files="proscribe.pac",
    is_blocked=is_site_blocked,
)
