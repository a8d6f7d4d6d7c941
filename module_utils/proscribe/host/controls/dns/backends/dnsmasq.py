"""Backend for a dnsmasq that the host runs as its resolver: another file in its folder of drop-ins.

dnsmasq reads its files only at start, so it is restarted. The restart also empties its cache of older answers.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Iterable, Sequence

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

BACKEND_NAME = "dnsmasq"
DNSMASQ_UNIT = "dnsmasq.service"
CONF_PATH = "/etc/dnsmasq.conf"
DROP_IN_FOLDER = "/etc/dnsmasq.d"
HIT_DOCUMENTATION = (
    "`config photos.wechat.com is NXDOMAIN`, if the organisation has set `log-queries`"  # for docs/dns.md
)
DECLARED = BackendDeclaration(
    BACKEND_NAME,
    SERVER_KIND,
    DNSMASQ_UNIT,
    (f"{DROP_IN_FOLDER}/{DROP_IN_NAME}",),
    (ForwarderSources((CONF_PATH, DROP_IN_FOLDER), ("server=",)),),
    BackendDocumentation(
        (("its own dnsmasq", "`dnsmasq.service`, with a folder of drop-ins", "one file in that folder"),),
        HIT_DOCUMENTATION,
        "dnsmasq",
        tested_hosts="Debian 13",
    ),
)

_SHORT_OPTIONS = {"-S": "server", "-A": "address", "-C": "conf-file", "-7": "conf-dir", "-H": "addn-hosts"}
_HOSTS_OPTIONS = ("addn-hosts", "hostsdir")  # their files have the form of /etc/hosts
_FILE_OPTIONS = ("conf-file", "conf-dir", "servers-file", *_HOSTS_OPTIONS)
_COMMENT_PATTERN = compile_pattern(r"\s+#")


def _render_lines(blocked_names: Iterable[str], open_names: Iterable[str]) -> list[str]:
    """Return the lines that block names, and the lines that let names below them resolve.

    `local` without a server gives NXDOMAIN in every version. `#` stands for the upstream servers that dnsmasq has.
    """
    return [*(f"local=/{name}/" for name in blocked_names), *(f"server=/{name}/#" for name in open_names)]


def _render_witness(name: str, text: str, address: str) -> list[str]:
    """Return the lines that make dnsmasq answer `name` with a text, and with an address ("": none)."""
    return [f'txt-record={name},"{text}"', *([f"host-record={name},{address}"] if address else [])]


DNSMASQ_LANGUAGE = ResolverLanguage(
    make_lines=_render_lines,
    make_witness_lines=_render_witness,
    blocked_pattern=compile_pattern(r"^local=/([^/]+)/$", MULTILINE),
    hit_pattern=compile_pattern(
        r"(?:^| )config (\S+) is NXDOMAIN$"
    ),  # log-queries: `config photos.wechat.com is NXDOMAIN`
)


def find_obstacle(host: Host, observation: DnsObservation) -> str:
    """Return what keeps dnsmasq of this host from being the filter, and the remedy; "" if nothing does."""
    if DNSMASQ_UNIT not in observation.pids_by_unit:
        return f"{DNSMASQ_UNIT} does not run: install dnsmasq, start it and have the host ask it"
    if not _find_drop_in_folders(host, observation.pids_by_unit[DNSMASQ_UNIT]):
        return f"dnsmasq reads no folder of drop-ins: add conf-dir={DROP_IN_FOLDER},*.conf to {CONF_PATH}"
    return ""


def describe_filter(host: Host, observation: DnsObservation, settings: ControlSettings) -> DnsFilter:
    """Return the description of the host's dnsmasq as the filter.

    Proscribe's file is in the first folder of drop-ins.
    """
    pid = observation.pids_by_unit[DNSMASQ_UNIT]
    folders = _find_drop_in_folders(host, pid)
    other_files = drop_in.list_other_files(host, CONF_PATH, folders)
    file_path = f"{folders[0]}/{DROP_IN_NAME}"
    return drop_in.make_drop_in_filter(
        host, observation, BACKEND_NAME, DNSMASQ_UNIT, file_path, DNSMASQ_LANGUAGE, ("dnsmasq", "--test", "-C")
    )._replace(
        log_unit=DNSMASQ_UNIT if is_logging_queries(read_own_text(host, path) for path in other_files) else "",
        opening_lines=find_opening_lines(host, other_files, _read_command_line(host, pid)),
    )


def list_possible_stages(host: Host, observation: DnsObservation) -> list[FilterStage]:
    """Return, for removal, a stage for each file that Proscribe may have left in dnsmasq's folders."""
    folders = [*_find_drop_in_folders(host, observation.pids_by_unit.get(DNSMASQ_UNIT, 0)), DROP_IN_FOLDER]
    return drop_in.list_drop_in_stages(observation, DNSMASQ_UNIT, [f"{folder}/{DROP_IN_NAME}" for folder in folders])


def list_asking_users(host: Host, observation: DnsObservation) -> list[str]:
    """Return the account that dnsmasq runs as, which queries name servers, in a list; [] if it does not run."""
    return drop_in.list_unit_users(host, observation, DNSMASQ_UNIT)


def _read_command_line(host: Host, pid: int) -> list[str]:
    """Return the arguments of a process; [] for the process id 0 (no process)."""
    return (host.read_text(f"/proc/{pid}/cmdline") or "").split("\0") if pid else []


