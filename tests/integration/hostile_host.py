"""Hosts in hostile hands, over real SSH. One sshd on loopback is all of them, and starts this file for each command.

By the address that was called it does what stands in that host's file; a host without a file is honest.
"""

import base64
import contextlib
import json
import marshal
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import NamedTuple

PROJECT = Path(__file__).resolve().parents[2]
MARK = "\nproscribe-answer:"
# What it has in its quarantine.
ITEM = {"id": "wechat-0123abcd", "group": "", "services": ["wechat"], "bytes": 5000, "finished": True}
ITEM |= {"kind": "tree", "path": "/home/alice/WeChat", "whole": "/home/alice/WeChat", "owner": "alice"}
ITEM |= {"place_of": "alice", "taken_at": "2026-11-25T00:30:05Z", "kept_until": ""}


class Call(NamedTuple):
    """What is asked of a host: `kind` is observe, module, collect or other (Ansible's own small commands)."""

    kind: str
    command: str

    def read(self):
        """What came with the call; a module that comes as a file has a terminal there, which has no end."""
        return b"" if sys.stdin.isatty() else sys.stdin.buffer.read()

    def head(self):
        """The head of a streamed observation, {} for none. The rest is read too, or ssh would report a broken pipe."""
        sent = self.read()
        return dict(marshal.loads(base64.b64decode(sent.splitlines()[1]))[1]) if sent else {}


def session_call():
    command = os.environ.get("SSH_ORIGINAL_COMMAND", "")
    if "reply(*given" in command or "proscribe-answer" in command:  # the stream, or the program that a host caches
        return Call("observe", command)
    if "proscribe-record" in command:
        return Call("collect", command)
    quiet = any(word in command for word in ("echo FOUND", "mkdir", "chmod", "rm -f", "setfacl", "echo ~"))
    return Call("other" if quiet or "python" not in command else "module", command)


def record(plan, **changes):
    """An honest record with everything in order."""
    platform = {"os": "debian", "version": "13", "kernel": "6", "architecture": "x", "python": "3.13.5"}
    at = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
    head = {"schema": "proscribe/host/1", "state": "compliant", "plan": f"sha256:{plan}", "checked_at": at}
    rules = {"rules_evaluated": 300, "rules_not_applicable": 0, "rules": [], "attempts": {}, "errors": []}
    return {**head, **rules, "platform": platform, "duration_ms": 40, **changes}


def drifted(plan):
    """An honest answer of a host on which something is wrong."""
    finding = {"kind": "hosts_line", "id": "a.example", "manager": "hosts", "detail": "not blocked"}
    rule = {"rule": "dns/whatsapp", "state": "noncompliant", "waiver": None, "reason": None, "findings": [finding]}
    changes = {"state": "noncompliant", "rules": [rule]}
    return {"changed": False, "record": record(plan, **changes), "drifted": ["dns"], "privileged": True}


def send_record(answer):
    print(MARK + (answer if isinstance(answer, str) else json.dumps(answer)), flush=True)


def good(call):
    if call.kind == "observe":
        send_record({"changed": False, "record": record(call.head()["plan"]), "drifted": [], "privileged": True})
    elif call.kind == "module":
        call.read()
        change = {"changed": True, "actions": ["block a.example"], "refused": [], "findings": [], "diff": []}
        print(json.dumps({**change, "quarantined": [ITEM]}))  # it is whatever module it is asked for
    elif call.kind == "other":
        os.execv("/bin/sh", ["sh", "-c", call.command])


def main(directory):
    address = os.environ["SSH_CONNECTION"].split()[2]
    attack = Path(directory, f"{address}.attack")
    call = session_call()
    with Path(directory, "calls.log").open("a") as log:
        log.write(f"{address} {call.kind}\n")
    if attack.exists():
        exec(attack.read_text(), {**globals(), "call": call})  # noqa: S102 - the attack that a test wrote
    else:
        good(call)


