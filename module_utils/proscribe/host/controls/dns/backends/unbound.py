"""Backend: an unbound that the host runs as its resolver gets one more file among those it includes.

It is started again and not reloaded: so a file that it cannot live with shows at once, and older answers are forgotten.
"""

from __future__ import annotations

from ....system import Host
from .. import override_lines, rendering
from ..filtering import Filter, Stage, restarting
from ..observed import Observed, content, round_it
from .declaration import SERVER, Declared

NAME = "unbound"
UNIT = "unbound.service"
CONF = "/etc/unbound/unbound.conf"
FOLDERS = ("/etc/unbound/unbound.conf.d", "/etc/unbound/conf.d", "/etc/unbound/local.d")  # Debian's, Fedora's
FILE_NAME = "proscribe.conf"


def missing(host: Host, observed: Observed) -> str:
    """What this backend lacks on a host, and what to do about it; "" if it is possible."""
    if UNIT not in observed.units:
        return f"{UNIT} does not run: install unbound, start it and have the host ask it"
    if not _folders(host):
        return f'unbound includes no folder: add include-toplevel: "{FOLDERS[0]}/*.conf" to {CONF}'
    return ""


def describe(host: Host, observed: Observed) -> Filter:
    """The host's unbound as a filter."""
    folders = _folders(host)
    file = f"{folders[0]}/{FILE_NAME}"
    address = observed.local or "127.0.0.1"
    others = [CONF, *(f"{folder}/{name}" for folder in folders for name in host.list(folder) if name != FILE_NAME)]
    return Filter(
        manager=NAME,
        file=file,
        render=rendering.unbound,
        stages=lambda text: [Stage({file: text}, restarting(UNIT), [(address, 53)], left=restarting(UNIT))],
        check=(host.tool("unbound-checkconf") or "unbound-checkconf",),
        units=(UNIT,),
        logs=UNIT,
        bypasses=round_it(host, observed, NAME),
        openers=[(path, *found) for path in others for found in override_lines.unbound(content(host, path))],
    )


def standing(host: Host, observed: Observed) -> list[Stage]:
    """What of this backend can be on a host."""
    restart = restarting(UNIT, "try-restart") if UNIT in observed.units else []
    folders = dict.fromkeys([*_folders(host), *FOLDERS])
    return [Stage({f"{folder}/{FILE_NAME}": ""}, (), (), left=restart) for folder in folders]


def _folders(host: Host) -> list[str]:
    """The folders whose *.conf files unbound includes."""
    text = content(host, CONF)
    options = (line.partition(":") for line in text.splitlines() if "include" in line)
    said = [value.strip().strip('"') for key, _, value in options if key.strip() in ("include", "include-toplevel")]
    names = [path.rpartition("/") for path in said if len(path.split()) == 1 and "#" not in path]
    return list(dict.fromkeys(folder for folder, _, name in names if folder and name in ("*", "*.conf")))


DECLARED = Declared(NAME, SERVER, UNIT, tuple(f"{folder}/{FILE_NAME}" for folder in FOLDERS))
