"""The control `apps` on real pacman, in a throw-away root: seen, ended, removed, refused on every road, and let in."""

import hashlib
import io
import tarfile
from pathlib import Path

import pytest
from patience import LONGEST
from proscribe.controller.report.text.reinstall_commands import build_reinstall_command
from proscribe.host.controls.apps.systems import pacman
from proscribe.model import removal_record
from test_apps_real_dpkg import TREE
from throwaway import archive, pasted, plan, seen, two_users


@pytest.fixture(scope="session")
def packages(tmp_path_factory):
    """Made packages, each with a program `/opt/<name>/<name>`."""
    directory = tmp_path_factory.mktemp("pacman")
    directory.chmod(0o755)
    for name, version in (("wechat-bin", "4.0-1"), ("wechat-bin", "1:4.1-2"), ("weechat", "4.6-1"), ("tim", "1-1")):
        build(directory, name, version)
    build(directory, "linuxqq", "3.2-1")
    build(directory, "wechat-theme", "1-1", "depend = wechat-bin")
    build(directory, "qq-or-tim", "1-1", "depend = linuxqq>=1")
    offered = ("wechat-bin-1_4.1-2", "wechat-theme-1-1", "weechat-4.6-1")
    archive(directory / "made.db", dict(map(entry, [directory / f"{package}-any.pkg.tar.gz" for package in offered])))
    return directory


def build(directory, name, version, *fields):
    info = [f"pkgname = {name}", f"pkgver = {version}", "pkgdesc = made", "arch = any", "size = 1", *fields]
    program = Path("/usr/bin/sleep").read_bytes()
    files = {".PKGINFO": "\n".join(info) + "\n", f"opt/{name}/": "", f"opt/{name}/{name}": program}
    archive(directory / f"{name}-{version.replace(':', '_')}-any.pkg.tar.gz", files)


def entry(file):
    with tarfile.open(file) as tar:
        info = (tar.extractfile(".PKGINFO") or io.BytesIO()).read().decode()
    values = dict(line.split(" = ") for line in info.splitlines())
    fields = {"FILENAME": file.name, "NAME": values["pkgname"], "VERSION": values["pkgver"], "ARCH": "any"}
    fields |= {"ISIZE": "1", "CSIZE": str(file.stat().st_size)}
    fields["SHA256SUM"] = hashlib.sha256(file.read_bytes()).hexdigest()
    fields |= {"DEPENDS": values["depend"]} if "depend" in values else {}
    place = f"{values['pkgname']}-{values['pkgver']}/desc"
    return place, "".join(f"%{name}%\n{value}\n\n" for name, value in fields.items())


@pytest.fixture
def machine(tmp_path, request):
    with two_users(tmp_path, request.getfixturevalue("packages")) as system:
        system.sh(CONFIGURE)
        yield system


# CheckSpace looks for mount points, which an overlay in a chroot does not show.
CONFIGURE = """
sed -i 's/^CheckSpace/#&/; s/^#*SigLevel.*/SigLevel = Never/; s/^ParallelDownloads.*/DisableSandbox/' /etc/pacman.conf
grep -q DisableSandbox /etc/pacman.conf
printf '[made]\\nSigLevel = Never\\nServer = file:///debs\\n' >>/etc/pacman.conf
mkdir -p /var/lib/pacman/sync /var/lib/pacman/local && pacman -Sy --noconfirm >/dev/null
"""
PLAN = plan("pacman", wechat=["wechat-bin", "wechat-uos-qt"], qq=["linuxqq"])


def install(machine, *files, check=True):
    return machine.run("pacman", "-U", "--noconfirm", *(f"/debs/{file}-any.pkg.tar.gz" for file in files), check=check)


def installed(machine):
    return set(machine.run("pacman", "-Qq", check=False).stdout.split())


