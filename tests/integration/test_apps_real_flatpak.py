"""The control `apps` on real flatpak: an app of the system's and of users' own, installed, run, ended and removed."""

import json
import shutil
import subprocess
from functools import partial

import pytest
from conftest import require_root, require_tool
from made_plans import make_plan
from patience import LONGEST, until
from proscribe.controller.report.text import reinstall_commands
from proscribe.model import removal_record
from test_apps_real_dpkg import DRIVER, SOURCE, start_apart
from throwaway import pasted

PYTHON = "/usr/bin/python3"  # one that is not in root's home, which is covered
WECHAT = "com.tencent.WeChat"
USERS = {"alice": 71001, "bob": 71002, "carol": 71003}
SETUP = """
set -e
mount -t tmpfs tmpfs /home
mkdir /home/source /home/repository
mount --bind "$1" /home/source
cp -r "$2/." /home/repository
cp -a /etc /home/etc
cat "$3" >>/home/etc/passwd
mkdir -p /home/etc/polkit-1/rules.d
mount --bind /home/etc /etc
mkdir -p /var/lib/proscribe
mount -t tmpfs tmpfs /var/lib/proscribe
mount -t tmpfs tmpfs /root
mount -t tmpfs tmpfs /var/lib/flatpak
export HOME=/root
add() {
    flatpak remote-add --no-gpg-verify "$1" made file:///home/repository
    flatpak install --noninteractive "$1" made $2
}
add --system "org.example.Platform $4" >&2
tail -n +1 "$3" | while IFS=: read -r name _ uid gid _ home _; do
    mkdir "$home"
    # Root installs on the user's behalf: for a user, flatpak asks the parental controls of a session.
    (export HOME="$home"; add --user "$4" >&2)
    chown -R "$uid:$gid" "$home"
    chmod 0700 "$home"
done
# Where others put files is looked at too: those of tests that run beside this one are none of these users'.
for place in /tmp /var/tmp /dev/shm; do mount -t tmpfs -o mode=1777 tmpfs "$place"; done
echo ready
while read -r line; do :; done
"""


@pytest.fixture(scope="session")
def repository(tmp_path_factory):
    """A repository with a runtime that holds `sleep` and its libraries, and an app that sleeps."""
    made = tmp_path_factory.mktemp("flatpak")
    arch = subprocess.run(["flatpak", "--default-arch"], check=True, capture_output=True, text=True).stdout.strip()
    runtime, app = made / "runtime", made / "app"
    platform = f"org.example.Platform/{arch}/1"
    for directory in ("files", "var", "usr/bin"):
        (runtime / directory).mkdir(parents=True)
    libraries = subprocess.run(["ldd", "/usr/bin/sleep"], check=True, capture_output=True, text=True).stdout.split()
    for library in (word for word in libraries if word.startswith("/")):
        target = runtime / "usr" / library.removeprefix("/usr").lstrip("/")
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(library, target)
    shutil.copy("/usr/bin/sleep", runtime / "usr/bin/sleep")
    (runtime / "metadata").write_text(f"[Runtime]\nname=org.example.Platform\nruntime={platform}\nsdk={platform}\n")
    (app / "files/bin").mkdir(parents=True)
    (app / "export").mkdir()
    shutil.copy("/usr/bin/sleep", app / "files/bin/wechat")
    (app / "metadata").write_text(f"[Application]\nname={WECHAT}\nruntime={platform}\nsdk={platform}\ncommand=wechat\n")
    repo = str(made / "repository")
    for command in (
        ["ostree", "init", "--mode=archive-z2", f"--repo={repo}"],
        ["flatpak", "build-export", "--runtime", repo, str(runtime), "1"],
        ["flatpak", "build-export", repo, str(app), "stable"],
    ):
        subprocess.run(command, check=True, capture_output=True)
    return made / "repository"


