"""Runs over the login shells that accounts have, over real SSH."""

import json
import shutil
import subprocess
import tarfile
import tempfile
from pathlib import Path

import machine as this_machine
import pytest
from conftest import missing
from machines import booted, podman, read_records, run_ansible
from patience import LONGEST

pytestmark = pytest.mark.whole_hosts

NU = "@nushell/linux-x64@0.115.1"  # Debian has none
# What passes a command on, in whatever language it has; `talks` greets with what looks like an answer.
PASSING = {
    **{name: f"/bin/{name}" for name in ("sh", "bash", "dash", "zsh", "ksh", "mksh", "csh", "tcsh", "fish")},
    "busybox": "/usr/local/bin/ash",
    "nu": "/usr/local/bin/nu",
    "talks": "/bin/bash",
}
# What does not, with what it is known by in the refusal.
REFUSED = {
    "rbash": ("/bin/rbash", "the login shell /bin/rbash of {user} on {host} does not run", "restricted"),
    "nologin": ("/usr/sbin/nologin", "the login shell of {user} on {host} does not run", "currently not available"),
    "menu": ("/usr/local/bin/menu", "the login shell of {user} on {host} does not run", "1) status 2) reboot"),
    "reader": ("/usr/local/bin/reader", "the login shell of {user} on {host} does not run", "exit code"),
    "bare": ("/usr/local/bin/bare", "the login shell of {user} on {host} does not run", "exit code"),
}
READ = "/var/lib/read"  # the lines that those have read which read their own input
# `import` and `from` are in the path of all: words that begins lines of Python.
PREPARE = rf"""
set -eu
ln -s /bin/busybox /usr/local/bin/ash
install -m 666 /dev/null {READ}
cat >/usr/local/bin/menu <<'END'
#!/bin/sh
echo '1) status'; echo '2) reboot'
while read -r choice; do printf '%s\n' "$choice" >>{READ}; done
END
cat >/usr/local/bin/reader <<'END'
#!/bin/sh
while read -r line; do printf '%s\n' "$line" >>{READ}; eval "$line"; done
END
printf '#!/bin/sh\nexec /bin/bash\n' >/usr/local/bin/bare
for word in import from def class try if marshal; do
    printf '#!/bin/sh\necho "$0 $*" >>{READ}.run\n' >/usr/local/bin/$word
done
chmod 755 /usr/local/bin/*
add() {{  # account, shell, more options
    account=$1 login=$2; shift 2
    useradd --create-home --shell $login "$@" $account
    install -d -o $account -m 700 /home/$account/.ssh
    install -o $account -m 600 /root/.ssh/authorized_keys /home/$account/.ssh/authorized_keys
}}
while read -r name shell; do
    add u-$name $shell
    echo u-$name:secret | chpasswd
    echo "u-$name ALL=(ALL) ALL" >/etc/sudoers.d/u-$name
    add r-$name $shell --non-unique --uid 0
done
for home in /home/u-talks /home/r-talks; do
    printf 'echo Welcome; printf "{{ not: json, proscribe-answer:{{}} "\n' >$home/.bashrc
done
echo 'MaxStartups 200' >/etc/ssh/sshd_config.d/many.conf
systemctl reload ssh
"""
OBSERVED = [*(f"{name}-{how}" for how in ("root", "sudo") for name in PASSING), "rbash-by-name", "csh-for-all"]


def nu():
    """The program `nu`, as npm has it; or the end of the test."""
    place = this_machine.CACHE / "nu"
    if not (place / "package/bin/nu").exists():
        if not shutil.which("npm"):
            missing("needs npm, which has nu")
        place.mkdir(exist_ok=True)
        done = subprocess.run(this_machine.outside(["npm", "pack", NU]), cwd=place, capture_output=True, text=True)
        if done.returncode:
            missing(f"npm has no nu: {done.stderr[-300:]}")
        with tarfile.open(place / done.stdout.split()[-1]) as archive:
            archive.extract("package/bin/nu", place, filter="data")
    return place / "package/bin/nu"


class Shells:
    """The host, and runs over its accounts."""

    def __init__(self, host, directory):
        self.host, self.inventory, self.reports = host, directory / "inventory.yml", directory / "reports"
        become = {"ansible_become_password": "secret"}
        both = [*PASSING, *REFUSED]
        names = {
            **{f"{name}-root": {"ansible_user": f"r-{name}", "ansible_become": False} for name in both},
            **{f"{name}-sudo": {"ansible_user": f"u-{name}", **become} for name in PASSING},
            "rbash-sudo": {"ansible_user": "u-rbash", **become},
            # as the refusal says
            "rbash-by-name": {"ansible_user": "u-rbash", "ansible_shell_executable": "sh", **become},
            "csh-for-all": {"ansible_user": "r-csh", "ansible_become": False, "ansible_shell_executable": "/bin/csh"},
        }
        controls = {"apps": "off", "browser": "off", "firewall": "off", "dns": "enforce"}
        common = {**host.connection, "proscribe_controls": controls, "proscribe_history": "off"}
        self.inventory.write_text(json.dumps({"all": {"hosts": names, "vars": common}}))

    def run(self, playbook, limit="all", **extra):
        options = ["--limit", limit, "-T", "40", "-e", json.dumps(extra)]
        done = run_ansible(playbook, self.inventory, self.reports, LONGEST, *options)
        return done.stdout + done.stderr, read_records(self.reports, "newest")


@pytest.fixture(scope="module")
def shells():
    program = nu()
    with tempfile.TemporaryDirectory() as directory, booted("shells", root="trixie-shells") as (host,):
        podman("cp", str(program), f"{host.name}:/usr/local/bin/nu")
        accounts = {**PASSING, **{name: shell for name, (shell, *_) in REFUSED.items()}}
        host.run("sh", "-c", PREPARE, stdin="".join(f"{name} {shell}\n" for name, shell in accounts.items()))
        yield Shells(host, Path(directory))


@pytest.fixture(scope="module")
def audited(shells):
    return shells.run("audit")


@pytest.mark.parametrize("host", OBSERVED)
def test_every_shell_that_runs_commands_passes_on_an_audit(audited, host):
    said, records = audited
    rules = records[host]["rules"]
    assert records[host]["state"] == "noncompliant" and not records[host]["errors"], said[-3000:]
    assert {rule["rule"].partition("/")[0] for rule in rules} == {"dns"}
    assert f"{host}: its Python did not answer" not in said


@pytest.mark.parametrize("name", [*(f"{name}-root" for name in REFUSED), "rbash-sudo"])
def test_every_other_is_refused_by_host_and_shell(audited, name):
    said, records = audited
    shell, how = name.split("-")
    _, known_by, printed = REFUSED[shell]
    message = json.dumps(records[name], ensure_ascii=False)
    assert known_by.format(user=f"{'u' if how == 'sudo' else 'r'}-{shell}", host=name) in message, said[-3000:]
    assert printed in message and "ansible_user" in message and records[name]["state"] == "unknown"


def test_no_shell_has_read_our_program(shells, audited):
    lines = shells.host.run("cat", READ).replace("/", "").replace("+", "").splitlines()
    assert "exit" in lines and all(line == "exit" or line.isalnum() or "=" in line for line in lines)
    assert not shells.host.there(f"{READ}.run")


def test_the_host_is_corrected_and_lifted_through_them(shells, audited):
    for account in ("fish-sudo", "nu-sudo"):
        said, records = shells.run("enforce", account)
        assert records[account]["state"] == "repaired", said[-3000:]
        said, _ = shells.run("lift", "csh-root")
        assert not shells.host.there("/var/lib/proscribe"), said[-3000:]