def test_seen_ended_removed_refused_and_let_in_again(machine):
    before = machine.sh(TREE).stdout
    install(machine, "wechat-bin-4.0-1", "weechat-4.6-1", "tim-1-1")
    running, innocent = machine.start("/opt/wechat-bin/wechat-bin"), machine.start("/opt/weechat/weechat")
    machine.remount("ro")
    verdict = machine.verb("observe", PLAN)["apps/wechat"]
    machine.remount("rw")
    assert seen(verdict) == [("pacman", "wechat-bin", "4.0-1", "system", f"{pacman.DATABASE}/wechat-bin-4.0-1")]
    process = verdict["findings"][1]
    assert (process["kind"], process["id"], process["manager"]) == ("process", "wechat-bin", "pacman")
    done = machine.verb("enforce", PLAN)
    assert (done["error"], done["refused"]) == (None, []) and running.wait(timeout=LONGEST) != 0
    assert innocent.poll() is None and installed(machine) == {"weechat", "tim"}
    assert {verdict["state"] for verdict in machine.verb("observe", PLAN).values()} == {"compliant"}
    assert machine.verb("enforce", PLAN)["actions"] == []
    for road in (
        "pacman -S --noconfirm wechat-bin",
        "pacman -S --noconfirm wechat-theme",  # which needs it
        "pacman -Syu --noconfirm wechat-bin",
        "pacman -U --noconfirm /debs/wechat-bin-4.0-1-any.pkg.tar.gz",
        "pacman -U --noconfirm --overwrite '*' /debs/wechat-bin-4.0-1-any.pkg.tar.gz",
        "cd /debs && pacman -U --noconfirm -dd wechat-bin-4.0-1-any.pkg.tar.gz linuxqq-3.2-1-any.pkg.tar.gz",
        "pacman -U --noconfirm --hookdir /nonexistent /debs/linuxqq-3.2-1-any.pkg.tar.gz",
    ):
        done = machine.sh(road, check=False)
        message = done.stdout + done.stderr
        assert done.returncode, road
        assert "proscribe: the policy of this organisation does not allow " in message, (road, message)
        assert 'ask it-security@example.org ("$(id)" \'`id`)' in message
        assert installed(machine) == {"weechat", "tim"}
    assert machine.sh("pacman -R --noconfirm tim weechat && pacman -S --noconfirm weechat").returncode == 0
    done = machine.verb("lift", PLAN)
    assert done["error"] is None
    again = machine.verb("lift", PLAN)
    assert (again["actions"], again["removed"]) == ([], [])
    pasted(
        [
            *machine.enter,
            "sh",
            "-c",
            build_reinstall_command([removal_record.read_removed_package(row) for row in done["removed"]]),
        ]
    )
    assert installed(machine) == {"weechat", *(row["name"] for row in done["removed"])}
    assert "wechat-bin" in installed(machine)
    machine.sh("pacman -R --noconfirm $(pacman -Qq)")
    assert set(machine.sh(TREE).stdout.splitlines()) ^ set(before.splitlines()) == set()


def test_package_of_pacman_that_others_need_stays_and_is_reported(machine):
    install(machine, "wechat-bin-4.0-1", "linuxqq-3.2-1", "qq-or-tim-1-1")
    assert machine.verb("enforce", PLAN)["refused"] == [["apps/qq", "linuxqq", "would break qq-or-tim"]]
    assert installed(machine) == {"linuxqq", "qq-or-tim"}
    # What is still there is updated, by either road; and goes once nothing needs it.
    assert machine.sh("pacman -U --noconfirm /debs/linuxqq-3.2-1-any.pkg.tar.gz").returncode == 0
    machine.sh("pacman -R --noconfirm qq-or-tim")
    assert machine.verb("enforce", PLAN)["error"] is None and installed(machine) == set()


def test_version_of_a_waiver_can_be_installed_by_pacman(machine):
    lenient = plan("pacman", wechat=["wechat-bin"])
    lenient["controls"]["apps"]["services"]["wechat"]["exceptions"] = [{"waiver": "w-1", "versions": ["1:4.1-2"]}]
    machine.verb("enforce", lenient)
    machine.sh("pacman -S --noconfirm wechat-bin")
    assert machine.verb("observe", lenient)["apps/wechat"]["state"] == "waived"
    assert machine.verb("enforce", lenient)["actions"] == []


HIDE = "mkdir -p {0} && ln -s /dev/null {0}/00-proscribe.hook"
ELSEWHERE = f"sed -i 's,^.options.,&\\nHookDir = /opt/hooks,' /etc/pacman.conf && {HIDE.format('/opt/hooks')}"


@pytest.mark.parametrize(
    ("done", "message", "corrected"),
    [
        pytest.param(HIDE.format("/etc/pacman.d/hooks"), "/etc/pacman.d/hooks", True, id="its name is taken"),
        pytest.param(ELSEWHERE, "/opt/hooks/00-proscribe.hook takes the place of", False, id="in another directory"),
    ],
)
def test_hook_of_pacman_that_another_one_hides_is_noncompliant(machine, done, message, corrected):
    machine.verb("enforce", PLAN)
    machine.sh(done)
    machine.sh("pacman -S --noconfirm wechat-bin && pacman -R --noconfirm wechat-bin")  # it is open
    gate = machine.verb("observe", PLAN)["apps/reinstall-gate"]
    assert gate["state"] == "noncompliant" and message in str(gate["findings"])
    machine.verb("enforce", PLAN)
    assert (machine.verb("observe", PLAN)["apps/reinstall-gate"]["state"] == "compliant") is corrected
    assert bool(machine.sh("pacman -S --noconfirm wechat-bin", check=False).returncode) is corrected
