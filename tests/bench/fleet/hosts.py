"""Hosts for the bench: an overlay over one Debian 13, in namespaces of its own for mounts, processes, network and name.

A host is no machine: it has no systemd running, no users at work, no disk and no processor of its own. All are reached
over SSH: one sshd in one more network namespace is every address of 10.77.0.0/16, and enters the host that was called.
"""

import contextlib
import io
import os
import subprocess
import sys
import tarfile
import time
from pathlib import Path

sys.path.append(str(Path(__file__).resolve().parents[1]))
from common import measure  # isort: split

import roots

NETWORK = "10.77"
SILENT = "10.78"  # addresses that say nothing
CONTROLLER = "10.76.0.1"  # whom the hosts see
EACH = 250  # addresses in a row
MOST = EACH * 250  # hosts that have addresses
HOMES = 200  # directories of ten files in the home of each host's user

# The first process of a host. It makes what a host has, says so, and waits.
BOOT = """\
set -eu
mount -t overlay -o "lowerdir=$1,upperdir=$2/upper,workdir=$2/work" overlay "$2/root"
mount -t proc proc "$2/root/proc"
mount -t tmpfs -o mode=755,size=8m tmpfs "$2/root/run"
mount -t tmpfs -o mode=755,size=1m tmpfs "$2/root/dev"
for device in null zero full random urandom; do
    touch "$2/root/dev/$device"
    mount --bind "/dev/$device" "$2/root/dev/$device"
done
ln -s /proc/self/fd "$2/root/dev/fd"
ip link set lo up
hostname "$3"
if [ -e "$2/root/etc/proscribe/firewall.nft" ]; then  # what the unit does when a host boots
    chroot "$2/root" nft -f /etc/proscribe/firewall.nft
fi
echo up
exec chroot "$2/root" sleep infinity
"""
# What every SSH session of the bench runs: the command, inside the host whose address was called.
ENTER = """\
#!/bin/sh
set -- $SSH_CONNECTION
IFS=.; set -- $3; unset IFS
host="{hosts}/$(( $3 * {each} + $4 - 1 ))"
read -r pid <"$host/pid"
exec nsenter --target "$pid" --mount --pid --net --uts --root --wdns=/root /usr/bin/env -i HOME=/root USER=root \\
    LOGNAME=root SHELL=/bin/sh PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin \\
    "SSH_CONNECTION=$SSH_CONNECTION" /bin/sh -c "$SSH_ORIGINAL_COMMAND"
"""


def base(directory):
    """The layers that all hosts begin with, the uppermost first: it is made there, and has their homes."""
    below = roots.layers("trixie-bench")
    top = directory / f"{below[0].name}-homes"
    if not (top / "ready").exists():
        for number in range(HOMES):
            folder = top / f"home/alice/work/{number // 20}/{number}"
            folder.mkdir(parents=True)
            for name in range(10):
                (folder / f"{name}.txt").write_text("minutes of a meeting\n")
        of_alice = next(found for layer in below if (found := layer / "home/alice").exists())
        for change in (["chown", "-R"], ["chmod"]):
            subprocess.run([*change, "--reference", str(of_alice), str(top / "home/alice")], check=True)
        (top / "etc").mkdir()
        (top / "etc/resolv.conf").write_text("nameserver 10.77.255.1\n")
        time.sleep(3)  # the next file scan does not rely on what changed just now
        (top / "ready").touch()
    return [top, *below]


