"""Other programs that ask the same hosts something: pyinfra (of the version here) and plain ssh."""

import re
import shlex
import shutil
import subprocess
import sys

from controller import NoResult, answered

PYINFRA = ("pyinfra", "3.10.0")
INSTALL = 1800  # seconds at most
COLOURS = re.compile(r"\x1b\[[0-9;]*m")


def environment(cache, package, version):
    """The virtual environment with that package. Raises NoResult with what pip reports."""
    python = f"{sys.version_info.major}.{sys.version_info.minor}"
    place = cache / f"{package}-{version}-python{python}"
    if not (place / "ready").exists():
        shutil.rmtree(place, ignore_errors=True)
        print(f"installing {package} {version} in {place}", file=sys.stderr, flush=True)
        for argv in (
            [sys.executable, "-m", "venv", str(place)],
            [str(place / "bin/pip"), "install", "--quiet", f"{package}=={version}"],
        ):
            done = subprocess.run(argv, capture_output=True, text=True, timeout=INSTALL)
            if done.returncode != 0:
                raise NoResult(f"{package} {version} cannot be installed on Python {python}: {done.stderr[-1500:]}")
        (place / "ready").touch()
    return place


class Peer:
    """One row. `connects`: new, if each run opens its connections, and else None."""

    name = ""
    connects = None

    def __init__(self, bench):
        self.bench = bench
        self.directory = bench.directory / self.name.replace(" ", "-")
        self.directory.mkdir(exist_ok=True)

    @property
    def addresses(self):
        return {f"host{number}": self.bench.fleet.address(number) for number in self.bench.numbers}

    def prepare(self):
        """Write what a run needs for the hosts of the bench's inventory."""

    def run(self):
        raise NotImplementedError

    def complete(self, count, output):
        """Raise NoResult unless so many hosts answered as there are."""
        if count != len(self.bench.numbers):
            raise NoResult(f"{self.name}: {count} of {len(self.bench.numbers)} hosts answered:\n{output[-3000:]}")


class Pyinfra(Peer):
    """`fact deb.DebPackages`, as parallel as Ansible's forks."""

    name, connects = "pyinfra", "new"

    def __init__(self, bench, cache):
        super().__init__(bench)
        self.program = environment(cache, *PYINFRA) / "bin/pyinfra"

    def prepare(self):
        common = {
            "ssh_user": "root",
            "ssh_key": self.bench.key,
            "ssh_known_hosts_file": str(self.directory / "known_hosts"),
            "ssh_strict_host_key_checking": "accept-new",
        }
        hosts = [(name, {**common, "ssh_hostname": address}) for name, address in self.addresses.items()]
        (self.directory / "known_hosts").touch()
        (self.directory / "inventory.py").write_text(f"hosts = {hosts!r}\n")

    def run(self):
        argv = [str(self.program), "--parallel", str(self.bench.forks), str(self.directory / "inventory.py")]
        cost, done = self.bench.count(self.name, [*argv, "fact", "deb.DebPackages"], self.bench.environment)
        printed = COLOURS.sub("", done.stdout + done.stderr)
        self.complete(len(re.findall(r'^\s*"dpkg": \[', printed, re.MULTILINE)), printed)
        return cost


class Ssh(Peer):
    """Plain ssh, as many at once as Ansible's forks: `true`, over the masters that Ansible uses too."""

    name = "ssh true"

    @property
    def options(self):
        masters = ["-o", "ControlMaster=no", "-o", "ControlPath=none"]
        if not self.bench.closed:
            masters = self.bench.persist[1:]  # and for each address its own path
        return [*self.bench.ssh, "-C", "-o", "LogLevel=ERROR", "-i", self.bench.key, *masters]

    def prepare(self):
        lines = [f"-o ControlPath={self.path(address)} root@{address}\n" for address in self.addresses.values()]
        (self.directory / "addresses").write_text("".join(lines))
        (self.directory / "true").write_text("".join(f"{line[:-1]} true\n" for line in lines))

    def path(self, address):
        """The socket of its master; none where each run has to connect."""
        return "none" if self.bench.closed else str(self.bench.master(address))

    def parallel(self, argv, lines="addresses"):
        """Run a command once for each address, with the words of its line as the last arguments."""
        xargs = ["xargs", "-a", str(self.directory / lines), "-P", str(self.bench.forks), "-L", "1"]
        return self.bench.count(self.name, [*xargs, *argv], self.bench.environment)[0]

    def run(self):
        return self.parallel(["ssh", "-n", *self.options], "true")


class SshAudit(Ssh):
    """The bytes that an audit pipes to a host that has the code, and a file for what each answers."""

    name = "ssh audit"

    def prepare(self):
        super().prepare()
        code, piped = self.bench.streamed()
        (self.directory / "piped").write_bytes(piped)
        remote = shlex.join(["/usr/bin/python3", "-I", "-S", "-c", code])
        argv = shlex.join(["ssh", *self.options])
        here = shlex.quote(str(self.directory))
        script = f'exec {argv} "$@" {shlex.quote(remote)} <{here}/piped >{here}/"$3"\n'
        (self.directory / "one.sh").write_text(script)

    def run(self):
        files = [self.directory / f"root@{address}" for address in self.addresses.values()]
        for file in files:
            file.unlink(missing_ok=True)
        cost = self.parallel(["sh", str(self.directory / "one.sh")])
        texts = [file.read_text() for file in files if file.exists()]
        self.complete(sum(map(answered, texts)), "".join(texts))
        return cost
