"""Whole hosts for a test: containers of podman that boot with systemd and are reached over SSH by the real Ansible."""

import contextlib
import json
import os
import queue
import shutil
import signal
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import ledger
import roots
from conftest import layers, require_whole_hosts
from inotify import room
from patience import LONGEST, until
from processes import MERGED

PROJECT = Path(__file__).resolve().parents[2]
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
ANSIBLE = Path(os.environ.get("PROSCRIBE_ANSIBLE_PLAYBOOK") or Path(sys.executable).parent / "x").parent / "ansible"


class Machine:
    def __init__(self, name, address, directory):
        self.name, self.address, self.directory = name, address, directory

    @property
    def subnet(self):
        """The network of its controller and itself."""
        return f"{self.address.rpartition('.')[0]}.0/24"

    def run(self, *argv, check=True, stdin=None):
        """What a command in the container prints; not over SSH."""
        done = podman("exec", "--interactive", "--env", "COLUMNS", self.name, *argv, stdin=stdin, check=False)
        assert not check or done.returncode == 0, (argv, done.stdout, done.stderr)
        return done.stdout

    def there(self, path):
        return podman("exec", self.name, "test", "-e", path, check=False).returncode == 0

    def answers(self, seconds=3):
        """Whether a new SSH connection gets through."""
        ssh = ["ssh", "-F", "none", *self._ssh_options(), "-o", f"ConnectTimeout={seconds}"]
        argv = [*ssh, f"root@{self.address}", "true"]
        return subprocess.run(argv, capture_output=True, timeout=LONGEST).returncode == 0

    def _ssh_options(self):
        options = ("BatchMode=yes", "IdentitiesOnly=yes", f"UserKnownHostsFile={self.directory / 'known_hosts'}")
        return ["-i", str(self.directory / "key"), *(word for option in options for word in ("-o", option))]

    @property
    def connection(self):
        """The inventory variables by which Ansible reaches it."""
        ssh = " ".join(["-F none", *self._ssh_options()])
        return {"ansible_host": self.address, "ansible_user": "root", "ansible_ssh_common_args": ssh}

    def let_in(self):
        """Give the host the test's key, and learn the host's."""
        key = self.directory / "key"
        if not key.exists():
            subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(key)], check=True)
        root = self.directory / "machine/root"
        (root / "root/.ssh").mkdir(mode=0o700, exist_ok=True)  # or a boot makes it
        shutil.copy(key.with_suffix(".pub"), root / "root/.ssh/authorized_keys")
        host_key = (root / "etc/ssh/ssh_host_ed25519_key.pub").read_text()
        (self.directory / "known_hosts").write_text(f"{self.address} {host_key}")

    def _inventory(self, **more):
        inventory = self.directory / "inventory.yml"
        inventory.write_text(json.dumps({"all": {"hosts": {self.name: {**self.connection, **more}}}}))
        return str(inventory)

    def playbook(self, name, variables, reports, longest=LONGEST):
        return run_ansible(name, Path(self._inventory(**variables)), reports, longest)

    def controller(self, module, arguments, checkout=PROJECT, *options):
        """Start the real Ansible on one call of a module of a checkout."""
        empty = self.directory / "ansible.cfg"
        empty.touch()
        variables = {"CONFIG": empty, "PIPELINING": 1, "PYTHON_INTERPRETER": "auto_silent", "NOCOLOR": 1}
        variables |= {"LIBRARY": checkout / "library", "MODULE_UTILS": checkout / "module_utils"}
        variables |= {"ACTION_PLUGINS": checkout / "action_plugins", "DOC_FRAGMENT_PLUGINS": checkout / "doc_fragments"}
        environment = {**without_ansible(), **{f"ANSIBLE_{name}": str(value) for name, value in variables.items()}}
        argv = [str(ANSIBLE), "all", "-i", self._inventory(), "-m", module, "-a", json.dumps(arguments), *options]
        return Controller(subprocess.Popen(argv, env=environment, start_new_session=True, **MERGED))

    def call(self, module, arguments, checkout=PROJECT):
        return self.controller(module, arguments, checkout).answer()

    def reboot(self):
        """Restart systemd and the network; the kernel is the machine's."""
        podman("restart", "--time", "10", self.name)
        self.wait_until_booted()

    def wait_until_booted(self, states=("running",)):
        until(lambda: self.run("systemctl", "is-system-running", "--wait", check=False).strip() in states)


class Controller:
    def __init__(self, process):
        self.process = process

    def answer(self):
        """The answer of the module, with `failed` where it failed, or `unreachable`."""
        said, _ = self.process.communicate(timeout=LONGEST)
        start = said.find("=> {")
        assert start > 0, said
        answer = json.loads(said[start + 3 :])
        return {**answer, "failed": "FAILED!" in said[:start], "unreachable": "UNREACHABLE!" in said[:start]}

    def kill(self):
        """End it at once: the process, and its workers, which are no group of its."""
        pids = [self.process.pid]
        for pid in pids:
            pids += map(int, Path(f"/proc/{pid}/task/{pid}/children").read_text().split())
        for pid in pids:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        self.process.wait()


