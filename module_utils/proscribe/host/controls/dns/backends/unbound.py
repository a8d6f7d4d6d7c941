"""Backend: an unbound that the host runs as its resolver gets one more file among those it includes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Iterable

from .....base.patterns import MULTILINE, compile_pattern
from ....system import Host
from .. import drop_in
from ..drop_in import FILE_NAME
from ..filtering import Filter, Stage
from ..observed import Observed, content
from ..rendering import Language
from .declaration import SERVER, Declared, Documented, Forwarders

if TYPE_CHECKING:
    from .....model.types.plan import ControlSettings

NAME = "unbound"
UNIT = "unbound.service"
CONF = "/etc/unbound/unbound.conf"
FOLDERS = ("/etc/unbound/unbound.conf.d", "/etc/unbound/conf.d", "/etc/unbound/local.d")  # Debian's, Fedora's
DECLARED = Declared(
    NAME,
    SERVER,
    UNIT,
    tuple(f"{folder}/{FILE_NAME}" for folder in FOLDERS),
    (Forwarders((CONF, *FOLDERS), ("forward-addr:",)),),
    Documented(
        (("its own unbound", "`unbound.service`, with an included folder", "one file in that folder"),),
        "`info: wechat.com. always_nxdomain 127.0.0.1@39478 photos.wechat.com. A IN`",
        "unbound",
        tested="Debian 13",
    ),
)

# The kinds of local zones in which a name may get an address (unbound.conf(5)).
_OPEN_ZONES = ("transparent", "typetransparent", "redirect", "inform", "always_transparent", "nodefault")


def _lines(blocked: Iterable[str], through: Iterable[str]) -> list[str]:
    """Local zones need none of unbound's modules, so the organisation's chain of modules stays as it is."""
    zones = [f'  local-zone: "{name}." always_nxdomain' for name in blocked]
    return [*zones, *(f'  local-zone: "{name}." transparent' for name in through)]


def _witness(name: str, text: str, address: str) -> list[str]:
    records = (f'TXT "{text}"', *([f"A {address}"] if address else []))
    return [f"  local-data: '{name}. 0 IN {record}'" for record in records]


LANGUAGE = Language(
    lines=_lines,
    witness=_witness,
    blocked=compile_pattern(r'^  local-zone: "([^"]+)\." always_nxdomain$', MULTILINE),
    # `info: wechat.com. always_nxdomain 127.0.0.1@39478 photos.wechat.com. A IN`
    hit=compile_pattern(r"(?:^| )(\S+)\. always_nxdomain \S+@\d+ (\S+)\. \S+ IN$"),
    head=("server:",),
    logging=("  log-local-actions: yes",),  # a line for each answer out of a local zone, which it names
)


def missing(host: Host, observed: Observed) -> str:
    if UNIT not in observed.units:
        return f"{UNIT} does not run: install unbound, start it and have the host ask it"
    if not _folders(host):
        return f'unbound includes no folder: add include-toplevel: "{FOLDERS[0]}/*.conf" to {CONF}'
    return ""


def describe(host: Host, observed: Observed, settings: ControlSettings) -> Filter:
    folders = _folders(host)
    others = drop_in.others(host, CONF, folders)
    file = f"{folders[0]}/{FILE_NAME}"
    return drop_in.filter_of(host, observed, NAME, UNIT, file, LANGUAGE, ("unbound-checkconf",))._replace(
        logs=UNIT,
        openers=[(path, *found) for path in others for found in overrides(content(host, path))],
    )


def standing(host: Host, observed: Observed) -> list[Stage]:
    folders = [*_folders(host), *FOLDERS]
    return drop_in.standing(observed, UNIT, [f"{folder}/{FILE_NAME}" for folder in folders])


def users(host: Host, observed: Observed) -> list[str]:
    return drop_in.users(host, observed, UNIT)


def _folders(host: Host) -> list[str]:
    """The folders whose *.conf files unbound includes."""
    text = content(host, CONF)
    options = (line.partition(":") for line in text.splitlines() if "include" in line)
    said = [value.strip().strip('"') for key, _, value in options if key.strip() in ("include", "include-toplevel")]
    names = [path.rpartition("/") for path in said if len(path.split()) == 1 and "#" not in path]
    return list(dict.fromkeys(folder for folder, _, name in names if folder and name in ("*", "*.conf")))


def overrides(text: str) -> list[tuple[str, str]]:
    """(line, name) for every local zone that may have an address, `local-data`, and zone that is forwarded."""
    found = []
    for line in text.splitlines():
        line = line.partition("#")[0].strip()
        key, _, value = line.partition(":")
        words = value.replace('"', " ").replace("'", " ").split()
        if words and (
            key in ("local-data", "name") or (key == "local-zone" and words[1:2] and words[1] in _OPEN_ZONES)
        ):
            found += [(line, words[0].strip(".").lower())]
    return [(line, name) for line, name in found if name]
