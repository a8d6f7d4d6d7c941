"""A throw-away project for ansible-playbook: canned answers of Proscribe's actions, and the real callbacks."""

import fcntl
import json
import os
import shutil
import signal
import subprocess
import sys
import termios
from pathlib import Path

from patience import LONGEST

ROOT = Path(__file__).resolve().parents[3]
NAMES = ("compile_plans", "compliance_state", "restricted_apps")
COMPILE = """
- {name: Compile the plans, hosts: all, gather_facts: false, tasks: [
    {name: Compile every host's plan, compile_plans: {host: all}, run_once: true, delegate_to: localhost}]}
"""
AUDIT = f"""{COMPILE}
- name: Audit
  hosts: all
  gather_facts: false
  tasks:
    - {{name: Observe the host, compliance_state: {{host: "{{{{ inventory_hostname }}}}"}}, tags: [observe]}}
"""
ENFORCE = f"""{AUDIT}
    - {{name: Correct the apps, restricted_apps: {{host: "{{{{ inventory_hostname }}}}"}}}}
    - {{name: Observe the host again, compliance_state: {{host: "{{{{ inventory_hostname }}}}", call: second}}}}
"""
LIFT = f"""{COMPILE}
- {{name: Lift, hosts: all, gather_facts: false, tasks: [
    {{name: Lift the apps, restricted_apps: {{host: "{{{{ inventory_hostname }}}}", state: absent}}}}]}}
"""
FOREIGN = """
- {name: Somebody else's play, hosts: all, gather_facts: false, tasks: [
    {name: Say something, ansible.builtin.debug: {msg: foreign words}}]}
"""


def _at_a_terminal(controlling):
    """Reset the signal that nohup ignores; make standard input the controlling terminal."""
    signal.signal(signal.SIGHUP, signal.SIG_DFL)
    if controlling:
        fcntl.ioctl(0, termios.TIOCSCTTY, 0)


class Project:
    def __init__(self, path):
        self.path = path
        self.exit_file = path / "exit"
        self.actions = path / "actions"
        self.actions.mkdir()
        for name in NAMES:
            shutil.copyfile(Path(__file__).with_name("canned_action.py"), self.actions / f"{name}.py")
        self.unreachable = set()

    def run(self, *arguments, **named):
        """Run a playbook as `begin` does; returns the completed process."""
        process = self.begin(*arguments, **named)
        text = process.communicate(timeout=LONGEST)
        return subprocess.CompletedProcess(process.args, process.returncode, *text)

    def begin(self, playbook, answers, hosts, *options, environment=None, stdout="proscribe_stdout", terminal=None):
        """Start a playbook with those canned answers ({action: {host: result}}); returns the process. `terminal` is a
        descriptor of the one that is to be its controlling terminal.
        """
        (self.actions / "canned.json").write_text(json.dumps(answers), encoding="utf-8")
        lines = [f"{host} ansible_connection=local ansible_python_interpreter={sys.executable}" for host in hosts]
        lines += (
            [f"localhost ansible_connection=local ansible_python_interpreter={sys.executable}"] if not hosts else []
        )
        for index, host in enumerate(hosts):
            if host in self.unreachable:
                lines[index] = f"{host} ansible_connection=ssh ansible_host=127.0.0.1 ansible_port=1"
        (self.path / "hosts").write_text("\n".join(lines) + "\n", encoding="utf-8")
        (self.path / "play.yml").write_text(playbook, encoding="utf-8")
        (self.path / "ansible.cfg").write_text(
            f"[defaults]\ncallback_plugins = {ROOT / 'callback_plugins'}\ncallbacks_enabled = proscribe_report\n"
            f"stdout_callback = {stdout}\naction_plugins = {self.actions}\nlocalhost_warning = false\n"
            f"local_tmp = {self.path / 'tmp'}\nremote_tmp = {self.path / 'tmp'}\n",
            encoding="utf-8",
        )
        self.exit_file.unlink(missing_ok=True)
        inherited = {key: value for key, value in os.environ.items() if not key.startswith("ANSIBLE_")}
        return subprocess.Popen(
            [str(Path(sys.executable).parent / "ansible-playbook"), "-i", "hosts", "play.yml", *options], cwd=self.path,
            env={**inherited, "ANSIBLE_CONFIG": str(self.path / "ansible.cfg"), "ANSIBLE_HOME": str(self.path / "home"),
             "PROSCRIBE_EXIT_FILE": str(self.exit_file), "PWD": str(self.path), "LC_ALL": "C.UTF-8", "COLUMNS": "100",
             **(environment or {})},
            stdin=terminal, stdout=subprocess.PIPE if terminal is None else terminal,
            stderr=subprocess.PIPE if terminal is None else terminal, start_new_session=terminal is not None,
            preexec_fn=lambda: _at_a_terminal(terminal is not None), text=True,
        )  # fmt: skip

    @property
    def exit(self):
        return self.exit_file.read_text(encoding="utf-8").strip()

    def report(self, name="latest"):
        """The fleet report and the host records by name."""
        directory = self.path / "reports" / name
        lines = (directory / "hosts.jsonl").read_text(encoding="utf-8").splitlines()
        records = {record["host"]: record for record in map(json.loads, lines)}
        return json.loads((directory / "report.json").read_text(encoding="utf-8")), records
