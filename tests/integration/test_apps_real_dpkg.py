"""The control `apps` on a real Debian."""

import contextlib
import hashlib
import json
import os
import re
import shutil
import subprocess
from pathlib import Path

import proscribe
import pytest
from conftest import layers, require_tool
from made_plans import make_plan
from patience import LONGEST
from proscribe.controller.report.text.reinstall_commands import build_reinstall_command
from proscribe.model import removal_record

SOURCE = Path(proscribe.__file__).parents[1]  # what has to be on sys.path for `import proscribe`
# What runs inside: one verb of the control, over the plan on standard input; the answer as JSON.
DRIVER = """
import json, sys
sys.path.insert(0, "/source")
from proscribe.host.controls import apps
from proscribe.host.controls.apps.systems import dpkg_removal
from proscribe.host.system import ControlError, Host
from proscribe.host.controls.change_execution import apply_changes
from proscribe.host.controls.user_tools import run_user_tools
from proscribe.host.host_operations import make_refusals
dpkg_removal.LOCK_TIMEOUT_SECONDS = 1
host, plan, error = Host(), json.load(sys.stdin), None
if sys.argv[1] in ("observe", "keep"):
    print(json.dumps({v.rule: dict(v.convert_to_dict(), drifted=v.drifted) for v in apps.observe(host, plan)}))
    for keep in host.state_savers if sys.argv[1] == "keep" else ():
        keep(True)
else:
    changes = getattr(apps, sys.argv[1])(host, plan)
    refused = list(changes.refusals)
    try:
        refused += make_refusals(run_user_tools(host, apply_changes(changes)).get("left", ()))
    except ControlError as failed:
        error = str(failed)
    removed = [one._asdict() for one in changes.removed_packages]
    actions = list(map(str, changes.actions))
    print(json.dumps({"actions": actions, "refused": refused, "error": error, "removed": removed}))
"""
SETUP = """
set -e
mount -t tmpfs tmpfs "$1"
mkdir "$1/upper" "$1/work" "$1/root"
mount -t overlay overlay -o "lowerdir=$2,upperdir=$1/upper,workdir=$1/work" "$1/root"
cd "$1/root"
mkdir -p source debs
mount -t proc proc proc
mount --rbind /dev dev
mount --bind "$3" source
mount --bind "$4" debs
echo ready
exec chroot . /bin/sh -c 'while read -r line; do :; done'
"""


@pytest.fixture(scope="session")
def debs(tmp_path_factory):
    """Made packages, each with a file `/opt/<name>/<name>` that is a real program."""
    directory = tmp_path_factory.mktemp("debs")
    directory.chmod(0o755)
    for name in ("weechat", "linuxqq", "tim", "viber-library", "teams-for-linux", "onedrive"):
        build(directory, name, "1.0")
    build(directory, "wechat", "4.0")
    build(directory, "wechat", "4.1", file="wechat-new.deb")
    build(directory, "wechat-moments", "1.0", "Depends: wechat")
    build(directory, "weixin-repacked", "1.0", "Provides: other, wechat (= 4.0)")
    build(directory, "weixin-folded", "1.0", "Provides: other,\n made-by-hand,\n wechat (= 4.0)")
    build(directory, "chat-for-work", "1.0", folder="wechat")
    build(directory, "qq-or-tim", "1.0", "Depends: linuxqq | tim")
    build(directory, "viber", "1.0", "Depends: viber-library")
    build(directory, "broken", "1.0", postinst="exit 1")
    (directory / "Packages").write_bytes(listing(directory))
    return directory


def build(directory, name, version, *fields, file="", folder="", postinst=""):
    content = directory / "content"
    (content / "DEBIAN").mkdir(parents=True)
    # The field that names the package comes last, which dpkg allows.
    control = [*fields, f"Version: {version}", "Architecture: all", "Maintainer: Tests <tests@example.org>"]
    control += ["Description: made for a test", f"Package: {name}"]
    (content / "DEBIAN/control").write_text("\n".join(control) + "\n")
    if postinst:
        (content / "DEBIAN/postinst").write_text(f"#!/bin/sh\n{postinst}\n")
        (content / "DEBIAN/postinst").chmod(0o755)
    (content / "opt" / (folder or name)).mkdir(parents=True)
    shutil.copy("/usr/bin/sleep", content / "opt" / (folder or name) / name)
    target = directory / (file or f"{name}.deb")
    subprocess.run(["dpkg-deb", "--root-owner-group", "-b", content, target], check=True, capture_output=True)
    shutil.rmtree(content)


