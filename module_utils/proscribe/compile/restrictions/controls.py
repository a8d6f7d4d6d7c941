"""What the controls do on a host."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ...controls.dns.backends.registry import FILTERS
from ..firewall_rules import read_rules
from ..readers import read_browser_settings, read_extensions, read_texts
from ..values import choice, flag, length_or_forever, line, name_servers, networks, whole_number
from .variable import variable

DNS_BACKENDS = ("auto", *FILTERS, "hosts")
EXEC_CONTROLS = ("fapolicyd", "off")


@dataclass(frozen=True)
class Apps:
    """What users are told, and how apps are looked for and taken away."""

    contact: str = variable(
        "your IT service desk", line, "Whom a refused user may ask; part of every refusal's message."
    )
    user_notice: str = variable(  # a line for each language
        "",
        read_texts,
        "What logged-in users are told, on their terminals and desktops, when something of theirs is ended or taken "
        "away; nothing if empty. A text, or by language: {en: ..., zh-HK: ...}, of which all are shown in this order.",
    )
    refusal_notice: str = variable(  # the same
        "",
        read_texts,
        "What a user reads below the refusal of a package: a text, or by language as in proscribe_user_notice; "
        "docs/apps.md.",
    )
    # What has to be saved is saved in a minute; a program that is given longer would hold the whole run up.
    end_grace: int = variable(  # seconds
        5,
        whole_number(0, 60, "seconds"),
        "How many seconds a restricted program has to end by itself before it is killed.",
    )
    quarantine_keep: int = variable(  # seconds; 0 keeps everything
        "90d",
        length_or_forever,
        "How long what is taken from users is kept in a host's quarantine: 90d, 26w, or forever. What is there already "
        "is kept as long as it was to be then; docs/apps.md.",
    )
    exec_control: str = variable(
        "off",
        choice(*EXEC_CONTROLS),
        "Whether restricted paths are also denied by the kernel: fapolicyd (where it is installed and runs) or off; "
        "docs/apps.md.",
    )
    # Nightly runs read everything once a week. What a run need not read again, it knows from the file system itself.
    full_scan_every: int = variable(  # runs
        7,
        whole_number(1, 1000, "runs"),
        "In every how many scheduled or enforcing runs a host's homes are read whole and its package systems are "
        "asked; in those between, only where something changed.",
    )
    network_homes: str = variable(
        "unknown",
        choice("unknown", "scan"),
        "Homes on network and FUSE file systems: not entered, so that their rules are unknown, or scanned as the user "
        "they belong to (scan); docs/apps.md.",
    )
    unmanaged_browsers: str = variable(
        "report",
        choice("report", "audit", "off"),
        "Browsers that no policy reaches, and copies of the others in homes: told (report), counted against the host "
        "(audit), or not looked for (off).",
    )


@dataclass(frozen=True)
class Browsers:
    """What browsers are told beside the sites."""

    browser_settings: Mapping[str, str] = variable(
        {},
        read_browser_settings,
        "Ways round that browsers offer: each blocked or unmanaged; the defaults are in docs/browsers.md.",
    )
    browser_extensions_allowed: tuple[str, ...] = variable(
        [], read_extensions, "With browser_settings.extensions: allow_list, the only extensions that may be installed."
    )
    probe: bool = variable(
        False,
        flag,
        "Whether audits also start each browser, for seconds and as a throw-away account, to see a site refused; "
        "docs/browsers.md.",
    )


@dataclass(frozen=True)
class Network:
    """What the firewall and the DNS filter do beside the services."""

    management: tuple[str, ...] = variable(
        [], networks, "Addresses and networks that the firewall never cuts, whatever the catalogue says."
    )
    firewall_rules: tuple[dict[str, Any], ...] = variable(
        [], read_rules, "The organisation's own rules for what comes in, goes out and passes through; docs/firewall.md."
    )
    firewall_quic: str = variable(
        "unmanaged",
        choice("blocked", "unmanaged"),
        "Whether UDP port 443 is refused (blocked), so that browsers use TCP and can be filtered, or left (unmanaged).",
    )
    firewall_log: bool = variable(
        True,
        flag,
        "Whether refused connections are written to the kernel's log, a few a minute, with the user's number.",
    )
    # Shorter than a connection over a slow line takes, every change would be taken back.
    firewall_confirm_within: int = variable(  # seconds
        60,
        whole_number(10, 900, "seconds"),
        "For how many seconds a host waits for its controller to confirm new firewall rules over a new connection; "
        "then it takes them back.",
    )
    dns_backend: str = variable(
        "auto",
        choice(*DNS_BACKENDS),
        f"What keeps names from resolving: auto (what fits the host), {', '.join(FILTERS)}, or hosts; docs/dns.md.",
    )
    dns_upstreams: tuple[str, ...] = variable(
        [], name_servers, "Name servers that the filter behind systemd-resolved asks; none are those that the host has."
    )
    dns_force: bool = variable(
        False,
        flag,
        "Whether only the host's own filtering resolver may ask name servers; the firewall refuses the rest.",
    )
