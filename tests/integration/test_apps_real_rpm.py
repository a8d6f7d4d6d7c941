"""The control `apps` on real rpm with real dnf, dnf5 and zypper, in a throw-away root."""

import subprocess

import pytest
from conftest import layers, require_tool
from patience import LONGEST
from proscribe.controller.report.text.reinstall_commands import build_reinstall_command
from proscribe.model import removal_record
from test_apps_real_dpkg import SOURCE, TREE
from throwaway import TwoUsers, pasted, plan, seen

REPOSITORY = "[made]\\nname=made\\nbaseurl=file:///debs\\nenabled=1\\ngpgcheck=0\\n"
# The rest of dnf.conf is an administrator's.
CONFIGURE = f"""
mkdir -p /etc/dnf /etc/yum.repos.d /etc/zypp/repos.d
printf '[main]\\ngpgcheck=0\\nexcludepkgs=tim,\\n  skype\\n\\n# others\\n' >/etc/dnf/dnf.conf
printf '{REPOSITORY}' >/etc/yum.repos.d/made.repo
printf '{REPOSITORY}' >/etc/zypp/repos.d/made.repo
rpm -i /debs/rpm.rpm
# Debian's dnf5 keeps what it installs as a repository, with a tool that is not there.
if cd /etc/dnf/libdnf5-plugins; then printf '[main]\nname=local\nenabled=0\n' >local.conf; fi 2>/dev/null
"""
FRONT_ENDS = ("dnf", "dnf5", "zypper")
PLAN = plan("rpm", wechat=["wechat", "wechat-beta"], viber=["viber"])
# What a refusal has to say. Of a name or a file that is excluded, dnf only says that it finds no match.
WHO = "proscribe-guard-restricted.by.the.policy.of.this.organisation.ask.it.security.at.example.org"
UNMATCHED = ("Unable to find a match", "by exclude filtering", "only excluded packages")
REFUSED = (WHO, "protected packages: proscribe-guard", *UNMATCHED)


@pytest.fixture(scope="session")
def rpms(tmp_path_factory):
    """Made packages, each with a program `/opt/<name>/<name>`, and a repository of them."""
    directory = tmp_path_factory.mktemp("rpms")
    directory.chmod(0o755)
    for name, version, *fields in (
        ("rpm", "4.20"),
        ("wechat", "4.0"),
        ("wechat-moments", "1.0", "Requires: wechat"),
        ("weixin-repacked", "1.0", "Provides: wechat = 4.0"),
        ("weechat", "4.6"),
        ("viber", "1.0", "Epoch: 2", "Requires: viber-library"),
        ("viber-library", "1.0"),
    ):
        build(directory, name, version, *fields)
    subprocess.run(["createrepo_c", "-q", directory], check=True, capture_output=True)
    return directory


def build(directory, name, version, *fields):
    head = [f"Name: {name}", f"Version: {version}", "Release: 1", "Summary: made", "License: none", *fields]
    place = f"%{{buildroot}}/opt/{name}"
    body = ["%description", "made", "%install", f"mkdir -p {place}; cp /usr/bin/sleep {place}/{name}"]
    spec = directory / "made.spec"
    spec.write_text("\n".join([*head, "BuildArch: noarch", "AutoReqProv: no", *body, "%files", f"/opt/{name}\n"]))
    settings = {"_topdir": f"{directory}/build", "_rpmdir": str(directory), "_rpmfilename": f"{name}.rpm"}
    settings |= {"_binaries_in_noarch_packages_terminate_build": "0", "__os_install_post": "%{nil}"}
    defined = [word for key, value in settings.items() for word in ("--define", f"{key} {value}")]
    subprocess.run(["rpmbuild", "-bb", "--quiet", *defined, spec], check=True, capture_output=True)
    spec.unlink()


class Machine(TwoUsers):
    module = "rpm_transaction"

    def add(self, *names):
        self.run("rpm", "-i", *(f"/debs/{name}.rpm" for name in names))

    def installed(self):
        return set(self.run("rpm", "-qa", "--qf", "%{NAME}\n").stdout.split()) - {"rpm"}

    def states(self, of=PLAN):
        return {rule: verdict["state"] for rule, verdict in self.verb("observe", of).items()}