def run_ansible(playbook, inventory, reports, longest=LONGEST, *options, **environment):
    command = [f"{ANSIBLE}-playbook", str(PROJECT / f"playbooks/{playbook}.yml"), "-i", str(inventory), *options]
    own = {"ANSIBLE_CONFIG": str(PROJECT / "ansible.cfg"), "PROSCRIBE_REPORTS": str(reports)}
    variables = {**without_ansible(), **own, **environment}
    return subprocess.run(command, env=variables, cwd=PROJECT, capture_output=True, text=True, timeout=longest)


def read_records(reports, run="latest"):
    lines = (reports / run / "hosts.jsonl").read_text().splitlines()
    return {record["host"]: record for record in map(json.loads, lines)}


def without_ansible():
    """The environment, without the variables that Ansible or the project reads."""
    return {name: value for name, value in os.environ.items() if not name.startswith(("ANSIBLE_", "PROSCRIBE_"))}


def podman(*words, stdin=None, check=True, timeout=LONGEST):
    quiet = {**os.environ, "PODMAN_IGNORE_CGROUPSV1_WARNING": "1"}
    argv = ["podman", "--runtime", "runc", *words]
    done = subprocess.run(argv, env=quiet, input=stdin, capture_output=True, text=True, check=False, timeout=timeout)
    assert not check or done.returncode == 0, (argv, done.stderr)
    return done


@contextlib.contextmanager
def booted(called, number=1, root="trixie-managed", states=("running",)):
    """Boot hosts on an isolated network, until systemd has one of these states. The controller is .1 in it."""
    with tempfile.TemporaryDirectory(prefix=f"proscribe-{called}-") as place, network(called) as (net, prefix):
        hosts = [Machine(f"{net}-{n}", f"{prefix}.{n + 2}", Path(place) / str(n)) for n in range(number)]
        with contextlib.ExitStack() as stack:
            for host in hosts:
                # As a real machine, it has the same card after a restart: podman's own would be another, and the
                # controller's kernel does not ask again for half a minute.
                card = ":".join(f"{int(part):02x}" for part in ("2", "0", *host.address.split(".")))
                where = ("--network", net, "--ip", host.address, "--mac-address", card)
                stack.enter_context(booting(host.name, root, host.directory, *where))
            for host in hosts:
                host.wait_until_booted(states)
                host.let_in()
            yield hosts


@contextlib.contextmanager
def booting(name, root, directory, *options, hostname=""):
    """Boot a host of a root or of layers; `options` are podman's. Yield its layers: the newest has what it writes."""
    require_whole_hosts()
    stack = layers(root) if isinstance(root, str) else root
    place = directory / "machine"
    try:
        with room(), roots.mounted(stack, place) as merged:
            # --no-hosts: podman would mount /etc/hosts, and a real host's is a file. Without the variable, which podman
            # sets for images alone, systemd takes the machine for its own, and changes limits of the kernel.
            who = ("--name", name, "--hostname", hostname or name, "--no-hosts", "--env", "container=podman")
            how = ("--systemd", "always", "--privileged", *options, "--rootfs", str(merged), *BOOT)
            machine_id = (merged / "etc/machine-id").read_text().strip()
            group = f"proscribe-test-{machine_id}"  # tests/molecule/boot may make it
            ledger.add(cgroup=group)
            try:
                ledger.add(cgroup=f"libpod-{podman('run', '--detach', *who, *how).stdout.strip()}")
                yield (place / "upper", *stack)
            finally:
                podman("rm", "--force", "--ignore", "--time", "0", name, check=False)
                for place_of_group in Path("/sys/fs/cgroup").glob(f"*/{group}"):
                    subprocess.run(["find", str(place_of_group), "-depth", "-type", "d", "-delete"], check=False)
    finally:
        shutil.rmtree(place, ignore_errors=True)


@contextlib.contextmanager
def network(called):
    """Make an isolated network; return its name and prefix, which is for tests (RFC 2544) and not private."""
    name = f"proscribe-{called}-{os.getpid()}"
    taken = " ".join(route["dst"] for route in json.loads(subprocess.check_output(["ip", "-j", "route"])))
    for third in range(256):
        prefix = f"198.18.{third}"
        subnet = ("--subnet", f"{prefix}.0/24", "--gateway", f"{prefix}.1")
        create = ("network", "create", "--internal", "--disable-dns", *subnet, name)
        if f"{prefix}." not in taken and podman(*create, check=False).returncode == 0:
            break
    else:
        podman(*create)  # and see it say why not
    try:
        yield name, prefix
    finally:
        podman("network", "rm", "--force", name, check=False)


@contextlib.contextmanager
def played(request, called, number, afterwards=lambda host: None, root="trixie-managed"):
    """Play a module's parameters `story` side by side. Each, or `afterwards`, leaves its host as it was."""
    items = [item for item in request.session.items if item.path == request.path and hasattr(item, "callspec")]
    stories = [item.callspec.params["story"] for item in items if "story" in item.callspec.params]
    with booted(called, min(number, len(stories)), root) as hosts:
        free = queue.SimpleQueue()
        for host in hosts:
            free.put(host)

        def play(story):
            host = free.get()
            try:
                story(host)
                afterwards(host)
            finally:
                free.put(host)

        with ThreadPoolExecutor(len(hosts)) as pool:
            yield {story: pool.submit(play, story) for story in stories}