class Fleet:
    """Hosts, h1 to h4 unless it is made larger, and Ansible over them."""

    def __init__(self, directory, port):
        self.directory, self.port = directory, port
        self.more = {}  # of the environment
        self.inventory()

    def inventory(self, count=4, **variables):
        self.names = [f"h{number}" for number in range(1, count + 1)]
        options = f"-o UserKnownHostsFile=/dev/null -o StrictHostKeyChecking=no -o ControlPath={self.directory}/cm-%C"
        ssh = {"port": self.port, "ssh_private_key_file": str(self.directory / "key"), "ssh_common_args": options}
        ansible = {"user": "root", "python_interpreter": "/usr/bin/python3", **ssh}
        controls = {"apps": "off", "browser": "off", "firewall": "off", "dns": "enforce"}
        common = {"proscribe_controls": controls, "proscribe_history": "off", **variables}
        common |= {f"ansible_{name}": value for name, value in ansible.items()}
        hosts = {name: {"ansible_host": self.address(name)} for name in self.names}
        text = json.dumps({"department": {"hosts": hosts, "vars": common}})
        (self.directory / "fleet").mkdir(exist_ok=True)
        (self.directory / "fleet" / "hosts.yml").write_text(text)

    @property
    def honest(self):
        return [name for name in self.names if not (self.directory / f"{self.address(name)}.attack").exists()]

    def address(self, name):
        return f"127.0.9.{name[1:]}"

    def attack(self, name, program):
        """From now on that host does this: Python, with this file's names and the `call` that it is asked."""
        (self.directory / f"{self.address(name)}.attack").write_text(program)

    def run(self, playbook, *options, timeout=540):
        """Run a playbook over all hosts. Ends everything that it leaves."""
        home = self.directory / "reports"
        ansible = os.environ.get("PROSCRIBE_ANSIBLE_PLAYBOOK") or str(Path(sys.executable).parent / "ansible-playbook")
        rest = {name: value for name, value in os.environ.items() if not name.startswith(("ANSIBLE_", "PROSCRIBE_"))}
        more = {"NO_COLOR": "1", "COLUMNS": "10000", "PROSCRIBE_REPORTS": str(home), "LC_ALL": "C.UTF-8"}
        path = f"{Path(ansible).parent}:{rest['PATH']}"
        exit_file = self.directory / "exit"
        exit_file.unlink(missing_ok=True)
        started, before = time.monotonic(), os.times()
        argv = [ansible, str(PROJECT / f"playbooks/{playbook}.yml"), "-i", str(self.directory / "fleet"), *options]
        environment = {**rest, **more, **self.more, "PATH": path, "PROSCRIBE_EXIT_FILE": str(exit_file)}
        pipes = {"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE, "stderr": subprocess.STDOUT}
        child = subprocess.Popen(argv, cwd=PROJECT, env=environment, start_new_session=True, **pipes)
        try:
            output = child.communicate(timeout=timeout)[0]
        except subprocess.TimeoutExpired:
            os.killpg(child.pid, signal.SIGKILL)
            output = child.communicate()[0] + b"\n(the run did not end)"
        exit_code = exit_file.read_text().strip() if exit_file.exists() else ""
        cpu = sum(os.times()[2:4]) - sum(before[2:4])
        wall = time.monotonic() - started
        return Ended(child.returncode, output.decode("utf-8", "surrogateescape"), exit_code, wall, cpu)

    def records(self):
        """The records of the latest report, by host; empty where there is no report."""
        path = self.directory / "reports" / "latest" / "hosts.jsonl"
        lines = path.read_text().splitlines() if path.exists() else []
        return {record["host"]: record for record in map(json.loads, lines)}

    def states(self):
        return {host: record["state"] for host, record in self.records().items()}

    def connections(self):
        """The ssh clients of this fleet that still run, by their command lines."""
        return [line for line in command_lines(self.directory).values() if line.startswith(("ssh ", "ssh:"))]


def command_lines(directory):
    """The command lines of processes that name a directory, by their ids."""
    lines = {}
    for entry in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            lines[int(entry.name)] = (entry / "cmdline").read_bytes().replace(b"\0", b" ").decode("utf-8", "replace")
    return {pid: line.strip() for pid, line in lines.items() if str(directory) in line and pid != os.getpid()}


class Ended(NamedTuple):
    """How a run ended, all that it printed, the launcher's exit code, and what it took in seconds."""

    code: int
    said: str
    exit: str
    wall: float
    cpu: float


@contextlib.contextmanager
def fleet(directory):
    """Four hosts, all honest until a test makes some of them attack."""
    for name in ("host_key", "key"):
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(directory / name)], check=True)
    with socket.socket() as free:
        free.bind(("127.0.9.1", 0))
        port = free.getsockname()[1]
    command = directory / "session"
    command.write_text(f'#!/bin/sh\nexec "{sys.executable}" -I -S "{__file__}" "{directory}"\n')
    command.chmod(0o755)
    settings = f"ListenAddress 0.0.0.0\nPort {port}\nHostKey {directory}/host_key\nPidFile {directory}/sshd.pid\n"
    settings += f"AuthorizedKeysFile {directory}/key.pub\nForceCommand {command}\nPermitRootLogin yes\nStrictModes no\n"
    settings += "UsePAM no\nUseDNS no\nMaxStartups 100\nPrintMotd no\nSubsystem sftp internal-sftp\n"
    (directory / "sshd_config").write_text(settings)
    (directory / "passwd").write_text(
        "root:x:0:0::/root:/bin/sh\nsshd:x:101:65534::/run/sshd:/usr/sbin/nologin\nnobody:x:65534:65534::/:/bin/false\n"
    )
    os.makedirs("/run/sshd", exist_ok=True)
    start = f'mount --bind "{directory}/passwd" /etc/passwd && exec /usr/sbin/sshd -D -e -f "{directory}/sshd_config"'
    made = Fleet(directory, port)
    with (directory / "sshd.log").open("w") as log:
        server = subprocess.Popen(["unshare", "--mount", "sh", "-c", start], stderr=log, start_new_session=True)
    try:
        for _ in range(600):
            with contextlib.suppress(OSError), socket.create_connection(("127.0.9.1", port), 1) as connection:
                if connection.recv(4) == b"SSH-":
                    break
            time.sleep(0.1)
        yield made
    finally:
        server.terminate()
        server.wait()
        for pid, line in command_lines(directory).items():  # sessions and connections name the fleet's directory
            with contextlib.suppress(OSError):
                if "ssh" in line.split(" ")[0] or "hostile_host.py" in line:
                    os.kill(pid, signal.SIGKILL)


if __name__ == "__main__":
    main(sys.argv[1])