def _find_drop_in_folders(host: Host, pid: int) -> list[str]:
    """Return the folders of drop-ins from dnsmasq's command line and its main file.

    `pid` is dnsmasq's process id; 0 if it does not run. Then DROP_IN_FOLDER is returned too, if it exists, because
    Debian names that folder on the command line.
    """
    words = _read_command_line(host, pid)
    option_values = [word.partition("=")[2] for word in words if word.startswith("--conf-dir=")]
    option_values += [next_word for word, next_word in zip(words, words[1:]) if word in ("-7", "--conf-dir")]
    option_values += [word[2:] for word in words if word.startswith("-7") and word != "-7"]
    options = (line.partition("=") for line in read_own_text(host, CONF_PATH).splitlines() if "conf-dir" in line)
    option_values += [
        word for key, _, option_value in options if key.strip() == "conf-dir" for word in option_value.split()[:1]
    ]
    folders = [folder.partition(",")[0].rstrip("/") for folder in option_values]
    if not pid and host.find_entry(DROP_IN_FOLDER) is not None:
        folders.append(DROP_IN_FOLDER)
    return list(dict.fromkeys(folders))


def find_opening_lines(host: Host, paths: Sequence[str], command_words: Sequence[str]) -> list[tuple[str, str, str]]:
    """Return (source, line, name) for each line of dnsmasq's configuration that makes a name resolve.

    The lines come from the files `paths`, from files that these name, and from the command line `command_words`. Files
    that only named files name are not read. The source is the path of the file, or "its command line".
    """
    texts = [
        ("its command line", _convert_command_words(command_words)),
        *((path, read_own_text(host, path)) for path in paths),
    ]
    opening_lines = [(source, *opening) for source, text in texts for opening in parse_overrides(text)]
    read_paths = {*paths}
    for option, named_path in (pair for _, text in texts for pair in _parse_file_options(text)):
        parse_lines = _parse_hosts_lines if option in _HOSTS_OPTIONS else parse_overrides
        for path in [f"{named_path}/{name}" for name in host.list_directory(named_path)] or [named_path]:
            if path not in read_paths and not path.endswith(f"/{DROP_IN_NAME}"):
                read_paths.add(path)
                opening_lines += [(path, *opening) for opening in parse_lines(read_own_text(host, path))]
    return opening_lines


def parse_overrides(text: str) -> list[tuple[str, str]]:
    """Return (line, name) for each line that makes a name resolve.

    Those lines have the options `server`, `local`, `address`, `host-record` and `cname`. Lines of Proscribe's kind,
    which block the name, are left out.
    """
    overriding_lines = []
    for line in text.splitlines():
        line = line.strip()
        if line.startswith("#"):
            continue
        if "#" in line:  # a # within a word starts no comment: server=/example.org/#
            line = _COMMENT_PATTERN.split(line)[0]
        key, _, option_value = line.partition("=")
        key, option_value = key.strip(), option_value.strip()
        names: list[str] = []
        # `server` and `local` are the same option
        if key in ("server", "local", "address") and option_value.startswith("/"):
            *names, target = option_value[1:].split("/")
            if target in ("", "0.0.0.0", "::") or (key, target) == ("address", "#"):
                continue  # such a line blocks the name too
        elif key in ("host-record", "cname"):
            names = option_value.split(",")[:-1]
        overriding_lines += [(line, name.strip(" .").lower()) for name in names if name.strip(" .")]
    return overriding_lines


def _parse_file_options(text: str) -> list[tuple[str, str]]:
    """Return (option, path) for each line that makes dnsmasq read another file or a directory of files."""
    pairs = (line.partition("#")[0].partition("=") for line in text.splitlines() if "=" in line)
    file_options = [(key.strip(), option_value.partition(",")[0].strip().rstrip("/")) for key, _, option_value in pairs]
    return [(key, path) for key, path in file_options if key in _FILE_OPTIONS and path.startswith("/")]


def _convert_command_words(words: Sequence[str]) -> str:
    """Convert the options of dnsmasq's command line to lines as its file has them."""
    lines = [word[2:] for word in words if word.startswith("--")]
    for word, next_word in zip(words, [*words[1:], ""]):
        if word[:1] == "-" and word[:2] in _SHORT_OPTIONS:
            lines.append(f"{_SHORT_OPTIONS[word[:2]]}={word[2:].removeprefix('=') or next_word}")
    return "\n".join(lines)


def _parse_hosts_lines(text: str) -> list[tuple[str, str]]:
    """Return (line, name) for every name that a file in the form of /etc/hosts resolves to a real address."""
    parsed_lines = [(line, line.partition("#")[0].lower().split()) for line in text.splitlines()]
    return [
        (line.strip(), name)
        for line, line_words in parsed_lines
        if line_words[:1] not in ([], ["0.0.0.0"], ["::"])
        for name in line_words[1:]
    ]


def is_logging_queries(texts: Iterable[str]) -> bool:
    """Return whether files of dnsmasq (`texts`) make it log queries. It logs all queries of all users, or none."""
    lines = (line for text in texts for line in text.splitlines() if "log-queries" in line)
    return any(line.partition("#")[0].partition("=")[0].strip() == "log-queries" for line in lines)
