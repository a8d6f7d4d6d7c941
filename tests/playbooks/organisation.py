"""Somebody else's Ansible project that uses Proscribe's parts: an ansible.cfg, plays and an inventory of its own."""

import json
import subprocess
import sys

from checkout import PROJECT, REAL_ANSIBLE, Ended, clean_environment, read_states
from patience import LONGEST

CONTROLS = ("apps", "browser", "firewall", "dns")
HOSTS = ("one", "two", "three")
ROLES = f"roles_path = {PROJECT / 'roles'}\n"
PLUGINS = ("library", "module_utils", "action_plugins", "filter_plugins", "test_plugins")
PATHS = ROLES + "".join(f"{option} = {PROJECT / option}\n" for option in PLUGINS)
PATHS += f"doc_fragment_plugins = {PROJECT / 'doc_fragments'}\n"
COLLECTED = f"callback_plugins = {PROJECT / 'callback_plugins'}\ncallbacks_enabled = proscribe_report\n"


class Organisation:
    """The project, with hosts that are all this machine, on which nothing may be changed."""

    def __init__(self, directory, ansible=REAL_ANSIBLE):
        self.directory = directory
        self.ansible = ansible
        self.reports = directory / "reports"
        self.source = "hosts.yml"  # as the command names it
        self.inventory()

    def inventory(self, dead="", enforced="dns", **variables):
        """Write the inventory; nothing answers for the host `dead`."""
        local = f"ansible_connection: local, ansible_python_interpreter: {sys.executable}"
        lines = "".join(f"    {host}: {{{local}}}\n" for host in HOSTS if host != dead)
        lines += f"    {dead}: {{ansible_host: 127.0.0.1, ansible_port: 1}}\n" if dead else ""
        modes = {control: "enforce" if control == enforced else "'off'" for control in CONTROLS}
        controls = f"{{{', '.join(f'{control}: {mode}' for control, mode in modes.items())}}}"
        more = "".join(f", {name}: {value}" for name, value in variables.items())
        (self.directory / "hosts.yml").write_text(
            f"all:\n  vars: {{proscribe_controls: {controls}, proscribe_dns_backend: hosts{more}}}\n"
            f"department:\n  hosts:\n{lines}elsewhere:\n  hosts:\n    other: {{{local}}}\n"
        )

    def configured(self, more, paths=PATHS):
        path = self.directory / "ansible.cfg"
        path.write_text(f"[defaults]\nlocalhost_warning = false\n{paths}{more}\n[connection]\npipelining = true\n")
        return path

    def playbook(self, text, name="site.yml"):
        path = self.directory / name
        path.write_text(text)
        return path

    def run(self, playbook, *options, stdin="", **environment):
        """Run a playbook; all that it prints is in `said`."""
        done = self.started(str(playbook), *options, stdin=stdin, **environment)
        return Ended(done.returncode, done.stdout + done.stderr)

    def started(self, *words, stdin="", **environment):
        """Run ansible-playbook, and keep what it prints apart."""
        argv = [self.ansible, "-i", self.source, *words]
        own = {"cwd": self.directory, "input": stdin, "text": True, "timeout": LONGEST}
        variables = clean_environment(PROSCRIBE_REPORTS=str(self.reports), **environment)
        return subprocess.run(argv, env=variables, capture_output=True, **own)

    @property
    def complete(self):
        paths = [path for path in self.reports.glob("2*/report.json") if ".partial" not in str(path)]
        return sorted((json.loads(path.read_text()) for path in paths), key=lambda report: report["run"]["started"])

    @property
    def covered(self):
        """Of how many expected hosts how many answered, in each report."""
        coverage = [report["summary"]["coverage"] for report in self.complete]
        return [(share["numerator"], share["denominator"]) for share in coverage]

    @property
    def states(self):
        return read_states(self.reports, "newest")