class Machine:
    def __init__(self, repository, scratch):
        users = scratch / "users"
        users.write_text("".join(f"{name}:x:{uid}:{uid}::/home/{name}:/bin/sh\n" for name, uid in USERS.items()))
        words = (SOURCE, repository, users, WECHAT)
        self.keeper, shell = start_apart(SETUP, *words, options=["--mount-proc"])
        self.enter = ["nsenter", "--target", shell, "--mount", "--pid", "--wd"]

    def stop(self):
        self.keeper.kill()
        self.keeper.wait()

    def command(self, user, *command):
        if user == "root":
            return [*self.enter, "env", "-i", "HOME=/root", "PATH=/usr/sbin:/usr/bin", *command]
        uid = str(USERS[user])
        become = ["setpriv", "--reuid", uid, "--regid", uid, "--clear-groups"]
        return [*self.enter, *become, "env", "-i", f"HOME=/home/{user}", "PATH=/usr/bin", *command]

    def run(self, user, *command, **options):
        options |= {"capture_output": True, "text": True, "timeout": LONGEST}
        done = subprocess.run(self.command(user, *command), check=False, **options)
        assert done.returncode == 0, f"{command}: {done.stdout}{done.stderr}"
        return done.stdout

    def verb(self, verb):
        """Return what a verb of the control does, or the verdict of one rule for "observe" and "observe gate"."""
        driver = DRIVER.replace('"/source"', '"/home/source"')
        name, _, gate = verb.partition(" ")
        answer = json.loads(self.run("root", PYTHON, "-I", "-S", "-c", driver, name, input=json.dumps(PLAN)))
        return answer["apps/reinstall-gate" if gate else "apps/wechat"] if name == "observe" else answer

    def installs(self, *arguments, user="root"):
        command = self.command(user, "flatpak", "install", "--noninteractive", *arguments)
        return subprocess.run(command, capture_output=True, check=False, timeout=LONGEST).returncode == 0

    def start(self, user):
        process = subprocess.Popen(self.command(user, "flatpak", "run", "--user", WECHAT, "600"))
        programs = ("root", "sh", "-c", "ls -l /proc/[0-9]*/exe 2>/dev/null || :")
        until(lambda: process.poll() is not None or "/app/bin/wechat" in self.run(*programs))
        assert process.poll() is None, "the app does not run"
        return process


@pytest.fixture
def machine(tmp_path, request):
    require_root()
    for tool in ("flatpak", "ostree", "unshare", "nsenter", "setpriv", PYTHON):
        require_tool(tool)
    made = Machine(request.getfixturevalue("repository"), tmp_path)
    yield made
    made.stop()


PLAN = make_plan("apps", {"wechat": {"packages": {"flatpak": [WECHAT]}}})


def scopes(verdict, kind):
    return [finding["scope"] for finding in verdict["findings"] if finding["kind"] == kind]


def test_an_app_of_the_system_and_of_every_user_is_seen_ended_and_removed(machine):
    running = machine.start("alice")
    machine.run("alice", "sh", "-c", f"echo letters >~/.var/app/{WECHAT}/data/letters")
    seen = machine.verb("observe")
    assert seen["state"] == "noncompliant"
    assert scopes(seen, "package") == ["system", "user:alice", "user:bob", "user:carol"]
    first = next(finding for finding in seen["findings"] if finding["kind"] == "package")
    assert (first["manager"], first["id"], len(first["version"])) == ("flatpak", WECHAT, 12)  # of its commit
    assert first["path"].startswith(f"/var/lib/flatpak/app/{WECHAT}/") and first["path"].endswith("/stable")
    assert scopes(seen, "process") == ["user:alice"]
    assert [f["path"] for f in seen["findings"] if f["kind"] == "process"] == ["/app/bin/wechat"]
    done = machine.verb("enforce")
    actions = [action for action in done["actions"] if not action.startswith("write ")]  # of the install block
    assert done["error"] is None and actions[0].startswith(f"end {WECHAT} of alice (pid ") and len(actions) == 5
    running.wait(timeout=LONGEST)
    assert machine.verb("observe")["state"] == "compliant" and machine.verb("enforce")["actions"] == []
    for user in ("root", *USERS):
        assert WECHAT not in machine.run(user, "flatpak", "list", "--columns=application")
    assert "org.example.Platform" in machine.run("root", "flatpak", "list", "--system", "--columns=application")
    assert machine.run("alice", "cat", f"/home/alice/.var/app/{WECHAT}/data/letters") == "letters\n"
    for user, uid in USERS.items():  # root made nothing in a home
        assert machine.run("root", "find", f"/home/{user}", "-not", "-uid", str(uid)) == ""