class Fleet:
    """Hosts that run. `directory` is theirs; it has to be on a file system that an overlay can be upon."""

    def __init__(self, directory, layers, namespace):
        self.directory, self.namespace = directory, namespace
        self.layers = list(layers)  # what new hosts begin with, the uppermost first
        self.first = []  # the first process of each host, as seen from here

    @property
    def prefix(self):
        """What a command begins with that has to reach the hosts."""
        return ["ip", "netns", "exec", self.namespace]

    def address(self, number):
        return f"{NETWORK}.{number // EACH}.{number % EACH + 1}"

    def grow(self, count):
        apart = ["unshare", "--mount", "--pid", "--net", "--uts", "--fork", "--kill-child", "--propagation", "slave"]
        started = []
        for number in range(len(self.first), count):
            place = self.directory / "hosts" / str(number)
            for name in ("upper", "work", "root"):
                (place / name).mkdir(parents=True)
            argv = [*apart, "sh", "-c", BOOT, "boot", ":".join(map(str, self.layers)), str(place), f"host{number}"]
            started.append((place, subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True)))
            self.first.append(started[-1][1])
            if len(started) == 8 or number == count - 1:
                for place, process in started:
                    self._up(place, process)
                started = []

    def serve(self, addresses):
        """Let the hosts that run answer for so many addresses, in turn. No host can boot after that."""
        folder, roots = self.directory / "hosts", len(self.first)
        for number in range(roots, addresses):
            with contextlib.suppress(FileExistsError):
                (folder / str(number)).symlink_to(str(number % roots))

    @staticmethod
    def _up(place, process):
        assert process.stdout is not None
        if process.stdout.readline() != "up\n":
            raise SystemExit(f"{place} did not come up")
        process.stdout.close()
        children = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
        (place / "pid").write_text(f"{children[0]}\n")

    def begin_with(self, number):
        """From now on hosts begin as this one is: a golden image of it."""
        golden = self.directory / "golden"
        subprocess.run(["cp", "-a", str(self.directory / "hosts" / str(number) / "upper"), str(golden)], check=True)
        self.layers.insert(0, golden)

    def _enter(self, number):
        pid = (self.directory / "hosts" / str(number) / "pid").read_text().strip()
        return ["nsenter", "--target", pid, "--mount", "--pid", "--net", "--uts", "--root"]

    def run(self, number, *argv, stdin=None):
        done = subprocess.run([*self._enter(number), *argv], input=stdin, capture_output=True)
        if done.returncode != 0:
            raise SystemExit(f"host{number}: {argv} ended with {done.returncode}: {done.stderr.decode()}")
        return done.stdout.decode()

    def timed(self, number, argv, stdin):
        """How long a command takes inside a host, by the clock and of the processors; it has to end well."""
        return measure(lambda: self.run(number, *argv, stdin=stdin), children_only=True)

    def put(self, number, path, content=b"", mode=0o644):
        packed = io.BytesIO()
        with tarfile.open(fileobj=packed, mode="w") as archive:
            entry = tarfile.TarInfo(path.lstrip("/"))
            entry.size, entry.mode, entry.mtime = len(content), mode, int(time.time())
            archive.addfile(entry, io.BytesIO(content))
        self.run(number, "tar", "-xf", "-", "-C", "/", stdin=packed.getvalue())

    def close(self):
        for process in self.first:
            process.kill()
        for process in self.first:
            process.wait()


@contextlib.contextmanager
def fleet(directory, root, counted):
    """A fleet without hosts as yet, with the way to them. `counted` gets the process below which hosts are asked."""
    namespace = f"proscribe-fleet-{os.getpid()}"
    made = Fleet(directory, root, namespace)
    (directory / "hosts").mkdir()
    for name in ("host_key", "key"):
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(directory / name)], check=True)
    enter = directory / "enter"
    enter.write_text(ENTER.format(hosts=directory / "hosts", each=EACH))
    enter.chmod(0o755)
    settings = {
        "ListenAddress": "0.0.0.0",
        "HostKey": directory / "host_key",
        "AuthorizedKeysFile": directory / "key.pub",
        "PidFile": directory / "sshd.pid",
        "PermitRootLogin": "yes",
        "StrictModes": "no",
        "UsePAM": "no",
        "UseDNS": "no",
        "MaxStartups": "1000",
        "Subsystem": "sftp /usr/lib/openssh/sftp-server",
        "ForceCommand": enter,
    }
    (directory / "sshd_config").write_text("".join(f"{name} {value}\n" for name, value in settings.items()))
    # A session of this machine's root would begin with whatever his shell reads; the hosts' root has a plain one.
    passwd = directory / "passwd"
    passwd.write_text("root:x:0:0::/root:/bin/sh\nsshd:x:101:65534::/run/sshd:/usr/sbin/nologin\n")
    os.makedirs("/run/sshd", exist_ok=True)
    subprocess.run(["ip", "netns", "add", namespace], check=True)
    server = None
    try:
        for command in (
            ["link", "set", "lo", "up"],
            ["addr", "add", CONTROLLER, "dev", "lo"],
            ["route", "add", "local", f"{NETWORK}.0.0/16", "dev", "lo", "src", CONTROLLER],
            ["link", "add", "nowhere", "type", "veth", "peer", "name", "beyond"],
            ["link", "set", "nowhere", "up"],
            ["link", "set", "beyond", "up"],
            ["route", "add", f"{SILENT}.0.0/16", "dev", "nowhere", "src", CONTROLLER],
            # Frames to a neighbour that is not there: taken, and never answered.
            *(
                ["neigh", "add", f"{SILENT}.0.{n}", "lladdr", "02:00:00:00:00:01", "dev", "nowhere"]
                for n in range(1, 51)
            ),
        ):
            subprocess.run(["ip", "-n", namespace, *command], check=True)
        start = f'mount --bind "{passwd}" /etc/passwd && exec /usr/sbin/sshd -D -e -f "{directory}/sshd_config"'
        with (directory / "sshd.log").open("w") as log:
            server = subprocess.Popen([*made.prefix, "unshare", "--mount", "sh", "-c", start], stderr=log)
        counted(server.pid)
        yield made
    finally:
        if server is not None:
            server.terminate()
            server.wait()
        # The connections that Ansible keeps open hold the namespace, so they go with it.
        pids = subprocess.run(["ip", "netns", "pids", namespace], capture_output=True, text=True).stdout.split()
        if pids:
            subprocess.run(["kill", *pids], stderr=subprocess.DEVNULL)  # some end while this is read
        subprocess.run(["ip", "netns", "delete", namespace])
        made.close()
