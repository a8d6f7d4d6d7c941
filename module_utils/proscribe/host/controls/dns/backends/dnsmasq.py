"""Backend: a dnsmasq that the host runs as its resolver gets one more file in its folder of drop-ins.

dnsmasq reads its files only at start, so it is started again: that also empties its cache of older answers.
"""

from __future__ import annotations

from typing import Sequence

from ....system import Host
from .. import override_lines, rendering
from ..filtering import Filter, Stage, restarting
from ..observed import Observed, content, round_it
from .declaration import SERVER, Declared

NAME = "dnsmasq"
UNIT = "dnsmasq.service"
CONF = "/etc/dnsmasq.conf"
FOLDER = "/etc/dnsmasq.d"
FILE_NAME = "proscribe.conf"


def missing(host: Host, observed: Observed) -> str:
    """What this backend lacks on a host, and what to do about it; "" if it is possible."""
    if UNIT not in observed.units:
        return f"{UNIT} does not run: install dnsmasq, start it and have the host ask it"
    if not _folders(host, observed.units[UNIT]):
        return f"dnsmasq reads no folder of drop-ins: add conf-dir={FOLDER},*.conf to {CONF}"
    return ""


def describe(host: Host, observed: Observed) -> Filter:
    """The host's dnsmasq as a filter."""
    pid = observed.units[UNIT]
    folders = _folders(host, pid)
    file = f"{folders[0]}/{FILE_NAME}"
    address = observed.local or "127.0.0.1"
    others = [CONF, *(f"{folder}/{name}" for folder in folders for name in host.list(folder) if name != FILE_NAME)]
    return Filter(
        manager=NAME,
        file=file,
        render=rendering.dnsmasq,
        stages=lambda text: [Stage({file: text}, restarting(UNIT), [(address, 53)], left=restarting(UNIT))],
        check=(host.tool("dnsmasq") or "dnsmasq", "--test", "-C"),
        units=(UNIT,),
        logs=UNIT if override_lines.logs_queries(content(host, path) for path in others) else "",
        bypasses=round_it(host, observed, NAME),
        openers=openers(host, others, command(host, pid)),
    )


def standing(host: Host, observed: Observed) -> list[Stage]:
    """What of this backend can be on a host."""
    folders = dict.fromkeys([*_folders(host, observed.units.get(UNIT, 0)), FOLDER])
    restart = restarting(UNIT, "try-restart") if UNIT in observed.units else []
    return [Stage({f"{folder}/{FILE_NAME}": ""}, (), (), left=restart) for folder in folders]


def command(host: Host, pid: int) -> list[str]:
    """The command line of a process."""
    return (host.text(f"/proc/{pid}/cmdline") or "").split("\0") if pid else []


def openers(host: Host, paths: Sequence[str], words: Sequence[str]) -> list[tuple[str, str, str]]:
    """The lines that open a name, with their files: of some files of dnsmasq, of those that they name, and of a command
    line. Deeper than that nobody reads.
    """
    texts = [("its command line", override_lines.command_line(words)), *((path, content(host, path)) for path in paths)]
    found = [(where, *one) for where, text in texts for one in override_lines.dnsmasq(text)]
    read = {*paths}
    for option, named in (pair for _, text in texts for pair in override_lines.dnsmasq_files(text)):
        lines = override_lines.hosts if option in override_lines.HOSTS else override_lines.dnsmasq
        for path in [f"{named}/{name}" for name in host.list(named)] or [named]:
            if path not in read and not path.endswith(f"/{FILE_NAME}"):
                read.add(path)
                found += [(path, *one) for one in lines(content(host, path))]
    return found


def _folders(host: Host, pid: int) -> list[str]:
    """The folders of drop-ins that dnsmasq reads, from its command line (Debian says it there) and its main file."""
    words = command(host, pid)
    said = [word.partition("=")[2] for word in words if word.startswith("--conf-dir=")]
    said += [after for word, after in zip(words, words[1:]) if word in ("-7", "--conf-dir")]
    said += [word[2:] for word in words if word.startswith("-7") and word != "-7"]
    options = (line.partition("=") for line in content(host, CONF).splitlines() if "conf-dir" in line)
    said += [word for key, _, value in options if key.strip() == "conf-dir" for word in value.split()[:1]]
    folders = [folder.partition(",")[0].rstrip("/") for folder in said]
    if not pid and host.stat(FOLDER) is not None:
        folders.append(FOLDER)
    return list(dict.fromkeys(folders))


DECLARED = Declared(NAME, SERVER, UNIT, (f"{FOLDER}/{FILE_NAME}",))
