"""Backend: a dnsmasq that the host runs as its resolver gets one more file in its folder of drop-ins.

dnsmasq reads its files only at start, so it is started again: that also empties its cache of older answers.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Iterable, Sequence

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

NAME = "dnsmasq"
UNIT = "dnsmasq.service"
CONF = "/etc/dnsmasq.conf"
FOLDER = "/etc/dnsmasq.d"
HITS = "`config photos.wechat.com is NXDOMAIN`, if the organisation has set `log-queries`"  # for the documents
DECLARED = Declared(
    NAME,
    SERVER,
    UNIT,
    (f"{FOLDER}/{FILE_NAME}",),
    (Forwarders((CONF, FOLDER), ("server=",)),),
    Documented(
        (("its own dnsmasq", "`dnsmasq.service`, with a folder of drop-ins", "one file in that folder"),),
        HITS,
        "dnsmasq",
        tested="Debian 13",
    ),
)

_SHORT = {"-S": "server", "-A": "address", "-C": "conf-file", "-7": "conf-dir", "-H": "addn-hosts"}
_HOSTS = ("addn-hosts", "hostsdir")  # options for files in the form of /etc/hosts
_FILES = ("conf-file", "conf-dir", "servers-file", *_HOSTS)
_COMMENT = compile_pattern(r"\s+#")


def _lines(blocked: Iterable[str], through: Iterable[str]) -> list[str]:
    """`local` without a server is NXDOMAIN in every version; `#` is the upstream that dnsmasq has."""
    return [*(f"local=/{name}/" for name in blocked), *(f"server=/{name}/#" for name in through)]


def _witness(name: str, text: str, address: str) -> list[str]:
    return [f'txt-record={name},"{text}"', *([f"host-record={name},{address}"] if address else [])]


LANGUAGE = Language(
    lines=_lines,
    witness=_witness,
    blocked=compile_pattern(r"^local=/([^/]+)/$", MULTILINE),
    hit=compile_pattern(r"(?:^| )config (\S+) is NXDOMAIN$"),  # log-queries: `config photos.wechat.com is NXDOMAIN`
)


def missing(host: Host, observed: Observed) -> str:
    if UNIT not in observed.units:
        return f"{UNIT} does not run: install dnsmasq, start it and have the host ask it"
    if not _folders(host, observed.units[UNIT]):
        return f"dnsmasq reads no folder of drop-ins: add conf-dir={FOLDER},*.conf to {CONF}"
    return ""


def describe(host: Host, observed: Observed, settings: ControlSettings) -> Filter:
    pid = observed.units[UNIT]
    folders = _folders(host, pid)
    others = drop_in.others(host, CONF, folders)
    file = f"{folders[0]}/{FILE_NAME}"
    return drop_in.filter_of(host, observed, NAME, UNIT, file, LANGUAGE, ("dnsmasq", "--test", "-C"))._replace(
        logs=UNIT if logs_queries(content(host, path) for path in others) else "",
        openers=openers(host, others, _command(host, pid)),
    )


def standing(host: Host, observed: Observed) -> list[Stage]:
    folders = [*_folders(host, observed.units.get(UNIT, 0)), FOLDER]
    return drop_in.standing(observed, UNIT, [f"{folder}/{FILE_NAME}" for folder in folders])


def users(host: Host, observed: Observed) -> list[str]:
    return drop_in.users(host, observed, UNIT)


def _command(host: Host, pid: int) -> list[str]:
    """The command line of a process."""
    return (host.read_text(f"/proc/{pid}/cmdline") or "").split("\0") if pid else []


def _folders(host: Host, pid: int) -> list[str]:
    """The folders of drop-ins that dnsmasq reads, from its command line (Debian says it there) and its main file."""
    words = _command(host, pid)
    said = [word.partition("=")[2] for word in words if word.startswith("--conf-dir=")]
    said += [after for word, after in zip(words, words[1:]) if word in ("-7", "--conf-dir")]
    said += [word[2:] for word in words if word.startswith("-7") and word != "-7"]
    options = (line.partition("=") for line in content(host, CONF).splitlines() if "conf-dir" in line)
    said += [word for key, _, value in options if key.strip() == "conf-dir" for word in value.split()[:1]]
    folders = [folder.partition(",")[0].rstrip("/") for folder in said]
    if not pid and host.find_entry(FOLDER) is not None:
        folders.append(FOLDER)
    return list(dict.fromkeys(folders))


def openers(host: Host, paths: Sequence[str], words: Sequence[str]) -> list[tuple[str, str, str]]:
    """The lines that open a name, with their files: of some files of dnsmasq, of those that they name, and of a command
    line. Deeper than that nobody reads.
    """
    texts = [("its command line", _command_line(words)), *((path, content(host, path)) for path in paths)]
    found = [(where, *one) for where, text in texts for one in overrides(text)]
    read = {*paths}
    for option, named in (pair for _, text in texts for pair in _files(text)):
        lines = _hosts if option in _HOSTS else overrides
        for path in [f"{named}/{name}" for name in host.list_directory(named)] or [named]:
            if path not in read and not path.endswith(f"/{FILE_NAME}"):
                read.add(path)
                found += [(path, *one) for one in lines(content(host, path))]
    return found


def overrides(text: str) -> list[tuple[str, str]]:
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


def _files(text: str) -> list[tuple[str, str]]:
    """(option, path) for every further file, or directory of files, that some lines have dnsmasq read."""
    pairs = (line.partition("#")[0].partition("=") for line in text.splitlines() if "=" in line)
    named = [(key.strip(), value.partition(",")[0].strip().rstrip("/")) for key, _, value in pairs]
    return [(key, path) for key, path in named if key in _FILES and path.startswith("/")]


def _command_line(words: Sequence[str]) -> str:
    """The options of a command line of dnsmasq as lines of its file."""
    lines = [word[2:] for word in words if word.startswith("--")]
    for word, after in zip(words, [*words[1:], ""]):
        if word[:1] == "-" and word[:2] in _SHORT:
            lines.append(f"{_SHORT[word[:2]]}={word[2:].removeprefix('=') or after}")
    return "\n".join(lines)


def _hosts(text: str) -> list[tuple[str, str]]:
    """(line, name) for every name to which a file in the form of /etc/hosts gives an address that leads somewhere."""
    words = [(line, line.partition("#")[0].lower().split()) for line in text.splitlines()]
    return [
        (line.strip(), name) for line, said in words if said[:1] not in ([], ["0.0.0.0"], ["::"]) for name in said[1:]
    ]


def logs_queries(texts: Iterable[str]) -> bool:
    """Whether some files have dnsmasq log. It logs all that everybody asks, or nothing."""
    lines = (line for text in texts for line in text.splitlines() if "log-queries" in line)
    return any(line.partition("#")[0].partition("=")[0].strip() == "log-queries" for line in lines)
