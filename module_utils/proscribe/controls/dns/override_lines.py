"""What the organisation's own resolver files say: the lines that answer or forward a name, and so may open one that is
blocked; and whether dnsmasq is to log.
"""

from __future__ import annotations

from typing import Iterable

from ...patterns import pattern

# The kinds of local zones in which a name may get an address (unbound.conf(5)).
_OPEN_ZONES = ("transparent", "typetransparent", "redirect", "inform", "always_transparent", "nodefault")

_COMMENT = pattern(r"\s+#")


def dnsmasq(text: str) -> list[tuple[str, str]]:
    """(line, name) for every `server`, `address`, `host-record` and `cname` that leads a name somewhere."""
    found = []
    for line in text.splitlines():
        line = line.strip()
        if line.startswith("#"):
            continue
        if "#" in line:  # a mark within a word is none: server=/example.org/#
            line = _COMMENT.split(line)[0]
        key, _, value = line.partition("=")
        key, value = key.strip(), value.strip()
        names: list[str] = []
        if key in ("server", "address") and value.startswith("/"):
            *names, target = value[1:].split("/")
            if target in ("", "0.0.0.0", "::") or (key, target) == ("address", "#"):
                continue  # it blocks the name itself
        elif key in ("host-record", "cname"):
            names = value.split(",")[:-1]
        found += [(line, name.strip(" .").lower()) for name in names if name.strip(" .")]
    return found


def unbound(text: str) -> list[tuple[str, str]]:
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


def logs_queries(texts: Iterable[str]) -> bool:
    """Whether some files have dnsmasq log. It logs all that everybody asks, or nothing."""
    lines = (line for text in texts for line in text.splitlines() if "log-queries" in line)
    return any(line.partition("#")[0].partition("=")[0].strip() == "log-queries" for line in lines)
