"""What the organisation's own resolver files say: the lines that answer or forward a name, and so may open one that is
blocked; which further files they have dnsmasq read; and whether dnsmasq is to log.
"""

from __future__ import annotations

from typing import Iterable, Sequence

from ....base.patterns import pattern

# The kinds of local zones in which a name may get an address (unbound.conf(5)).
_OPEN_ZONES = ("transparent", "typetransparent", "redirect", "inform", "always_transparent", "nodefault")

_SHORT = {"-S": "server", "-A": "address", "-C": "conf-file", "-7": "conf-dir", "-H": "addn-hosts"}
HOSTS = ("addn-hosts", "hostsdir")  # options for files in the form of /etc/hosts
_FILES = ("conf-file", "conf-dir", "servers-file", *HOSTS)
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
        if key in ("server", "local", "address") and value.startswith("/"):  # the first two are one option
            *names, target = value[1:].split("/")
            if target in ("", "0.0.0.0", "::") or (key, target) == ("address", "#"):
                continue  # it blocks the name itself
        elif key in ("host-record", "cname"):
            names = value.split(",")[:-1]
        found += [(line, name.strip(" .").lower()) for name in names if name.strip(" .")]
    return found


def dnsmasq_files(text: str) -> list[tuple[str, str]]:
    """(option, path) for every further file, or directory of files, that some lines have dnsmasq read."""
    pairs = (line.partition("#")[0].partition("=") for line in text.splitlines() if "=" in line)
    named = [(key.strip(), value.partition(",")[0].strip().rstrip("/")) for key, _, value in pairs]
    return [(key, path) for key, path in named if key in _FILES and path.startswith("/")]


def command_line(words: Sequence[str]) -> str:
    """The options of a command line of dnsmasq as lines of its file."""
    lines = [word[2:] for word in words if word.startswith("--")]
    for word, after in zip(words, [*words[1:], ""]):
        if word[:1] == "-" and word[:2] in _SHORT:
            lines.append(f"{_SHORT[word[:2]]}={word[2:].removeprefix('=') or after}")
    return "\n".join(lines)


def hosts(text: str) -> list[tuple[str, str]]:
    """(line, name) for every name to which a file in the form of /etc/hosts gives an address that leads somewhere."""
    words = [(line, line.partition("#")[0].lower().split()) for line in text.splitlines()]
    return [
        (line.strip(), name) for line, said in words if said[:1] not in ([], ["0.0.0.0"], ["::"]) for name in said[1:]
    ]


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