def listing(directory):
    """Return the list of packages that makes a directory a repository."""
    entries = []
    for deb in sorted(directory.glob("*.deb")):
        fields = subprocess.run(["dpkg-deb", "-f", deb], check=True, capture_output=True, text=True).stdout
        checksum = hashlib.sha256(deb.read_bytes()).hexdigest()
        entries.append(f"{fields}Filename: ./{deb.name}\nSize: {deb.stat().st_size}\nSHA256: {checksum}\n")
    return "\n".join(entries).encode()


def start_apart(script, *words, options=()):
    """Run a script in mounts and processes of its own until it prints `ready`; return it, and its shell's pid."""
    argv = ["unshare", "--mount", "--pid", "--fork", "--kill-child", *options, "sh", "-c", script, "sh"]
    keeper = subprocess.Popen([*argv, *map(str, words)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert keeper.stdout.readline() == "ready\n"
    return keeper, Path(f"/proc/{keeper.pid}/task/{keeper.pid}/children").read_text().split()[0]


class Machine:
    """A throw-away Debian: its own file system, mounts and processes."""

    module = "dpkg_removal"  # in which the driver has little patience

    def __init__(self, scratch, root, source, debs):
        self.root = str(scratch / "root")
        self.keeper, shell = start_apart(SETUP, scratch, ":".join(map(str, root)), source, debs)
        while os.readlink(f"/proc/{shell}/root") == "/":
            pass  # the shell has said that it is ready, and is about to change its root
        self.enter = ["nsenter", "--target", shell, "--mount", "--pid", "--root", "--wd"]

    def stop(self):
        self.keeper.kill()
        self.keeper.wait()

    def run(self, *command, check=True, **options):
        path = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "DEBIAN_FRONTEND": "noninteractive", "LC_ALL": "C.UTF-8"}
        options |= {"capture_output": True, "text": True, "env": path, "timeout": LONGEST}
        done = subprocess.run([*self.enter, *command], check=False, **options)
        assert not check or done.returncode == 0, f"{command}: {done.stdout}{done.stderr}"
        return done

    def sh(self, script, check=True):
        return self.run("sh", "-c", script, check=check)

    def remount(self, mode):
        mount = ["mount", "-o", f"remount,bind,{mode}", self.root]
        subprocess.run([*self.enter[:3], "--mount", *mount], check=True)

    def install(self, *names):
        self.run("dpkg", "-i", *(f"/debs/{name}.deb" for name in names))

    def installed(self):
        lines = self.run("dpkg-query", "-W", "-f", "${db:Status-Abbrev} ${Package}\n").stdout.split("\n")
        return {line.split()[1] for line in lines if line[1:2] not in ("", "n", "c")}

    def verb(self, verb, plan):
        driver = DRIVER.replace("dpkg_removal", self.module)
        return json.loads(self.run("python3", "-I", "-S", "-c", driver, verb, input=json.dumps(plan)).stdout)

    @contextlib.contextmanager
    def locked(self, file):
        """Have another process hold the lock of a package manager."""
        lock = f"import fcntl, sys; f = open('{file}', 'w'); fcntl.lockf(f, fcntl.LOCK_EX); print(flush=True)"
        argv = [*self.enter, "python3", "-c", f"{lock}; sys.stdin.read()"]
        with subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as holder:
            assert holder.stdout.readline() == b"\n"
            yield
            holder.communicate()

    def start(self, program, *become):
        process = subprocess.Popen([*self.enter, *become, program, "600"])
        while self.sh(f"ls -l /proc/[0-9]*/exe 2>/dev/null | grep -q ' {program}$'", check=False).returncode:
            assert process.poll() is None
        return process


@pytest.fixture
def machine(tmp_path, request):
    require_tool("dpkg-deb")
    system = Machine(tmp_path, layers("trixie"), SOURCE, request.getfixturevalue("debs"))
    yield system
    system.stop()


def plan(**names):
    """A plan that enforces these packages, by service; a service's program is /opt/<its first package>."""
    services = {
        id_: {"packages": {"apt": packages}, "processes": packages[:1], "paths": [f"/opt/{packages[0]}"]}
        for id_, packages in names.items()
    }
    return make_plan("apps", services, contact='it-security@example.org ("$(id)" \'`id`)')


WECHAT = plan(wechat=["wechat"])
SCRIPT = "/usr/libexec/proscribe/dpkg-gate"
REPOSITORY = "echo 'deb [trusted=yes] file:/debs ./' >/etc/apt/sources.list.d/made.list && apt-get update 2>&1"
TREE = "cd / && find etc usr opt var/lib/proscribe -printf '%p %m %U %l\\n' 2>/dev/null | sort; cat /etc/dpkg/dpkg.cfg"


def test_audit_enforce_and_lift(machine):
    machine.install("wechat", "weechat")
    before, tree = machine.installed(), machine.sh(TREE).stdout
    running = machine.start("/opt/wechat/wechat")
    innocent = machine.start("/opt/weechat/weechat")
    machine.remount("ro")  # an audit writes nothing, and needs nowhere to write
    seen = machine.verb("observe", WECHAT)
    machine.remount("rw")
    states = {rule: verdict["state"] for rule, verdict in seen.items()}
    assert states == dict.fromkeys(("apps/wechat", "apps/reinstall-gate"), "noncompliant")
    package, process = seen["apps/wechat"]["findings"]
    fields = {key: package[key] for key in ("kind", "id", "manager", "version", "scope", "path")}
    assert list(fields.values()) == ["package", "wechat", "dpkg", "4.0", "system", "/opt/wechat"]
    assert (process["kind"], process["scope"], process["path"]) == ("process", "user:root", "/opt/wechat/wechat")
    done = machine.verb("enforce", WECHAT)
    assert (done["error"], done["refused"]) == (None, []) and running.wait(timeout=LONGEST) != 0
    assert innocent.poll() is None and machine.installed() == before - {"wechat"}
    assert {verdict["state"] for verdict in machine.verb("observe", WECHAT).values()} == {"compliant"}
    assert machine.verb("enforce", WECHAT)["actions"] == []
    assert machine.run("dpkg", "-i", "/debs/wechat.deb", check=False).returncode
    assert machine.verb("lift", WECHAT)["error"] is None and machine.verb("lift", WECHAT)["actions"] == []
    machine.install("wechat")
    assert machine.sh(TREE).stdout == tree


@pytest.mark.slow
def test_line_of_a_lift_reinstalls_packages_with_their_marks(machine):
    """The packages go in two runs, one of them under apt's mark "auto"; another is there again before the lift."""
    machine.sh(REPOSITORY)
    machine.install("wechat", "linuxqq", "tim", "weechat")
    machine.run("apt-mark", "auto", "linuxqq")
    before = machine.installed()
    machine.verb("enforce", WECHAT)
    machine.verb("enforce", plan(wechat=["wechat"], qq=["linuxqq", "tim"]))
    assert machine.run("stat", "-c", "%a %u", "/var/lib/proscribe/removed.json").stdout == "600 0\n"
    machine.verb("enforce", plan(wechat=["wechat"]))
    machine.install("tim")  # permitted by now
    done = machine.verb("lift", plan(wechat=["wechat"]))
    line = build_reinstall_command([removal_record.read_removed_package(entry) for entry in done["removed"]])
    assert line == "apt-get install linuxqq wechat && apt-mark auto linuxqq"
    machine.sh(line)
    assert machine.installed() == before
    assert machine.run("apt-mark", "showauto", "wechat", "linuxqq").stdout == "linuxqq\n"


@pytest.mark.slow
def test_the_gate_on_every_road(machine):
    machine.install("weechat")
    machine.sh(REPOSITORY)
    forbidden = {"wechat", "weixin-repacked", "weixin-folded", "chat-for-work", "tim"}
    machine.verb("enforce", WECHAT)
    machine.sh("mkdir -p '/tmp/a b/deep' && cd '/tmp/a b' && cp /debs/wechat.deb 'we chat.deb' && cp we* deep/-x.deb")
    machine.sh("cp /debs/wechat.deb '/tmp/two\nlines.deb'")
    machine.sh("mkdir /tmp/renamed && cp /debs/chat-for-work.deb /debs/tim.deb /tmp/renamed")
    for road in (
        "dpkg -i /debs/wechat.deb",
        "cd /debs && dpkg -i wechat.deb",
        "dpkg --unpack '/tmp/a b/we chat.deb'",
        "cd '/tmp/a b/deep' && dpkg -i -- -x.deb",
        "dpkg -i '/tmp/two\nlines.deb'",
        "dpkg -iR '/tmp/a b/deep'",
        "dpkg --recursive --install /tmp",
        "dpkg -i /proc/self/fd/5 5</debs/wechat.deb",
        "dpkg -i /debs/tim.deb /debs/wechat.deb",
        "dpkg --force-all -i /debs/wechat.deb",
        "cd /debs && apt install -y ./wechat.deb",
        "apt-get install -y wechat",
        "apt-get install -y wechat-moments",
        "dpkg -i /debs/weixin-repacked.deb",
        "dpkg -i /debs/weixin-folded.deb",
        "dpkg -i /debs/chat-for-work.deb",
        "apt-get install -y /debs/chat-for-work.deb",
        "dpkg -i -R /tmp/renamed",
    ):
        done = machine.sh(road, check=False)
        assert done.returncode, road
        message = done.stdout + done.stderr
        assert re.search("proscribe: the policy of this organisation does not allow (we|chat-for-work)", message), road
        assert 'ask it-security@example.org ("$(id)" \'`id`)' in message, road
        assert machine.installed().isdisjoint(forbidden), road


def test_gate_lets_updates_and_other_packages_pass(machine):
    machine.install("wechat", "wechat-moments", "weechat")  # wechat cannot go, for wechat-moments would go with it
    machine.verb("enforce", WECHAT)
    for passing in (
        "dpkg -i /debs/tim.deb",
        "apt-get install -y /debs/linuxqq.deb",
        "cd /debs && dpkg -i weechat.deb",  # a name that is like it
        "dpkg -i /debs/wechat-new.deb",  # an update of what is still there
        "dpkg --triggers-only -a",
        "apt-get remove -y wechat-moments",
        "dpkg --purge wechat",
    ):
        machine.sh(passing)
    assert {"tim", "linuxqq", "weechat"} <= machine.installed()
    assert machine.run("dpkg", "-i", "/debs/wechat.deb", check=False).returncode  # and now it is gone for good


def test_gate_without_effect_on_a_changed_dpkg_is_noncompliant(machine):
    """A trial leaves no trace. tampering.toml has more ways to take the gate's effect away."""
    machine.verb("enforce", WECHAT)
    machine.sh("printf '#!/bin/sh\\necho \"$@\" >>/root/log\\n' >/usr/bin/logger; chmod 755 /usr/bin/logger")
    state = f"{TREE}; ls -l --time-style=full-iso /var/log /var/lib/dpkg /tmp; ! test -e /root/log"
    before = machine.sh(state).stdout
    assert machine.verb("observe", WECHAT)["apps/reinstall-gate"]["state"] == "compliant"
    assert machine.sh(state).stdout == before
    machine.sh("sed -i 's,/etc/dpkg,/etc/dpkX,g' /usr/bin/dpkg")  # which knows of no hook now
    gate = machine.verb("observe", WECHAT)["apps/reinstall-gate"]
    assert (gate["state"], gate["drifted"]) == ("noncompliant", False)
    assert "/usr/bin/dpkg installs a made package" in gate["findings"][0]["detail"]
    assert machine.verb("enforce", WECHAT)["actions"] == []
    machine.install("wechat")


@pytest.mark.parametrize(
    "fault",
    [
        f"rm {SCRIPT}",
        f"echo 'if' >{SCRIPT}",
        f"echo '#!/no/such/shell' >{SCRIPT}",
        "rm /etc/proscribe/restricted-packages",
        f"sed -i 's/timeout 300/timeout 1/; s/^# dpkg-gate --check PID$/sleep 60/' {SCRIPT}",
    ],
)
def test_broken_gate_stops_nothing_and_is_repaired(machine, fault):
    machine.verb("enforce", WECHAT)
    machine.sh(fault)
    machine.install("tim")
    assert machine.verb("observe", WECHAT)["apps/reinstall-gate"]["state"] == "noncompliant"
    assert machine.verb("enforce", WECHAT)["error"] is None
    assert machine.verb("observe", WECHAT)["apps/reinstall-gate"]["state"] == "compliant"
    assert machine.run("dpkg", "-i", "/debs/wechat.deb", check=False).returncode


def test_waiver_for_a_version_of_a_package_covers_no_other_version(machine):
    here = plan(wechat=["wechat"])
    here["controls"]["apps"]["services"]["wechat"]["exceptions"] = [{"waiver": "w1", "versions": ["4.0"]}]
    machine.verb("enforce", here)
    refused = machine.run("dpkg", "-i", "/debs/wechat-new.deb", check=False)
    assert refused.returncode and "does not allow wechat" in refused.stderr
    assert machine.run("dpkg", "-i", "/debs/weixin-repacked.deb", check=False).returncode  # 4.0 by another name
    machine.install("wechat")  # version 4.0
    running = machine.start("/opt/wechat/wechat")
    seen = machine.verb("observe", here)["apps/wechat"]
    assert (seen["state"], seen["waiver"]) == ("waived", "w1")
    assert [(f["kind"], f["version"]) for f in seen["findings"]] == [("package", "4.0"), ("process", "4.0")]
    assert machine.verb("enforce", here)["actions"] == [] and running.poll() is None
    machine.install("wechat-new")  # an update of what is there; the install block leaves that to the next run
    seen = machine.verb("observe", here)["apps/wechat"]
    assert (seen["state"], {finding["version"] for finding in seen["findings"]}) == ("noncompliant", {"4.1"})
    assert machine.verb("enforce", here)["error"] is None and "wechat" not in machine.installed()
    assert running.wait(timeout=LONGEST) != 0


NEEDED = ("wechat", "wechat-moments", "linuxqq")
CLEAN = "apt-mark auto viber-library; echo 'APT::Get::AutomaticRemove true; APT::Get::Purge true;' >/etc/apt/apt.conf"
RELEASE = "echo 'APT::Default-Release \"stable\";' >/etc/apt/apt.conf.d/99release"


@pytest.mark.parametrize(
    ("installed", "script", "services", "reason", "removed_names"),
    [
        (NEEDED, ":", {"wechat": ["wechat"], "qq": ["linuxqq"]}, "would also remove wechat-moments", {"linuxqq"}),
        (NEEDED, "rm /usr/bin/apt-get", {"wechat": ["wechat"], "qq": ["linuxqq"]}, "break wechat-moments", {"linuxqq"}),
        (("viber-library", "viber"), CLEAN, {"viber": ["viber"]}, "", {"viber"}),
        (("wechat",), RELEASE, {"wechat": ["wechat"]}, "", {"wechat"}),
        (("wechat",), "apt-mark hold wechat", {"wechat": ["wechat"]}, "apt-mark unhold wechat", set()),
        # A package of others that is half configured is not touched either.
        (("wechat",), "dpkg -i /debs/broken.deb || :", {"wechat": ["wechat"]}, "not configured: broken", set()),
    ],
)
def test_removal_takes_no_other_package_along(machine, installed, script, services, reason, removed_names):
    machine.install(*installed)
    machine.sh(script)
    before = machine.installed()
    done = machine.verb("enforce", plan(**services))
    assert done["error"] is None and [rule for rule, _, _ in done["refused"]] == ["apps/wechat"] * bool(reason)
    assert all(reason in text for _, _, text in done["refused"]) and machine.installed() == before - removed_names


@pytest.mark.slow
def test_removal_installs_no_alternative(machine):
    machine.install("linuxqq", "qq-or-tim")
    machine.sh(REPOSITORY)
    before = machine.installed()
    assert machine.sh("apt-get --simulate remove linuxqq").stdout.count("Inst tim") == 1  # what apt alone would do
    done = machine.verb("enforce", plan(qq=["linuxqq"]))
    assert done["refused"] == [["apps/qq", "linuxqq", "would also remove qq-or-tim"]]
    assert machine.installed() == before
    machine.run("apt-get", "install", "-y", "tim", "linuxqq-")  # and apt still knows its repositories


def test_dpkg_of_others_that_was_killed_is_reported_and_left(machine):
    machine.install("wechat", "weechat")
    machine.sh("dpkg-query -s weechat >/var/lib/dpkg/updates/0000")  # what dpkg was about to note
    for _ in range(2):
        assert "dpkg was interrupted" in machine.verb("enforce", WECHAT)["error"]
    assert machine.sh("ls /var/lib/dpkg/updates").stdout == "0000\n" and "wechat" in machine.installed()
    machine.sh("dpkg --configure -a")  # the administrator's word
    assert machine.verb("enforce", WECHAT)["error"] is None


def test_apt_locked_by_another_package_manager_is_an_error(machine):
    machine.install("wechat")
    with machine.locked("/var/lib/dpkg/lock-frontend"):
        done = machine.verb("enforce", WECHAT)
    assert "Unable to acquire the dpkg frontend lock" in done["error"]
    assert machine.verb("observe", WECHAT)["apps/wechat"]["state"] == "noncompliant"
    assert machine.verb("observe", WECHAT)["apps/reinstall-gate"]["state"] == "compliant"  # the rest was done
