"""Enforcing on every real package system, killed with SIGKILL after each thing that it does to the host."""

import json
import os
from functools import partial

import pytest
import test_apps_real_dpkg as deb
import test_apps_real_npm as npm
import test_apps_real_pacman as arch
import test_apps_real_pip as pip
import test_apps_real_rpm as rpm
from made_plans import make_plan
from throwaway import archive, two_users

debs, rpms = deb.debs, rpm.rpms  # the fixtures
deb_machine, rpm_machine = deb.machine, rpm.machine
pacman_packages, wheels, tarballs = arch.packages, pip.wheels, npm.tarballs
# One run that dies once it has done so many things to the host; `done` where it lived.
RUN = """
import json, os, signal, sys
sys.path.insert(0, "/source")
from proscribe.host.controls import apps
from proscribe.host.system import Host
asked = json.load(sys.stdin)
host, steps = Host(), 0
changes = apps.enforce(host, asked["plan"])
def dying(method):
    def wrapped(*words, **options):
        global steps
        try:
            return method(*words, **options)
        finally:
            steps += 1
            if steps == asked["at"]:
                os.kill(os.getpid(), signal.SIGKILL)
    return wrapped
for name in ("run_command", "write_file", "delete_file"):
    setattr(host, name, dying(getattr(host, name)))
for action in changes.actions:
    action.apply()
print("done")
"""
MOST = 80
# Every step takes a minute or two for each system. By default it is every fifth one; PROSCRIBE_EVERY_STEP=1 for all.
STRIDE = 1 if os.environ.get("PROSCRIBE_EVERY_STEP") == "1" else 5


def at_each_step(machine, plan, install, installed, listing):
    """Let runs die at one step after the other. Return how many did; `listing` prints files that a lift restores."""
    before = installed(), machine.sh(listing, check=False).stdout
    for at in range(1, MOST, STRIDE):
        install()
        done = machine.run("python3", "-I", "-S", "-c", RUN, input=json.dumps({"plan": plan, "at": at}), check=False)
        assert done.stdout == "done\n" or done.returncode in (-9, 137), done.stderr
        completed = machine.verb("enforce", plan)
        assert (completed["error"], completed["refused"]) == (None, []), at
        assert {verdict["state"] for verdict in machine.verb("observe", plan).values()} == {"compliant"}, at
        assert machine.verb("enforce", plan)["actions"] == [], at
        lifted = machine.verb("lift", plan)
        assert (lifted["error"], lifted["refused"]) == (None, []), at
        assert (installed(), machine.sh(listing, check=False).stdout) == before, at
        if done.stdout:
            return at
    raise AssertionError(f"more than {MOST} steps")


def test_dpkg(deb_machine):
    deb_machine.install("weechat")
    install = partial(deb_machine.install, "wechat")
    assert at_each_step(deb_machine, deb.WECHAT, install, deb_machine.installed, deb.TREE) >= 6


@pytest.mark.parametrize("rpm_machine", rpm.FRONT_ENDS, indirect=True)
def test_rpm(rpm_machine):
    rpm_machine.add("weechat", "viber-library")
    install, files = partial(rpm_machine.add, "wechat", "viber"), "/etc/dnf/dnf.conf /etc/zypp/locks"
    listing = f"cat {files}; ls /etc/dnf/protected.d"
    assert at_each_step(rpm_machine, rpm.PLAN, install, rpm_machine.installed, listing) >= 5


@pytest.fixture
def others(tmp_path, request):
    """A root with pacman, pip, pipx and npm, and made packages of each."""
    packages, scratch = tmp_path / "made", tmp_path / "scratch"
    packages.mkdir()
    packages.chmod(0o755)
    scratch.mkdir()
    for fixture in ("pacman_packages", "wheels", "tarballs"):
        for file in request.getfixturevalue(fixture).iterdir():
            (packages / file.name).write_bytes(file.read_bytes())
    with two_users(scratch, packages) as machine:
        machine.sh(arch.CONFIGURE)
        yield machine


def test_pacman_pip_and_npm(others):
    sections = [plan["controls"]["apps"]["services"] for plan in (arch.PLAN, pip.PLAN, npm.PLAN)]
    services = {f"{id_}{number}": entry for number, own in enumerate(sections) for id_, entry in own.items()}
    plan = make_plan("apps", services)
    arch.install(others, "weechat-4.6-1")

    def install():
        arch.install(others, "wechat-bin-4.0-1")
        others.sh(f"{pip.PIP} telethon")
        others.as_user("alice", f"{pip.PIP} --user --ignore-installed telethon")
        others.sh(f"{npm.NPM} /debs/wechaty.tgz")

    hooks = "ls /usr/share/libalpm/hooks /usr/libexec/proscribe 2>/dev/null"
    assert at_each_step(others, plan, install, partial(arch.installed, others), hooks) >= 8


KILL = """[ -e /die ] || exit 0; rm /die
for p in /proc/[0-9]*; do case $(readlink $p/exe) in {exe}) kill -9 ${{p#/proc/}};; esac; done"""
APT = KILL.format(exe="*/apt-get|*/dpkg")
PACMAN = KILL.format(exe="*/pacman")


@pytest.mark.parametrize("script", ["prerm", "postrm"])
def test_apt_killed_while_it_removes(deb_machine, script):
    deb_machine.install("wechat", "weechat")
    deb_machine.sh(f"printf '%s\\n' '#!/bin/sh' '{APT}' >/var/lib/dpkg/info/wechat.{script}")
    deb_machine.sh(f"chmod 755 /var/lib/dpkg/info/wechat.{script}; touch /die")
    before = deb_machine.installed()
    assert deb_machine.verb("enforce", deb.WECHAT)["error"]
    assert not deb_machine.sh("ls /die", check=False).stdout
    completed = deb_machine.verb("enforce", deb.WECHAT)
    assert (completed["error"], completed["refused"]) == (None, [])
    assert deb_machine.installed() == before - {"wechat"}
    assert deb_machine.verb("observe", deb.WECHAT)["apps/wechat"]["state"] == "compliant"


def test_pacman_killed_while_it_removes(others, tmp_path):
    info = "pkgname = wechat-bin\npkgver = 4.0-1\npkgdesc = made\narch = any\nsize = 1\n"
    script = f"pre_remove() {{\n{PACMAN}\n}}\n"
    files = {".PKGINFO": info, ".INSTALL": script, "opt/wechat-bin/": "", "opt/wechat-bin/wechat-bin": b"x"}
    archive(tmp_path / "made/wechat-bin-4.0-1-any.pkg.tar.gz", files)
    arch.install(others, "wechat-bin-4.0-1", "weechat-4.6-1")
    others.sh("touch /die")
    assert others.verb("enforce", arch.PLAN)["error"]
    assert others.sh("ls /var/lib/pacman/db.lck").stdout  # what a pacman leaves that was killed
    completed = others.verb("enforce", arch.PLAN)
    assert (completed["error"], completed["refused"]) == (None, []) and arch.installed(others) == {"weechat"}
    assert not others.sh("ls /var/lib/pacman/db.lck /var/lib/proscribe/pacman", check=False).stdout