@pytest.fixture
def machine(tmp_path, request):
    """With dnf and zypper, or only with the front end that the test is for."""
    for tool in ("rpmbuild", "createrepo_c"):
        require_tool(tool)
    front = getattr(request, "param", "")
    root = layers("sid-dnf5" if front == "dnf5" else "trixie-systems")
    system = Machine(tmp_path, root, SOURCE, request.getfixturevalue("rpms"))
    other = {"dnf": "zypper", "zypper": "dnf"}.get(front)
    system.sh(f"{CONFIGURE}rm /usr/bin/{other}*" if other else CONFIGURE)
    yield system
    system.stop()


ROADS = {
    "dnf": (
        "dnf -y install wechat",
        "dnf -y install wechat-moments",
        "dnf -y install /debs/wechat.rpm",
        "dnf -y --disableexcludes=all --allowerasing install wechat",
        "dnf -y --allowerasing install /debs/weixin-repacked.rpm",
        "dnf -y remove proscribe-guard",
    ),
    "dnf5": (
        "dnf5 -y install wechat",
        "dnf5 -y install wechat-moments",
        "dnf5 -y install /debs/wechat.rpm",
        "dnf5 -y --setopt=disable_excludes=* install --allowerasing wechat",
        "dnf5 -y install --allowerasing /debs/weixin-repacked.rpm",
        "dnf5 -y swap weechat viber",
        "dnf5 -y do --action=install wechat --action=remove proscribe-guard",
        "dnf5 -y remove proscribe-guard",
    ),
    "zypper": (
        "zypper -n install wechat-moments",
        "zypper -n install --allow-unsigned-rpm /debs/wechat.rpm",
        "zypper -n install --allow-unsigned-rpm /debs/weixin-repacked.rpm",
        "zypper -n remove proscribe-guard",
        "zypper -n install -f wechat",
    ),
}
RPM_ROADS = ("rpm -i /debs/wechat.rpm", "rpm -U --replacepkgs /debs/weixin-repacked.rpm", "rpm -i /debs/viber.rpm")


@pytest.mark.parametrize("machine", FRONT_ENDS, indirect=True)
def test_seen_removed_refused_on_every_road_and_let_in_again(machine, request):
    front = request.node.callspec.params["machine"]
    machine.sh("zypper -n -q refresh" if front == "zypper" else f"{front} -q makecache")
    unasked = "zypper -n" if front == "zypper" else f"{front} -y"
    machine.sh(f"{unasked} install weechat && {unasked} remove weechat")  # dnf5 makes its history
    machine.sh("rpm -q rpm")
    before = machine.sh(TREE + "; cat /etc/dnf/dnf.conf; ls -a /etc/zypp").stdout
    machine.add("wechat", "weechat", "viber", "viber-library")
    running, innocent = machine.start("/opt/wechat/wechat"), machine.start("/opt/weechat/weechat")

    # rpm, asked as root, marks in a file of shared memory that somebody reads; its size and all else stay.
    listing = "find /var /etc /usr/lib/sysimage -printf '%p %s %T@\\n' 2>/dev/null | sed '/-shm /s/ [^ ]*$//' | sort"
    untouched = machine.sh(listing).stdout
    verdicts = machine.verb("observe", PLAN)
    assert machine.sh(listing).stdout == untouched
    machine.remount("ro")
    assert machine.verb("observe", PLAN) == verdicts
    machine.remount("rw")
    assert seen(verdicts["apps/wechat"]) == [("rpm", "wechat", "4.0-1", "system", "/opt/wechat")]
    assert seen(verdicts["apps/viber"]) == [("rpm", "viber", "2:1.0-1", "system", "/opt/viber")]
    process = verdicts["apps/wechat"]["findings"][1]
    assert (process["kind"], process["id"], process["manager"]) == ("process", "wechat", "rpm")

    done = machine.verb("enforce", PLAN)
    assert (done["error"], done["refused"]) == (None, []) and "remove viber, wechat" in done["actions"]
    assert running.wait(timeout=LONGEST) != 0 and innocent.poll() is None
    assert machine.installed() == {"weechat", "viber-library", "proscribe-guard"}
    assert set(machine.states().values()) == {"compliant"} and machine.verb("enforce", PLAN)["actions"] == []
    assert machine.run("rpm", "-V", "proscribe-guard").stdout == ""

    for road in (*ROADS[front], *RPM_ROADS):
        tried = machine.sh(road, check=False)
        message = tried.stdout + tried.stderr
        assert tried.returncode, (road, message)
        assert any(word in message for word in REFUSED), (road, message)
        assert machine.installed() == {"weechat", "viber-library", "proscribe-guard"}, road
    assert set(machine.states().values()) == {"compliant"}
    machine.sh(f"{unasked} remove weechat && {unasked} install weechat")

    done = machine.verb("lift", PLAN)
    assert done["error"] is None
    again = machine.verb("lift", PLAN)
    assert (again["actions"], again["removed"]) == ([], [])
    line = build_reinstall_command([removal_record.read_removed_package(entry) for entry in done["removed"]])
    assert line == f"{front} install viber.noarch wechat.noarch"
    pasted([*machine.enter, "sh", "-c", line])
    assert machine.installed() == {"wechat", "weechat", "viber", "viber-library"}
    machine.sh("rpm -e wechat weechat viber viber-library")
    assert machine.sh(TREE + "; cat /etc/dnf/dnf.conf; ls -a /etc/zypp").stdout == before


