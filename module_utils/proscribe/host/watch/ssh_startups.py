"""Detection of an sshd that refuses new connections, because too many connections have not logged in.

The limit is MaxStartups (sshd_config(5)). Every account of a host can reach the limit with idle connections. Then no
run of the controller can connect. The title of sshd's listening process shows the number of such connections: "sshd:
/usr/sbin/sshd -D [listener] 67 of 10-100 startups".
"""

from __future__ import annotations

from ..system import Host, Process

SSH_RULE = "watch/ssh"
SSHD = "/sshd"
PID_FILE = "/run/sshd.pid"
MAX_CONNECTION_LINES = 20_000  # most lines that are read of each of the kernel's connection tables
LISTENER = "[listener] "
MAX_DIGITS = 6
_ESTABLISHED = "01"


def find_full_sshd(host: Host) -> tuple[str, list[str]]:
    """Return a message about an sshd that refuses connections, and the host's users who are connected to it.

    The message is "" if sshd accepts every connection.
    """
    for process in _list_candidates(host):
        # Only root's processes count: a user can give any title to a program.
        if process.exe.endswith(SSHD) and host.find_process_uid(process) == 0:
            waiting, first_limit, last_limit = _parse_title(host.read_process_file(process.pid, "cmdline"))
            if waiting >= first_limit > 0:
                refused = "all others" if waiting >= last_limit else "some of the others"
                users = _count_by_user(host)
                user_text = "; ".join(f"{user_count} from this host by {name}" for name, user_count in users.items())
                message = (
                    f"sshd refuses {refused}: {waiting} connections have not logged in (MaxStartups "
                    f"{first_limit}-{last_limit})"
                )
                return f"{message}{user_text and '; '}{user_text}", list(users)
    return "", []


def _parse_title(title: str) -> tuple[int, int, int]:
    """Return the number of connections that have not logged in, and the two limits of MaxStartups.

    From the first limit on, sshd refuses some new connections; from the second limit on, all of them. Returns (0, 0, 0)
    for a title of another form. Regular expressions would cost more time than everything else in this module.
    """
    words = title.partition(LISTENER)[2].rstrip("\0").split()
    if not title.startswith("sshd: ") or len(words) != 4 or words[1::2] != ["of", "startups"]:
        return 0, 0, 0
    numbers = [words[0], *words[2].split("-")]
    if len(numbers) != 3 or not all(count.isdecimal() and len(count) <= MAX_DIGITS for count in numbers):
        return 0, 0, 0
    count, first_limit, last_limit = map(int, numbers)
    return count, first_limit, last_limit


def _list_candidates(host: Host) -> list[Process]:
    """Return the processes that may be sshd: the process in PID_FILE, or else all processes.

    The search in all processes takes longer. So it is done only if PID_FILE does not name an sshd.
    """
    pid_text = (host.read_text(PID_FILE) or "").strip()
    process = host.find_process(int(pid_text)) if pid_text.isdecimal() and len(pid_text) < 10 else None
    return [process] if process and process.exe.endswith(SSHD) else host.list_processes()[0]


def _count_by_user(host: Host) -> dict[str, int]:
    """Return the number of open connections from this host to its sshd, by user name.

    The result has the three users with the most connections. Connections of root are not counted.
    """
    from ..controls import management_exemptions  # imported only on a host whose sshd refuses connections

    ports = {f"{port:04X}" for port in management_exemptions.read_ssh_ports(host)}
    counts: dict[int, int] = {}
    for table in ("/proc/net/tcp", "/proc/net/tcp6"):
        lines = [line.split() for line in (host.read_text(table) or "").splitlines()[1 : MAX_CONNECTION_LINES + 1]]
        # fields: 1 local end, 2 remote end, 3 state, 7 user id (proc_net_tcp(5))
        entries = [fields for fields in lines if len(fields) > 7 and fields[3] == _ESTABLISHED]
        endpoints = {(fields[1], fields[2]) for fields in entries}
        for fields in entries:
            is_local = (fields[2], fields[1]) in endpoints  # both ends of the connection are on this host
            if fields[2].rpartition(":")[2] in ports and is_local and fields[7].isdecimal() and int(fields[7]):
                counts[int(fields[7])] = counts.get(int(fields[7]), 0) + 1
    counted = sorted(counts.items(), key=lambda pair: (-pair[1], pair[0]))[:3]
    return {host.find_account(uid).name: count for uid, count in counted}
