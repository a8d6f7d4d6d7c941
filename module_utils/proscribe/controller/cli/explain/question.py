"""What somebody asks about: a name, a URL, an address, a network, a service or a program. Pure."""

from __future__ import annotations

import ipaddress
import re
import unicodedata
from typing import NamedTuple
from urllib.parse import urlsplit

from ....host.controls.firewall.rule_text import Network
from .. import Refused

_LABEL = r"[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?"
_HOST = re.compile(rf"(?=.{{1,253}}\Z){_LABEL}(?:\.{_LABEL})+")
_SCHEME = re.compile(r"[a-zA-Z][a-zA-Z0-9+.-]*://")
# IDNA takes these for the dot between labels (UTS #46, section 2.3).
_DOTS = str.maketrans(dict.fromkeys("\u3002\uff0e\uff61", "."))


class Question(NamedTuple):
    """A question. Exactly one of `host` and `network` is set, or neither: then `word` can only be a name of ours."""

    word: str  # as it was typed, without blanks around it
    host: str = ""  # a name of two labels or more, in lower case, in its ASCII form, without a dot at its end
    path: str = ""  # of a URL: "" or "/..."
    port: int | None = None
    network: Network | None = None  # one address is a network of one


def read(text: str) -> Question:
    """Understand a question, however it was copied: `HTTPS://Mail.Google.com.:443/mail?x`, `[2001:db8::1]:53`.

    Raises Refused for what is no question at all.
    """
    word = text.strip()
    if not word or not word.isprintable():
        raise Refused("name what is to be explained: a host, a URL, an address, a network, a service or a program")
    network = _network(word)
    if network is not None:
        return Question(word, network=network)
    try:
        parts = urlsplit(word if _SCHEME.match(word) else f"//{word}")
        host, port = parts.hostname or "", parts.port
    except ValueError:
        raise Refused(f"{word!r} is no URL: expected something like https://mail.example.com/inbox") from None
    network = _network(host)
    path = "" if parts.path in ("", "/") else parts.path
    if port is None and _SCHEME.match(word):
        port = {"https": 443, "http": 80}.get(parts.scheme)
    if network is not None:
        return Question(word, path=path, port=port, network=network)
    name = ascii_name(host)
    return Question(word, name, path, port) if _HOST.fullmatch(name) else Question(word)


def ascii_name(host: str) -> str:
    """A host name as DNS knows it: lower case, international labels in their xn-- form, no dot at the end.

    The mapping is that of browsers (UTS #46, non-transitional: a sharp s stays one) for all names that are well formed.
    """
    labels = unicodedata.normalize("NFKC", host.lower()).lower().translate(_DOTS).removesuffix(".").split(".")
    return ".".join(label if label.isascii() else "xn--" + label.encode("punycode").decode() for label in labels)


def _network(text: str) -> Network | None:
    bare = text.removeprefix("[").removesuffix("]") if text.startswith("[") else text
    address, percent, _ = bare.partition("%")  # the zone of a link-local address says nothing here
    try:
        found = ipaddress.ip_network(address if percent else bare, strict=False)
    except ValueError:
        return None
    if isinstance(found, ipaddress.IPv6Network) and found.prefixlen == 128:
        mapped = found.network_address.ipv4_mapped  # such a connection is one over IPv4
        return found if mapped is None else ipaddress.ip_network(mapped)
    return found
