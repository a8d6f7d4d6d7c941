"""Whole hosts for a test: containers that boot with systemd and are reached over SSH by the real Ansible.

Their network leads nowhere else. Made by root with podman, from the images that Molecule's hosts are made from.

Most of what such a test does is waiting. So a test may be a story of one host, and stories are played side by side on
several hosts (`played`).
"""

from __future__ import annotations

import contextlib
import json
import os
import queue
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from conftest import not_made, require_root, require_tool
from patience import LONGEST, until

PROJECT = Path(__file__).resolve().parents[2]
IMAGE = PROJECT / "tests/molecule/image"
BOOT = ("/bin/sh", "-c", (PROJECT / "tests/molecule/boot").read_text())  # the first process of a host
# More accounts for a host, beside root and admin: sudo asks bob and carol for a password.
ACCOUNTS = """\
set -eu
for user in bob carol; do
    useradd --create-home --shell /bin/bash $user
    echo $user:secret | chpasswd
    echo "$user ALL=(ALL) ALL" >/etc/sudoers.d/$user
done
for user in bob carol admin; do
    install -d -o $user -g $user -m 700 /home/$user/.ssh
    install -o $user -g $user -m 600 /root/.ssh/authorized_keys /home/$user/.ssh/authorized_keys
done
"""
TOOLS = ("podman", "runc", "mmdebstrap", "ssh", "ssh-keygen", "ip")
ANSIBLE = Path(os.environ.get("PROSCRIBE_ANSIBLE_PLAYBOOK") or Path(sys.executable).parent / "x").parent / "ansible"


class Machine:
    """A host of the test, and a controller for it."""

    def __init__(self, name: str, address: str, directory: Path) -> None:
        self.name, self.address, self.directory = name, address, directory

    def run(self, *argv: str, check: bool = True, stdin: str | None = None) -> str:
        """What a command in the container prints; not over SSH."""
        done = podman("exec", "--interactive", self.name, *argv, stdin=stdin, check=False)
        assert not check or done.returncode == 0, (argv, done.stdout, done.stderr)
        return done.stdout

    def there(self, path: str) -> bool:
        """Whether a file is there."""
        return podman("exec", self.name, "test", "-e", path, check=False).returncode == 0

    def answers(self, seconds: int = 3) -> bool:
        """Whether a new SSH connection gets through."""
        ssh = [
            "ssh",
            "-F",
            "none",
            *self._ssh_options(),
            "-o",
            f"ConnectTimeout={seconds}",
            f"root@{self.address}",
            "true",
        ]
        return subprocess.run(ssh, capture_output=True, timeout=LONGEST).returncode == 0

    def _ssh_options(self) -> list[str]:
        known = self.directory / "known_hosts"
        options = ("BatchMode=yes", "IdentitiesOnly=yes", f"UserKnownHostsFile={known}")
        return ["-i", str(self.directory / "key"), *(word for option in options for word in ("-o", option))]

    def let_in(self) -> None:
        """Give the host the test's key, and learn the host's."""
        key = self.directory / "key"
        if not key.exists():
            subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(key)], check=True)
        authorize = "umask 077 && mkdir -p /root/.ssh && cat >/root/.ssh/authorized_keys"
        self.run("sh", "-c", authorize, stdin=key.with_suffix(".pub").read_text())
        host_key = self.run("cat", "/etc/ssh/ssh_host_ed25519_key.pub")
        (self.directory / "known_hosts").write_text(f"{self.address} {host_key}")

    def _inventory(self, **more: Any) -> str:
        ssh = " ".join(["-F none", *self._ssh_options()])
        inventory = self.directory / "inventory.yml"
        variables = {"ansible_host": self.address, "ansible_user": "root", "ansible_ssh_common_args": ssh, **more}
        inventory.write_text(json.dumps({"all": {"hosts": {self.name: variables}}}))
        return str(inventory)

    def playbook(
        self, name: str, variables: Mapping[str, Any], reports: Path, longest: float = LONGEST
    ) -> subprocess.CompletedProcess[str]:
        """Run a playbook of the project on this host alone."""
        return run_ansible(name, Path(self._inventory(**variables)), reports, longest)

    def controller(
        self, module: str, arguments: Mapping[str, Any], checkout: Path = PROJECT, *options: str
    ) -> Controller:
        """Start the real Ansible on one call of a module of a checkout."""
        inventory = self._inventory()
        empty = self.directory / "ansible.cfg"
        empty.touch()
        paths = {
            "ANSIBLE_CONFIG": empty,
            "ANSIBLE_LIBRARY": checkout / "library",
            "ANSIBLE_MODULE_UTILS": checkout / "module_utils",
            "ANSIBLE_ACTION_PLUGINS": checkout / "action_plugins",
            "ANSIBLE_DOC_FRAGMENT_PLUGINS": checkout / "doc_fragments",
        }
        quiet = {"ANSIBLE_PIPELINING": "1", "ANSIBLE_PYTHON_INTERPRETER": "auto_silent", "ANSIBLE_NOCOLOR": "1"}
        return Controller(
            subprocess.Popen(
                [str(ANSIBLE), "all", "-i", inventory, "-m", module, "-a", json.dumps(arguments), *options],
                env={**_without_ansible(), **quiet, **{name: str(path) for name, path in paths.items()}},
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
                start_new_session=True,
            )
        )

    def call(self, module: str, arguments: Mapping[str, Any], checkout: Path = PROJECT) -> dict[str, Any]:
        """What a module of a checkout answers for this host."""
        return self.controller(module, arguments, checkout).answer()

    def reboot(self) -> None:
        """Restart systemd and the network; the kernel is the machine's."""
        podman("restart", "--time", "10", self.name)
        self.wait_until_booted()

    def wait_until_booted(self, states: Sequence[str] = ("running",)) -> None:
        until(lambda: self.run("systemctl", "is-system-running", "--wait", check=False).strip() in states)


