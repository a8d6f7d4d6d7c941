"""A controller and three hosts for the commands of the docs: press01, fin01 as root, lab01 by sudo and a password."""

import contextlib

from doc_shell import DocShell
from machines import PROJECT
from scheduled_fleet import scheduled_fleet

HOSTS = ("press01", "fin01", "lab01")
REPOSITORY = "/srv/git/proscribe.git"
# What of the checkout is served, beside the parts that a controller runs.
MORE = (".gitignore", "inventory", "docs", "README.md")
SECRET = "correct horse"  # ops' on lab01
# Two commits, the first without one service: for what compares revisions.
SERVED = f"""\
cd /srv/proscribe && rm -rf fleet
git init --quiet --initial-branch main
git config user.name Ops && git config user.email ops@example.org
git add --all -- . ':!catalog/instant_messaging/signal.yml' && git commit --quiet --message 'The first'
git add --all && git commit --quiet --message 'Catalogue: Signal'
mkdir -p {REPOSITORY} && git clone --quiet --bare . {REPOSITORY}
git config --global user.name Ops && git config --global user.email ops@example.org
"""
OPS = f"""\
useradd --create-home --shell /bin/bash ops && echo 'ops:{SECRET}' | chpasswd
echo 'ops ALL=(ALL) ALL' >/etc/sudoers.d/ops
install -d -m 0700 -o ops -g ops /home/ops/.ssh
install -m 0600 -o ops -g ops /root/.ssh/authorized_keys /home/ops/.ssh/
rm /root/.ssh/authorized_keys
"""
PACKAGE = (PROJECT / "tests/molecule/default/files/make_app.sh").read_text()
# Alice has unpacked a program at home, beside a letter of hers; the program is made of what shows that it is an app's.
PORTABLE = """\
cd /home/alice && mkdir -p opt/Telegram && cp /bin/sleep opt/Telegram/Telegram && cp /bin/true opt/Telegram/Updater
cp /bin/true opt/Telegram/libqt.so.6 && echo 'dear diary' >letter && chown -R alice: opt letter
"""
# What a terminal and its owner would have said.
WIDTH = 80  # columns, of the narrowest screen that nobody has to scroll sideways
TERMINAL = {"COLUMNS": str(WIDTH), "LANG": "C.UTF-8", "NO_COLOR": "1", "HOME": "/root", "USER": "root"}


def shell(fleet, directory, **environment):
    variables = [word for item in {**TERMINAL, **environment}.items() for word in ("--env", "=".join(item))]
    how = ("--interactive", "--workdir", directory, *variables, fleet.controller.name)
    return DocShell(["podman", "--runtime", "runc", "exec", *how])


def name_hosts(fleet):
    """Let the controller reach the hosts by their names."""
    for host, address in fleet.addresses.items():
        in_keys = f"sed -i 's/^{address} /{host},&/' /root/.ssh/known_hosts"
        fleet.controller.script(f"echo '{address} {host}' >>/etc/hosts; {in_keys}")


@contextlib.contextmanager
def desk(called):
    """Boot the controller and the hosts, and set up nothing of Proscribe."""
    with scheduled_fleet(called, HOSTS) as fleet:
        controller = fleet.controller
        controller.send_checkout(MORE)
        controller.script('echo "127.0.1.1 $(hostname)" >>/etc/hosts')  # sudo asks for it
        controller.script(SERVED)
        name_hosts(fleet)
        for host, package in (("press01", "wechat"), ("fin01", "signal-desktop"), ("lab01", "parrot-desktop")):
            fleet.hosts[host].script(f"rm -f /root/wechat.deb; set -- {package} /root/{package}.deb\n{PACKAGE}")
            fleet.hosts[host].run("dpkg", "--install", f"/root/{package}.deb")
        fleet.hosts["fin01"].script(PORTABLE)
        fleet.hosts["lab01"].script(OPS)
        yield fleet