def test_line_of_a_lift_reinstalls_apps_of_the_system_and_of_users(machine):
    arch = machine.run("root", "flatpak", "--default-arch").strip()
    machine.verb("enforce")
    machine.run("root", "sed", "-i", "/^carol:/d", "/etc/passwd")
    machine.run("root", "rm", "-r", "/home/carol")
    line = reinstall_commands.build_reinstall_command(
        [removal_record.read_removed_package(entry) for entry in machine.verb("lift")["removed"]]
    )
    of_the_system, *of_users = line.split("; ")
    assert of_the_system == f"flatpak install --assumeyes --installation=default made app/{WECHAT}/{arch}/stable"
    pasted(machine.command("root", "sh", "-c", of_the_system))
    assert scopes(machine.verb("observe"), "package") == ["system"]
    # For a user flatpak asks the parental controls on the system's bus, which is not here. It knows the app and remote.
    # Nor is systemd, whose service would run it: test_tools_on_hosts.py.
    for user, line in zip(("alice", "bob"), of_users, strict=True):
        words = line.partition(" -- ")[2].partition(" </dev/null")[0]
        known = machine.run(user, "sh", "-c", words.replace("install --assumeyes --user", "remote-info --user"))
        assert f"Ref: app/{WECHAT}/{arch}/stable" in known


def test_a_running_app_that_was_removed_behind_its_back_is_still_seen(machine):
    running = machine.start("bob")
    for user in USERS:
        machine.run(user, "flatpak", "uninstall", "--user", "--noninteractive", WECHAT)
    machine.run("root", "flatpak", "uninstall", "--system", "--noninteractive", WECHAT)
    seen = machine.verb("observe")
    assert (scopes(seen, "package"), scopes(seen, "process")) == ([], ["user:bob"])
    assert machine.verb("enforce")["error"] is None
    running.wait(timeout=LONGEST)
    assert machine.verb("observe")["state"] == "compliant"


REMOTES = "/var/lib/flatpak/repo/config"
ADMINISTRATORS = "/etc/flatpak/of-the-administrator.filter"
EXTRA = '[Installation "extra"]\\nPath=/var/lib/flatpak/extra\\nDisplayName=More\\n'


def test_an_app_of_another_installation_is_seen_and_removed_there(machine):
    sh = partial(machine.run, "root", "sh", "-c")
    sh(f"mkdir -p /etc/flatpak/installations.d; printf '{EXTRA}' >/etc/flatpak/installations.d/extra.conf")
    sh("flatpak remote-add --installation=extra --no-gpg-verify more file:///home/repository")
    assert machine.installs("--installation=extra", "more", WECHAT)
    found = [f for f in machine.verb("observe")["findings"] if f["path"].startswith("/var/lib/flatpak/extra/app/")]
    assert [(f["scope"], len(f["version"])) for f in found] == [("system", 12)]  # the beginning of its commit
    assert f"remove {WECHAT} (system, installation extra)" in machine.verb("enforce")["actions"]
    assert machine.verb("observe")["state"] == "compliant"
    assert not machine.installs("--installation=extra", "more", WECHAT)
    assert machine.verb("lift")["error"] is None and machine.installs("--installation=extra", "more", WECHAT)