class Controller:
    """An Ansible that runs."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self.process = process

    def answer(self) -> dict[str, Any]:
        """The answer of the module, with `failed` where it failed, or `unreachable`."""
        said, _ = self.process.communicate(timeout=LONGEST)
        start = said.find("=> {")
        assert start > 0, said
        answer: dict[str, Any] = json.loads(said[start + 3 :])
        return {**answer, "failed": "FAILED!" in said[:start], "unreachable": "UNREACHABLE!" in said[:start]}

    def kill(self) -> None:
        """End it at once: the process, and its workers, which are no group of its."""
        pids = [self.process.pid]
        for pid in pids:
            pids += map(int, Path(f"/proc/{pid}/task/{pid}/children").read_text().split())
        for pid in pids:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        self.process.wait()


def run_ansible(
    playbook: str, inventory: Path, reports: Path, longest: float = LONGEST, *options: str
) -> subprocess.CompletedProcess[str]:
    """Run a playbook of the project on the hosts of an inventory."""
    command = [f"{ANSIBLE}-playbook", str(PROJECT / f"playbooks/{playbook}.yml"), "-i", str(inventory), *options]
    own = {"ANSIBLE_CONFIG": str(PROJECT / "ansible.cfg"), "PROSCRIBE_REPORTS": str(reports)}
    environment = {**_without_ansible(), **own}
    return subprocess.run(command, env=environment, cwd=PROJECT, capture_output=True, text=True, timeout=longest)


def _without_ansible() -> dict[str, str]:
    """The environment, without what it tells Ansible or the project."""
    return {name: value for name, value in os.environ.items() if not name.startswith(("ANSIBLE_", "PROSCRIBE_"))}


def podman(
    *words: str, stdin: str | None = None, check: bool = True, timeout: float = LONGEST
) -> subprocess.CompletedProcess[str]:
    quiet = {**os.environ, "PODMAN_IGNORE_CGROUPSV1_WARNING": "1"}
    argv = ["podman", "--runtime", "runc", *words]
    done = subprocess.run(argv, env=quiet, input=stdin, capture_output=True, text=True, check=False, timeout=timeout)
    assert not check or done.returncode == 0, (argv, done.stderr)
    return done


def image(suite: str, *packages: str) -> str:
    """The image of hosts of that Debian, made on first use."""
    made = subprocess.run([str(IMAGE), suite, *packages], capture_output=True, text=True, timeout=3 * LONGEST)
    if made.returncode:
        not_made(suite, made.stderr)
    return made.stdout.strip()


@contextlib.contextmanager
def booted(
    made: str, name: str, network: str, directory: Path, number: int, states: Sequence[str] = ("running",)
) -> Iterator[list[Machine]]:
    """Hosts of an image that have booted, to one of these states of systemd. `network` begins the addresses of their
    own /24: the controller is .1, the hosts are .2 and so on.
    """
    subnet = ("--subnet", f"{network}.0/24", "--gateway", f"{network}.1")
    podman("network", "create", "--ignore", "--internal", "--disable-dns", *subnet, name)
    hosts = [Machine(f"{name}-{n}", f"{network}.{n + 2}", directory / str(n)) for n in range(number)]
    try:
        for host in hosts:
            # --no-hosts: podman would mount /etc/hosts, and a real host's is a file.
            who = ("--name", host.name, "--hostname", host.name, "--no-hosts")
            place = ("--network", name, "--ip", host.address)
            how = ("--systemd", "always", "--privileged", made, *BOOT)
            podman("run", "--detach", "--replace", *who, *place, *how)
        for host in hosts:
            host.directory.mkdir()
            host.wait_until_booted(states)
            host.let_in()
        yield hosts
    finally:
        podman("rm", "--force", "--ignore", "--time", "2", *(host.name for host in hosts), check=False)
        podman("network", "rm", "--force", name, check=False)


@contextlib.contextmanager
def machines(
    name: str, network: str, directory: Path, number: int, packages: Sequence[str] = (), suite: str = "trixie"
) -> Iterator[list[Machine]]:
    """Booted hosts with firewalld and ufw, neither of them running, and with some `packages` more (see `booted`)."""
    with booted(image(suite, "firewalld", "ufw", *packages), name, network, directory, number) as hosts:
        for host in hosts:
            docker = ["docker.socket", "docker"] * ("docker.io" in packages)
            host.run("systemctl", "--quiet", "disable", "--now", "firewalld", "ufw", *docker)
            host.run("nft", "flush", "ruleset")
        yield hosts


Story = Callable[[Machine], None]


@contextlib.contextmanager
def played(
    request: pytest.FixtureRequest,
    name: str,
    network: str,
    number: int,
    afterwards: Story = lambda host: None,
    packages: Sequence[str] = (),
) -> Iterator[Mapping[Story, Future[None]]]:
    """The stories of a test module's parameters `story` that are to be run, each on one of some hosts, side by side.

    Each leaves its host as it found it, for the next one, or `afterwards` does.
    """
    require_root()
    for tool in TOOLS:
        require_tool(tool)
    here = [item for item in request.session.items if item.path == request.path]
    parameters: list[Mapping[str, Any]] = [item.callspec.params for item in here if hasattr(item, "callspec")]
    stories: Sequence[Story] = [each["story"] for each in parameters if "story" in each]
    factory: pytest.TempPathFactory = request.getfixturevalue("tmp_path_factory")
    with machines(name, network, factory.mktemp(name), min(number, len(stories)), packages) as hosts:
        free: queue.SimpleQueue[Machine] = queue.SimpleQueue()
        for host in hosts:
            free.put(host)

        def play(story: Story) -> None:
            host = free.get()
            try:
                story(host)
                afterwards(host)
            finally:
                free.put(host)

        with ThreadPoolExecutor(len(hosts)) as pool:
            yield {story: pool.submit(play, story) for story in stories}
