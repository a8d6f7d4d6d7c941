"""A proxy configuration for browsers and for Windows: what is blocked is sent to a proxy that nobody runs.

Browsers show a PAC file the host alone for HTTPS, so paths are left out. The script is written for the oldest engines,
of Windows' own HTTP client.
"""

from __future__ import annotations

import json
from collections.abc import Iterator

from ..declaration import Decision, Format, LeftOut, Rendered
from ..header import comment, text
from ..web_names import WebNames, blocks, rule_of, web_names, with_left_out

# The discard port of this machine: nothing listens there, so a connection is refused at once.
NOWHERE = "PROXY 127.0.0.1:9"

SCRIPT = f"""
// An organisation with a proxy of its own calls proscribeBlocks in its own FindProxyForURL.
function proscribeBlocks(host) {{
  var name = String(host).toLowerCase().replace(/\\.+$/, "");
  while (name) {{
    if (Object.prototype.hasOwnProperty.call(proscribeNames, name)) {{
      return proscribeNames[name] === 1;
    }}
    var dot = name.indexOf(".");
    name = dot < 0 ? "" : name.substring(dot + 1);
  }}
  return false;
}}

function FindProxyForURL(url, host) {{
  return proscribeBlocks(host) ? "{NOWHERE}" : "DIRECT";
}}"""


def render(decision: Decision) -> Rendered:
    """The script."""
    names = web_names(decision)
    table = json.dumps({host: int(blocked) for host, blocked in names.hosts.items()}, indent=0)
    lines = [
        *comment(with_left_out(decision, names), "pac", "//"),
        "// 1: blocked, 0: open; the longest name decides.",
        "var proscribeNames =",
    ]
    script = f"{table};{SCRIPT}"
    left_out = [*names.left_out, *_unseen(decision, names)]
    return Rendered({"proscribe.pac": text([*lines, script])}, names.included, left_out)


def _unseen(decision: Decision, names: WebNames) -> Iterator[LeftOut]:
    for one, blocked in names.paths.items():
        if blocked and not names.blocked(one.host):
            yield LeftOut(rule_of(decision, one), f"path {one}", "Browsers show a PAC file no path, so it stays open.")
        elif not blocked and names.blocked(one.host):
            yield LeftOut("", f"path {one}, open on a blocked host", "Its host is refused, so it stays blocked.")


FORMAT = Format(
    name="pac",
    meant_for="browsers and Windows that take a proxy auto-config file",
    controls=("browser",),
    render=render,
    accepted_by="node",
    main="proscribe.pac",
    blocks=blocks,
)