def test_the_gate_refuses_from_every_remote_and_what_it_cannot_refuse_is_seen(machine):
    sh = partial(machine.run, "root", "sh", "-c")
    before = sh(f"cat {REMOTES}; ls -R /etc/polkit-1 /etc/proscribe /var/lib/proscribe 2>&1 || :")
    assert machine.verb("observe gate")["state"] == "noncompliant" and machine.verb("enforce")["error"] is None
    assert machine.verb("observe gate")["state"] == "compliant" and machine.verb("enforce")["actions"] == []
    assert not machine.installs("--system", "made", WECHAT)
    assert not machine.installs("--system", "made", f"app/{WECHAT}//stable")
    assert machine.installs("--system", "--reinstall", "made", "org.example.Platform")  # nothing else is refused
    sh("flatpak remote-add --user --no-gpg-verify made file:///home/repository")
    assert machine.installs("--user", "made", WECHAT)  # a user's own asks nobody
    assert scopes(machine.verb("observe"), "package") == ["user:root"]
    sh("flatpak remote-add --system --no-gpg-verify another file:///home/repository")
    assert [finding["detail"] for finding in machine.verb("observe gate")["findings"]] == ["another: missing"]
    machine.verb("enforce")
    assert not machine.installs("--system", "another", WECHAT)
    sh(f"flatpak build-bundle /home/repository /home/bundle.flatpak {WECHAT} stable")
    assert machine.installs("--system", "/home/bundle.flatpak")
    assert scopes(machine.verb("observe"), "package") == ["system"]
    machine.verb("enforce")
    assert machine.verb("observe")["state"] == machine.verb("observe gate")["state"] == "compliant"
    sh("flatpak remote-delete --system another; flatpak remote-delete --system wechat-origin 2>/dev/null || :")
    assert machine.verb("lift")["error"] is None and machine.verb("lift")["actions"] == []
    assert sh(f"cat {REMOTES}; ls -R /etc/polkit-1 /etc/proscribe /var/lib/proscribe 2>&1 || :") == before
    assert machine.installs("--system", "made", WECHAT)


ANNOUNCED = "/etc/flatpak/remotes.d/other.flatpakrepo"


UNFILTERED = f"printf '\\n[remote \"made\"]\\nxa.filter=\\n' >>{REMOTES}"
ANNOUNCE = f"printf '[Flatpak Repo]\\nTitle=x\\nUrl=file:///home/repository\\n' >{ANNOUNCED}"


@pytest.mark.parametrize(
    ("script", "detail", "remote"), [(UNFILTERED, "missing", "made"), (ANNOUNCE, ANNOUNCED, "other")]
)
def test_remote_without_an_effective_filter_is_noncompliant(machine, script, detail, remote):
    machine.verb("enforce")
    machine.run("root", "sh", "-c", f"mkdir -p /etc/flatpak/remotes.d; {script}")
    seen = machine.verb("observe gate")
    assert seen["state"] == "noncompliant" and [detail in finding["detail"] for finding in seen["findings"]] == [True]
    assert machine.installs("--system", remote, WECHAT)  # it is open
    machine.verb("enforce")
    assert machine.verb("observe gate")["state"] == "compliant"
    assert not machine.installs("--system", remote, WECHAT)


def test_an_administrators_own_filter_stays_in_force_and_comes_back(machine):
    sh = partial(machine.run, "root", "sh", "-c")
    sh("mkdir -p /etc/flatpak")
    machine.verb("enforce")
    machine.verb("lift")
    sh(f"printf '# ours\\ndeny runtime/org.example.Platform/*\\n' >{ADMINISTRATORS}")
    sh(f"flatpak remote-modify --system --filter={ADMINISTRATORS} made")
    before = sh(f"cat {REMOTES} {ADMINISTRATORS}")
    machine.verb("enforce")
    listed = sh("flatpak remote-ls --system --all made --columns=ref || :")
    assert "Platform" not in listed and WECHAT not in listed
    sh(f"echo >{ADMINISTRATORS}")  # what they change counts from the next run on
    assert machine.verb("observe gate")["state"] == "noncompliant"
    machine.verb("enforce")
    assert "Platform" in sh("flatpak remote-ls --system --all made --columns=ref")
    sh(f"printf '# ours\\ndeny runtime/org.example.Platform/*\\n' >{ADMINISTRATORS}")
    machine.verb("lift")
    assert sh(f"cat {REMOTES} {ADMINISTRATORS}") == before
    sh(f"echo 'allow app/com.tencent.*' >>{ADMINISTRATORS}")  # which flatpak takes before any denial
    assert "allow app/com.tencent.*" in machine.verb("enforce")["error"]
    assert "allow app/com.tencent.*" in machine.verb("observe gate")["findings"][0]["detail"]
