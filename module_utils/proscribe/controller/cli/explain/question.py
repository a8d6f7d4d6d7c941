"""Questions of `./proscribe explain`, parsed: a host name, a URL, an address, a network or another word. Pure."""

from __future__ import annotations

import ipaddress
import re
import unicodedata
from typing import NamedTuple
from urllib.parse import urlsplit

from ....host.controls.firewall.rule_syntax import Network
from .. import CommandError

_LABEL_PATTERN = r"[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?"
_HOST_PATTERN = re.compile(rf"(?=.{{1,253}}\Z){_LABEL_PATTERN}(?:\.{_LABEL_PATTERN})+")
_SCHEME_PATTERN = re.compile(r"[a-zA-Z][a-zA-Z0-9+.-]*://")
# IDNA treats these characters as the dot between labels (UTS #46, section 2.3).
_DOTS = str.maketrans(dict.fromkeys("\u3002\uff0e\uff61", "."))


class Question(NamedTuple):
    """A question. At most one of `host` and `network` is set; with neither, `text` can only name a catalogue entry."""

    text: str  # as typed, without surrounding blanks
    host: str = ""  # two labels or more, lower case, ASCII form, no dot at the end
    path: str = ""  # path of a URL: "" or "/..."
    port: int | None = None
    network: Network | None = None  # an address is a network of a single address


def parse_question(text: str) -> Question:
    """Parse a question in any form that users copy: `HTTPS://Mail.Google.com.:443/mail?x`, `[2001:db8::1]:53`.

    Raises CommandError for an empty or unprintable text, and for a text that is no valid URL.
    """
    typed_text = text.strip()
    if not typed_text or not typed_text.isprintable():
        raise CommandError("name what is to be explained: a host, a URL, an address, a network, a service or a program")
    network = _parse_network(typed_text)
    if network is not None:
        return Question(typed_text, network=network)
    try:
        parts = urlsplit(typed_text if _SCHEME_PATTERN.match(typed_text) else f"//{typed_text}")
        host, port = parts.hostname or "", parts.port
    except ValueError:
        raise CommandError(
            f"{typed_text!r} is no URL: expected something like https://mail.example.com/inbox"
        ) from None
    network = _parse_network(host)
    path = "" if parts.path in ("", "/") else parts.path
    if port is None and _SCHEME_PATTERN.match(typed_text):
        port = {"https": 443, "http": 80}.get(parts.scheme)
    if network is not None:
        return Question(typed_text, path=path, port=port, network=network)
    name = convert_to_ascii_name(host)
    return Question(typed_text, name, path, port) if _HOST_PATTERN.fullmatch(name) else Question(typed_text)


def convert_to_ascii_name(host: str) -> str:
    """Return a host name as in DNS: lower case, international labels in xn-- form, no dot at the end.

    For all well-formed names, the mapping is that of browsers (UTS #46, non-transitional: a sharp s stays a sharp s).
    """
    labels = unicodedata.normalize("NFKC", host.lower()).lower().translate(_DOTS).removesuffix(".").split(".")
    return ".".join(label if label.isascii() else "xn--" + label.encode("punycode").decode() for label in labels)


def _parse_network(text: str) -> Network | None:
    """Parse an address or a network, in square brackets or not; None for any other text."""
    address_text = text.removeprefix("[").removesuffix("]") if text.startswith("[") else text
    address, percent, _ = address_text.partition("%")  # the zone of a link-local address has no meaning for rules
    try:
        network = ipaddress.ip_network(address if percent else address_text, strict=False)
    except ValueError:
        return None
    if isinstance(network, ipaddress.IPv6Network) and network.prefixlen == 128:
        ipv4_address = network.network_address.ipv4_mapped  # a connection to an IPv4-mapped address uses IPv4
        return network if ipv4_address is None else ipaddress.ip_network(ipv4_address)
    return network