PASSING = """
mv /usr/bin/rpm /usr/bin/rpm.real
printf '#!/bin/sh\\nfor one; do [ "$one" != --test ] || exit 0; done\\nexec rpm.real "$@"\\n' >/usr/bin/rpm
chmod 755 /usr/bin/rpm
"""


@pytest.mark.parametrize(
    ("machine", "done", "message"),
    [
        ("dnf", "sed -i '/^.main/a protected_packages=x' /etc/dnf/dnf.conf", "sets protected_packages"),
        ("zypper", PASSING, "rpm installs a made package"),
    ],
    indirect=["machine"],
)
def test_guard_that_lost_its_effect_is_noncompliant(machine, done, message):
    machine.verb("enforce", PLAN)
    assert machine.states()["apps/reinstall-gate"] == "compliant"
    machine.sh(done)
    gate = machine.verb("observe", PLAN)["apps/reinstall-gate"]
    assert gate["state"] == "noncompliant" and message in str(gate["findings"]) and not gate["drifted"]


def test_lock_of_zypper_that_somebody_removes_is_written_again(machine):
    machine.sh("zypper -n addlock viber other && rm /usr/bin/dnf*")  # the administrator's own
    theirs = machine.sh("zypper locks").stdout
    machine.verb("enforce", PLAN)
    machine.sh("zypper -n addlock third && zypper -n removelock third")
    assert machine.states()["apps/reinstall-gate"] == "compliant"
    machine.sh("zypper -n removelock wechat")
    gate = machine.verb("observe", PLAN)["apps/reinstall-gate"]
    assert [finding["path"] for finding in gate["findings"]] == ["/etc/zypp/locks"]
    assert machine.verb("enforce", PLAN)["actions"] == ["write /etc/zypp/locks"]
    assert machine.states()["apps/reinstall-gate"] == "compliant"
    assert "it-security@example.org" in machine.sh("zypper locks").stdout
    machine.verb("lift", PLAN)
    assert machine.sh("zypper locks").stdout == theirs


@pytest.mark.parametrize("machine", FRONT_ENDS, indirect=True)
def test_rpm_that_others_need_stays_and_is_reported(machine):
    machine.add("wechat", "wechat-moments", "viber", "viber-library")
    done = machine.verb("enforce", PLAN)
    refused = [["apps/wechat", "wechat", "would break wechat-moments-1.0-1.noarch"]]
    assert (done["error"], done["refused"]) == (None, refused)
    # The guard is installed all the same; it does not conflict with what is left.
    assert machine.installed() == {"wechat", "wechat-moments", "viber-library", "proscribe-guard"}
    assert {rule for rule, state in machine.states().items() if state != "compliant"} == {"apps/wechat"}
    assert machine.sh("rpm -i /debs/viber.rpm", check=False).returncode
    machine.sh("rpm -e wechat-moments")
    assert machine.verb("enforce", PLAN)["error"] is None
    assert machine.installed() == {"viber-library", "proscribe-guard"}
    assert set(machine.states().values()) == {"compliant"}


