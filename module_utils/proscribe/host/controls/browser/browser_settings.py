"""Bypasses of a block list that browsers themselves offer, a row each, and the policies that close them.

A row is a switch of `proscribe_browser_settings` and a rule of the report (`browser/<id>`, with dashes). A bypass that
is blocked by default would let a user evade the ban. A bypass that is unmanaged by default does not break the ban, and
serves users or the organisation's own checks. Developer tools stay, so that an administrator can examine a block.

Sources: https://chromeenterprise.google/policies/, https://learn.microsoft.com/deployedge/microsoft-edge-policies, and
the schema in Firefox (toolkit/components/enterprisepolicies/schemas). Values tried on Chromium 156 and Firefox ESR 153.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Collection, Mapping, Sequence

from ....base.named_tuple import NamedTuple
from .extension_settings import EVERY_EXTENSION, EXTENSION_SETTINGS, make_blocking_default

if TYPE_CHECKING:
    from ..policy_values import Policies

BLOCKED, UNMANAGED, ALLOW_LIST = "blocked", "unmanaged", "allow_list"
EXTENSIONS, PROXY_EXTENSIONS = "extensions", "proxy_extensions"
SIGN_IN = "sign_in"
REMOTE_DEBUGGING, DEVELOPER_TOOLS = "remote_debugging", "developer_tools"
# Rules of the report without a switch: they follow from `proscribe_tenants`.
GOOGLE_TENANTS, MICROSOFT_TENANTS = "google_tenants", "microsoft_tenants"
PRIVATE_LOGIN_HOST = "login.live.com"  # private Microsoft accounts sign in here


class BrowserSetting(NamedTuple):
    """Bypass, and the policies that close it in each family of browsers. A family without policies lacks the bypass."""

    meaning: str  # description of the bypass for the documentation
    default: str  # one of `allowed_values`
    chromium: Policies = {}  # policies of Chromium and its relatives that close the bypass
    firefox: Policies = {}  # policies of Firefox that close the bypass
    # Policies by which an organisation makes its own choice. If it has set any of them, its choice stays.
    deciding_policies: Sequence[str] = ()
    only_browsers: Sequence[str] = ()  # browsers that have the bypass; empty: all of the family
    allowed_values: Sequence[str] = (BLOCKED, UNMANAGED)
    is_for_thunderbird: bool = False  # the Firefox policies of this row apply to Thunderbird too

    def is_applicable(self, browsers: Collection[str]) -> bool:
        """Return whether any of the browsers has this bypass."""
        return not self.only_browsers or any(browser in self.only_browsers for browser in browsers)


def _make_locked_preferences(preferences: Mapping[str, bool]) -> Policies:
    """Return the policy that sets Firefox preferences so that users cannot change them."""
    return {"Preferences": {name: {"Value": setting, "Status": "locked"} for name, setting in preferences.items()}}


SETTINGS: Mapping[str, BrowserSetting] = {
    "dns_over_https": BrowserSetting(
        "Names are asked of the host's own resolver, not of one that the browser picks.",
        BLOCKED,
        {"BuiltInDnsClientEnabled": False, "DnsOverHttpsMode": "off"},
        {"DNSOverHTTPS": {"Enabled": False, "Locked": True}},
        is_for_thunderbird=True,
    ),
    "proxies": BrowserSetting(
        "A proxy of a user's own choice; the system's proxy, or the organisation's in its own policy, stays.",
        BLOCKED,
        {"ProxyMode": "system"},
        {"Proxy": {"Mode": "system", "Locked": True}},
        deciding_policies=("ProxyMode", "ProxySettings", "ProxyServer", "ProxyServerMode", "ProxyPacUrl", "Proxy"),
        is_for_thunderbird=True,
    ),
    EXTENSIONS: BrowserSetting(
        "Extensions of restricted services (VPNs and proxies above all); `allow_list`: all but those named.",
        BLOCKED,
        allowed_values=(BLOCKED, ALLOW_LIST, UNMANAGED),
    ),
    PROXY_EXTENSIONS: BrowserSetting(
        "Every extension that wants to set the browser's proxy, as VPNs do, or to control its pages by the debugger; "
        "those of `proscribe_browser_extensions_allowed` and of waived services stay.",
        BLOCKED,
        {EXTENSION_SETTINGS: {EVERY_EXTENSION: make_blocking_default({})}},
        {EXTENSION_SETTINGS: {EVERY_EXTENSION: make_blocking_default({})}},
    ),
    SIGN_IN: BrowserSetting(
        "Signing the browser in to a private account, and copying its data there; the organisation's tenants stay.",
        BLOCKED,
        {"BrowserSignin": 0, "SyncDisabled": True},  # for browsers at whose provider no tenant has accounts
        {"DisableFirefoxAccounts": True},
        deciding_policies=("BrowserSignin", "RestrictSigninToPattern", "DisableAccounts"),
    ),
    "browser_vpn": BrowserSetting(
        "The VPN that a browser brings along.",
        BLOCKED,
        {"BraveVPNDisabled": True},
        {"IPProtectionAvailable": False},
        only_browsers=("brave", "firefox", "firefox_esr"),
    ),
    "tor_windows": BrowserSetting(
        "Brave's windows through Tor.", BLOCKED, {"TorDisabled": True}, only_browsers=("brave",)
    ),
    REMOTE_DEBUGGING: BrowserSetting(
        "Control of a browser by another program, which opens blocked sites: remote debugging, WebDriver; in Firefox "
        "also tools and extensions with the browser's own rights. Developer tools of pages stay.",
        BLOCKED,
        {"RemoteDebuggingAllowed": False},
        # No policy locks WebDriver itself: firefox_preferences.py does.
        _make_locked_preferences(
            {
                "devtools.chrome.enabled": False,
                "devtools.debugger.remote-enabled": False,
                "extensions.experiments.enabled": False,
            }
        ),
    ),
    "guest_windows": BrowserSetting(
        "Windows without a profile; the block list holds in them, extensions and history do not.",
        UNMANAGED,
        {"BrowserGuestModeEnabled": False},
    ),
    "private_windows": BrowserSetting(
        "Windows without history; the block list holds in them.",
        UNMANAGED,
        {"IncognitoModeAvailability": 1, "InPrivateModeAvailability": 1},
        {"DisablePrivateBrowsing": True},
    ),
    "web_apps": BrowserSetting(
        "Sites installed as applications; the block list holds in them.",
        UNMANAGED,
        {"WebAppInstallByUserEnabled": False},
    ),
    "quic": BrowserSetting(
        "HTTP/3, which filters on the network cannot look into.",
        UNMANAGED,
        {"QuicAllowed": False},
        _make_locked_preferences({"network.http.http3.enable": False}),
    ),
    "encrypted_client_hello": BrowserSetting(
        "Encrypted names in TLS, which filters on the network cannot read.",
        UNMANAGED,
        {"EncryptedClientHelloEnabled": False},
        {"DisableEncryptedClientHello": True},
    ),
    "unpacked_extensions": BrowserSetting(
        "Extensions that a user loads from a folder, which no store has checked; scripts of extensions reach blocked "
        "sites, as those of pages do.",
        UNMANAGED,
        {"ExtensionInstallTypeBlocklist": ["command_line"], "ExtensionDeveloperModeSettings": 1},
    ),
    "about_config": BrowserSetting(
        "Firefox's page of all preferences; what a policy locks stays locked there.",
        UNMANAGED,
        firefox={"BlockAboutConfig": True},
        is_for_thunderbird=True,
    ),
    DEVELOPER_TOOLS: BrowserSetting(
        "Developer tools, which also the organisation's own checks use.",
        UNMANAGED,
        {"DeveloperToolsAvailability": 2},
        {"DisableDeveloperTools": True},
    ),
}


def format_rule_name(setting: str) -> str:
    """Return the name of a setting's rule in the report, such as `browser/dns-over-https`."""
    return "browser/" + setting.replace("_", "-")
