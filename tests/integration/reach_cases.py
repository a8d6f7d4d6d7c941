"""Names and addresses that the catalogue closes, those that it knows and leaves open, and innocent ones close by."""

# The rest of the world.
RESOLVER = "192.0.2.53"  # the organisation's, outside of the host
V4, V6 = "203.0.113.80", "2001:db8:80::80"  # of every name that has no addresses here
# Of the organisation's own rules, which distinguish the host from the guests behind it.
CLOSED_TO_HOST, OPENED_BY_RULE, CLOSED_TO_NESTED = "203.0.113.66", "203.0.113.67", "203.0.113.129"

# What the restrictions of the host say beyond their defaults.
VARIABLES = {
    "proscribe_tenants": {"google": ["example.org"]},
    "proscribe_services_exclude": ["mediafire"],
    "proscribe_management": ["91.108.8.0/24", "2a0a:f280:ad::/48"],  # within networks of Telegram's
    "proscribe_firewall_rules": [
        {"direction": "out", "verdict": "accept", "addresses": [OPENED_BY_RULE]},
        {"direction": "out", "verdict": "reject", "addresses": ["203.0.113.64/29"], "comment": "the old file server"},
        {"direction": "forward", "verdict": "reject", "addresses": [CLOSED_TO_NESTED]},
    ],
}
WAIVED = "dropbox"

_TELEGRAM = ("149.154.167.99", "2001:67c:4e8:f004::9")
_LINE = ("147.92.191.1", "2400:dcc0::1")
_GOOGLE = ("142.250.74.110", "2a00:1450:400f:80c::200e")
_MICROSOFT = ("52.96.165.18", "2603:1026:c0a::2")
_ELSEWHERE = (V4, V6)

# Closed where the host has a filter.
CLOSED_NAMES = {
    **dict.fromkeys(("telegram.org", "web.telegram.org", "Web.Telegram.ORG", "t.me"), _TELEGRAM),
    **dict.fromkeys(("outlook.live.com", "web.skype.com"), _MICROSOFT),
    **dict.fromkeys(("long.weixin.qq.com", "signal.org", "g.api.mega.co.nz", "smtp.protonmail.ch"), _ELSEWHERE),
    **dict.fromkeys(("use-application-dns.net", "mask.icloud.com"), _ELSEWHERE),
    "web.whatsapp.com": ("31.13.64.60", V6),
    "media-fra3-1.cdn.whatsapp.net": ("3.33.221.48", V6),
    "line.me": _LINE,
    "dns.quad9.net": ("9.9.9.9", "2620:fe::fe"),
    "cloudflare-dns.com": ("1.1.1.1", "2606:4700:4700::1111"),
}
# Of the catalogue, and open in name resolution: by tenants, an allowed name, a waiver, the restrictions.
KNOWN_NAMES = {
    **dict.fromkeys(("drive.google.com", "mail.google.com"), _GOOGLE),
    **dict.fromkeys(("work.weixin.qq.com", "slack.com", "mediafire.com"), _ELSEWHERE),
    "api.telegram.org": ("149.154.167.220", _TELEGRAM[1]),  # its addresses are Telegram's all the same
    "access.line.me": _LINE,
    "skype.com": _MICROSOFT,
    "dropbox.com": ("162.125.66.18", "2620:100:6022:18::a27d:4212"),
}
INNOCENT_NAMES = {
    **dict.fromkeys(("notwechat.com", "wechat.com.example", "megaglest.org", "qq.com", "icloud.com"), _ELSEWHERE),
    **dict.fromkeys(("proton.me", "intranet.example"), _ELSEWHERE),
    **dict.fromkeys(("login.live.com", "teams.microsoft.com"), _MICROSOFT),
    "docs.google.com": _GOOGLE,
    "facebook.com": ("31.13.64.35", V6),
    "example.github.io": ("185.199.108.153", "2606:50c0:8000::153"),
    "deb.debian.org": ("151.101.2.132", "2a04:4e42::644"),
}

CLOSED_ADDRESSES = (
    *("91.108.4.0:80", "149.154.160.0:443", "149.154.175.255:5222", "[2001:67c:4e8:ffff:ffff:ffff:ffff:ffff]:5222"),
    *("31.13.64.60:443", "1.1.1.1:53", "1.1.1.1:853", "[2001:4860:4860::8888]:443", "[2620:fe::fe]:53"),
    *(f"{V4}:853", f"[{V6}]:853", f"{RESOLVER}:853"),  # DNS over TLS, to anybody
    f"{CLOSED_TO_HOST}:443",
)
KNOWN_ADDRESSES = (
    *("91.108.8.0:443", "[2a0a:f280:ad::1]:443", "162.125.0.0:443", "1.1.1.1:80"),
    *(f"{OPENED_BY_RULE}:443", f"{CLOSED_TO_NESTED}:443"),
)
INNOCENT_ADDRESSES = (
    "147.92.128.1:443",  # LINE's, with its sign-in to other sites
    *("91.108.3.255:443", "149.154.159.255:443", "[2001:67c:4e7:ffff:ffff:ffff:ffff:ffff]:443", "31.13.64.59:443"),
    *("162.124.255.255:443", "[2620:0:ffff:ffff::1]:443", "8.8.8.9:53", f"{RESOLVER}:53", f"{V4}:443"),
    *(f"[{V6}]:5222", "203.0.113.63:443"),
    "10.77.0.1:443",  # the host's gateway
)

NAMES = {**CLOSED_NAMES, **KNOWN_NAMES, **INNOCENT_NAMES}
ADDRESSES = (*CLOSED_ADDRESSES, *KNOWN_ADDRESSES, *INNOCENT_ADDRESSES)