@pytest.mark.parametrize("machine", FRONT_ENDS, indirect=True)
def test_dependency_of_a_removed_package_stays(machine, request):
    front = request.node.callspec.params["machine"]
    machine.sh("zypper -n install viber" if front == "zypper" else f"{front} -y install viber")
    assert machine.verb("enforce", PLAN)["error"] is None
    assert machine.installed() == {"viber-library", "proscribe-guard"}
    if front != "zypper":
        assert "viber" in machine.sh(f"{front} history info last").stdout  # the front end knows of the removal


@pytest.mark.parametrize("machine", ["dnf", "dnf5"], indirect=True)
def test_package_that_the_administrator_excludes_stays_excluded(machine, request):
    front = request.node.callspec.params["machine"]
    machine.run("tee", "/etc/dnf/dnf.conf", input="[main]\ngpgcheck=0\nexclude=tim\nexcludepkgs=weechat\n")
    machine.verb("enforce", PLAN)
    listed = set(machine.sh(f"{front} -q repoquery --queryformat '%{{name}} '").stdout.split())
    assert "viber-library" in listed and not listed & {"tim", "viber", "wechat", "weechat"}


@pytest.mark.parametrize("machine", FRONT_ENDS, indirect=True)
def test_guard_that_was_erased_is_installed_again(machine):
    machine.verb("enforce", PLAN)
    machine.sh("rpm -i --nodeps /debs/wechat.rpm")
    assert machine.states()["apps/wechat"] == "noncompliant"
    machine.sh("rpm -e proscribe-guard")
    tried = "dnf -y install viber || dnf5 -y install viber || zypper -n install viber"
    assert machine.sh(tried, check=False).returncode
    assert "viber" not in machine.installed()
    gate = machine.verb("observe", PLAN)["apps/reinstall-gate"]
    (finding,) = gate["findings"]
    assert (finding["path"], finding["detail"]) == ("package proscribe-guard", "missing")
    assert machine.verb("enforce", PLAN)["error"] is None and machine.installed() == {"proscribe-guard"}
    assert set(machine.states().values()) == {"compliant"}


@pytest.mark.parametrize("machine", ["dnf", "dnf5"], indirect=True)
def test_waiver_for_a_version_of_an_rpm_lets_no_other_version_in(machine, request):
    front = request.node.callspec.params["machine"]
    waived = plan("rpm", wechat=["wechat"], viber=["viber"])
    exception = {"waiver": "w-1", "versions": ["4.0-1"]}
    waived["controls"]["apps"]["services"]["wechat"]["exceptions"] = [exception]
    machine.verb("enforce", waived)
    machine.sh(f"{front} -y install wechat")
    assert machine.states(waived)["apps/wechat"] == "waived"
    assert machine.verb("enforce", waived)["actions"] == []
    exception["versions"] = ["3.9-1"]
    assert "remove wechat" in machine.verb("enforce", waived)["actions"]
    assert machine.sh(f"{front} -y install wechat", check=False).returncode
    assert machine.installed() == {"proscribe-guard"}


@pytest.mark.parametrize("machine", FRONT_ENDS, indirect=True)
def test_rpm_locked_by_another_package_manager_is_an_error(machine):
    machine.add("wechat")
    with machine.locked("/var/lib/rpm/.rpm.lock"):
        done = machine.verb("enforce", PLAN)
    assert "another package manager" in done["error"] and machine.installed() == {"wechat"}
    assert machine.verb("enforce", PLAN)["error"] is None and machine.installed() == {"proscribe-guard"}


def test_host_without_a_front_end_of_rpm_removes_by_rpm(machine):
    machine.sh("rm /usr/bin/dnf* /usr/bin/zypper*")
    machine.add("wechat", "wechat-moments", "viber", "viber-library")
    done = machine.verb("enforce", PLAN)
    assert [reason for _, _, reason in done["refused"]] == ["would break wechat-moments-1.0-1.noarch"]
    assert machine.installed() == {"wechat", "wechat-moments", "viber-library", "proscribe-guard"}
