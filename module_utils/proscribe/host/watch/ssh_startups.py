"""sshd that refuses new connections, since too many others have not logged in yet (MaxStartups, sshd_config(5)).

Every account of a host can fill these places with idle connections. Then no run reaches the host. sshd's listener has
their number in its title: "sshd: /usr/sbin/sshd -D [listener] 67 of 10-100 startups".
"""

from __future__ import annotations

from ..system import Host, Process

RULE = "watch/ssh"
SSHD = "/sshd"
PID_FILE = "/run/sshd.pid"
MOST_LINES = 20_000  # of a table of connections
LISTENER = "[listener] "
MOST_DIGITS = 6
_ESTABLISHED = "01"


def find_full_sshd(host: Host) -> tuple[str, list[str]]:
    """Return what sshd's full places are about, and which of this host's users have connections to it. "" where sshd
    takes every connection.
    """
    for process in _list_candidates(host):
        # Only root's processes count: a user can give any title to a program.
        if process.exe.endswith(SSHD) and host.user_of(process) == 0:
            number, first, last = _parse_title(host.of_process(process.pid, "cmdline"))
            if number >= first > 0:
                refused = "all others" if number >= last else "some of the others"
                users = _count_by_user(host)
                of_users = "; ".join(f"{count} from this host by {name}" for name, count in users.items())
                message = (
                    f"sshd refuses {refused}: {number} connections have not logged in (MaxStartups {first}-{last})"
                )
                return f"{message}{of_users and '; '}{of_users}", list(users)
    return "", []


def _parse_title(title: str) -> tuple[int, int, int]:
    """Return how many connections have not logged in, and from which numbers on some and all others are refused. Zeros
    for another title. Regular expressions would cost more than all else here.
    """
    words = title.partition(LISTENER)[2].rstrip("\0").split()
    if not title.startswith("sshd: ") or len(words) != 4 or words[1::2] != ["of", "startups"]:
        return 0, 0, 0
    numbers = [words[0], *words[2].split("-")]
    if len(numbers) != 3 or not all(number.isdecimal() and len(number) <= MOST_DIGITS for number in numbers):
        return 0, 0, 0
    number, first, last = map(int, numbers)
    return number, first, last


def _list_candidates(host: Host) -> list[Process]:
    """List sshd by its file in /run; where that does not lead to it, all processes, which costs more."""
    number = (host.text(PID_FILE) or "").strip()
    process = host.process(int(number)) if number.isdecimal() and len(number) < 10 else None
    return [process] if process and process.exe.endswith(SSHD) else host.processes()[0]


def _count_by_user(host: Host) -> dict[str, int]:
    """Return how many connections to sshd each user of this host has open from it, most first; root's left out."""
    from ..controls import management_exemptions  # only a host whose sshd is full pays for it

    ports = {f"{port:04X}" for port in management_exemptions.ssh_ports(host)}
    numbers: dict[int, int] = {}
    for table in ("/proc/net/tcp", "/proc/net/tcp6"):
        lines = [line.split() for line in (host.text(table) or "").splitlines()[1 : MOST_LINES + 1]]
        entries = [fields for fields in lines if len(fields) > 7 and fields[3] == _ESTABLISHED]
        there = {(fields[1], fields[2]) for fields in entries}
        for fields in entries:
            from_here = (fields[2], fields[1]) in there  # the other end is on this host, too
            if fields[2].rpartition(":")[2] in ports and from_here and fields[7].isdecimal() and int(fields[7]):
                numbers[int(fields[7])] = numbers.get(int(fields[7]), 0) + 1
    counted = sorted(numbers.items(), key=lambda pair: (-pair[1], pair[0]))[:3]
    return {host.account(number).name: count for number, count in counted}
