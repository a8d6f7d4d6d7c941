"""Backend for an unbound that the host runs as its resolver.

Proscribe adds a file to a folder that unbound includes.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Iterable

from .....base.lazy_patterns import MULTILINE, compile_pattern
from ....system import Host
from .. import drop_in
from ..dns_filter import DnsFilter, FilterStage
from ..drop_in import DROP_IN_NAME
from ..filter_text import ResolverLanguage
from ..resolver_observation import DnsObservation, read_own_text
from .declaration import SERVER_KIND, BackendDeclaration, BackendDocumentation, ForwarderSources

if TYPE_CHECKING:
    from .....model.types.plan import ControlSettings

BACKEND_NAME = "unbound"
UNBOUND_UNIT = "unbound.service"
CONF_PATH = "/etc/unbound/unbound.conf"
DROP_IN_FOLDERS = ("/etc/unbound/unbound.conf.d", "/etc/unbound/conf.d", "/etc/unbound/local.d")  # Debian's, Fedora's
DECLARED = BackendDeclaration(
    BACKEND_NAME,
    SERVER_KIND,
    UNBOUND_UNIT,
    tuple(f"{folder}/{DROP_IN_NAME}" for folder in DROP_IN_FOLDERS),
    (ForwarderSources((CONF_PATH, *DROP_IN_FOLDERS), ("forward-addr:",)),),
    BackendDocumentation(
        (("its own unbound", "`unbound.service`, with an included folder", "one file in that folder"),),
        "`info: wechat.com. always_nxdomain 127.0.0.1@39478 photos.wechat.com. A IN`",
        "unbound",
        tested_hosts="Debian 13",
    ),
)

# Types of local zones that let a name resolve to an address (unbound.conf(5)).
_OPEN_ZONES = ("transparent", "typetransparent", "redirect", "inform", "always_transparent", "nodefault")


def _render_lines(blocked_names: Iterable[str], open_names: Iterable[str]) -> list[str]:
    """Return the lines that block names, and the lines that let names below them resolve.

    Local zones need none of unbound's modules. So the organisation's choice of modules stays as it is.
    """
    zones = [f'  local-zone: "{name}." always_nxdomain' for name in blocked_names]
    return [*zones, *(f'  local-zone: "{name}." transparent' for name in open_names)]


def _render_witness(name: str, text: str, address: str) -> list[str]:
    """Return the lines that make unbound answer `name` with a text, and with an address ("": none)."""
    records = (f'TXT "{text}"', *([f"A {address}"] if address else []))
    return [f"  local-data: '{name}. 0 IN {record}'" for record in records]


UNBOUND_LANGUAGE = ResolverLanguage(
    make_lines=_render_lines,
    make_witness_lines=_render_witness,
    blocked_pattern=compile_pattern(r'^  local-zone: "([^"]+)\." always_nxdomain$', MULTILINE),
    # `info: wechat.com. always_nxdomain 127.0.0.1@39478 photos.wechat.com. A IN`
    hit_pattern=compile_pattern(r"(?:^| )(\S+)\. always_nxdomain \S+@\d+ (\S+)\. \S+ IN$"),
    head_lines=("server:",),
    logging_lines=("  log-local-actions: yes",),  # logs a line with the zone for each answer from a local zone
)


def find_obstacle(host: Host, observation: DnsObservation) -> str:
    """Return what keeps unbound of this host from being the filter, and the remedy; "" if nothing does."""
    if UNBOUND_UNIT not in observation.pids_by_unit:
        return f"{UNBOUND_UNIT} does not run: install unbound, start it and have the host ask it"
    if not _find_included_folders(host):
        return f'unbound includes no folder: add include-toplevel: "{DROP_IN_FOLDERS[0]}/*.conf" to {CONF_PATH}'
    return ""


def describe_filter(host: Host, observation: DnsObservation, settings: ControlSettings) -> DnsFilter:
    """Return the description of the host's unbound as the filter.

    Proscribe's file is in the first included folder.
    """
    folders = _find_included_folders(host)
    other_files = drop_in.list_other_files(host, CONF_PATH, folders)
    file_path = f"{folders[0]}/{DROP_IN_NAME}"
    return drop_in.make_drop_in_filter(
        host, observation, BACKEND_NAME, UNBOUND_UNIT, file_path, UNBOUND_LANGUAGE, ("unbound-checkconf",)
    )._replace(
        log_unit=UNBOUND_UNIT,
        opening_lines=[
            (path, *override) for path in other_files for override in parse_overrides(read_own_text(host, path))
        ],
    )


def list_possible_stages(host: Host, observation: DnsObservation) -> list[FilterStage]:
    """Return, for removal, a stage for each file that Proscribe may have left in unbound's folders."""
    folders = [*_find_included_folders(host), *DROP_IN_FOLDERS]
    return drop_in.list_drop_in_stages(observation, UNBOUND_UNIT, [f"{folder}/{DROP_IN_NAME}" for folder in folders])


def list_asking_users(host: Host, observation: DnsObservation) -> list[str]:
    """Return the account that unbound runs as, which queries name servers, in a list; [] if it does not run."""
    return drop_in.list_unit_users(host, observation, UNBOUND_UNIT)


def _find_included_folders(host: Host) -> list[str]:
    """Return the folders whose *.conf files unbound includes."""
    text = read_own_text(host, CONF_PATH)
    options = (line.partition(":") for line in text.splitlines() if "include" in line)
    included_paths = [
        option_value.strip().strip('"')
        for key, _, option_value in options
        if key.strip() in ("include", "include-toplevel")
    ]
    path_parts = [path.rpartition("/") for path in included_paths if len(path.split()) == 1 and "#" not in path]
    return list(dict.fromkeys(folder for folder, _, name in path_parts if folder and name in ("*", "*.conf")))


def parse_overrides(text: str) -> list[tuple[str, str]]:
    """Return (line, name) for each line that makes a name resolve.

    Those lines are `local-data`, the `name` of a forwarded zone, and local zones that may have an address.
    """
    overriding_lines = []
    for line in text.splitlines():
        line = line.partition("#")[0].strip()
        key, _, option_value = line.partition(":")
        words = option_value.replace('"', " ").replace("'", " ").split()
        if words and (
            key in ("local-data", "name") or (key == "local-zone" and words[1:2] and words[1] in _OPEN_ZONES)
        ):
            overriding_lines += [(line, words[0].strip(".").lower())]
    return [(line, name) for line, name in overriding_lines if name]
