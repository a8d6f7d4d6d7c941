"""The settings of the controls on a host."""

from __future__ import annotations

from collections.abc import Mapping

from ....host.controls.dns.backends.filter_backends import FILTER_BACKENDS
from ....host.controls.group_policy.applocker_rules import APPLOCKER_MODES, AUDIT_MODE
from ....model.types.plan import OrganisationRule
from ..reading.value_readers import (
    make_choice_reader,
    make_number_reader,
    read_duration_or_forever,
    read_flag,
    read_line,
    read_name_servers,
    read_networks,
)
from .firewall_rules import read_firewall_rules, read_nat64_prefixes
from .readers import read_browser_settings, read_extensions, read_texts
from .variable import declare_settings, declare_variable

DNS_BACKENDS = ("auto", *FILTER_BACKENDS, "hosts")
EXEC_CONTROLS = ("fapolicyd", "off")


@declare_settings
class AppSettings:
    """Settings of the control `apps`: messages to users, and the detection and removal of apps."""

    contact: str = declare_variable(
        "your IT service desk", read_line, "The contact for users; part of every refusal message."
    )
    user_notice: str = declare_variable(  # as read: a text with a line for each language
        "",
        read_texts,
        "The message to logged-in users, on terminals and desktops, when something of theirs is ended or removed; none "
        "if empty. A text, or one by language: {en: ..., zh-HK: ...}, all of which are shown in this order.",
    )
    refusal_notice: str = declare_variable(  # as read: a text with a line for each language
        "",
        read_texts,
        "The message below the refusal of a package: a text, or one by language as in proscribe_user_notice; "
        "docs/apps.md.",
    )
    requests: bool = declare_variable(
        True,
        read_flag,
        "Whether enforced hosts have the command proscribe-request, by which users request exceptions, and refusals "
        "name it; docs/requests.md.",
    )
    # The limit is a minute: enough for users to save work. A longer time would delay the whole run.
    end_grace: int = declare_variable(  # seconds
        5,
        make_number_reader(0, 60, "seconds"),
        "How many seconds a restricted program has to end after SIGTERM before it is killed.",
    )
    quarantine_keep: int = declare_variable(  # as read: seconds; 0 means forever
        "90d",
        read_duration_or_forever,
        "How long a host's quarantine keeps what was removed: 90d, 26w, or forever. What is there already keeps the "
        "expiry that it got then; docs/apps.md.",
    )
    exec_control: str = declare_variable(
        "off",
        make_choice_reader(*EXEC_CONTROLS),
        "Whether the kernel also denies restricted paths: fapolicyd (where it is installed and runs) or off; "
        "docs/apps.md.",
    )
    applocker: str = declare_variable(
        AUDIT_MODE,
        make_choice_reader(*APPLOCKER_MODES),
        "What AppLocker does on Windows with the rules for restricted programs, in `export applocker` and in Group "
        "Policy objects: audit (they are logged), enforce (they are denied) or off; docs/managed-desktops.md.",
    )
    # With nightly runs, 7 means a full scan each week. In the other runs, the file system shows which files are
    # unchanged.
    full_scan_every: int = declare_variable(  # runs
        7,
        make_number_reader(1, 1000, "runs"),
        "Every how many scheduled or enforcing runs a host's homes are scanned in full and its package systems are "
        "queried; the runs between read only what changed.",
    )
    network_homes: str = declare_variable(
        "unknown",
        make_choice_reader("unknown", "scan"),
        "Homes on network and FUSE file systems: unknown (not entered, so their rules are unknown) or scan (scanned as "
        "the user they belong to); docs/apps.md.",
    )
    programs_for_both: str = declare_variable(
        "report",
        make_choice_reader("report", "remove"),
        "Programs that serve permitted accounts of their vendor, too (Teams, OneDrive, Google Drive): report (they "
        "stay) or remove, for an organisation that has no such accounts; docs/catalogue.md.",
    )
    unmanaged_browsers: str = declare_variable(
        "auto",
        make_choice_reader("auto", "report", "audit", "off"),
        "Browsers that no policy reaches, and the others as portable apps in homes: report, audit (counts against the "
        "host), auto (audit where firewall and dns are not both enforced, else report), or off (not scanned for).",
    )


@declare_settings
class BrowserSettings:
    """Settings of browser policies other than the blocked sites."""

    browser_settings: Mapping[str, str] = declare_variable(
        {},
        read_browser_settings,
        "Bypasses that browsers offer: each is blocked or unmanaged; the defaults are in docs/browsers.md.",
    )
    browser_extensions_allowed: tuple[str, ...] = declare_variable(
        [],
        read_extensions,
        "Extensions that may set a proxy although browser_settings.proxy_extensions is blocked; with extensions: "
        "allow_list, the only ones that may be installed.",
    )
    probe: bool = declare_variable(
        False,
        read_flag,
        "Whether audits also start each browser, for seconds and as a transient user, to check that it blocks a site; "
        "docs/browsers.md.",
    )


@declare_settings
class NetworkSettings:
    """Settings of the firewall and the DNS filter other than the restricted services."""

    management: tuple[str, ...] = declare_variable(
        [], read_networks, "Addresses and networks that the firewall never refuses, whatever the catalogue says."
    )
    firewall_rules: tuple[OrganisationRule, ...] = declare_variable(
        [],
        read_firewall_rules,
        "The organisation's own rules for incoming, outgoing and forwarded traffic; docs/firewall.md.",
    )
    firewall_quic: str = declare_variable(
        "unmanaged",
        make_choice_reader("blocked", "unmanaged"),
        "Whether UDP port 443 is refused (blocked), so that browsers use TCP and can be filtered, or stays open "
        "(unmanaged).",
    )
    firewall_nat64: tuple[str, ...] = declare_variable(
        [],
        read_nat64_prefixes,
        "The NAT64 prefixes of the organisation's own translators, by which IPv4 networks are refused too; "
        "64:ff9b::/96 needs no entry; docs/firewall.md.",
    )
    # Reason for the limit: by default, sshd refuses some new connections as soon as ten are not yet authenticated.
    firewall_local_ssh: int = declare_variable(
        0,
        make_number_reader(0, 1000, "connections"),
        "How many connections to the host's own sshd all accounts of the host together, except root, may have open at "
        "once; 0 for no limit; docs/firewall.md.",
    )
    firewall_log: bool = declare_variable(
        True,
        read_flag,
        "Whether the kernel logs refused connections, a few a minute, with the user id.",
    )
    # If this time is too short to connect over a slow line, every change of the firewall rules is rolled back.
    firewall_confirm_within: int = declare_variable(  # seconds
        60,
        make_number_reader(10, 900, "seconds"),
        "How many seconds a host waits for its controller to confirm new firewall rules over a new connection; then it "
        "rolls them back.",
    )
    dns_backend: str = declare_variable(
        "auto",
        make_choice_reader(*DNS_BACKENDS),
        f"The DNS filter: auto (the one that fits the host), {', '.join(FILTER_BACKENDS)}, or hosts; docs/dns.md.",
    )
    dns_upstreams: tuple[str, ...] = declare_variable(
        [],
        read_name_servers,
        "The upstream name servers of the filter behind systemd-resolved; if empty, those of the host.",
    )
    dns_force: bool = declare_variable(
        False,
        read_flag,
        "Whether only the host's own filtering resolver may query name servers; the firewall refuses other queries.",
    )
