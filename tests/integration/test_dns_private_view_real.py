"""Programs of a user that see other files than those by which the host resolves names: real namespaces and mounts."""

import os
import signal
import subprocess
import time
from pathlib import Path

import pytest
from conftest import open_to_others, require_root, require_tool
from proscribe.host.controls.dns import private_files, private_mounts
from proscribe.host.system import Host

UID = 71003  # nobody's account here, so that it goes by its number
SLEEPS = ("sh", "-c", "echo ready; exec sleep 300")
BESIDE = ("unshare", "-rm")
SANDBOX = ("bwrap", "--dev-bind", "/", "/")
# A sandbox with a root of its own, in which programs of the host run.
LINKS = (link for name in ("bin", "lib", "lib64") for link in ("--symlink", f"usr/{name}", f"/{name}"))
BARE = ("bwrap", "--ro-bind", "/usr", "/usr", *LINKS)
BOUND = (*BARE, "--ro-bind", "/etc", "/etc")


class Observed:
    def __init__(self, scratch):
        self.started = []
        self.own, self.copy = scratch / "own", scratch / "copy"
        self.own.write_text("203.0.113.7 web.telegram.org\n")
        self.copy.write_bytes(Path("/etc/hosts").read_bytes())
        open_to_others(scratch)

    def start(self, *command, uid=UID, then=SLEEPS):
        become = ["setpriv", "--reuid", str(uid), "--regid", str(uid), "--clear-groups"] if uid else []
        whole = [*become, *(word.format(own=self.own, copy=self.copy) for word in command), *then]
        process = subprocess.Popen(whole, stdout=subprocess.PIPE, start_new_session=True)
        self.started.append(process)
        assert process.stdout.readline() == b"ready\n", whole
        while Path(f"/proc/{self._last(process.pid)}/comm").read_text() != "sleep\n":
            time.sleep(0.01)

    def over(self, path, uid=UID):
        """What sleeps, with a file mounted over another."""
        script = f"mount --bind {self.own} {path} && echo ready; exec sleep 300"
        self.start(*(BESIDE if uid else BESIDE[:1] + ("-m",)), uid=uid, then=("sh", "-c", script))

    def _last(self, pid):
        children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
        return self._last(int(children[0])) if children else pid

    def stop(self):
        for process in self.started:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
            process.stdout.close()

    def findings(self):
        verdict = private_mounts.observe_private_views(Host(), {"mode": "enforce"})
        assert not verdict.drifted
        return [f"{f.id} {f.detail.partition(' ')[2]}" for f in verdict.findings if f.scope == f"user:{UID}"]


@pytest.fixture
def observed(tmp_path):
    require_root()
    for tool in ("unshare", "setpriv", "bwrap"):
        require_tool(tool)
    programs = Observed(tmp_path)
    yield programs
    programs.stop()


@pytest.mark.parametrize("path", private_files.RESOLUTION_FILES)
def test_a_file_mounted_over_the_hosts_own_is_reported(observed, path):
    observed.over(path)
    (finding,) = observed.findings()
    assert finding.startswith("sleep ") and finding.endswith(f"sees another {path} than the host has")


OWN_FILE = ("--bind", "{own}", "/etc/hosts")


@pytest.mark.parametrize("command", [(*SANDBOX, *OWN_FILE), (*BOUND, *OWN_FILE), (*SANDBOX, "--tmpfs", "/etc")])
def test_a_sandbox_that_runs_the_hosts_programs_with_another_hosts_file_is_reported(observed, command):
    observed.start(*command)
    assert any("sees another /etc/hosts" in finding for finding in observed.findings())


@pytest.mark.parametrize(
    "command", [BESIDE, (*SANDBOX, "--tmpfs", "/tmp"), (*BOUND, "--bind", "{copy}", "/etc/hosts"), BARE]
)
def test_view_with_the_same_files_is_no_finding(observed, command):
    observed.start(*command)
    assert observed.findings() == []


@pytest.mark.parametrize("uid", [0, 999])
def test_roots_and_services_own_mounts_are_left_out(observed, uid):
    observed.over("/etc/hosts", uid=uid)
    verdict = private_mounts.observe_private_views(Host(), {"mode": "enforce"})
    assert [finding for finding in verdict.findings if str(observed.started[0].pid) in finding.detail] == []
